import type { InstanceId, InvocationId } from '../base/ids.ts';
import type { AppName, FunctionName, VersionId } from '../model/function.ts';

/**
 * What functions may ask of the platform over their instance's own channel: named operations, each a handler that
 * takes a payload and gives a result. Rooms add theirs; `server/wire.ts` puts the table together.
 */
export type PlatformCalls = ReadonlyMap<string, OperationHandler>;

/**
 * Performs one call. `args` and `payload` come from inside a sandbox: parse them. Rejects with a `LambentError`, or
 * with a `CallFailed` where the failure is a function's own. A result of more than `CALL_BYTES_MAX` is refused.
 */
export type OperationHandler = (
  caller: CallerIdentity,
  args: Readonly<Record<string, unknown>>,
  payload: Buffer,
) => Promise<Uint8Array>;

/** Who calls: what the platform itself knows of the instance and its stream, never what the instance says. */
export interface CallerIdentity {
  readonly app: AppName;
  readonly function: FunctionName;
  readonly version: VersionId;
  readonly deployment: number;
  readonly instance: InstanceId;
  /** `undefined` for code outside an invocation: at load, in timers, long after an answer. */
  readonly invocation: InvocationId | undefined;
  /** Trace context for what follows from this call; its parent is the calling invocation. */
  readonly traceparent: string | undefined;
  readonly chain: CallChain;
  /** Aborts when the instance is gone: nobody waits for the result any more. */
  readonly signal: AbortSignal;
}

/** How a call came about through other functions. */
export interface CallChain {
  /** How many calls from function to function led here; at most CALL_DEPTH_MAX. */
  readonly depth: number;
  /** Who waits for this call right now, the first caller first. */
  readonly waiting: readonly WaitingCaller[];
}

/** An invocation that has a place in an instance, and waits for a call. */
export interface WaitingCaller {
  readonly version: VersionId;
  readonly invocation: InvocationId;
}

export const NO_CHAIN: CallChain = { depth: 0, waiting: [] };

/** What an invocation hands on to the calls that it makes. */
export interface CallOrigin {
  /** Its caller's trace context. */
  readonly traceparent: string | undefined;
  readonly chain: CallChain;
}

/** The function that called a function. */
export interface CalledBy {
  readonly app: AppName;
  readonly function: FunctionName;
  readonly invocation: InvocationId | undefined;
  readonly chain: CallChain;
}

/** Calls that may lead from function to function (AWS Lambda stops recursive loops at the same figure). */
export const CALL_DEPTH_MAX = 16;

/** A function that was called failed by itself: its own error, for its caller. */
export class CallFailed extends Error {
  readonly code: string;
  readonly errorType: string;
  readonly stackTrace: readonly string[];
  readonly retryable: boolean;

  constructor(
    code: string,
    errorType: string,
    message: string,
    stackTrace: readonly string[],
    retryable: boolean,
  ) {
    super(message);
    this.code = code;
    this.errorType = errorType;
    this.stackTrace = stackTrace;
    this.retryable = retryable;
  }
}
