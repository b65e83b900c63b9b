import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type KeepWarmWindow, keptAt } from './keep-warm.ts';
import { parseScheduleTime } from './schedule-time.ts';

const HOUR_MS = 3_600_000;

function window(
  schedule: string,
  hours: number,
  instances: number,
  timeZone = 'Europe/Berlin',
): KeepWarmWindow {
  return { when: parseScheduleTime(schedule)!, timeZone, lengthMs: hours * HOUR_MS, instances };
}

/** Instances, and until when, as text. */
function kept(
  at: string,
  keepWarm: readonly KeepWarmWindow[],
  minInstances = 1,
): [number, string | undefined] {
  const { instances, untilMs } = keptAt({ minInstances, keepWarm }, Date.parse(at));
  return [instances, untilMs === undefined ? undefined : new Date(untilMs).toISOString().slice(0, 16)];
}

describe('keep-warm windows', () => {
  const office = window('0 8 * * 1-5', 10, 4);

  it('are open from their instant to just before their end', () => {
    // Friday the 13th of March 2026; Berlin is an hour ahead of UTC.
    assert.deepEqual(kept('2026-03-13T06:59:59.999Z', [office]), [1, '2026-03-13T07:00']);
    assert.deepEqual(kept('2026-03-13T07:00:00.000Z', [office]), [4, '2026-03-13T17:00']);
    assert.deepEqual(kept('2026-03-13T16:59:59.999Z', [office]), [4, '2026-03-13T17:00']);
    assert.deepEqual(kept('2026-03-13T17:00:00.000Z', [office]), [1, '2026-03-16T07:00']);
  });

  it('follow the clocks of their zone', () => {
    assert.deepEqual(kept('2026-03-30T05:59:59Z', [office]), [1, '2026-03-30T06:00']);
    assert.deepEqual(kept('2026-03-30T06:00:00Z', [office]), [4, '2026-03-30T16:00']);
  });

  it('that are open together give the most that one of them wants, and never fewer than the minimum', () => {
    const noon = window('0 12 * * *', 2, 6);
    assert.deepEqual(kept('2026-03-13T10:00:00Z', [office, noon]), [4, '2026-03-13T11:00']);
    assert.deepEqual(kept('2026-03-13T11:00:00Z', [office, noon]), [6, '2026-03-13T13:00']);
    assert.deepEqual(kept('2026-03-13T11:00:00Z', [office, noon], 9), [9, '2026-03-13T13:00']);
  });

  it('go on into each other where the next opens before the last one ends', () => {
    const always = window('0 0 * * *', 24, 2, 'UTC');
    for (const at of ['2026-03-13T00:00:00Z', '2026-03-13T23:59:59Z', '2026-03-14T00:00:00Z'])
      assert.equal(kept(at, [always])[0], 2, at);
  });

  it('of one instant are over for good', () => {
    const once = window('at 2026-11-27T06:00', 4, 3);
    assert.deepEqual(kept('2026-11-27T04:00:00Z', [once]), [1, '2026-11-27T05:00']);
    assert.deepEqual(kept('2026-11-27T05:00:00Z', [once]), [3, '2026-11-27T09:00']);
    assert.deepEqual(kept('2026-11-27T09:00:00Z', [once]), [1, undefined]);
  });
});
