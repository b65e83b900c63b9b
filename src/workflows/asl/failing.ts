import { drawFraction } from './chance.ts';
import { assignByPath } from './complete-state.ts';
import { RuntimeFailure, StateFailure } from './failure.ts';
import { abortedEvent } from './history-event.ts';
import { isObject, type JsonObject } from './json-value.ts';
import { evaluate } from './jsonata-expression.ts';
import type { Thread } from './machine-state.ts';
import { iterationFailed } from './map-state.ts';
import { placeResult } from './path-scope.ts';
import type { Run } from './run.ts';
import { abandon } from './start-thread.ts';

/* Failures: Retry, then Catch, then the state around, up to the end of the execution. */

/** Failures that States.ALL does not stand for. */
const NOT_ALL: ReadonlySet<string> = new Set(['States.Runtime', 'States.DataLimitExceeded']);

/** A state failed. Whoever handles it handles it here; unhandled, it ends the execution. */
export async function failState(run: Run, failed: Thread, thrown: StateFailure): Promise<void> {
  let thread = failed;
  releaseTask(run, failed);
  let failure = explained(run, thread, thrown);
  for (;;) {
    if (await handled(run, thread, failure)) return;
    const { type } = thread.node;
    const own = thread === failed;
    if ((type === 'Map' || type === 'Parallel') && !(own && failure.error === 'States.Runtime')) {
      run.emit(thread, `${type}StateFailed`);
    }
    const { parent } = thread;
    if (parent === undefined) return run.fail(thread, failure.error, failure.reason);
    if (parent.node.type === 'Map') {
      const above = await iterationFailed(run, parent, thread, failure);
      if (above === undefined) return;
      failure = above;
    } else parent.lastEvent = thread.lastEvent;
    thread = parent;
  }
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

async function handled(run: Run, thread: Thread, failure: StateFailure): Promise<boolean> {
  const { definition } = thread.node;
  if (failure.error === 'States.Runtime') return false;
  const retriers = (definition.Retry ?? []) as JsonObject[];
  const at = retriers.findIndex((entry) => matches(entry, failure.error));
  if (at >= 0 && retry(run, thread, retriers[at]!, at)) return true;
  const catchers = (definition.Catch ?? []) as JsonObject[];
  const catchIndex = catchers.findIndex((entry) => matches(entry, failure.error));
  const catcher = catchers[catchIndex];
  if (catcher === undefined) return false;
  run.note(thread, 'errorDetails', { catchIndex });
  // A Map or Parallel that is caught has failed all the same.
  const { type } = thread.node;
  giveUpChildren(run, thread);
  if (type === 'Map' || type === 'Parallel') run.emit(thread, `${type}StateFailed`);
  await takeCatch(run, thread, catcher, failure);
  return true;
}

function matches(entry: JsonObject, error: string | undefined): boolean {
  const names = entry.ErrorEquals as string[];
  if (error !== undefined && names.includes(error)) return true;
  if (names.includes('States.ALL')) return error === undefined || !NOT_ALL.has(error);
  if (names.includes('States.Timeout') && error === 'States.HeartbeatTimeout') return true;
  return (
    names.includes('States.TaskFailed') &&
    error !== 'States.Timeout' &&
    !(error !== undefined && NOT_ALL.has(error))
  );
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
  giveUpChildren(run, thread);
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
): Promise<void> {
  const errorOutput: JsonObject = { Error: failure.error ?? '' };
  if (failure.reason !== undefined) errorOutput.Cause = failure.reason;
  const { Assign: assign, Output: output } = catcher;
  if (thread.node.jsonata) {
    const scope = run.queryScope(thread, { errorOutput });
    const assigned = assign === undefined ? undefined : await evaluate(assign, 'Assign', scope);
    const given = output === undefined ? errorOutput : await evaluate(output, 'Output', scope);
    run.leave(thread, given, isObject(assigned) ? new Map(Object.entries(assigned)) : undefined);
  } else {
    const assigned = assignByPath(run, thread, assign, errorOutput);
    // The state's own OutputPath is for results: what a Catch passes on is the input with the error in it.
    run.leave(thread, placeResult(thread.input, errorOutput, catcher.ResultPath), assigned);
  }
  run.follow(thread, catcher.Next as string);
}

/** Ends what goes on within a Map or Parallel that goes on otherwise. */
function giveUpChildren(run: Run, thread: Thread): void {
  const { waiting } = thread;
  if (waiting?.kind !== 'children') return;
  const inMap = thread.node.type === 'Map' && waiting.run === undefined;
  abandon(run, waiting.threads, (child) => {
    if (child.parent === thread && inMap && child.lastEvent !== thread.lastEvent) {
      run.emit(child, 'MapIterationAborted', {
        mapIterationAbortedEventDetails: { name: thread.node.name, index: child.index },
      });
    } else {
      const event = child.lastEvent === thread.lastEvent ? undefined : abortedEvent(child.node.type);
      if (event !== undefined) run.emit(child, event);
    }
  });
  run.close(waiting.op);
  thread.waiting = undefined;
}
