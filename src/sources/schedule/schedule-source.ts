import { createHash } from 'node:crypto';
import type { Timer } from '../../base/clock.ts';
import type { CloudEvent } from '../../model/cloud-event.ts';
import { lastDueMs, nextDueMs } from '../../model/schedule-time.ts';
import type { ScheduleSource as ScheduleSettings } from '../../model/trigger.ts';
import type { Source, SourceContext, SourceFactory, SourceStatus } from '../../ports/source.ts';

/*
 * Schedules. Each due instant is one event, whose id is made of the instant: read twice, after a crash between storing
 * and remembering, it is stored once. The position is the last instant that was dealt with; it moves in the same step
 * as the event is stored.
 *
 * Instants are computed from one another, never from the time at which the platform looks, so that restarts and
 * daylight-saving changes (model/schedule-time.ts) neither add nor lose one. Those that passed unseen (the platform was
 * down, the machine slept) are dealt with by `missed`.
 */

export const SCHEDULE_EVENT_TYPE = 'lambent.schedule';
/** With `missed: all`, at most so many instants are made up for; the older ones are left out, and the log says so. */
export const MISSED_MAX = 1_000;
/** The longest sleep: after it the wall clock is looked at again, which may have been set. */
const SLEEP_MS_MAX = 60_000;
/** An instant is late, not missed, within this time. */
const LATE_MS = 30_000;
/** After events could not be stored, the next attempt comes after this. */
const RETRY_MS = 1_000;

interface Position {
  /** The settings to which the instant belongs: with others, counting begins anew. */
  readonly schedule: string;
  readonly lastMs: number;
}

class ClockSource implements Source {
  readonly #context: SourceContext;
  readonly #settings: ScheduleSettings;
  readonly #schedule: string;
  #lastMs: number;
  #isKnown: boolean;
  #timer: Timer | undefined;
  #trouble: string | undefined;
  #isClosed = false;

  constructor(context: SourceContext, settings: ScheduleSettings) {
    this.#context = context;
    this.#settings = settings;
    this.#schedule = JSON.stringify([settings.when, settings.timeZone]);
    const before = parsePosition(context.position);
    this.#isKnown = before?.schedule === this.#schedule;
    this.#lastMs = this.#isKnown ? before!.lastMs : context.clock.nowMs();
    void this.#look(true);
  }

  status(): SourceStatus {
    return { nextMs: this.#nextMs(), trouble: this.#trouble };
  }

  readonly runNow = async (): Promise<void> => {
    const { random, clock } = this.#context;
    const id = `manual-${Buffer.from(random.bytes(16)).toString('hex')}`;
    await this.#context.publish([this.#event(id, clock.nowMs(), { manual: true })], undefined);
  };

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #nextMs(): number | undefined {
    const dueMs = nextDueMs(this.#settings.when, this.#settings.timeZone, this.#lastMs);
    return dueMs === undefined ? undefined : dueMs + this.#jitterOf(dueMs);
  }

  /** Deals with what is due, then sleeps until the next instant. */
  async #look(isStart: boolean): Promise<void> {
    const { clock, log, id } = this.#context;
    try {
      // Where counting begins is remembered, so that what passes while the platform is down is known to have passed.
      if (!this.#isKnown) await this.#context.publish([], this.#position(this.#lastMs));
      this.#isKnown = true;
      for (
        let nextMs = this.#nextMs();
        nextMs !== undefined && nextMs <= clock.nowMs() && !this.#isClosed;
      ) {
        await this.#fire(isStart);
        nextMs = this.#nextMs();
      }
      this.#trouble = undefined;
    } catch (error) {
      this.#trouble = String(error);
      log.error('a schedule could not be stored; trying again', { trigger: id, error: this.#trouble });
      this.#sleep(RETRY_MS);
      return;
    }
    const nextMs = this.#nextMs();
    if (nextMs !== undefined) this.#sleep(nextMs - clock.nowMs());
  }

  #sleep(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = this.#context.clock.after(
      Math.max(0, Math.min(ms, SLEEP_MS_MAX)),
      () => void this.#look(false),
    );
  }

  /** Stores the events of everything that is due by now, as far as `missed` and `overlap` want them. */
  async #fire(isStart: boolean): Promise<void> {
    const { when, timeZone, missed, overlap } = this.#settings;
    const nowMs = this.#context.clock.nowMs();
    let lastMs = lastDueMs(when, timeZone, this.#lastMs, nowMs)!;
    while (lastMs + this.#jitterOf(lastMs) > nowMs)
      lastMs = lastDueMs(when, timeZone, this.#lastMs, lastMs - 1)!;
    const firstMs = nextDueMs(when, timeZone, this.#lastMs)!;
    const onTime = !isStart && nowMs - lastMs - this.#jitterOf(lastMs) <= LATE_MS;
    let instants: number[];
    // One that came in its turn, whatever is to be done about missed ones.
    if (firstMs === lastMs && onTime) instants = [lastMs];
    else if (missed === 'all') instants = this.#allUntil(lastMs);
    else instants = missed === 'last' || onTime ? [lastMs] : [];
    if (overlap === 'skip' && instants.length > 0) {
      if (await this.#context.isBusy()) instants = [];
      else instants = instants.slice(-1);
    }
    const events = instants.map((dueMs) => {
      const isMissed = dueMs !== lastMs || !onTime;
      return this.#event(new Date(dueMs).toISOString(), dueMs, { missed: isMissed });
    });
    await this.#context.publish(events, this.#position(lastMs));
    this.#lastMs = lastMs;
  }

  #allUntil(lastMs: number): number[] {
    const { when, timeZone } = this.#settings;
    const instants: number[] = [];
    let left = 0;
    for (let dueMs = nextDueMs(when, timeZone, this.#lastMs); dueMs !== undefined && dueMs <= lastMs; ) {
      instants.push(dueMs);
      if (instants.length > MISSED_MAX) {
        instants.shift();
        left += 1;
      }
      dueMs = nextDueMs(when, timeZone, dueMs);
    }
    if (left > 0)
      this.#context.log.error(
        'a schedule missed more instants than are made up for; the oldest are left out',
        {
          trigger: this.#context.id,
          left,
          limit: MISSED_MAX,
        },
      );
    return instants;
  }

  #event(id: string, dueMs: number, more: object): CloudEvent {
    const time = new Date(dueMs).toISOString();
    return {
      specversion: '1.0',
      id,
      source: `/lambent/schedules/${this.#context.id}`,
      type: SCHEDULE_EVENT_TYPE,
      subject: this.#context.id,
      time,
      datacontenttype: 'application/json',
      data: { scheduledTime: time, timeZone: this.#settings.timeZone, ...more },
    };
  }

  #position(lastMs: number): string {
    return JSON.stringify({ schedule: this.#schedule, lastMs } satisfies Position);
  }

  /** Drawn from the instant itself: the same after a restart. */
  #jitterOf(dueMs: number): number {
    const { jitterMs } = this.#settings;
    if (jitterMs === 0) return 0;
    const drawn = createHash('sha256').update(`${this.#context.id} ${dueMs}`).digest().readUInt32BE();
    return Math.floor((drawn / 0x1_0000_0000) * jitterMs);
  }
}

function parsePosition(text: string | undefined): Position | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as Position);
}

export const scheduleSources: SourceFactory = {
  kind: 'schedule',
  open: (context) => new ClockSource(context, context.trigger.source as ScheduleSettings),
};
