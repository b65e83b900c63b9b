import { HELD_MAX } from '../model/frames.ts';

/** The mean of run times gives each new one this share. */
const SHARE = 1 / 16;
/** Of calls that nobody has measured yet. Some hundred short ones bring the mean down. */
const UNKNOWN_MS = 1_000;

/**
 * Whether the calls of a version are so short that it pays to send them to an instance ahead of their turn. The change
 * from one process to another costs more than a call of some microseconds does, and the instance would stand idle
 * while its answer goes out and the next call comes in. Calls that take a millisecond gain nothing by it.
 */
export class ShortCalls {
  readonly #waitMs: number;
  #meanMs = UNKNOWN_MS;

  /** @param waitMs how long calls may wait for those before them in an instance, as a mean */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** A call was over after this time, counted from the moment when it began. */
  ran(tookMs: number): void {
    this.#meanMs += (tookMs - this.#meanMs) * SHARE;
  }

  /** One did not end in time for those that waited for it. */
  tookLong(): void {
    this.#meanMs = UNKNOWN_MS;
  }

  /** How many may wait in an instance beside the one that runs. */
  get ahead(): number {
    const fit = Math.floor(this.#waitMs / this.#meanMs);
    return fit < 2 ? 0 : Math.min(HELD_MAX, fit);
  }
}
