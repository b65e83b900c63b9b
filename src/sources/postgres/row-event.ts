import { createHash } from 'node:crypto';
import { CLOUD_EVENT_BYTES_MAX, type CloudEvent } from '../../model/cloud-event.ts';
import type { TableAction } from '../../model/trigger.ts';
import { toJsonValue } from './column-value.ts';
import type { Relation, Tuple } from './pgoutput.ts';

/** A key in `subject` longer than this is given by its digest. */
const KEY_CHARS_MAX = 1_024;
/** What the envelope, names and escapes may need beside the values, in bytes. */
const ENVELOPE_BYTES = 16_384;

export interface RowChange {
  readonly action: TableAction;
  readonly relation: Relation;
  readonly new: Tuple | undefined;
  readonly old: { readonly whole: boolean; readonly tuple: Tuple } | undefined;
  /** Columns of the primary key. Empty: those of the replica identity stand for them. */
  readonly primaryKey: ReadonlySet<string>;
}

export interface ChangePlace {
  readonly trigger: string;
  readonly slot: string;
  /** Of the transaction's commit. */
  readonly lsn: string;
  /** Of the change within its transaction. */
  readonly index: number;
  readonly timeMs: number;
  readonly xid: number;
  readonly depth: number;
}

type Row = Record<string, unknown>;

/** A changed row as an event. Its id is made of where it stands in the write-ahead log: read twice, it is the same. */
export function toRowEvent(
  change: RowChange,
  place: ChangePlace,
  arrayTypes: ReadonlySet<number>,
): CloudEvent {
  const { action, relation } = change;
  const omitted = new Set<string>();
  const next = change.new === undefined ? undefined : newRow(change, arrayTypes, omitted);
  const former = change.old === undefined ? undefined : oldRow(change, arrayTypes);
  const key = keyOf(change, former, next);
  if (next !== undefined || former !== undefined) shorten(next, former, new Set(Object.keys(key)), omitted);
  return {
    specversion: '1.0',
    id: `${place.slot}/${place.lsn}/${place.index}`,
    source: `/lambent/postgres/${place.trigger}`,
    type: `lambent.postgres.${action}`,
    subject: subjectOf(relation, key),
    time: new Date(place.timeMs).toISOString(),
    datacontenttype: 'application/json',
    lambentdepth: place.depth,
    data: {
      ...{ action, schema: relation.schema, table: relation.table, key, new: next, old: former },
      ...(omitted.size > 0 ? { omitted: [...omitted] } : {}),
      ...{ lsn: place.lsn, transaction: place.xid },
    },
  };
}

/** What did not change and is large is not sent: it is taken from the old row where that is whole. */
function newRow(change: RowChange, arrayTypes: ReadonlySet<number>, omitted: Set<string>): Row {
  const row: Row = {};
  change.relation.columns.forEach(({ name, type }, at) => {
    let text = change.new![at];
    if (text === undefined && change.old?.whole === true) text = change.old.tuple[at];
    if (text === undefined) omitted.add(name);
    else put(row, name, toJsonValue(text, type, arrayTypes));
  });
  return row;
}

function oldRow({ relation, old }: RowChange, arrayTypes: ReadonlySet<number>): Row {
  const row: Row = {};
  relation.columns.forEach(({ name, type, isKey }, at) => {
    const text = old!.tuple[at];
    if (text !== undefined && (old!.whole || isKey)) put(row, name, toJsonValue(text, type, arrayTypes));
  });
  return row;
}

/** A column may be called `__proto__`. */
function put(row: Row, name: string, value: unknown): void {
  Object.defineProperty(row, name, { value, enumerable: true, configurable: true, writable: true });
}

/** With the whole row as identity and no primary key, a row has no key. */
function keyOf({ relation, primaryKey }: RowChange, former: Row | undefined, next: Row | undefined): Row {
  const { columns, identity } = relation;
  const key: Row = {};
  for (const { name, isKey } of columns) {
    const isPart = primaryKey.size > 0 ? primaryKey.has(name) : isKey && identity !== 'f';
    // Under its former key, so that a row whose key changes keeps its place in the order.
    const row = former !== undefined && Object.hasOwn(former, name) ? former : (next ?? {});
    if (isPart && Object.hasOwn(row, name)) put(key, name, row[name]);
  }
  return key;
}

function subjectOf({ schema, table }: Relation, key: Row): string {
  const values = Object.values(key).map((value) =>
    encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value)),
  );
  const name = `${encodeURIComponent(schema)}.${encodeURIComponent(table)}`;
  if (values.length === 0) return name;
  const text = values.join(',');
  return `${name}/${text.length > KEY_CHARS_MAX ? createHash('sha256').update(text).digest('hex') : text}`;
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
