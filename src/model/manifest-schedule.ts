import { nearestOf } from '../base/nearest.ts';
import type { ManifestPath, ManifestProblems } from './manifest-problems.ts';
import { isTimeZone, parseScheduleTime, SCHEDULE_EXPECTED, type ScheduleTime } from './schedule-time.ts';

/** Reads `schedule` and `timezone` of the object at a path, which a trigger and a keep-warm window both have. */
export function planSchedule(
  input: { readonly schedule?: string | undefined; readonly timezone?: string | undefined },
  path: ManifestPath,
  problems: ManifestProblems,
): { when: ScheduleTime; timeZone: string } | undefined {
  const when = input.schedule === undefined ? undefined : parseScheduleTime(input.schedule);
  const timeZone = input.timezone ?? 'UTC';
  if (when === undefined) problems.addWrong([...path, 'schedule'], SCHEDULE_EXPECTED, input.schedule);
  const isKnown = isTimeZone(timeZone);
  if (!isKnown) {
    const nearest = nearestOf(timeZone, Intl.supportedValuesOf('timeZone'));
    problems.addWrong([...path, 'timezone'], 'a time zone such as `Europe/Berlin`', timeZone, nearest);
  }
  return when === undefined || !isKnown ? undefined : { when, timeZone };
}
