import assert from 'node:assert/strict';
import { it } from 'node:test';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { cloudEvent, isIdle, startWorld, trigger, type World } from './events-harness.test.ts';
import { createEventRetention, type EventsKept } from './retention.ts';

const HOUR_MS = 3_600_000;

/** What is left of `a`, and of `b` an hour later, after a look at the log. */
async function leftOf(kept: EventsKept): Promise<string[]> {
  const world: World = await startWorld([trigger('mail')]);
  try {
    await world.dispatch.publish([cloudEvent('a')]);
    await world.until(() => isIdle(world), 'nothing is owed');
    const clock = new ManualClock(world.clock.nowMs());
    clock.advance(HOUR_MS);
    world.clock.advance(HOUR_MS);
    await world.dispatch.publish([cloudEvent('b')]);
    await world.until(() => isIdle(world), 'nothing is owed');
    const retention = createEventRetention(world.store.events, clock, silentLog, kept);
    clock.advance(60_000);
    // It waits for what runs.
    await retention.close();
    const { items } = await world.store.events.listEvents({}, 10);
    return items.map(({ id }) => id).toSorted();
  } finally {
    await world.close();
  }
}

it('events are kept for their time and within their size, without either for long', {
  timeout: 60_000,
}, async () => {
  assert.deepEqual(await leftOf({}), ['a', 'b']);
  assert.deepEqual(await leftOf({ ageMs: HOUR_MS / 2 }), ['b']);
  assert.deepEqual(await leftOf({ bytes: 1 }), []);
});
