import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JournalEntry } from './journal.ts';
import { entriesBefore, entriesWithoutEnd, operationThatFailed } from './journal-restart.ts';

const json = { json: null };
const error = { code: 'E_FUNCTION_ERROR', errorType: 'Error', errorMessage: 'no', stackTrace: [] };
const started: JournalEntry = { kind: 'started', atMs: 0, input: json, seed: '0'.repeat(32) };
const opened = (op: number, scope = false): JournalEntry => ({
  ...{ kind: 'opened', atMs: op, op },
  task: scope ? { kind: 'scope', form: 'parallel', name: 'both' } : { kind: 'sleep' },
});
const completed = (op: number): JournalEntry => ({ kind: 'completed', atMs: op, op, output: json });
const failed = (op: number): JournalEntry => ({ kind: 'failed', atMs: op, op, error });
const ended: JournalEntry = { kind: 'ended', atMs: 99, outcome: { status: 'failed', error } };

test('a step after others that had ended keeps all of them', () => {
  const history = [started, opened(1), completed(1), opened(2), failed(2), ended];
  assert.deepEqual(entriesBefore(history, 2), history.slice(0, 3));
  assert.deepEqual(entriesBefore(history, 1), [started]);
  assert.equal(entriesBefore(history, 3), undefined);
});

test('what was under way when the step began begins again, and what was under way then as well', () => {
  const history = [
    ...[started, opened(1), completed(1), opened(2), opened(3), completed(2), opened(4), completed(3)],
    ...[opened(5), completed(4), failed(5), ended],
  ];
  // 5 began within 4, which began within 3, which began within 2.
  assert.deepEqual(entriesBefore(history, 5), history.slice(0, 3));
});

test('a scope is opened by the code again: it holds nothing back', () => {
  const history = [started, opened(1, true), opened(2), completed(2), opened(3), failed(3), ended];
  assert.deepEqual(entriesBefore(history, 3), history.slice(0, 4));
});

test('nobody has asked for the cancellation yet', () => {
  const cancel: JournalEntry = { kind: 'cancelRequested', atMs: 5, reason: 'enough' };
  const history = [started, opened(1), completed(1), cancel, opened(2), completed(2), ended];
  assert.deepEqual(entriesBefore(history, 2), history.slice(0, 3));
});

test('the operation that an execution came to grief over', () => {
  assert.equal(operationThatFailed([started, opened(1), failed(1), opened(2), completed(2), ended]), 1);
  assert.equal(operationThatFailed([started, opened(1), opened(2), completed(1), ended]), 2);
  assert.equal(operationThatFailed([started, opened(1), completed(1), ended]), undefined);
});

test('without its end a journal has nothing under way', () => {
  const history = [started, opened(1), opened(2), completed(1), ended];
  assert.deepEqual(entriesWithoutEnd(history, 7), [
    ...history.slice(0, 4),
    { kind: 'closed', atMs: 7, op: 2 },
  ]);
});
