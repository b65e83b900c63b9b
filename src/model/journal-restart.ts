import type { JournalEntry } from './journal.ts';

/*
 * An execution that ended is never written to again. Whoever wants it to go on begins another with a part of its
 * journal: what is recorded there is not done again.
 */

/**
 * The journal without its end, for a front end that takes up what had not succeeded by itself. What was under way
 * ended with the execution, at `nowMs`.
 */
export function entriesWithoutEnd(entries: readonly JournalEntry[], nowMs: number): JournalEntry[] {
  const kept: JournalEntry[] = [];
  const open = new Set<number>();
  for (const entry of entries) {
    if (entry.kind === 'ended' || entry.kind === 'cancelRequested') continue;
    kept.push(entry);
    if (entry.kind === 'opened') open.add(entry.op);
    else if (endsOperation(entry)) open.delete(entry.op);
  }
  for (const op of open) kept.push({ kind: 'closed', atMs: nowMs, op });
  return kept;
}

/**
 * The journal up to where an operation began, or earlier: what had begun before it and was under way then would not
 * be carried out by anybody, so it begins again as well. Nobody had asked for a cancellation yet. `undefined`: there
 * is no such operation.
 */
export function entriesBefore(entries: readonly JournalEntry[], op: number): JournalEntry[] | undefined {
  let end = entries.findIndex((entry) => entry.kind === 'opened' && entry.op === op);
  if (end < 0) return undefined;
  const cancelled = entries.findIndex((entry) => entry.kind === 'cancelRequested');
  if (cancelled >= 0) end = Math.min(end, cancelled);
  const ends = new Map<number, number>();
  for (const [place, entry] of entries.entries()) if (endsOperation(entry)) ends.set(entry.op, place);
  for (let place = end - 1; place > 0; place -= 1) {
    const entry = entries[place]!;
    // A scope is only a name around others: the code opens and ends it by itself.
    if (entry.kind !== 'opened' || entry.task.kind === 'scope') continue;
    if ((ends.get(entry.op) ?? Number.POSITIVE_INFINITY) >= end) end = place;
  }
  return entries.slice(0, end);
}

/** The operation that an execution came to grief over: the last that failed, or else the last that never ended. */
export function operationThatFailed(entries: readonly JournalEntry[]): number | undefined {
  const failed = entries.findLast((entry) => entry.kind === 'failed');
  if (failed?.kind === 'failed') return failed.op;
  const ended = new Set(entries.flatMap((entry) => (endsOperation(entry) ? [entry.op] : [])));
  const left = entries.findLast(
    (entry) => entry.kind === 'opened' && entry.task.kind !== 'scope' && !ended.has(entry.op),
  );
  return left?.kind === 'opened' ? left.op : undefined;
}

type Ending = Extract<JournalEntry, { kind: 'completed' | 'failed' | 'closed' }>;

function endsOperation(entry: JournalEntry): entry is Ending {
  return entry.kind === 'completed' || entry.kind === 'failed' || entry.kind === 'closed';
}

/** Noted behind what was taken over, so that readers can say where it came from. */
export interface RetryNote {
  readonly retry: 1;
  readonly execution: string;
}

export function isRetryNote(note: unknown): note is RetryNote {
  return typeof note === 'object' && note !== null && (note as { retry?: unknown }).retry === 1;
}
