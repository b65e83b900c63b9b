import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';

const MINUTE_MS = 60_000;

/**
 * A trigger's limit of changes a minute, where it has one: a function that writes what triggers it, and does not say so,
 * makes changes without end. What is beyond waits in the database.
 */
export class RateGuard {
  readonly #clock: Clock;
  readonly #most: number | undefined;
  #count = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, most: number | undefined) {
    this.#clock = clock;
    this.#most = most;
  }

  /** Takes so many changes in. `E_TABLE_RATE`; a minute's first are taken, however many. */
  admit(changes: number): void {
    if (this.#most === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sinceMs >= MINUTE_MS) [this.#count, this.#sinceMs] = [0, nowMs];
    if (this.#count > 0 && this.#count + changes > this.#most)
      throw new LambentError(
        'E_TABLE_RATE',
        `The table changes more than ${this.#most} times a minute; further changes wait in the database until the minute is over.`,
      );
    this.#count += changes;
  }
}
