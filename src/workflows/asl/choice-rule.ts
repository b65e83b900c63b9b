import { runtimeFailure } from './failure.ts';
import type { Json, JsonObject } from './json-value.ts';
import { findByPath, type Scope } from './path-scope.ts';
import { parseTimestamp } from './timestamp.ts';

type Operand = 'string' | 'number' | 'boolean';
interface Comparison {
  readonly operand: Operand;
  /** Whether the other side is given by a path. */
  readonly byPath: boolean;
  readonly test: (value: Json, operand: Json) => boolean;
}

const ORDERS: Readonly<Record<string, (left: number | string, right: number | string) => boolean>> = {
  Equals: (left, right) => left === right,
  LessThan: (left, right) => left < right,
  GreaterThan: (left, right) => left > right,
  LessThanEquals: (left, right) => left <= right,
  GreaterThanEquals: (left, right) => left >= right,
};

/** Every comparison by its field's name. Values of a type other than the comparison's never match. */
export const COMPARISONS: Readonly<Record<string, Comparison>> = buildComparisons();

function buildComparisons(): Record<string, Comparison> {
  const all: Record<string, Comparison> = {};
  const add = (name: string, operand: Operand, test: Comparison['test']): void => {
    all[name] = { operand, byPath: false, test };
    all[`${name}Path`] = { operand, byPath: true, test };
  };
  for (const [order, holds] of Object.entries(ORDERS)) {
    add(`String${order}`, 'string', (a, b) => typeof a === 'string' && typeof b === 'string' && holds(a, b));
    add(`Numeric${order}`, 'number', (a, b) => typeof a === 'number' && typeof b === 'number' && holds(a, b));
    add(`Timestamp${order}`, 'string', (a, b) => {
      const [left, right] = [timeOf(a), timeOf(b)];
      return left !== undefined && right !== undefined && holds(left, right);
    });
  }
  add('BooleanEquals', 'boolean', (a, b) => typeof a === 'boolean' && a === b);
  all.StringMatches = {
    operand: 'string',
    byPath: false,
    test: (a, b) => typeof a === 'string' && typeof b === 'string' && matchesWildcards(a, b),
  };
  const is = (name: string, holds: (value: Json) => boolean): void => {
    all[name] = { operand: 'boolean', byPath: false, test: (value, wanted) => holds(value) === wanted };
  };
  is('IsNull', (value) => value === null);
  is('IsNumeric', (value) => typeof value === 'number');
  is('IsString', (value) => typeof value === 'string');
  is('IsBoolean', (value) => typeof value === 'boolean');
  is('IsTimestamp', (value) => timeOf(value) !== undefined);
  is('IsPresent', () => true);
  return all;
}

function timeOf(value: Json): number | undefined {
  return typeof value === 'string' ? parseTimestamp(value) : undefined;
}

/** `*` stands for any run of characters, `\*` for itself. Linear, whatever the pattern. */
export function matchesWildcards(text: string, pattern: string): boolean {
  const parts: string[] = [];
  let part = '';
  for (const [token] of pattern.matchAll(/\\[*\\]|[\s\S]/g)) {
    if (token !== '*') part += token.length === 2 ? token[1] : token;
    else {
      parts.push(part);
      part = '';
    }
  }
  parts.push(part);
  const [first, ...rest] = parts as [string, ...string[]];
  if (rest.length === 0) return text === first;
  const last = rest.pop()!;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last))
    return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** Whether a rule in JSONPath holds. */
export function ruleHolds(rule: JsonObject, scope: Scope): boolean {
  if (rule.And !== undefined) return (rule.And as JsonObject[]).every((part) => ruleHolds(part, scope));
  if (rule.Or !== undefined) return (rule.Or as JsonObject[]).some((part) => ruleHolds(part, scope));
  if (rule.Not !== undefined) return !ruleHolds(rule.Not as JsonObject, scope);
  const variable = rule.Variable as string;
  const value = findByPath(variable, scope);
  if (rule.IsPresent !== undefined) return (value !== undefined) === rule.IsPresent;
  if (value === undefined) throw invalidPath(variable);
  const name = Object.keys(rule).find((field) => Object.hasOwn(COMPARISONS, field))!;
  const comparison = COMPARISONS[name]!;
  if (!comparison.byPath) return comparison.test(value, rule[name]!);
  const path = rule[name] as string;
  const operand = findByPath(path, scope);
  if (operand === undefined) throw invalidPath(path);
  return comparison.test(value, operand);
}

function invalidPath(path: string): Error {
  return runtimeFailure(
    `Invalid path '${path}': The choice state's condition path references an invalid value.`,
  );
}
