import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advance, createMachine } from '../src/workflows/asl/advance.ts';
import type { Json } from '../src/workflows/asl/json-value.ts';
import type { Command, MachineInput } from '../src/workflows/asl/machine-state.ts';
import { parseDefinition } from '../src/workflows/asl/validate.ts';
import {
  type DefinitionVector,
  difference,
  type ExecutionVector,
  groupOf,
  NOT_HERE,
  type Outcome,
  readVectors,
  rebuildObject,
} from './conformance/vectors.ts';

/*
 * The recorded executions and definitions against the machine alone: a driver in memory lets time jump, and answers
 * every function with its own input, as the functions of the recordings did.
 */

const executions = readVectors<ExecutionVector>('asl-executions.json');
const definitions = readVectors<DefinitionVector>('asl-definitions.json');
const TURNS_MAX = 10_000;

interface Happening {
  readonly atMs: number;
  readonly input: MachineInput;
}

async function drive(vector: ExecutionVector): Promise<Outcome> {
  const { program, diagnostics } = parseDefinition(JSON.stringify(vector.definition));
  assert.ok(program !== undefined, JSON.stringify(diagnostics));
  const facts = {
    id: 'arn:aws:states:us-east-1:111111111111:execution:m:e',
    name: 'e',
    runId: 'run',
    roleArn: 'arn:aws:iam::111111111111:role/r',
    stateMachineId: 'arn:aws:states:us-east-1:111111111111:stateMachine:m',
    stateMachineName: 'm',
    inputText: JSON.stringify(vector.input),
  };
  const state = createMachine(program, facts, vector.input as Json, vector.id, String);
  const types: string[] = [];
  let due: Happening[] = [{ atMs: 0, input: { kind: 'start' } }];
  let nowMs = Date.UTC(2026, 0, 1);
  for (let turns = 0; turns < TURNS_MAX; turns += 1) {
    due.sort((left, right) => left.atMs - right.atMs);
    const next = due.shift();
    assert.ok(next !== undefined, 'an execution that has not ended waits for something');
    nowMs = Math.max(nowMs, next.atMs);
    const { commands, history, more } = await advance(state, next.input, nowMs);
    types.push(...history.map(({ type }) => type));
    if (more) due.unshift({ atMs: nowMs, input: { kind: 'continue' } });
    for (const command of commands) {
      if (command.kind === 'finish')
        return { types, output: command.output, error: command.error, cause: command.cause };
      if (command.kind === 'open') due.push(answer(vector, command, nowMs));
      else due = due.filter(({ input }) => !('op' in input) || input.op !== command.op);
    }
    if (vector.expected.type === 'ExecutionAborted') {
      due.unshift({ atMs: nowMs, input: { kind: 'stop', error: undefined, cause: undefined } });
    }
  }
  return assert.fail(`no end after ${TURNS_MAX} turns`);
}

function answer(
  vector: ExecutionVector,
  command: Extract<Command, { kind: 'open' }>,
  nowMs: number,
): Happening {
  const { op, work, dueInMs, dueMs } = command;
  const completed = (output: Json, atMs = nowMs): Happening => ({
    atMs,
    input: { kind: 'completed', op, output },
  });
  if (work.kind === 'sleep') return completed(null, dueMs ?? nowMs + (dueInMs ?? 0));
  if (work.kind === 'task') return completed(work.input);
  assert.equal(work.kind, 'read');
  const { config } = work as Extract<typeof work, { kind: 'read' }>;
  return completed({ text: rebuildObject(vector, config), source: 's3://MOCK/file', config });
}

test('recorded executions', { skip: executions === undefined ? NOT_HERE : false }, async () => {
  const failures: string[] = [];
  const groups = new Map<string, { passed: number; all: number }>();
  for (const vector of executions!) {
    const group = groups.get(groupOf(vector)) ?? { passed: 0, all: 0 };
    groups.set(groupOf(vector), group);
    group.all += 1;
    const problem = await drive(vector).then((outcome) => difference(vector, outcome), String);
    if (problem === undefined) group.passed += 1;
    else failures.push(`${vector.id}: ${problem}`);
  }
  assert.deepEqual(failures, [], JSON.stringify([...groups]));
});

test('definitions to accept and to refuse', { skip: definitions === undefined ? NOT_HERE : false }, () => {
  const wrong = definitions!.filter(({ definition, expected }) => {
    const found = parseDefinition(definition).program === undefined ? 'invalid' : 'valid';
    return found !== expected;
  });
  assert.deepEqual(
    wrong.map(({ id }) => id),
    [],
  );
});
