import { connect as connectSocket } from 'node:net';
import type { Connection, ConnectionOptions } from 'mysql2/promise';
import { LambentError } from '../../base/errors.ts';
import type { Address, AddressTls } from '../../model/connection.ts';

export const MYSQL_PORT = 3_306;
const CONNECT_MS_MAX = 15_000;

/** A server's answers as they are in the protocol: numbers and times as text. */
export interface Database {
  readonly connection: Connection;
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, string | null>[]>;
  /** Ends it at once, whatever it does. */
  destroy(): void;
}

/** A connection to the server. `onLost` hears of its end, however it comes. */
export async function connect(address: Address, onLost: (error: unknown) => void): Promise<Database> {
  const options = optionsOf(address);
  // Loaded when the first trigger opens: most platforms have none.
  const { createConnection } = await import('mysql2/promise');
  const connection = await createConnection(options);
  connection.on('error', onLost);
  connection.on('end', () => onLost(new Error('the database closed the connection')));
  return {
    connection,
    async query(sql, values = []) {
      const [rows] = await connection.query(sql, values as unknown[]);
      return Array.isArray(rows) ? (rows as Record<string, string | null>[]) : [];
    },
    destroy: () => connection.destroy(),
  };
}

/** `mysql://user:password@host:3306/database`. */
function optionsOf({ label, url, tls }: Address): ConnectionOptions {
  if (!/^(?:mysql|mariadb):\/\//.test(url) || !URL.canParse(url))
    throw setupError(
      `${label} holds no address of MariaDB or MySQL.`,
      'It must be as in mysql://user:password@host:3306/database.',
    );
  const { username, password, hostname, port, pathname } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1') || 'localhost';
  return {
    ...{ user: decodeURIComponent(username), password: decodeURIComponent(password) },
    ...(pathname.length > 1 ? { database: decodeURIComponent(pathname.slice(1)) } : {}),
    ...placeOf(host, Number(port || MYSQL_PORT), tls),
    ...{ connectTimeout: CONNECT_MS_MAX, enableKeepAlive: true, charset: 'utf8mb4' },
    // Everything as text; and no code made at run time.
    ...{ typeCast: (field: { string(): string | null }) => field.string(), disableEval: true },
  } as ConnectionOptions;
}

/** The client compares the certificate with `host` and with nothing else: another name is given as that. */
function placeOf(host: string, port: number, tls: AddressTls | undefined): object {
  if (tls === undefined) return { host, port };
  const { servername = host, ...rest } = tls;
  return {
    host: servername,
    stream: () => connectSocket(port, host),
    ssl: { ...rest, verifyIdentity: rest.rejectUnauthorized },
  };
}

export function setupError(message: string, hint: string): LambentError {
  return new LambentError('E_SOURCE_SETUP', message, { hint });
}
