import type { FilterTest, JsonPath, Operand, PathResult } from './json-path-syntax.ts';
import { deepEqual, type Json } from './json-value.ts';
import type { TextReader } from './text-reader.ts';

/* The filters of a path, `[?(@.price < 10 && !(@.sold))]`, with the operators that the Jayway library has. */

type ReadPath = (reader: TextReader, relative: boolean) => JsonPath;
type LookUp = (path: JsonPath, root: Json) => PathResult;

const OPERATOR = /^(?:===?|!==?|<=|>=|=~|<|>|(?:in|nin|subsetof|anyof|noneof|size|empty|contains)\b)/i;
const PATTERN_CHARACTERS_MAX = 1_000;

/** Reads `(…)` after the question mark. */
export function parseFilter(reader: TextReader, readPath: ReadPath): FilterTest {
  reader.skipSpace();
  reader.expect('(');
  const test = readOr(reader, readPath);
  reader.skipSpace();
  reader.expect(')');
  return test;
}

function readOr(reader: TextReader, readPath: ReadPath): FilterTest {
  return readJoined(reader, '||', 'or', () =>
    readJoined(reader, '&&', 'and', () => readUnary(reader, readPath)),
  );
}

function readJoined(
  reader: TextReader,
  sign: string,
  kind: 'or' | 'and',
  readPart: () => FilterTest,
): FilterTest {
  const tests = [readPart()];
  for (reader.skipSpace(); reader.take(sign); reader.skipSpace()) tests.push(readPart());
  return tests.length === 1 ? tests[0]! : { kind, tests };
}

function readUnary(reader: TextReader, readPath: ReadPath): FilterTest {
  reader.skipSpace();
  if (reader.peek() === '!') {
    reader.next();
    return { kind: 'not', test: readUnary(reader, readPath) };
  }
  if (reader.peek() === '(') return parseFilter(reader, readPath);
  const left = readOperand(reader, readPath);
  reader.skipSpace();
  const operator = reader.match(OPERATOR)?.toLowerCase();
  if (operator === undefined) return { kind: 'exists', operand: left };
  reader.skipSpace();
  return { kind: 'compare', operator, left, right: readOperand(reader, readPath) };
}

function readOperand(reader: TextReader, readPath: ReadPath): Operand {
  const first = reader.peek();
  if (first === '@' || first === '$')
    return { path: readPath(reader, first === '@'), relative: first === '@' };
  if (first === "'" || first === '"') return { value: reader.quoted() };
  if (first === '/') return readPattern(reader);
  const literal = reader.match(/^(?:(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\[[^\]]*\])/);
  if (literal === undefined) {
    // The Jayway library takes a bare word for a text.
    const word = reader.match(/^[\p{L}_][\p{L}\p{N}_-]*/u);
    if (word === undefined) throw reader.error('a path or a value is expected in the filter');
    return { value: word };
  }
  try {
    return { value: JSON.parse(literal.replaceAll("'", '"')) as Json };
  } catch {
    throw reader.error('a value in the filter is not JSON');
  }
}

function readPattern(reader: TextReader): Operand {
  const text = reader.match(/^\/(?:[^/\\]|\\.)*\//);
  if (text === undefined || text.length > PATTERN_CHARACTERS_MAX)
    throw reader.error('a pattern is not closed or too long');
  const flags = reader.match(/^[ims]+/) ?? '';
  try {
    return { pattern: new RegExp(`^(?:${text.slice(1, -1)})$`, flags) };
  } catch {
    throw reader.error('a pattern is not a regular expression');
  }
}

export function passes(test: FilterTest, item: Json, root: Json, lookUp: LookUp): boolean {
  switch (test.kind) {
    case 'or':
      return test.tests.some((part) => passes(part, item, root, lookUp));
    case 'and':
      return test.tests.every((part) => passes(part, item, root, lookUp));
    case 'not':
      return !passes(test.test, item, root, lookUp);
    case 'exists':
      return operandValue(test.operand, item, root, lookUp) !== undefined;
    case 'compare': {
      const left = operandValue(test.left, item, root, lookUp);
      if ('pattern' in test.right) return typeof left === 'string' && test.right.pattern.test(left);
      return compare(test.operator, left, operandValue(test.right, item, root, lookUp));
    }
  }
}

function operandValue(operand: Operand, item: Json, root: Json, lookUp: LookUp): Json | undefined {
  if ('pattern' in operand) return undefined;
  if ('value' in operand) return operand.value;
  const result = lookUp(operand.path, operand.relative ? item : root);
  return result.found ? result.value : undefined;
}

function compare(operator: string, left: Json | undefined, right: Json | undefined): boolean {
  const same = left !== undefined && right !== undefined && deepEqual(left, right);
  const lefts = Array.isArray(left) ? left : [];
  const rights = Array.isArray(right) ? right : [];
  const has = (list: readonly Json[], value: Json | undefined): boolean =>
    value !== undefined && list.some((item) => deepEqual(item, value));
  switch (operator) {
    case '==':
    case '===':
      return same;
    case '!=':
    case '!==':
      return !same;
    case 'in':
      return has(rights, left);
    case 'nin':
      return !has(rights, left);
    case 'contains':
      return typeof left === 'string' ? typeof right === 'string' && left.includes(right) : has(lefts, right);
    case 'subsetof':
      return lefts.every((value) => has(rights, value));
    case 'anyof':
      return lefts.some((value) => has(rights, value));
    case 'noneof':
      return !lefts.some((value) => has(rights, value));
    case 'size':
      return (typeof left === 'string' || Array.isArray(left)) && left.length === right;
    case 'empty':
      return (typeof left === 'string' || Array.isArray(left)) && (left.length === 0) === right;
    default:
      return ordered(operator, left, right);
  }
}

function ordered(operator: string, left: Json | undefined, right: Json | undefined): boolean {
  const comparable =
    (typeof left === 'number' && typeof right === 'number') ||
    (typeof left === 'string' && typeof right === 'string');
  if (!comparable) return false;
  switch (operator) {
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
}
