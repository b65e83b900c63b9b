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

test('an inline Map goes on with the iterations that are left, a distributed one begins anew', async () => {
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
  for (const [config, left] of [
    [{}, 2],
    [{ ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } }, 3],
  ] as const) {
    const state = begin(map(config), [1, 2, 3]);
    await advance(state, { kind: 'start' }, 0);
    await advance(state, { kind: 'completed', op: 1, output: 1 }, 1);
    await advance(state, { kind: 'failed', op: 2, error: 'X', cause: undefined }, 2);
    assert.equal(state.status, 'failed');
    let next = opened((await advance(state, { kind: 'redrive' }, 3)).commands);
    let calls = 0;
    while (next.length > 0) {
      calls += next.length;
      next = opened((await advance(state, { kind: 'completed', op: next[0]!, output: 0 }, 4)).commands);
    }
    assert.deepEqual([state.status, calls], ['succeeded', left]);
  }
});
