import { LambentError } from '../base/errors.ts';

/*
 * Connections: outside services, where they are and how to log in. What is secret is named and never held: the values
 * are looked up whenever a connection is made, so that a new value needs no deploy.
 */

const DATABASE_KINDS = ['postgres', 'mysql', 'sqlite'] as const;
const BROKER_KINDS = ['redis', 'rabbitmq', 'nats', 'mqtt', 'kafka', 'sqs'] as const;
export const CONNECTION_KINDS = [...DATABASE_KINDS, ...BROKER_KINDS] as const;
export type ConnectionKind = (typeof CONNECTION_KINDS)[number];

/** How one logs in to Kafka, in the words of its protocol. */
export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

export const CONNECTION_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
/** Connections of one app. */
export const CONNECTIONS_MAX = 200;

export interface Connection {
  /** Its name in the manifest's `connections`; `undefined`: a trigger says by itself where the address is. */
  readonly name: string | undefined;
  readonly kind: ConnectionKind;
  readonly at: ConnectionPlace;
  /** `undefined`: as the address says, or without. */
  readonly tls: ConnectionTls | undefined;
}

export type ConnectionPlace =
  /** The name of the secret, or environment variable, with the whole address. */
  | { readonly kind: 'url'; readonly url: string }
  | {
      readonly kind: 'parts';
      readonly host: string;
      /** `undefined`: the usual one of the kind. */
      readonly port: number | undefined;
      /** The database; of Redis its number, of RabbitMQ the virtual host. */
      readonly path: string | undefined;
      readonly user: string | undefined;
      /** The name of a secret. */
      readonly password: string | undefined;
      /** What a kind needs besides, as the address has it behind its `?`. */
      readonly options?: Readonly<Record<string, string>> | undefined;
    };

/** Names of secrets with PEM texts, and what is asked of the server's certificate. */
export interface ConnectionTls {
  /** Authorities in the place of the usual ones. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The name that the certificate must be for; `undefined`: the host. */
  readonly serverName: string | undefined;
  /** Whether the certificate must hold. */
  readonly verify: boolean;
}

/** A connection with its values filled in. It holds passwords: never shown, stored or logged. */
export interface Address {
  /** Where the address came from, in words that may be shown. */
  readonly label: string;
  readonly url: string;
  /** As Node's `tls.connect` takes it; `undefined`: as the address says. */
  readonly tls: AddressTls | undefined;
}

export interface AddressTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
}

/** Schemes without and with TLS. */
const SCHEMES: Readonly<Record<ConnectionKind, readonly [plain: string, tls: string]>> = {
  postgres: ['postgres', 'postgres'],
  mysql: ['mysql', 'mysql'],
  sqlite: ['sqlite', 'sqlite'],
  redis: ['redis', 'rediss'],
  rabbitmq: ['amqp', 'amqps'],
  nats: ['nats', 'tls'],
  mqtt: ['mqtt', 'mqtts'],
  kafka: ['kafka', 'kafkas'],
  sqs: ['http', 'https'],
};

/** A trigger's address that is in one secret. */
export function connectionByUrl(kind: ConnectionKind, url: string): Connection {
  return { name: undefined, kind, at: { kind: 'url', url }, tls: undefined };
}

/** What tells one service from another, without looking values up: a position of one is none of another's. */
export function placeOf({ at }: Connection): string {
  return at.kind === 'url' ? at.url : `${at.host}:${at.port ?? ''}/${at.path ?? ''}`;
}

/** The same for people: as the manifest calls it, and where that is. */
export function placeName({ name, at }: Connection): string {
  const place = at.kind === 'url' ? at.url : `${at.host}${at.port === undefined ? '' : `:${at.port}`}`;
  return name === undefined || name === place ? place : `${name} (${place})`;
}

/** Every secret that it names. */
export function secretsOf({ at, tls }: Connection): string[] {
  const own = at.kind === 'url' ? [at.url] : [at.password];
  return [...own, tls?.ca, tls?.cert, tls?.key].filter((name) => name !== undefined);
}

/** `lookUp` gives the value of a secret, or `undefined`. `E_SECRET_MISSING`. */
export function resolveAddress(
  connection: Connection,
  lookUp: (name: string) => string | undefined,
): Address {
  const need = (name: string): string => {
    const value = lookUp(name);
    if (value === undefined || value === '')
      throw new LambentError(
        'E_SECRET_MISSING',
        `There is no secret ${name} of the app, and no such environment variable of the function.`,
      );
    return value;
  };
  const { at, kind, tls } = connection;
  const label = at.kind === 'url' ? at.url : `${at.host}${at.port === undefined ? '' : `:${at.port}`}`;
  const url =
    at.kind === 'url' ? need(at.url) : composeUrl(SCHEMES[kind][tls === undefined ? 0 : 1], at, need);
  return { label, url, tls: tls === undefined ? undefined : resolveTls(tls, need) };
}

function composeUrl(
  scheme: string,
  at: ConnectionPlace & { readonly kind: 'parts' },
  need: (name: string) => string,
): string {
  const { host, port, path, user, password, options } = at;
  const login =
    user === undefined && password === undefined
      ? ''
      : `${encodeURIComponent(user ?? '')}${password === undefined ? '' : `:${encodeURIComponent(need(password))}`}@`;
  const place = `${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`;
  const query = options === undefined ? '' : `?${new URLSearchParams(options)}`;
  return `${scheme}://${login}${place}${path === undefined ? '' : `/${encodeURIComponent(path)}`}${query}`;
}

function resolveTls(tls: ConnectionTls, need: (name: string) => string): AddressTls {
  const { ca, cert, key, serverName, verify } = tls;
  return {
    ...(ca === undefined ? {} : { ca: need(ca) }),
    ...(cert === undefined ? {} : { cert: need(cert) }),
    ...(key === undefined ? {} : { key: need(key) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    rejectUnauthorized: verify,
  };
}
