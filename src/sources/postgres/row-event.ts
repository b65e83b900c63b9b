import type { CloudEvent } from '../../model/cloud-event.ts';
import type { TableAction } from '../../model/trigger.ts';
import { COLUMN_BYTES, keyOfRow, putColumn, type Row, toRowEvent } from '../rows/row-event.ts';
import { toJsonValue } from './column-value.ts';
import type { Relation, Tuple } from './pgoutput.ts';

export interface RowChange {
  readonly action: TableAction;
  readonly relation: Relation;
  readonly new: Tuple | undefined;
  readonly old: { readonly whole: boolean; readonly tuple: Tuple } | undefined;
  /** Columns of the primary key. Empty: those of the replica identity stand for them. */
  readonly primaryKey: ReadonlySet<string>;
  /** As it was sent. */
  readonly bytes: number;
  /** Columns of the new row that were read from the table afterwards. */
  readonly maybeNewer?: readonly string[];
}

export interface TransactionPlace {
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

/** A changed row as an event. Its id is made of where it stands in the write-ahead log: read twice, it is the same. */
export function toChangeEvent(
  change: RowChange,
  place: TransactionPlace,
  arrayTypes: ReadonlySet<number>,
): CloudEvent {
  const { action, relation } = change;
  const omitted = new Set<string>();
  const next = change.new === undefined ? undefined : newRow(change, arrayTypes, omitted);
  const former = change.old === undefined ? undefined : oldRow(change, arrayTypes);
  const key = keyOfRow(keyColumns(change), former, next);
  const { trigger, slot, lsn, index, timeMs, xid, depth } = place;
  return toRowEvent(
    {
      ...{ action, schema: relation.schema, table: relation.table },
      ...{ key, new: next, old: former, omitted },
      bytes: change.bytes + relation.columns.length * COLUMN_BYTES,
    },
    {
      ...{ kind: 'postgres', trigger, id: `${slot}/${lsn}/${index}`, timeMs, depth },
      details: {
        ...{ lsn, transaction: xid },
        ...(change.maybeNewer === undefined || change.maybeNewer.length === 0
          ? {}
          : { maybeNewer: change.maybeNewer }),
      },
    },
  );
}

/** A row that was there before. Not a change: it has no place in the log. */
export function toExistingEvent(
  row: Pick<RowChange, 'relation' | 'primaryKey' | 'bytes'> & { readonly tuple: Tuple },
  { trigger, id, timeMs }: { readonly trigger: string; readonly id: string; readonly timeMs: number },
  arrayTypes: ReadonlySet<number>,
): CloudEvent {
  const { relation, primaryKey, bytes, tuple } = row;
  const omitted = new Set<string>();
  const next = newRow({ relation, new: tuple, old: undefined }, arrayTypes, omitted);
  const key = keyOfRow(keyColumns({ relation, primaryKey }), undefined, next);
  return toRowEvent(
    {
      ...{ action: 'existing', schema: relation.schema, table: relation.table },
      ...{ key, new: next, old: undefined, omitted },
      bytes: bytes + relation.columns.length * COLUMN_BYTES,
    },
    { kind: 'postgres', trigger, id, timeMs, depth: 0, details: {} },
  );
}

/** What did not change and is large is not sent: it is taken from the old row where that is whole (else see unchanged-values.ts). */
function newRow(
  change: Pick<RowChange, 'relation' | 'new' | 'old'>,
  arrayTypes: ReadonlySet<number>,
  omitted: Set<string>,
): Row {
  const row: Row = {};
  change.relation.columns.forEach(({ name, type }, at) => {
    let text = change.new![at];
    if (text === undefined && change.old?.whole === true) text = change.old.tuple[at];
    if (text === undefined) omitted.add(name);
    else putColumn(row, name, toJsonValue(text, type, arrayTypes));
  });
  return row;
}

function oldRow({ relation, old }: RowChange, arrayTypes: ReadonlySet<number>): Row {
  const row: Row = {};
  relation.columns.forEach(({ name, type, isKey }, at) => {
    const text = old!.tuple[at];
    if (text !== undefined && (old!.whole || isKey))
      putColumn(row, name, toJsonValue(text, type, arrayTypes));
  });
  return row;
}

/** With the whole row as identity and no primary key, a row has no key. */
export function keyColumns({ relation, primaryKey }: Pick<RowChange, 'relation' | 'primaryKey'>): string[] {
  const { columns, identity } = relation;
  return columns
    .filter(({ name, isKey }) => (primaryKey.size > 0 ? primaryKey.has(name) : isKey && identity !== 'f'))
    .map(({ name }) => name);
}
