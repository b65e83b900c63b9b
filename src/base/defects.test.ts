import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containTimers, createDefects } from './defects.ts';
import { silentLog } from './log.ts';
import { ManualClock } from './manual-clock.ts';

describe('timers whose defects are contained', () => {
  it('are counted, end nothing else, and go on where they repeat', () => {
    const manual = new ManualClock();
    const defects = createDefects(silentLog);
    const clock = containTimers(manual, defects);
    const ran: string[] = [];
    clock.after(5, () => {
      throw new Error('once');
    });
    const repeating = clock.every(10, () => {
      ran.push('again');
      throw new Error('again');
    });
    clock.after(20, () => void ran.push('another'));
    manual.advance(20);
    assert.deepEqual(ran, ['again', 'again', 'another']);
    assert.equal(defects.count, 3);
    repeating.cancel();
    clock.after(1, () => assert.fail('cancelled')).cancel();
    manual.advance(50);
    assert.equal(defects.count, 3);
    assert.equal(clock.nowMs(), manual.nowMs());
    assert.equal(clock.monotonicMs(), manual.monotonicMs());
  });
});
