import { readPath } from './json-path.ts';
import type { JsonPath } from './json-path-syntax.ts';
import type { Json } from './json-value.ts';
import { TextReader } from './text-reader.ts';

/* Calls of intrinsic functions: `States.Format('{} of {}', $.name, States.ArrayLength($.list))`. */

export type IntrinsicArgument =
  | { readonly kind: 'call'; readonly call: IntrinsicCall }
  | { readonly kind: 'path'; readonly path: JsonPath }
  /** `raw` is a text as written between its quotes: only `States.Format` needs to tell `\{` from `{`. */
  | { readonly kind: 'value'; readonly value: Json; readonly raw?: string };

export interface IntrinsicCall {
  readonly text: string;
  readonly name: string;
  readonly arguments: readonly IntrinsicArgument[];
}

/** How many arguments each function takes: at least, at most. */
const ARITY: Readonly<Record<string, readonly [number, number]>> = {
  Array: [0, Number.POSITIVE_INFINITY],
  ArrayContains: [2, 2],
  ArrayGetItem: [2, 2],
  ArrayLength: [1, 1],
  ArrayPartition: [2, 2],
  ArrayRange: [3, 3],
  ArrayUnique: [1, 1],
  Base64Decode: [1, 1],
  Base64Encode: [1, 1],
  Format: [1, Number.POSITIVE_INFINITY],
  Hash: [2, 2],
  JsonMerge: [3, 3],
  JsonToString: [1, 1],
  MathAdd: [2, 2],
  MathRandom: [2, 3],
  StringSplit: [2, 2],
  StringToJson: [1, 1],
  UUID: [0, 0],
};
/** Which arguments of which function must be numbers or texts, as far as a literal shows it. */
const LITERAL_TYPES: Readonly<Record<string, readonly ('number' | 'string' | undefined)[]>> = {
  ArrayGetItem: [undefined, 'number'],
  ArrayPartition: [undefined, 'number'],
  ArrayRange: ['number', 'number', 'number'],
  Format: ['string'],
  MathAdd: ['number', 'number'],
  MathRandom: ['number', 'number', 'number'],
  StringSplit: ['string', 'string'],
};
/** AWS' own limit of calls within calls. */
const DEPTH_MAX = 10;
const CALLS_KEPT = 10_000;
const parsed = new Map<string, IntrinsicCall>();

export function isIntrinsic(text: string): boolean {
  return text.startsWith('States.');
}

/** Parses a whole text as a call. Throws `PathSyntaxError`. */
export function parseIntrinsic(text: string): IntrinsicCall {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const reader = new TextReader(text);
  const call = readCall(reader, 1);
  reader.skipSpace();
  if (!reader.done) throw reader.error('unexpected text after the call');
  if (parsed.size >= CALLS_KEPT) parsed.clear();
  parsed.set(text, call);
  return call;
}

function readCall(reader: TextReader, depth: number): IntrinsicCall {
  const begin = reader.at;
  if (depth > DEPTH_MAX) throw reader.error(`more than ${DEPTH_MAX} calls within each other`);
  const name = reader.match(/^States\.[A-Za-z0-9]+/)?.slice('States.'.length);
  const arity = name === undefined || !Object.hasOwn(ARITY, name) ? undefined : ARITY[name];
  if (name === undefined || arity === undefined) throw reader.error('there is no such intrinsic function');
  reader.expect('(');
  const list: IntrinsicArgument[] = [];
  reader.skipSpace();
  while (reader.peek() !== ')') {
    list.push(readArgument(reader, depth));
    reader.skipSpace();
    if (reader.peek() !== ')') reader.expect(',');
    reader.skipSpace();
  }
  reader.expect(')');
  if (list.length < arity[0] || list.length > arity[1]) {
    throw reader.error(`States.${name} does not take ${list.length} arguments`);
  }
  for (const [index, type] of (LITERAL_TYPES[name] ?? []).entries()) {
    const argument = list[index];
    if (type !== undefined && argument?.kind === 'value' && typeof argument.value !== type) {
      throw reader.error(`argument ${index + 1} of States.${name} is a ${type} or a path`);
    }
  }
  return { text: reader.text.slice(begin, reader.at), name, arguments: list };
}

function readArgument(reader: TextReader, depth: number): IntrinsicArgument {
  const first = reader.peek();
  if (first === '$') return { kind: 'path', path: readPath(reader) };
  if (first === "'") return readText(reader);
  if (first === 'S') return { kind: 'call', call: readCall(reader, depth + 1) };
  const literal = reader.match(/^(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/);
  if (literal === undefined)
    throw reader.error("an argument is a path, a text in '', a number, true, false, null or a call");
  return { kind: 'value', value: JSON.parse(literal) as Json };
}

function readText(reader: TextReader): IntrinsicArgument {
  reader.expect("'");
  let raw = '';
  while (!reader.done) {
    const char = reader.next();
    if (char === "'") return { kind: 'value', value: raw.replace(/\\([\\'{}])/g, '$1'), raw };
    raw += char;
    if (char === '\\' && !reader.done) raw += reader.next();
  }
  throw reader.error('a quote is not closed');
}
