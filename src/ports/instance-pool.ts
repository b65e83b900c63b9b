import type { LambentError } from '../base/errors.ts';
import type { InstanceId, InvocationId } from '../base/ids.ts';
import type { FailureMessage } from '../model/frames.ts';
import type { FunctionVersion } from '../model/function.ts';
import type { PoolView } from './activity.ts';
import type { CallOrigin, WaitingCaller } from './platform-calls.ts';

/**
 * Gives calls a place in a running instance: at once when one is warm and has room, otherwise after a wait in
 * the version's bounded queue while instances are started. The pool owns instances and their channels; the
 * caller owns the meaning of the frames on its stream.
 */
export interface InstancePool extends PoolView {
  /**
   * Asks for a place. Answers `waiter.onLease` (often before this returns) or `waiter.onRefused`, once. The
   * returned function withdraws a request that still waits; later it does nothing.
   */
  acquire(version: FunctionVersion, deployment: number, waiter: LeaseWaiter): () => void;
  /**
   * Has as many instances of the version as its configuration wants to stay up without work: from now on, as windows by
   * the clock open and close, until `retainOnly` leaves it out. Failures show at the next call.
   */
  keep(version: FunctionVersion, deployment: number): void;
  /** The same, and starts one if there is none, so that the first call finds it warm. */
  warm(version: FunctionVersion, deployment: number): void;
  /** Says that this version may soon be called: a process of its kind is made ready, without its code. Never rejects. */
  foresee(version: FunctionVersion, deployment: number): Promise<void>;
  /** Instances of these versions end once they have finished their work; calls that come get new ones. */
  renew(isConcerned: (version: FunctionVersion) => boolean): void;
  /** Versions not in `keep` get no new instances, and theirs end when they have no more work. */
  retainOnly(isLive: (version: FunctionVersion) => boolean): void;
  /** Ends all instances; those that work get `graceMs` to finish. */
  close(graceMs: number): Promise<void>;
}

export interface LeaseWaiter {
  /** The invocations that wait for this one: with all places taken by such, none becomes free. */
  readonly waiting?: readonly WaitingCaller[] | undefined;
  /**
   * The call is whole, and nobody is held up by it who waits for its instance: it may be handed to an instance before
   * it can begin there.
   */
  readonly mayBeHeld?: boolean | undefined;
  onLease(lease: Lease): void;
  /**
   * The call has not begun in the instance that had it, and will not: its lease is void, and it waits again, first of
   * all. `onLease` or `onRefused` follows. The function withdraws it. Happens to calls that were handed over whole.
   */
  onTakenBack?(withdraw: () => void): void;
  /** `E_CONCURRENCY_LIMIT`, `E_CALL_DEADLOCK`, `E_OVERLOADED`, `E_BOOT_FAILED`, `E_HANDLER_MISSING`, `E_START_FAILED`, `E_PROTOCOL`, `E_SHUTTING_DOWN`. */
  onRefused(error: LambentError): void;
}

/** A place in an instance: one stream of its channel. It ends by itself when the instance ends the stream. */
export interface Lease {
  readonly instance: InstanceId;
  /** This call waited for the start of a process. */
  readonly cold: boolean;
  /** Time waited for a place without the start of a process, in milliseconds. */
  readonly queueMs: number;
  /** Time waited for the start of a process, in milliseconds. */
  readonly startMs: number;
  /** Time the call that ends now waited in its instance for those before it, in milliseconds. */
  heldMs(): number;
  /** The highest resident memory of the instance so far, in megabytes; 0: not known. */
  memoryPeakMb(): number;
  /** Hands the call over. Once, and before anything else. */
  open(opening: StreamOpening): void;
  /** `trailers`: of an HTTP request, with the last piece. */
  body(chunk: Uint8Array, last: boolean, trailers?: string): void;
  /** Returns the bytes of RESULT, HTTP_RESPONSE and BODY payloads that were passed on. */
  credit(bytes: number): void;
  /** Moves the moment at which the stream is stopped, epoch milliseconds: infinity where it may last. */
  setDeadline(deadlineMs: number): void;
  /** The answer is no longer wanted. The place stays taken until the instance ends the stream; the listener hears nothing more. */
  cancel(reason: number): void;
}

export interface StreamOpening {
  readonly invocation: InvocationId;
  /** FRAME.HTTP_REQUEST, whose head is latin1 text, or FRAME.EVENT, whose head is JSON. */
  readonly kind: number;
  readonly head: string;
  /** The first bytes of the body; `last`: all of it. */
  readonly body: Uint8Array | undefined;
  readonly last: boolean;
  /** Epoch milliseconds: the invocation is stopped then. */
  readonly deadlineMs: number;
  /** For the calls that the invocation makes. */
  readonly origin: CallOrigin;
  readonly listener: StreamListener;
}

/** Hears what the instance says on one stream. The last call is one of those marked (end). */
export interface StreamListener {
  /** HTTP_RESPONSE; `last`: (end). Payload as in model/frames.ts, not yet checked. */
  onResponse(payload: Buffer, last: boolean): void;
  /** RESULT; `last`: (end). */
  onResult(payload: Buffer, last: boolean): void;
  /** BODY; `last`: (end). */
  onBody(payload: Buffer, last: boolean): void;
  /** TRAILERS, not yet checked. Who takes no HTTP answer takes none. */
  onTrailers?(payload: Buffer): void;
  onCredit(bytes: number): void;
  /** FAILED (end). */
  onFailed(failure: FailureMessage): void;
  /** The platform ended it (end): `E_FUNCTION_TIMEOUT`, `E_FUNCTION_EXITED`, `E_INSTANCE_LOST`, `E_OUT_OF_MEMORY`, `E_PROTOCOL`, `E_SHUTTING_DOWN`. */
  onLost(error: LambentError): void;
}
