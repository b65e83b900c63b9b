import { createHash } from 'node:crypto';
import type { Client } from 'pg';
import type { CloudEvent } from '../../model/cloud-event.ts';
import type { PostgresSource as Settings } from '../../model/trigger.ts';
import { ChunkSize } from '../rows/chunk-size.ts';
import type { Relation } from './pgoutput.ts';
import { toExistingEvent } from './row-event.ts';
import { quoteName, setupError, type TableFacts, tableName } from './table-setup.ts';

/*
 * The rows that a table has before its first change is told. They are read in the order of the primary key, under the
 * snapshot that PostgreSQL exports with a new slot: what they do not show yet is exactly what the slot's stream begins with.
 *
 * That snapshot ends with its connection. The slot does not: so a reading that was broken off goes on behind the last
 * stored key, under a snapshot of then, and the stream still begins where the slot does. No change can be missed so, and the
 * last that is told of a row is how it is; but rows of the second reading may show changes already that the stream then tells.
 */

export interface ExistingRows {
  readonly events: readonly CloudEvent[];
  /** Key of the last of them, as PostgreSQL writes it: the next reading begins behind it. */
  readonly after: readonly string[];
}

export interface Reading {
  readonly client: Client;
  readonly settings: Settings;
  readonly facts: TableFacts;
  readonly place: { readonly trigger: string; readonly slot: string; readonly timeMs: number };
  /** Of a slot that was made just now. */
  readonly snapshot: string | undefined;
  /** The last key that is stored. */
  readonly after: readonly string[] | undefined;
}

/** `E_SOURCE_SETUP` for a table without a primary key, or whose policies hide rows from the role. */
export async function* readExistingRows(reading: Reading): AsyncGenerator<ExistingRows> {
  const { client, settings, facts, place, snapshot } = reading;
  await client.query('SET idle_in_transaction_session_timeout = 0; SET row_security = off');
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  if (snapshot !== undefined) await client.query(`SET TRANSACTION SNAPSHOT '${snapshot}'`);
  const relation = await describe(client, settings, facts);
  const keys = [...facts.primaryKey];
  const { columns } = relation;
  let { after } = reading;
  for (const chunk = new ChunkSize(); ; ) {
    const limit = chunk.rows;
    const rows = await readRows(client, settings, [...columns.map(({ name }) => name), ...keys], {
      ...{ keys, after, limit },
    });
    if (rows.length === 0) return;
    let bytes = 0;
    const events = rows.map((row) => {
      const size = row.reduce((sum, text) => sum + (text === null ? 0 : Buffer.byteLength(text)), 0);
      bytes += size;
      const tuple = row.slice(0, columns.length);
      const id = `${place.slot}/existing/${digestOf(row.slice(columns.length))}`;
      return toExistingEvent(
        { relation, tuple, primaryKey: facts.primaryKey, bytes: size },
        { ...place, id },
        facts.arrayTypes,
      );
    });
    // Columns of a primary key are never null.
    after = rows.at(-1)!.slice(columns.length) as string[];
    yield { events, after };
    if (rows.length < limit) return;
    chunk.learn(bytes);
  }
}

/** E_SOURCE_SETUP where rows cannot be read one after another. To be asked before anything is made. */
export function checkExistingRows({ primaryKey }: TableFacts, settings: Settings): void {
  if (primaryKey.size === 0)
    throw setupError(
      `\`backfill\` reads ${settings.schema}.${settings.table} by its primary key, and it has none.`,
      'Give the table a primary key, or leave `backfill` out.',
    );
}

/** The columns that the stream would send, as it would describe them. */
async function describe(client: Client, settings: Settings, { primaryKey }: TableFacts): Promise<Relation> {
  const { schema, table, columns: wanted } = settings;
  const { rows } = await client.query<{ name: string; type: number }>(
    `SELECT attname AS name, atttypid AS type FROM pg_attribute
      WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
    [tableName(settings)],
  );
  const columns = rows
    .filter(({ name }) => wanted === undefined || wanted.includes(name))
    .map(({ name, type }) => ({ name, type, isKey: primaryKey.has(name) }));
  return { id: 0, schema, table, identity: 'd', columns };
}

/** Values come as the types' own output functions write them, as in the stream: a cast to text would change some. */
async function readRows(
  client: Client,
  settings: Settings,
  columns: readonly string[],
  { keys, after, limit }: { keys: readonly string[]; after: readonly string[] | undefined; limit: number },
): Promise<(string | null)[][]> {
  const list = (names: readonly string[]) => names.map(quoteName).join(', ');
  const conditions = [
    ...(settings.where === undefined ? [] : [`(${settings.where})`]),
    ...(after === undefined ? [] : [`(${list(keys)}) > (${keys.map((_, at) => `$${at + 1}`).join(', ')})`]),
  ];
  const { rows } = await client.query<(string | null)[]>({
    text: `SELECT ${list(columns)} FROM ONLY ${tableName(settings)}
      ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`} ORDER BY ${list(keys)} LIMIT ${limit}`,
    values: [...(after ?? [])],
    rowMode: 'array',
    types: { getTypeParser: () => (text: unknown) => text },
  });
  return rows;
}

function digestOf(key: readonly (string | null)[]): string {
  return createHash('sha256').update(JSON.stringify(key)).digest('base64url');
}
