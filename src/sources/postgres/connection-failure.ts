import { LambentError } from '../../base/errors.ts';

/** Codes of PostgreSQL and of the network, with what is wrong and what mends it. */
const KNOWN: Readonly<Record<string, readonly [message: string, hint: string]>> = {
  ENOTFOUND: ['The name of the database’s host is not known', 'Correct the host in the address.'],
  EAI_AGAIN: ['The name of the database’s host could not be looked up', 'Look at the machine’s DNS.'],
  ECONNREFUSED: ['Nothing listens at the database’s address', 'Start PostgreSQL, or correct host and port.'],
  ENOENT: [
    'There is no socket at the database’s address',
    'Start PostgreSQL, or correct the folder of its socket.',
  ],
  ETIMEDOUT: ['The database’s host does not answer', 'Look at the network and its firewalls.'],
  '28P01': ['The database refuses the password', 'Correct user and password in the address.'],
  '28000': [
    'The database refuses the login',
    'See pg_hba.conf: a line must let this user in, for its database and for `replication=database`.',
  ],
  '3D000': ['There is no such database', 'Correct the database in the address.'],
  '42501': ['The role lacks a right', 'The role must own the table, and have CREATE on the database.'],
  '53300': ['The server has no connection left', 'Raise max_connections or max_wal_senders.'],
  '53400': [
    'The server has no replication slot left',
    'Raise max_replication_slots, or drop slots that nobody reads (pg_replication_slots).',
  ],
  '55006': [
    'Somebody else reads this slot',
    'Another platform with a copy of this data folder, or a connection that ends soon.',
  ],
};

export interface Failure {
  /** What failed, where the error tells: `tls`, `name`, `login` …; `undefined`: whatever was being done. */
  readonly step: string | undefined;
  readonly text: string;
  readonly fix: string | undefined;
}

/** What is wrong, and what mends it. Never the address, which holds the password. */
export function explainFailure(error: unknown): Failure {
  if (error instanceof LambentError) return { step: undefined, text: error.message, fix: error.hint };
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const own = typeof message === 'string' ? message : 'for no known reason';
  const known = typeof code === 'string' ? KNOWN[code] : undefined;
  if (known !== undefined) return { step: undefined, text: `${known[0]} (${own}).`, fix: known[1] };
  if (/certificate|SSL|TLS/i.test(own))
    return {
      ...{ step: 'tls', text: `The database’s TLS does not hold (${own}).` },
      fix: 'Correct `tls` of the connection, or `sslmode` in the address, and the certificates.',
    };
  return { step: undefined, text: own, fix: undefined };
}

/** The same in one text. */
export function describeFailure(error: unknown): string {
  const { text, fix } = explainFailure(error);
  return fix === undefined ? text : `${text} ${fix}`;
}
