import { createHash } from 'node:crypto';
import type { SqliteSource as Settings } from '../../model/trigger.ts';
import { newColumn, quoteName, type WatchedTable } from './change-table.ts';
import type { DatabaseThread, SqliteRow, SqliteValue } from './database-thread.ts';

/*
 * The rows that a table has before its first change is told. They are read in one transaction, which sees the table as it
 * is at one moment, together with the number of the last change that is in it already: the changes that are told begin behind
 * that number. A reading that was broken off goes on behind the last stored key, as the table is then; the changes still
 * begin where the first reading did. So none is missed, and the last that is told of a row is how it is.
 */

/** Rows that are read, and stored in one step. */
const ROWS_MAX = 200;
/** Names of a row's number, of which a table may have columns. */
const ROW_NUMBERS = ['rowid', '_rowid_', 'oid'];

/** A key as a position keeps it: the value's type, and its text. */
export type StoredKey = readonly (readonly [type: 'integer' | 'real' | 'text' | 'blob', text: string])[];

export interface ExistingRows {
  /** Named as in the change table. */
  readonly rows: readonly SqliteRow[];
  /** Of each row, what its event's id is made of. */
  readonly digests: readonly string[];
  /** Key of the last of them; `undefined`: there is none. */
  readonly after: StoredKey | undefined;
  /** The last change that the rows show. */
  readonly seq: number;
}

/** At least one part, which may be empty. */
export async function* readExistingRows(
  database: DatabaseThread,
  name: string,
  { table, columns, key }: WatchedTable,
  { where }: Settings,
  begin: StoredKey | undefined,
): AsyncGenerator<ExistingRows> {
  const keys = await orderOf(database, table);
  const told = [...new Set([...key, ...columns])];
  const list = [
    ...told.map((each) => `${quoteName(each)} AS ${quoteName(newColumn(each))}`),
    ...keys.map((each, at) => `${quoteName(each)} AS "key.${at}"`),
    `'existing' AS action`,
  ];
  await database.read('BEGIN');
  const [last] = await database.read('SELECT seq FROM sqlite_sequence WHERE name = ?', name);
  const seq = Number(last?.seq ?? 0);
  for (let after = begin; ; ) {
    const conditions = [
      ...(where === undefined ? [] : [`(${where})`]),
      ...(after === undefined
        ? []
        : [`(${keys.map(quoteName).join(', ')}) > (${keys.map(() => '?').join(', ')})`]),
    ];
    const rows = await database.read(
      `SELECT ${list.join(', ')} FROM ${quoteName(table)}${conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`}
       ORDER BY ${keys.map(quoteName).join(', ')} LIMIT ${ROWS_MAX}`,
      ...(after ?? []).map(boundOf),
    );
    const stored = rows.map((row) => keys.map((_, at) => storedOf(row[`key.${at}`]!)));
    after = stored.at(-1) ?? after;
    yield { rows, digests: stored.map(digestOf), after, seq };
    if (rows.length < ROWS_MAX) break;
  }
  await database.read('COMMIT');
}

/** What a table's rows are in an order by: their number, or without one the primary key, which is never null then. */
async function orderOf(database: DatabaseThread, table: string): Promise<string[]> {
  const rows = await database.read('SELECT name, pk FROM pragma_table_xinfo(?)', table);
  const [found] = await database.read(
    `SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?`,
    table,
  );
  const names = new Set(rows.map(({ name }) => String(name).toLowerCase()));
  const number = ROW_NUMBERS.find((each) => !names.has(each));
  if (Number(found?.wr) === 0 && number !== undefined) return [number];
  return rows
    .filter(({ pk }) => Number(pk) > 0)
    .toSorted((a, b) => Number(a.pk) - Number(b.pk))
    .map(({ name }) => String(name));
}

function storedOf(value: SqliteValue): StoredKey[number] {
  if (typeof value === 'bigint') return ['integer', String(value)];
  if (typeof value === 'number') return ['real', String(value)];
  if (value instanceof Uint8Array) return ['blob', Buffer.from(value).toString('base64')];
  return ['text', String(value)];
}

function boundOf([type, text]: StoredKey[number]): SqliteValue {
  switch (type) {
    case 'integer':
      return BigInt(text);
    case 'real':
      return Number(text);
    case 'blob':
      return Buffer.from(text, 'base64');
    case 'text':
      return text;
  }
}

function digestOf(key: StoredKey): string {
  return createHash('sha256').update(JSON.stringify(key)).digest('base64url');
}
