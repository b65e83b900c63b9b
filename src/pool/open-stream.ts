import type { InvocationId } from '../base/ids.ts';
import { BODY_CHUNK_BYTES, WINDOW_BYTES } from '../model/frames.ts';
import type { LeaseWaiter, StreamListener } from '../ports/instance-pool.ts';

/** A response's head may come on top of the window. */
export const UNCREDITED_MAX = WINDOW_BYTES + BODY_CHUNK_BYTES;

/** A call that is open in an instance. */
export interface OpenStream {
  readonly invocation: InvocationId;
  /** `undefined` once cancelled: nobody listens any more, but the place is still taken. */
  listener: StreamListener | undefined;
  deadlineMs: number;
  /** When it was handed over, monotonic. */
  readonly openedMs: number;
  /** How many were without an answer when it was handed over, itself included. 0: it has its answer, or part of it. */
  unansweredAmong: number;
  /** Who gets it back should it not begin. */
  readonly waiter: LeaseWaiter;
  /** It was sent ahead of its turn. */
  readonly isAhead: boolean;
  /** It was handed over with all of its body: nothing is lost when it begins elsewhere. */
  readonly isWhole: boolean;
  /** Bytes received and not yet passed on. */
  uncredited: number;
}

/** Whether its instance may give it back, as `model/frames.ts` has it. `retires`: the instance said that it does. */
export function mayGoBack(call: OpenStream, retires: boolean): boolean {
  return call.isWhole && call.unansweredAmong > 0 && (call.isAhead || retires);
}
