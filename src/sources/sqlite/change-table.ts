import { LambentError } from '../../base/errors.ts';
import type { SqliteSource as Settings } from '../../model/trigger.ts';
import type { DatabaseThread } from './database-thread.ts';

/** Columns of a table: SQLite's own limit, unless it is built otherwise. */
const COLUMNS_MAX = 2_000;

export interface WatchedTable {
  readonly table: string;
  /** Told columns, in the table's order. */
  readonly columns: readonly string[];
  /** All of them: what a condition may speak of. */
  readonly all: readonly string[];
  /** Columns of the primary key; of a table without one `rowid`. */
  readonly key: readonly string[];
}

/** A name in SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** How the change table calls a column before and after a change: as no column of the table is called. */
export const oldColumn = (name: string): string => `old.${name}`;
export const newColumn = (name: string): string => `new.${name}`;

/** Whether reading holds up nobody. `E_SOURCE_SETUP`. */
export async function checkFileMode(database: DatabaseThread): Promise<void> {
  const [mode] = await database.read('PRAGMA journal_mode');
  if (mode?.journal_mode !== 'wal')
    throw setupError(
      `The file's journal_mode is ${String(mode?.journal_mode)}: whoever reads would hold up whoever writes.`,
      'With any client, once: PRAGMA journal_mode = WAL;',
    );
}

/** The table as it is. `E_SOURCE_SETUP` for what cannot be watched. */
export async function describeTable(database: DatabaseThread, settings: Settings): Promise<WatchedTable> {
  const { table, columns: wanted } = settings;
  await checkFileMode(database);
  const [found] = await database.read('SELECT type, sql FROM sqlite_schema WHERE name = ?', table);
  if (found === undefined)
    throw setupError(`There is no table ${table} in this file.`, 'Correct `table`, or create it.');
  if (found.type !== 'table' || /^\s*CREATE\s+VIRTUAL/i.test(String(found.sql)))
    throw setupError(`${table} is no plain table.`, 'Name a table, no view and no virtual table.');
  const rows = await database.read('SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1', table);
  const columns = rows.map(({ name }) => String(name));
  if (columns.length > COLUMNS_MAX) throw new RangeError(`${columns.length} columns`);
  const missing = wanted?.filter((name) => !columns.includes(name)) ?? [];
  if (missing.length > 0)
    throw setupError(
      `${table} has no column ${missing.join(', ')}.`,
      'Correct `columns`; names are as the table has them.',
    );
  const key = rows
    .filter(({ pk }) => Number(pk) > 0)
    .toSorted((a, b) => Number(a.pk) - Number(b.pk))
    .map(({ name }) => String(name));
  return {
    ...{ table, all: columns },
    columns: wanted === undefined ? columns : columns.filter((name) => wanted.includes(name)),
    key: key.length > 0 ? key : ['rowid'],
  };
}

/**
 * The statements that make the change table and the triggers that fill it. They are plain SQL, with no function but
 * strftime: whoever writes the table runs them, with whatever SQLite it has.
 */
export function setupStatements(name: string, watched: WatchedTable, settings: Settings): string[] {
  const { table, columns, key, all } = watched;
  const told = [...new Set([...key, ...columns])];
  const fields = told.flatMap((each) => [oldColumn(each), newColumn(each)]);
  return [
    `CREATE TABLE IF NOT EXISTS ${quoteName(name)} (seq INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), ${fields.map(quoteName).join(', ')})`,
    ...settings.actions.map((action) => {
      const sides = { insert: ['NEW'], update: ['OLD', 'NEW'], delete: ['OLD'] }[action as 'insert'];
      const names = sides.flatMap((side) =>
        told.map((each) => (side === 'OLD' ? oldColumn(each) : newColumn(each))),
      );
      const values = sides.flatMap((side) => told.map((each) => `${side}.${quoteName(each)}`));
      const condition = sides
        .map((side) => filterOf(side, all, settings.where))
        .filter((text) => text !== '')
        .join(' OR ');
      return `CREATE TRIGGER ${quoteName(`${name}_${action}`)} AFTER ${action.toUpperCase()} ON ${quoteName(table)}${condition === '' ? '' : ` WHEN ${condition}`} BEGIN INSERT INTO ${quoteName(name)} (action, ${names.map(quoteName).join(', ')}) VALUES ('${action}', ${values.join(', ')}); END`;
    }),
  ];
}

/** Whether the condition holds for the row on one side of the change: there its columns go by their own names. */
function filterOf(side: string, columns: readonly string[], where: string | undefined): string {
  if (where === undefined) return '';
  const names = columns.map((name) => `${side}.${quoteName(name)} AS ${quoteName(name)}`);
  return `EXISTS (SELECT 1 FROM (SELECT ${names.join(', ')}) WHERE (${where}))`;
}

export function dropStatements(name: string): string[] {
  return [...dropTriggers(name), `DROP TABLE IF EXISTS ${quoteName(name)}`];
}

function dropTriggers(name: string): string[] {
  return ['insert', 'update', 'delete'].map(
    (action) => `DROP TRIGGER IF EXISTS ${quoteName(`${name}_${action}`)}`,
  );
}

/** Makes what is missing or no longer right, keeping changes that were not read. Returns the statements. */
export async function ensureChangeTable(
  database: DatabaseThread,
  name: string,
  settings: Settings,
): Promise<{ watched: WatchedTable; statements: string[] }> {
  const watched = await describeTable(database, settings);
  const [table, ...triggers] = setupStatements(name, watched, settings);
  const rows = await database.read(
    `SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE ? ESCAPE '\\'`,
    `${name.replaceAll('_', '\\_')}\\_%`,
  );
  const there = new Set(rows.map(({ sql }) => sql));
  const has = new Set(
    (await database.read('SELECT name FROM pragma_table_info(?)', name)).map((row) => String(row.name)),
  );
  const isRight = has.size > 0 && there.size === triggers.length && triggers.every((sql) => there.has(sql));
  if (isRight) return { watched, statements: [] };
  const told = [...new Set([...watched.key, ...watched.columns])];
  const added =
    has.size === 0
      ? []
      : told.flatMap((each) => [oldColumn(each), newColumn(each)]).filter((each) => !has.has(each));
  const statements = [
    table!,
    ...added.map((each) => `ALTER TABLE ${quoteName(name)} ADD COLUMN ${quoteName(each)}`),
    ...(there.size === 0 ? [] : dropTriggers(name)),
    ...triggers,
  ];
  await database.write(statements);
  return { watched, statements };
}

export function setupError(message: string, hint: string): LambentError {
  return new LambentError('E_SOURCE_SETUP', message, { hint });
}
