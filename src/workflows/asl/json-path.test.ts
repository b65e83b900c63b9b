import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookUp, parsePath } from './json-path.ts';

const store = {
  book: [
    { title: 'Sayings', price: 8.95, tags: ['old'] },
    { title: 'Sword', price: 12.99, tags: ['war', 'old'] },
    { title: 'Moby Dick', price: 8.99, isbn: '0-553-21311-3', tags: [] },
  ],
  'a.b': { "it's": 1 },
  none: null,
};

const found = (path: string): unknown => {
  const result = lookUp(parsePath(path), store);
  return result.found ? result.value : `! ${result.why}`;
};

test('definite paths give one value or say why there is none', () => {
  assert.equal(found('$.book[0].title'), 'Sayings');
  assert.equal(found('$.book[-1].title'), 'Moby Dick');
  assert.equal(found("$['a.b']['it\\'s']"), 1);
  assert.equal(found('$.none'), null);
  assert.deepEqual(found("$.book[0]['title','price','nope']"), { title: 'Sayings', price: 8.95 });
  assert.equal(found('$'), store);
  assert.equal(found('$.nope'), "! No results for path: $['nope']");
  assert.equal(found('$.nope.deep'), "! Missing property in path $['nope']");
  assert.equal(found('$.book[9]'), "! Index out of bounds when evaluating path $['book'][9]");
  assert.match(String(found('$.book[0].title.x')), /Expected to find an object with property \['x'\]/);
  assert.equal(found('$.constructor'), "! No results for path: $['constructor']");
});

test('other paths give a list', () => {
  assert.deepEqual(found('$.book[*].title'), ['Sayings', 'Sword', 'Moby Dick']);
  assert.deepEqual(found('$.book[1:].price'), [12.99, 8.99]);
  assert.deepEqual(found('$.book[:-2].price'), [8.95]);
  assert.deepEqual(found('$.book[::2].price'), [8.95, 8.99]);
  assert.deepEqual(found('$.book[0,2].price'), [8.95, 8.99]);
  assert.deepEqual(found("$.book[0,1]['title','price']"), [
    { title: 'Sayings', price: 8.95 },
    { title: 'Sword', price: 12.99 },
  ]);
  assert.deepEqual(found("$['book','none'][0].title"), ['Sayings']);
  assert.deepEqual(found('$..isbn'), ['0-553-21311-3']);
  assert.deepEqual(found('$..nope'), []);
  assert.deepEqual(found('$.nope[*].title'), []);
});

test('filters', () => {
  const titles: Record<string, string[]> = {
    '$.book[?(@.price < 9)].title': ['Sayings', 'Moby Dick'],
    '$.book[?(@.price < 9 && @.isbn)].title': ['Moby Dick'],
    '$.book[?(!(@.isbn) || @.price == 8.99)].title': ['Sayings', 'Sword', 'Moby Dick'],
    "$.book[?(@.title == 'Sword')].title": ['Sword'],
    '$.book[?(@.title =~ /s.*/i)].title': ['Sayings', 'Sword'],
    "$.book[?(@.title in ['Sword', 'None'])].title": ['Sword'],
    "$.book[?(@.title nin ['Sword'])].title": ['Sayings', 'Moby Dick'],
    "$.book[?(@.tags anyof ['war'])].title": ['Sword'],
    "$.book[?(@.tags contains 'old')].title": ['Sayings', 'Sword'],
    '$.book[?(@.tags empty true)].title': ['Moby Dick'],
    '$.book[?(@.tags size 2)].title': ['Sword'],
    '$.book[?(@.price > $.book[0].price)].title': ['Sword', 'Moby Dick'],
  };
  for (const [path, wanted] of Object.entries(titles)) assert.deepEqual(found(path), wanted, path);
});

test('functions', () => {
  assert.equal(found('$.book.length()'), 3);
  assert.equal(found('$.book[*].price.max()'), 12.99);
  assert.equal(found('$.book[*].price.sum()'), 8.95 + 12.99 + 8.99);
  assert.deepEqual(
    found('$.none.keys()'),
    '! Aggregation function attempted to calculate value using empty array',
  );
});

test('names with signs in them: as they stand outside of filters, and after a backslash', () => {
  const root = {
    'a@b': 1,
    '&Ж中': { x: 2 },
    's.t': { '[[.?p': 3 },
    store: { book: 4 },
    list: [{ n: 1 }, { n: 2 }],
  };
  const wanted: Record<string, unknown> = {
    '$.a@b': 1,
    '$.&Ж中.x': 2,
    '$.s\\.t.\\[\\[\\.\\?p': 3,
    '$.\\stor\\e.boo\\k': 4,
    '$.list[?(@.n==1&&$.a@b)]': '!',
    '$.list[?(@.n==2||@.n<1)].n': [2],
  };
  for (const [text, value] of Object.entries(wanted)) {
    if (value === '!') assert.throws(() => parsePath(text), { name: 'PathSyntaxError' }, text);
    else assert.deepEqual(lookUp(parsePath(text), root), { found: true, value }, text);
  }
  assert.throws(() => parsePath('$.a\\'), { name: 'PathSyntaxError' });
});

test('what is no object is named as AWS names it', () => {
  const nodes = {
    Array: [],
    Null: null,
    Text: 'x',
    Boolean: true,
    Int: -(2 ** 31),
    Long: 2 ** 31,
    Double: 1.5,
  };
  for (const [name, value] of Object.entries(nodes)) {
    const result = lookUp(parsePath('$.a.b'), { a: value });
    assert.match(result.found ? '' : result.why, new RegExp(`but found '[a-z.]+\\.${name}Node'\\.`), name);
  }
});

test('texts that are no paths', () => {
  for (const text of [
    '',
    'x',
    '.a',
    '$...',
    '$.',
    '$[',
    '$[]',
    "$['a]",
    '$.a b',
    '$[1:2:0]',
    '$[?(@.a ==)]',
    '$.a.nope()',
    '$.a[?(@.b)',
  ])
    assert.throws(() => parsePath(text), { name: 'PathSyntaxError' }, text);
  assert.deepEqual(parsePath('$name.field').root, { variable: 'name' });
  assert.equal(parsePath('$$.State.Name').root, '$$');
});
