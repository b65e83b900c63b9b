import { createHash } from 'node:crypto';
import type { CloudEvent } from '../../model/cloud-event.ts';
import type { MysqlSource as Settings } from '../../model/trigger.ts';
import { ChunkSize } from '../rows/chunk-size.ts';
import { COLUMN_BYTES, keyOfRow, putColumn, type Row, toRowEvent } from '../rows/row-event.ts';
import { type Database, setupError } from './connect.ts';
import { fromText, type Selected, selectColumn } from './selected-column.ts';
import type { WatchedTable } from './transaction-reader.ts';

/*
 * The rows that a table has before its first change is told. They are read in the order of the primary key, in one
 * transaction that sees the table as it is at one moment, and the binary log is read from that moment on.
 *
 * MariaDB says which moment that is. MySQL does not: there the log is read from a moment just before, so that changes in
 * between are told although the rows show them. A reading that was broken off goes on behind the last stored key, with
 * the table as it is then, while the log is still read from the first moment. So no change is missed, whichever of these it is,
 * and the last that is told of a row is how it is.
 */

export interface ExistingRows {
  readonly events: readonly CloudEvent[];
  /** Key of the last of them: the next reading begins behind it. */
  readonly after: readonly string[];
}

interface ExistingColumn extends Selected {
  readonly name: string;
  readonly isTold: boolean;
}

export interface ExistingTable extends WatchedTable {
  readonly columns: readonly ExistingColumn[];
  /** Columns of the primary key, in its order. */
  readonly key: readonly ExistingColumn[];
}

/** `E_SOURCE_SETUP` for a table without a primary key, or with columns that cannot be read as the log has them. */
export async function describeExisting(
  database: Database,
  watched: WatchedTable,
  { columns: wanted }: Settings,
): Promise<ExistingTable> {
  const { schema, table } = watched;
  const rows = await database.query(
    `SELECT COLUMN_NAME AS name, DATA_TYPE AS type, CHARACTER_SET_NAME AS charset, NUMERIC_PRECISION AS digits
      FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`,
    [schema, table],
  );
  const columns = rows.map(({ name, type, charset, digits }) => ({
    ...selectColumn(String(name), { type: String(type), charset, digits: Number(digits) }),
    ...{ name: String(name), isTold: wanted === undefined || wanted.includes(String(name)) },
  }));
  const parts = await database.query(
    `SELECT COLUMN_NAME AS name FROM information_schema.STATISTICS
      WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX`,
    [schema, table],
  );
  if (parts.length === 0)
    throw setupError(
      `\`backfill\` reads ${schema}.${table} by its primary key, and it has none.`,
      'Give the table a primary key, or leave `backfill` out.',
    );
  const key = parts.map(({ name }) => columns.find((column) => column.name === name)!);
  return { ...watched, columns: columns.filter((column) => column.isTold || key.includes(column)), key };
}

/** Begins the transaction. Resolves with the GTIDs of the moment that it sees, or of one before it. */
export async function beginSnapshot(database: Database, isMariaDb: boolean): Promise<string> {
  const [before] = isMariaDb ? [] : await database.query('SELECT @@global.gtid_executed AS gtids');
  // Instants are read as the log has them.
  await database.query(`SET SESSION time_zone = '+00:00'`);
  await database.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  await database.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
  if (!isMariaDb) return (before?.gtids ?? '').replaceAll(/\s/g, '');
  const status = await database.query(`SHOW STATUS LIKE 'binlog_snapshot_%'`);
  const partOf = (name: string) =>
    status.find((row) => row.Variable_name?.toLowerCase() === `binlog_snapshot_${name}`)?.Value ?? '';
  const [found] = await database.query('SELECT BINLOG_GTID_POS(?, ?) AS gtids', [
    partOf('file'),
    Number(partOf('position')),
  ]);
  if (found === undefined || found.gtids === null)
    throw setupError(
      'The server does not say where in its binary log the rows stand that it shows.',
      'Leave `backfill` out, or see that log_bin is on and the log’s first file is there.',
    );
  return found.gtids!;
}

export async function* readExistingRows(
  database: Database,
  { schema, table, columns, key }: ExistingTable,
  begin: readonly string[] | undefined,
  place: { readonly trigger: string; readonly name: string; readonly timeMs: number },
): AsyncGenerator<ExistingRows> {
  const list = columns.map(({ select }, at) => `${select} AS c${at}`).join(', ');
  const keys = key.map(({ order }, at) => `${order} AS k${at}`).join(', ');
  const order = key.map(({ order }) => order).join(', ');
  let after = begin;
  for (const chunk = new ChunkSize(); ; ) {
    const limit = chunk.rows;
    const where = after === undefined ? '' : `WHERE ${behind(key, after)}`;
    const rows = await database.query(
      `SELECT ${list}, ${keys} FROM ${quoteName(schema)}.${quoteName(table)} ${where} ORDER BY ${order} LIMIT ${limit}`,
    );
    if (rows.length === 0) break;
    let bytes = 0;
    const events = rows.map((row) => {
      const size = Object.values(row).reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 0);
      bytes += size;
      const [told, whole]: [Row, Row] = [{}, {}];
      columns.forEach((column, at) => {
        const text = row[`c${at}`] ?? null;
        const value = text === null ? null : fromText(column, text);
        putColumn(whole, column.name, value);
        if (column.isTold) putColumn(told, column.name, value);
      });
      const keyed = keyOfRow(
        key.map(({ name }) => name),
        undefined,
        whole,
      );
      const change = { key: keyed, new: told, old: undefined, omitted: new Set<string>() };
      return toRowEvent(
        { action: 'existing', schema, table, ...change, bytes: size + columns.length * COLUMN_BYTES },
        {
          ...{ kind: 'mysql', trigger: place.trigger, timeMs: place.timeMs, depth: 0, details: {} },
          id: `${place.name}/existing/${digestOf(keyTexts(row, key.length))}`,
        },
      );
    });
    after = keyTexts(rows.at(-1)!, key.length);
    yield { events, after };
    if (rows.length < limit) break;
    chunk.learn(bytes);
  }
  await database.query('COMMIT');
}

/** Columns of a primary key are never null. */
function keyTexts(row: Record<string, string | null>, count: number): string[] {
  return Array.from({ length: count }, (_, at) => row[`k${at}`]!);
}

/** As the servers can look it up by an index, which they do not for `(a, b) > (1, 2)`. */
function behind(key: readonly ExistingColumn[], after: readonly string[]): string {
  const [first, ...rest] = key;
  const value = first!.literal(after[0]!);
  const beyond = `${first!.order} > ${value}`;
  if (rest.length === 0) return beyond;
  return `(${beyond} OR (${first!.order} = ${value} AND ${behind(rest, after.slice(1))}))`;
}

function digestOf(key: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(key)).digest('base64url');
}

function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
