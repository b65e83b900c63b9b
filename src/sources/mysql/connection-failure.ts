import {
  explainFailure as explain,
  type Failure,
  failureText,
  type KnownFailures,
  NETWORK_FAILURES,
} from '../rows/explain-failure.ts';

/** Codes of the server, with what is wrong and what mends it. */
const KNOWN: KnownFailures = {
  ...NETWORK_FAILURES,
  ER_ACCESS_DENIED_ERROR: [
    'The database refuses the login',
    'Correct user and password in the address; the user must be allowed from this host.',
  ],
  ER_BAD_DB_ERROR: ['There is no such database', 'Correct the database in the address.'],
  ER_DBACCESS_DENIED_ERROR: [
    'The user may not use this database',
    'As an administrator: GRANT SELECT ON database.* TO the user.',
  ],
  ER_CON_COUNT_ERROR: ['The server has no connection left', 'Raise max_connections.'],
  ER_NOT_SUPPORTED_AUTH_MODE: [
    'The server wants a login that is not supported',
    'Give the user the plugin mysql_native_password, or caching_sha2_password.',
  ],
};

const TLS_FIX = 'Correct `tls` of the connection, and the certificates.';

export function explainFailure(error: unknown): Failure {
  return explain(error, KNOWN, TLS_FIX);
}

/** The same in one text. */
export function describeFailure(error: unknown): string {
  return failureText(explainFailure(error));
}
