import type { CloudEvent } from '../../model/cloud-event.ts';
import type { TableAction } from '../../model/trigger.ts';
import { keyOfRow, putColumn, type Row, toRowEvent } from '../rows/row-event.ts';
import { newColumn, oldColumn, type WatchedTable } from './change-table.ts';
import type { SqliteRow, SqliteValue } from './database-thread.ts';

/** A row of the change table as an event. */
export function changeEvent(
  change: SqliteRow,
  { table, columns, key }: WatchedTable,
  place: { readonly trigger: string; readonly name: string },
): CloudEvent {
  const action = change.action as TableAction;
  const next = action === 'delete' ? undefined : sideOf(change, newColumn, columns);
  const former = action === 'insert' ? undefined : sideOf(change, oldColumn, columns);
  const keys = {
    former: action === 'insert' ? undefined : sideOf(change, oldColumn, key),
    next: action === 'delete' ? undefined : sideOf(change, newColumn, key),
  };
  return toRowEvent(
    {
      ...{ action, schema: 'main', table, new: next, old: former, omitted: new Set() },
      key: keyOfRow(key, keys.former, keys.next),
    },
    {
      ...{ kind: 'sqlite', trigger: place.trigger, id: `${place.name}/${change.seq}`, depth: 0 },
      ...{ timeMs: Date.parse(String(change.at)), details: { seq: Number(change.seq) } },
    },
  );
}

function sideOf(change: SqliteRow, side: (name: string) => string, columns: readonly string[]): Row {
  const row: Row = {};
  for (const name of columns) {
    const value = change[side(name)];
    if (value !== undefined) putColumn(row, name, toJsonValue(value));
  }
  return row;
}

/** A row that was there before, its columns named as after a change. Not a change: it has no number. */
export function existingEvent(
  row: SqliteRow,
  { table, columns, key }: WatchedTable,
  { id, ...place }: { readonly trigger: string; readonly id: string; readonly timeMs: number },
): CloudEvent {
  const next = sideOf(row, newColumn, columns);
  return toRowEvent(
    {
      ...{ action: 'existing', schema: 'main', table, new: next, old: undefined, omitted: new Set() },
      key: keyOfRow(key, undefined, sideOf(row, newColumn, key)),
    },
    { ...place, kind: 'sqlite', id, depth: 0, details: {} },
  );
}

/** Any column may hold any type: what comes is the value's own, and text where JSON's numbers would lose digits. */
export function toJsonValue(value: SqliteValue): unknown {
  switch (typeof value) {
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    default:
      return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
  }
}
