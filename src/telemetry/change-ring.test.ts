import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/manual-clock.ts';
import { CHANGED_EXECUTIONS_MAX } from '../ports/changes.ts';
import { createChangeRing, NOTICE_MS, NOTICES_MAX } from './change-ring.ts';

test('what changes within a moment is one notice, and nothing is told while nothing changes', () => {
  const clock = new ManualClock();
  const ring = createChangeRing(clock);
  let told = 0;
  ring.onNotice(() => {
    told += 1;
  });
  clock.advance(NOTICE_MS * 10);
  assert.equal(told, 0);
  ring.note('invocations');
  ring.note('executions', 'a');
  ring.note('executions', 'b');
  ring.note('invocations');
  assert.equal(told, 0);
  clock.advance(NOTICE_MS);
  assert.deepEqual([told, ring.newest], [1, 1]);
  assert.deepEqual(ring.since(0), { topics: ['invocations', 'executions'], executions: ['a', 'b'] });
  assert.deepEqual(ring.since(1), { topics: [] });
});

test('who was away learns all of it in one, until the ring has forgotten it', () => {
  const clock = new ManualClock();
  const ring = createChangeRing(clock);
  for (let at = 0; at < NOTICES_MAX; at += 1) {
    ring.note(at % 2 === 0 ? 'events' : 'executions', `execution ${at % 4}`);
    clock.advance(NOTICE_MS);
  }
  assert.deepEqual(ring.since(0), {
    topics: ['events', 'executions'],
    executions: ['execution 1', 'execution 3'],
  });
  ring.note('apps');
  clock.advance(NOTICE_MS);
  assert.equal(ring.since(0), undefined);
  assert.deepEqual(ring.since(1)?.topics.includes('apps'), true);
  assert.equal(ring.since(NOTICES_MAX + 2), undefined, 'a place of another run');
});

test('many executions are not named', () => {
  const clock = new ManualClock();
  const ring = createChangeRing(clock);
  for (let at = 0; at <= CHANGED_EXECUTIONS_MAX; at += 1) ring.note('executions', `${at}`);
  clock.advance(NOTICE_MS);
  assert.deepEqual(ring.since(0), { topics: ['executions'] });
});
