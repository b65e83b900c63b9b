import type { ProgramAct } from '../ports/workflow-program.ts';

const OP_MAX = 10_000_000;
const MOMENT_MAX = 8.64e15;
const PLACE_CHARS_MAX = 512;
const NAME_CHARS_MAX = 256;
const DURATION_MAX_MS = 31_536_000_000;

/** Acts that most messages consist of, told by a look: the schemas of all acts cost several times as much. */
export interface PlainSubmission {
  readonly kind: 'submit';
  readonly acts: readonly ProgramAct[];
}

/**
 * Whether a message is one that the schemas take as it stands. They alone say what is right: false only means that they
 * have to be asked (`program-acts.test.ts` holds the two against each other).
 */
export function isPlainSubmission(message: unknown, actsMax: number): message is PlainSubmission {
  if (!has(message, 2) || message.kind !== 'submit') return false;
  const acts = message.acts;
  return Array.isArray(acts) && acts.length <= actsMax && acts.every(isPlainAct);
}

function isPlainAct(act: unknown): boolean {
  if (typeof act !== 'object' || act === null) return false;
  switch ((act as { kind?: unknown }).kind) {
    case 'complete':
      return has(act, 4) && isOp(act.op) && isValue(act.output) && within(act.atMs, 0, MOMENT_MAX);
    case 'open':
      return has(act, 4) && isOp(act.op) && isStep(act.task) && isText(act.at, 0, PLACE_CHARS_MAX);
    case 'took':
      return has(act, 2) && isWhole(act.offer, 1, Number.MAX_SAFE_INTEGER);
    case 'end':
      return has(act, 2) && isSuccess(act.outcome);
    default:
      return false;
  }
}

function isStep(task: unknown): boolean {
  return has(task, 3) && task.kind === 'step' && isText(task.name, 1, NAME_CHARS_MAX) && isRetry(task.retry);
}

function isRetry(retry: unknown): boolean {
  return (
    has(retry, 5) &&
    isWhole(retry.attemptsMax, 1, 1_000_000) &&
    within(retry.firstMs, 0, DURATION_MAX_MS) &&
    within(retry.factor, 1, 100) &&
    within(retry.maxMs, 0, DURATION_MAX_MS) &&
    typeof retry.jitter === 'boolean'
  );
}

function isSuccess(outcome: unknown): boolean {
  return has(outcome, 2) && outcome.status === 'succeeded' && isValue(outcome.output);
}

function isValue(payload: unknown): boolean {
  return has(payload, 1) && payload.json !== undefined;
}

/** An object with so many keys: with as many that are looked at, it has no others. */
function has(value: unknown, keys: number): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  let count = 0;
  for (const _ in value) count += 1;
  return count === keys;
}

function isOp(value: unknown): boolean {
  return isWhole(value, 1, OP_MAX);
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && within(value, min, max);
}

function within(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && value >= min && value <= max;
}

function isText(value: unknown, min: number, max: number): boolean {
  return typeof value === 'string' && value.length >= min && value.length <= max;
}
