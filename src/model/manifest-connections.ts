import { z } from 'zod';
import { nearestOf } from '../base/nearest.ts';
import {
  CONNECTION_KINDS,
  CONNECTION_NAME,
  CONNECTIONS_MAX,
  type Connection,
  type ConnectionKind,
  type ConnectionTls,
  connectionByUrl,
  SASL_MECHANISMS,
} from './connection.ts';
import type { ManifestPath, ManifestProblems } from './manifest-problems.ts';
import { ENV_NAME, text, whole } from './manifest-schema-parts.ts';

/** Connections, as the manifest gives them. Each `error` text completes "… must be". */

const SECRET_EXPECTED = 'the name of a secret';
const secretName = (description: string) =>
  z.string({ error: SECRET_EXPECTED }).regex(ENV_NAME, { error: SECRET_EXPECTED }).describe(description);

const TLS_EXPECTED = 'true, false, or an object with `ca`, `cert`, `key`, `serverName` or `verify`';

export const connectionTlsSchema = z
  .strictObject(
    {
      ca: secretName(
        'Secret with the certificates of the authorities to trust, as PEM. Default: the usual ones.',
      ),
      cert: secretName('Secret with the certificate to log in with, as PEM.'),
      key: secretName('Secret with the key of `cert`, as PEM.'),
      serverName: text('a name of a host', 'The name that the certificate must be for. Default: the host.'),
      verify: z
        .boolean({ error: 'true or false' })
        .describe('Whether the certificate must hold. Default: true.'),
    },
    { error: TLS_EXPECTED },
  )
  .partial();

const SASL_WORDS = SASL_MECHANISMS.map((mechanism) => mechanism.toLowerCase());
const REGION_EXPECTED = 'a region such as `eu-central-1`';
const HOST_EXPECTED = 'a name or address of a host';

export const connectionSchema = z.strictObject(
  {
    kind: z
      .enum(CONNECTION_KINDS, { error: `one of ${CONNECTION_KINDS.join(', ')}` })
      .describe('What the service is.'),
    url: secretName('Secret with the whole address, in the place of its parts.').optional(),
    host: z
      .string({ error: HOST_EXPECTED })
      .regex(/^[\w.:-]+$/, { error: HOST_EXPECTED })
      .describe('Name or address of the host.')
      .optional(),
    port: whole(1, 65_535, 'Default: the usual one of the kind.').optional(),
    database: z
      .union([z.string().min(1), z.int().min(0)], { error: 'the name or number of a database' })
      .describe('The database; of Redis its number, of RabbitMQ the virtual host.')
      .optional(),
    user: text('the name of a user', 'Who logs in; of SQS the id of the access key.').optional(),
    password: secretName('Secret with the password; of SQS with the key itself.').optional(),
    sasl: z
      .enum(SASL_WORDS, { error: `one of ${SASL_WORDS.join(', ')}` })
      .describe('Of Kafka: how `user` logs in. Default: plain.')
      .optional(),
    region: z
      .string({ error: REGION_EXPECTED })
      .regex(/^[a-z0-9-]{1,64}$/, { error: REGION_EXPECTED })
      .describe('Of SQS: the region that requests are signed for. Default: that of the host, or us-east-1.')
      .optional(),
    tls: z
      .union([z.boolean(), connectionTlsSchema], { error: TLS_EXPECTED })
      .describe(
        'Encrypted, and how the two sides know each other. Default: as the address says; with `host`, false.',
      )
      .optional(),
  },
  { error: 'an object with `kind` and `url` or `host`' },
);

export const connectionsSchema = z
  .record(z.string(), connectionSchema, { error: 'an object of connections by name' })
  .describe('Outside services by name, with what is needed to log in.');

export type ConnectionInput = z.input<typeof connectionSchema>;

/** Where a trigger finds its service: a connection by name, or the secret with an address. */
export interface ConnectionChoice {
  readonly url?: string | undefined;
  readonly connection?: string | undefined;
}

/** For the settings of a trigger. */
export const connectionChoice = (address: string) => ({
  connection: text(
    'the name of a connection of this app',
    'The connection, by its name in `connections`.',
  ).optional(),
  url: secretName(
    `In the place of \`connection\`: secret of the app, or environment variable of the function, with the address, \`${address}\`.`,
  ).optional(),
});

const PARTS = ['port', 'database', 'user', 'password', 'sasl', 'region'] as const;
/** Settings that only one kind has, and that its address has behind its `?`. */
const OPTIONS = [
  ['sasl', 'kafka'],
  ['region', 'sqs'],
] as const;

export function planConnections(
  given: Readonly<Record<string, ConnectionInput>>,
  problems: ManifestProblems,
): ReadonlyMap<string, Connection> {
  const planned = new Map<string, Connection>();
  for (const [name, input] of Object.entries(given)) {
    const path = ['connections', name];
    if (!CONNECTION_NAME.test(name))
      problems.add(
        path,
        'key',
        `\`${name}\` is no name of a connection: letters, digits, \`_\` and \`-\`, at most 64`,
      );
    const connection = planConnection(name, input, path, problems);
    if (connection !== undefined) planned.set(name, connection);
  }
  if (planned.size > CONNECTIONS_MAX)
    problems.add(
      ['connections'],
      'key',
      `an app has at most ${CONNECTIONS_MAX} connections, not ${planned.size}`,
    );
  return planned;
}

function planConnection(
  name: string,
  input: ConnectionInput,
  path: ManifestPath,
  problems: ManifestProblems,
): Connection | undefined {
  const { kind, url, host, port, database, user, password } = input;
  const tls = tlsOf(input.tls);
  if ((url === undefined) === (host === undefined)) {
    problems.add(path, 'value', 'a connection has `url`, the secret with its address, or else `host`');
    return undefined;
  }
  if (url !== undefined) {
    for (const key of PARTS)
      if (input[key] !== undefined)
        problems.add(
          [...path, key],
          'key',
          `\`${key}\` goes with \`host\`; with \`url\` it is in the address`,
        );
    return { ...connectionByUrl(kind, url), name, tls };
  }
  const options = optionsOf(input, path, problems);
  const at = {
    ...{ kind: 'parts' as const, host: host!, port, path: database?.toString(), user, password },
    ...(options.length === 0 ? {} : { options: Object.fromEntries(options) }),
  };
  return { name, kind, at, tls };
}

function optionsOf(
  input: ConnectionInput,
  path: ManifestPath,
  problems: ManifestProblems,
): (readonly [name: string, value: string])[] {
  return OPTIONS.flatMap(([key, kind]) => {
    const value = input[key];
    if (value !== undefined && input.kind !== kind)
      problems.add([...path, key], 'key', `\`${key}\` belongs to a connection of the kind ${kind}`);
    return value === undefined ? [] : [[key, value] as const];
  });
}

function tlsOf(given: ConnectionInput['tls']): ConnectionTls | undefined {
  if (given === undefined || given === false) return undefined;
  const { ca, cert, key, serverName, verify = true } = given === true ? {} : given;
  return { ca, cert, key, serverName, verify };
}

/** Whether every name is that of a connection. */
export function checkConnections(
  path: ManifestPath,
  names: readonly string[],
  connections: ReadonlyMap<string, Connection>,
  problems: ManifestProblems,
): void {
  for (const [at, name] of names.entries())
    if (!connections.has(name))
      problems.addWrong(
        [...path, at],
        'the name of a connection of this app',
        name,
        nearestOf(name, connections.keys()),
      );
}

/** The connection that a trigger names; `undefined` where that is a problem of the manifest. */
export function chooseConnection(
  kind: ConnectionKind,
  { url, connection: name }: ConnectionChoice,
  connections: ReadonlyMap<string, Connection>,
  path: ManifestPath,
  problems: ManifestProblems,
): Connection | undefined {
  if ((url === undefined) === (name === undefined)) {
    problems.add(
      path,
      'value',
      `\`${kind}\` has \`connection\`, or else \`url\`, the secret with the address`,
    );
    return undefined;
  }
  if (url !== undefined) return connectionByUrl(kind, url);
  const found = connections.get(name!);
  if (found === undefined)
    problems.addWrong(
      [...path, 'connection'],
      'the name of a connection of this app',
      name,
      nearestOf(name!, connections.keys()),
    );
  else if (found.kind !== kind)
    problems.add(
      [...path, 'connection'],
      'value',
      `the connection \`${name}\` is of the kind ${found.kind}; this needs one of the kind ${kind}`,
    );
  else return found;
  return undefined;
}
