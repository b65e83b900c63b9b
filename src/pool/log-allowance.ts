import type { Clock } from '../base/clock.ts';

const PERIOD_MS = 1_000;

/**
 * How much of what an instance says is kept. The runtime inside counts for itself, but code that floods the channel or
 * its own descriptors past the runtime must not drown the lines of others.
 */
export class LogAllowance {
  readonly #clock: Clock;
  readonly #linesMax: number;
  readonly #charsMax: number;
  readonly #onDropped: (lines: number) => void;
  #periodMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #chars = 0;
  #dropped = 0;

  /** `onDropped` hears at most once a second how many lines were dropped; `linesMax` and `charsMax` are for a second. */
  constructor(clock: Clock, linesMax: number, charsMax: number, onDropped: (lines: number) => void) {
    this.#clock = clock;
    this.#linesMax = linesMax;
    this.#charsMax = charsMax;
    this.#onDropped = onDropped;
  }

  /** Whether a line of this length is kept. */
  admit(chars: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#periodMs >= PERIOD_MS) {
      this.#periodMs = nowMs;
      this.#lines = 0;
      this.#chars = 0;
    }
    this.#lines += 1;
    this.#chars += chars;
    if (this.#lines <= this.#linesMax && this.#chars <= this.#charsMax) return true;
    this.#dropped += 1;
    if (this.#dropped === 1) this.#clock.after(PERIOD_MS, () => this.report());
    return false;
  }

  /** Says now what was dropped since it was last said. */
  report(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#onDropped(dropped);
  }
}
