import { createHash } from 'node:crypto';
import { CLOUD_EVENT_BYTES_MAX, type CloudEvent } from '../../model/cloud-event.ts';
import type { TableAction } from '../../model/trigger.ts';

/** A key in `subject` longer than this is given by its digest. */
export const KEY_CHARS_MAX = 1_024;
/** What the envelope, names and escapes may need beside the values, in bytes. */
const ENVELOPE_BYTES = 16_384;
/** A row that came in fewer bytes is small enough, however its values are escaped: most rows are not measured. */
export const SURELY_SMALL_BYTES = 65_536;
/** What a column's name may add. */
export const COLUMN_BYTES = 128;

/** A row as JSON: columns by name. */
export type Row = Record<string, unknown>;

export interface ChangedRow {
  /** `existing`: nothing changed, the row was there before. */
  readonly action: TableAction | 'existing';
  readonly schema: string;
  readonly table: string;
  /** The key's columns, before the change. Empty: the row has none. */
  readonly key: Row;
  readonly new: Row | undefined;
  readonly old: Row | undefined;
  /** Columns whose values are not known. */
  readonly omitted: Set<string>;
  /** As the database sent it, and COLUMN_BYTES for each column; `undefined`: not known. */
  readonly bytes?: number | undefined;
}

export interface ChangePlace {
  /** Of the database, as in the event's type: `postgres`. */
  readonly kind: string;
  readonly trigger: string;
  /** Made of where the change stands in the database's log: read twice, it is the same event. */
  readonly id: string;
  /** Of the commit. */
  readonly timeMs: number;
  readonly depth: number;
  /** What else the data tells of the place. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A changed row as an event, with its largest values left out until it is small enough to be stored. */
export function toRowEvent(change: ChangedRow, place: ChangePlace): CloudEvent {
  const { action, schema, table, key, new: next, old: former, omitted, bytes } = change;
  if (bytes === undefined || bytes > SURELY_SMALL_BYTES)
    shorten(next, former, new Set(Object.keys(key)), omitted);
  return {
    specversion: '1.0',
    id: place.id,
    source: `/lambent/${place.kind}/${place.trigger}`,
    type: `lambent.${place.kind}.${action}`,
    subject: subjectOf(schema, table, key),
    time: new Date(place.timeMs).toISOString(),
    datacontenttype: 'application/json',
    lambentdepth: place.depth,
    data: {
      ...{ action, schema, table, key, new: next, old: former },
      ...(omitted.size > 0 ? { omitted: [...omitted] } : {}),
      ...place.details,
    },
  };
}

/** A column may be called `__proto__`. */
export function putColumn(row: Row, name: string, value: unknown): void {
  Object.defineProperty(row, name, { value, enumerable: true, configurable: true, writable: true });
}

/** The columns of a row's key. Under its former values, so that a row whose key changes keeps its place in the order. */
export function keyOfRow(names: readonly string[], former: Row | undefined, next: Row | undefined): Row {
  const key: Row = {};
  for (const name of names) {
    const row = former !== undefined && Object.hasOwn(former, name) ? former : (next ?? {});
    if (Object.hasOwn(row, name)) putColumn(key, name, row[name]);
  }
  return key;
}

function subjectOf(schema: string, table: string, key: Row): string {
  const values = Object.values(key).map((value) =>
    encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value)),
  );
  const name = tableSubject(schema, table);
  if (values.length === 0) return name;
  const text = values.join(',');
  return `${name}/${text.length > KEY_CHARS_MAX ? createHash('sha256').update(text).digest('hex') : text}`;
}

/** The subject up to the key. */
export function tableSubject(schema: string, table: string): string {
  return `${encodeURIComponent(schema)}.${encodeURIComponent(table)}`;
}

/** Leaves out the largest values, of two alike the old row's first, until the event is small enough to be stored. */
function shorten(
  next: Row | undefined,
  former: Row | undefined,
  key: ReadonlySet<string>,
  omitted: Set<string>,
): void {
  const most = CLOUD_EVENT_BYTES_MAX - ENVELOPE_BYTES;
  let size = bytesOf(next) + bytesOf(former);
  if (size <= most) return;
  const values = [former, next].flatMap((row) =>
    Object.keys(row ?? {})
      .filter((name) => !key.has(name))
      .map((name) => ({ row: row!, name, bytes: bytesOf(row![name]) })),
  );
  for (const { row, name, bytes } of values.toSorted((a, b) => b.bytes - a.bytes)) {
    if (size <= most) return;
    delete row[name];
    size -= bytes;
    omitted.add(row === former ? `old.${name}` : name);
  }
}

function bytesOf(value: unknown): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
}
