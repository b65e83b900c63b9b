import { parseFilter, passes } from './json-path-filter.ts';
import type { JsonPath, PathResult, PathStep } from './json-path-syntax.ts';
import { fieldOf, isObject, type Json, type JsonObject, typeName } from './json-value.ts';
import { TextReader } from './text-reader.ts';

/*
 * JSONPath as Step Functions has it: the dialect of the Jayway library. A definite path names one value and fails
 * when it is absent; a path with a wildcard, slice, union, descent or filter gives a list, empty when nothing matches.
 */

/** What a name after a dot is made of; within a filter the signs of operators end it. */
const NAME = /[^.[\]()'"\s,*?]/u;
const NAME_IN_FILTER = /[^.[\]()'"\s,*?@$&|=<>!~]/u;
const FUNCTIONS = new Set([
  'length',
  'size',
  'min',
  'max',
  'avg',
  'stddev',
  'sum',
  'keys',
  'first',
  'last',
  'index',
  'concat',
  'append',
]);
const PATHS_KEPT = 10_000;
const parsed = new Map<string, JsonPath>();

/** Parses a whole text as a path. Throws `PathSyntaxError`. Paths repeat, so parsed ones are kept (boundedly). */
export function parsePath(text: string): JsonPath {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const reader = new TextReader(text);
  const path = readPath(reader);
  if (!reader.done) throw reader.error('unexpected text after the path');
  if (parsed.size >= PATHS_KEPT) parsed.clear();
  parsed.set(text, path);
  return path;
}

/** Reads a path at the reader's place, as far as it goes. */
export function readPath(reader: TextReader): JsonPath {
  return readFrom(reader, false, NAME);
}

function readInFilter(reader: TextReader, relative: boolean): JsonPath {
  return readFrom(reader, relative, NAME_IN_FILTER);
}

function readFrom(reader: TextReader, relative: boolean, nameCharacter: RegExp): JsonPath {
  const begin = reader.at;
  let root: JsonPath['root'] = '$';
  if (relative) reader.expect('@');
  else {
    reader.expect('$');
    if (reader.take('$')) root = '$$';
    else {
      const name = reader.match(/^[\p{L}_][\p{L}\p{N}_]*/u);
      if (name !== undefined) root = { variable: name };
    }
  }
  const steps: PathStep[] = [];
  for (;;) {
    if (reader.peek() === '.') readDotted(reader, steps, nameCharacter);
    else if (reader.peek() === '[') steps.push(readBracket(reader));
    else break;
  }
  return { text: reader.text.slice(begin, reader.at), root, steps, definite: steps.every(isDefinite) };
}

/** Several names at the end of a path pick one object out of another; before the end they fork it. */
function isDefinite(step: PathStep, at: number, steps: readonly PathStep[]): boolean {
  if (step.kind === 'names') return step.names.length === 1 || at === steps.length - 1;
  if (step.kind === 'indices') return step.indices.length === 1;
  return step.kind === 'function';
}

function readDotted(reader: TextReader, steps: PathStep[], nameCharacter: RegExp): void {
  reader.expect('.');
  if (reader.take('.')) {
    steps.push({ kind: 'descend' });
    if (reader.peek() === '[') {
      steps.push(readBracket(reader));
      return;
    }
  }
  if (reader.take('*')) {
    steps.push({ kind: 'wildcard' });
    return;
  }
  let name = '';
  while (nameCharacter.test(reader.peek())) {
    // A backslash takes the sign after it for a part of the name, whatever it means elsewhere.
    if (reader.take('\\') && reader.done) throw reader.error('nothing follows the backslash');
    name += reader.next();
  }
  if (name === '') throw reader.error('a name is missing after the dot');
  if (reader.peek() !== '(') steps.push({ kind: 'names', names: [name] });
  else steps.push(readFunction(reader, name));
}

function readFunction(reader: TextReader, name: string): PathStep {
  if (!FUNCTIONS.has(name)) throw reader.error(`there is no function ${name}`);
  reader.expect('(');
  const inside = reader.match(/^[^()]*/) ?? '';
  reader.expect(')');
  if (inside.trim() === '') return { kind: 'function', name, argument: undefined };
  try {
    return { kind: 'function', name, argument: JSON.parse(inside) as Json };
  } catch {
    throw reader.error('the argument of a function is a JSON value');
  }
}

function readBracket(reader: TextReader): PathStep {
  reader.expect('[');
  reader.skipSpace();
  const step = readInside(reader);
  reader.skipSpace();
  reader.expect(']');
  return step;
}

function readInside(reader: TextReader): PathStep {
  const first = reader.peek();
  if (first === '*') {
    reader.next();
    return { kind: 'wildcard' };
  }
  if (first === '?') {
    reader.next();
    return { kind: 'filter', test: parseFilter(reader, readInFilter) };
  }
  if (first === "'" || first === '"') {
    const names = [reader.quoted()];
    while (takeComma(reader)) names.push(reader.quoted());
    return { kind: 'names', names };
  }
  const start = reader.integer();
  reader.skipSpace();
  if (reader.take(':')) {
    const end = reader.integer();
    const step = reader.take(':') ? reader.integer() : undefined;
    if (step === 0) throw reader.error('the step of a slice is not 0');
    return {
      kind: 'slice',
      ...(start !== undefined && { start }),
      ...(end !== undefined && { end }),
      ...(step !== undefined && { step }),
    };
  }
  if (start === undefined) throw reader.error('the brackets hold no index, name, slice or filter');
  const indices = [start];
  while (takeComma(reader)) {
    const next = reader.integer();
    if (next === undefined) throw reader.error('an index is missing after the comma');
    indices.push(next);
  }
  return { kind: 'indices', indices };
}

function takeComma(reader: TextReader): boolean {
  reader.skipSpace();
  if (!reader.take(',')) return false;
  reader.skipSpace();
  return true;
}

/** Looks a parsed path up in the value that its root stands for. */
export function lookUp(path: JsonPath, root: Json): PathResult {
  if (path.definite) return lookUpDefinite(path, root);
  let values: Json[] = [root];
  for (const step of path.steps) {
    if (step.kind === 'function') return applyFunction(step.name, step.argument, values);
    const forks = step.kind === 'names' && step.names.length > 1 && step !== path.steps.at(-1);
    const next = forks ? step.names.map((name): PathStep => ({ kind: 'names', names: [name] })) : [step];
    values = values.flatMap((value) => next.flatMap((each) => select(each, value, root)));
  }
  return { found: true, value: values };
}

function lookUpDefinite(path: JsonPath, root: Json): PathResult {
  let value = root;
  for (const [at, step] of path.steps.entries()) {
    if (step.kind === 'function') return applyFunction(step.name, step.argument, value);
    const next = select(step, value, root);
    if (next.length === 0) return { found: false, why: reasonFor(path, at, value) };
    value = next[0]!;
  }
  return { found: true, value };
}

function reasonFor(path: JsonPath, at: number, value: Json): string {
  const step = path.steps[at]!;
  const before = bracketed(path.steps.slice(0, at));
  if (step.kind === 'indices') {
    if (!Array.isArray(value)) {
      return `Filter: [${step.indices[0]}] can only be applied to arrays. Current context is: ${JSON.stringify(value)}`;
    }
    return `Index out of bounds when evaluating path ${bracketed(path.steps.slice(0, at + 1))}`;
  }
  const name = step.kind === 'names' ? step.names[0]! : '';
  if (!isObject(value)) {
    return `Expected to find an object with property ['${name}'] in path ${before} but found '${javaType(value)}'. This is not a json object according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'.`;
  }
  const last = at === path.steps.length - 1;
  const here = bracketed(path.steps.slice(0, at + 1));
  return last ? `No results for path: ${here}` : `Missing property in path ${here}`;
}

const INT_MAX = 2_147_483_647;
const NODES: Readonly<Record<Exclude<ReturnType<typeof typeName>, 'number'>, string>> = {
  array: 'ArrayNode',
  null: 'NullNode',
  string: 'TextNode',
  boolean: 'BooleanNode',
  object: 'ObjectNode',
};

/** The names that the recorded messages use for JSON's types. */
function javaType(value: Json): string {
  const type = typeName(value);
  return `com.fasterxml.jackson.databind.node.${type === 'number' ? numberNode(value as number) : NODES[type]}`;
}

function numberNode(value: number): string {
  if (!Number.isInteger(value)) return 'DoubleNode';
  return value > INT_MAX || value < -INT_MAX - 1 ? 'LongNode' : 'IntNode';
}

function bracketed(steps: readonly PathStep[]): string {
  return `$${steps
    .map((step) =>
      step.kind === 'names' ? `['${step.names[0]}']` : step.kind === 'indices' ? `[${step.indices[0]}]` : '',
    )
    .join('')}`;
}

function select(step: PathStep, value: Json, root: Json): Json[] {
  switch (step.kind) {
    case 'names':
      return selectNames(step.names, value);
    case 'indices': {
      if (!Array.isArray(value)) return [];
      return step.indices.flatMap((index) => {
        const at = index < 0 ? value.length + index : index;
        return at >= 0 && at < value.length ? [value[at]!] : [];
      });
    }
    case 'slice':
      return Array.isArray(value) ? slice(value, step.start, step.end, step.step ?? 1) : [];
    case 'wildcard':
      return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
    case 'descend':
      return descend(value);
    case 'filter':
      if (isObject(value)) return passes(step.test, value, root, lookUp) ? [value] : [];
      return Array.isArray(value) ? value.filter((item) => passes(step.test, item, root, lookUp)) : [];
    case 'function':
      return [];
  }
}

function selectNames(names: readonly string[], value: Json): Json[] {
  if (!isObject(value)) return [];
  if (names.length === 1) {
    const found = fieldOf(value, names[0]!);
    return found === undefined ? [] : [found];
  }
  const picked: JsonObject = {};
  for (const name of names) {
    const found = fieldOf(value, name);
    if (found !== undefined) picked[name] = found;
  }
  return [picked];
}

function slice(list: Json[], start: number | undefined, end: number | undefined, step: number): Json[] {
  const clamp = (index: number): number =>
    Math.min(Math.max(index < 0 ? list.length + index : index, 0), list.length);
  const from = clamp(start ?? 0);
  const to = clamp(end ?? list.length);
  if (step === 1) return list.slice(from, to);
  const picked: Json[] = [];
  for (let index = from; step > 0 && index < to; index += step) picked.push(list[index]!);
  return picked;
}

/** The value and all that is in it, outer first. */
function descend(value: Json): Json[] {
  const inner = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
  return [value, ...inner.filter((item) => typeof item === 'object' && item !== null).flatMap(descend)];
}

function applyFunction(name: string, argument: Json | undefined, target: Json): PathResult {
  const missing: PathResult = {
    found: false,
    why: `Aggregation function attempted to calculate value using empty array`,
  };
  const found = (value: Json | undefined): PathResult =>
    value === undefined ? missing : { found: true, value };
  if (name === 'length' || name === 'size') {
    if (typeof target === 'string' || Array.isArray(target)) return found(target.length);
    return found(isObject(target) ? Object.keys(target).length : undefined);
  }
  if (name === 'keys') return found(isObject(target) ? Object.keys(target) : undefined);
  const list = Array.isArray(target) ? target : [];
  if (name === 'first') return found(list[0]);
  if (name === 'last') return found(list.at(-1));
  if (name === 'index') return found(typeof argument === 'number' ? list.at(argument) : undefined);
  if (name === 'append') return found([...list, ...(argument === undefined ? [] : [argument])]);
  if (name === 'concat')
    return found(list.filter((item) => typeof item === 'string').join('') + (argument ?? ''));
  const numbers = list.filter((item) => typeof item === 'number');
  if (numbers.length === 0) return missing;
  return found(aggregate(name, numbers));
}

function aggregate(name: string, numbers: readonly number[]): number {
  const sum = numbers.reduce((total, number) => total + number, 0);
  const mean = sum / numbers.length;
  switch (name) {
    case 'min':
      return Math.min(...numbers);
    case 'max':
      return Math.max(...numbers);
    case 'sum':
      return sum;
    case 'stddev':
      return Math.sqrt(numbers.reduce((total, number) => total + (number - mean) ** 2, 0) / numbers.length);
    default:
      return mean;
  }
}
