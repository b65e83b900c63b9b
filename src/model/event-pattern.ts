/**
 * EventBridge's event patterns: which events a trigger takes. `compilePattern` reads one and refuses what
 * EventBridge refuses; what it returns is matched against events without allocating much.
 *
 * Fields of a pattern must all match, the items of a field's list are alternatives, and `$or` joins whole objects. A
 * path is written nested or with dots, and so are the names in an event. Values inside an array count one by one, and
 * those of different elements of one array are never combined: `{ "items": { "sku": ["a"], "count": [2] } }` needs
 * one element that has both.
 *
 * Source: "Amazon EventBridge event patterns" in the EventBridge User Guide. One difference: EventBridge refuses some
 * patterns with many wildcards because its matching would be slow; here a wildcard is never slow, and none is refused.
 */
import { LambentError } from '../base/errors.ts';
import {
  type Leaf,
  type PatternTest,
  parsePatternTest,
  patternError,
  RESERVED_NAMES,
} from './pattern-test.ts';

/** The longest pattern, in characters of its JSON text. */
export const PATTERN_CHARS_MAX = 4_096;
/** Most combinations that the `$or`s of a pattern may unfold to, as in EventBridge. */
export const PATTERN_BRANCHES_MAX = 1_000;
/** The deepest nesting of a pattern. */
export const PATTERN_DEPTH_MAX = 64;
/** Most combinations of array elements that are tried for one event before it is refused. */
export const MATCH_STEPS_MAX = 100_000;

export interface EventPattern {
  /** The pattern as it was given. */
  readonly source: Readonly<Record<string, unknown>>;
  /** `E_EVENT_INVALID` when the event's arrays have too many combinations to try. */
  matches(event: Readonly<Record<string, unknown>>): boolean;
}

/** One way to fulfil the pattern: what must hold at each path. */
type Branch = ReadonlyMap<string, readonly PatternTest[]>;

/** Reads a pattern, given as parsed JSON. `E_PATTERN_INVALID`. */
export function compilePattern(given: unknown): EventPattern {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw patternError('it must be an object');
  const text = JSON.stringify(given);
  if (text.length > PATTERN_CHARS_MAX)
    throw patternError(`it has ${text.length} characters; at most ${PATTERN_CHARS_MAX} are allowed`);
  const branches = unfold([new Map()], given, [], false);
  return {
    source: given as Readonly<Record<string, unknown>>,
    matches: (event) => branches.some((branch) => matchesBranch(branch, event)),
  };
}

function unfold(
  branches: readonly Branch[],
  object: object,
  path: readonly string[],
  withinOr: boolean,
): readonly Branch[] {
  const entries = Object.entries(object);
  if (entries.length === 0) throw patternError(`${nameOf(path)} is an empty object`);
  if (path.length > PATTERN_DEPTH_MAX) throw patternError(`it is nested deeper than ${PATTERN_DEPTH_MAX}`);
  let present = branches;
  for (const [name, value] of entries) {
    const here = [...path, name];
    if (name === '$or') present = unfoldOr(present, value, path);
    else if (withinOr && RESERVED_NAMES.has(name))
      throw patternError(`${JSON.stringify(name)} cannot be the name of a field within $or`);
    else if (Array.isArray(value)) present = withTests(present, here, value);
    else if (typeof value === 'object' && value !== null) present = unfold(present, value, here, withinOr);
    else throw patternError(`${nameOf(here)} must be an object or a list`);
  }
  return present;
}

function unfoldOr(branches: readonly Branch[], value: unknown, path: readonly string[]): readonly Branch[] {
  if (!Array.isArray(value) || value.length < 2)
    throw patternError('`$or` takes a list of at least two objects');
  const unfolded = value.flatMap((alternative: unknown) => {
    if (typeof alternative !== 'object' || alternative === null || Array.isArray(alternative))
      throw patternError('`$or` takes a list of objects');
    return unfold(branches, alternative, path, true);
  });
  if (unfolded.length > PATTERN_BRANCHES_MAX)
    throw patternError(`its \`$or\`s have more than ${PATTERN_BRANCHES_MAX} combinations`);
  return unfolded;
}

function withTests(
  branches: readonly Branch[],
  path: readonly string[],
  list: readonly unknown[],
): readonly Branch[] {
  if (list.length === 0) throw patternError(`the list of ${nameOf(path)} is empty`);
  const tests = list.map(parsePatternTest);
  const name = path.join('.');
  return branches.map((branch) => new Map(branch).set(name, tests));
}

function nameOf(path: readonly string[]): string {
  return path.length === 0 ? 'it' : JSON.stringify(path.join('.'));
}

/** Which element of which array a value lies in. Arrays are told apart by identity. */
type Membership = ReadonlyMap<object, number>;

interface Found {
  readonly value: Leaf;
  readonly within: Membership;
}

const NOWHERE: Membership = new Map();

function matchesBranch(branch: Branch, event: object): boolean {
  const choices: Membership[][] = [];
  for (const [path, tests] of branch) {
    const found: Found[] = [];
    collect(event, path, NOWHERE, found);
    if (found.length === 0) {
      if (tests.some((test) => test.kind === 'absent')) continue;
      return false;
    }
    const fitting = found.filter(({ value }) => holdsAny(tests, value));
    if (fitting.length === 0) return false;
    // A value outside every array fits whatever else is chosen.
    if (!fitting.some(({ within }) => within.size === 0)) choices.push(fitting.map(({ within }) => within));
  }
  return choices.length <= 1 || agree(choices);
}

function holdsAny(tests: readonly PatternTest[], value: Leaf): boolean {
  for (const test of tests) if (test.kind === 'value' && test.holds(value)) return true;
  return false;
}

/** Gathers the values at a path: names in the event may hold dots themselves. */
function collect(value: unknown, path: string, within: Membership, found: Found[]): void {
  if (Array.isArray(value)) {
    value.forEach((element, index) => {
      collect(element, path, new Map(within).set(value, index), found);
    });
  } else if (typeof value === 'object' && value !== null) {
    if (path === '') return;
    const object = value as Readonly<Record<string, unknown>>;
    if (Object.hasOwn(object, path)) collect(object[path], '', within, found);
    for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
      const name = path.slice(0, dot);
      if (Object.hasOwn(object, name)) collect(object[name], path.slice(dot + 1), within, found);
    }
  } else if (path === '' && value !== undefined) found.push({ value: value as Leaf, within });
}

/** Whether one choice from each list can be made so that no array is asked for two of its elements. */
function agree(choices: readonly (readonly Membership[])[]): boolean {
  let steps = 0;
  const chosen = new Map<object, number>();
  const choose = (at: number): boolean => {
    if (at === choices.length) return true;
    for (const within of choices[at]!) {
      steps += 1;
      if (steps > MATCH_STEPS_MAX)
        throw new LambentError(
          'E_EVENT_INVALID',
          'The arrays of the event have too many combinations to match.',
        );
      const added: object[] = [];
      let fits = true;
      for (const [array, index] of within) {
        const before = chosen.get(array);
        if (before === undefined) {
          chosen.set(array, index);
          added.push(array);
        } else if (before !== index) fits = false;
      }
      if (fits && choose(at + 1)) return true;
      for (const array of added) chosen.delete(array);
    }
    return false;
  };
  return choose(0);
}
