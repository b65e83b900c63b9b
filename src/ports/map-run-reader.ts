import type { ExecutionRecord } from '../model/execution.ts';
import type { JournalEntry } from '../model/journal.ts';

/** Looks into distributed Maps, whose iterations AWS shows as executions of their own. */
export interface MapRunReader {
  /**
   * The iterations of a Map run that have begun, by their order; at most `ITERATIONS_MAX`. `history` is the whole journal
   * of the execution that the Map belongs to.
   */
  iterations(
    record: ExecutionRecord,
    history: readonly JournalEntry[],
    mapRun: string,
  ): Promise<readonly MapIteration[]>;
}

/** Iterations of one execution that are shown. */
export const ITERATIONS_MAX = 10_000;

export interface MapIteration {
  readonly index: number;
  readonly status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'ABORTED';
  readonly startedMs: number;
  /** How often it was taken up again, with the execution that it belongs to. */
  readonly redrives: number;
  readonly endedMs?: number;
  /** JSON text. */
  readonly input: string;
  readonly output?: string;
  readonly error?: string | undefined;
  readonly cause?: string | undefined;
  /** In the shape of Step Functions' API but for the time. */
  readonly events: readonly {
    readonly id: number;
    readonly previousEventId: number;
    readonly timestampMs: number;
    readonly type: string;
  }[];
}
