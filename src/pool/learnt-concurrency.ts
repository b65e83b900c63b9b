/** Where learning begins, and the most that is ever learnt: a web server's habit. */
export const CONCURRENCY_MOST = 100;
/** The fewest: they keep a processor busy even if each waits for something else most of its time. */
export const CONCURRENCY_LEAST = 4;
/** So many answers make one measurement, which is their median. */
const WINDOW_CALLS = 16;
/** Those of a window that takes longer have little to do with each other. */
const WINDOW_MS_MAX = 30_000;
/** Each step: a fifth fewer, or one more. */
const DOWN = 0.8;
const UP = 1;
/** Answers that come this fast are fast enough. */
const FAST_MS = 10;
/** Two measurements can be compared if this many times as many calls ran at once. */
const APART = 2;
/** So many measurements in a row have to speak for fewer: one alone may be chance. */
const CROWDED_IN_A_ROW = 2;
/** From so many at once on it is tried out how fast the calls are among few, if they never are few by themselves … */
const PROBE_FROM = 8;
/** … with this share of them, for so long at most. */
const PROBE_SHARE = 0.4;
const PROBE_MS_MAX = 2_000;
/** What was measured among few is believed for so long. */
const BELIEVED_MS = 120_000;

interface Measured {
  /** Calls that ran in the instance at once, as a mean. */
  readonly among: number;
  readonly tookMs: number;
  readonly atMs: number;
}

/**
 * How many calls at once an instance of one version serves well, learnt from how long its answers take, by the control
 * loop that keeps networks from congestion: one more while more do no harm, a fifth fewer when they stand in each
 * other's way. That shows against the answers' time among few calls. With n times as many at once, calls that compute
 * take n times as long, and calls that wait for something else as long as before; beyond the square root of n there are
 * too many.
 *
 * Pure: it is told what happened and when, in milliseconds of a clock that never goes back.
 */
export class LearntConcurrency {
  #learnt = CONCURRENCY_MOST;
  #why = 'nothing speaks for fewer so far';
  /** The answers' time among few calls. */
  #few: Measured | undefined;
  #crowded = 0;
  /** While it tries out how fast answers are among fewer. */
  #probe: { readonly limit: number; readonly untilMs: number } | undefined;
  #probeAgainMs = 0;
  /** The answers since `#sinceMs`, sorted when they are enough. */
  readonly #tookMs = new Float64Array(WINDOW_CALLS);
  #count = 0;
  #among = 0;
  #sinceMs = 0;

  /** The reason of the last change, as a part of a sentence. */
  get why(): string {
    return this.#why;
  }

  /** What was learnt: how many calls at once an instance takes that can take `most`, except while it is trying fewer. */
  learnt(most: number): number {
    return Math.min(most, Math.floor(this.#learnt));
  }

  /** How many it takes right now. */
  limit(most: number): number {
    return Math.min(most, this.#probe?.limit ?? Math.floor(this.#learnt));
  }

  /** Whether it tries out fewer, which is over in a moment. */
  get isTrying(): boolean {
    return this.#probe !== undefined;
  }

  /** To be called now and then: what it tries out ends in time also where no answer comes. */
  look(nowMs: number): void {
    if (this.#probe !== undefined && nowMs >= this.#probe.untilMs) this.#endProbe(nowMs);
  }

  /**
   * A call that began at `beganMs` was answered at `nowMs`. `among`: how many were without an answer in its instance
   * meanwhile, itself included, as a mean.
   */
  answered(nowMs: number, beganMs: number, among: number): void {
    this.look(nowMs);
    if (nowMs - this.#sinceMs > WINDOW_MS_MAX) this.#measureFrom(beganMs);
    // One that began before the last change tells how things were before it.
    if (beganMs < this.#sinceMs) return;
    this.#tookMs[this.#count] = nowMs - beganMs;
    this.#among += among;
    this.#count += 1;
    if (this.#count < WINDOW_CALLS) return;
    const measured = {
      among: this.#among / WINDOW_CALLS,
      tookMs: this.#tookMs.sort()[WINDOW_CALLS / 2]!,
      atMs: nowMs,
    };
    this.#measureFrom(nowMs);
    if (this.#probe === undefined) this.#judge(measured);
    else {
      this.#few = measured;
      this.#endProbe(nowMs);
    }
  }

  #measureFrom(sinceMs: number): void {
    this.#count = 0;
    this.#among = 0;
    this.#sinceMs = sinceMs;
  }

  #judge(now: Measured): void {
    const few = this.#fewer(now);
    this.#few = few;
    const times = now.among / few.among;
    if (now.tookMs > FAST_MS && times >= APART && now.tookMs / few.tookMs >= Math.sqrt(times)) {
      this.#crowded += 1;
      if (this.#crowded >= CROWDED_IN_A_ROW) this.#lower(now, few);
      return;
    }
    this.#crowded = 0;
    if (now.tookMs > FAST_MS && times < APART && now.among >= PROBE_FROM && now.atMs >= this.#probeAgainMs) {
      const limit = Math.floor(now.among * PROBE_SHARE);
      this.#probe = { limit, untilMs: now.atMs + PROBE_MS_MAX };
      this.#measureFrom(now.atMs);
    } else this.#raise(now);
  }

  /** What to compare with: the measurement among the fewest calls, as long as it is believed. */
  #fewer(now: Measured): Measured {
    const few = this.#few;
    if (few === undefined || now.among * APART <= few.among || now.atMs - few.atMs > BELIEVED_MS) return now;
    if (now.among > few.among) return few;
    return { ...now, tookMs: (few.tookMs * 3 + now.tookMs) / 4 };
  }

  #lower(now: Measured, few: Measured): void {
    const next = Math.max(CONCURRENCY_LEAST, this.#learnt * DOWN);
    // Among those that it compares with there may still have been too many.
    this.#probeAgainMs = 0;
    if (next === this.#learnt) return;
    this.#learnt = next;
    this.#measureFrom(now.atMs);
    this.#why = `${round(now.among)} at once were answered in ${round(now.tookMs)} ms, ${round(few.among)} in ${round(few.tookMs)} ms`;
  }

  #raise(now: Measured): void {
    if (this.#learnt >= CONCURRENCY_MOST) return;
    this.#learnt = Math.min(CONCURRENCY_MOST, this.#learnt + UP);
    this.#why = `${round(now.among)} at once were answered in ${round(now.tookMs)} ms, not held up by each other`;
  }

  #endProbe(nowMs: number): void {
    this.#probe = undefined;
    this.#probeAgainMs = nowMs + BELIEVED_MS;
    this.#measureFrom(nowMs);
  }
}

function round(value: number): number {
  return Number(value.toPrecision(2));
}
