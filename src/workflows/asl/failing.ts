import { drawFraction } from './chance.ts';
import { assignByPath } from './complete-state.ts';
import { HeartbeatFailure, RuntimeFailure, StateFailure } from './failure.ts';
import { abortedEvent, iterationDetails } from './history-event.ts';
import { isObject, type JsonObject } from './json-value.ts';
import { evaluate } from './jsonata-expression.ts';
import type { ChildrenWaiting, Thread } from './machine-state.ts';
import { endMapRun } from './map-run.ts';
import { iterationFailed } from './map-state.ts';
import { placeResult } from './path-scope.ts';
import type { Run } from './run.ts';
import { giveUp, isBetweenStates } from './start-thread.ts';

/* Failures: Retry, then Catch, then the state around, up to the end of the execution. */

/** A state failed. Whoever handles it handles it here; unhandled, it ends the execution. */
export async function failState(run: Run, failed: Thread, thrown: StateFailure): Promise<void> {
  let thread = failed;
  releaseTask(run, failed);
  let failure = explained(run, thread, thrown);
  cutChildren(run, thread, thread, failure);
  for (;;) {
    const inCatch = await handled(run, thread, failure);
    if (inCatch === undefined) return;
    // What goes wrong in a Catch is the state's own failure, which no other entry of it catches.
    if (inCatch !== failure) failure = explained(run, thread, inCatch);
    const { parent } = thread;
    if (!isSilent(failure)) tellFailed(run, thread);
    if (parent === undefined) return run.fail(thread, failure.error, failure.reason);
    const above = await failWithin(run, parent, thread, failure);
    if (above === undefined) return;
    failure = above;
    thread = parent;
  }
}

/** Mistakes in data end the execution from wherever they are: the states around tell nothing. */
function isSilent(failure: StateFailure): boolean {
  return failure.error === 'States.Runtime';
}

function tellFailed(run: Run, thread: Thread): void {
  const { type } = thread.node;
  if (type === 'Map' || type === 'Parallel') run.emit(thread, `${type}StateFailed`);
}

/** A branch or iteration has failed. What the state around fails with; `undefined` where that bears it. */
async function failWithin(
  run: Run,
  parent: Thread,
  child: Thread,
  failure: StateFailure,
): Promise<StateFailure | undefined> {
  const { run: mapRun } = parent.waiting as ChildrenWaiting;
  if (mapRun !== undefined) {
    const own = await failureOfMapRun(run, parent, child, failure);
    if (own === undefined) return undefined;
    const told = explained(run, parent, own);
    cutChildren(run, parent, parent, told);
    return told;
  }
  parent.lastEvent = child.lastEvent;
  cutChildren(run, parent, child, failure);
  if (parent.node.type === 'Map' && !isSilent(failure))
    run.emitAside(parent, 'MapIterationFailed', iterationDetails('Failed', parent.node.name, child.index));
  return failure;
}

async function failureOfMapRun(
  run: Run,
  parent: Thread,
  child: Thread,
  failure: StateFailure,
): Promise<StateFailure | undefined> {
  try {
    return await iterationFailed(run, parent, child, failure);
  } catch (thrown) {
    if (thrown instanceof StateFailure) return thrown;
    throw thrown;
  }
}

/**
 * Gives up what goes on within a Map or Parallel that fails. The events of that follow the last one of what failed,
 * and nothing follows them. What iterations of a distributed Map were at is no part of this history.
 */
function cutChildren(run: Run, parent: Thread, failed: Thread, failure: StateFailure): void {
  const { waiting, node } = parent;
  if (waiting?.kind !== 'children') return;
  const tells = !isSilent(failure) && waiting.run === undefined;
  for (const thread of waiting.threads) {
    const cut = thread !== failed;
    // A task that was at work was so until now.
    const aborted = cut ? !isBetweenStates(run, thread) : thread.taskEnded;
    if (cut) {
      if (tells && node.type === 'Map')
        run.emitAside(parent, 'MapIterationAborted', iterationDetails('Aborted', node.name, thread.index));
      if (waiting.run === undefined) thread.lastEvent = parent.lastEvent;
      cutChildren(run, thread, thread, failure);
      giveUp(run, thread);
    }
    const event = aborted && tells ? abortedEvent(thread.node.type) : undefined;
    if (event !== undefined) run.emitAside(parent, event);
  }
  run.close(waiting.op);
  if (!isSilent(failure) && waiting.run?.status === 'RUNNING') endMapRun(run, parent, waiting.run, failure);
}

/** A task whose parameters could not be evaluated may have its token and timer already: nobody waits for them. */
function releaseTask(run: Run, thread: Thread): void {
  const { waiting } = thread;
  if (waiting?.kind !== 'task') return;
  for (const op of [waiting.workOp, waiting.tokenOp, waiting.timeoutOp]) run.close(op);
  thread.waiting = undefined;
}

/** The failure with the words that AWS puts in front of mistakes in data; a JSONata one has its own event. */
function explained(run: Run, thread: Thread, failure: StateFailure): StateFailure {
  if (!(failure instanceof RuntimeFailure)) return failure;
  const { name } = thread.node;
  const cause = `An error occurred while executing the state '${name}' (entered at the event id #${thread.enteredEvent}). ${failure.reason}`;
  if (failure.location !== undefined) {
    run.emit(thread, 'EvaluationFailed', {
      evaluationFailedEventDetails: { error: failure.error, cause, location: failure.location, state: name },
    });
  }
  return new StateFailure(failure.error, cause);
}

/** `undefined`: something goes on. Otherwise what the state fails with: the failure, or one in its Catch. */
async function handled(run: Run, thread: Thread, failure: StateFailure): Promise<StateFailure | undefined> {
  const { definition } = thread.node;
  if (isSilent(failure)) return failure;
  const retriers = (definition.Retry ?? []) as JsonObject[];
  const at = retriers.findIndex((entry) => matches(entry, failure));
  if (at >= 0 && retry(run, thread, retriers[at]!, at)) return undefined;
  const catchers = (definition.Catch ?? []) as JsonObject[];
  const catchIndex = catchers.findIndex((entry) => matches(entry, failure));
  const catcher = catchers[catchIndex];
  if (catcher === undefined) return failure;
  run.note(thread, 'errorDetails', { catchIndex });
  const before = thread.lastEvent;
  // A Map or Parallel that is caught has failed all the same.
  tellFailed(run, thread);
  try {
    await takeCatch(run, thread, catcher, failure, `Catch[${catchIndex}]`);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof StateFailure)) throw thrown;
    thread.lastEvent = before;
    return thrown;
  }
}

/** What stands for no heartbeat in time. */
const LATE_NAMES = ['States.HeartbeatTimeout', 'States.Timeout', 'States.ALL'];

/** States.ALL and States.TaskFailed do not stand for data beyond the limit. */
function matches(entry: JsonObject, failure: StateFailure): boolean {
  const { error } = failure;
  const names = entry.ErrorEquals as string[];
  if (error !== undefined && names.includes(error)) return true;
  // A tested state may be given the name as an error: it is the same as no heartbeat in time.
  const isLate = failure instanceof HeartbeatFailure || error === 'States.HeartbeatTimeout';
  if (isLate) return LATE_NAMES.some((name) => names.includes(name));
  if (error === 'States.DataLimitExceeded') return false;
  return names.includes('States.ALL') || (names.includes('States.TaskFailed') && error !== 'States.Timeout');
}

function retry(run: Run, thread: Thread, entry: JsonObject, at: number): boolean {
  const number = (name: string, otherwise: number): number =>
    (entry[name] as number | undefined) ?? otherwise;
  const used = thread.retries[at] ?? 0;
  if (used >= number('MaxAttempts', 3)) return false;
  thread.retries[at] = used + 1;
  thread.retryCount += 1;
  const grown = number('IntervalSeconds', 1) * number('BackoffRate', 2) ** used;
  const seconds = Math.min(grown, number('MaxDelaySeconds', 99_999_999));
  const delaySeconds = entry.JitterStrategy === 'FULL' ? seconds * drawFraction(run.state.chance) : seconds;
  const dueInMs = Math.round(delaySeconds * 1000);
  run.note(thread, 'errorDetails', { retryIndex: at, retryBackoffIntervalSeconds: delaySeconds });
  thread.waiting = { kind: 'retry', op: run.open(thread, { kind: 'sleep', name: 'retry' }, { dueInMs }) };
  return true;
}

async function takeCatch(
  run: Run,
  thread: Thread,
  catcher: JsonObject,
  failure: StateFailure,
  place: string,
): Promise<void> {
  // What a failure does not say is an empty text, not a field that is missing.
  const errorOutput: JsonObject = { Error: failure.error ?? '', Cause: failure.reason ?? '' };
  const { Assign: assign, Output: output } = catcher;
  if (thread.node.jsonata) {
    const scope = run.queryScope(thread, { errorOutput });
    const assigned = assign === undefined ? undefined : await evaluate(assign, `${place}/Assign`, scope);
    const given = output === undefined ? errorOutput : await evaluate(output, `${place}/Output`, scope);
    run.leave(thread, given, isObject(assigned) ? new Map(Object.entries(assigned)) : undefined);
  } else {
    const assigned = assignByPath(run, thread, assign, errorOutput);
    // The state's own OutputPath is for results: what a Catch passes on is the input with the error in it.
    run.leave(thread, placeResult(thread.input, errorOutput, catcher.ResultPath), assigned);
  }
  run.follow(thread, catcher.Next as string);
}
