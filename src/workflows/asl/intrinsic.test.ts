import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIntrinsic } from './intrinsic.ts';
import type { Json } from './json-value.ts';
import { fillTemplate, findByPath, type Scope } from './path-scope.ts';

const data = { list: [1, 2, 3, 4, 5], text: 'a,b;c', who: { name: 'Ada' }, n: 2 };
const scope: Scope = {
  data,
  context: { State: { Name: 'Here' } },
  variable: (name) => (name === 'v' ? ({ x: 40 } as Json) : undefined),
  chance: { seed: 's', draws: 0 },
};
const run = (text: string): unknown => findByPath(text, scope);

test('every function', () => {
  const calls: Record<string, unknown> = {
    "States.Array(1, 'a', null, $.who)": [1, 'a', null, { name: 'Ada' }],
    'States.ArrayContains($.list, 3)': true,
    'States.ArrayGetItem($.list, $.n)': 3,
    'States.ArrayLength($.list)': 5,
    'States.ArrayPartition($.list, 2)': [[1, 2], [3, 4], [5]],
    'States.ArrayRange(1, 9, 3)': [1, 4, 7],
    'States.ArrayRange(3, 1, -1)': [3, 2, 1],
    'States.ArrayUnique(States.Array(1, 1, 2))': [1, 2],
    'States.ArrayUnique(States.StringToJson(\'[{"a":1,"b":[2]},{"b":[2],"a":1}]\'))': [{ a: 1, b: [2] }],
    "States.Base64Encode('héllo')": 'aMOpbGxv',
    "States.Base64Decode('aMOpbGxv')": 'héllo',
    "States.Format('{} is \\{{}\\} in {}', $.who.name, $v.x, $$.State.Name)": 'Ada is {40} in Here',
    "States.Format('it\\'s {}', States.JsonToString($.who))": 'it\'s {"name":"Ada"}',
    "States.Hash('a', 'SHA-256')": 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb',
    'States.JsonMerge($.who, States.StringToJson(\'{"age":1}\'), false)': { name: 'Ada', age: 1 },
    'States.MathAdd($v.x, 2)': 42,
    "States.StringSplit($.text, ',;')": ['a', 'b', 'c'],
  };
  for (const [text, wanted] of Object.entries(calls)) assert.deepEqual(run(text), wanted, text);
  assert.match(
    String(run('States.UUID()')),
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assert.notEqual(run('States.UUID()'), run('States.UUID()'));
  assert.equal(run('States.MathRandom(1, 1000, 7)'), run('States.MathRandom(1, 1000, 7)'));
  for (let draws = 0; draws < 50; draws += 1)
    assert.ok([3, 4].includes(run('States.MathRandom(3, 5)') as number));
});

test('values within a text are shown as AWS shows them, and a blank text holds nothing', () => {
  const calls: Record<string, unknown> = {
    "States.Format('{}', $.who)": '{name=Ada}',
    "States.Format('{} {}', $.list, $.deep)": '[1, 2, 3] {a=[], b={c=x, d=null, e=1.5}, f=true}',
    "States.Format('{}', '[1,2]')": '[1,2]',
    'States.StringToJson($.blank)': null,
    "States.StringToJson('')": null,
    'States.StringToJson($.nothing)': null,
    "States.StringToJson(' 1 ')": 1,
  };
  const deep = { a: [], b: { c: 'x', d: null, e: 1.5 }, f: true };
  const here = {
    ...scope,
    data: { who: { name: 'Ada' }, list: [1, 2, 3], deep, blank: ' \n', nothing: null },
  };
  for (const [text, wanted] of Object.entries(calls)) assert.deepEqual(findByPath(text, here), wanted, text);
});

test('what a function cannot take fails with the call in the cause', () => {
  const wrong: Record<string, RegExp> = {
    'States.ArrayGetItem($.list, 9)':
      /The function 'States.ArrayGetItem\(\$.list, 9\)' had the following error: .*out of bounds/,
    'States.ArrayPartition($.list, 0)': /positive/,
    'States.ArrayRange(1, 5000, 1)': /1000 items/,
    'States.ArrayLength($.text)': /must be an array/,
    "States.Hash('a', 'CRC')": /algorithm/,
    'States.JsonMerge($.who, $.who, true)': /must be false/,
    "States.Format('{} {}', 1)": /2 places for 1/,
    "States.StringToJson('{')": /JSON/,
    "States.Base64Decode('?')": /not Base64/,
    'States.MathAdd($.nope, 1)': /argument for the field '\$.nope' could not be found/,
  };
  for (const [text, pattern] of Object.entries(wrong)) {
    assert.throws(() => run(text), { error: 'States.Runtime', reason: pattern }, text);
  }
});

test('the cause names the whole expression, and where it looked', () => {
  const missing: Record<string, string> = {
    "States.Format('{}', States.Format('{}', $.nope))":
      "The JsonPath argument for the field '$.nope' could not be found in the input '{\"n\":2}'",
    "States.Format('{}', $.list[5])":
      "The JsonPath argument for the field '$.list[5]' could not be found in the input '{\"n\":2}'",
    'States.Array($$.Nope.Deep)':
      "The JsonPath argument for the field '$.Nope.Deep' could not be found in the input '{\"n\":2}'",
    'States.Array($.n[0])': 'Filter: [0] can only be applied to arrays. Current context is: 2',
  };
  for (const [text, message] of Object.entries(missing)) {
    const reason = `The function '${text}' had the following error: ${message}`;
    assert.throws(() => findByPath(text, { ...scope, data: { n: 2 } }), { reason }, text);
  }
});

test('a template takes an item past the end for null, and nothing out of null', () => {
  assert.deepEqual(fillTemplate({ 'a.$': '$.list[9]', 'b.$': '$.list[4]' }, scope), { a: null, b: 5 });
  assert.throws(() => fillTemplate({ 'a.$': '$.list[9].x' }, scope), { reason: /could not be found/ });
  assert.throws(() => fillTemplate({ 'a.$': '$' }, { ...scope, data: null }), {
    reason: 'Unable to apply Path transformation to null or empty input.',
  });
});

test('texts that are no calls', () => {
  for (const text of [
    'States.Nope()',
    'States.UUID(1)',
    "States.MathAdd(1, '2')",
    "States.Format('x'",
    'States.Array(1 2)',
    "States.Array('x)",
    `${'States.Array('.repeat(11)}${')'.repeat(11)}`,
    'States.toString()',
    'States.UUID() x',
  ])
    assert.throws(() => parseIntrinsic(text), { name: 'PathSyntaxError' }, text);
});
