import { LambentError } from '../../base/errors.ts';

/** Codes of a database and of the network, with what is wrong and what mends it. */
export type KnownFailures = Readonly<Record<string, readonly [message: string, hint: string]>>;

/** Codes of the network; where a database is reached by other ways, its own come beside. */
export const NETWORK_FAILURES: KnownFailures = {
  ENOTFOUND: ['The name of the database’s host is not known', 'Correct the host in the address.'],
  EAI_AGAIN: ['The name of the database’s host could not be looked up', 'Look at the machine’s DNS.'],
  ECONNREFUSED: [
    'Nothing listens at the database’s address',
    'Start the database, or correct host and port.',
  ],
  ETIMEDOUT: ['The database’s host does not answer', 'Look at the network and its firewalls.'],
};

export interface Failure {
  /** What failed, where the error tells; `undefined`: whatever was being done. */
  readonly step: string | undefined;
  readonly text: string;
  readonly fix: string | undefined;
}

/** What is wrong, and what mends it. Never the address, which holds the password. `tlsFix`: what mends TLS. */
export function explainFailure(error: unknown, known: KnownFailures, tlsFix: string): Failure {
  if (error instanceof LambentError) return { step: undefined, text: error.message, fix: error.hint };
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const own = typeof message === 'string' && message !== '' ? message : 'for no known reason';
  const found = typeof code === 'string' ? known[code] : undefined;
  if (found !== undefined) return { step: undefined, text: `${found[0]} (${own}).`, fix: found[1] };
  if (/certificate|SSL|TLS/i.test(own))
    return { step: 'tls', text: `The database’s TLS does not hold (${own}).`, fix: tlsFix };
  return { step: undefined, text: own, fix: undefined };
}

/** The same in one text. */
export function failureText({ text, fix }: Pick<Failure, 'text' | 'fix'>): string {
  return fix === undefined ? text : `${text} ${fix}`;
}
