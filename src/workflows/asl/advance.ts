import type { Program } from './definition.ts';
import { failState } from './failing.ts';
import { StateFailure } from './failure.ts';
import { enteredDetails, failureDetails, type HistoryEvent, inputOf, outputOf } from './history-event.ts';
import { itemsOfFile } from './item-file.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import type {
  ChildrenWaiting,
  Command,
  ExecutionFacts,
  MachineInput,
  MachineState,
  Ready,
  Thread,
  Watching,
} from './machine-state.ts';
import { endMapRun } from './map-run.ts';
import {
  beginItems,
  closeMap,
  iterationSucceeded,
  limitMapRun,
  runMap,
  threadOfMapRun,
} from './map-state.ts';
import { branchEnded, runParallel } from './parallel-state.ts';
import { redrive } from './redrive.ts';
import { HISTORY_EVENTS_MAX, Run } from './run.ts';
import { endWait, runChoice, runFail, runPass, runSucceed, runWait } from './simple-states.ts';
import { startThread } from './start-thread.ts';
import { runTask, taskHeard } from './task-state.ts';

/*
 * Amazon States Language as a machine without surroundings.
 *
 * `advance` takes one input (the execution starts, an operation has an answer, somebody stops it) and carries the
 * execution on until everything in it waits. Out come commands (operations to open and close, the end) and the
 * history's events as AWS Step Functions records them. It reads no clock and draws no chance: the time comes with
 * the input, chance is derived from a seed. The same inputs at the same times always give the same commands and
 * events, so an execution is its inputs, and a journal of them is all that has to be kept.
 *
 * Deliberately absent: doing anything. Whoever drives the machine calls functions, keeps timers and stores.
 */

/** Events, and characters of events, after which an advance stops halfway: the bounds of one transition. */
const EVENTS_A_TURN = 1_000;
const CHARACTERS_A_TURN = 2_000_000;

export interface Advance {
  readonly commands: readonly Command[];
  readonly history: readonly HistoryEvent[];
  /** It stopped halfway: give it `continue`. */
  readonly more: boolean;
}

/** An execution that has not started. `seed`: any text that differs between executions. */
export function createMachine(
  program: Program,
  facts: ExecutionFacts,
  input: Json,
  seed: string,
  tokenOf: (op: number) => string,
  variables: JsonObject = {},
  { trial, records }: Watching = {},
): MachineState {
  return {
    program,
    facts,
    input,
    chance: { seed, draws: 0 },
    tokenOf,
    variables,
    trial,
    records,
    status: 'running',
    startedMs: 0,
    redrives: 0,
    redrivenMs: undefined,
    lastEvent: 0,
    lastOp: 0,
    lastThread: 0,
    root: undefined,
    ops: new Map(),
    ready: [],
    timeoutOp: undefined,
    mapRuns: [],
  };
}

/** Carries the execution on. `state` is changed in place; one advance at a time. */
export async function advance(state: MachineState, input: MachineInput, nowMs: number): Promise<Advance> {
  const run = new Run(state, nowMs);
  const over = state.status !== 'running' && input.kind !== 'redrive';
  if (over || state.status === 'succeeded') return { commands: [], history: [], more: false };
  await takeIn(run, input);
  while (state.status === 'running' && state.ready.length > 0) {
    if (run.history.length >= EVENTS_A_TURN || run.historyCharacters >= CHARACTERS_A_TURN) break;
    const { thread, how } = state.ready.shift()!;
    await attempt(run, thread, () => step(run, thread, how));
  }
  return {
    commands: run.commands,
    history: run.history,
    more: state.status === 'running' && state.ready.length > 0,
  };
}

async function takeIn(run: Run, input: MachineInput): Promise<void> {
  const { state } = run;
  switch (input.kind) {
    case 'start':
      return start(run);
    case 'continue':
      return;
    case 'redrive':
      return redrive(run);
    case 'stop': {
      const { error, cause } = input;
      run.emit(state.root, 'ExecutionAborted', {
        executionAbortedEventDetails: failureDetails(error, cause),
      });
      return run.finish('aborted', undefined, error, cause);
    }
    case 'mapRun': {
      const holder = state.root && threadOfMapRun(state.root, input.name);
      if (holder !== undefined) await attempt(run, holder, () => limitMapRun(run, holder, input));
      return;
    }
    default:
  }
  if (input.op === state.timeoutOp) {
    // It follows from no event: time alone brings it about.
    run.emit(undefined, 'ExecutionTimedOut', {
      previousEventId: 0,
      executionTimedOutEventDetails: failureDetails('States.Timeout', undefined),
    });
    return run.finish('timedOut', undefined, 'States.Timeout', undefined);
  }
  const thread = state.ops.get(input.op);
  // An answer to an operation that was given up meanwhile.
  if (thread === undefined) return;
  if (input.kind === 'completed' || input.kind === 'failed' || input.kind === 'expired')
    state.ops.delete(input.op);
  await attempt(run, thread, () => hear(run, thread, input));
}

function start(run: Run): void {
  const { state } = run;
  const { facts, program } = state;
  state.startedMs = run.nowMs;
  run.emit(undefined, 'ExecutionStarted', {
    executionStartedEventDetails: { ...inputOf(facts.inputText), roleArn: facts.roleArn },
  });
  if (program.timeoutSeconds !== undefined) {
    const dueInMs = program.timeoutSeconds * 1000;
    state.timeoutOp = run.open(undefined, { kind: 'sleep', name: 'execution timeout' }, { dueInMs });
  }
  state.root = startThread(run, { parent: undefined, index: 0, flow: '', input: state.input, lastEvent: 0 });
  Object.assign(state.root.variables, state.variables);
}

/** Runs a piece of a thread; a failure in it is the thread's. */
async function attempt(run: Run, thread: Thread, piece: () => Promise<void>): Promise<void> {
  try {
    await piece();
  } catch (thrown) {
    if (!(thrown instanceof StateFailure)) throw thrown;
    // What follows from the end of a branch or iteration belongs to the state around it.
    const around = thread.waiting === undefined && run.ended === thread ? thread.parent : undefined;
    await failState(run, around ?? thread, thrown);
  }
  if (run.state.status === 'running' && run.state.lastEvent >= HISTORY_EVENTS_MAX - 1) {
    run.history.splice(run.history.length - (run.state.lastEvent - (HISTORY_EVENTS_MAX - 1)));
    run.state.lastEvent = HISTORY_EVENTS_MAX - 1;
    const cause = `The execution reached the maximum number of history events (${HISTORY_EVENTS_MAX}).`;
    run.fail(undefined, 'States.Runtime', cause);
  }
}

async function step(run: Run, thread: Thread, how: Ready['how']): Promise<void> {
  if (how === 'ended') return end(run, thread);
  const { name, type } = thread.node;
  if (how === 'enter') {
    const { inputText } = thread;
    thread.enteredEvent = run.emit(
      thread,
      `${type}StateEntered`,
      enteredDetails(name, inputText),
      inputText.length,
    );
    thread.enteredMs = run.nowMs;
    thread.retries = [];
    thread.retryCount = 0;
    thread.exitAfter = undefined;
    run.note(thread, 'input', thread.input);
  }
  switch (type) {
    case 'Pass':
      return runPass(run, thread);
    case 'Task':
      return runTask(run, thread);
    case 'Choice':
      return runChoice(run, thread);
    case 'Wait':
      return runWait(run, thread);
    case 'Succeed':
      return runSucceed(run, thread);
    case 'Fail':
      return runFail(run, thread);
    case 'Parallel':
      return runParallel(run, thread);
    case 'Map':
      return runMap(run, thread);
  }
}

/** A thread has come to its end with its output as `input`: so has the execution, or a branch, or an iteration. */
async function end(run: Run, thread: Thread): Promise<void> {
  const { parent, inputText } = thread;
  if (parent === undefined) {
    run.emit(
      thread,
      'ExecutionSucceeded',
      { executionSucceededEventDetails: outputOf(inputText) },
      inputText.length,
    );
    return run.finish('succeeded', thread.input);
  }
  run.ended = thread;
  if (parent.node.type === 'Parallel') await branchEnded(run, parent, thread);
  else await iterationSucceeded(run, parent, thread);
}

/** An operation that the thread waits for has an answer. */
async function hear(run: Run, thread: Thread, input: MachineInput): Promise<void> {
  const { waiting } = thread;
  switch (waiting?.kind) {
    case 'wait':
      return endWait(run, thread);
    case 'retry':
      thread.waiting = undefined;
      run.state.ready.push({ thread, how: 'run' });
      return;
    case 'task':
      return taskHeard(run, thread, waiting, input);
    case 'children':
      return mapHeard(run, thread, waiting, input);
    default:
      return;
  }
}

/** Items were read, or results written; or that failed. */
async function mapHeard(
  run: Run,
  thread: Thread,
  waiting: ChildrenWaiting,
  input: MachineInput,
): Promise<void> {
  waiting.op = undefined;
  const reading = waiting.items === undefined;
  const mapRun = waiting.run!;
  try {
    if (input.kind === 'failed') {
      throw new StateFailure(
        reading ? 'States.ItemReaderFailed' : 'States.ResultWriterFailed',
        input.cause ?? input.error,
      );
    }
    if (input.kind !== 'completed' || !isObject(input.output)) return;
    const { text, source, config } = input.output;
    if (!reading) return await closeMap(run, thread, waiting, input.output);
    const items = itemsOfFile(text as string, config as never, source as string);
    await beginItems(run, thread, waiting, items);
  } catch (thrown) {
    if (thrown instanceof StateFailure && mapRun.status === 'RUNNING') endMapRun(run, thread, mapRun, thrown);
    throw thrown;
  }
}
