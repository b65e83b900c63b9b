import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import type { PayloadStore } from '../ports/payload-store.ts';

/** Executions that ended are kept this long (AWS' Step Functions keeps them 90 days) … */
export const ENDED_AGE_MAX_MS = 90 * 86_400_000;
/** … and so many of them. Whatever is reached first counts. */
export const ENDED_MAX = 1_000_000;
/** How often it is looked for what is too old. */
const PERIOD_MS = 60_000;
/** Executions in one step: a journal can be large, and others may write between steps. */
const STEP = 100;

/** Large payloads that nobody refers to are removed so long after they were stored: time to write who does. */
const UNREFERENCED_MS = 3_600_000;
/** They are looked for in every so many rounds. */
const SWEEP_ROUNDS = 10;

export interface ExecutionRetentionOptions {
  readonly store: JournalStore;
  readonly payloads: PayloadStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly ageMaxMs?: number;
  readonly endedMax?: number;
}

/** Removes executions that ended long ago, with their journals, keys and large payloads. What goes on is never removed. */
export function createExecutionRetention(options: ExecutionRetentionOptions): { close(): Promise<void> } {
  const { store, payloads, clock, log, ageMaxMs = ENDED_AGE_MAX_MS, endedMax = ENDED_MAX } = options;
  let isClosed = false;
  let running: Promise<void> | undefined;
  let rounds = 0;
  const prune = async (): Promise<void> => {
    try {
      for (let gone = STEP; gone === STEP && !isClosed; )
        gone = await store.prune(clock.nowMs() - ageMaxMs, endedMax, STEP);
      rounds += 1;
      if (rounds % SWEEP_ROUNDS === 0 && !isClosed)
        await payloads.sweep(clock.nowMs() - UNREFERENCED_MS, (blobs) => store.referencedPayloads(blobs));
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
