import type { Client } from 'pg';
import { type Clock, delay } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { PostgresSource as Settings } from '../../model/trigger.ts';

/** Row filters and column lists of publications came with this version. */
const LISTS_VERSION = 150_000;
/** `pg_logical_emit_message` in pgoutput came with this version; older servers are not supported. */
const VERSION_MIN = 140_000;

/** Attempts to drop a slot whose connection is only just ending, and the pause between them. */
const DROP_TRIES = 50;
const DROP_PAUSE_MS = 100;

export interface SlotState {
  /** The end of what was confirmed to the server. */
  readonly confirmed: bigint;
  /** What was written since then, in bytes. */
  readonly lagBytes: number;
  /** Whether the server has thrown away what the slot had still to send. */
  readonly isLost: boolean;
}

export interface TableFacts {
  /** In the order of its index. */
  readonly primaryKey: ReadonlySet<string>;
  /** Types of the database's own that are arrays. */
  readonly arrayTypes: ReadonlySet<number>;
}

/** A name in SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteText(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

export function tableName({ schema, table }: Settings): string {
  return `${quoteName(schema)}.${quoteName(table)}`;
}

/** The statement that makes the publication: what is about to be changed in the database, in its own words. */
export function publicationStatement(name: string, settings: Settings): string {
  const { actions, columns, where } = settings;
  const list = columns === undefined ? '' : ` (${columns.map(quoteName).join(', ')})`;
  const filter = where === undefined ? '' : ` WHERE (${where})`;
  return `CREATE PUBLICATION ${quoteName(name)} FOR TABLE ONLY ${tableName(settings)}${list}${filter} WITH (publish = '${actions.join(', ')}')`;
}

/** All that is made in the database, as one would make it by hand. */
export function setupStatements(name: string, settings: Settings): string[] {
  return [
    publicationStatement(name, settings),
    `SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`,
  ];
}

/** What ends that. */
export function dropStatements(name: string): string[] {
  return [`SELECT pg_drop_replication_slot('${name}')`, `DROP PUBLICATION IF EXISTS ${quoteName(name)}`];
}

export async function dropSlot(client: Client, name: string, clock: Clock): Promise<void> {
  const [slot, publication] = dropStatements(name);
  for (let tries = 1; (await findSlot(client, name)) !== undefined; tries += 1)
    try {
      await client.query(slot!);
    } catch (error) {
      if (tries === DROP_TRIES) throw error;
      await delay(clock, DROP_PAUSE_MS);
    }
  await client.query(publication!);
}

export interface ServerFacts {
  /** As 150004. */
  readonly version: number;
  readonly level: string;
  /** Whether the role may read the stream of changes. */
  readonly may: boolean;
  readonly who: string;
}

export async function readServer(client: Client): Promise<ServerFacts> {
  const { rows } = await client.query<{ version: string; level: string; may: boolean; who: string }>(
    `SELECT current_setting('server_version_num') AS version, current_setting('wal_level') AS level,
       rolreplication OR rolsuper AS may, rolname AS who FROM pg_roles WHERE rolname = current_user`,
  );
  return { ...rows[0]!, version: Number(rows[0]!.version) };
}

/** What the server lacks for any table, each with the statement that mends it. */
export function serverProblems({
  version,
  level,
  may,
  who,
}: ServerFacts): { name: string; error: LambentError }[] {
  const problems: { name: string; error: LambentError }[] = [];
  const add = (name: string, message: string, hint: string) =>
    problems.push({ name, error: setupError(message, hint) });
  if (version < VERSION_MIN)
    add('version', 'The server is older than PostgreSQL 14.', 'Use PostgreSQL 14 or newer.');
  if (level !== 'logical')
    add(
      'wal_level',
      `The server's wal_level is ${level}; changes are read with \`logical\`.`,
      'As a superuser: ALTER SYSTEM SET wal_level = logical; then restart PostgreSQL.',
    );
  if (!may)
    add(
      'replication',
      `The role ${who} may not read the stream of changes.`,
      `As a superuser: ALTER ROLE ${quoteName(who)} REPLICATION;`,
    );
  return problems;
}

/** Checks all that the stream needs. `E_SOURCE_SETUP` with the statement that mends it. */
export async function checkServer(client: Client, settings: Settings): Promise<TableFacts> {
  const facts = await readServer(client);
  const [first] = serverProblems(facts);
  if (first !== undefined) throw first.error;
  if (facts.version < LISTS_VERSION && (settings.columns ?? settings.where) !== undefined)
    throw setupError(
      '`columns` and `where` need PostgreSQL 15 or newer.',
      'Leave them out, or filter in the function.',
    );
  return readTable(client, settings);
}

/** Whether the publication could be made: it is, and taken back. `E_SOURCE_SETUP` with the statement that mends it. */
export async function checkTable(client: Client, settings: Settings): Promise<TableFacts> {
  const facts = await readTable(client, settings);
  await checkRights(client, settings);
  await client.query('BEGIN');
  try {
    await client.query(publicationStatement('lambent_check', settings));
    await checkWrites(client, settings);
    return facts;
  } finally {
    await client.query('ROLLBACK');
  }
}

async function checkRights(client: Client, settings: Settings): Promise<void> {
  const { rows } = await client.query<{ who: string; database: string; creates: boolean; owns: boolean }>(
    `SELECT current_user AS who, current_database() AS database,
       has_database_privilege(current_database(), 'CREATE') AS creates,
       pg_has_role(relowner, 'USAGE') AS owns FROM pg_class WHERE oid = $1::regclass`,
    [tableName(settings)],
  );
  const { who, database, creates, owns } = rows[0]!;
  if (!owns)
    throw setupError(
      `The role ${who} does not own ${settings.schema}.${settings.table}.`,
      `ALTER TABLE ${tableName(settings)} OWNER TO ${quoteName(who)}; (or make ${who} a member of the role that owns it).`,
    );
  if (!creates)
    throw setupError(
      `The role ${who} may make nothing in the database ${database}.`,
      `GRANT CREATE ON DATABASE ${quoteName(database)} TO ${quoteName(who)};`,
    );
}

async function readTable(client: Client, settings: Settings): Promise<TableFacts> {
  const { rows } = await client.query<{ oid: number; kind: string }>(
    `SELECT c.oid, relkind AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
      WHERE nspname = $1 AND relname = $2`,
    [settings.schema, settings.table],
  );
  const found = rows[0];
  if (found === undefined)
    throw setupError(
      `There is no table ${settings.schema}.${settings.table} in this database.`,
      'Correct `table`, or create it; names are as in the catalog, without quotes.',
    );
  if (found.kind !== 'r')
    throw setupError(
      `${settings.schema}.${settings.table} is no plain table.`,
      'Name a table; of a partitioned one, its partitions.',
    );
  const keys = await client.query<{ name: string }>(
    `SELECT attname AS name FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY ((indkey::int2[])[0:indnkeyatts - 1])
      WHERE indrelid = $1 AND indisprimary ORDER BY array_position(indkey::int2[], attnum)`,
    [found.oid],
  );
  const arrays = await client.query<{ oid: number }>(
    `SELECT oid FROM pg_type WHERE typcategory = 'A' AND typelem <> 0 AND oid >= 16384`,
  );
  return {
    primaryKey: new Set(keys.rows.map(({ name }) => name)),
    arrayTypes: new Set(arrays.rows.map(({ oid }) => oid)),
  };
}

/**
 * Makes the publication what the settings want. In the same transaction it asks PostgreSQL to plan an update and a delete: with a
 * publication whose table has no fitting replica identity, PostgreSQL refuses those to everyone, and a trigger must
 * not stop the application that writes the table. Returns the statements, or none where all was right.
 */
export async function ensurePublication(client: Client, name: string, settings: Settings): Promise<string[]> {
  const wanted = publicationStatement(name, settings);
  const { rows } = await client.query<{ made: string | null }>(
    `SELECT obj_description(oid, 'pg_publication') AS made FROM pg_publication WHERE pubname = $1`,
    [name],
  );
  if (rows[0]?.made === wanted) return [];
  const statements = [...(rows.length > 0 ? [`DROP PUBLICATION ${quoteName(name)}`] : []), wanted];
  await client.query('BEGIN');
  try {
    for (const statement of statements) await client.query(statement);
    await client.query(`COMMENT ON PUBLICATION ${quoteName(name)} IS ${quoteText(wanted)}`);
    await checkWrites(client, settings);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
  return statements;
}

async function checkWrites(client: Client, settings: Settings): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
        AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a' ORDER BY attnum LIMIT 1`,
    [tableName(settings)],
  );
  const column = rows[0] === undefined ? undefined : quoteName(rows[0].name);
  try {
    if (settings.actions.includes('update') && column !== undefined)
      await client.query(`EXPLAIN UPDATE ${tableName(settings)} SET ${column} = ${column}`);
    if (settings.actions.includes('delete')) await client.query(`EXPLAIN DELETE FROM ${tableName(settings)}`);
  } catch (error) {
    const { message, detail } = error as { message: string; detail?: string };
    throw setupError(
      `With this trigger PostgreSQL would refuse updates or deletes: ${message}.${detail === undefined ? '' : ` ${detail}`} Nothing was changed.`,
      `ALTER TABLE ${tableName(settings)} REPLICA IDENTITY FULL; (or give it a primary key, and have its columns in \`columns\` and \`where\`).`,
    );
  }
}

export async function findSlot(client: Client, name: string): Promise<SlotState | undefined> {
  const { rows } = await client.query<{
    confirmed: string | null;
    lag: string | null;
    status: string | null;
  }>(
    `SELECT confirmed_flush_lsn::text AS confirmed, wal_status AS status,
       pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::text AS lag
      FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()`,
    [name],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  const confirmed = row.confirmed === null ? 0n : parseLsn(row.confirmed);
  return {
    confirmed,
    lagBytes: Math.max(0, Number(row.lag ?? 0)),
    isLost: row.status === 'lost' || row.confirmed === null,
  };
}

/** `16/B374D848`, as PostgreSQL writes places in its log. */
export function parseLsn(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

export function setupError(message: string, hint: string): LambentError {
  return new LambentError('E_SOURCE_SETUP', message, { hint });
}
