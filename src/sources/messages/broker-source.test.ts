import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Timer } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { ManualClock } from '../../base/manual-clock.ts';
import { createSeededRandom } from '../../base/random.ts';
import { connectionByUrl } from '../../model/connection.ts';
import type { RedisSource } from '../../model/message-source.ts';
import type { SourceContext } from '../../ports/source.ts';
import { BrokerSource } from './broker-source.ts';

/** Every pause is over at once, and is noted. */
class NotingClock extends ManualClock {
  readonly pausesMs: number[] = [];

  override after(delayMs: number, task: () => void): Timer {
    this.pausesMs.push(delayMs);
    const due = setImmediate(task);
    return { cancel: () => clearImmediate(due) };
  }
}

describe('pauses between connections', () => {
  it('stay short while no broker answers, begin anew when one does, and grow while it refuses', async () => {
    const failures = [
      ...Array.from({ length: 10 }, () => 'connect ECONNREFUSED 127.0.0.1:9092'),
      'the coordinator is being loaded',
      ...Array.from({ length: 10 }, () => 'WRONGPASS'),
    ];
    const clock = new NotingClock(0);
    const connection = connectionByUrl('redis', 'BROKER');
    const context = {
      ...{ id: 'shop/read', clock, random: createSeededRandom(1), log: silentLog },
      address: async () => ({ label: 'BROKER', url: 'redis://127.0.0.1:1', tls: undefined }),
    } as unknown as SourceContext;
    const isOver = Promise.withResolvers<void>();
    const source = new BrokerSource(
      context,
      { kind: 'redis', connection } as RedisSource,
      async ({ signal }) => {
        const failure = failures.shift();
        if (failure !== undefined) throw new Error(failure);
        isOver.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      },
    );
    await isOver.promise;
    await source.close();
    const away = clock.pausesMs.slice(0, 10);
    const [back = 0, ...refused] = clock.pausesMs.slice(10);
    assert.ok(Math.max(...away) <= 5_000 && away.at(-1)! >= 2_500, away.join());
    assert.ok(back <= 250, String(back));
    assert.equal(refused.length, 10);
    assert.ok(Math.max(...refused) <= 30_000 && refused.at(-1)! >= 15_000, refused.join());
  });
});
