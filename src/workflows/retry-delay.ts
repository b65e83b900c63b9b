import type { Random } from '../base/random.ts';
import type { RetryPolicy } from '../model/journal.ts';

/** How long to wait after the given number of failures, in milliseconds; `undefined`: no more attempts. */
export function retryDelayMs(policy: RetryPolicy, failures: number, random: Random): number | undefined {
  if (failures >= policy.attemptsMax) return undefined;
  const ceilingMs = Math.min(policy.maxMs, policy.firstMs * policy.factor ** (failures - 1));
  return Math.ceil(policy.jitter ? random.fraction() * ceilingMs : ceilingMs);
}
