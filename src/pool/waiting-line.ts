import { BoundedQueue } from '../base/bounded-queue.ts';
import type { VersionId } from '../model/function.ts';
import type { LeaseWaiter } from '../ports/instance-pool.ts';

export interface Waiting {
  readonly waiter: LeaseWaiter;
  /** Monotonic. */
  readonly sinceMs: number;
  /** It was in an instance, waited there and came back: it goes only where it can begin at once. */
  readonly tookBack: boolean;
}

/**
 * The calls of a version that wait for a place. Those that came back from an instance go first: they came before all
 * others. There are at most as many of them as instances hold, so only the others need a limit. Next go those that are
 * waited for by calls that have places of the same version: while they wait, those places do nothing.
 */
export class WaitingLine {
  readonly #tookBack: Waiting[] = [];
  readonly #nested: BoundedQueue<Waiting> | undefined;
  readonly #queue: BoundedQueue<Waiting> | undefined;
  readonly #version: VersionId;

  /** @param limit 0: nothing waits, except for what comes back */
  constructor(version: VersionId, limit: number) {
    this.#version = version;
    this.#queue = limit > 0 ? new BoundedQueue(limit) : undefined;
    this.#nested = limit > 0 ? new BoundedQueue(limit) : undefined;
  }

  get size(): number {
    return this.#tookBack.length + this.nested + (this.#queue?.size ?? 0);
  }

  /** How many are waited for by calls that have places of the same version. */
  get nested(): number {
    return this.#nested?.size ?? 0;
  }

  /** The one whose turn is next. */
  get first(): Waiting | undefined {
    return this.#tookBack[0] ?? this.#nested?.peek() ?? this.#queue?.peek();
  }

  /** False: there is no room. */
  push(waiting: Waiting): boolean {
    if (!waiting.tookBack) return this.#queueOf(waiting)?.push(waiting) === true;
    this.#tookBack.push(waiting);
    return true;
  }

  shift(): Waiting | undefined {
    return this.#tookBack.shift() ?? this.#nested?.shift() ?? this.#queue?.shift();
  }

  /** False: it does not wait any more. */
  remove(waiting: Waiting): boolean {
    const at = this.#tookBack.indexOf(waiting);
    if (at < 0) return this.#queueOf(waiting)?.remove(waiting) === true;
    this.#tookBack.splice(at, 1);
    return true;
  }

  #queueOf({ waiter }: Waiting): BoundedQueue<Waiting> | undefined {
    return waiter.waiting?.includes(this.#version) === true ? this.#nested : this.#queue;
  }
}
