import type { Clock } from '../base/clock.ts';
import type { TriggerId } from '../model/trigger.ts';
import type { Source } from '../ports/source.ts';

/** A source whose client failed gets so long to close; what holds it up is left alone, and stores nothing any more. */
const CLOSE_MS = 10_000;
/** The pause after a failure, doubled by each that follows. */
const PAUSE_FIRST_MS = 1_000;
const PAUSE_MAX_MS = 300_000;
/** One that held for so long was a good one: the next pause is the first again. */
const GOOD_MS = 600_000;
/** Sources that did not close, of one trigger. Each may hold a socket and memory, so there is no further one. */
const UNCLOSED_MAX = 4;

interface Failures {
  pauseMs: number;
  lastMs: number;
  unclosed: number;
}

/** Sources that failed: how long each rests. */
export class SourceFaults {
  readonly #clock: Clock;
  /** By trigger. Of one that is gone a few numbers stay. */
  readonly #failures = new Map<TriggerId, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Closes it; how long to wait until it is opened anew, in milliseconds. Infinity: not before the platform starts again. */
  async close(id: TriggerId, source: Source): Promise<number> {
    const nowMs = this.#clock.monotonicMs();
    const before = this.#failures.get(id);
    const isNew = before === undefined || nowMs - before.lastMs > GOOD_MS;
    const failures = {
      pauseMs: isNew ? PAUSE_FIRST_MS : Math.min(before.pauseMs * 2, PAUSE_MAX_MS),
      lastMs: nowMs,
      unclosed: before?.unclosed ?? 0,
    };
    this.#failures.set(id, failures);
    if (!(await this.#isClosedInTime(source))) failures.unclosed += 1;
    return failures.unclosed > UNCLOSED_MAX ? Number.POSITIVE_INFINITY : failures.pauseMs;
  }

  #isClosedInTime(source: Source): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(CLOSE_MS, () => resolve(false));
      const done = (): void => {
        timer.cancel();
        resolve(true);
      };
      // One that cannot even close properly has come to its end.
      source.close().then(done, done);
    });
  }
}

/** In the place of a source that failed: says so, and calls `over` after the pause. */
export function restingSource(trouble: string, pauseMs: number, clock: Clock, over: () => void): Source {
  const timer = Number.isFinite(pauseMs) ? clock.after(pauseMs, over) : undefined;
  const until =
    timer === undefined ? 'It did not close, several times: restart Lambent.' : 'It is opened anew.';
  return {
    status: () => ({ nextMs: undefined, trouble: `${trouble}. ${until}` }),
    close: async () => timer?.cancel(),
  };
}
