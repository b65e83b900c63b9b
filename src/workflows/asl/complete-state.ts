import { isObject, type Json, type JsonObject } from './json-value.ts';
import { evaluate } from './jsonata-expression.ts';
import type { Thread } from './machine-state.ts';
import { applyPath, fillTemplate, placeResult, withData } from './path-scope.ts';
import type { Run } from './run.ts';

/** What a state does with its result: shape it, place it, set variables, and go on. */
export async function completeState(run: Run, thread: Thread, result: Json): Promise<void> {
  const { definition, jsonata } = thread.node;
  run.note(thread, 'result', result);
  if (jsonata) {
    const more: JsonObject = thread.node.type === 'Pass' ? {} : { result };
    await leaveByQuery(run, thread, more, definition.Output, definition.Assign, result);
  } else {
    const scope = run.pathScope(thread, result);
    const selected =
      definition.ResultSelector === undefined ? result : fillTemplate(definition.ResultSelector, scope);
    run.note(thread, 'afterResultSelector', selected);
    const assigned = assignByPath(run, thread, definition.Assign, selected);
    const placed = placeResult(thread.input, selected, definition.ResultPath);
    run.note(thread, 'afterResultPath', placed);
    run.leave(thread, applyPath(definition.OutputPath, withData(scope, placed)), assigned);
  }
  goOn(run, thread);
}

/** Leaves a JSONata state. Output and Assign both see the variables as they were. `place`: what these fields are in. */
export async function leaveByQuery(
  run: Run,
  thread: Thread,
  more: JsonObject,
  output: Json | undefined,
  assign: Json | undefined,
  otherwise: Json,
  place = '',
): Promise<void> {
  if (output === undefined && assign === undefined) return run.leave(thread, otherwise, undefined);
  const scope = run.queryScope(thread, more);
  const assigned = assign === undefined ? undefined : await evaluate(assign, `${place}Assign`, scope);
  const given = output === undefined ? otherwise : await evaluate(output, `${place}Output`, scope);
  run.leave(thread, given, isObject(assigned) ? new Map(Object.entries(assigned)) : undefined);
}

export function assignByPath(
  run: Run,
  thread: Thread,
  assign: Json | undefined,
  data: Json,
): ReadonlyMap<string, Json> | undefined {
  if (assign === undefined) return undefined;
  return new Map(Object.entries(fillTemplate(assign, run.pathScope(thread, data)) as JsonObject));
}

/** To the state's Next, or to the end of the thread. */
export function goOn(run: Run, thread: Thread): void {
  const next = thread.node.definition.Next;
  if (typeof next === 'string') run.follow(thread, next);
  else run.end(thread);
}
