import type { Pace } from '../ports/sandbox.ts';

/** An instance that had something left to do is asked again after this time. */
const ASK_AGAIN_MS = 5_000;

export interface RestOptions {
  /** Asks the instance whether anything is left to do (REST). */
  ask(): void;
  setPace(pace: Pace): void;
}

/**
 * An instance that has nothing to do gets no processor time at all until the next call. Only the instance itself knows
 * that it has nothing to do: work may go on after an answer. So it is asked; one that does not answer is left alone.
 */
export class Rest {
  readonly #options: RestOptions;
  #isFrozen = false;
  /** How many calls it had been given when it was last asked. */
  #askedAfter = -1;
  #askedMs = 0;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** `served`: calls that it was given so far, none of which runs. */
  ask(served: number, monotonicMs: number): void {
    if (this.#isFrozen) return;
    if (this.#askedAfter === served && monotonicMs - this.#askedMs < ASK_AGAIN_MS) return;
    this.#askedAfter = served;
    this.#askedMs = monotonicMs;
    this.#options.ask();
  }

  /** The instance says that nothing is left. A call that it was given since then speaks against it. */
  answered(served: number): void {
    if (served !== this.#askedAfter) return;
    this.#isFrozen = true;
    this.#options.setPace('frozen');
  }

  /** Before anything is sent to it. */
  wake(): void {
    if (!this.#isFrozen) return;
    this.#isFrozen = false;
    this.#askedAfter = -1;
    this.#options.setPace('serving');
  }
}
