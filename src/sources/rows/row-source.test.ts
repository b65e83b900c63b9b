import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { ManualClock } from '../../base/manual-clock.ts';
import { createSeededRandom } from '../../base/random.ts';
import type { TriggerId } from '../../model/trigger.ts';
import type { SourceContext } from '../../ports/source.ts';
import { LAG_ALERT_BYTES, LAG_TYPE, RowSource } from './row-source.ts';

describe('a lag', () => {
  it('that is large is told as an event, once until it was small again', async () => {
    const told: unknown[] = [];
    let fails = true;
    const context = {
      ...{
        id: 'shop/rows' as TriggerId,
        clock: new ManualClock(0),
        random: createSeededRandom(1),
        log: silentLog,
      },
      async alert(type: string, data: unknown) {
        if (fails) throw new Error('the disk is full');
        told.push([type, data]);
      },
    } as unknown as SourceContext;
    const sizes = [0, LAG_ALERT_BYTES, LAG_ALERT_BYTES, LAG_ALERT_BYTES * 2, 1, LAG_ALERT_BYTES];
    const read = Promise.withResolvers<void>();
    const source = new RowSource(context, {
      async stream(link) {
        for (const bytes of sizes) {
          link.lag(bytes);
          await new Promise((resolve) => setImmediate(resolve));
          // What could not be stored is told with the next look.
          fails = false;
        }
        read.resolve();
        await link.closed;
      },
      describeFailure: String,
      clearUp: async () => {},
    });
    await read.promise;
    const event = (lagBytes: number) => [LAG_TYPE, { trigger: 'shop/rows', lagBytes }];
    assert.deepEqual(told, [event(LAG_ALERT_BYTES), event(LAG_ALERT_BYTES)]);
    assert.equal(source.status().lagBytes, LAG_ALERT_BYTES);
    await source.close();
  });
});
