import type { Chance } from './chance.ts';
import { runtimeFailure, StateFailure } from './failure.ts';
import { type IntrinsicCall, isIntrinsic, parseIntrinsic } from './intrinsic.ts';
import { IntrinsicMistake, runIntrinsic } from './intrinsic-functions.ts';
import { lookUp, parsePath } from './json-path.ts';
import type { JsonPath, PathResult } from './json-path-syntax.ts';
import { isObject, type Json, type JsonObject, setField } from './json-value.ts';

/*
 * What a JSONPath state can see, and the ways in which its fields look things up. Each way fails with the words that
 * AWS records for that field.
 */

export interface Scope {
  /** What `$` stands for. */
  readonly data: Json;
  /** What `$$` stands for. */
  readonly context: JsonObject;
  /** Own variables and those of the outer scopes. */
  readonly variable: (name: string) => Json | undefined;
  readonly chance: Chance;
}

/** The same scope with other data. */
export function withData(scope: Scope, data: Json): Scope {
  return { ...scope, data };
}

function find(path: JsonPath, scope: Scope): PathResult {
  if (path.root === '$') return lookUp(path, scope.data);
  if (path.root === '$$') return lookUp(path, scope.context);
  const value = scope.variable(path.root.variable);
  if (value === undefined) return { found: false, why: `The variable $${path.root.variable} has no value` };
  return lookUp(path, value);
}

/** A path or a call, for fields such as SecondsPath; `undefined` when the path finds nothing. */
export function findByPath(text: string, scope: Scope): Json | undefined {
  if (isIntrinsic(text)) return callIntrinsic(text, scope);
  const result = find(parsePath(text), scope);
  return result.found ? result.value : undefined;
}

/** InputPath and OutputPath: `null` stands for an empty object, absent for all of it. */
export function applyPath(path: unknown, scope: Scope): Json {
  if (path === undefined || path === '$') return scope.data;
  if (path === null) return {};
  const text = path as string;
  const parsed = parsePath(text);
  refuseNull(parsed, scope);
  const result = find(parsed, scope);
  if (result.found) return result.value;
  throw runtimeFailure(`Invalid path '${text}' : ${result.why}`);
}

/** A field that must find something, such as CausePath or `name.$` in a template. */
export function requireByPath(text: string, field: string, scope: Scope): Json {
  if (isIntrinsic(text)) return callIntrinsic(text, scope);
  const path = parsePath(text);
  refuseNull(path, scope);
  const result = find(path, scope);
  if (result.found) return result.value;
  const [shown, input] =
    path.root === '$$' ? [shownPath(path), scope.context] : ([text, scope.data] as const);
  throw runtimeFailure(
    `The JSONPath '${shown}' specified for the field '${field}' could not be found in the input '${JSON.stringify(input)}'`,
  );
}

/** AWS looks nothing up in null, not even all of it. */
function refuseNull(path: JsonPath, { data }: Scope): void {
  if (data === null && path.root === '$')
    throw runtimeFailure('Unable to apply Path transformation to null or empty input.');
}

/** A path into the context object as AWS has it in its messages: there it is the root. */
function shownPath({ root, text }: JsonPath): string {
  return root === '$$' ? text.slice(1) : text;
}

/** Parameters, ItemSelector, ResultSelector, Assign: fields whose name ends in `.$` are evaluated, at any depth. */
export function fillTemplate(template: Json, scope: Scope): Json {
  if (Array.isArray(template)) return template.map((item) => fillTemplate(item, scope));
  if (!isObject(template)) return template;
  const filled: JsonObject = {};
  for (const [name, value] of Object.entries(template)) {
    if (name.endsWith('.$')) setField(filled, name.slice(0, -2), fieldByPath(value as string, name, scope));
    else setField(filled, name, fillTemplate(value, scope));
  }
  return filled;
}

/** In a template alone, an item past the end of a list is null. */
function fieldByPath(text: string, name: string, scope: Scope): Json {
  if (!isIntrinsic(text)) {
    const path = parsePath(text);
    if (path.definite && path.steps.at(-1)?.kind === 'indices') {
      const list = find({ ...path, steps: path.steps.slice(0, -1) }, scope);
      if (list.found && Array.isArray(list.value) && !find(path, scope).found) return null;
    }
  }
  return requireByPath(text, name, scope);
}

function callIntrinsic(text: string, scope: Scope): Json {
  const call = parseIntrinsic(text);
  try {
    return valueOfCall(call, scope);
  } catch (thrown) {
    if (!(thrown instanceof IntrinsicMistake)) throw thrown;
    // The whole expression is named, however deep in it the mistake is.
    throw runtimeFailure(`The function '${text}' had the following error: ${thrown.message}`);
  }
}

function valueOfCall(call: IntrinsicCall, scope: Scope): Json {
  const values = call.arguments.map((argument) => {
    if (argument.kind === 'value') return argument.value;
    if (argument.kind === 'call') return valueOfCall(argument.call, scope);
    const { path } = argument;
    const result = find(path, scope);
    if (result.found) return result.value;
    throw new IntrinsicMistake(
      result.why.startsWith('Filter:')
        ? result.why
        : `The JsonPath argument for the field '${shownPath(path)}' could not be found in the input '${JSON.stringify(scope.data)}'`,
    );
  });
  return runIntrinsic(call, values, scope.chance);
}

/** ResultPath: puts the result into the input. `null` drops the result. */
export function placeResult(input: Json, result: Json, resultPath: unknown): Json {
  if (resultPath === undefined || resultPath === '$') return result;
  if (resultPath === null) return input;
  const text = resultPath as string;
  const steps = parsePath(text).steps;
  const mismatch = (): StateFailure =>
    new StateFailure(
      'States.ResultPathMatchFailure',
      `Unable to apply ReferencePath ${text} to input ${JSON.stringify(input)}`,
    );
  const place = (value: Json | undefined, at: number): Json => {
    const step = steps[at];
    if (step === undefined) return result;
    if (step.kind === 'names') {
      if (value !== undefined && !isObject(value)) throw mismatch();
      const name = step.names[0]!;
      const copy: JsonObject = { ...value };
      setField(
        copy,
        name,
        place(value !== undefined && Object.hasOwn(value, name) ? value[name] : undefined, at + 1),
      );
      return copy;
    }
    const index = step.kind === 'indices' ? step.indices[0]! : -1;
    if (!Array.isArray(value) || index < 0 || index >= value.length) throw mismatch();
    return value.with(index, place(value[index], at + 1));
  };
  return place(input, 0);
}
