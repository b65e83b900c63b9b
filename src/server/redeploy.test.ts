import assert from 'node:assert/strict';
import { it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { createRedeploy } from './redeploy.ts';

/** Deploys that end as listed; `during` runs while each is under way. */
function scripted(outcomes: (string | undefined)[], during: (nth: number) => void) {
  const told: string[] = [];
  let deploys = 0;
  const redeploy = createRedeploy(
    async () => {
      const message = outcomes[deploys];
      deploys += 1;
      during(deploys);
      return message === undefined ? undefined : new LambentError('E_BUILD_FAILED', message);
    },
    (error) => told.push(error.message),
  );
  return { redeploy, told, count: () => deploys };
}

it('a save that comes as several changes tells of one error once', async () => {
  const on = scripted(['broken', 'broken'], (nth) => {
    if (nth === 1) for (let change = 0; change < 3; change += 1) void on.redeploy();
  });
  await on.redeploy();
  assert.deepEqual([on.told, on.count()], [['broken'], 2]);
});

it('the next save tells of it again, and another error is always told', async () => {
  const on = scripted(['broken', 'broken', 'otherwise', undefined, 'broken'], (nth) => {
    if (nth >= 2 && nth < 5) void on.redeploy();
  });
  await on.redeploy();
  await on.redeploy();
  assert.deepEqual(on.told, ['broken', 'broken', 'otherwise', 'broken']);
  assert.equal(on.count(), 5);
});
