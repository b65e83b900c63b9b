import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatOffsets, parseOffsets } from './kafka-offsets.ts';

describe('offsets of Kafka as a position', () => {
  it('come back as they were, with partitions of which nothing is known', () => {
    const offsets = new Map([
      [0, 12n],
      [3, 9_007_199_254_740_993n],
    ]);
    assert.equal(formatOffsets(offsets), '12,,,9007199254740993');
    assert.deepEqual(parseOffsets(`at/${formatOffsets(offsets)}`, 'at/'), offsets);
    assert.equal(formatOffsets(new Map()), '');
    assert.deepEqual(parseOffsets('at/', 'at/'), new Map());
  });

  it('are none of another topic’s', () => {
    assert.equal(parseOffsets('other/1', 'at/'), undefined);
    assert.equal(parseOffsets(undefined, 'at/'), undefined);
  });
});
