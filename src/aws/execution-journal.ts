import type { ExecutionId } from '../base/ids.ts';
import type { JournalEntry } from '../model/journal.ts';
import type { JournalStore } from '../ports/journal-store.ts';

/** Entries read from the store at once. */
const ENTRIES_A_READ = 1_000;

/** All entries of an execution, in order, read piece by piece. */
export async function* readJournal(
  journal: JournalStore,
  id: ExecutionId,
  from = 0,
): AsyncGenerator<JournalEntry> {
  for (let at = from; ; ) {
    const entries = await journal.history(id, at, ENTRIES_A_READ);
    if (entries.length === 0) return;
    yield* entries;
    at += entries.length;
  }
}

/** What the ASL front end notes with each thing it takes in: the history's events, in AWS' shape but for the time. */
export interface HistoryNote {
  readonly asl: 1;
  readonly atMs: number;
  readonly events: readonly HistoryEvent[];
  readonly mapRuns?: readonly MapRunNote[];
}

export interface HistoryEvent {
  readonly id: number;
  readonly previousEventId: number;
  readonly timestampMs: number;
  readonly type: string;
  readonly [details: string]: unknown;
}

/** A distributed Map as it stands: see DescribeMapRun. */
export interface MapRunNote {
  readonly name: string;
  readonly startedMs: number;
  readonly endedMs?: number;
  readonly status: string;
  readonly concurrency: number;
  readonly toleratedCount?: number;
  readonly toleratedPercentage?: number;
  readonly total: number;
  readonly items: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Absent in notes of before there were any. */
  readonly redrives?: number;
  readonly redrivenMs?: number;
}

export function historyNote(entry: JournalEntry): HistoryNote | undefined {
  if (entry.kind !== 'noted') return undefined;
  const note = entry.note as HistoryNote | null;
  return typeof note === 'object' && note?.asl === 1 ? note : undefined;
}
