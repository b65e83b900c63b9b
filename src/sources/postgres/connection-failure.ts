import {
  explainFailure as explain,
  type Failure,
  failureText,
  type KnownFailures,
  NETWORK_FAILURES,
} from '../rows/explain-failure.ts';

/** Codes of PostgreSQL, with what is wrong and what mends it. */
const KNOWN: KnownFailures = {
  ...NETWORK_FAILURES,
  ENOENT: [
    'There is no socket at the database’s address',
    'Start PostgreSQL, or correct the folder of its socket.',
  ],
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

const TLS_FIX = 'Correct `tls` of the connection, or `sslmode` in the address, and the certificates.';

export function explainFailure(error: unknown): Failure {
  return explain(error, KNOWN, TLS_FIX);
}

/** The same in one text. */
export function describeFailure(error: unknown): string {
  return failureText(explainFailure(error));
}
