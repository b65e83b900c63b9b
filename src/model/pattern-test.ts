import { LambentError } from '../base/errors.ts';
import { type IpRange, isInRange, parseIpAddress, parseIpRange } from './ip-address.ts';

/** One value of an event, at the end of a path. */
export type Leaf = string | number | boolean | null;

/** One alternative of a pattern's list: a test of a value, or the demand that there be none. */
export type PatternTest =
  | { readonly kind: 'absent' }
  | { readonly kind: 'value'; readonly holds: (leaf: Leaf) => boolean };

/** Numbers that `numeric` can compare lie within this, either side of zero; six digits after the point count. */
export const NUMERIC_MAX = 5e9;

const OPERATORS: Readonly<Record<string, (operand: unknown, name: string) => PatternTest>> = {
  exactly: (operand, name) => ofText((given) => given === textOperand(operand, name)),
  prefix: (operand, name) => affix(operand, name, (text, part) => text.startsWith(part)),
  suffix: (operand, name) => affix(operand, name, (text, part) => text.endsWith(part)),
  'equals-ignore-case': (operand, name) => {
    const wanted = fold(textOperand(operand, name));
    return ofText((text) => fold(text) === wanted);
  },
  wildcard: (operand, name) => ofText(wildcardTest(textOperand(operand, name))),
  cidr: (operand, name) => cidrTest(textOperand(operand, name)),
  numeric: (operand) => numericTest(operand),
  exists: (operand) => existsTest(operand),
  'anything-but': (operand) => anythingBut(operand),
};

/** Names that cannot be fields within `$or`, as in EventBridge: its operators, and those it keeps for later. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
  ...Object.keys(OPERATORS),
  ...['=', '<', '<=', '>', '>=', 'regex', 'not-wildcard', 'not-equals-ignore-case', 'date-after'],
  ...['date-on-or-after', 'date-before', 'date-on-or-before', 'in-date-range', 'ip-address-in-range'],
  'ip-address-not-in-range',
]);

/** Reads one item of a pattern's list. `E_PATTERN_INVALID`. */
export function parsePatternTest(item: unknown): PatternTest {
  if (typeof item === 'string') return equalsText(item);
  if (typeof item === 'number') return ofNumber(sameNumber(item));
  if (typeof item === 'boolean' || item === null) return { kind: 'value', holds: (leaf) => leaf === item };
  if (Array.isArray(item))
    throw patternError('a value to match is text, a number, true, false, null or an operator');
  const [name, operand] = onlyEntry(item as object, 'an operator');
  const operator = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
  if (operator === undefined)
    throw patternError(
      `unknown operator ${JSON.stringify(name)}; there are ${Object.keys(OPERATORS).join(', ')}`,
    );
  return operator(operand, name);
}

export function patternError(message: string): LambentError {
  return new LambentError('E_PATTERN_INVALID', `The event pattern is not valid: ${message}.`);
}

function ofText(holds: (text: string) => boolean): PatternTest {
  return { kind: 'value', holds: (leaf) => typeof leaf === 'string' && holds(leaf) };
}

function ofNumber(holds: (value: number) => boolean): PatternTest {
  return { kind: 'value', holds: (leaf) => typeof leaf === 'number' && holds(leaf) };
}

/** Case as Unicode folds it, near enough: both ways, so that letters with two lower forms meet. */
function fold(text: string): string {
  return text.toUpperCase().toLowerCase();
}

/** Addresses written differently are equal; all other text is compared as it is. */
function equalsText(wanted: string): PatternTest {
  const address = parseIpAddress(wanted);
  if (address === undefined || address.bits === 32) return ofText((text) => text === wanted);
  return ofText((text) => text === wanted || parseIpAddress(text)?.value === address.value);
}

/** Equal to six digits after the point; numbers too large for that are compared as they are. */
function sameNumber(wanted: number): (value: number) => boolean {
  if (Math.abs(wanted) > NUMERIC_MAX) return (value) => value === wanted;
  const micro = toMicro(wanted);
  return (value) => value === wanted || (Math.abs(value) <= NUMERIC_MAX && toMicro(value) === micro);
}

function toMicro(value: number): number {
  return Math.round(value * 1e6);
}

function onlyEntry(object: object, what: string): [string, unknown] {
  const entries = Object.entries(object);
  if (entries.length !== 1) throw patternError(`${what} is an object with one key, not ${entries.length}`);
  return entries[0]!;
}

function textOperand(operand: unknown, name: string): string {
  if (typeof operand !== 'string') throw patternError(`\`${name}\` takes a text`);
  return operand;
}

function affix(operand: unknown, name: string, holds: (text: string, part: string) => boolean): PatternTest {
  if (typeof operand === 'object' && operand !== null && !Array.isArray(operand)) {
    const [inner, value] = onlyEntry(operand, `what \`${name}\` takes`);
    if (inner !== 'equals-ignore-case')
      throw patternError(`\`${name}\` takes a text or \`equals-ignore-case\`, not ${JSON.stringify(inner)}`);
    const part = fold(textOperand(value, inner));
    return ofText((text) => holds(fold(text), part));
  }
  const part = textOperand(operand, name);
  return ofText((text) => holds(text, part));
}

/** `*` stands for any run of characters; `\*` and `\\` for themselves. Never slower than text times pattern. */
function wildcardTest(pattern: string): (text: string) => boolean {
  const [first, ...rest] = wildcardPieces(pattern);
  const last = rest.pop();
  if (last === undefined) return (text) => text === first;
  const least = first!.length + last.length;
  return (text) => {
    if (text.length < least || !text.startsWith(first!) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first!.length;
    for (const piece of rest) {
      const found = text.indexOf(piece, at);
      if (found < 0 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}

/** The fixed pieces between the stars. */
function wildcardPieces(pattern: string): string[] {
  const pieces = [''];
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern[at]!;
    const next = pattern[at + 1];
    if (char === '*') {
      if (next === '*') throw patternError('`wildcard` has two `*` side by side; one is enough');
      pieces.push('');
    } else if (char === '\\') {
      if (next !== '*' && next !== '\\')
        throw patternError('in `wildcard`, `\\` stands only before `*` or `\\`');
      pieces[pieces.length - 1] += next;
      at += 1;
    } else pieces[pieces.length - 1] += char;
  }
  return pieces;
}

function cidrTest(text: string): PatternTest {
  const range: IpRange | undefined = parseIpRange(text);
  if (range === undefined || range.first === range.last)
    throw patternError(
      `\`cidr\` takes a range such as "10.0.0.0/24" (a mask up to 31, or 127 for IPv6), not ${JSON.stringify(text)}`,
    );
  return ofText((given) => {
    const address = parseIpAddress(given);
    return address !== undefined && isInRange(range, address);
  });
}

const COMPARISONS: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '=': (value, bound) => value === bound,
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
};

function numericTest(operand: unknown): PatternTest {
  if (!Array.isArray(operand)) throw patternError('`numeric` takes a list such as [">", 0, "<=", 5]');
  if (operand.length !== 2 && operand.length !== 4)
    throw patternError('`numeric` takes one comparison, or a lower and an upper bound');
  const [operator, bound, upperOperator, upper] = operand as unknown[];
  const lowerHolds = comparison(operator, bound);
  if (operand.length === 2) return ofNumber((value) => inBounds(value) && lowerHolds(toMicro(value)));
  if (operator !== '>' && operator !== '>=')
    throw patternError('a range of `numeric` begins with `>` or `>=`');
  if (upperOperator !== '<' && upperOperator !== '<=')
    throw patternError('a range of `numeric` ends with `<` or `<=`');
  const upperHolds = comparison(upperOperator, upper);
  if ((bound as number) >= (upper as number))
    throw patternError('the lower bound of `numeric` must be below the upper one');
  return ofNumber((value) => inBounds(value) && lowerHolds(toMicro(value)) && upperHolds(toMicro(value)));
}

function inBounds(value: number): boolean {
  return Math.abs(value) <= NUMERIC_MAX;
}

function comparison(operator: unknown, bound: unknown): (micro: number) => boolean {
  const compare =
    typeof operator === 'string' && Object.hasOwn(COMPARISONS, operator) ? COMPARISONS[operator] : undefined;
  if (compare === undefined)
    throw patternError(
      `\`numeric\` compares with ${Object.keys(COMPARISONS).join(' ')}, not ${JSON.stringify(operator)}`,
    );
  if (typeof bound !== 'number' || !inBounds(bound))
    throw patternError(`\`numeric\` compares with a number from -5e9 to 5e9, not ${JSON.stringify(bound)}`);
  const micro = toMicro(bound);
  return (value) => compare(value, micro);
}

function existsTest(operand: unknown): PatternTest {
  if (typeof operand !== 'boolean') throw patternError('`exists` takes true or false');
  return operand ? { kind: 'value', holds: () => true } : { kind: 'absent' };
}

/** What `anything-but` can negate besides plain values; each takes a text or a list of texts. */
const NEGATED: ReadonlySet<string> = new Set(['prefix', 'suffix', 'equals-ignore-case', 'wildcard']);

function anythingBut(operand: unknown): PatternTest {
  if (typeof operand === 'object' && operand !== null && !Array.isArray(operand)) {
    const [name, value] = onlyEntry(operand, 'what `anything-but` takes');
    if (!NEGATED.has(name))
      throw patternError(
        `\`anything-but\` takes values or ${[...NEGATED].join(', ')}, not ${JSON.stringify(name)}`,
      );
    const texts = listOf(value, name).map((each) => textOperand(each, name));
    if ((name === 'prefix' || name === 'suffix') && texts.includes(''))
      throw patternError(`\`anything-but\` with an empty \`${name}\` would match nothing`);
    return noneOf(texts.map((text) => OPERATORS[name]!(text, name)));
  }
  const values = listOf(operand, 'anything-but');
  const kind = typeof values[0];
  if ((kind !== 'string' && kind !== 'number') || values.some((value) => typeof value !== kind))
    throw patternError('`anything-but` takes texts or numbers, all of one kind');
  if (values.some((value) => typeof value === 'number' && !inBounds(value)))
    throw patternError('`anything-but` takes numbers from -5e9 to 5e9');
  return noneOf(values.map(parsePatternTest));
}

function listOf(value: unknown, name: string): readonly unknown[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw patternError(`the list of \`${name}\` is empty`);
  return list;
}

/** A value must be there, and be none of these. */
function noneOf(tests: readonly PatternTest[]): PatternTest {
  return {
    kind: 'value',
    holds: (leaf) => tests.every((test) => test.kind === 'value' && !test.holds(leaf)),
  };
}
