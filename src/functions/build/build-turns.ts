/** Lets only so many of something run at a time; the others wait, in their order. */
export class BuildTurns {
  readonly #parallelMax: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(parallelMax: number) {
    this.#parallelMax = parallelMax;
  }

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#parallelMax)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }
}
