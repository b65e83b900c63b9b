import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { InstanceState } from './instance-events.ts';
import { chooseIdle, memoryToSpare } from './memory-budget.ts';

const MB = 2 ** 20;

function instance(id: string, idleSinceMs: number, state: InstanceState = 'ready', active = 0) {
  return { id, state, active, idleSinceMs, memoryPeakKb: 50 * 1_024 };
}

it('those without work for longest end first, as many as it takes, and none that works', () => {
  const all = [
    instance('late', 30),
    instance('first', 10),
    instance('works', 1, 'ready', 1),
    instance('starts', 1, 'starting'),
    instance('second', 20),
  ];
  const chosen = (bytes: number): string[] => chooseIdle(all, bytes).map(({ id }) => id);
  assert.deepEqual(chosen(1), ['first']);
  assert.deepEqual(chosen(60 * MB), ['first', 'second']);
  assert.deepEqual(chosen(1_000 * MB), ['first', 'second', 'late']);
  assert.deepEqual(chosen(0), []);
});

it('a twentieth of the machine is left free, within bounds', () => {
  assert.equal(memoryToSpare(512 * MB), 128 * MB);
  assert.equal(memoryToSpare(8_000 * MB), 400 * MB);
  assert.equal(memoryToSpare(2 ** 40), 1_024 * MB);
});
