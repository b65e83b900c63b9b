import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AppName, FunctionName } from '../model/function.ts';
import { INVOCATION_STATUSES, isFailure } from '../model/invocation.ts';
import type { UsageRow } from '../ports/telemetry-store.ts';
import { COLUMN, columnOf, type InvocationColumns } from './invocation-columns.ts';
import type { FunctionNumbers } from './log-lines.ts';
import { numberOf, optionalNumberOf, textOf } from './row.ts';

/*
 * Sums of use by minute and by hour, written in the transaction that stores the invocations: they stay exact when
 * the invocations themselves are pruned. Minutes are kept for two days; older spans are known by the hour.
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** How long sums by minute are kept behind the newest, in milliseconds. */
export const USAGE_MINUTES_KEPT_MS = 48 * HOUR_MS;
/** How long sums by hour are kept behind the age at which invocations go, in milliseconds. */
export const USAGE_HOURS_KEPT_MS = 400 * 24 * HOUR_MS;

/** By place of a status in the list, as it is stored. */
const FAILURES = INVOCATION_STATUSES.map(isFailure);

interface Sum {
  readonly startMs: number;
  readonly site: number;
  readonly memoryMb: number;
  invocations: number;
  errors: number;
  coldStarts: number;
  billedMs: number;
}

export function createUsageWriter(db: DatabaseSync, functionNumber: FunctionNumbers) {
  const addMinute = prepareAdd(db, 'usage_minutes');
  const addHour = prepareAdd(db, 'usage_hours');
  const minutesKeptFrom = prepareMinutesKeptFrom(db);
  const keepMinutesFrom = db.prepare(`
    INSERT INTO counters (name, value) VALUES ('usage_minutes_from', ?1)
    ON CONFLICT (name) DO UPDATE SET value = max(value, ?1)`);
  const newestMinute = db.prepare('SELECT max(start_ms) AS ms FROM usage_minutes');
  const removeMinutes = db.prepare('DELETE FROM usage_minutes WHERE start_ms < ?');
  const removeHours = db.prepare('DELETE FROM usage_hours WHERE start_ms < ?');

  return {
    add(columns: InvocationColumns): void {
      const functions = columns.sites.map((site) => functionNumber(site.app, site.function));
      for (const [statement, spanMs, fromMs] of [
        // A call that ran for days may end after the minutes of its arrival are gone: then its hour alone counts it.
        [addMinute, MINUTE_MS, minutesKeptFrom()],
        [addHour, HOUR_MS, Number.NEGATIVE_INFINITY],
      ] as const) {
        for (const sum of sumBySpan(columns, spanMs)) {
          if (sum.startMs < fromMs) continue;
          const { startMs, memoryMb, invocations, errors, coldStarts, billedMs } = sum;
          const id = functions[sum.site]!;
          const billedMbMs = billedMs * memoryMb;
          statement.run(startMs, id, memoryMb, invocations, errors, coldStarts, billedMs, billedMbMs);
        }
      }
    },
    prune(beforeMs: number): void {
      const newest = optionalNumberOf(newestMinute.get()!, 'ms');
      if (newest !== undefined) {
        // Whole hours, so that what remains of an hour is all of it.
        const fromMs = floorTo(newest - USAGE_MINUTES_KEPT_MS, HOUR_MS);
        keepMinutesFrom.run(fromMs);
        removeMinutes.run(fromMs);
      }
      removeHours.run(floorTo(beforeMs - USAGE_HOURS_KEPT_MS, HOUR_MS));
    },
  };
}

/** From when on minutes are known; before that, hours alone. A whole hour. */
function prepareMinutesKeptFrom(db: DatabaseSync): () => number {
  const find = db.prepare("SELECT value FROM counters WHERE name = 'usage_minutes_from'");
  return () => {
    const row = find.get();
    return row === undefined ? Number.NEGATIVE_INFINITY : numberOf(row, 'value');
  };
}

function prepareAdd(db: DatabaseSync, table: string): StatementSync {
  return db.prepare(`
    INSERT INTO ${table}
      (start_ms, function, memory_mb, invocations, errors, cold_starts, billed_ms, billed_mb_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
      invocations = invocations + excluded.invocations,
      errors = errors + excluded.errors,
      cold_starts = cold_starts + excluded.cold_starts,
      billed_ms = billed_ms + excluded.billed_ms,
      billed_mb_ms = billed_mb_ms + excluded.billed_mb_ms`);
}

/** One pass over the records; each sum is of one span, site and memory size. */
function sumBySpan(columns: InvocationColumns, spanMs: number): Iterable<Sum> {
  const arrived = columnOf(columns, COLUMN.arrivedMs);
  const sites = columnOf(columns, COLUMN.site);
  const statuses = columnOf(columns, COLUMN.status);
  const cold = columnOf(columns, COLUMN.cold);
  const billed = columnOf(columns, COLUMN.billedMs);
  const memory = columnOf(columns, COLUMN.memoryMb);
  const sums = new Map<string, Sum>();
  let sum: Sum | undefined;
  for (let row = 0; row < columns.count; row += 1) {
    const startMs = floorTo(arrived[row]!, spanMs);
    const site = sites[row]!;
    const memoryMb = memory[row]!;
    // Neighbours mostly share a sum.
    if (sum === undefined || sum.site !== site || sum.startMs !== startMs || sum.memoryMb !== memoryMb) {
      const key = `${startMs}/${site}/${memoryMb}`;
      sum = sums.get(key);
      if (sum === undefined) {
        sum = { startMs, site, memoryMb, invocations: 0, errors: 0, coldStarts: 0, billedMs: 0 };
        sums.set(key, sum);
      }
    }
    sum.invocations += 1;
    if (FAILURES[statuses[row]!]) sum.errors += 1;
    sum.coldStarts += cold[row]!;
    sum.billedMs += billed[row]!;
  }
  return sums.values();
}

const SUMS = `sum(u.invocations) AS invocations, sum(u.errors) AS errors, sum(u.cold_starts) AS cold_starts,
  sum(u.billed_ms) AS billed_ms, sum(u.billed_mb_ms) AS billed_mb_ms`;

export function createUsageReads(db: DatabaseSync) {
  const minutesKeptFrom = prepareMinutesKeptFrom(db);
  const sum = db.prepare(`
    SELECT f.app, f.name, u.memory_mb, ${SUMS}
    FROM (
      SELECT * FROM usage_hours WHERE start_ms >= :hoursFrom AND start_ms < :hoursTo
      UNION ALL SELECT * FROM usage_minutes WHERE start_ms >= :headFrom AND start_ms < :headTo
      UNION ALL SELECT * FROM usage_minutes WHERE start_ms >= :tailFrom AND start_ms < :tailTo
    ) u JOIN telemetry_functions f ON f.id = u.function
    GROUP BY u.function, u.memory_mb ORDER BY f.app, f.name, u.memory_mb`);

  const usage = (fromMs: number, toMs: number): UsageRow[] => {
    const spans = spansOf(fromMs, toMs, minutesKeptFrom());
    return sum.all({ ...spans }).map((row) => ({
      app: textOf(row, 'app') as AppName,
      function: textOf(row, 'name') as FunctionName,
      memoryMb: numberOf(row, 'memory_mb'),
      invocations: numberOf(row, 'invocations'),
      errors: numberOf(row, 'errors'),
      coldStarts: numberOf(row, 'cold_starts'),
      billedMs: numberOf(row, 'billed_ms'),
      billedMbMs: numberOf(row, 'billed_mb_ms'),
    }));
  };
  return {
    usage,
    usageSteps: (fromMs: number, stepMs: number, steps: number): UsageRow[][] =>
      Array.from({ length: steps }, (_, step) => usage(fromMs + step * stepMs, fromMs + (step + 1) * stepMs)),
  };
}

interface Spans {
  readonly hoursFrom: number;
  readonly hoursTo: number;
  readonly headFrom: number;
  readonly headTo: number;
  readonly tailFrom: number;
  readonly tailTo: number;
}

/** Whole hours, with minutes before and after them where minutes are kept. Edges are widened to whole spans. */
function spansOf(fromMs: number, toMs: number, minutesFrom: number): Spans {
  const from = floorTo(fromMs, fromMs >= minutesFrom ? MINUTE_MS : HOUR_MS);
  const to = Math.max(from, ceilTo(toMs, toMs > minutesFrom ? MINUTE_MS : HOUR_MS));
  const hoursFrom = ceilTo(from, HOUR_MS);
  const hoursTo = floorTo(to, HOUR_MS);
  if (hoursFrom > hoursTo) {
    // Within one hour.
    return { hoursFrom: 0, hoursTo: 0, headFrom: from, headTo: to, tailFrom: 0, tailTo: 0 };
  }
  return { hoursFrom, hoursTo, headFrom: from, headTo: hoursFrom, tailFrom: hoursTo, tailTo: to };
}

function floorTo(ms: number, span: number): number {
  return Math.floor(ms / span) * span;
}

function ceilTo(ms: number, span: number): number {
  return Math.ceil(ms / span) * span;
}
