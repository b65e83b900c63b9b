import type { ExecutionRecord } from '../model/execution.ts';
import type { Failure, Payload } from '../model/journal.ts';

/** A call that an execution makes. */
export interface FunctionCall {
  readonly record: ExecutionRecord;
  /** Name within the execution's own deployment, or `app/function` of a live one. */
  readonly function: string;
  readonly input: Payload;
  readonly op: number;
  /** From 1. */
  readonly attempt: number;
  /** Aborts when nobody waits for the outcome any more. */
  readonly signal: AbortSignal;
}

export type CallOutcome =
  | { readonly status: 'ok'; readonly output: Payload }
  | { readonly status: 'failed'; readonly error: Failure; readonly retryable: boolean }
  /** There was no room: the same attempt is made again later. */
  | { readonly status: 'throttled' }
  /** The platform stops: nothing is recorded. */
  | { readonly status: 'stopping' };

/** Calls a function. Never rejects. */
export type CallFunction = (call: FunctionCall) => Promise<CallOutcome>;
