import { ByteWriter } from './byte-columns.ts';
import { COLUMN, columnOf, type InvocationColumns } from './invocation-columns.ts';
import { idTimeMs, packIds } from './packed-ids.ts';

/*
 * A block: up to some thousand invocations as bytes, in four parts that are read apart. A filter reads the keys
 * alone, a search for text the keys and texts, a look-up by id the ids; the rest is read for what is shown.
 * `block-view.ts` reads what this file writes.
 */

/** The stored form. A change gets the next number, and this file goes on reading the old one. */
export const BLOCK_FORMAT = 2;
/** Most invocations a block is written with; merging may add those of one more block. */
export const BLOCK_RECORDS_MAX = 4_096;
/** A block whose errors would take more than this many characters is split. */
export const BLOCK_ERROR_CHARS_MAX = 4 * 1024 * 1024;
/** Apps, and functions, listed by name beside a block; with more, each search looks inside. */
const NAMES_LISTED_MAX = 256;

/** Parts, by place: the row of a part is the block's id times 4 plus this. */
export const PART = { keys: 0, texts: 1, ids: 2, rest: 3 } as const;
export type Part = (typeof PART)[keyof typeof PART];

/** What a search can know of a block without reading it. */
export interface Zone {
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly idFirstMs: number;
  readonly idLastMs: number;
  readonly statusMask: number;
  readonly triggerMask: number;
  readonly runUsMax: number;
  readonly apps: string | null;
  readonly functions: string | null;
}

export interface EncodedBlock {
  readonly zone: Zone;
  /** By place in PART. */
  readonly parts: readonly Uint8Array[];
}

/** The columns of each part, in stored order. */
export const REST_COLUMNS = [
  // First: a filter reads it alone.
  COLUMN.trigger,
  COLUMN.cold,
  COLUMN.instance,
  COLUMN.queueUs,
  COLUMN.startUs,
  COLUMN.billedMs,
  COLUMN.memoryMb,
  COLUMN.memoryPeakMb,
  COLUMN.httpStatus,
  COLUMN.attempt,
];
export const KEY_COLUMNS = [COLUMN.sequence, COLUMN.arrivedMs, COLUMN.site, COLUMN.status, COLUMN.runUs];

export function encodeBlock(columns: InvocationColumns): EncodedBlock {
  const ids = packIds(columns.ids, columns.count);
  return { zone: zoneOf(columns, ids), parts: [keysOf(columns), textsOf(columns), ids, restOf(columns)] };
}

function keysOf(columns: InvocationColumns): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(columns.count);
  for (const column of KEY_COLUMNS) writer.numbers(columnOf(columns, column));
  // Some hundred small strings at once: JSON takes them out faster than one by one.
  const sites = columns.sites.map(({ app, function: name, version, deployment }) => [
    app,
    name,
    version,
    deployment,
  ]);
  writer.strings([JSON.stringify(sites)]);
  return writer.finish();
}

function textsOf(columns: InvocationColumns): Uint8Array {
  const writer = new ByteWriter();
  writer.numbers(columnOf(columns, COLUMN.summary));
  writer.strings(columns.summaries);
  writer.numbers(columnOf(columns, COLUMN.error));
  writer.strings(columns.errors.map((error) => error.errorType));
  writer.strings(columns.errors.map((error) => error.errorMessage));
  // Since format 2.
  writer.numbers(columnOf(columns, COLUMN.callerRequestId));
  writer.strings(columns.requestIds);
  return writer.finish();
}

function restOf(columns: InvocationColumns): Uint8Array {
  const writer = new ByteWriter();
  for (const column of REST_COLUMNS) writer.numbers(columnOf(columns, column));
  writer.strings(columns.instances);
  writer.strings(columns.errors.map((error) => error.code));
  writer.strings(columns.errors.map((error) => JSON.stringify(error.stackTrace)));
  return writer.finish();
}

function zoneOf(columns: InvocationColumns, ids: Uint8Array): Zone {
  const { count } = columns;
  const arrived = columnOf(columns, COLUMN.arrivedMs);
  const status = columnOf(columns, COLUMN.status);
  const runUs = columnOf(columns, COLUMN.runUs);
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  let idFirstMs = Number.POSITIVE_INFINITY;
  let idLastMs = 0;
  const trigger = columnOf(columns, COLUMN.trigger);
  let statusMask = 0;
  let triggerMask = 0;
  let runUsMax = 0;
  for (let row = 0; row < count; row += 1) {
    firstMs = Math.min(firstMs, arrived[row]!);
    lastMs = Math.max(lastMs, arrived[row]!);
    const idMs = idTimeMs(ids, row * 16);
    idFirstMs = Math.min(idFirstMs, idMs);
    idLastMs = Math.max(idLastMs, idMs);
    statusMask |= 1 << status[row]!;
    triggerMask |= 1 << trigger[row]!;
    runUsMax = Math.max(runUsMax, runUs[row]!);
  }
  const apps = listNames(columns.sites.map((site) => site.app));
  const functions = listNames(columns.sites.map((site) => `${site.app}/${site.function}`));
  return {
    ...{ count, firstMs, lastMs, idFirstMs, idLastMs, statusMask, triggerMask, runUsMax },
    ...{ apps, functions },
  };
}

function listNames(all: readonly string[]): string | null {
  const names = new Set(all);
  return names.size > NAMES_LISTED_MAX ? null : `\n${[...names].join('\n')}\n`;
}
