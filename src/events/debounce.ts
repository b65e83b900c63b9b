import type { Clock, Timer } from '../base/clock.ts';
import type { ClaimedDelivery } from '../ports/event-store.ts';

interface Outcomes {
  /** A later one took its place. */
  superseded(delivery: ClaimedDelivery): void;
  /** None came after it for the time. */
  quiet(delivery: ClaimedDelivery): void;
}

/** Holds the last delivery of each ordering until none has come for a while. What was held at a crash is held anew. */
export class Debounce {
  readonly #clock: Clock;
  readonly #outcomes: Outcomes;
  readonly #held = new Map<string, { delivery: ClaimedDelivery; timer: Timer }>();

  constructor(clock: Clock, outcomes: Outcomes) {
    this.#clock = clock;
    this.#outcomes = outcomes;
  }

  arrive(delivery: ClaimedDelivery, quietMs: number): void {
    const name = delivery.ordering ?? '';
    const before = this.#held.get(name);
    before?.timer.cancel();
    const timer = this.#clock.after(quietMs, () => {
      this.#held.delete(name);
      this.#outcomes.quiet(delivery);
    });
    this.#held.set(name, { delivery, timer });
    if (before !== undefined) this.#outcomes.superseded(before.delivery);
  }

  /** Stops waiting. Returns what was held. */
  clear(): ClaimedDelivery[] {
    const held = [...this.#held.values()];
    for (const { timer } of held) timer.cancel();
    this.#held.clear();
    return held.map(({ delivery }) => delivery);
  }
}
