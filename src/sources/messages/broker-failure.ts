import { LambentError } from '../../base/errors.ts';

/** Codes of the network, and words of the brokers, with what is wrong and what mends it. */
const KNOWN: readonly (readonly [RegExp, string])[] = [
  [/ENOTFOUND/, 'The name of the broker’s host is not known. Correct the host in the address.'],
  [/EAI_AGAIN/, 'The name of the broker’s host could not be looked up. Look at the machine’s DNS.'],
  [/ECONNREFUSED/, 'Nothing listens at the broker’s address. Start the broker, or correct host and port.'],
  [
    /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timeout/i,
    'The broker does not answer. Look at the network and its firewalls.',
  ],
  [
    /WRONGPASS|NOAUTH|ACCESS[_-]REFUSED|authorization violation|authentication|bad user name or password|not authorized/i,
    'The broker refuses the login. Correct user and password in the address, and what the user may do.',
  ],
  [/NOPERM|permissions? violation/i, 'The broker’s user lacks a right. Let it read what the trigger names.'],
  [
    /certificate|self[- ]signed|SSL|TLS|EPROTO/i,
    'The broker’s TLS does not hold. Correct the scheme of the address and the certificates; NODE_EXTRA_CA_CERTS names further authorities.',
  ],
  [/ECONNRESET|EPIPE|clos|disconnect|reset/i, 'The connection to the broker was lost.'],
];

/** What is wrong, and what mends it, in one text. Never the login that the address holds. */
export function describeBrokerFailure(error: unknown, url: string | undefined): string {
  if (error instanceof LambentError) return `${error.message} ${error.hint}`;
  const own = withoutLogin(wordsOf(error), url);
  const known = KNOWN.find(([pattern]) => pattern.test(own));
  return known === undefined ? own : `${known[1]} (${own})`;
}

function wordsOf(error: unknown): string {
  const { code, message, errors } = (error ?? {}) as { code?: unknown; message?: unknown; errors?: unknown };
  const words = [
    typeof code === 'string' ? code : '',
    typeof message === 'string' ? message : '',
    // One for each address of the host.
    ...(Array.isArray(errors) ? errors.map(wordsOf) : []),
  ];
  return [...new Set(words.filter((word) => word !== ''))].join(': ') || 'it gives no reason';
}

function withoutLogin(text: string, url: string | undefined): string {
  if (url === undefined) return text;
  const secrets = [url];
  if (URL.canParse(url)) {
    const { username, password } = new URL(url);
    for (const part of [password, password === '' ? username : '']) secrets.push(part, decoded(part));
  }
  return secrets
    .filter((secret) => secret !== '')
    .reduce((left, secret) => left.replaceAll(secret, '…'), text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
