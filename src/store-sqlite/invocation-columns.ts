import type { AppName, FunctionName, VersionId } from '../model/function.ts';
import { INVOCATION_STATUSES, type InvocationError, TRIGGER_KINDS } from '../model/invocation.ts';
import type { RecordList } from '../ports/telemetry-store.ts';
import { ID_CHARS, refuseId } from './packed-ids.ts';

/*
 * Invocations as columns: the shape in which they leave the gateway's thread, lie in memory while blocks are built
 * and merged, and come back. Turning a record into columns is all that the gateway's thread does for its storage:
 * numbers go into one array that is handed over, not copied, and strings that repeat become numbers.
 */

/** Columns of numbers, by place. */
export const COLUMN = {
  /** Grows by one with each record stored: the order among those of one millisecond. */
  sequence: 0,
  arrivedMs: 1,
  /** Place in `sites`. */
  site: 2,
  /** Place in INVOCATION_STATUSES. */
  status: 3,
  runUs: 4,
  /** Place in `summaries`. */
  summary: 5,
  /** Place in `errors` plus 1; 0: none. */
  error: 6,
  /** Place in TRIGGER_KINDS. */
  trigger: 7,
  cold: 8,
  /** Place in `instances` plus 1; 0: none. */
  instance: 9,
  queueUs: 10,
  startUs: 11,
  billedMs: 12,
  memoryMb: 13,
  memoryPeakMb: 14,
  httpStatus: 15,
  attempt: 16,
  /** Place in `requestIds` plus 1; 0: none. */
  callerRequestId: 17,
} as const;
export const COLUMN_COUNT = 18;

/** Where an invocation ran. */
export interface Site {
  readonly app: AppName;
  readonly function: FunctionName;
  readonly version: VersionId;
  readonly deployment: number;
}

export interface InvocationColumns {
  readonly count: number;
  /** COLUMN_COUNT columns of `count` values each, one behind the other. */
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly sites: readonly Site[];
  readonly instances: readonly string[];
  readonly summaries: readonly string[];
  readonly requestIds: readonly string[];
  readonly errors: readonly InvocationError[];
  /** 36 characters each, one behind the other. */
  readonly ids: string;
}

/**
 * Columns on their way to the store. Summaries are often all different: they travel as one string, with the end of
 * each in its column, and become a dictionary in the store's thread.
 */
export interface InvocationBatch extends Omit<InvocationColumns, 'summaries'> {
  readonly summaryText: string;
}

export function columnOf(
  columns: Pick<InvocationColumns, 'count' | 'numbers'>,
  column: number,
): Float64Array<ArrayBuffer> {
  return columns.numbers.subarray(column * columns.count, (column + 1) * columns.count);
}

/** Gives strings or other values numbers in the order of their first appearance. */
class Dictionary {
  readonly values: string[] = [];
  readonly #places = new Map<string, number>();

  place(value: string): number {
    let place = this.#places.get(value);
    if (place === undefined) {
      place = this.values.length;
      this.values.push(value);
      this.#places.set(value, place);
    }
    return place;
  }
}

/** Gives sites numbers. A version has one site, except after it was deployed again. */
class SiteDictionary {
  readonly values: Site[] = [];
  readonly #places = new Map<string, number[]>();
  #last = -1;

  place(app: AppName, name: FunctionName, version: VersionId, deployment: number): number {
    // Neighbours are mostly alike, and comparing with the last is cheaper than any map.
    if (this.#last >= 0 && isSite(this.values[this.#last]!, app, name, version, deployment))
      return this.#last;
    let places = this.#places.get(version);
    if (places === undefined) {
      places = [];
      this.#places.set(version, places);
    }
    let place = places.find((each) => isSite(this.values[each]!, app, name, version, deployment));
    if (place === undefined) {
      place = this.values.length;
      this.values.push({ app, function: name, version, deployment });
      places.push(place);
    }
    this.#last = place;
    return place;
  }
}

function isSite(site: Site, app: string, name: string, version: string, deployment: number): boolean {
  return (
    site.version === version && site.function === name && site.app === app && site.deployment === deployment
  );
}

/** Errors repeat when they repeat at all: they are told apart by their JSON. */
class ErrorDictionary {
  readonly values: InvocationError[] = [];
  readonly #places = new Map<string, number>();

  place(error: InvocationError): number {
    const key = JSON.stringify([error.code, error.errorType, error.errorMessage, error.stackTrace]);
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.values.length;
      const { code, errorType, errorMessage, stackTrace } = error;
      this.values.push({ code, errorType, errorMessage, stackTrace });
      this.#places.set(key, place);
    }
    return place;
  }
}

const STATUS_PLACE = new Map(INVOCATION_STATUSES.map((status, place) => [status, place]));
const TRIGGER_PLACE = new Map(TRIGGER_KINDS.map((kind, place) => [kind, place]));

/** The hot one: it runs on the gateway's thread. Sequences are given later, by the store. */
export function batchRecords(records: RecordList): InvocationBatch {
  const count = records.length;
  const numbers = new Float64Array(COLUMN_COUNT * count);
  const sites = new SiteDictionary();
  const instances = new Dictionary();
  const requestIds = new Dictionary();
  const errors = new ErrorDictionary();
  let ids = '';
  let summaryText = '';
  let row = 0;
  for (const record of records) {
    if (record.id.length !== ID_CHARS) refuseId(record.id);
    ids += record.id;
    let at = row + count;
    numbers[at] = record.arrivedMs;
    at += count;
    numbers[at] = sites.place(record.app, record.function, record.version, record.deployment);
    at += count;
    numbers[at] = record.status === 'ok' ? 0 : STATUS_PLACE.get(record.status)!;
    at += count;
    numbers[at] = record.runUs;
    at += count;
    summaryText += record.summary;
    numbers[at] = summaryText.length;
    at += count;
    if (record.error !== undefined) numbers[at] = errors.place(record.error) + 1;
    at += count;
    numbers[at] = record.trigger === 'http' ? 0 : TRIGGER_PLACE.get(record.trigger)!;
    at += count;
    numbers[at] = record.cold ? 1 : 0;
    at += count;
    if (record.instance !== undefined) numbers[at] = instances.place(record.instance) + 1;
    at += count;
    numbers[at] = record.queueUs;
    at += count;
    numbers[at] = record.startUs;
    at += count;
    numbers[at] = record.billedMs;
    at += count;
    numbers[at] = record.memoryMb;
    at += count;
    numbers[at] = record.memoryPeakMb;
    at += count;
    numbers[at] = record.httpStatus;
    at += count;
    numbers[at] = record.attempt;
    at += count;
    if (record.callerRequestId !== undefined) numbers[at] = requestIds.place(record.callerRequestId) + 1;
    row += 1;
  }
  return {
    count,
    numbers,
    sites: sites.values,
    instances: instances.values,
    requestIds: requestIds.values,
    errors: errors.values,
    ids,
    summaryText,
  };
}

/** In the store's thread: gives the summaries their numbers. The batch is used up. */
export function columnsFromBatch(batch: InvocationBatch): InvocationColumns {
  const { summaryText, ...rest } = batch;
  const summaries = new Dictionary();
  const column = columnOf(batch, COLUMN.summary);
  let start = 0;
  for (let row = 0; row < batch.count; row += 1) {
    const end = column[row]!;
    column[row] = summaries.place(summaryText.slice(start, end));
    start = end;
  }
  return { ...rest, summaries: summaries.values };
}

/** Rows of some columns, to go into a new block. */
export interface RowRange {
  readonly columns: InvocationColumns;
  /** Places of the rows to take, in order. */
  readonly rows: ArrayLike<number>;
}

/** These rows as columns of their own, with dictionaries of what they use alone. */
export function gatherRows(ranges: readonly RowRange[]): InvocationColumns {
  const count = ranges.reduce((sum, range) => sum + range.rows.length, 0);
  const numbers = new Float64Array(COLUMN_COUNT * count);
  const sites = new SiteDictionary();
  const instances = new Dictionary();
  const summaries = new Dictionary();
  const requestIds = new Dictionary();
  const errors = new ErrorDictionary();
  let ids = '';
  let start = 0;
  for (const { columns, rows } of ranges) {
    for (let column = 0; column < COLUMN_COUNT; column += 1) {
      const source = columnOf(columns, column);
      const target = column * count + start;
      for (let index = 0; index < rows.length; index += 1) numbers[target + index] = source[rows[index]!]!;
    }
    const renumber = (column: number, offset: number, place: (old: number) => number): void => {
      const known = new Map<number, number>();
      const target = column * count + start;
      for (let index = target; index < target + rows.length; index += 1) {
        const old = numbers[index]! - offset;
        if (old < 0) continue;
        let fresh = known.get(old);
        if (fresh === undefined) {
          fresh = place(old) + offset;
          known.set(old, fresh);
        }
        numbers[index] = fresh;
      }
    };
    renumber(COLUMN.site, 0, (old) => {
      const site = columns.sites[old]!;
      return sites.place(site.app, site.function, site.version, site.deployment);
    });
    renumber(COLUMN.summary, 0, (old) => summaries.place(columns.summaries[old]!));
    renumber(COLUMN.callerRequestId, 1, (old) => requestIds.place(columns.requestIds[old]!));
    renumber(COLUMN.instance, 1, (old) => instances.place(columns.instances[old]!));
    renumber(COLUMN.error, 1, (old) => errors.place(columns.errors[old]!));
    for (let index = 0; index < rows.length; index += 1) {
      const at = rows[index]! * ID_CHARS;
      ids += columns.ids.slice(at, at + ID_CHARS);
    }
    start += rows.length;
  }
  return {
    count,
    numbers,
    sites: sites.values,
    instances: instances.values,
    summaries: summaries.values,
    requestIds: requestIds.values,
    errors: errors.values,
    ids,
  };
}
