import type { Clock } from '../base/clock.ts';

/** An instance that turns its event loop answers within this time. */
const PONG_MS = 500;

/** Asks an instance for a sign of life, one question at a time. */
export class PongWatch {
  readonly #clock: Clock;
  #awaited = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `ping` asks; `onSilence` is called when no answer came in time. */
  ask(ping: () => void, onSilence: () => void): void {
    if (this.#awaited) return;
    this.#awaited = true;
    ping();
    this.#clock.after(PONG_MS, () => {
      if (this.#awaited) onSilence();
    });
  }

  answered(): void {
    this.#awaited = false;
  }
}
