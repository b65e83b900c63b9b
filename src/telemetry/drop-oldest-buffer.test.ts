import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DropOldestBuffer } from './drop-oldest-buffer.ts';

test('keeps order and gives back the oldest when full', () => {
  const buffer = new DropOldestBuffer<number>(3);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((item) => buffer.push(item)),
    [undefined, undefined, undefined, 1, 2],
  );
  assert.equal(buffer.size, 3);
  assert.deepEqual(buffer.take(2), [3, 4]);
  assert.equal(buffer.push(6), undefined);
  assert.deepEqual(buffer.take(10), [5, 6]);
  assert.equal(buffer.shift(), undefined);
  assert.equal(buffer.size, 0);
});

test('agrees with a plain array over many turns around its end', () => {
  const buffer = new DropOldestBuffer<number>(7);
  const model: number[] = [];
  for (let step = 0; step < 2_000; step += 1) {
    if ((step * 7919) % 5 < 3) {
      buffer.push(step);
      model.push(step);
      if (model.length > 7) model.shift();
    } else {
      assert.equal(buffer.shift(), model.shift());
    }
    assert.equal(buffer.size, model.length);
  }
  assert.deepEqual(buffer.take(100), model);
});

test('refuses a limit below one', () => {
  assert.throws(() => new DropOldestBuffer(0), RangeError);
});
