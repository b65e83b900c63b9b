import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import type { ExecutionId } from '../base/ids.ts';
import { createSeededRandom } from '../base/random.ts';
import type { ExecutionRecord } from '../model/execution.ts';
import type { AppName } from '../model/function.ts';
import { JOURNAL_BYTES_MAX, JOURNAL_ENTRIES_MAX, OPEN_OPERATIONS_MAX } from '../model/journal.ts';
import { callbackToken } from '../model/workflow-wire.ts';
import { callbackHash } from './callback-token.ts';
import { foldJournal } from './journal.ts';
import { TransitionBuilder } from './transition.ts';

const nowMs = 1_800_000_000_000;
const seed = '0123456789abcdef0123456789abcdef';
const record = {
  id: '01a3d0b2-2222-7000-8000-000000000001' as ExecutionId,
  app: 'shop' as AppName,
  workflow: 'order',
  deployment: 1,
  priority: 0,
} as ExecutionRecord;
const retry = { attemptsMax: 2, firstMs: 100, factor: 2, maxMs: 1_000, jitter: false };
const step = { kind: 'step', name: 'a', retry } as const;
const error = { code: 'E_FUNCTION_ERROR', errorType: 'Error', errorMessage: 'no', stackTrace: [] };

function build(parent?: ExecutionRecord['parent'], bytes = 0) {
  const state = foldJournal([{ kind: 'started', atMs: nowMs, input: { json: null }, seed }]);
  const tools = {
    record: { ...record, parent },
    random: createSeededRandom(1),
    deployment: undefined,
    historyBytes: () => bytes,
    successor: () => error,
  };
  return { state, builder: new TransitionBuilder(state, tools, nowMs) };
}

const refused = (code: string, act: () => void): void =>
  assert.throws(act, (thrown) => thrown instanceof LambentError && thrown.code === code);

describe('transitions', () => {
  it('refuse what a program may not do', () => {
    const { builder } = build();
    builder.act({ kind: 'open', op: 1, task: { kind: 'sleep' }, dueInMs: 5 });
    refused('E_PROTOCOL', () => builder.act({ kind: 'open', op: 1, task: step }));
    refused('E_PROTOCOL', () => builder.act({ kind: 'complete', op: 1, output: { json: 1 }, atMs: nowMs }));
    refused('E_PROTOCOL', () => builder.act({ kind: 'fail', op: 7, error, retryable: true }));
  });

  it('stop at the limits of a history', () => {
    const { state, builder } = build();
    state.seq = JOURNAL_ENTRIES_MAX;
    refused('E_HISTORY_TOO_LONG', () => builder.act({ kind: 'note', note: 1 }));
    const large = build(undefined, JOURNAL_BYTES_MAX + 1);
    refused('E_HISTORY_TOO_LONG', () => large.builder.act({ kind: 'note', note: 1 }));
    const spilled = build();
    const output = { blob: 'a'.repeat(64), bytes: JOURNAL_BYTES_MAX };
    const input = { blob: 'b'.repeat(64), bytes: 1 };
    spilled.builder.act({ kind: 'open', op: 1, task: step });
    spilled.builder.act({ kind: 'complete', op: 1, output, atMs: nowMs });
    refused('E_HISTORY_TOO_LONG', () =>
      spilled.builder.act({ kind: 'open', op: 2, task: { kind: 'call', function: 'f', input } }),
    );
    const wide = build();
    for (let op = 1; op <= OPEN_OPERATIONS_MAX; op += 1)
      wide.builder.act({ kind: 'open', op, task: { kind: 'sleep' }, dueInMs: 5 });
    refused('E_TOO_MANY_OPERATIONS', () =>
      wide.builder.act({ kind: 'open', op: OPEN_OPERATIONS_MAX + 1, task: { kind: 'sleep' } }),
    );
  });

  it('try again as the policy says, then tell the program', () => {
    const { state, builder } = build();
    builder.act({ kind: 'open', op: 1, task: step });
    builder.act({ kind: 'fail', op: 1, error, retryable: true });
    assert.equal(state.open.get(1)?.retryAtMs, nowMs + 100);
    builder.add({ kind: 'attempted', atMs: nowMs, op: 1, attempt: 2 });
    builder.act({ kind: 'fail', op: 1, error, retryable: true });
    assert.deepEqual(builder.effects, [{ kind: 'offer', input: { kind: 'failed', op: 1, error } }]);
  });

  it('mint tokens by the seed alone, and tell a parent how its child ended', () => {
    const parent = { execution: '01a3d0b2-2222-7000-8000-000000000009' as ExecutionId, op: 4 };
    const [first, second] = [build(parent), build(parent)];
    for (const { builder } of [first, second])
      builder.act({ kind: 'open', op: 1, task: { kind: 'callback', token: 'forged' } });
    const tokens = [first, second].map(({ state }) => {
      const task = state.open.get(1)?.task;
      return task?.kind === 'callback' ? task.token : '';
    });
    const token = callbackToken(record.id, 1, seed);
    assert.match(token, /^cb1_01a3d0b2-2222-7000-8000-000000000001_1_[\w-]{22}$/);
    assert.deepEqual(tokens, [callbackHash(token), callbackHash(token)], 'only a hash is stored');
    first.builder.act({ kind: 'end', outcome: { status: 'succeeded', output: { json: 7 } } });
    assert.deepEqual(first.builder.finish(1).messages, [
      { to: parent.execution, input: { kind: 'completed', op: 4, output: { json: 7 } } },
    ]);
  });
});
