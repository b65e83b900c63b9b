import type { LambentError } from '../../base/errors.ts';
import type { MysqlSource as Settings } from '../../model/trigger.ts';
import type { CharacterSets } from './column-value.ts';
import { type Database, setupError } from './connect.ts';
import type { WatchedTable } from './transaction-reader.ts';

/** Column names in the binary log came with these versions; older servers are not supported. */
const MARIADB_MIN = [10, 5] as const;
const MYSQL_MIN = [8, 0] as const;
/** The server's answer to a name that it does not know. */
const UNKNOWN_COLUMN = 'ER_BAD_FIELD_ERROR';

/** What the stream begins with. */
export interface StreamFacts {
  readonly isMariaDb: boolean;
  readonly table: WatchedTable;
  readonly sets: CharacterSets;
  /** All transactions of the server until now. */
  readonly gtids: string;
}

export interface ServerFacts {
  readonly version: string;
  readonly isMariaDb: boolean;
  /** As `user@host`. */
  readonly who: string;
  readonly database: string | undefined;
  readonly isCaseSensitive: boolean;
  readonly variables: Readonly<Record<string, string>>;
}

/** Something that the stream needs and the server does not give, with the name of what was looked at. */
export interface ServerProblem {
  readonly name: string;
  readonly error: LambentError;
}

interface Need {
  readonly variable: string;
  readonly wanted: readonly string[];
  readonly why: string;
  /** Needed of MySQL alone. */
  readonly isMysqls?: boolean;
  /** Lines of the server's configuration, where it takes a restart. */
  readonly restart?: string;
}

/** Values of variables that the stream needs. */
export const NEEDS: readonly Need[] = [
  {
    ...{ variable: 'log_bin', wanted: ['1'], why: 'changes are read from the binary log' },
    restart: 'log_bin = binlog, and a server_id',
  },
  {
    ...{ variable: 'binlog_format', wanted: ['ROW'] },
    why: 'the binary log must have rows, not statements',
  },
  // Of an update with FULL_NODUP what did not change is taken from before.
  {
    ...{ variable: 'binlog_row_image', wanted: ['FULL', 'FULL_NODUP'] },
    why: 'an update must have the whole row',
  },
  {
    ...{ variable: 'binlog_row_metadata', wanted: ['FULL'] },
    why: 'the binary log must say how columns are called',
  },
  {
    ...{ variable: 'gtid_mode', wanted: ['ON'], why: 'places in the log need GTIDs', isMysqls: true },
    restart: 'gtid_mode = ON, enforce_gtid_consistency = ON',
  },
  {
    ...{ variable: 'binlog_row_value_options', wanted: [''] },
    ...{ why: 'an update must have the whole row', isMysqls: true },
  },
];

export async function readServer(database: Database): Promise<ServerFacts> {
  const [server] = await database.query(
    'SELECT VERSION() AS version, CURRENT_USER() AS who, @@lower_case_table_names AS folds, DATABASE() AS db',
  );
  const { version = '', who, folds, db } = server as Record<string, string | null>;
  const isMariaDb = /mariadb/i.test(version ?? '');
  const variables: Record<string, string> = {};
  for (const { variable, isMysqls } of NEEDS) {
    if (isMysqls === true && isMariaDb) continue;
    // A variable that an old server does not know has no value that is wanted.
    const [row] = await database.query(`SELECT @@global.${variable} AS value`).catch(() => []);
    variables[variable] = row?.value ?? 'not known';
  }
  return {
    ...{ version: version ?? '', isMariaDb, who: who ?? '', database: db ?? undefined, variables },
    isCaseSensitive: folds === '0',
  };
}

/** In the order in which they are mended. */
export function serverProblems({ version, isMariaDb, variables }: ServerFacts): ServerProblem[] {
  const problems: ServerProblem[] = [];
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const least = isMariaDb ? MARIADB_MIN : MYSQL_MIN;
  if (major < least[0] || (major === least[0] && minor < least[1]))
    problems.push({
      name: 'version',
      error: setupError(
        `The server is ${version}.`,
        `Use MariaDB ${MARIADB_MIN.join('.')} or MySQL ${MYSQL_MIN.join('.')}, or newer.`,
      ),
    });
  for (const { variable, wanted, why, restart } of NEEDS) {
    const value = variables[variable];
    if (value === undefined || wanted.includes(value.toUpperCase())) continue;
    const fix =
      restart === undefined
        ? `As an administrator: SET GLOBAL ${variable} = '${wanted[0]}'; and the same in its configuration, for the next start. Sessions that are open keep theirs.`
        : `In the server’s configuration, below [mysqld]: ${restart}; then restart it.`;
    problems.push({
      name: variable,
      error: setupError(`The server's ${variable} is ${value || 'empty'}: ${why}.`, fix),
    });
  }
  return problems;
}

/** Checks all that the stream needs. `E_SOURCE_SETUP` with the statement that mends it. */
export async function checkServer(database: Database, settings: Settings): Promise<StreamFacts> {
  const facts = await readServer(database);
  const [problem] = serverProblems(facts);
  if (problem !== undefined) throw problem.error;
  const { isMariaDb } = facts;
  const table = await findTable(database, settings, facts);
  const sets = await readCharacterSets(database);
  const [state] = await database.query(
    `SELECT ${isMariaDb ? '@@gtid_binlog_pos' : '@@global.gtid_executed'} AS gtids`,
  );
  return { isMariaDb, table, sets, gtids: (state?.gtids ?? '').replaceAll(/\s/g, '') };
}

/** The trigger's table. `E_SOURCE_SETUP`. */
export async function findTable(
  database: Database,
  { schema: given, table, columns }: Settings,
  { database: current, who, isCaseSensitive }: ServerFacts,
): Promise<WatchedTable> {
  const schema = given ?? current;
  if (schema === undefined)
    throw setupError(
      `It is not said in which database the table ${table} is.`,
      'Give it in the connection, or as `database.table`.',
    );
  const [found] = await database.query(
    'SELECT TABLE_TYPE AS kind FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
    [schema, table],
  );
  if (found === undefined)
    throw setupError(
      `There is no table ${schema}.${table}, or the user may not see it.`,
      `Correct \`table\`, create it, or as an administrator: GRANT SELECT ON ${quoteName(schema)}.${quoteName(table)} TO ${quoteUser(who)};`,
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

/** `user@host` as in SQL. */
export function quoteUser(who: string): string {
  const at = who.lastIndexOf('@');
  return [who.slice(0, at), who.slice(at + 1)].map((part) => `'${part.replaceAll("'", "''")}'`).join('@');
}

function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
