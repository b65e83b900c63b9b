import type { Clock, Timer } from '../src/base/clock.ts';

interface Entry {
  dueMs: number;
  order: number;
  task: (() => void) | undefined;
}

/** A clock that a simulation moves: from timer to timer, however far apart they are. A heap, for many timers. */
export class SimClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #heap: Entry[] = [];

  constructor(startMs = 1_800_000_000_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return Math.floor(this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const entry: Entry = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, task };
    this.#order += 1;
    this.#push(entry);
    return {
      cancel: () => {
        entry.task = undefined;
      },
    };
  }

  every(periodMs: number, task: () => void): Timer {
    let timer: Timer;
    const again = (): void => {
      timer = this.after(periodMs, again);
      task();
    };
    timer = this.after(periodMs, again);
    return { cancel: () => timer.cancel() };
  }

  /** Runs the next timer at its own moment. False: there is none. */
  step(): boolean {
    for (;;) {
      const entry = this.#pop();
      if (entry === undefined) return false;
      if (entry.task === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, entry.dueMs);
      entry.task();
      return true;
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(left: Entry, right: Entry): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
}
