import type { Clock, Timer } from '../base/clock.ts';
import type { FunctionConfig } from '../model/function.ts';
import { keptAt } from '../model/keep-warm.ts';

/** The longest sleep: after it the wall clock is looked at again, which may have been set, and what is missing started. */
const SLEEP_MS_MAX = 60_000;

/**
 * How many instances of one version stay up without work just now. Windows by the clock count only while they are
 * watched, which is while the version is live; without any there is no timer.
 */
export class KeepWarm {
  readonly #config: FunctionConfig;
  readonly #clock: Clock;
  readonly #onLook: () => void;
  #timer: Timer | undefined;
  #instances: number;

  /** @param onLook is told whenever the clock was looked at: more may have to be started */
  constructor(config: FunctionConfig, clock: Clock, onLook: () => void) {
    this.#config = config;
    this.#clock = clock;
    this.#onLook = onLook;
    this.#instances = config.minInstances;
  }

  get instances(): number {
    return this.#instances;
  }

  /** Follows the windows from now on, and says at once how things are. */
  watch(): void {
    this.#timer?.cancel();
    if (this.#config.keepWarm !== undefined) this.#look();
    this.#onLook();
  }

  /** Windows count no more, until the next `watch`. */
  stop(): void {
    this.#timer?.cancel();
    this.#instances = this.#config.minInstances;
  }

  #look(): void {
    const nowMs = this.#clock.nowMs();
    const { instances, untilMs } = keptAt(this.#config, nowMs);
    this.#instances = instances;
    const sleepMs = Math.min(SLEEP_MS_MAX, (untilMs ?? Number.POSITIVE_INFINITY) - nowMs);
    this.#timer = this.#clock.after(Math.max(0, sleepMs), () => {
      this.#look();
      this.#onLook();
    });
  }
}
