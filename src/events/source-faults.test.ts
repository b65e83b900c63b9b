import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atEndOfTurn, systemClock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { currentOwner } from '../base/fault-owner.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { createSeededRandom } from '../base/random.ts';
import type { Trigger, TriggerId } from '../model/trigger.ts';
import type { Source, SourceContext } from '../ports/source.ts';
import { openOwned } from './owned-source.ts';
import { restingSource, SourceFaults } from './source-faults.ts';

const ID = 'shop/orders' as TriggerId;
const closes: Source = { status: () => ({ nextMs: undefined, trouble: undefined }), close: async () => {} };
const neverCloses: Source = { ...closes, close: () => new Promise(() => {}) };
const turn = (): Promise<void> => new Promise(atEndOfTurn);

describe('a source that failed', () => {
  it('rests for longer each time, and briefly again after it held for long', async () => {
    const clock = new ManualClock();
    const faults = new SourceFaults(clock);
    const pauses: number[] = [];
    for (let each = 0; each < 11; each += 1) pauses.push(await faults.close(ID, closes));
    assert.deepEqual(pauses.slice(0, 4), [1_000, 2_000, 4_000, 8_000]);
    assert.deepEqual(pauses.slice(-2), [300_000, 300_000]);
    clock.advance(600_001);
    assert.equal(await faults.close(ID, closes), 1_000);
  });

  it('is left alone when it does not close, a few times', async () => {
    const clock = new ManualClock();
    const faults = new SourceFaults(clock);
    const pauses: number[] = [];
    for (let each = 0; each < 5; each += 1) {
      const closing = faults.close(ID, neverCloses);
      clock.advance(10_000);
      pauses.push(await closing);
    }
    assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, Number.POSITIVE_INFINITY]);
    assert.match(
      restingSource('it failed', pauses[4]!, clock, assert.fail).status().trouble!,
      /restart Lambent/,
    );
  });

  it('is replaced when the pause is over, unless it went before', async () => {
    const clock = new ManualClock();
    let over = 0;
    restingSource('it failed', 1_000, clock, () => over++);
    await restingSource('it failed', 1_000, clock, () => over++).close();
    clock.advance(1_000);
    assert.equal(over, 1);
  });
});

describe('a source and its exceptions', () => {
  it('are known to each other, and what it asks of the platform is not its own', async () => {
    const owners: unknown[] = [];
    const failures: unknown[] = [];
    let given: SourceContext | undefined;
    const open = (context: SourceContext): Source => {
      given = context;
      atEndOfTurn(async () => {
        owners.push(currentOwner() !== undefined);
        await context.publish([], 'here');
        owners.push(currentOwner() !== undefined);
        currentOwner()!.onFault(new TypeError('from the depths'));
        currentOwner()!.onFault(new TypeError('what follows'));
      });
      return closes;
    };
    const context: SourceContext = {
      ...{ id: ID, app: 'shop' as never, trigger: {} as Trigger, position: undefined },
      ...{ clock: systemClock, random: createSeededRandom(1), log: silentLog },
      publish: async () => {
        owners.push(currentOwner() !== undefined);
        return [];
      },
      secret: async () => undefined,
      address: async () => assert.fail(),
      alert: async () => {},
      isBusy: async () => false,
    };
    openOwned({ kind: 'redis', open }, context, (thrown) => failures.push(String(thrown), currentOwner()));
    await turn();
    await turn();
    assert.deepEqual(owners, [true, false, true]);
    assert.deepEqual(failures, ['TypeError: from the depths', undefined]);
    // It may have lost what it was about to hand over: it goes no further.
    const isFailure = (thrown: unknown): boolean =>
      thrown instanceof LambentError && thrown.code === 'E_SOURCE_FAILED';
    await assert.rejects(given!.publish([], 'behind it'), isFailure);
    await assert.rejects(given!.isBusy(), isFailure);
    assert.equal(owners.length, 3);
  });
});
