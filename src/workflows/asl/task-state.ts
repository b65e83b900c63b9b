import { completeState } from './complete-state.ts';
import { HeartbeatFailure, runtimeFailure, StateFailure } from './failure.ts';
import { failureDetails, inputOf, outputOf } from './history-event.ts';
import type { Json } from './json-value.ts';
import { evaluate, evaluateAs } from './jsonata-expression.ts';
import type { MachineInput, TaskWaiting, Thread } from './machine-state.ts';
import { applyPath, fillTemplate, requireByPath, withData } from './path-scope.ts';
import { checkSize, type Run } from './run.ts';
import { parseTaskResource } from './task-resource.ts';

/* Task states. One with `.waitForTaskToken` is over when its token is answered, not when its call is. */

export async function runTask(run: Run, thread: Thread): Promise<void> {
  const resource = parseTaskResource(thread.node.definition.Resource as string);
  const timeoutSeconds = await secondsOf(run, thread, 'TimeoutSeconds');
  const heartbeatSeconds = await secondsOf(run, thread, 'HeartbeatSeconds');
  const waiting: TaskWaiting = {
    kind: 'task',
    resource,
    workOp: undefined,
    tokenOp: undefined,
    timeoutOp: undefined,
    timeoutSeconds,
    heartbeatSeconds,
    started: false,
  };
  thread.waiting = waiting;
  thread.taskEnded = false;
  if (resource.kind !== 'service' || resource.pattern !== 'token') return schedule(run, thread, waiting);
  const due = dueOf(run, thread, waiting);
  waiting.tokenOp = run.open(thread, { kind: 'token', name: thread.node.name }, due);
  thread.taskToken = run.state.tokenOf(waiting.tokenOp);
  await schedule(run, thread, waiting);
}

async function secondsOf(run: Run, thread: Thread, name: string): Promise<number | undefined> {
  const { definition, jsonata } = thread.node;
  const literal = definition[name];
  if (typeof literal === 'number') return literal;
  let value: Json;
  if (literal !== undefined && jsonata)
    value = await evaluateAs(literal, name, 'number', run.queryScope(thread));
  else {
    const path = definition[`${name}Path`];
    if (typeof path !== 'string') return undefined;
    const scope = run.pathScope(thread, thread.input);
    value = requireByPath(path, `${name}Path`, withData(scope, applyPath(definition.InputPath, scope)));
  }
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
  throw runtimeFailure(
    `The ${name}${jsonata ? '' : 'Path'} parameter must be a positive integer: ${JSON.stringify(value)}`,
  );
}

/** An operation's own time is that of the heartbeat, if there is one; a timeout beside it is a timer of its own. */
function dueOf(run: Run, thread: Thread, waiting: TaskWaiting): { dueInMs?: number } {
  const { timeoutSeconds, heartbeatSeconds } = waiting;
  if (heartbeatSeconds === undefined)
    return timeoutSeconds === undefined ? {} : { dueInMs: timeoutSeconds * 1000 };
  if (timeoutSeconds !== undefined) {
    waiting.timeoutOp = run.open(
      thread,
      { kind: 'sleep', name: 'timeout' },
      { dueInMs: timeoutSeconds * 1000 },
    );
  }
  return { dueInMs: heartbeatSeconds * 1000 };
}

/** The parameters are evaluated and the work begins. */
async function schedule(run: Run, thread: Thread, waiting: TaskWaiting): Promise<void> {
  const { definition, jsonata } = thread.node;
  const { resource } = waiting;
  let input = thread.input;
  if (jsonata) {
    if (definition.Arguments !== undefined)
      input = await evaluate(definition.Arguments, 'Arguments', run.queryScope(thread));
    run.note(thread, 'afterArguments', input);
  } else {
    const scope = run.pathScope(thread, input);
    input = applyPath(definition.InputPath, scope);
    run.note(thread, 'afterInputPath', input);
    if (definition.Parameters !== undefined)
      input = fillTemplate(definition.Parameters, withData(scope, input));
    run.note(thread, 'afterParameters', input);
  }
  const text = JSON.stringify(input);
  checkSize(text, thread.node.name);
  const due = waiting.tokenOp === undefined ? dueOf(run, thread, waiting) : {};
  waiting.workOp = run.open(thread, { kind: 'task', resource, input }, due);
  tellScheduled(run, thread, waiting, text);
  if (resource.kind !== 'activity') tellStarted(run, thread, waiting);
}

function tellScheduled(run: Run, thread: Thread, waiting: TaskWaiting, text: string): void {
  const { resource, timeoutSeconds, heartbeatSeconds } = waiting;
  const times = {
    ...(timeoutSeconds !== undefined && { timeoutInSeconds: timeoutSeconds }),
    ...(heartbeatSeconds !== undefined && { heartbeatInSeconds: heartbeatSeconds }),
  };
  if (resource.kind === 'service') {
    const { service, action, region } = resource;
    run.emit(
      thread,
      'TaskScheduled',
      {
        taskScheduledEventDetails: {
          resourceType: service,
          resource: action,
          region,
          parameters: text,
          ...times,
        },
      },
      text.length,
    );
    return;
  }
  const details = { resource: resource.arn, ...inputOf(text), ...times };
  if (resource.kind === 'lambda') {
    run.emit(
      thread,
      'LambdaFunctionScheduled',
      { lambdaFunctionScheduledEventDetails: details },
      text.length,
    );
  } else run.emit(thread, 'ActivityScheduled', { activityScheduledEventDetails: details }, text.length);
}

function tellStarted(run: Run, thread: Thread, waiting: TaskWaiting, worker?: string): void {
  waiting.started = true;
  const { resource } = waiting;
  if (resource.kind === 'lambda') run.emit(thread, 'LambdaFunctionStarted');
  else if (resource.kind === 'activity') {
    run.emit(thread, 'ActivityStarted', {
      activityStartedEventDetails: worker === undefined ? {} : { workerName: worker },
    });
  } else run.emit(thread, 'TaskStarted', { taskStartedEventDetails: serviceOf(waiting) });
}

function serviceOf({ resource }: TaskWaiting): Record<string, string> {
  return resource.kind === 'service' ? { resourceType: resource.service, resource: resource.action } : {};
}

/** Something has come of one of the task's operations. */
export async function taskHeard(
  run: Run,
  thread: Thread,
  waiting: TaskWaiting,
  input: MachineInput,
): Promise<void> {
  switch (input.kind) {
    case 'taken':
      if (!waiting.started) tellStarted(run, thread, waiting, input.worker);
      return;
    case 'completed':
      if (input.op === waiting.timeoutOp) return taskTimedOut(run, thread, waiting, false);
      if (waiting.tokenOp === undefined || input.op === waiting.tokenOp)
        return taskSucceeded(run, thread, waiting, input.output);
      waiting.workOp = undefined;
      tellSubmitted(run, thread, waiting, input.output);
      return;
    case 'expired':
      return taskTimedOut(run, thread, waiting, waiting.heartbeatSeconds !== undefined);
    case 'failed':
      return taskFailed(run, thread, waiting, input.error, input.cause);
    default:
      return;
  }
}

function tellSubmitted(run: Run, thread: Thread, waiting: TaskWaiting, output: Json): void {
  const text = JSON.stringify(output);
  const details = { taskSubmittedEventDetails: { ...serviceOf(waiting), ...outputOf(text) } };
  run.emit(thread, 'TaskSubmitted', details, text.length);
}

/** The task is over: nothing of it stays open. */
function settle(run: Run, thread: Thread, waiting: TaskWaiting): void {
  for (const op of [waiting.workOp, waiting.tokenOp, waiting.timeoutOp]) run.close(op);
  thread.waiting = undefined;
}

async function taskSucceeded(run: Run, thread: Thread, waiting: TaskWaiting, output: Json): Promise<void> {
  settle(run, thread, waiting);
  const { resource } = waiting;
  const text = JSON.stringify(output);
  checkSize(text, resource.kind === 'service' ? resource.service : resource.arn);
  if (resource.kind === 'lambda') {
    run.emit(
      thread,
      'LambdaFunctionSucceeded',
      { lambdaFunctionSucceededEventDetails: outputOf(text) },
      text.length,
    );
  } else if (resource.kind === 'activity') {
    run.emit(thread, 'ActivitySucceeded', { activitySucceededEventDetails: outputOf(text) }, text.length);
  } else {
    const details = { taskSucceededEventDetails: { ...serviceOf(waiting), ...outputOf(text) } };
    run.emit(thread, 'TaskSucceeded', details, text.length);
  }
  await completeState(run, thread, output);
}

function taskFailed(
  run: Run,
  thread: Thread,
  waiting: TaskWaiting,
  error: string,
  cause: string | undefined,
): never {
  settle(run, thread, waiting);
  tellEnd(run, thread, waiting, 'Failed', error, cause);
  throw new StateFailure(error, cause);
}

function taskTimedOut(run: Run, thread: Thread, waiting: TaskWaiting, byHeartbeat: boolean): never {
  settle(run, thread, waiting);
  tellEnd(run, thread, waiting, 'TimedOut', 'States.Timeout', undefined);
  throw byHeartbeat ? new HeartbeatFailure() : new StateFailure('States.Timeout', undefined);
}

function tellEnd(
  run: Run,
  thread: Thread,
  waiting: TaskWaiting,
  how: 'Failed' | 'TimedOut',
  error: string,
  cause: string | undefined,
): void {
  thread.taskEnded = true;
  const details = { ...serviceOf(waiting), ...failureDetails(error, cause) };
  const { kind } = waiting.resource;
  if (kind === 'lambda')
    run.emit(thread, `LambdaFunction${how}`, { [`lambdaFunction${how}EventDetails`]: details });
  else if (kind === 'activity')
    run.emit(thread, `Activity${how}`, { [`activity${how}EventDetails`]: details });
  else run.emit(thread, `Task${how}`, { [`task${how}EventDetails`]: details });
}
