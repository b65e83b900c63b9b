import type { ExecutionStep, StepAttempt, StepError } from '../ports/execution-steps.ts';
import { type Style, visible } from './output.ts';

export interface ExecutionView {
  readonly id: string;
  readonly app: string;
  readonly workflow: string;
  readonly status: string;
  readonly createdMs: number;
  readonly endedMs?: number;
  readonly dueMs?: number;
  readonly entries: number;
}

/** An execution as a tree of its operations, or of its states: how each ended, how long it took, its attempts and errors. */
export function executionTree(
  record: ExecutionView,
  steps: readonly ExecutionStep[],
  error: StepError | undefined,
  style: Style,
): string {
  const lines = [`${style.bold(`${record.app}/${record.workflow}`)}  ${record.id}`];
  const within = Map.groupBy(steps, (step) => step.parent);
  const add = (step: ExecutionStep, depth: number): void => {
    addLines(step, '  '.repeat(depth + 1), lines, style);
    const what = /^map(?: |$)/.test(step.name) ? 'item' : 'branch';
    for (const [item, children] of itemsOf(within.get(step.step) ?? [])) {
      if (item !== undefined) lines.push(`${'  '.repeat(depth + 2)}${style.dim(`${what} ${item}`)}`);
      for (const child of children) add(child, depth + (item === undefined ? 1 : 2));
    }
  };
  for (const root of within.get(undefined) ?? []) add(root, 0);
  const started = steps[0]?.fromMs ?? record.createdMs;
  const latest = steps.reduce((last, { fromMs, toMs = fromMs }) => Math.max(last, toMs), started);
  const due = record.dueMs === undefined ? '' : `, goes on at ${new Date(record.dueMs).toISOString()}`;
  lines.push(
    `${colour(style, record.status)} after ${durationText((record.endedMs ?? latest) - record.createdMs)}, ${record.entries} entries${due}`,
  );
  if (error !== undefined) lines.push(`  ${style.red(visible(errorText(error)))}`);
  return `${lines.join('\n')}\n`;
}

/** What belongs to no item first, then one item or branch after the other. */
function itemsOf(steps: readonly ExecutionStep[]): [number | undefined, ExecutionStep[]][] {
  return [...Map.groupBy(steps, ({ item }) => item)].sort(([a = -1], [b = -1]) => a - b);
}

const SIGNS = { succeeded: '✓', failed: '✗', cancelled: '-', running: '…', waiting: '…' } as const;
const COLOURS = {
  succeeded: 'green',
  failed: 'red',
  cancelled: 'yellow',
  running: 'yellow',
  waiting: 'yellow',
} as const;

function addLines(step: ExecutionStep, indent: string, lines: string[], style: Style): void {
  const { status, attempts, attemptCount, fromMs, toMs, at } = step;
  const tries = attemptCount > 1 ? `  ${attemptCount} attempts` : '';
  const time = toMs === undefined ? 'under way' : durationText(toMs - fromMs);
  const facts = `${time}${tries}${at === undefined ? '' : `  ${at}`}`;
  lines.push(
    `${indent}${style[COLOURS[status]](SIGNS[status])} ${visible(titleOf(step))}  ${style.dim(facts)}`,
  );
  const earlier = attemptCount - attempts.length;
  const errors = attempts.flatMap((attempt, place) =>
    attempt.error === undefined
      ? []
      : [`${attemptText(step, attempt, earlier + place + 1)}${errorText(attempt.error)}`],
  );
  if (errors.length === 0 && step.error !== undefined) errors.push(errorText(step.error));
  for (const error of errors) lines.push(`${indent}    ${style.red(visible(error))}`);
}

/** Which attempt it was and how long it took, where there were several. */
function attemptText(
  { attemptCount }: ExecutionStep,
  { fromMs, toMs = fromMs }: StepAttempt,
  attempt: number,
): string {
  return attemptCount === 1 ? '' : `attempt ${attempt}, ${durationText(toMs - fromMs)}: `;
}

function titleOf({ kind, name, execution }: ExecutionStep): string {
  switch (kind) {
    case 'call':
      return `call ${name}`;
    case 'event':
      return `wait for event ${name}`;
    case 'child':
      return `workflow ${name} ${execution}`;
    case 'signal':
      return `signal ${name} to ${execution}`;
    case 'retry':
      return `${name}, ${execution}`;
    case 'sleep':
    case 'callback':
      return name === kind ? kind : `${kind} ${name}`;
    default:
      return name;
  }
}

function colour(style: Style, status: string): string {
  if (status === 'succeeded') return style.green(status);
  return status === 'failed' || status === 'timedOut' ? style.red(status) : style.yellow(status);
}

/** Its first line: the code, what was thrown where that says more, and the message. */
export function errorText({ code, errorType, errorMessage }: StepError): string {
  const name = errorType === code ? code : `${code} ${errorType}`;
  return `${name}: ${messageOf(errorMessage).split('\n')[0]}`;
}

/** A state's cause is what the function said, as JSON; for people its message is enough. */
function messageOf(text: string): string {
  if (!text.startsWith('{')) return text;
  try {
    const { errorMessage } = JSON.parse(text) as { errorMessage?: unknown };
    return typeof errorMessage === 'string' ? errorMessage : text;
  } catch {
    return text;
  }
}

function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}
