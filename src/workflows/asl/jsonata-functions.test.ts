import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from './json-value.ts';
import { evaluate } from './jsonata-expression.ts';

const scope = {
  states: { input: { none: null } },
  variables: {},
  chance: { seed: 's', draws: 0 },
  nowMs: 0,
};

async function value(text: string): Promise<Json> {
  return await evaluate(`{% ${text} %}`, 'Output', scope);
}

test('what the functions of Step Functions give', async () => {
  const calls: Record<string, Json> = {
    // What java.util.Random gives first for these seeds.
    '$random(42)': 0.7275636800328681,
    '$random(0.9)': 0.730967787376657,
    '$range(0, 10, 2)': [0, 2, 4, 6, 8, 10],
    '$range(3, 3, 1)': 3,
    '$range(-1.7, 2, 1)': [-1, 0, 1, 2],
    '$range(5, 1, -1.5)': [5, 4, 3, 2, 1],
    '$partition([1, 2, 3])': [[1, 2, 3]],
    '$partition([1, 2, 3, 4, 5], 2.9)': [[1, 2], [3, 4], [5]],
    "$hash('Hello', 'MD5')": '8b1a9953c4611296a827abf8c47804d7',
    '$parse(\'{"b":1,"a":null}\')': { b: 1, a: null },
    '$map([\'{"a":1}\', \'{"a":2}\'], $parse).a': [1, 2],
    '$exists($states.input.none)': true,
    // JSON has no such numbers.
    "[1/0, -1/0, $parseInteger('abc', '0')]": ['Infinity', '-Infinity', 'NaN'],
  };
  for (const [text, wanted] of Object.entries(calls)) assert.deepEqual(await value(text), wanted, text);
  assert.notEqual(await value('$random()'), await value('$random()'));
});

test('what they give nothing for', async () => {
  for (const text of [
    ...['$range(1, 5)', '$range(5, 1, 1)', '$range(1, 5, 0)', '$partition([], 2)', '$partition([1], 0)'],
    ...['$parse()', "$hash('a')"],
  ])
    await assert.rejects(value(text), { reason: /returned nothing \(undefined\)\.$/ }, text);
});

test('what they refuse', async () => {
  const wrong: Record<string, string> = {
    '$random(1, 2)': 'T0410: Argument 2 of function "random" does not match function signature',
    "$uuid('x')": 'T0410: Argument 1 of function "uuid" does not match function signature',
    '$range(1)': 'T0410: Argument 2 of function "range" does not match function signature',
    '$parse(null)': 'T0410: Argument 1 of function "parse" does not match function signature',
    "$hash(42, 'MD5')": 'T0410: Argument 1 of function "hash" does not match function signature',
    "$parse('')": 'D3137: Invalid JSON',
    "$parse('1e400')": 'D3137: Invalid JSON',
    '$partition([1], -1)': 'D3137: Second argument must be zero or greater',
    "$eval('1')": 'T1006: Attempted to invoke a non-function',
  };
  for (const [text, message] of Object.entries(wrong))
    await assert.rejects(
      value(text),
      (thrown: Error) => thrown.message.endsWith(`evaluation. ${message}`),
      text,
    );
  await assert.rejects(value("$hash('a', 'md5')"), { reason: /D3137: .*MD5, SHA-1/ });
});

test('where an expression takes too much', async () => {
  const recursive = (depth: number): string =>
    `($f := function($x) { $x <= 0 ? 0 : 1 + $f($x - 1) }; $f(${depth}))`;
  assert.equal(await value(recursive(31)), 31);
  await assert.rejects(value(recursive(32)), { reason: /Stack overflow error: .* tail-recursive\.$/ });
  assert.equal(await value(`1${'+1'.repeat(99)}`), 100);
  await assert.rejects(value(`1${'+1'.repeat(100)}`), { reason: /Stack overflow error/ });
  assert.equal(await value('$count([1..873782])'), 873_782);
  for (const text of ['[1..873783]', '$range(1, 873783, 1)'])
    await assert.rejects(
      value(text),
      {
        reason:
          /during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage$/,
      },
      text,
    );
});
