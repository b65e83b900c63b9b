import type { Clock } from '../base/clock.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';

/** How long a read waits for the newest records to be stored, in milliseconds; then it shows what is there. */
export const FRESH_WAIT_MS = 1_000;

/** Lets what ended before the request reach the store, so that a caller finds its own invocation at once. */
export async function storeNewest(feed: ActivityFeed, clock: Clock): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = clock.after(FRESH_WAIT_MS, late.resolve);
  await Promise.race([feed.flush(), late.promise]);
  timer.cancel();
}
