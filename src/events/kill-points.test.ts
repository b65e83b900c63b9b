import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cloudEvent, isIdle, type Kill, startWorld, trigger } from './events-harness.test.ts';

/*
 * Deaths at the moments that matter, one by one: between what is stored and what is told of it. The kill harness
 * (test/chaos) kills real platforms at random moments; here none of these is left to chance.
 */

const IDS = Array.from({ length: 20 }, (_, place) => `e${place}`);
const POINTS = (['append', 'settle'] as const).flatMap((call) =>
  (['before', 'after'] as const).map((side) => ({ call, side })),
);

/** Sends each until it is taken; the platform dies once, at the named moment. Returns what was wrong. */
async function liveThrough(
  { call, side }: Pick<Kill, 'call' | 'side'>,
  isCareless = false,
): Promise<string[]> {
  const reached = Promise.withResolvers<void>();
  const kill: Kill = { call, side, onReached: reached.resolve };
  const acknowledged = new Set<string>();
  let world = await startWorld([trigger('mail')], () => null, 1, undefined, kill);
  const send = async (ids: readonly string[]): Promise<void> => {
    // The deliberate bug: a sender that believes before it has heard.
    if (isCareless) for (const id of ids) acknowledged.add(id);
    await world.dispatch.publish(ids.map((id) => cloudEvent(id)));
    for (const id of ids) acknowledged.add(id);
  };
  try {
    void send(IDS);
    await reached.promise;
    world = await world.crash();
    const left = IDS.filter((id) => !acknowledged.has(id));
    if (left.length > 0) await send(left);
    await world.until(() => isIdle(world), 'nothing is owed');
    const seen = new Set(world.calls.flat());
    const lost = [...acknowledged].filter((id) => !seen.has(id)).map((id) => `${id} was lost`);
    const { events } = await world.store.events.totals();
    return events === IDS.length ? lost : [...lost, `${events} events are stored`];
  } finally {
    await world.close();
  }
}

describe('events: a death', { timeout: 60_000 }, () => {
  for (const point of POINTS)
    it(`${point.side} ${point.call} loses nothing and stores nothing twice`, async () => {
      assert.deepEqual(await liveThrough(point), []);
    });

  it('is noticed when senders believe too early', async () => {
    const problems = await liveThrough({ side: 'before', call: 'append' }, true);
    assert.match(problems.join(), /e0 was lost/);
  });
});
