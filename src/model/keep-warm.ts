/** When more instances of a function stay up than it needs: windows by the clock, in which calls are expected. */
import { lastDueMs, nextDueMs, type ScheduleTime } from './schedule-time.ts';

/** The most windows of one function. */
export const KEEP_WARM_MAX = 16;

/** From each due instant on, for a time, so many instances stay up without work. */
export interface KeepWarmWindow {
  readonly when: ScheduleTime;
  /** IANA name. */
  readonly timeZone: string;
  /** How long it lasts, in milliseconds of elapsed time: 1 s to 24 h. */
  readonly lengthMs: number;
  readonly instances: number;
}

export interface Kept {
  /** Instances that stay up without work. */
  readonly instances: number;
  /** When a window opens or closes next, epoch milliseconds; `undefined`: never. */
  readonly untilMs: number | undefined;
}

/**
 * How many instances stay up at an instant: the most that an open window wants, and never fewer than `minInstances`.
 * A window is open from its due instant to just before its end.
 */
export function keptAt(
  config: { readonly minInstances: number; readonly keepWarm?: readonly KeepWarmWindow[] | undefined },
  nowMs: number,
): Kept {
  let instances = config.minInstances;
  let untilMs: number | undefined;
  for (const { when, timeZone, lengthMs, instances: wanted } of config.keepWarm ?? []) {
    const openedMs = lastDueMs(when, timeZone, nowMs - lengthMs, nowMs);
    if (openedMs !== undefined) instances = Math.max(instances, wanted);
    const changesMs = openedMs === undefined ? nextDueMs(when, timeZone, nowMs) : openedMs + lengthMs;
    if (changesMs !== undefined) untilMs = Math.min(untilMs ?? changesMs, changesMs);
  }
  return { instances, untilMs };
}
