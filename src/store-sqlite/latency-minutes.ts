import type { DatabaseSync } from 'node:sqlite';
import type { AppName, FunctionName } from '../model/function.ts';
import { LATENCY_BUCKETS, latencyBucketOf } from '../model/latency-buckets.ts';
import { LATENCY_MINUTES } from '../ports/latency.ts';
import type { LatencyMinute } from '../ports/telemetry-store.ts';
import { COLUMN, columnOf, type InvocationColumns } from './invocation-columns.ts';
import type { FunctionNumbers } from './log-lines.ts';
import { bytesOf, numberOf, optionalNumberOf, textOf } from './row.ts';

/*
 * How long calls took, counted by minute and function in the transaction that stores the invocations: a busy platform
 * keeps the invocations themselves for less than the hour that percentiles are shown of.
 */

const MINUTE_MS = 60_000;
const BLOB_BYTES = LATENCY_BUCKETS * Uint32Array.BYTES_PER_ELEMENT;
/** Minutes of functions that are told at once: of some hundred functions, each minute of the hour. */
export const LATENCY_ROWS_MAX = 30_000;

export function createLatencyWriter(db: DatabaseSync, functionNumber: FunctionNumbers) {
  const find = db.prepare('SELECT counts FROM latency_minutes WHERE start_ms = ? AND function = ?');
  const put = db.prepare(`
    INSERT INTO latency_minutes (start_ms, function, counts) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET counts = excluded.counts`);
  const newest = db.prepare('SELECT max(start_ms) AS ms FROM latency_minutes');
  const remove = db.prepare('DELETE FROM latency_minutes WHERE start_ms < ?');
  return {
    add(columns: InvocationColumns): void {
      for (const { startMs, site, counts } of countByMinute(columns)) {
        const { app, function: name } = columns.sites[site]!;
        const id = functionNumber(app, name);
        const row = find.get(startMs, id);
        if (row !== undefined) addCounts(counts, bytesOf(row, 'counts'));
        put.run(startMs, id, toBlob(counts));
      }
    },
    prune(): void {
      const ms = optionalNumberOf(newest.get()!, 'ms');
      if (ms !== undefined) remove.run(ms - LATENCY_MINUTES * MINUTE_MS);
    },
  };
}

export function createLatencyReads(db: DatabaseSync) {
  const list = db.prepare(`
    SELECT l.start_ms, f.app, f.name, l.counts FROM latency_minutes l
    JOIN telemetry_functions f ON f.id = l.function
    WHERE l.start_ms >= ? ORDER BY l.start_ms DESC LIMIT ${LATENCY_ROWS_MAX}`);
  return {
    latencyMinutes: (fromMs: number): LatencyMinute[] =>
      list.all(fromMs).map((row) => {
        const counts = new Uint32Array(LATENCY_BUCKETS);
        addCounts(counts, bytesOf(row, 'counts'));
        return {
          startMs: numberOf(row, 'start_ms'),
          app: textOf(row, 'app') as AppName,
          function: textOf(row, 'name') as FunctionName,
          counts,
        };
      }),
  };
}

interface Counted {
  readonly startMs: number;
  readonly site: number;
  readonly counts: Uint32Array;
}

/** One pass over the records; each of one minute and site. Neighbours mostly share one. */
function countByMinute(columns: InvocationColumns): Iterable<Counted> {
  const arrived = columnOf(columns, COLUMN.arrivedMs);
  const sites = columnOf(columns, COLUMN.site);
  const queue = columnOf(columns, COLUMN.queueUs);
  const start = columnOf(columns, COLUMN.startUs);
  const run = columnOf(columns, COLUMN.runUs);
  const found = new Map<string, Counted>();
  let last: Counted | undefined;
  for (let row = 0; row < columns.count; row += 1) {
    const startMs = Math.floor(arrived[row]! / MINUTE_MS) * MINUTE_MS;
    const site = sites[row]!;
    if (last === undefined || last.site !== site || last.startMs !== startMs) {
      const key = `${startMs}/${site}`;
      last = found.get(key);
      if (last === undefined) {
        last = { startMs, site, counts: new Uint32Array(LATENCY_BUCKETS) };
        found.set(key, last);
      }
    }
    last.counts[latencyBucketOf(queue[row]! + start[row]! + run[row]!)]! += 1;
  }
  return found.values();
}

function toBlob(counts: Uint32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(BLOB_BYTES));
  counts.forEach((count, bucket) => {
    view.setUint32(bucket * Uint32Array.BYTES_PER_ELEMENT, count, true);
  });
  return new Uint8Array(view.buffer);
}

function addCounts(counts: Uint32Array, blob: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket += 1)
    counts[bucket]! += view.getUint32(bucket * Uint32Array.BYTES_PER_ELEMENT, true);
}
