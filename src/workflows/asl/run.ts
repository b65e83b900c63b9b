import type { StateNode } from './definition.ts';
import { StateFailure } from './failure.ts';
import { exitedDetails, failureDetails, type HistoryEvent } from './history-event.ts';
import { fieldOf, type Json, type JsonObject, setField } from './json-value.ts';
import type { QueryScope } from './jsonata-expression.ts';
import type { Command, MachineState, MachineStatus, Thread, Work } from './machine-state.ts';
import type { Scope } from './path-scope.ts';

/** Bytes of what one state passes on, and of one variable (AWS' own figures). */
export const PAYLOAD_BYTES_MAX = 262_144;
/** Events of one execution; the last of them ends it (AWS' own figure). */
export const HISTORY_EVENTS_MAX = 25_000;

/** One advance of a machine: its state, and what comes out. */
export class Run {
  readonly state: MachineState;
  readonly nowMs: number;
  readonly commands: Command[] = [];
  readonly history: HistoryEvent[] = [];
  /** Characters of the history of this advance, to bound what one transition stores. */
  historyCharacters = 0;
  /** The thread whose end is being handled: what goes wrong then belongs to the state around it. */
  ended: Thread | undefined;

  constructor(state: MachineState, nowMs: number) {
    this.state = state;
    this.nowMs = nowMs;
  }

  /** Adds an event that follows the thread's last one. Returns its number. */
  emit(
    thread: Thread | undefined,
    type: string,
    details: Record<string, unknown> = {},
    characters = 0,
  ): number {
    if (thread?.apart !== undefined) {
      const { apart, lastEvent: previousEventId } = thread;
      apart.lastEvent += 1;
      thread.lastEvent = apart.lastEvent;
      const event = { id: apart.lastEvent, previousEventId, timestampMs: this.nowMs, type, ...details };
      apart.record?.events.push(event);
      return thread.lastEvent;
    }
    const { state } = this;
    const id = state.lastEvent + 1;
    const previousEventId = thread?.lastEvent ?? (id === 1 ? 0 : state.lastEvent);
    state.lastEvent = id;
    if (thread !== undefined) thread.lastEvent = id;
    this.history.push({ id, previousEventId, timestampMs: this.nowMs, type, ...details });
    this.historyCharacters += characters + 200;
    return id;
  }

  /** An event that nothing follows: the next one follows what this one does. */
  emitAside(thread: Thread, type: string, details?: Record<string, unknown>): void {
    const before = thread.lastEvent;
    this.emit(thread, type, details);
    thread.lastEvent = before;
  }

  open(thread: Thread | undefined, work: Work, due: { dueInMs?: number; dueMs?: number } = {}): number {
    const op = this.state.lastOp + 1;
    this.state.lastOp = op;
    if (thread !== undefined) this.state.ops.set(op, thread);
    this.commands.push({ kind: 'open', op, work, ...due });
    return op;
  }

  close(op: number | undefined): void {
    if (op === undefined || !this.state.ops.delete(op)) return;
    this.commands.push({ kind: 'close', op });
  }

  /** Ends the execution. Operations that are still open end with it. */
  finish(status: Exclude<MachineStatus, 'running'>, output?: Json, error?: string, cause?: string): void {
    const { state } = this;
    state.status = status;
    state.ready.length = 0;
    for (const run of state.mapRuns) {
      if (run.status !== 'RUNNING') continue;
      run.status = 'ABORTED';
      run.endedMs = this.nowMs;
    }
    this.commands.push({ kind: 'finish', status, output, error, cause });
  }

  /** Ends the execution as failed, with its event. */
  fail(thread: Thread | undefined, error: string | undefined, cause: string | undefined): void {
    this.emit(thread, 'ExecutionFailed', { executionFailedEventDetails: failureDetails(error, cause) });
    this.finish('failed', undefined, error, cause);
  }

  /** What a tried state makes of its data on the way. */
  note(thread: Thread, name: string, value: Json): void {
    const { trial, root } = this.state;
    if (trial !== undefined && thread === root && thread.node.name === trial.state) trial.noted[name] = value;
  }

  /** The context object, `$$`. */
  context(thread: Thread): JsonObject {
    const { facts, input, startedMs, redrives, redrivenMs } = this.state;
    const execution: JsonObject = {
      Id: facts.id,
      Input: input,
      Name: facts.name,
      RoleArn: facts.roleArn,
      StartTime: new Date(startedMs).toISOString(),
      RedriveCount: redrives,
    };
    if (redrivenMs !== undefined) execution.RedriveTime = new Date(redrivenMs).toISOString();
    const state: JsonObject = {
      EnteredTime: new Date(thread.enteredMs).toISOString(),
      Name: thread.node.name,
    };
    if (['Task', 'Parallel', 'Map'].includes(thread.node.type)) state.RetryCount = thread.retryCount;
    const context: JsonObject = {
      Execution: execution,
      StateMachine: { Id: facts.stateMachineId, Name: facts.stateMachineName },
      State: state,
    };
    if (thread.taskToken !== undefined) context.Task = { Token: thread.taskToken };
    const map = mapContextOf(thread);
    if (map !== undefined) context.Map = map;
    return { ...context, ...this.state.trial?.context };
  }

  pathScope(thread: Thread, data: Json, context: JsonObject = this.context(thread)): Scope {
    return { data, context, variable: (name) => variableOf(thread, name), chance: this.state.chance };
  }

  /** `more`: result and errorOutput, where there are any. */
  queryScope(thread: Thread, more: JsonObject = {}, context: JsonObject = this.context(thread)): QueryScope {
    return {
      states: { input: thread.input, context, ...more },
      variables: allVariables(thread),
      chance: this.state.chance,
      nowMs: this.nowMs,
    };
  }

  /** Leaves the state: checks what it passes on, sets variables, goes on to `next` or ends the thread. */
  leave(thread: Thread, output: Json, assigned: ReadonlyMap<string, Json> | undefined): void {
    const { name, type } = thread.node;
    const text = JSON.stringify(output);
    checkSize(text, name);
    for (const [variable, value] of assigned ?? []) {
      checkSize(JSON.stringify(value), name);
      setField(thread.variables, variable, value);
    }
    thread.lastEvent = thread.exitAfter ?? thread.lastEvent;
    thread.exitAfter = undefined;
    this.emit(thread, `${type}StateExited`, exitedDetails(name, text, assigned), text.length);
    thread.input = output;
    thread.inputText = text;
    thread.waiting = undefined;
    thread.taskToken = undefined;
  }

  follow(thread: Thread, next: string): void {
    thread.node = this.nodeOf(thread.flow, next);
    this.state.ready.push({ thread, how: 'enter' });
  }

  /** What follows from a thread's end comes before what other threads do. */
  end(thread: Thread): void {
    this.state.ready.unshift({ thread, how: 'ended' });
  }

  nodeOf(flow: string, name: string): StateNode {
    return this.state.program.flows.get(flow)!.states.get(name)!;
  }
}

export function checkSize(text: string, state: string): void {
  if (text.length <= PAYLOAD_BYTES_MAX / 3 || Buffer.byteLength(text) <= PAYLOAD_BYTES_MAX) return;
  throw new StateFailure(
    'States.DataLimitExceeded',
    `The state/task '${state}' returned a result with a size exceeding the maximum number of bytes service limit.`,
  );
}

function mapContextOf(thread: Thread): JsonObject | undefined {
  for (let at: Thread | undefined = thread; at !== undefined; at = at.parent) {
    if (at.mapContext !== undefined) return at.mapContext;
  }
  return undefined;
}

/** A thread sees its own variables and those outside, but an iteration of a distributed Map only its own. */
function variableOf(thread: Thread, name: string): Json | undefined {
  for (let at: Thread | undefined = thread; at !== undefined; at = outer(at)) {
    const value = fieldOf(at.variables, name);
    if (value !== undefined) return value;
  }
  return undefined;
}

function allVariables(thread: Thread): JsonObject {
  const chain: Thread[] = [];
  for (let at: Thread | undefined = thread; at !== undefined; at = outer(at)) chain.push(at);
  return Object.assign({}, ...chain.reverse().map((at) => at.variables)) as JsonObject;
}

function outer(thread: Thread): Thread | undefined {
  return thread.apart !== undefined && thread.apart !== thread.parent?.apart ? undefined : thread.parent;
}
