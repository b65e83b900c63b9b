import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { compilePattern, PATTERN_CHARS_MAX } from './event-pattern.ts';

interface Vector {
  readonly id: string;
  readonly event: Record<string, unknown>;
  readonly pattern: unknown;
  readonly expected: 'match' | 'no-match' | 'error';
}

type Verdict = Vector['expected'];

function verdict(event: Record<string, unknown>, pattern: unknown): Verdict {
  try {
    return compilePattern(pattern).matches(event) ? 'match' : 'no-match';
  } catch (thrown) {
    assert.ok(thrown instanceof LambentError && thrown.code === 'E_PATTERN_INVALID', String(thrown));
    return 'error';
  }
}

/** Verdicts recorded from EventBridge lie beside the repository, where there are any. */
const FOLDER = process.env.LAMBENT_CONFORMANCE ?? '../shared/conformance';
const FILE = new URL(`../../${FOLDER}/event-patterns.json`, import.meta.url);

describe('event patterns against the verdicts of EventBridge', () => {
  const skip = existsSync(FILE) ? false : `${FOLDER} is not there`;
  it('agrees with every recorded one', { skip }, () => {
    const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as Vector[];
    assert.ok(vectors.length > 50);
    const wrong = vectors.filter(({ event, pattern, expected }) => verdict(event, pattern) !== expected);
    assert.deepEqual(
      wrong.map(({ id }) => id),
      [],
    );
  });
});

/** Each line: a value of `x` in the event (`undefined`: none), the list in the pattern, what comes of it. */
const CASES: readonly (readonly [unknown, unknown, Verdict])[] = [
  ['a', ['a', 'b'], 'match'],
  ['c', ['a', 'b'], 'no-match'],
  [['c', 'b'], ['a', 'b'], 'match'],
  [[['b']], ['b'], 'match'],
  [1, ['1'], 'no-match'],
  [1.0, [1], 'match'],
  [0.30000000000000004, [0.3], 'match'],
  [123_456_789_012, [123_456_789_012], 'match'],
  [123_456_789_013, [123_456_789_012], 'no-match'],
  [true, [true], 'match'],
  ['true', [true], 'no-match'],
  [{}, [{ exists: true }], 'no-match'],
  [{}, [{ exists: false }], 'match'],
  [[], [{ exists: false }], 'match'],
  [null, [{ exists: true }], 'match'],
  [undefined, [{ exists: false }], 'match'],
  ['now', [{ exists: false }], 'no-match'],
  ['now', [{ exists: 'yes' }], 'error'],
  ['abc', [{ exactly: 'abc' }], 'match'],
  ['abc', [{ prefix: 'ab' }], 'match'],
  [12, [{ prefix: '1' }], 'no-match'],
  ['abc', [{ prefix: { 'equals-ignore-case': 'AB' } }], 'match'],
  ['abc', [{ suffix: { 'equals-ignore-case': 'BC' } }], 'match'],
  ['abc', [{ suffix: { prefix: 'BC' } }], 'error'],
  ['abc', [{ prefix: ['ab'] }], 'error'],
  ['straße', [{ 'equals-ignore-case': 'STRASSE' }], 'match'],
  ['abc', [{ prefix: 'a', suffix: 'c' }], 'error'],
  ['abc', [{}], 'error'],
  ['abc', [['abc']], 'error'],
  ['a/b/c.txt', [{ wildcard: 'a/*.txt' }], 'match'],
  ['a/b/c.txt', [{ wildcard: '*b*' }], 'match'],
  ['aXb', [{ wildcard: 'aXb*b' }], 'no-match'],
  ['ab', [{ wildcard: 'ab*b' }], 'no-match'],
  ['aba', [{ wildcard: '*ab*ba' }], 'no-match'],
  ['a*c', [{ wildcard: 'a\\*c' }], 'match'],
  ['abc', [{ wildcard: 'a\\*c' }], 'no-match'],
  ['a\\c', [{ wildcard: 'a\\\\c' }], 'match'],
  ['a', [{ wildcard: '\\a' }], 'error'],
  ['a', [{ wildcard: 'a\\' }], 'error'],
  [5, [{ numeric: ['>', 0, '<=', 5] }], 'match'],
  [0, [{ numeric: ['>', 0, '<=', 5] }], 'no-match'],
  [5, [{ numeric: ['<', 0, '>', 5] }], 'error'],
  [5, [{ numeric: ['>=', 5, '<=', 5] }], 'error'],
  [5, [{ numeric: ['>', 0, '<'] }], 'error'],
  [5, [{ numeric: ['=', '5'] }], 'error'],
  [5, [{ numeric: ['!=', 5] }], 'error'],
  [5, [{ numeric: ['=', 5, '<', 6] }], 'error'],
  [5, [{ numeric: [] }], 'error'],
  [5, [{ numeric: ['<', 6e9] }], 'error'],
  ['10.0.1.255', [{ cidr: '10.0.0.0/23' }], 'match'],
  ['10.0.2.0', [{ cidr: '10.0.0.0/23' }], 'no-match'],
  ['::ffff:a00:1', [{ cidr: '10.0.0.0/23' }], 'no-match'],
  ['2001:db8::7', [{ cidr: '2001:db8::/64' }], 'match'],
  ['::ffff:10.0.0.1', [{ cidr: '::ffff:a00:0/112' }], 'match'],
  ['10.0.0.1', [{ cidr: '10.0.0.0/33' }], 'error'],
  ['10.0.0.1', [{ cidr: '10.0.0.1/32' }], 'error'],
  ['10.0.0.1', [{ cidr: '10.0.0.1' }], 'error'],
  ['2001:DB8:0::1', ['2001:db8::1'], 'match'],
  ['a', [{ 'anything-but': ['a', 'b'] }], 'no-match'],
  [['a', 'c'], [{ 'anything-but': ['a', 'b'] }], 'match'],
  ['a', [{ 'anything-but': 1 }], 'match'],
  [true, [{ 'anything-but': 'true' }], 'match'],
  ['a', [{ 'anything-but': ['a', 1] }], 'error'],
  ['a', [{ 'anything-but': [] }], 'error'],
  ['a', [{ 'anything-but': true }], 'error'],
  ['a', [{ 'anything-but': { exists: true } }], 'error'],
  ['a', [{ 'anything-but': { prefix: { 'equals-ignore-case': 'a' } } }], 'error'],
  ['init', [{ 'anything-but': { prefix: 'in', suffix: 't' } }], 'error'],
  ['a/init/b', [{ 'anything-but': { wildcard: ['*/init/*', '*/dir/*'] } }], 'no-match'],
  [5, [{ 'anything-but': { wildcard: 'a**' } }], 'error'],
  ['a', [{ regex: 'a' }], 'error'],
];

describe('event patterns', () => {
  for (const [value, list, expected] of CASES)
    it(`${JSON.stringify(value)} with ${JSON.stringify(list)}: ${expected}`, () => {
      assert.equal(verdict({ x: value }, { x: list }), expected);
    });

  it('demands every field and takes any of `$or`', () => {
    const pattern = { a: [1], $or: [{ b: [2] }, { c: { d: [3] }, e: [4] }] };
    assert.equal(verdict({ a: 1, b: 2 }, pattern), 'match');
    assert.equal(verdict({ a: 1, c: { d: 3 }, e: 4 }, pattern), 'match');
    assert.equal(verdict({ a: 1, c: { d: 3 } }, pattern), 'no-match');
    assert.equal(verdict({ b: 2 }, pattern), 'no-match');
  });

  it('refuses an `$or` that is none', () => {
    for (const or of [[], [{ a: [1] }], { a: [1] }, [{ a: [1] }, 2], [{ a: [1] }, { prefix: ['x'] }]])
      assert.equal(verdict({ a: 1 }, { $or: or }), 'error', JSON.stringify(or));
    const wide = Array.from({ length: 11 }, (_, at) => ({ [`f${at}`]: [1] }));
    assert.equal(verdict({}, { a: { $or: wide }, b: { $or: wide }, c: { $or: wide } }), 'error');
  });

  it('never combines values of different elements of an array', () => {
    const pattern = { items: { sku: ['a'], count: [2] } };
    assert.equal(
      verdict(
        {
          items: [
            { sku: 'a', count: 1 },
            { sku: 'b', count: 2 },
          ],
        },
        pattern,
      ),
      'no-match',
    );
    assert.equal(
      verdict(
        {
          items: [
            { sku: 'a', count: 1 },
            { sku: 'a', count: 2 },
          ],
        },
        pattern,
      ),
      'match',
    );
    const nested = { rows: { key: ['k'], cells: { x: [1], y: [2] } } };
    const rows = [
      { key: 'k', cells: [{ x: 1, y: 1 }] },
      { key: 'l', cells: [{ x: 1, y: 2 }] },
    ];
    assert.equal(verdict({ rows }, nested), 'no-match');
    assert.equal(verdict({ rows: [...rows, { key: 'k', cells: [{}, { x: 1, y: 2 }] }] }, nested), 'match');
  });

  it('refuses an event whose arrays have too many combinations, rather than hang', () => {
    const paths = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`p${at}`, { x: [1] }]));
    const twice = Array.from({ length: 30 }, () => ({ x: 1 }));
    const event = Object.fromEntries(Object.keys(paths).map((name) => [name, [...twice]]));
    const shared = { list: [{ a: 1 }, { b: 1 }] };
    const pattern = compilePattern({ ...paths, list: { a: [1], b: [1] } });
    assert.throws(
      () => pattern.matches({ ...event, ...shared }),
      (thrown: unknown) => thrown instanceof LambentError && thrown.code === 'E_EVENT_INVALID',
    );
  });

  it('refuses what is no pattern', () => {
    for (const pattern of [null, [], 'a', 1, {}, { a: {} }, { a: 'b' }, { a: null }, { a: [] }])
      assert.equal(verdict({}, pattern), 'error', JSON.stringify(pattern));
    assert.equal(verdict({}, { a: ['x'.repeat(PATTERN_CHARS_MAX)] }), 'error');
    let deep: object = { a: [1] };
    for (let depth = 0; depth < 100; depth += 1) deep = { a: deep };
    assert.equal(verdict({}, deep), 'error');
  });

  it('is not led astray by names of object members', () => {
    assert.equal(verdict({}, { constructor: [{ exists: true }] }), 'no-match');
    assert.equal(verdict({ x: 1 }, { x: [{ constructor: 'a' }] }), 'error');
  });
});
