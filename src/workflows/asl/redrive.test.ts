import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advance, createMachine } from './advance.ts';
import type { Json } from './json-value.ts';
import type { Command, MachineState } from './machine-state.ts';
import { parseDefinition } from './validate.ts';

const task = { Type: 'Task', Resource: 'arn:aws:lambda:us-east-1:1:function:f', End: true };

function begin(definition: object, input: Json): MachineState {
  const { program, diagnostics } = parseDefinition(JSON.stringify(definition));
  assert.ok(program !== undefined, JSON.stringify(diagnostics));
  const facts = {
    id: 'e',
    name: 'e',
    runId: 'r',
    roleArn: '',
    stateMachineId: 'm',
    stateMachineName: 'm',
    inputText: '{}',
  };
  return createMachine(program, facts, input, 'seed', String);
}

const opened = (commands: readonly Command[]): number[] =>
  commands.flatMap((command) => (command.kind === 'open' ? [command.op] : []));

test('branches that succeeded are not run again', async () => {
  const branch = (name: string): object => ({ StartAt: name, States: { [name]: task } });
  const state = begin(
    { StartAt: 'P', States: { P: { Type: 'Parallel', Branches: [branch('A'), branch('B')], End: true } } },
    {},
  );
  assert.deepEqual(opened((await advance(state, { kind: 'start' }, 0)).commands), [1, 2]);
  await advance(state, { kind: 'completed', op: 1, output: 'a' }, 1);
  await advance(state, { kind: 'failed', op: 2, error: 'X', cause: undefined }, 2);
  assert.equal(state.status, 'failed');
  const again = await advance(state, { kind: 'redrive' }, 3);
  assert.equal(again.history[0]?.type, 'ExecutionRedriven');
  assert.deepEqual(opened(again.commands), [3]);
  const { commands } = await advance(state, { kind: 'completed', op: 3, output: 'b' }, 4);
  assert.deepEqual(commands, [
    { kind: 'finish', status: 'succeeded', output: ['a', 'b'], error: undefined, cause: undefined },
  ]);
});

test('a Map goes on with the iterations that are left, inline or distributed', async () => {
  const map = (config: object): object => ({
    StartAt: 'M',
    States: {
      M: {
        Type: 'Map',
        MaxConcurrency: 1,
        ItemProcessor: { ...config, StartAt: 'T', States: { T: task } },
        End: true,
      },
    },
  });
  for (const config of [{}, { ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } }]) {
    const state = begin(map(config), [1, 2, 3]);
    await advance(state, { kind: 'start' }, 0);
    await advance(state, { kind: 'completed', op: 1, output: 'a' }, 1);
    await advance(state, { kind: 'failed', op: 2, error: 'X', cause: undefined }, 2);
    assert.equal(state.status, 'failed');
    let next = opened((await advance(state, { kind: 'redrive' }, 3)).commands);
    let calls = 0;
    let end: unknown;
    while (next.length > 0) {
      calls += next.length;
      const { commands } = await advance(state, { kind: 'completed', op: next[0]!, output: calls }, 4);
      next = opened(commands);
      end = commands.find(({ kind }) => kind === 'finish');
    }
    assert.deepEqual([state.status, calls], ['succeeded', 2]);
    assert.deepEqual((end as { output: Json }).output, ['a', 1, 2]);
  }
});

test('a distributed Map takes up what failed and what was cut, no more at once than it may', async () => {
  const ItemProcessor = {
    ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
    StartAt: 'T',
    States: { T: { Type: 'Pass', Next: 'U' }, U: task },
  };
  const Type = 'Map';
  const state = begin(
    {
      StartAt: 'M',
      States: { M: { Type, MaxConcurrency: 2, ToleratedFailureCount: 1, ItemProcessor, End: true } },
    },
    [1, 2, 3, 4, 5],
  );
  assert.deepEqual(opened((await advance(state, { kind: 'start' }, 0)).commands), [1, 2]);
  const fail = (op: number): Promise<{ commands: readonly Command[] }> =>
    advance(state, { kind: 'failed', op, error: 'X', cause: undefined }, 1);
  assert.deepEqual(opened((await fail(1)).commands), [3]);
  // The second failure is one too many; the third iteration was under way.
  await fail(2);
  assert.deepEqual(
    [state.status, state.mapRuns[0]!.status, state.mapRuns[0]!.failed],
    ['failed', 'FAILED', 2],
  );
  const again = await advance(state, { kind: 'redrive' }, 3);
  assert.deepEqual(
    again.history.map(({ type }) => type),
    ['ExecutionRedriven', 'MapRunRedriven'],
  );
  assert.deepEqual([opened(again.commands), state.mapRuns[0]!.redrives], [[4, 5], 1]);
  for (let op = 4; op <= 8; op += 1) await advance(state, { kind: 'completed', op, output: op }, 5);
  assert.deepEqual(
    [state.status, state.mapRuns[0]!.succeeded, state.mapRuns[0]!.failed],
    ['succeeded', 5, 0],
  );
});
