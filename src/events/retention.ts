import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { EventStore } from '../ports/event-store.ts';

/** Events that are neither owed nor dead are kept this long … */
export const EVENTS_AGE_MAX_MS = 7 * 86_400_000;
/** … and while there are no more bytes than these. */
export const EVENTS_BYTES_MAX = 4 * 1024 * 1024 * 1024;
/** Dead letters are kept this long, and so many of them. */
export const DEAD_AGE_MAX_MS = 30 * 86_400_000;
export const DEAD_MAX = 1_000_000;
/** How often it is looked for what is too old. */
const PERIOD_MS = 60_000;
/** Rows in one step: others may write between steps. */
const STEP = 500;

/** Removes what is no longer to be kept, in small steps. Returns how to stop. */
export function createEventRetention(store: EventStore, clock: Clock, log: Log): { close(): Promise<void> } {
  let isClosed = false;
  let running: Promise<void> | undefined;
  const prune = async (): Promise<void> => {
    try {
      for (let more = true; more && !isClosed; ) {
        const nowMs = clock.nowMs();
        ({ more } = await store.prune({
          beforeMs: nowMs - EVENTS_AGE_MAX_MS,
          bytesMax: EVENTS_BYTES_MAX,
          deadBeforeMs: nowMs - DEAD_AGE_MAX_MS,
          deadMax: DEAD_MAX,
          nowMs,
          limit: STEP,
        }));
      }
    } catch (error) {
      log.error('old events could not be removed', { error: String(error) });
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
