import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StartTurns } from './start-turns.ts';

/** Owners that want some starts each, on a node with few places; says in which order they get them. */
function play(wanted: Record<string, number>, places: number): string {
  const turns = new StartTurns<string>();
  const left = new Map(Object.entries(wanted));
  let starting = 0;
  let order = '';
  const hasRoom = (): boolean => starting < places;
  const letStart = (owner: string): void => {
    while ((left.get(owner) ?? 0) > 0 && turns.mayStart(owner, hasRoom())) {
      left.set(owner, left.get(owner)! - 1);
      starting += 1;
      order += owner;
    }
  };
  for (const owner of left.keys()) letStart(owner);
  for (let step = 0; starting > 0; step += 1) {
    assert.ok(step < 1_000, 'it comes to an end');
    starting -= 1;
    turns.resume(hasRoom, letStart);
  }
  assert.deepEqual(
    [...left.values()],
    Object.keys(wanted).map(() => 0),
    'everybody got what they wanted',
  );
  return order;
}

test('who wants many does not keep the others from theirs', () => {
  assert.equal(play({ a: 6, b: 1, c: 2 }, 2), 'aaabcacaa');
});

test('one alone gets all it wants', () => {
  assert.equal(play({ a: 5 }, 2), 'aaaaa');
});

test('who no longer wants to start gives its turn away', () => {
  const turns = new StartTurns<string>();
  assert.equal(turns.mayStart('a', false), false);
  assert.equal(turns.mayStart('b', false), false);
  assert.equal(turns.mayStart('c', true), false, 'those who came earlier are first');
  const asked: string[] = [];
  turns.resume(
    () => true,
    (owner) => {
      asked.push(owner);
      if (owner !== 'a') assert.equal(turns.mayStart(owner, true), true);
    },
  );
  assert.deepEqual(asked, ['a', 'b', 'c']);
  assert.equal(turns.mayStart('d', true), true, 'the line is empty again');
});

test('who is forgotten has no place', () => {
  const turns = new StartTurns<string>();
  turns.mayStart('a', false);
  turns.forget('a');
  assert.equal(turns.mayStart('b', true), true);
});
