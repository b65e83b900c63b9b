import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { EventStore } from '../ports/event-store.ts';

/** How long things are kept; what is left out is as in `KEPT_DEFAULTS`. */
export interface EventsKept {
  /** Events that are neither owed nor dead are kept this long, in milliseconds … */
  readonly ageMs?: number | undefined;
  /** … and while there are no more bytes of events than these. */
  readonly bytes?: number | undefined;
  /** Dead letters are kept this long, in milliseconds. */
  readonly deadAgeMs?: number | undefined;
}

const KEPT_DEFAULTS = { ageMs: 7 * 86_400_000, bytes: 4 * 1024 * 1024 * 1024, deadAgeMs: 30 * 86_400_000 };
/** Dead letters, and no more of them. */
export const DEAD_MAX = 1_000_000;
/** How often it is looked for what is too old. */
const PERIOD_MS = 60_000;
/** Rows in one step: others may write between steps. */
const STEP = 500;

/** Removes what is no longer to be kept, in small steps. Returns how to stop. */
export function createEventRetention(
  store: EventStore,
  clock: Clock,
  log: Log,
  kept: EventsKept = {},
): { close(): Promise<void> } {
  const {
    ageMs = KEPT_DEFAULTS.ageMs,
    bytes = KEPT_DEFAULTS.bytes,
    deadAgeMs = KEPT_DEFAULTS.deadAgeMs,
  } = kept;
  let isClosed = false;
  let running: Promise<void> | undefined;
  const prune = async (): Promise<void> => {
    try {
      for (let more = true; more && !isClosed; ) {
        const nowMs = clock.nowMs();
        ({ more } = await store.prune({
          beforeMs: nowMs - ageMs,
          bytesMax: bytes,
          deadBeforeMs: nowMs - deadAgeMs,
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
