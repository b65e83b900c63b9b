import { LambentError } from '../../base/errors.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';

/** Codes of the network, and words of the brokers: the step that fails, what is wrong, and what mends it. */
const KNOWN: readonly (readonly [words: RegExp, step: string, text: string, fix: string])[] = [
  [/ENOTFOUND/, 'name', 'The name of the broker’s host is not known.', 'Correct the host in the address.'],
  [
    /EAI_AGAIN/,
    'name',
    'The name of the broker’s host could not be looked up.',
    'Look at the machine’s DNS.',
  ],
  [
    /ECONNREFUSED/,
    'reach',
    'Nothing listens at the broker’s address.',
    'Start the broker, or correct host and port.',
  ],
  [
    /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timeout/i,
    'reach',
    'The broker does not answer.',
    'Look at the network and its firewalls.',
  ],
  [
    /fenced/,
    'login',
    'Another reader takes the trigger’s place at the broker: one group belongs to one platform.',
    'End the other one, or give the trigger a group of its own.',
  ],
  [
    /protocol type or a set of protocols/,
    'group',
    'The other members of the group share its partitions in a way that Lambent does not know.',
    'Let their partition.assignment.strategy have range or round-robin, or give the trigger a group of its own.',
  ],
  [
    /(?:topic|group|cluster) authorization failed/i,
    'permission',
    'The broker’s user lacks a right.',
    'Give it the right: kafka-acls.sh --add --allow-principal User:NAME --operation Read --topic TOPIC --group GROUP',
  ],
  [
    /suitable SASL mechanism|UNSUPPORTED_SASL/,
    'login',
    'Kafka does not let users in this way.',
    'Name another `sasl` in the connection: plain, scram-sha-256 or scram-sha-512.',
  ],
  // The client of RabbitMQ keeps the server's own words to itself.
  [
    /Expected ConnectionOpenOk/,
    'vhost',
    'RabbitMQ has no such virtual host, or the user may not use it.',
    'Correct the virtual host in the address, or let the user in: rabbitmqctl set_permissions -p VHOST USER …',
  ],
  [
    /access to \w+ '.*' (?:in vhost .* )?refused/,
    'permission',
    'The broker’s user lacks a right.',
    'Give it the right to read what the trigger names (rabbitmqctl set_permissions).',
  ],
  [
    /WRONGPASS|NOAUTH|ACCESS[_-]REFUSED|SignatureDoesNotMatch|InvalidSignature|InvalidClientTokenId|UnrecognizedClient|InvalidAccessKeyId|MissingAuthenticationToken|authorization violation|authentication|bad user name or password|not authorized/i,
    'login',
    'The broker refuses the login.',
    'Correct user and password, and what the user may do.',
  ],
  [
    /NOPERM|permissions? violation|AccessDenied/i,
    'permission',
    'The broker’s user lacks a right.',
    'Let it read what the trigger names.',
  ],
  [
    /certificate|self[- ]signed|SSL|TLS|EPROTO/i,
    'tls',
    'The broker’s TLS does not hold.',
    'Correct `tls` of the connection, or the scheme of the address, and the certificates.',
  ],
  [
    /ECONNRESET|EPIPE|clos|disconnect|reset/i,
    'login',
    'The connection to the broker was lost.',
    'See the log of the broker for why it ended it.',
  ],
];

/** What is wrong, and what mends it. Never the login that the address holds. `step`: what was being done. */
export function explainBrokerFailure(
  error: unknown,
  url: string | undefined,
  step = 'login',
): ConnectionCheck & { readonly ok: false } {
  if (error instanceof LambentError) return { name: step, ok: false, text: error.message, fix: error.hint };
  const own = withoutLogin(wordsOf(error), url);
  const known = KNOWN.find(([words]) => words.test(own));
  if (known === undefined) return { name: step, ok: false, text: own };
  return { name: known[1], ok: false, text: `${known[2]} (${own})`, fix: known[3] };
}

/** Whether nothing answers at the address. */
export function isAway(error: unknown, url: string | undefined): boolean {
  const { name } = explainBrokerFailure(error, url);
  return name === 'name' || name === 'reach';
}

/** The same in one text. */
export function describeBrokerFailure(error: unknown, url: string | undefined): string {
  const { text, fix } = explainBrokerFailure(error, url);
  return fix === undefined ? text : `${text} ${fix}`;
}

/** What wraps others of Kafka's client only says that something failed. */
const WRAPPERS: ReadonlySet<unknown> = new Set(['PLT_KFK_MULTIPLE', 'PLT_KFK_NETWORK', 'PLT_KFK_RESPONSE']);

function wordsOf(error: unknown): string {
  return [...new Set(allWordsOf(error))].join(': ') || 'it gives no reason';
}

function allWordsOf(error: unknown): string[] {
  const { code, message, errors, cause } = (error ?? {}) as Record<string, unknown>;
  // One for each address of the host.
  const inner = [...(Array.isArray(errors) ? errors : []), ...(cause instanceof Error ? [cause] : [])];
  // A broker that dies while it is being logged in to has refused nobody.
  const isCutOff =
    code === 'PLT_KFK_AUTHENTICATION' && (cause as { code?: string }).code === 'PLT_KFK_NETWORK';
  if (inner.length > 0 && (isCutOff || WRAPPERS.has(code))) return inner.flatMap(allWordsOf);
  const own = [
    typeof code === 'string' && !code.startsWith('PLT_KFK_') ? code : '',
    typeof message === 'string' ? message : '',
  ];
  return [...own.filter((word) => word !== ''), ...inner.flatMap(allWordsOf)];
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
