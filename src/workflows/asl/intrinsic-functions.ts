import { createHash } from 'node:crypto';
import { type Chance, drawFraction, drawUuid, seededFraction } from './chance.ts';
import type { IntrinsicCall } from './intrinsic.ts';
import { deepEqual, isObject, type Json, setField } from './json-value.ts';

/** Largest text that Base64 and Hash functions take, and longest list that ArrayRange makes (AWS' own figures). */
const TEXT_CHARACTERS_MAX = 10_000;
export const RANGE_ITEMS_MAX = 1_000;
export const HASHES = new Set(['MD5', 'SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']);

/** What an argument may not be. The caller adds which call it was. */
export class IntrinsicMistake extends Error {
  override readonly name = 'IntrinsicMistake';
}

const mistake = (text: string): IntrinsicMistake => new IntrinsicMistake(text);

/** Runs a call whose arguments are evaluated. Throws `IntrinsicMistake`. */
export function runIntrinsic(call: IntrinsicCall, values: readonly Json[], chance: Chance): Json {
  const [first, second, third] = values as [Json, Json, Json];
  switch (call.name) {
    case 'Array':
      return [...values];
    case 'ArrayContains':
      return list(first).some((item) => deepEqual(item, second));
    case 'ArrayGetItem':
      return item(list(first), whole(second));
    case 'ArrayLength':
      return list(first).length;
    case 'ArrayPartition':
      return partition(list(first), rounded(second));
    case 'ArrayRange':
      return range(rounded(first), rounded(second), rounded(third));
    case 'ArrayUnique':
      return unique(list(first));
    case 'Base64Encode':
      return Buffer.from(shortText(first), 'utf8').toString('base64');
    case 'Base64Decode':
      return decode(shortText(first));
    case 'Format':
      return format(call, values);
    case 'Hash':
      return hash(first, second);
    case 'JsonMerge':
      return merge(first, second, third);
    case 'JsonToString':
      return JSON.stringify(first);
    case 'MathAdd':
      return rounded(first) + rounded(second);
    case 'MathRandom':
      return randomBetween(rounded(first), rounded(second), third, chance);
    case 'StringSplit':
      return split(text(first), text(second));
    case 'StringToJson':
      return first === null ? null : fromJson(text(first));
    default:
      return drawUuid(chance);
  }
}

function list(value: Json): Json[] {
  if (Array.isArray(value)) return value;
  throw mistake(`The argument must be an array, but it is: ${JSON.stringify(value)}`);
}

function text(value: Json): string {
  if (typeof value === 'string') return value;
  throw mistake(`The argument must be a string, but it is: ${JSON.stringify(value)}`);
}

function shortText(value: Json): string {
  const given = text(value);
  if (given.length <= TEXT_CHARACTERS_MAX) return given;
  throw mistake(`The argument must have at most ${TEXT_CHARACTERS_MAX} characters.`);
}

function rounded(value: Json): number {
  if (typeof value === 'number') return Math.round(value);
  throw mistake(`The argument must be a number, but it is: ${JSON.stringify(value)}`);
}

function whole(value: Json): number {
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  throw mistake(`The argument must be an integer, but it is: ${JSON.stringify(value)}`);
}

function item(items: readonly Json[], index: number): Json {
  if (index >= 0 && index < items.length) return items[index]!;
  throw mistake(`The index ${index} is out of bounds of an array of ${items.length} items.`);
}

export function partition(items: readonly Json[], size: number): Json[] {
  if (!(size > 0)) throw mistake('The chunk size must be a positive number.');
  const parts: Json[] = [];
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
  return parts;
}

/** Both ends are in it, if the step meets the last. */
export function range(first: number, last: number, step: number): number[] {
  if (step === 0) throw mistake('The step must not be 0.');
  const count = Math.floor((last - first) / step) + 1;
  if (count > RANGE_ITEMS_MAX) throw mistake(`The array would have more than ${RANGE_ITEMS_MAX} items.`);
  return Array.from({ length: Math.max(0, count) }, (_, index) => first + index * step);
}

function unique(items: readonly Json[]): Json[] {
  const kept = new Map<string, Json>();
  for (const entry of items) {
    const key = sortedText(entry);
    if (!kept.has(key)) kept.set(key, entry);
  }
  return [...kept.values()];
}

/** The same text for values that are equal: the order of an object's fields says nothing. */
function sortedText(value: Json): string {
  return JSON.stringify(value, (_name, inner: Json) =>
    isObject(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}

function decode(encoded: string): string {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) throw mistake('The argument is not Base64.');
  return Buffer.from(encoded, 'base64').toString('utf8');
}

/** Fills each `{}` of the template as it was written, so that `\{\}` stays text. */
function format(call: IntrinsicCall, values: readonly Json[]): string {
  const template = call.arguments[0];
  const raw = template?.kind === 'value' && template.raw !== undefined ? template.raw : text(values[0]!);
  let used = 0;
  const filled = raw.replace(/\\([\\'{}])|\{\}/g, (_whole, escaped: string | undefined) => {
    if (escaped !== undefined) return escaped;
    used += 1;
    const value = values[used];
    if (value === undefined) return '';
    return shown(value);
  });
  if (used !== values.length - 1) {
    throw mistake(`The template has ${used} places for ${values.length - 1} arguments.`);
  }
  return filled;
}

/** A value within a text as AWS, which is written in Java, shows it: `{name=Ada, list=[1, 2]}`. */
function shown(value: Json): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, field]) => `${name}=${shown(field)}`)
    .join(', ')}}`;
}

export function hash(data: Json, algorithm: Json): string {
  if (typeof algorithm !== 'string' || !HASHES.has(algorithm)) {
    throw mistake(`The algorithm must be one of ${[...HASHES].join(', ')}.`);
  }
  const bytes = typeof data === 'string' ? shortText(data) : JSON.stringify(data);
  return createHash(algorithm.replace('-', '').toLowerCase()).update(bytes).digest('hex');
}

/** Only a shallow merge exists: AWS refuses `true`. */
function merge(left: Json, right: Json, deep: Json): Json {
  if (!isObject(left) || !isObject(right)) throw mistake('The first two arguments must be JSON objects.');
  if (deep !== false) throw mistake('Deep merging is not supported: the third argument must be false.');
  const merged = { ...left };
  for (const [name, value] of Object.entries(right)) setField(merged, name, value);
  return merged;
}

function randomBetween(first: number, end: number, seed: Json | undefined, chance: Chance): number {
  if (!(end > first)) throw mistake('The end must be greater than the start.');
  const fraction = seed === undefined ? drawFraction(chance) : seededFraction(rounded(seed));
  return first + Math.floor(fraction * (end - first));
}

/** Every character of the second argument separates; empty parts are left out. */
function split(whole: string, separators: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (const char of whole) {
    if (!separators.includes(char)) part += char;
    else {
      if (part !== '') parts.push(part);
      part = '';
    }
  }
  if (part !== '') parts.push(part);
  return parts;
}

/** A blank text holds nothing, which is no mistake on AWS. */
function fromJson(whole: string): Json {
  if (whole.trim() === '') return null;
  try {
    return JSON.parse(whole) as Json;
  } catch (thrown) {
    throw mistake(thrown instanceof Error ? thrown.message : 'The argument is not JSON.');
  }
}
