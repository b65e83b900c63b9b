/**
 * When a schedule is due. Three forms, all in a time zone: `cron` (five fields, or six with seconds first), `rate`
 * (`every 5m`) and `at` (once).
 *
 * Policy for daylight-saving changes: an instant that a cron expression names inside a gap is due at the first moment
 * after it; one that names a fixed time inside a repeated hour is due once, the first time round; expressions that run
 * through every hour or minute run through repeated ones too. `at` inside a gap counts on from before it, inside a
 * repeated hour it is the first one. A rate is unmoved: it counts in elapsed time from the epoch, so that it needs no
 * memory of when it began.
 */
import { Cron } from 'croner';

export type ScheduleTime =
  | { readonly kind: 'cron'; readonly expression: string }
  | { readonly kind: 'rate'; readonly everyMs: number }
  /** Local wall time `YYYY-MM-DDTHH:MM:SS`, or with `Z` or an offset. */
  | { readonly kind: 'at'; readonly time: string };

/** The shortest rate, in milliseconds. */
export const RATE_MS_MIN = 1_000;
/** The longest rate: a year. */
export const RATE_MS_MAX = 366 * 86_400_000;

const MS_BY_UNIT: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const WORDS: Readonly<Record<string, string>> = { second: 's', minute: 'm', hour: 'h', day: 'd' };
const RATE = /^(?:every\s+|rate\()\s*(?:(\d+)\s*)?(s|m|h|d|(?:second|minute|hour|day)s?)\s*\)?$/;
const AT = /^at[\s(]\s*(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)\s*\)?$/;

/** What `parseScheduleTime` accepts, for messages. */
export const SCHEDULE_EXPECTED =
  'a cron expression such as `0 3 * * *`, `every 5m`, or `at 2026-03-01T09:00`';

/** Reads the text of a schedule. `undefined`: it is none; its cron expression is checked too. */
export function parseScheduleTime(text: string): ScheduleTime | undefined {
  const plain = text.trim();
  const rate = RATE.exec(plain);
  if (rate !== null) {
    const unit = rate[2]!.length === 1 ? rate[2]! : WORDS[rate[2]!.replace(/s$/, '')]!;
    const everyMs = Number(rate[1] ?? 1) * MS_BY_UNIT[unit]!;
    return everyMs >= RATE_MS_MIN && everyMs <= RATE_MS_MAX ? { kind: 'rate', everyMs } : undefined;
  }
  const at = AT.exec(plain);
  if (at !== null) {
    const time = at[1]!.replace(' ', 'T');
    return Number.isNaN(instantOf(time, 'UTC')) ? undefined : { kind: 'at', time };
  }
  return isCron(plain) ? { kind: 'cron', expression: plain } : undefined;
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The first due instant after `afterMs`, in epoch milliseconds; `undefined`: there is none any more. */
export function nextDueMs(when: ScheduleTime, timeZone: string, afterMs: number): number | undefined {
  switch (when.kind) {
    case 'rate':
      return (Math.floor(afterMs / when.everyMs) + 1) * when.everyMs;
    case 'at': {
      const dueMs = instantOf(when.time, timeZone);
      return dueMs > afterMs ? dueMs : undefined;
    }
    case 'cron':
      return cronOf(when.expression, timeZone).nextRun(new Date(afterMs))?.getTime();
  }
}

/** Windows in which the last instant of a cron expression is looked for: most have one in the first. */
const LOOK_BACK_MS = [60_000, 3_600_000, 86_400_000, 32 * 86_400_000, 366 * 86_400_000, 8 * 366 * 86_400_000];

/** The last due instant after `afterMs` and not after `untilMs`; `undefined`: there was none. */
export function lastDueMs(
  when: ScheduleTime,
  timeZone: string,
  afterMs: number,
  untilMs: number,
): number | undefined {
  if (when.kind !== 'cron') {
    const dueMs =
      when.kind === 'at' ? instantOf(when.time, timeZone) : Math.floor(untilMs / when.everyMs) * when.everyMs;
    return dueMs > afterMs && dueMs <= untilMs ? dueMs : undefined;
  }
  for (const windowMs of LOOK_BACK_MS) {
    const fromMs = Math.max(afterMs, untilMs - windowMs);
    const first = nextDueMs(when, timeZone, fromMs);
    if (first !== undefined && first <= untilMs) return lastFrom(first, when, timeZone, untilMs);
    if (fromMs === afterMs) return undefined;
  }
  return undefined;
}

/** The last due instant of `firstMs` and those after it, until then. By halves: there may be thousands between. */
function lastFrom(firstMs: number, when: ScheduleTime, timeZone: string, untilMs: number): number {
  let lastMs = firstMs;
  // Nothing is due after this.
  let endMs = untilMs;
  for (;;) {
    const nextMs = nextDueMs(when, timeZone, lastMs) ?? Number.POSITIVE_INFINITY;
    if (nextMs > endMs) return lastMs;
    lastMs = nextMs;
    const middleMs = Math.floor((lastMs + endMs) / 2);
    const laterMs = nextDueMs(when, timeZone, middleMs) ?? Number.POSITIVE_INFINITY;
    if (laterMs > endMs) endMs = middleMs;
    else lastMs = laterMs;
  }
}

/** Compiled expressions, because compiling costs more than asking. */
const compiled = new Map<string, Cron>();
const COMPILED_MAX = 10_000;

function cronOf(expression: string, timeZone: string): Cron {
  const key = `${timeZone} ${expression}`;
  let cron = compiled.get(key);
  if (cron === undefined) {
    if (compiled.size >= COMPILED_MAX) compiled.clear();
    cron = new Cron(expression, { timezone: timeZone, paused: true });
    compiled.set(key, cron);
  }
  return cron;
}

function isCron(text: string): boolean {
  const fields = text.split(/\s+/).length;
  if (!text.startsWith('@') && fields !== 5 && fields !== 6) return false;
  try {
    return new Cron(text, { paused: true, timezone: 'UTC' }).nextRun(new Date(0)) !== null;
  } catch {
    return false;
  }
}

/** Epoch milliseconds of `2026-03-01T09:00`, in the zone unless it names its own offset; NaN: no such time. */
function instantOf(time: string, timeZone: string): number {
  if (/(?:Z|[+-]\d\d:\d\d)$/.test(time)) return Date.parse(time);
  const wallMs = Date.parse(`${time}Z`);
  if (Number.isNaN(wallMs)) return Number.NaN;
  // The offsets before and after any change nearby; the earlier instant that shows this wall time is it. In a gap
  // none does, and counting on with the offset from before is what clocks that were not set would show.
  const before = wallMs - offsetMs(wallMs - 86_400_000, timeZone);
  const after = wallMs - offsetMs(wallMs + 86_400_000, timeZone);
  const fitting = [before, after].filter((instant) => instant + offsetMs(instant, timeZone) === wallMs);
  return fitting.length === 0 ? before : Math.min(...fitting);
}

/** How far the zone's clocks are ahead of UTC at an instant. */
function offsetMs(instantMs: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(instantMs);
  const of = (type: string): number => Number(parts.find((part) => part.type === type)!.value);
  const shown = Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
  return shown - Math.floor(instantMs / 1_000) * 1_000;
}
