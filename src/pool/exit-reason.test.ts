import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FunctionVersion } from '../model/function.ts';
import { exitReason, type LastState } from './exit-reason.ts';

const version = { name: 'pay', config: { memoryMb: 128 } } as unknown as FunctionVersion;
const last: LastState = { heapExhausted: false, loading: false, lastWords: undefined, decided: undefined };
const exit = { code: null, signal: 'SIGKILL', exceeded: undefined };

describe('why an instance ended', () => {
  it('is not its code, where it went with what had started it', () => {
    for (const loading of [false, true]) {
      const error = exitReason(version, { ...exit, orphaned: true }, { ...last, loading });
      assert.deepEqual(
        [error.code, error.facts.fault, error.facts.retryable],
        ['E_START_FAILED', 'operator', true],
      );
    }
    assert.equal(exitReason(version, exit, last).facts.fault, 'author');
  });
});
