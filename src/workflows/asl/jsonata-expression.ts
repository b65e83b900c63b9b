import jsonata from 'jsonata';
import type { Chance } from './chance.ts';
import { queryFailure } from './failure.ts';
import { isObject, type Json, type JsonObject, setField, typeName } from './json-value.ts';
import { functionsFor, SEQUENCE_ITEMS_MAX } from './jsonata-functions.ts';

/*
 * JSONata in `{% … %}`: the jsonata library, with the `$states` variable and the functions that Step Functions adds.
 * Time and chance come from the machine, so that a replay evaluates to the same. The library answers in promises, but
 * nothing in an expression waits for anything.
 */

/** What an expression may take: milliseconds, and how deep its parts may lie within each other (AWS' own figure). */
const EVALUATION_MS_MAX = 1_000;
const NESTING_MAX = 100;
const EXPRESSIONS_KEPT = 10_000;
const expressions = new Map<string, jsonata.Expression>();

export interface QueryScope {
  /** `$states`: input, context, and in their places result and errorOutput. */
  readonly states: JsonObject;
  /** All variables that can be seen. */
  readonly variables: JsonObject;
  readonly chance: Chance;
  readonly nowMs: number;
}

/** `{% expression %}`; other texts are literal. */
export function isExpression(value: unknown): value is `{%${string}%}` {
  return typeof value === 'string' && value.startsWith('{%') && value.endsWith('%}');
}

/** The text between the marks. */
export function expressionOf(marked: string): string {
  return marked.slice(2, -2).trim();
}

/** Why a text is not a JSONata expression; `undefined` when it is one. */
export function expressionProblem(text: string): string | undefined {
  try {
    compile(text);
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** The library's tree of an expression; `undefined` where it is none. */
export function treeOf(text: string): unknown {
  try {
    return compile(text).ast();
  } catch {
    return undefined;
  }
}

function compile(text: string): jsonata.Expression {
  const known = expressions.get(text);
  if (known !== undefined) return known;
  const compiled = jsonata(text, {
    timeout: EVALUATION_MS_MAX,
    stack: NESTING_MAX,
    sequence: SEQUENCE_ITEMS_MAX,
  });
  if (expressions.size >= EXPRESSIONS_KEPT) expressions.clear();
  expressions.set(text, compiled);
  return compiled;
}

/** Evaluates a field: expressions in it at any depth, everything else as it stands. `location` names it in failures. */
export async function evaluate(template: Json, location: string, scope: QueryScope): Promise<Json> {
  if (isExpression(template)) return evaluateExpression(expressionOf(template), location, scope);
  if (Array.isArray(template)) {
    const items: Json[] = [];
    for (const [index, item] of template.entries()) {
      items.push(isLiteral(item) ? item : await evaluate(item, `${location}[${index}]`, scope));
    }
    return items;
  }
  if (!isObject(template)) return template;
  const filled: JsonObject = {};
  for (const [name, value] of Object.entries(template)) {
    setField(filled, name, isLiteral(value) ? value : await evaluate(value, `${location}/${name}`, scope));
  }
  return filled;
}

function isLiteral(value: Json): boolean {
  return (typeof value !== 'object' || value === null) && !isExpression(value);
}

/** Evaluates a field that must give a value of one type. */
export async function evaluateAs(
  template: Json,
  location: string,
  type: ReturnType<typeof typeName>,
  scope: QueryScope,
): Promise<Json> {
  const value = await evaluate(template, location, scope);
  if (typeName(value) === type) return value;
  const written = isExpression(template) ? expressionOf(template) : JSON.stringify(template);
  throw queryFailure(
    location,
    `The JSONata expression '${written}' specified for the field '${location}' returned an unexpected result type. Expected '${type}', but was '${typeName(value)}' for value: ${JSON.stringify(value)}`,
  );
}

async function evaluateExpression(text: string, location: string, scope: QueryScope): Promise<Json> {
  const prefix = `The JSONata expression '${text}' specified for the field '${location}'`;
  let value: unknown;
  try {
    value = await compile(text).evaluate(undefined, {
      ...scope.variables,
      ...functionsFor(scope.chance, scope.nowMs),
      states: scope.states,
    });
  } catch (thrown) {
    throw queryFailure(location, `${prefix} threw an error during evaluation${endingOf(thrown)}`);
  }
  if (value === undefined) throw queryFailure(location, `${prefix} returned nothing (undefined).`);
  return plain(value, prefix, location);
}

/** The value as JSON: without the marks that the library leaves on its lists. Functions are no JSON. */
function plain(value: unknown, prefix: string, location: string): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') {
    // JSON has no such number; AWS writes its name.
    return Number.isFinite(value) ? value : String(value);
  } else if (Array.isArray(value)) {
    return value.map((item) => (item === undefined ? null : plain(item, prefix, location)));
  } else if (typeof value === 'object' && !('_jsonata_lambda' in value) && !('_jsonata_function' in value)) {
    const copy: JsonObject = {};
    for (const [name, field] of Object.entries(value)) {
      if (field !== undefined) setField(copy, name, plain(field, prefix, location));
    }
    return copy;
  }
  throw queryFailure(location, `${prefix} returned an unsupported result type.`);
}

/** AWS' words for an expression that takes too much. */
const LIMITS: Readonly<Record<string, string>> = {
  D1011:
    'Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive.',
  D1012: 'Expression evaluation timeout: Check for infinite loop',
  D2014: 'Expression evaluation memory limit exceeded: Check for excessive memory usage',
  D2015: 'Expression evaluation memory limit exceeded: Check for excessive memory usage',
};

/** A mistake with a code is a sentence of its own; what takes too much is the end of the sentence before it. */
function endingOf(thrown: unknown): string {
  const code =
    typeof thrown === 'object' && thrown !== null ? (thrown as { code?: unknown }).code : undefined;
  const isLimit = typeof code === 'string' && Object.hasOwn(LIMITS, code);
  return `${isLimit ? ':' : '.'} ${messageOf(thrown)}`;
}

function messageOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return String(thrown);
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && Object.hasOwn(LIMITS, code)) return LIMITS[code]!;
  return typeof code === 'string' ? `${code}: ${String(message)}` : String(message);
}
