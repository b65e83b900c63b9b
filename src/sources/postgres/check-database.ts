import type { Client } from 'pg';
import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';
import type { PostgresSource, TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck, ConnectionDriver } from '../../ports/connection-driver.ts';
import { connect } from './connect.ts';
import { explainFailure } from './connection-failure.ts';
import { checkExistingRows } from './existing-rows.ts';
import { checkTable, readServer, serverProblems } from './table-setup.ts';

/** PostgreSQL as `lambent connections test` sees it: everything that reading its changes needs. */
export const postgresDriver: ConnectionDriver = { kind: 'postgres', port: 5432, tls: undefined, check };

async function check(address: Address, sources: readonly TriggerSource[]): Promise<ConnectionCheck[]> {
  let client: Client;
  try {
    client = await connect(address, { replicates: false, onLost: () => {} });
  } catch (error) {
    return [failed(error, 'login')];
  }
  try {
    const facts = await readServer(client);
    const { user, database } = client;
    const encrypted = 'encrypted' in client.connection.stream ? 'encrypted' : 'not encrypted';
    const checks: ConnectionCheck[] = [
      { name: 'login', ok: true, text: `${user} is let into the database ${database}, ${encrypted}.` },
    ];
    const problems = serverProblems(facts);
    for (const [name, text] of Object.entries({
      version: `The server is version ${Math.floor(facts.version / 10_000)}.`,
      wal_level: 'wal_level is logical.',
      replication: `The role ${facts.who} may read the stream of changes.`,
    })) {
      const problem = problems.find((each) => each.name === name);
      checks.push(problem === undefined ? { name, ok: true, text } : failed(problem.error, name));
    }
    if (problems.length === 0) checks.push(await checkStream(address));
    const tables = sources.filter((source): source is PostgresSource => source.kind === 'postgres');
    for (const table of tables) checks.push(await checkOne(client, table));
    return checks;
  } catch (error) {
    return [failed(error, 'login')];
  } finally {
    client.connection.stream.destroy();
  }
}

/** Replication has lines of its own in pg_hba.conf on some servers, and connections of its own on all. */
async function checkStream(address: Address): Promise<ConnectionCheck> {
  try {
    const client = await connect(address, { replicates: true, onLost: () => {} });
    client.connection.stream.destroy();
    return { name: 'stream', ok: true, text: 'The server lets a reader of changes in.' };
  } catch (error) {
    return failed(error, 'stream');
  }
}

async function checkOne(client: Client, settings: PostgresSource): Promise<ConnectionCheck> {
  const { schema, table } = settings;
  const name = `table ${schema}.${table}`;
  try {
    const facts = await checkTable(client, settings);
    if (settings.backfill === true) checkExistingRows(facts, settings);
    return { name, ok: true, text: 'It is there, and what the trigger needs can be made.' };
  } catch (error) {
    return { ...failed(error, name), name };
  }
}

function failed(error: unknown, name: string): ConnectionCheck {
  if (error instanceof LambentError) return { name, ok: false, text: error.message, fix: error.hint };
  const { step, text, fix } = explainFailure(error);
  return { name: step ?? name, ok: false, text, fix };
}
