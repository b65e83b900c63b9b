import type { ExecutionInput, ExecutionRecord } from '../model/execution.ts';
import type { Failure, JournalEntry, Outcome, Payload, Task } from '../model/journal.ts';

/**
 * A front end of the engine: durable code in an instance, or the ASL interpreter in this process. A *session* is an
 * execution that is hot. The session decides in which order things happen to its program: the engine offers inputs,
 * the session takes them in and says in one `submit` which it took and what the program did then. That is one
 * transition of the journal, and nothing of it has an effect outside before it is durable.
 */
export interface WorkflowProgram {
  /**
   * Begins or resumes: `history` is the whole journal. The session replays it and then submits what the program does
   * next, at least once (an empty submit says that it has nothing to do but wait).
   */
  open(record: ExecutionRecord, history: readonly JournalEntry[], host: SessionHost): ProgramSession;
}

export interface ProgramSession {
  /** From outside, each once. Every offer is answered by being in the `took` of a later submit. */
  offer(offers: readonly Offer[]): void;
  /**
   * Entries of this session's own submits are durable now (`seq`: how many entries the journal has). Effects that
   * the session itself carries out, such as steps, begin only here.
   */
  committed(entries: readonly JournalEntry[], seq: number): void;
  /** Asks for something that leaves no trace: a query. Resolves with its answer. */
  query(name: string, input: Payload): Promise<QueryOutcome>;
  /** The session is dropped: it waits, or the claim was lost. Nothing that it submits counts any more. */
  close(): void;
}

export interface SessionHost {
  submit(submission: Submission): void;
  /** The session cannot go on: its instance died, the code cannot be loaded. `again`: it may be opened once more. */
  lost(error: Failure, again: boolean): void;
}

/** An input that the engine numbers, so that the session can name it. */
export interface Offer {
  readonly offer: number;
  /** The time of its entry, epoch milliseconds: the program's `now` once it took it. */
  readonly atMs: number;
  readonly input:
    | ExecutionInput
    | { readonly kind: 'attempt'; readonly op: number; readonly attempt: number };
}

/** In the program's own order. */
export interface Submission {
  readonly acts: readonly ProgramAct[];
  /** About how large they are as JSON, in bytes: it counts against `JOURNAL_BYTES_MAX`. */
  readonly bytes: number;
}

export type ProgramAct =
  /** The program saw this offer now. */
  | { readonly kind: 'took'; readonly offer: number }
  | {
      readonly kind: 'open';
      readonly op: number;
      readonly task: Task;
      /** Fails (a sleep: completes) after this time, or at that moment. */
      readonly dueInMs?: number;
      readonly dueMs?: number;
      readonly at?: string;
      readonly scope?: number;
      readonly item?: number;
    }
  /** How an operation that the program carries out itself ended: `step`, `scope`. */
  | { readonly kind: 'complete'; readonly op: number; readonly output: Payload; readonly atMs: number }
  | { readonly kind: 'fail'; readonly op: number; readonly error: Failure; readonly retryable: boolean }
  | { readonly kind: 'close'; readonly op: number }
  | { readonly kind: 'answer'; readonly update: string; readonly result: UpdateResult }
  | { readonly kind: 'note'; readonly note: unknown }
  | { readonly kind: 'end'; readonly outcome: Outcome };

export type UpdateResult = { readonly output: Payload } | { readonly error: Failure };
export type QueryOutcome = UpdateResult;
