import { ruleHolds } from './choice-rule.ts';
import { assignByPath, completeState, goOn, leaveByQuery } from './complete-state.ts';
import { queryFailure, runtimeFailure, StateFailure } from './failure.ts';
import type { Json, JsonObject } from './json-value.ts';
import { evaluate, evaluateAs, expressionOf } from './jsonata-expression.ts';
import type { Thread } from './machine-state.ts';
import { applyPath, fillTemplate, findByPath, requireByPath, withData } from './path-scope.ts';
import type { Run } from './run.ts';
import { parseTimestamp } from './timestamp.ts';

/* The states that need nothing from outside but, for Wait, a timer. */

export async function runPass(run: Run, thread: Thread): Promise<void> {
  const { definition, jsonata } = thread.node;
  if (jsonata) return completeState(run, thread, thread.input);
  const scope = run.pathScope(thread, thread.input);
  const data = applyPath(definition.InputPath, scope);
  run.note(thread, 'afterInputPath', data);
  const given =
    definition.Parameters === undefined ? data : fillTemplate(definition.Parameters, withData(scope, data));
  run.note(thread, 'afterParameters', given);
  await completeState(run, thread, definition.Result === undefined ? given : definition.Result);
}

export async function runSucceed(run: Run, thread: Thread): Promise<void> {
  const { definition, jsonata } = thread.node;
  if (jsonata) await leaveByQuery(run, thread, {}, definition.Output, undefined, thread.input);
  else run.leave(thread, throughPaths(run, thread), undefined);
  run.end(thread);
}

/** Of a state without a result of its own: InputPath, then OutputPath. */
function throughPaths(run: Run, thread: Thread): Json {
  const { definition } = thread.node;
  const scope = run.pathScope(thread, thread.input);
  return applyPath(definition.OutputPath, withData(scope, applyPath(definition.InputPath, scope)));
}

export async function runFail(run: Run, thread: Thread): Promise<void> {
  const { definition, jsonata } = thread.node;
  const text = async (name: 'Error' | 'Cause'): Promise<string | undefined> => {
    const literal = definition[name];
    if (literal !== undefined) {
      return jsonata
        ? ((await evaluateAs(literal, name, 'string', run.queryScope(thread))) as string)
        : (literal as string);
    }
    const path = definition[`${name}Path`];
    if (path === undefined) return undefined;
    const value = requireByPath(path as string, `${name}Path`, run.pathScope(thread, thread.input));
    if (typeof value === 'string') return value;
    throw runtimeFailure(
      `The ${name}Path parameter does not reference a string: ${String(path)} == ${JSON.stringify(value)}`,
    );
  };
  const error = await text('Error');
  throw new StateFailure(error, await text('Cause'));
}

export async function runChoice(run: Run, thread: Thread): Promise<void> {
  const { definition, jsonata } = thread.node;
  const choices = definition.Choices as JsonObject[];
  const data = jsonata ? thread.input : applyPath(definition.InputPath, run.pathScope(thread, thread.input));
  let chosen: JsonObject | undefined;
  for (const [index, rule] of choices.entries()) {
    const holds = jsonata
      ? await conditionHolds(run, thread, rule, index)
      : ruleHolds(rule, run.pathScope(thread, data));
    if (!holds) continue;
    chosen = rule;
    break;
  }
  const next = chosen?.Next ?? definition.Default;
  if (typeof next !== 'string') {
    throw runtimeFailure('Failed to transition out of the state. The state does not point to a next state.');
  }
  // A rule that is chosen brings its own Assign and Output; those of the state belong to Default.
  const { Assign: assign, Output: output } = chosen ?? definition;
  const place = chosen === undefined ? '' : `Choices[${choices.indexOf(chosen)}]/`;
  if (jsonata) await leaveByQuery(run, thread, {}, output, assign, thread.input, place);
  else run.leave(thread, throughPaths(run, thread), assignByPath(run, thread, assign, data));
  run.follow(thread, next);
}

async function conditionHolds(run: Run, thread: Thread, rule: JsonObject, index: number): Promise<boolean> {
  const location = `Choices[${index}]/Condition`;
  return (await evaluateAs(rule.Condition!, location, 'boolean', run.queryScope(thread))) === true;
}

export async function runWait(run: Run, thread: Thread): Promise<void> {
  const { jsonata, name } = thread.node;
  const dueMs = jsonata ? await dueByQuery(run, thread) : dueByPath(run, thread);
  if (dueMs <= run.nowMs) return endWait(run, thread);
  thread.waiting = { kind: 'wait', op: run.open(thread, { kind: 'sleep', name }, { dueMs }) };
}

export async function endWait(run: Run, thread: Thread): Promise<void> {
  const { definition, jsonata } = thread.node;
  if (jsonata) await leaveByQuery(run, thread, {}, definition.Output, definition.Assign, thread.input);
  else {
    const data = applyPath(definition.InputPath, run.pathScope(thread, thread.input));
    run.leave(thread, throughPaths(run, thread), assignByPath(run, thread, definition.Assign, data));
  }
  goOn(run, thread);
}

async function dueByQuery(run: Run, thread: Thread): Promise<number> {
  const { definition } = thread.node;
  const scope = run.queryScope(thread);
  if (definition.Seconds !== undefined) {
    const seconds = (await evaluateAs(definition.Seconds, 'Seconds', 'number', scope)) as number;
    if (Number.isInteger(seconds) && seconds >= 0) return run.nowMs + seconds * 1000;
    throw queryFailure(
      'Seconds',
      `The JSONata expression '${expressionOf(String(definition.Seconds))}' specified for the field 'Seconds' returned a value that is not a non-negative integer: ${seconds}`,
    );
  }
  const text = await evaluate(definition.Timestamp!, 'Timestamp', scope);
  const timeMs = typeof text === 'string' ? parseTimestamp(text) : undefined;
  if (timeMs !== undefined) return timeMs;
  throw queryFailure(
    'Timestamp',
    `The JSONata expression '${expressionOf(String(definition.Timestamp))}' specified for the field 'Timestamp' did not return a valid ISO-8601 extended offset date-time format string: ${JSON.stringify(text)}`,
  );
}

function dueByPath(run: Run, thread: Thread): number {
  const {
    Seconds: seconds,
    SecondsPath: secondsPath,
    Timestamp: timestamp,
    TimestampPath: timestampPath,
  } = thread.node.definition;
  if (typeof seconds === 'number') return run.nowMs + seconds * 1000;
  if (typeof timestamp === 'string') return parseTimestamp(timestamp)!;
  const scope = run.pathScope(thread, thread.input);
  const data = withData(scope, applyPath(thread.node.definition.InputPath, scope));
  const byTime = typeof timestampPath === 'string';
  const path = (byTime ? timestampPath : secondsPath) as string;
  const name = byTime ? 'TimestampPath' : 'SecondsPath';
  const value = findByPath(path, data);
  if (value === undefined)
    throw runtimeFailure(`The ${name} parameter does not reference an input value: ${path}`);
  const shown = typeof value === 'string' ? value : JSON.stringify(value);
  if (byTime) {
    const timeMs = typeof value === 'string' ? parseTimestamp(value) : undefined;
    if (timeMs !== undefined) return timeMs;
    throw runtimeFailure(
      `The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: ${path} == ${shown}`,
    );
  }
  if (!/^-?\d{1,15}$/.test(shown)) {
    throw runtimeFailure(`The SecondsPath parameter cannot be parsed as a long value: ${path} == ${shown}`);
  }
  if (Number(shown) < 0)
    throw runtimeFailure(`The SecondsPath parameter references a negative value: ${path} == ${shown}`);
  return run.nowMs + Number(shown) * 1000;
}
