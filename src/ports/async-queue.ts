import type { InvocationId, NodeId } from '../base/ids.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { CalledBy } from './platform-calls.ts';

/** An asynchronous invocation that was accepted and is owed. */
export interface AsyncInvocation {
  readonly id: InvocationId;
  readonly app: AppName;
  readonly function: FunctionName;
  /** UTF-8 JSON text. */
  readonly payload: Uint8Array;
  readonly traceparent: string | undefined;
  /** Present where a function called. Nobody waits for the call, so that its chain names none that does. */
  readonly caller?: CalledBy | undefined;
  /** Epoch milliseconds. */
  readonly acceptedMs: number;
  /** Attempts begun so far. */
  readonly attempts: number;
}

/** Held by one node until it completes, fails or loses it. `fence` grows with each claim; stale ones change nothing. */
export interface ClaimedInvocation extends AsyncInvocation {
  readonly fence: number;
}

/** The durable queue behind `202 Accepted`: at least once, with retries, ending in success or among the dead. */
export interface AsyncQueue {
  /**
   * Durable when it resolves; only then may the caller hear 202. The same id twice is stored once, until it is
   * complete. `E_OVERLOADED` when the queue is full.
   */
  enqueue(invocation: Omit<AsyncInvocation, 'attempts'>): Promise<void>;
  /**
   * Takes up to `limit` that are due, oldest due first; their attempt count is already raised. There may be fewer
   * although more are due, when payloads are large; there are none only when none is due.
   */
  claim(node: NodeId, nowMs: number, limit: number): Promise<ClaimedInvocation[]>;
  /** Done. False when the claim was lost meanwhile. */
  complete(id: InvocationId, fence: number): Promise<boolean>;
  /** Failed: due again at `retryAtMs`, or dead when `undefined`. False when the claim was lost. */
  fail(
    id: InvocationId,
    fence: number,
    error: InvocationError,
    retryAtMs: number | undefined,
  ): Promise<boolean>;
  /** Gives back all claims of other nodes than `node` (on one machine: those of a platform that died). Returns how many. */
  recover(node: NodeId): Promise<number>;
  /** When the earliest unclaimed one is due, epoch ms; `undefined`: none waits. */
  nextDueMs(): Promise<number | undefined>;
  counts(): Promise<{ waiting: number; claimed: number; dead: number }>;
  /** The dead, newest first; fewer than `limit` when payloads are large. A bounded number is kept: the oldest go. */
  listDead(
    limit: number,
  ): Promise<(AsyncInvocation & { readonly error: InvocationError; readonly diedMs: number })[]>;
}
