import { existsSync, readFileSync } from 'node:fs';

/*
 * Facts recorded from other systems lie beside the repository, in `../shared/conformance` (or one folder higher, for a
 * worktree). They are not part of it: where they are missing, the tests that need them say so and are skipped.
 */

const FOLDERS = ['../../../shared/conformance/', '../../../../shared/conformance/'].map(
  (path) => new URL(path, import.meta.url),
);

export interface ExecutionVector {
  readonly id: string;
  readonly definition: Record<string, unknown>;
  readonly input: unknown;
  readonly expected: {
    readonly type: string;
    readonly output?: unknown;
    readonly error?: string;
    readonly cause?: string;
  };
  /** Types of the history's events, in order. */
  readonly events: readonly string[];
  /** The outcome holds an ARN, a date or a random value: only its status can be compared. */
  readonly volatile: boolean;
}

export interface DefinitionVector {
  readonly id: string;
  readonly definition: string;
  readonly expected: 'valid' | 'invalid';
}

/** The vectors of a file; `undefined` when they are not on this machine. */
export function readVectors<T>(name: string): T[] | undefined {
  const found = FOLDERS.map((folder) => new URL(name, folder)).find((file) => existsSync(file));
  return found === undefined ? undefined : (JSON.parse(readFileSync(found, 'utf8')) as T[]);
}

export const NOT_HERE = 'the recorded vectors (../shared/conformance) are not on this machine';

/** `scenarios` of `scenarios/test_base_scenarios.py::…`. */
export function groupOf({ id }: ExecutionVector): string {
  return id.split('/')[0]!.split('.')[0]!;
}

/**
 * What a distributed Map's object held. The recordings leave it out, so it is rebuilt from what came out of iterations
 * that pass their items on, with one item more where MaxItems is to cut it off.
 */
export function rebuildObject(
  { expected }: ExecutionVector,
  reader: { InputType?: unknown; MaxItems?: unknown },
): string {
  const items = Array.isArray(expected.output) ? (expected.output as unknown[]) : [];
  const whole = reader.MaxItems === items.length ? [...items, items[0]] : items;
  if (reader.InputType !== 'CSV') return JSON.stringify(whole);
  const headers = Object.keys((items[0] ?? { Column: '' }) as object);
  const rows = whole.map((item) => headers.map((name) => (item as Record<string, string>)[name]).join(','));
  return [headers.join(','), ...rows].join('\n');
}

/** How a run came out, in the vector's terms. */
export interface Outcome {
  readonly types: readonly string[];
  readonly output: unknown;
  readonly error: string | undefined;
  readonly cause: string | undefined;
}

/** What differs from the recording; `undefined` when nothing does. */
export function difference(
  { expected, events, volatile }: ExecutionVector,
  outcome: Outcome,
): string | undefined {
  const differ = (name: string, is: unknown, wanted: unknown): string =>
    `${name} is ${JSON.stringify(is)}, recorded was ${JSON.stringify(wanted)}`;
  if (outcome.types.at(-1) !== expected.type) {
    return differ('the end', [outcome.types.at(-1), outcome.error, outcome.cause], expected.type);
  }
  // Placeholders of the recording for values that are drawn anew each time.
  const drawn = /RandomNumberGenerated|generated-uuid/.test(JSON.stringify(expected.output ?? null));
  for (const name of ['output', 'error', 'cause'] as const) {
    if (volatile || drawn) continue;
    const [is, wanted] = [sorted(outcome[name]), sorted(expected[name])];
    if (JSON.stringify(is) !== JSON.stringify(wanted)) return differ(name, is, wanted);
  }
  const [is, wanted] = [comparable(outcome.types), comparable(events)];
  return is.join() === wanted.join() ? undefined : differ('the history', is, wanted);
}

/** JSON with the fields of objects in order of their names. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, sorted(field)]));
}

/**
 * The branches of a Parallel run at once, so their events have no order of their own; the recordings have them sorted,
 * moved before ExecutionStarted, and without ParallelStateSucceeded. What can be compared is which types occur.
 */
function comparable(types: readonly string[]): readonly string[] {
  if (!types.includes('ParallelStateStarted')) return types;
  return [...new Set(types.filter((type) => type !== 'ParallelStateSucceeded'))].sort();
}
