import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { JournalStore } from '../ports/journal-store.ts';

/** Executions that ended are kept this long (AWS' Step Functions keeps them 90 days) … */
export const ENDED_AGE_MAX_MS = 90 * 86_400_000;
/** … and so many of them. Whatever is reached first counts. */
export const ENDED_MAX = 1_000_000;
/** How often it is looked for what is too old. */
const PERIOD_MS = 60_000;
/** Executions in one step: a journal can be large, and others may write between steps. */
const STEP = 100;

export interface ExecutionRetentionOptions {
  readonly store: JournalStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly ageMaxMs?: number;
  readonly endedMax?: number;
}

/** Removes executions that ended long ago, with their journals and idempotency keys. What goes on is never removed. */
export function createExecutionRetention(options: ExecutionRetentionOptions): { close(): Promise<void> } {
  const { store, clock, log, ageMaxMs = ENDED_AGE_MAX_MS, endedMax = ENDED_MAX } = options;
  let isClosed = false;
  let running: Promise<void> | undefined;
  const prune = async (): Promise<void> => {
    try {
      for (let gone = STEP; gone === STEP && !isClosed; )
        gone = await store.prune(clock.nowMs() - ageMaxMs, endedMax, STEP);
    } catch (error) {
      log.error('old executions were not removed; the next round tries again', { error: String(error) });
    }
    running = undefined;
  };
  const timer: Timer = clock.every(PERIOD_MS, () => {
    running ??= prune();
  });
  return {
    async close() {
      isClosed = true;
      timer.cancel();
      await running;
    },
  };
}
