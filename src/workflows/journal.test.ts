import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JournalEntry, RetryPolicy } from '../model/journal.ts';
import { applyEntry, foldJournal, nextDueMs } from './journal.ts';

const retry: RetryPolicy = { attemptsMax: 3, firstMs: 1, factor: 2, maxMs: 10, jitter: false };
const error = { code: 'E_FUNCTION_ERROR', errorType: 'Error', errorMessage: 'no', stackTrace: [] };
const atMs = 5;
const begun: JournalEntry[] = [
  { kind: 'started', atMs, seed: '00'.repeat(16), input: { json: 1 } },
  { kind: 'opened', atMs, op: 1, task: { kind: 'step', name: 'a', retry } },
  { kind: 'opened', atMs, op: 2, task: { kind: 'sleep' }, dueMs: 50 },
];

describe('the fold of a journal', () => {
  it('follows an operation through attempts to its end', () => {
    const state = foldJournal(begun);
    assert.deepEqual([state.seq, state.lastOp, state.input], [3, 2, { json: 1 }]);
    const step = state.open.get(1)!;
    assert.equal(nextDueMs(step), undefined);
    applyEntry(state, { kind: 'attemptFailed', atMs, op: 1, attempt: 1, error, retryAtMs: 8 });
    assert.equal(nextDueMs(step), 8);
    applyEntry(state, { kind: 'extended', atMs, op: 1, dueMs: 7 });
    assert.equal(nextDueMs(step), 7);
    applyEntry(state, { kind: 'attempted', atMs, op: 1, attempt: 2 });
    assert.deepEqual(
      [step.attempt, step.failures, step.retryAtMs, step.exhausted],
      [2, 1, undefined, undefined],
    );
    applyEntry(state, { kind: 'attemptFailed', atMs, op: 1, attempt: 2, error });
    assert.deepEqual(step.exhausted, error);
    applyEntry(state, { kind: 'failed', atMs, op: 1, error });
    assert.deepEqual([...state.open.keys()], [2]);
    applyEntry(state, { kind: 'ended', atMs, outcome: { status: 'succeeded', output: { json: 2 } } });
    assert.equal(state.open.size, 0);
    assert.equal(state.outcome?.status, 'succeeded');
  });

  it('asserts what no journal can say', () => {
    const refused = (entry: JournalEntry, entries = begun): void =>
      assert.throws(() => applyEntry(foldJournal(entries), entry), assert.AssertionError);
    refused(begun[1]!, []);
    refused(begun[0]!);
    refused({ kind: 'opened', atMs, op: 2, task: { kind: 'sleep' } });
    refused({ kind: 'completed', atMs, op: 3, output: { json: 1 } });
    refused({ kind: 'attempted', atMs, op: 1, attempt: 3 });
    const over: JournalEntry = {
      kind: 'ended',
      atMs,
      outcome: { status: 'succeeded', output: { json: 1 } },
    };
    refused({ kind: 'noted', atMs, note: 1 }, [...begun, over]);
  });
});
