import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { editDistance, nearestOf } from './nearest.ts';

describe('nearest', () => {
  it('counts insertions, deletions, replacements and swaps', () => {
    assert.equal(editDistance('timeout', 'timeout'), 0);
    assert.equal(editDistance('tiemout', 'timeout'), 1);
    assert.equal(editDistance('timeot', 'timeout'), 1);
    assert.equal(editDistance('', 'env'), 3);
    assert.equal(editDistance('env', ''), 3);
  });

  it('finds what was meant, whatever the case', () => {
    const keys = ['timeout', 'memory', 'env', 'entry'];
    assert.equal(nearestOf('tiemout', keys), 'timeout');
    assert.equal(nearestOf('MEMORY', keys), 'memory');
    assert.equal(nearestOf('timeoutMs', keys), 'timeout');
    assert.equal(nearestOf('enrty', keys), 'entry');
  });

  it('offers nothing where nothing is near', () => {
    assert.equal(nearestOf('colour', ['timeout', 'memory', 'env']), undefined);
    assert.equal(nearestOf('x', []), undefined);
  });
});
