import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FunctionVersion } from '../model/function.ts';
import { exitReason, type LastState } from './exit-reason.ts';

const version = { name: 'pay', config: { memoryMb: 128 } } as unknown as FunctionVersion;
const last: LastState = { heapExhausted: false, loading: false, lastWords: undefined, decided: undefined };
const exit = { code: null, signal: 'SIGKILL', exceeded: undefined };

describe('why an instance ended', () => {
  it('is not its code, where it went with what had started it', () => {
    const orphan = (loading: boolean) => {
      const { code, facts } = exitReason(version, { ...exit, orphaned: true }, { ...last, loading });
      return [code, facts.fault, facts.retryable];
    };
    assert.deepEqual(orphan(true), ['E_START_FAILED', 'operator', true]);
    // It had begun, so it may have done something.
    assert.deepEqual(orphan(false), ['E_INSTANCE_LOST', 'operator', false]);
    assert.equal(exitReason(version, exit, last).facts.fault, 'author');
  });
});
