import { BoundedQueue } from '../base/bounded-queue.ts';
import type { VersionId } from '../model/function.ts';
import type { LeaseWaiter } from '../ports/instance-pool.ts';
import { levelOf } from './self-calls.ts';

export interface Waiting {
  readonly waiter: LeaseWaiter;
  /** Monotonic. */
  readonly sinceMs: number;
  /** It was in an instance, did not begin there and came back: it goes only where it can begin at once. */
  readonly tookBack: boolean;
}

/**
 * The calls of a version that wait for a place. Those that came back from an instance go first: they came before all
 * others. There are at most as many of them as instances hold, so only the others need a limit. Next go those that are
 * waited for by calls that have places of the same version, which do nothing meanwhile: the deepest first, as with its
 * end the most of them can end.
 */
export class WaitingLine {
  readonly #tookBack: Waiting[] = [];
  /** By level (`levelOf`): 0 is waited for by none of this version. */
  readonly #levels: BoundedQueue<Waiting>[] = [];
  readonly #version: VersionId;
  readonly #limit: number;

  /** @param limit 0: nothing waits, except for what comes back */
  constructor(version: VersionId, limit: number) {
    this.#version = version;
    this.#limit = limit;
  }

  get size(): number {
    let size = this.#tookBack.length;
    for (const level of this.#levels) size += level.size;
    return size;
  }

  /** How many are waited for by calls that have places of the same version. */
  get nested(): number {
    let size = 0;
    for (let level = 1; level < this.#levels.length; level += 1) size += this.#levels[level]!.size;
    return size;
  }

  /** The one whose turn is next. */
  get first(): Waiting | undefined {
    return this.#tookBack[0] ?? this.#deepest()?.peek();
  }

  *[Symbol.iterator](): Iterator<Waiting> {
    yield* this.#tookBack;
    for (const level of this.#levels) yield* level;
  }

  /** False: there is no room. */
  push(waiting: Waiting): boolean {
    if (waiting.tookBack) {
      this.#tookBack.push(waiting);
      return true;
    }
    if (this.size >= this.#limit) return false;
    const level = levelOf(this.#version, waiting.waiter);
    while (this.#levels.length <= level) this.#levels.push(new BoundedQueue(this.#limit));
    return this.#levels[level]!.push(waiting);
  }

  shift(): Waiting | undefined {
    return this.#tookBack.shift() ?? this.#deepest()?.shift();
  }

  /** False: it does not wait any more. */
  remove(waiting: Waiting): boolean {
    if (!waiting.tookBack) return this.#levels.some((level) => level.remove(waiting));
    const at = this.#tookBack.indexOf(waiting);
    if (at >= 0) this.#tookBack.splice(at, 1);
    return at >= 0;
  }

  #deepest(): BoundedQueue<Waiting> | undefined {
    return this.#levels.findLast((level) => level.size > 0);
  }
}
