import type { Random } from '../base/random.ts';
import type { DeliveryPolicy } from '../model/trigger.ts';
import type { ClaimedDelivery } from '../ports/event-store.ts';

/**
 * When to try again after one more failure, in epoch milliseconds; `undefined`: never, it is dead. The pause is drawn
 * between nothing and a ceiling that doubles (full jitter), so that what failed together does not come back together.
 */
export function retryAtMs(
  policy: DeliveryPolicy,
  delivery: ClaimedDelivery,
  nowMs: number,
  random: Random,
): number | undefined {
  const attempts = delivery.attempts + 1;
  if (attempts >= policy.attemptsMax || nowMs - delivery.owedMs >= policy.ageMaxMs) return undefined;
  const ceilingMs = Math.min(policy.retryMaxMs, policy.retryFirstMs * 2 ** Math.min(attempts - 1, 50));
  return nowMs + Math.ceil(random.fraction() * ceilingMs);
}
