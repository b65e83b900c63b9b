import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InvocationId } from '../base/ids.ts';
import type { VersionId } from '../model/function.ts';
import type { LeaseWaiter } from '../ports/instance-pool.ts';
import { deadlocked, type PlacesTaken } from './call-deadlock.ts';
import { levelOf, SelfCalls } from './self-calls.ts';

/** A call for which these invocations wait; each name is `version number`. */
function waiter(...callers: readonly string[]): LeaseWaiter {
  const waiting = callers.map((each) => ({
    version: each[0] as unknown as VersionId,
    invocation: each as unknown as InvocationId,
  }));
  return { waiting, onLease() {}, onRefused() {} };
}

function places(holders: readonly string[], waiters: readonly LeaseWaiter[], isFull = true): PlacesTaken {
  return { isFull, waiters, holders: holders as unknown as InvocationId[] };
}

describe('calls that wait for each other in a circle', () => {
  it('are found where a function calls itself', () => {
    const a = places(['a1', 'a2'], [waiter('a1'), waiter('a2'), waiter()]);
    assert.deepEqual([...deadlocked([a])], [a]);
  });

  it('are found over several functions, and with others that only wait for them', () => {
    const a = places(['a1', 'a2'], [waiter('a1', 'b1')]);
    const b = places(['b1'], [waiter('a2')]);
    const c = places(['c1'], [waiter('d1')]);
    const waits = places(['d1'], [waiter('e1')]);
    assert.deepEqual(new Set(deadlocked([a, b, c, waits])), new Set([a, b]));
  });

  it('are none where one of those that have a place waits for nobody, or for what goes on', () => {
    assert.equal(deadlocked([places(['a1', 'a2'], [waiter('a1')])]).size, 0);
    const goesOn = places(['b1'], []);
    assert.equal(deadlocked([places(['a1', 'a2'], [waiter('a1')]), goesOn]).size, 0);
  });

  it('are none where there may be more places', () => {
    assert.equal(deadlocked([places(['a1'], [waiter('a1')], false)]).size, 0);
  });
});

describe('places that calls leave to the calls that they make', () => {
  const version = 'a' as unknown as VersionId;

  it('are none before a call of itself was seen', () => {
    assert.equal(new SelfCalls().mayTake(0, 9, { placesMax: 10 }), true);
  });

  it('are one for each level below their own', () => {
    const calls = new SelfCalls();
    calls.saw(levelOf(version, waiter('a1', 'b1', 'a2', 'a3')));
    const most = (level: number): number => {
      let taken = 0;
      while (calls.mayTake(level, taken, { placesMax: 10 }) && taken < 10) taken += 1;
      return taken;
    };
    assert.deepEqual([0, 1, 2, 3].map(most), [7, 8, 9, 10]);
  });

  it('are never all of them', () => {
    const calls = new SelfCalls();
    calls.saw(16);
    assert.equal(calls.mayTake(0, 0, { placesMax: 1 }), true);
    assert.equal(calls.mayTake(0, 0, { placesMax: 4 }), true);
    assert.equal(calls.mayTake(0, 1, { placesMax: 4 }), false);
  });
});
