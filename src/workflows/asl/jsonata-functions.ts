import type jsonata from 'jsonata';
import { type Chance, drawFraction, drawUuid, javaFraction } from './chance.ts';
import { HASHES, hash, partition } from './intrinsic-functions.ts';
import type { Json } from './json-value.ts';

/*
 * The functions that Step Functions has beside JSONata's own, and those in place of ones that read a clock or draw by
 * themselves. They take and refuse what they do there, with the codes of JSONata's own errors.
 */

/** Items of a list that an expression makes (AWS' own figure). */
export const SEQUENCE_ITEMS_MAX = 873_782;

type Implementation = (this: jsonata.Focus, ...values: unknown[]) => unknown;
/** How the library marks functions that it gives its environment as `this`. */
interface LibraryFunction {
  readonly _jsonata_function: true;
  readonly implementation: Implementation;
}

export function functionsFor(chance: Chance, nowMs: number): Record<string, unknown> {
  return {
    partition: checked('partition', ['any', 'number'], (list, size) =>
      partitionOf(list as Json, size as number),
    ),
    range: checked('range', ['number', 'number', 'number'], rangeOf as Callee, 2),
    hash: checked('hash', ['string', 'string'], hashOf as Callee),
    random: checked('random', ['number'], (seed) =>
      seed === undefined ? drawFraction(chance) : javaFraction(Math.trunc(seed as number)),
    ),
    uuid: checked('uuid', [], () => drawUuid(chance)),
    parse: checked('parse', ['string'], (text) => (text === undefined ? undefined : parse(text as string))),
    millis: () => nowMs,
    now: withFocus(function (picture, timezone) {
      const library = this.environment.lookup('fromMillis') as LibraryFunction;
      return library.implementation.call(this, nowMs, picture, timezone);
    }),
    shuffle: (list: Json[] | undefined) => list && shuffled(Array.isArray(list) ? list : [list], chance),
    // There is none: calling it is calling what is no function.
    eval: undefined,
  };
}

type Callee = (...values: unknown[]) => unknown;

/** Refuses values of other types, more of them, and fewer than `required`; any other may be absent. */
function checked(
  token: string,
  types: readonly ('number' | 'string' | 'any')[],
  callee: Callee,
  required = 0,
): Callee {
  return (...values) => {
    for (const index of Array.from({ length: Math.max(values.length, types.length) }, (_, at) => at)) {
      const [value, type] = [values[index], types[index]];
      const fits = value === undefined ? index >= required : type === 'any' || typeof value === type;
      if (type === undefined || !fits) throw fault('T0410', { token, index: index + 1, value });
    }
    return callee(...values);
  };
}

/** What the library makes a message of. */
function fault(code: string, more: object): Error {
  return Object.assign(new Error(code), { code, ...more });
}

function refusal(message: string): Error {
  return fault('D3137', { message });
}

function partitionOf(list: Json | undefined, size: number | undefined): Json | undefined {
  if (list === null) throw fault('T0412', { token: 'partition', index: 1, value: list, type: 'arrays' });
  if (list === undefined) return undefined;
  const items = Array.isArray(list) ? list : [list];
  const whole = size === undefined ? items.length : Math.trunc(size);
  if (whole < 0) throw refusal('Second argument must be zero or greater');
  return items.length === 0 || whole === 0 ? undefined : partition(items, whole);
}

/** One number is no list, as everywhere in JSONata. */
function rangeOf(first: number, last: number, step: number | undefined): Json | undefined {
  const [from, to, by] = [first, last, step ?? 0].map(Math.trunc) as [number, number, number];
  if (by === 0 || (to - from) / by < 0) return undefined;
  const count = Math.floor((to - from) / by) + 1;
  if (count > SEQUENCE_ITEMS_MAX) throw fault('D2014', { value: SEQUENCE_ITEMS_MAX });
  return count === 1 ? from : Array.from({ length: count }, (_, index) => from + index * by);
}

function hashOf(data: string | undefined, algorithm: string | undefined): string | undefined {
  if (data === undefined || algorithm === undefined) return undefined;
  if (!HASHES.has(algorithm)) throw refusal(`Second argument must be one of ${[...HASHES].join(', ')}`);
  return hash(data, algorithm);
}

/** JSON, and no number in it beyond what there is. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text, (_name, value: unknown) => {
      if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('too large');
      return value;
    });
  } catch {
    throw refusal('Invalid JSON');
  }
}

function withFocus(implementation: Implementation): LibraryFunction {
  return { _jsonata_function: true, implementation };
}

function shuffled(list: readonly Json[], chance: Chance): Json[] {
  const drawn = [...list];
  for (let last = drawn.length - 1; last > 0; last -= 1) {
    const pick = Math.floor(drawFraction(chance) * (last + 1));
    [drawn[last], drawn[pick]] = [drawn[pick]!, drawn[last]!];
  }
  return drawn;
}
