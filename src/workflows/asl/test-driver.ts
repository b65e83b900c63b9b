import assert from 'node:assert/strict';
import { advance, createMachine } from './advance.ts';
import type { HistoryEvent } from './history-event.ts';
import type { Json } from './json-value.ts';
import type { Command, MachineInput, MachineState, Work } from './machine-state.ts';
import { parseDefinition } from './validate.ts';

/** What a test's world answers to a piece of work; `undefined`: nothing yet. */
export type Answer = (work: Work, op: number, nowMs: number) => MachineInput | undefined;

export interface Driven {
  readonly state: MachineState;
  readonly history: HistoryEvent[];
  readonly types: string[];
  /** Every command, in order, with its time. */
  readonly commands: (Command & { readonly atMs: number })[];
  readonly end: Extract<Command, { kind: 'finish' }> | undefined;
  /** Milliseconds since the start. */
  readonly elapsedMs: number;
}

const BEGIN_MS = Date.UTC(2026, 0, 1);
const TURNS_MAX = 10_000;

/** Runs a definition to its end, or until nothing happens any more, with time that jumps. */
export async function drive(
  definition: object,
  input: Json,
  answer: Answer = () => undefined,
): Promise<Driven> {
  const { program, diagnostics } = parseDefinition(JSON.stringify(definition));
  assert.ok(program !== undefined, JSON.stringify(diagnostics));
  const facts = {
    id: 'arn:aws:states:us-east-1:1:execution:m:e',
    name: 'e',
    runId: 'run',
    roleArn: 'arn:aws:iam::1:role/r',
    stateMachineId: 'arn:aws:states:us-east-1:1:stateMachine:m',
    stateMachineName: 'm',
    inputText: JSON.stringify(input),
  };
  const state = createMachine(program, facts, input, 'seed', (op) => `token ${op}`);
  const driven = { state, history: [] as HistoryEvent[], commands: [] as Driven['commands'] };
  let due: { atMs: number; input: MachineInput }[] = [{ atMs: BEGIN_MS, input: { kind: 'start' } }];
  let nowMs = BEGIN_MS;
  let end: Driven['end'];
  for (let turns = 0; end === undefined && due.length > 0; turns += 1) {
    assert.ok(turns < TURNS_MAX, 'the execution comes to an end');
    due.sort((left, right) => left.atMs - right.atMs);
    const next = due.shift()!;
    nowMs = next.atMs;
    const { commands, history, more } = await advance(state, next.input, nowMs);
    driven.history.push(...history);
    if (more) due.unshift({ atMs: nowMs, input: { kind: 'continue' } });
    for (const command of commands) {
      driven.commands.push({ ...command, atMs: nowMs });
      if (command.kind === 'finish') end = command;
      else if (command.kind === 'close')
        due = due.filter(({ input: of }) => !('op' in of) || of.op !== command.op);
      else {
        const { op, work } = command;
        const dueMs = command.dueMs ?? (command.dueInMs === undefined ? undefined : nowMs + command.dueInMs);
        const answered = work.kind === 'sleep' ? undefined : answer(work, op, nowMs);
        if (answered !== undefined) due.push({ atMs: nowMs, input: answered });
        else if (work.kind === 'sleep')
          due.push({ atMs: dueMs!, input: { kind: 'completed', op, output: null } });
        else if (dueMs !== undefined) due.push({ atMs: dueMs, input: { kind: 'expired', op } });
      }
    }
  }
  const types = driven.history.map(({ type }) => type);
  return { ...driven, types, end, elapsedMs: nowMs - BEGIN_MS };
}
