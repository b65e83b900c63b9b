import type { InstanceId } from '../base/ids.ts';
import type { Lease, LeaseWaiter, StreamOpening } from '../ports/instance-pool.ts';
import type { Instance } from './instance.ts';

/** A place in an instance, for one call. */
export class InstanceLease implements Lease {
  readonly cold: boolean;
  readonly queueMs: number;
  readonly startMs: number;
  readonly #instance: Instance;
  readonly #waiter: LeaseWaiter;
  readonly #aheadMs: number;
  #stream = 0;

  /** `aheadMs`: when it was sent ahead (monotonic), for the instance to hold it until those before have ended; 0: it is not. */
  constructor(
    instance: Instance,
    waiter: LeaseWaiter,
    cold: boolean,
    queueMs: number,
    startMs: number,
    aheadMs: number,
  ) {
    this.#instance = instance;
    this.#waiter = waiter;
    this.#aheadMs = aheadMs;
    this.cold = cold;
    this.queueMs = queueMs;
    this.startMs = startMs;
  }

  get instance(): InstanceId {
    return this.#instance.id;
  }

  memoryPeakMb(): number {
    return Math.ceil(this.#instance.memoryPeakKb / 1024);
  }

  get isOpen(): boolean {
    return this.#stream !== 0;
  }

  heldMs(): number {
    return this.#aheadMs === 0 ? 0 : this.#instance.heldMs(this.#aheadMs);
  }

  open(opening: StreamOpening): void {
    this.#stream = this.#instance.open(opening, this.#waiter, this.#aheadMs !== 0);
  }

  body(chunk: Uint8Array, last: boolean, trailers = ''): void {
    this.#instance.body(this.#stream, chunk, last, trailers);
  }

  credit(bytes: number): void {
    this.#instance.credit(this.#stream, bytes);
  }

  setDeadline(deadlineMs: number): void {
    this.#instance.setDeadline(this.#stream, deadlineMs);
  }

  cancel(reason: number): void {
    this.#instance.cancel(this.#stream, reason);
  }
}
