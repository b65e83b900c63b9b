import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { simulate } from './simulation.ts';

describe('simulation', () => {
  it('holds its invariants through crashes, pauses and late answers', async () => {
    for (const seed of [1, 2]) {
      const report = await simulate({ seed, executions: 80 });
      assert.deepEqual(report.violations, [], `seed ${seed}`);
      assert.ok(report.crashes > 3 && report.repeatedSteps > 0, JSON.stringify(report));
    }
  });

  it('is the same run for the same seed', async () => {
    const [first, second] = [
      await simulate({ seed: 7, executions: 30 }),
      await simulate({ seed: 7, executions: 30 }),
    ];
    assert.deepEqual(first, second);
  });

  // A simulator that finds nothing may be blind. Each of these is a mistake that somebody could make.
  for (const planted of [{ earlyAcknowledge: true }, { ignoreFence: true }, { loseWakeUps: true }])
    it(`finds the fault ${Object.keys(planted)[0]}`, async () => {
      for (let seed = 1; seed <= 10; seed += 1)
        if ((await simulate({ seed, executions: 40, planted, eventsMax: 40_000 })).violations.length > 0)
          return;
      assert.fail('ten seeds did not find it');
    });
});
