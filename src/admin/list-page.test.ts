import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOfNumber, pageOf } from './list-page.ts';

const itself = (each: string): string => each;

test('pages give every item once, in the order of their keys', () => {
  const all = ['pear', 'fig', 'apple', 'plum', 'date'];
  const first = pageOf(all, itself, { limit: 2 });
  assert.deepEqual(first, { items: ['apple', 'date'], next: 'date' });
  const second = pageOf(all, itself, { limit: 2, cursor: first.next });
  assert.deepEqual(second, { items: ['fig', 'pear'], next: 'pear' });
  assert.deepEqual(pageOf(all, itself, { limit: 2, cursor: second.next }), {
    items: ['plum'],
    next: undefined,
  });
  assert.equal(pageOf(all, itself, { limit: 5 }).next, undefined, 'a full page may be the last one');
  assert.deepEqual(pageOf([], itself, { limit: 5 }), { items: [], next: undefined });
});

test('what stays is given once, whatever comes and goes between two pages, the last of a page included', () => {
  const { next } = pageOf(['a', 'c', 'e', 'g'], itself, { limit: 2 });
  assert.deepEqual(pageOf(['a', 'b', 'e', 'f', 'g'], itself, { limit: 9, cursor: next }).items, [
    'e',
    'f',
    'g',
  ]);
});

test('numbers in keys are ordered as numbers', () => {
  const numbers = [10, 9, 1_800_000_000_000, 0];
  assert.deepEqual(pageOf(numbers, keyOfNumber, { limit: 9 }).items, [0, 9, 10, 1_800_000_000_000]);
});
