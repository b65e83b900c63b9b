import type { Clock, Timer } from './clock.ts';

interface Entry {
  dueMs: number;
  order: number;
  periodMs: number | undefined;
  task: () => void;
}

/** A clock that stands still until `advance` moves it: for tests and the simulator. */
export class ManualClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #entries = new Set<Entry>();

  constructor(startMs = 1_800_000_000_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#add(Math.max(0, delayMs), undefined, task);
  }

  every(periodMs: number, task: () => void): Timer {
    const boundedMs = Math.max(1, periodMs);
    return this.#add(boundedMs, boundedMs, task);
  }

  /** Moves time forward, running each due timer at its own instant, in order. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const next = this.#earliest();
      if (next === undefined || next.dueMs > endMs) break;
      this.#nowMs = next.dueMs;
      if (next.periodMs === undefined) this.#entries.delete(next);
      else next.dueMs += next.periodMs;
      next.task();
    }
    this.#nowMs = endMs;
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#entries.size;
  }

  #add(delayMs: number, periodMs: number | undefined, task: () => void): Timer {
    const entry: Entry = { dueMs: this.#nowMs + delayMs, order: this.#order++, periodMs, task };
    this.#entries.add(entry);
    return { cancel: () => this.#entries.delete(entry) };
  }

  #earliest(): Entry | undefined {
    let best: Entry | undefined;
    for (const entry of this.#entries) {
      if (
        best === undefined ||
        entry.dueMs < best.dueMs ||
        (entry.dueMs === best.dueMs && entry.order < best.order)
      )
        best = entry;
    }
    return best;
  }
}
