/** What a service is to the harness, and the databases among them. */
import { BINARY_LOG, MariaDbServer } from '../mariadb-server.ts';
import { PostgresCluster } from '../postgres-cluster.ts';
import type { Acknowledged } from './ledger.ts';

export interface ChaosService {
  /** The function that it runs. */
  readonly name: string;
  readonly url: string;
  /** The trigger of that function, where `DB` is the address. */
  readonly trigger: string;
  /** What the function makes of its event: an expression over `event`, with `id`, `name` and `place`. */
  readonly row: string;
  /** Of the trigger: where in the event the key is. */
  readonly key: string;
  /** What is there before the trigger begins and is told by it. */
  readonly existing: readonly Acknowledged[];
  writer(): Promise<ChaosWriter>;
  kill(): Promise<void>;
  open(): Promise<void>;
  remove(): Promise<void>;
}

export interface ChaosWriter {
  /** Resolves when the service promises to keep it. */
  write(entry: Acknowledged): Promise<void>;
  end(): Promise<unknown>;
}

const TABLE = 'CREATE TABLE changes (id varchar(20) PRIMARY KEY, name varchar(20), place int)';
const EXISTING = 1_000;
const EXISTING_KEYS = 50;

interface Database {
  readonly url: string;
  sql(text: string): Promise<unknown>;
  writer(): Promise<{
    readonly write: (sql: string) => Promise<unknown>;
    readonly end: () => Promise<unknown>;
  }>;
  kill(): Promise<void>;
  open(): Promise<void>;
  remove(): Promise<void>;
}

/** Rows of a MariaDB, by its binary log, of which many are there before. */
export async function mariaDbService(): Promise<ChaosService> {
  const server = await MariaDbServer.start(BINARY_LOG, 'chaos');
  await server.sql(TABLE);
  await server.sql(
    `INSERT INTO changes SELECT CONCAT('old', seq), CONCAT('o', seq % ${EXISTING_KEYS}), seq FROM seq_1_to_${EXISTING}`,
  );
  return databaseService('mariadb', 'mysql: { url: DB, table: changes, backfill: true }', server);
}

/** Rows of a PostgreSQL, of which many are there before. */
export async function postgresService(programs: string): Promise<ChaosService> {
  const cluster = await PostgresCluster.start(programs);
  await cluster.sql(`${TABLE};
    INSERT INTO changes SELECT 'old' || each, 'o' || each % ${EXISTING_KEYS}, each FROM generate_series(1, ${EXISTING}) AS each`);
  return databaseService('postgres', 'postgres: { url: DB, table: changes, backfill: true }', cluster);
}

function databaseService(name: string, trigger: string, database: Database): ChaosService {
  const existing = Array.from({ length: EXISTING }, (_, at) => ({
    ...{ id: `old${at + 1}`, key: `o${(at + 1) % EXISTING_KEYS}` },
    // They come in the order of the key, which is text: there is no order to promise.
    place: 0,
  }));
  return {
    ...{ name, trigger, url: database.url, existing },
    key: 'data.new.name',
    row: `{ ...event.data.new, ...(event.data.action === 'existing' ? { place: 0 } : {}) }`,
    async writer() {
      const { write, end } = await database.writer();
      return {
        async write({ id, key, place }) {
          await write(`INSERT INTO changes VALUES ('${id}', '${key}', ${place})`);
        },
        end,
      };
    },
    kill: () => database.kill(),
    open: () => database.open(),
    remove: () => database.remove(),
  };
}
