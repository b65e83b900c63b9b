import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { ManualClock } from '../../base/manual-clock.ts';
import { createSeededRandom } from '../../base/random.ts';
import type { CloudEvent } from '../../model/cloud-event.ts';
import { parseScheduleTime } from '../../model/schedule-time.ts';
import { DELIVERY_DEFAULTS, type ScheduleSource, type Trigger, type TriggerId } from '../../model/trigger.ts';
import type { Published } from '../../ports/event-bus.ts';
import type { Source } from '../../ports/source.ts';
import { MISSED_MAX, scheduleSources } from './schedule-source.ts';
import { sealEvent } from '../../model/sealed-event.ts';

/** What the log would hold, and a source that is opened on it again and again. */
class Bench {
  readonly clock: ManualClock;
  readonly stored = new Map<string, CloudEvent>();
  position: string | undefined;
  isBusy = false;
  /** Fails the next publications, before or after they were stored. */
  breaks: 'before' | 'after' | undefined;
  readonly #settings: ScheduleSource;
  #source: Source | undefined;

  constructor(startIso: string, schedule: string, timeZone: string, more: Partial<ScheduleSource> = {}) {
    this.clock = new ManualClock(Date.parse(startIso));
    const when = parseScheduleTime(schedule)!;
    const policy = { missed: 'all', jitterMs: 0, overlap: 'allow' } as const;
    this.#settings = { kind: 'schedule', when, timeZone, ...policy, ...more };
  }

  get status() {
    return this.#source!.status();
  }

  /** Instants of the events so far, in UTC. */
  get instants(): string[] {
    return [...this.stored.values()].map(({ time }) => time!.replace(':00.000Z', 'Z'));
  }

  async open(): Promise<void> {
    this.#source = scheduleSources.open({
      id: 'shop/nightly' as TriggerId,
      app: 'shop' as never,
      trigger: { source: this.#settings, delivery: DELIVERY_DEFAULTS } as unknown as Trigger,
      position: this.position,
      clock: this.clock,
      random: createSeededRandom(1),
      log: silentLog,
      publish: async (events, position) =>
        this.#publish(
          events.map((each) => sealEvent(each).parsed),
          position,
        ),
      secret: async () => undefined,
      address: () => Promise.reject(new Error('a schedule connects to nothing')),
      alert: async () => {},
      isBusy: async () => this.isBusy,
    });
    await this.settle();
  }

  async close(): Promise<void> {
    await this.#source?.close();
  }

  runNow(): Promise<void> {
    return this.#source!.runNow!();
  }

  /** Lets time pass in steps, each long enough for the source to do all it wants to. */
  async pass(ms: number, stepMs = 60_000): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(stepMs, left));
      await this.settle();
    }
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  #publish(events: readonly CloudEvent[], position: string | undefined): Published[] {
    const breaks = events.length > 0 ? this.breaks : undefined;
    if (breaks !== undefined) this.breaks = undefined;
    if (breaks === 'before') throw new Error('the disk is full');
    // As the log does: an event with the same id is the same event.
    for (const event of events) this.stored.set(event.id, event);
    if (position !== undefined && breaks === undefined) this.position = position;
    if (breaks === 'after') throw new Error('the answer was lost');
    return [];
  }
}

const HOUR_MS = 3_600_000;

/** Each: what it is, the zone, the schedule, the start, and the instants of the following two days. */
const CHANGES: readonly (readonly [string, string, string, string, readonly string[]])[] = [
  [
    'Berlin, gap: at its end',
    'Europe/Berlin',
    '30 2 * * *',
    '2026-03-28T12:00:00Z',
    ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
  ],
  [
    'Berlin, repeated hour: once',
    'Europe/Berlin',
    '30 2 * * *',
    '2026-10-24T12:00:00Z',
    ['2026-10-25T00:30Z', '2026-10-26T01:30Z'],
  ],
  [
    'New York, gap',
    'America/New_York',
    '30 2 * * *',
    '2026-03-07T12:00:00Z',
    ['2026-03-08T07:00Z', '2026-03-09T06:30Z'],
  ],
  [
    'New York, repeated hour',
    'America/New_York',
    '30 1 * * *',
    '2026-10-31T12:00:00Z',
    ['2026-11-01T05:30Z', '2026-11-02T06:30Z'],
  ],
  [
    'Lord Howe, gap of half an hour',
    'Australia/Lord_Howe',
    '15 2 * * *',
    '2026-10-03T00:00:00Z',
    ['2026-10-03T15:30Z', '2026-10-04T15:15Z'],
  ],
  [
    'Lord Howe, repeated half hour',
    'Australia/Lord_Howe',
    '45 1 * * *',
    '2026-04-04T00:00:00Z',
    ['2026-04-04T14:45Z', '2026-04-05T15:15Z'],
  ],
  [
    'Sao Paulo, gap at midnight',
    'America/Sao_Paulo',
    '0 0 * * *',
    '2018-11-03T12:00:00Z',
    ['2018-11-04T03:00Z', '2018-11-05T02:00Z'],
  ],
  [
    'Sao Paulo, repeated hour before midnight',
    'America/Sao_Paulo',
    '30 23 * * *',
    '2018-02-17T12:00:00Z',
    ['2018-02-18T01:30Z', '2018-02-19T02:30Z'],
  ],
];

describe('schedules over daylight-saving changes', () => {
  for (const [what, timeZone, schedule, start, expected] of CHANGES)
    for (const restarts of [false, true])
      it(`${what}${restarts ? ', with restarts across every instant' : ''}`, async () => {
        const bench = new Bench(start, schedule, timeZone);
        await bench.open();
        for (let hour = 0; hour < 48; hour += 1) {
          if (!restarts) await bench.pass(HOUR_MS);
          else {
            // Down for most of each hour, and up a few minutes.
            await bench.close();
            bench.clock.advance(HOUR_MS - 240_000);
            await bench.open();
            await bench.pass(240_000);
          }
        }
        await bench.close();
        assert.deepEqual(bench.instants, expected);
      });

  it('runs through the whole of a repeated hour when it names every minute', async () => {
    const bench = new Bench('2026-10-24T23:59:30Z', '*/15 * * * *', 'Europe/Berlin');
    await bench.open();
    await bench.pass(3 * HOUR_MS);
    await bench.close();
    assert.equal(new Set(bench.instants).size, 12);
    assert.deepEqual(bench.instants.slice(-2), ['2026-10-25T02:30Z', '2026-10-25T02:45Z']);
  });
});

describe('schedules', () => {
  it('make one event an instant, whatever breaks on the way', async () => {
    const bench = new Bench('2026-01-01T00:00:30Z', '* * * * *', 'UTC');
    await bench.open();
    for (let minute = 0; minute < 12; minute += 1) {
      bench.breaks = minute % 3 === 0 ? 'before' : minute % 3 === 1 ? 'after' : undefined;
      if (minute % 4 === 0) {
        await bench.close();
        await bench.open();
      }
      await bench.pass(60_000, 1_000);
    }
    await bench.close();
    assert.deepEqual(
      bench.instants,
      Array.from({ length: 12 }, (_, at) => `2026-01-01T00:${String(at + 1).padStart(2, '0')}Z`),
    );
  });

  for (const [missed, expected] of [
    ['skip', []],
    ['last', ['2026-01-01T05:00Z']],
    [
      'all',
      [
        '2026-01-01T01:00Z',
        '2026-01-01T02:00Z',
        '2026-01-01T03:00Z',
        '2026-01-01T04:00Z',
        '2026-01-01T05:00Z',
      ],
    ],
  ] as const)
    it(`deal with missed instants by ${missed}`, async () => {
      const bench = new Bench('2026-01-01T00:30:00Z', 'every 1h', 'UTC', { missed });
      await bench.open();
      await bench.close();
      bench.clock.advance(5 * HOUR_MS);
      await bench.open();
      assert.deepEqual(bench.instants, expected);
      assert.ok([...bench.stored.values()].every(({ data }) => (data as { missed: boolean }).missed));
      await bench.pass(HOUR_MS);
      await bench.close();
      assert.deepEqual(bench.instants, [...expected, '2026-01-01T06:00Z']);
    });

  it('make up for so many missed ones and no more', async () => {
    const bench = new Bench('2026-01-01T00:00:00Z', 'every 1m', 'UTC');
    await bench.open();
    await bench.close();
    bench.clock.advance((MISSED_MAX + 10) * 60_000);
    await bench.open();
    await bench.close();
    assert.equal(bench.stored.size, MISSED_MAX);
  });

  it('are put off by the same jitter, however often they are looked at', async () => {
    const open = async (restarts: boolean): Promise<number[]> => {
      const bench = new Bench('2026-01-01T00:30:00Z', '0 * * * *', 'UTC', { jitterMs: 1_800_000 });
      const atMs: number[] = [];
      await bench.open();
      for (let minute = 0; minute < 300; minute += 1) {
        const before = bench.stored.size;
        if (restarts) {
          await bench.close();
          await bench.open();
        }
        await bench.pass(60_000);
        if (bench.stored.size > before) atMs.push(bench.clock.nowMs());
      }
      await bench.close();
      return atMs;
    };
    const [plain, restarted] = [await open(false), await open(true)];
    assert.equal(plain.length, 5);
    assert.deepEqual(plain, restarted);
    assert.ok(new Set(plain.map((ms) => ms % HOUR_MS)).size > 2);
  });

  it('leave an instant out while the one before is busy, when told so', async () => {
    const bench = new Bench('2026-01-01T00:30:00Z', 'every 1h', 'UTC', { overlap: 'skip' });
    await bench.open();
    bench.isBusy = true;
    await bench.pass(HOUR_MS);
    bench.isBusy = false;
    await bench.pass(HOUR_MS);
    await bench.close();
    assert.deepEqual(bench.instants, ['2026-01-01T02:00Z']);
  });

  it('fire once at their time, and never for a time that was past', async () => {
    const once = new Bench('2026-03-28T12:00:00Z', 'at 2026-03-29T02:30', 'Europe/Berlin');
    await once.open();
    assert.equal(new Date(once.status.nextMs!).toISOString(), '2026-03-29T01:30:00.000Z');
    await once.pass(48 * HOUR_MS);
    assert.deepEqual([once.instants, once.status.nextMs], [['2026-03-29T01:30Z'], undefined]);
    await once.close();
    const past = new Bench('2026-03-28T12:00:00Z', 'at 2026-03-28T11:00:00Z', 'UTC');
    await past.open();
    await past.pass(HOUR_MS);
    await past.close();
    assert.deepEqual(past.instants, []);
  });

  it('run now besides, without moving their position', async () => {
    const bench = new Bench('2026-01-01T00:30:00Z', 'every 1h', 'UTC');
    await bench.open();
    const { position } = bench;
    await bench.runNow();
    await bench.runNow();
    assert.equal(bench.stored.size, 2);
    assert.equal(bench.position, position);
    await bench.close();
  });

  it('begin anew when their expression changes', async () => {
    const bench = new Bench('2026-01-01T00:30:00Z', 'every 1h', 'UTC');
    await bench.open();
    await bench.close();
    const other = new Bench('2026-01-01T05:30:00Z', 'every 2h', 'UTC');
    other.position = bench.position;
    await other.open();
    assert.deepEqual(other.instants, []);
    await other.pass(HOUR_MS);
    await other.close();
    assert.deepEqual(other.instants, ['2026-01-01T06:00Z']);
  });
});

describe('texts of schedules', () => {
  for (const [text, kind] of [
    ['*/5 * * * *', 'cron'],
    ['0 */5 * * * *', 'cron'],
    ['@daily', 'cron'],
    ['every 5m', 'rate'],
    ['every minute', 'rate'],
    ['every 2 days', 'rate'],
    ['rate(5 minutes)', 'rate'],
    ['at 2026-03-01T09:00', 'at'],
    ['at 2026-03-01 09:00:30', 'at'],
    ['at(2026-03-01T09:00:00)', 'at'],
    ['at 2026-03-01T09:00+02:00', 'at'],
    ['every 0s', undefined],
    ['every 500ms', undefined],
    ['61 * * * *', undefined],
    ['* * *', undefined],
    ['at 2026-13-01T09:00', undefined],
    ['tomorrow', undefined],
  ] as const)
    it(`${text}: ${kind}`, () => {
      assert.equal(parseScheduleTime(text)?.kind, kind);
    });
});
