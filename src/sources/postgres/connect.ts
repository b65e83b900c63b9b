import { Client } from 'pg';
import type { Address } from '../../model/connection.ts';
import { setupError } from './table-setup.ts';

const CONNECT_MS_MAX = 15_000;
/** How values are written: column-value.ts reads them so. Said after the login, so that the address cannot say otherwise. */
const SETTINGS = `SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'; SET timezone = 'UTC';
  SET extra_float_digits = 1; SET bytea_output = 'hex'; SET statement_timeout = 0; SET client_encoding = 'UTF8'`;

/** A connection to the database, or one that can also stream changes. `onLost` hears of its end, however it comes. */
export async function connect(
  { label, url, tls }: Address,
  use: { readonly replicates: boolean; readonly onLost: (error: unknown) => void },
): Promise<Client> {
  if (!/^postgres(?:ql)?:\/\//.test(url))
    throw setupError(
      `${label} holds no address of PostgreSQL.`,
      'It must be as in postgres://user:password@host:5432/database.',
    );
  const client = new Client({
    connectionString: url,
    ...(tls === undefined ? {} : { ssl: tls }),
    ...{ application_name: 'lambent', keepAlive: true, connectionTimeoutMillis: CONNECT_MS_MAX },
    ...(use.replicates ? { replication: 'database' } : {}),
  });
  client.on('error', use.onLost);
  client.on('end', () => use.onLost(new Error('the database closed the connection')));
  try {
    await client.connect();
    await client.query(SETTINGS);
  } catch (error) {
    client.connection.stream.destroy();
    throw error;
  }
  return client;
}
