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
 * others. There are at most as many of them as instances hold, so only the others need a limit.
 */
export class WaitingLine {
  readonly #tookBack: Waiting[] = [];
  readonly #queue: BoundedQueue<Waiting> | undefined;
  readonly #version: VersionId;
  #nested = 0;

  /** @param limit 0: nothing waits, except for what comes back */
  constructor(version: VersionId, limit: number) {
    this.#version = version;
    this.#queue = limit > 0 ? new BoundedQueue(limit) : undefined;
  }

  get size(): number {
    return this.#tookBack.length + (this.#queue?.size ?? 0);
  }

  /** How many are waited for by calls that have places of the same version. */
  get nested(): number {
    return this.#nested;
  }

  /** The one whose turn is next. */
  get first(): Waiting | undefined {
    return this.#tookBack[0] ?? this.#queue?.peek();
  }

  /** False: there is no room. */
  push(waiting: Waiting): boolean {
    if (waiting.tookBack) this.#tookBack.push(waiting);
    else if (this.#queue?.push(waiting) !== true) return false;
    this.#count(waiting, 1);
    return true;
  }

  shift(): Waiting | undefined {
    const first = this.#tookBack.shift() ?? this.#queue?.shift();
    if (first !== undefined) this.#count(first, -1);
    return first;
  }

  /** False: it does not wait any more. */
  remove(waiting: Waiting): boolean {
    const at = this.#tookBack.indexOf(waiting);
    if (at >= 0) this.#tookBack.splice(at, 1);
    else if (this.#queue?.remove(waiting) !== true) return false;
    this.#count(waiting, -1);
    return true;
  }

  #count({ waiter }: Waiting, change: 1 | -1): void {
    if (waiter.waiting?.includes(this.#version) === true) this.#nested += change;
  }
}
