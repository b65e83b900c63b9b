import type { Clock } from '../base/clock.ts';

/** Of the gain that twice the instances could bring, at least this share has to show for them to have helped. */
const HELP_SHARE = 0.25;
/** The mean of run times forgets at this many runs. */
const RUNS_REMEMBERED = 64;
/** As many runs at least tell how long a call takes, or one for each place where there are fewer. */
const RUNS_TO_KNOW = 8;
/** The first call of a process is slower for reasons of its own (code not compiled yet): below this it tells nothing. */
const FIRST_RUN_TELLS_MS = 50;
/** Calls longer than this are not waited for, while the machine has processor time left. */
const PATIENCE_MS = 200;
/** Without processor time left, only the end of a call tells whether it computes or waits. */
const PATIENCE_BUSY_MS = 5_000;
/** After instances that did not help the next ones are tried this much later, doubling up to the maximum. */
const HOLD_FIRST_MS = 1_000;
const HOLD_MAX_MS = 60_000;

export interface ScaleUpOptions {
  readonly clock: Clock;
  /** Processors: up to as many instances are not asked whether they helped. */
  readonly processors: number;
  /** Whether every processor is at work just now. */
  isMachineBusy(): boolean;
}

/** How many instances serve, and what waits for them. */
export interface Load {
  readonly ready: number;
  readonly waiting: number;
  /** How long the first of them has waited since the newest instance began to help. */
  readonly waitedMs: number;
  /** Calls that each instance takes at once. */
  readonly each: number;
  /** Every place is taken by a call that waits for another one, and some of them for one that waits here. */
  readonly stuck?: boolean;
}

interface Level {
  readonly instances: number;
  /** Calls finished in a millisecond; `undefined` where none was measured. */
  readonly rate: number | undefined;
}

/**
 * How many instances of one version are worth having while calls wait. It doubles them, measures how long calls then
 * run, and keeps them only if more calls finish in the same time (Little's law: places over run time). Calls that
 * wait for something else run as long as before, so twice the instances finish twice as many; calls that compute
 * run longer with every instance beyond the processors, so the additional ones go again.
 */
export class ScaleUp {
  readonly #options: ScaleUpOptions;
  #target = 1;
  /** What served before the last step, until that is judged. */
  #before: Level | undefined;
  #sinceMs = 0;
  #runs = 0;
  #runMs = 0;
  #startMs = 0;
  #holdMs = HOLD_FIRST_MS;
  #heldUntilMs = 0;

  constructor(options: ScaleUpOptions) {
    this.#options = options;
  }

  /** All instances are gone: what was learnt of how many help is as old as they were. */
  restart(): void {
    this.#target = 1;
    this.#before = undefined;
    this.#holdMs = HOLD_FIRST_MS;
    this.#heldUntilMs = 0;
    this.#measureAnew();
  }

  /** An instance became ready, that many are now; its start took `startMs`. */
  started(ready: number, startMs: number): void {
    this.#startMs = startMs;
    if (ready <= this.#target) this.#measureAnew();
  }

  /** A call ended that began at `beganMs` (monotonic). `first`: it was the first of its process. */
  ran(beganMs: number, tookMs: number, first: boolean): void {
    if (beganMs < this.#sinceMs) return;
    if (first && tookMs < FIRST_RUN_TELLS_MS) return;
    this.#runs = Math.min(this.#runs + 1, RUNS_REMEMBERED);
    this.#runMs += (tookMs - this.#runMs) / this.#runs;
  }

  /** How many instances there should be, while calls wait. Fewer than are ready: the last ones did not help. */
  target(load: Load): number {
    const { ready, waiting, waitedMs, each } = load;
    if (ready < this.#target) return this.#target;
    // Nobody here computes, and nobody ends before more of them are there: there is nothing to learn by waiting.
    if (load.stuck === true) {
      this.#target = ready * 2;
      this.#before = undefined;
      return this.#target;
    }
    if (ready > this.#target) {
      this.#target = ready;
      this.#before = undefined;
      this.#measureAnew();
    }
    const nowMs = this.#options.clock.monotonicMs();
    const { processors } = this.#options;
    if (nowMs < this.#heldUntilMs) return this.#target;
    if (ready >= processors && !this.#knowsEnough(ready * each, nowMs)) return this.#target;
    const rate = this.#runs > 0 ? (ready * each) / this.#runMs : undefined;
    if (this.#before !== undefined && !helped(this.#before, { instances: ready, rate })) {
      this.#target = this.#before.instances;
      this.#before = undefined;
      this.#heldUntilMs = nowMs + this.#holdMs;
      this.#holdMs = Math.min(HOLD_MAX_MS, this.#holdMs * 2);
      this.#measureAnew();
      return this.#target;
    }
    if (this.#before !== undefined) this.#holdMs = HOLD_FIRST_MS;
    this.#before = undefined;
    // What waits is served before another process could be ready; unless it should have been long ago: then other
    // calls have the places than those that were measured, such as connections that stay open.
    if (rate !== undefined && waiting / rate < this.#startMs && waitedMs < this.#startMs + PATIENCE_MS)
      return this.#target;
    if (ready >= processors) this.#before = { instances: ready, rate };
    this.#target = ready < processors ? processors : ready * 2;
    return this.#target;
  }

  #knowsEnough(places: number, nowMs: number): boolean {
    if (this.#runs >= Math.min(places, RUNS_TO_KNOW)) return true;
    const waitedMs = nowMs - this.#sinceMs;
    return waitedMs >= PATIENCE_BUSY_MS || (waitedMs >= PATIENCE_MS && !this.#options.isMachineBusy());
  }

  #measureAnew(): void {
    this.#sinceMs = this.#options.clock.monotonicMs();
    this.#runs = 0;
    this.#runMs = 0;
  }
}

/** Whether more calls finish than before, by enough of what the additional instances could bring. */
function helped(before: Level, now: Level): boolean {
  if (before.rate === undefined || now.rate === undefined) return true;
  return now.rate / before.rate >= 1 + HELP_SHARE * (now.instances / before.instances - 1);
}
