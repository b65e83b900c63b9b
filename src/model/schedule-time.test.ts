import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lastDueMs, nextDueMs, parseScheduleTime } from './schedule-time.ts';

const HOUR_MS = 3_600_000;

describe('the last due instant', () => {
  it('is the one that walking from instant to instant ends at, through changes of the clocks too', () => {
    // Berlin's clocks go forward at 01:00 UTC on the first of these days, and back on the second.
    for (const day of ['2026-03-29', '2026-10-25'])
      for (const text of [
        '* * * * *',
        '*/7 1-3 * * *',
        '30 2 * * *',
        '0 * * * *',
        '0 0 1 1 *',
        '5,50 */2 * * *',
      ]) {
        const when = parseScheduleTime(text)!;
        const startMs = Date.parse(`${day}T00:00:00Z`) - 2 * HOUR_MS;
        const dues: number[] = [];
        for (let due = nextDueMs(when, 'Europe/Berlin', startMs); due! <= startMs + 6 * HOUR_MS; ) {
          dues.push(due!);
          due = nextDueMs(when, 'Europe/Berlin', due!);
        }
        for (let untilMs = startMs; untilMs <= startMs + 6 * HOUR_MS; untilMs += 13 * 60_000 - 1)
          assert.equal(
            lastDueMs(when, 'Europe/Berlin', startMs, untilMs),
            dues.findLast((due) => due <= untilMs),
            `${text} until ${new Date(untilMs).toISOString()}`,
          );
      }
  });

  it('is found as far back as a leap day', () => {
    const when = parseScheduleTime('0 0 29 2 *')!;
    const last = lastDueMs(when, 'UTC', 0, Date.parse('2027-12-31T00:00:00Z'));
    assert.equal(last, Date.parse('2024-02-29T00:00:00Z'));
  });

  it('leaves out the instant that counting begins after', () => {
    const when = parseScheduleTime('0 8 * * *')!;
    const eightMs = Date.parse('2026-03-13T08:00:00Z');
    assert.equal(lastDueMs(when, 'UTC', eightMs, eightMs + HOUR_MS), undefined);
    assert.equal(lastDueMs(when, 'UTC', eightMs - 1, eightMs), eightMs);
  });
});
