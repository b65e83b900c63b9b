import { BoundedQueue } from '../base/bounded-queue.ts';
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
 * others. There are at most as many of them as instances hold, so only the others need a limit.
 */
export class WaitingLine {
  readonly #tookBack: Waiting[] = [];
  readonly #queue: BoundedQueue<Waiting> | undefined;

  /** @param limit 0: nothing waits, except for what comes back */
  constructor(limit: number) {
    this.#queue = limit > 0 ? new BoundedQueue(limit) : undefined;
  }

  get size(): number {
    return this.#tookBack.length + (this.#queue?.size ?? 0);
  }

  /** The one whose turn is next. */
  get first(): Waiting | undefined {
    return this.#tookBack[0] ?? this.#queue?.peek();
  }

  /** False: there is no room. */
  push(waiting: Waiting): boolean {
    if (!waiting.tookBack) return this.#queue?.push(waiting) === true;
    this.#tookBack.push(waiting);
    return true;
  }

  shift(): Waiting | undefined {
    return this.#tookBack.shift() ?? this.#queue?.shift();
  }

  /** False: it does not wait any more. */
  remove(waiting: Waiting): boolean {
    const at = this.#tookBack.indexOf(waiting);
    if (at < 0) return this.#queue?.remove(waiting) === true;
    this.#tookBack.splice(at, 1);
    return true;
  }
}
