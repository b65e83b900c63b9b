import type { ExecutionId } from '../base/ids.ts';
import type { ExecutionOrigin, ExecutionRecord } from '../model/execution.ts';
import type { AppName } from '../model/function.ts';
import type { Failure, JournalEntry, LargePayload, Outcome } from '../model/journal.ts';
import type { ExecutionStep, StepData, StepPage } from './execution-steps.ts';
import type { ExecutionQuery } from './journal-store.ts';
import type { ExecutionGraph, GraphItem, WorkflowGraph } from './workflow-graph.ts';

/**
 * Starting and steering durable workflows, as the API, triggers and functions do it. Every refusal is a `LambentError`
 * with a code; what was accepted is durable.
 */
export interface Workflows {
  /** `E_NOT_FOUND`, `E_PAYLOAD_TOO_LARGE`, `E_IDEMPOTENCY_CONFLICT`, `E_OVERLOADED`. */
  start(request: StartRequest): Promise<StartedExecution>;
  /** How the execution (or what it went on as) ended; `undefined` when `waitMs` passes first. `E_NOT_FOUND`. */
  result(id: ExecutionId, waitMs: number): Promise<Outcome | undefined>;
  /** `E_NOT_FOUND`, `E_EXECUTION_ENDED`, `E_OVERLOADED`. */
  signal(id: ExecutionId, name: string, input: unknown): Promise<void>;
  /** A signal with an answer. `E_TIMEOUT` when none comes in time; the update may still happen then. */
  update(id: ExecutionId, name: string, input: unknown, waitMs: number): Promise<unknown>;
  query(id: ExecutionId, name: string, input: unknown): Promise<unknown>;
  /** Asks it to end, or with `force` ends it. `E_NOT_FOUND`, `E_EXECUTION_ENDED`. */
  cancel(id: ExecutionId, reason: string, force: boolean): Promise<void>;
  /**
   * Begins another execution in its place. Without `from`: with the same input, anew. With an operation's number:
   * durable code goes on there, on the version that is live now, and what came before keeps its results. `failed`:
   * from what it failed at; a state machine takes all its states up that had not succeeded. `E_NOT_FOUND`,
   * `E_BAD_REQUEST` where there is nothing to go on from.
   */
  retry(id: ExecutionId, from?: number | 'failed'): Promise<StartedExecution>;
  /**
   * Holds what it recorded against the code that is live now; nothing of it happens. `E_NOT_FOUND`, `E_BAD_REQUEST` of
   * a state machine, `E_TIMEOUT`.
   */
  replay(id: ExecutionId): Promise<Replay>;
  /**
   * Answers who waits for this token. The token is the permission, so the answer is read only once somebody is found
   * to wait for it. `E_BAD_REQUEST`, `E_CALLBACK_EXPIRED`.
   */
  answer(token: string, read: () => Promise<CallbackAnswer>): Promise<void>;
  /**
   * Answers the callback that an operation waits for, for whoever may steer executions. `E_NOT_FOUND`,
   * `E_CALLBACK_EXPIRED`.
   */
  answerOperation(id: ExecutionId, op: number, answer: CallbackAnswer): Promise<void>;
  /**
   * Takes in JSON from outside, to be given as an input or an answer: a large one is stored while it comes.
   * `E_BAD_REQUEST` where it is not JSON, `E_PAYLOAD_TOO_LARGE` over LARGE_PAYLOAD_BYTES_MAX.
   */
  takeIn(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<unknown>;
  /** The bytes of a large value from a place on; `undefined`: the execution, or what it went on as, names no such one. */
  payload(id: ExecutionId, blob: string, from: number): Promise<AsyncIterable<Buffer> | undefined>;
  find(id: ExecutionId): Promise<ExecutionRecord | undefined>;
  /** What it did, in the order in which it began. `E_NOT_FOUND`. */
  steps(id: ExecutionId, from: number, limit: number): Promise<StepPage>;
  /** One of the steps, with its data. `E_NOT_FOUND`. */
  step(id: ExecutionId, step: number): Promise<ExecutionStep & StepData>;
  /** The definition that an execution of a state machine runs, as JSON text. `E_NOT_FOUND`. */
  definition(id: ExecutionId): Promise<string | undefined>;
  /** What follows what in a workflow that is live. `E_NOT_FOUND`. */
  graph(app: AppName, workflow: string): Promise<WorkflowGraph>;
  /** An execution as a graph, within a map of the chosen item alone. `E_NOT_FOUND`. */
  executionGraph(id: ExecutionId, chosen?: GraphItem): Promise<ExecutionGraph>;
  history(id: ExecutionId, from: number, limit: number): Promise<JournalEntry[]>;
  list(query: ExecutionQuery): Promise<ExecutionRecord[]>;
}

/** An input or answer that is stored already, because it is too large for a journal. */
export class LargeInput {
  readonly payload: LargePayload;
  constructor(payload: LargePayload) {
    this.payload = payload;
  }
}

export interface StartRequest {
  readonly app: AppName;
  readonly workflow: string;
  /** A JSON value, or a `LargeInput`, which a state machine does not take. */
  readonly input: unknown;
  readonly options: StartOptions;
}

export interface StartOptions {
  /** Starting twice with the same key and input is starting once; with another input, an error. */
  readonly key?: string | undefined;
  /** Higher goes first. -100 to 100. Default: 0. */
  readonly priority?: number | undefined;
  /** Not before this long from now. */
  readonly delayMs?: number | undefined;
  /** It is over after this long, whatever it does. */
  readonly timeoutMs?: number | undefined;
  readonly concurrency?: { readonly key: string; readonly limit: number } | undefined;
  readonly rate?: { readonly key: string; readonly limit: number; readonly perMs: number } | undefined;
  readonly debounce?: { readonly key: string; readonly waitMs: number } | undefined;
  readonly origin?: ExecutionOrigin | undefined;
}

export interface StartedExecution {
  readonly id: ExecutionId;
  /** False: it had been started before (same key), or took the place of one that had not begun. */
  readonly isNew: boolean;
}

export interface Replay {
  readonly id: ExecutionId;
  /** What it was held against. */
  readonly version: string;
  readonly deployment: number;
  readonly status: 'same' | 'differs';
  /** Where the code goes another way. */
  readonly error: Failure | undefined;
}

export type CallbackAnswer =
  | { readonly status: 'succeeded'; readonly output: unknown }
  | { readonly status: 'failed'; readonly error: string; readonly message: string }
  | { readonly status: 'heartbeat' };
