import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamTable } from './stream-table.ts';

test('agrees with a Map over a long life of streams', () => {
  const table = new StreamTable<{ stream: number }>();
  const model = new Map<number, { stream: number }>();
  let stream = 1;
  for (let step = 0; step < 50_000; step += 1) {
    const wanted = 1 + ((step * 7919) % 700);
    if (model.size < wanted) {
      const entry = { stream };
      table.set(stream, entry);
      model.set(stream, entry);
      // Numbers are skipped now and then, and one stream stays open very long.
      stream += (step * 31) % 5 === 0 ? 3 : 1;
    } else {
      const oldest = [...model.keys()][model.size > 1 ? 1 : 0]!;
      assert.equal(table.delete(oldest), model.delete(oldest));
      assert.equal(table.delete(oldest), false);
    }
    assert.equal(table.size, model.size);
    assert.equal(table.get(stream - 1), model.get(stream - 1));
  }
  const seen = new Map<number, { stream: number }>();
  table.forEach((number, entry) => {
    seen.set(number, entry);
  });
  assert.deepEqual(
    [...seen].sort(([a], [b]) => a - b),
    [...model].sort(([a], [b]) => a - b),
  );
  table.forEach((number) => {
    table.delete(number);
  });
  assert.equal(table.size, 0);
  assert.equal(table.get(stream - 1), undefined);
});

test('a number that is not open has no entry, whoever has its place', () => {
  const table = new StreamTable<object>();
  table.set(5, {});
  assert.equal(table.get(5 + 64), undefined);
  assert.equal(table.freeNumber(5 + 64, 0x8000_0000), 6 + 64, 'the next whose place is free');
  assert.equal(table.freeNumber(64 + 63, 64 + 64), 64 + 63);
  table.set(63, {});
  assert.equal(table.freeNumber(64 + 63, 64 + 64), 1, 'and at the end from the beginning');
  assert.equal(table.get(0), undefined);
  table.set(5 + 64, {});
  assert.equal(table.has(5), true);
  assert.equal(table.has(5 + 64), true);
});

test('streams may close while they are visited', () => {
  const table = new StreamTable<object>();
  for (let stream = 1; stream <= 100; stream += 1) table.set(stream, {});
  let visited = 0;
  table.forEach((stream) => {
    visited += 1;
    table.delete(stream);
  });
  assert.equal(visited, 100);
  assert.equal(table.size, 0);
});
