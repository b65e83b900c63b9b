import type { MysqlSource as Settings } from '../../model/trigger.ts';
import type { CharacterSets } from './column-value.ts';
import { type Database, setupError } from './connect.ts';
import type { WatchedTable } from './transaction-reader.ts';

/** Column names in the binary log came with these versions; older servers are not supported. */
const MARIADB_MIN = [10, 5] as const;
const MYSQL_MIN = [8, 0] as const;
/** The server's answer to a name that it does not know. */
const UNKNOWN_COLUMN = 'ER_BAD_FIELD_ERROR';

export interface ServerFacts {
  readonly isMariaDb: boolean;
  readonly table: WatchedTable;
  readonly sets: CharacterSets;
  /** All transactions of the server until now. */
  readonly gtids: string;
}

/** A value of a variable that the stream needs, and what the message says of any other. */
const NEEDED: readonly (readonly [variable: string, wanted: string, why: string])[] = [
  ['binlog_format', 'ROW', 'the binary log must have rows, not statements'],
  ['binlog_row_image', 'FULL', 'an update must have the whole row'],
  ['binlog_row_metadata', 'FULL', 'the binary log must say how columns are called'],
];

/** Checks all that the stream needs. `E_SOURCE_SETUP` with the statement that mends it. */
export async function checkServer(database: Database, settings: Settings): Promise<ServerFacts> {
  const [server] = await database.query(
    'SELECT VERSION() AS version, @@log_bin AS logs, @@lower_case_table_names AS folds, DATABASE() AS db',
  );
  const { version = '', logs, folds, db } = server as Record<string, string>;
  const isMariaDb = /mariadb/i.test(version);
  checkVersion(version, isMariaDb);
  if (logs !== '1')
    throw setupError(
      'The server writes no binary log, from which changes are read.',
      'In the server’s configuration, below [mysqld]: log_bin = binlog, and a server_id; then restart it.',
    );
  for (const [variable, wanted, why] of NEEDED) await checkVariable(database, variable, wanted, why);
  if (!isMariaDb) await checkMysql(database);
  const table = await findTable(database, settings, db, folds === '0');
  const sets = await readCharacterSets(database);
  const [state] = await database.query(
    `SELECT ${isMariaDb ? '@@gtid_binlog_pos' : '@@global.gtid_executed'} AS gtids`,
  );
  return { isMariaDb, table, sets, gtids: (state?.gtids ?? '').replaceAll(/\s/g, '') };
}

function checkVersion(version: string, isMariaDb: boolean): void {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const least = isMariaDb ? MARIADB_MIN : MYSQL_MIN;
  if (major > least[0] || (major === least[0] && minor >= least[1])) return;
  throw setupError(
    `The server is ${version}.`,
    `Use MariaDB ${MARIADB_MIN.join('.')} or MySQL ${MYSQL_MIN.join('.')}, or newer.`,
  );
}

async function checkVariable(database: Database, name: string, wanted: string, why: string): Promise<void> {
  const [row] = await database.query(`SELECT @@global.${name} AS value`);
  const value = row?.value ?? '';
  if (value.toUpperCase() === wanted) return;
  // Of an update with FULL_NODUP what did not change is taken from before.
  if (name === 'binlog_row_image' && value.toUpperCase() === 'FULL_NODUP') return;
  throw setupError(
    `The server's ${name} is ${value}: ${why}.`,
    `As an administrator: SET GLOBAL ${name} = '${wanted}'; and the same in its configuration, for the next start. Sessions that are open keep theirs.`,
  );
}

async function checkMysql(database: Database): Promise<void> {
  const [row] = await database.query(
    'SELECT @@global.gtid_mode AS mode, @@global.binlog_row_value_options AS parts',
  );
  if (row?.mode !== 'ON')
    throw setupError(
      `The server's gtid_mode is ${row?.mode}: places in its log need GTIDs.`,
      'In the server’s configuration, below [mysqld]: gtid_mode = ON, enforce_gtid_consistency = ON; then restart it.',
    );
  if (row.parts !== '')
    throw setupError(
      `The server's binlog_row_value_options is ${row.parts}: an update must have the whole row.`,
      `As an administrator: SET GLOBAL binlog_row_value_options = '';`,
    );
}

async function findTable(
  database: Database,
  { schema: given, table, columns }: Settings,
  current: string | undefined | null,
  isCaseSensitive: boolean,
): Promise<WatchedTable> {
  const schema = given ?? current ?? undefined;
  if (schema === undefined)
    throw setupError(
      `It is not said in which database the table ${table} is.`,
      'Give it in the address, or as `database.table`.',
    );
  const [found] = await database.query(
    'SELECT TABLE_TYPE AS kind FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
    [schema, table],
  );
  if (found === undefined)
    throw setupError(
      `There is no table ${schema}.${table}, or the user may not see it.`,
      `Correct \`table\`, create it, or as an administrator: GRANT SELECT ON ${quoteName(schema)}.${quoteName(table)} TO the user.`,
    );
  if (found.kind !== 'BASE TABLE')
    throw setupError(
      `${schema}.${table} is no plain table.`,
      'Name a table, no view and no versioned table.',
    );
  if (columns !== undefined) await checkColumns(database, schema, table, columns);
  return { schema, table, isCaseSensitive };
}

async function checkColumns(
  database: Database,
  schema: string,
  table: string,
  columns: readonly string[],
): Promise<void> {
  const rows = await database.query(
    'SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
    [schema, table],
  );
  const missing = columns.filter((column) => !rows.some(({ name }) => name === column));
  if (missing.length > 0)
    throw setupError(
      `${schema}.${table} has no column ${missing.join(', ')}.`,
      'Correct `columns`; names are as the table has them.',
    );
}

/** MariaDB's newer collations have their numbers in another view. */
async function readCharacterSets(database: Database): Promise<CharacterSets> {
  const select = (view: string) =>
    database.query(
      `SELECT ID AS id, CHARACTER_SET_NAME AS name FROM information_schema.${view} WHERE ID IS NOT NULL`,
    );
  const rows = await select('COLLATION_CHARACTER_SET_APPLICABILITY').catch((error: { code?: string }) => {
    if (error.code !== UNKNOWN_COLUMN) throw error;
    return select('COLLATIONS');
  });
  return new Map(rows.map(({ id, name }) => [Number(id), String(name)]));
}

/** Where the server's log ends, in its files; the user may not know. */
export async function findEnd(database: Database): Promise<{ file: string; at: number }> {
  const last = (await database.query('SHOW BINARY LOGS').catch(() => [])).at(-1);
  return { file: last?.Log_name ?? '', at: Number(last?.File_size ?? 0) };
}

/** What the server keeps from a place on, in bytes; `undefined`: the user may not know, or the file is gone. */
export async function findLag(
  database: Database,
  { file, at }: { readonly file: string; readonly at: number },
): Promise<number | undefined> {
  const logs = await database.query('SHOW BINARY LOGS').catch(() => []);
  const first = logs.findIndex((log) => log.Log_name === file);
  if (first < 0) return undefined;
  return Math.max(0, logs.slice(first).reduce((sum, log) => sum + Number(log.File_size), 0) - at);
}

function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
