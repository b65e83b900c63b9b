import type { InstanceId } from '../base/ids.ts';
import type { Lease, LeaseWaiter, StreamOpening } from '../ports/instance-pool.ts';
import type { Instance } from './instance.ts';

/** A place in an instance, for one call. */
export class InstanceLease implements Lease {
  readonly cold: boolean;
  readonly queueMs: number;
  readonly startMs: number;
  readonly #instance: Instance;
  readonly #sentAheadFor: LeaseWaiter | undefined;
  readonly #openedMs: number;
  #stream = 0;

  /** `sentAheadFor`: the instance is to hold the call until it has ended those before. `openedMs`: now, monotonic. */
  constructor(
    instance: Instance,
    cold: boolean,
    queueMs: number,
    startMs: number,
    openedMs: number,
    sentAheadFor: LeaseWaiter | undefined,
  ) {
    this.#instance = instance;
    this.#openedMs = openedMs;
    this.#sentAheadFor = sentAheadFor;
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
    return this.#sentAheadFor === undefined ? 0 : this.#instance.heldMs(this.#openedMs);
  }

  open(opening: StreamOpening): void {
    this.#stream = this.#instance.open(opening, this.#sentAheadFor);
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
