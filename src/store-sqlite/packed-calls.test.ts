import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExecutionId } from '../base/ids.ts';
import type { Answer, Request } from './group-commit.ts';
import type { StoredTransition } from './journal-transition.ts';
import { packAnswers, packRequests, unpackRequests } from './packed-calls.ts';

const plain: StoredTransition = {
  ...{ id: 'a' as ExecutionId, fence: 7, seq: 3, count: 1, nowMs: 1_700_000_000_000.5, entries: '["ü"]' },
  ...{ next: { status: 'running' }, endedAs: undefined, beside: undefined },
};
const ended: StoredTransition = { ...plain, next: { status: 'ended' }, endedAs: 'failed', seq: 4 };
const waiting: StoredTransition = {
  ...plain,
  ...{ id: 'b' as ExecutionId, next: { status: 'waiting', dueMs: undefined } },
  beside: {
    ...{ consumed: [1], awaitsNoMore: [2], messages: [], starts: [] },
    awaits: [{ op: 1, key: 'k', detail: null }],
  },
};

function append(id: number, transition: StoredTransition): Request {
  return { id, name: 'journal.append', args: [transition] };
}

describe('calls on their way to a store thread', () => {
  it('come out as they went in, in their order, whatever is between them', () => {
    const requests: Request[] = [
      append(1, plain),
      append(2, ended),
      { id: 3, name: 'journal.release', args: ['a', 7, 1, 2] },
      append(4, waiting),
      append(5, plain),
    ];
    const sent = structuredClone(packRequests(requests));
    assert.equal(sent.length, 3, 'neighbours of one operation travel together');
    const arrived: Request[] = [];
    unpackRequests(sent, arrived);
    assert.deepEqual(arrived, requests);
  });

  it('are answered each with its own answer', () => {
    const answers: Answer[] = [
      { id: 1, ok: true, value: true },
      { id: 2, ok: true, value: false },
      { id: 3, ok: true, value: { fence: 1 } },
      { id: 4, ok: true, value: true },
    ];
    assert.deepEqual(packAnswers(answers), { yes: [1, 4], others: [answers[1], answers[2]] });
  });
});
