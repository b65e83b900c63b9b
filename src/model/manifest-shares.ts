import { z } from 'zod';
import { LambentError } from '../base/errors.ts';
import { compilePattern } from './event-pattern.ts';
import { BUS_NAME, type EventShare } from './event-scope.ts';
import type { ManifestProblems } from './manifest-problems.ts';

/** What an app shares of its events, as the manifest gives it. Each `error` text completes "… must be". */

/** The most buses that one app shares events on. */
export const SHARES_MAX = 100;

export const BUS_EXPECTED = 'a name of lower-case letters, digits and inner hyphens, at most 63';

export const sharesSchema = z
  .record(z.string(), z.record(z.string(), z.unknown(), { error: 'an event pattern: an object' }), {
    error: 'an object of event patterns by the name of a bus',
  })
  .describe(
    "By the name of a bus, which of the app's events other apps may hear there: an event pattern. Default: none.",
  );

export function planShares(given: z.input<typeof sharesSchema>, problems: ManifestProblems): EventShare[] {
  const buses = Object.entries(given);
  if (buses.length > SHARES_MAX)
    problems.add(
      ['share'],
      'key',
      `an app shares events on at most ${SHARES_MAX} buses, not ${buses.length}`,
    );
  return buses.flatMap(([bus, pattern]) => {
    if (!BUS_NAME.test(bus)) problems.addWrong(['share', bus], BUS_EXPECTED, bus);
    try {
      return [{ bus, pattern: compilePattern(pattern).source }];
    } catch (thrown) {
      if (!(thrown instanceof LambentError)) throw thrown;
      problems.add(['share', bus], 'value', thrown.message);
      return [];
    }
  });
}
