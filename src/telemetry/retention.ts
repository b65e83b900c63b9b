import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { CallDetailStore } from '../ports/call-details.ts';
import type { TelemetryStore } from '../ports/telemetry-store.ts';

/** How much history is kept; whatever is reached first counts. */
export interface RetentionLimits {
  ageMs: number;
  invocationsMax: number;
  linesMax: number;
  /** Calls with a place in a trace or with payloads, and bytes of these payloads. */
  detailsMax: number;
  detailBytesMax: number;
}

export const RETENTION_DEFAULTS: RetentionLimits = {
  ageMs: 7 * 24 * 3_600_000,
  invocationsMax: 1_000_000,
  linesMax: 1_000_000,
  detailsMax: 1_000_000,
  detailBytesMax: 256 * 2 ** 20,
};

/** Time between two rounds, in milliseconds: normally, and after a round that removed much. */
export const PRUNE_PERIOD_MS = 60_000;
export const PRUNE_PERIOD_BUSY_MS = 5_000;
/** A round that removed this many says that history grows fast. */
export const PRUNE_BUSY_ROWS = 50_000;

export interface RetentionOptions {
  telemetry: TelemetryStore;
  details: CallDetailStore;
  clock: Clock;
  log: Log;
  limits?: Partial<RetentionLimits>;
}

export interface Retention {
  /** One round now; returns how many rows went. A failure is logged and counts as none. */
  prune(): Promise<number>;
  /** Stops, after the round under way. */
  close(): Promise<void>;
}

/** Keeps the history within its limits, in rounds. The first comes one period after the start. */
export function createRetention({ telemetry, details, clock, log, limits }: RetentionOptions): Retention {
  const { ageMs, invocationsMax, linesMax, detailsMax, detailBytesMax } = {
    ...RETENTION_DEFAULTS,
    ...limits,
  };
  let timer: Timer | undefined;
  let round: Promise<number> | undefined;
  let closed = false;

  const pruneOnce = async (): Promise<number> => {
    try {
      const beforeMs = clock.nowMs() - ageMs;
      const gone = await telemetry.prune(beforeMs, invocationsMax, linesMax);
      let count = gone.invocations + gone.lines;
      for (;;) {
        const step = await details.prune({ beforeMs, rowsMax: detailsMax, bytesMax: detailBytesMax });
        if (step === 0) return count;
        count += step;
      }
    } catch (thrown) {
      log.error('old history was not removed; the next round tries again', { error: String(thrown) });
      return 0;
    }
  };

  const prune = (): Promise<number> => {
    timer?.cancel();
    round ??= pruneOnce().then((gone) => {
      round = undefined;
      if (!closed) schedule(gone >= PRUNE_BUSY_ROWS ? PRUNE_PERIOD_BUSY_MS : PRUNE_PERIOD_MS);
      return gone;
    });
    return round;
  };

  const schedule = (periodMs: number): void => {
    timer = clock.after(periodMs, () => void prune());
  };

  schedule(PRUNE_PERIOD_MS);
  return {
    prune,
    async close() {
      closed = true;
      timer?.cancel();
      await round;
    },
  };
}
