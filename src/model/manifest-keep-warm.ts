import { z } from 'zod';
import { KEEP_WARM_MAX, type KeepWarmWindow } from './keep-warm.ts';
import type { ManifestPath, ManifestProblems } from './manifest-problems.ts';
import { planSchedule } from './manifest-schedule.ts';
import { duration, text, whole } from './manifest-schema-parts.ts';
import { parseDurationMs } from './manifest-units.ts';
import { SCHEDULE_EXPECTED } from './schedule-time.ts';

const LENGTH_MS_MIN = 1_000;
const LENGTH_MS_MAX = 86_400_000;

const WINDOW_EXPECTED = 'an object with `schedule` and `for`';

export const keepWarmWindowSchema = z.strictObject(
  {
    schedule: text(
      SCHEDULE_EXPECTED,
      'When the window opens: a cron expression, `every 12h`, or `at 2026-03-01T09:00`.',
    ),
    timezone: text(
      'a time zone such as `Europe/Berlin`',
      'The zone of the schedule. Default: UTC.',
    ).optional(),
    for: duration('How long the window stays open, 1s to 24h.'),
    instances: whole(1, 1_000, 'Instances that stay up without work meanwhile. Default: 1.').optional(),
  },
  { error: WINDOW_EXPECTED },
);

const KEEP_WARM_EXPECTED = `a list of at most ${KEEP_WARM_MAX} windows, each ${WINDOW_EXPECTED}`;

export const keepWarmSchema = z
  .array(keepWarmWindowSchema, { error: KEEP_WARM_EXPECTED })
  .max(KEEP_WARM_MAX, { error: KEEP_WARM_EXPECTED })
  .describe('Windows in which more instances stay up without work than `minInstances`. Default: none.');

/** The windows of a function; `path` is that of the list. */
export function planKeepWarm(
  inputs: z.input<typeof keepWarmSchema>,
  maxInstances: number,
  path: ManifestPath,
  problems: ManifestProblems,
): KeepWarmWindow[] {
  const windows: KeepWarmWindow[] = [];
  for (const [place, input] of inputs.entries()) {
    const at = [...path, place];
    const schedule = planSchedule(input, at, problems);
    const lengthMs = parseDurationMs(input.for) ?? 0;
    if (lengthMs < LENGTH_MS_MIN || lengthMs > LENGTH_MS_MAX)
      problems.addWrong([...at, 'for'], 'a duration from 1s to 24h', input.for);
    const { instances = 1 } = input;
    if (instances > maxInstances)
      problems.addWrong([...at, 'instances'], `at most maxInstances (${maxInstances})`, instances);
    if (schedule !== undefined) windows.push({ ...schedule, lengthMs, instances });
  }
  return windows;
}
