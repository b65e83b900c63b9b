import { z } from 'zod';
import type { EgressPolicy } from '../model/egress-policy.ts';
import { type HttpTaskRequest, requestPoliced } from './policed-http.ts';

/*
 * `Authentication` of HTTP tasks: `ConnectionArn` names a connection as EventBridge has them, and here a secret of the app
 * of that name holds what EventBridge keeps in a secret for one, in the same shape:
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-target-connection.html
 */

const parameters = z
  .array(z.object({ key: z.string().min(1).max(512), value: z.string().max(8_192) }))
  .max(100)
  .default([]);
const always = {
  invocation_http_parameters: z
    .object({ header_parameters: parameters, query_string_parameters: parameters })
    .prefault({}),
};
const connectionSchema = z.union([
  z.object({ ...always, api_key_name: z.string().min(1), api_key_value: z.string() }),
  z.object({ ...always, username: z.string(), password: z.string() }),
  z.object({
    ...always,
    client_id: z.string(),
    client_secret: z.string(),
    authorization_endpoint: z.url({ protocol: /^https?$/ }),
    /** Further fields of the request for a token. */
    oauth_http_parameters: z.object({ body_parameters: parameters }).prefault({}),
  }),
]);

/** Longest answer of an authorization server that is read, in bytes. */
const TOKEN_BYTES_MAX = 65_536;

/** A connection that cannot be used, in the words of EventBridge. */
export class ConnectionProblem extends Error {
  readonly error: string;

  constructor(error: string, message: string) {
    super(message);
    this.error = error;
  }
}

/** The secret that a connection's ARN, or its bare name, stands for: secrets have no dashes in their names. */
export function secretNameOf(connectionArn: string): string {
  const [, named] = /:connection\/([^/]+)/.exec(connectionArn) ?? [];
  return (named ?? connectionArn).replaceAll(/[^A-Za-z0-9_]/g, '_');
}

/** Adds what the connection has to a request. Rejects with `ConnectionProblem`. */
export async function authenticate(
  request: HttpTaskRequest,
  connectionArn: string,
  secretOf: (name: string) => string | undefined,
  policy: EgressPolicy,
): Promise<void> {
  const name = secretNameOf(connectionArn);
  const text = secretOf(name);
  if (text === undefined)
    throw new ConnectionProblem(
      'Events.ConnectionResource.NotFound',
      `There is no secret ${name} of the app, which would hold connection '${connectionArn.slice(0, 300)}'. State machines that belong to no app have no secrets.`,
    );
  const connection = parseConnection(name, text);
  const { url, headers } = request;
  const { header_parameters: fields, query_string_parameters: query } = connection.invocation_http_parameters;
  for (const { key, value } of query) url.searchParams.append(key, value);
  try {
    for (const { key, value } of fields) headers.set(key, value);
    if ('api_key_name' in connection) headers.set(connection.api_key_name, connection.api_key_value);
    else if ('username' in connection)
      headers.set('authorization', basic(connection.username, connection.password));
    else headers.set('authorization', `Bearer ${await tokenOf(connection, request.signal, policy)}`);
  } catch (thrown) {
    if (thrown instanceof ConnectionProblem) throw thrown;
    // Values are not for a history: only that one of them is no value of a header.
    throw invalid(
      name,
      'a name or value in it is none of a header, or its authorization server cannot be asked',
    );
  }
}

function invalid(name: string, why: string): ConnectionProblem {
  return new ConnectionProblem(
    'Events.ConnectionResource.InvalidConnectionState',
    `Secret ${name} is no connection: ${why}.`,
  );
}

function parseConnection(name: string, text: string): z.output<typeof connectionSchema> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid(name, 'it is not JSON');
  }
  const { data } = connectionSchema.safeParse(json);
  if (data !== undefined) return data;
  throw invalid(
    name,
    'it has neither api_key_name and api_key_value, nor username and password, nor client_id, client_secret and authorization_endpoint',
  );
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** A token by the grant for clients (RFC 6749, section 4.4), asked for at each call. */
async function tokenOf(
  connection: Extract<z.output<typeof connectionSchema>, { client_id: string }>,
  signal: AbortSignal,
  policy: EgressPolicy,
): Promise<string> {
  const { client_id: id, client_secret: secret, authorization_endpoint: endpoint } = connection;
  const body = new URLSearchParams({ grant_type: 'client_credentials' });
  for (const { key, value } of connection.oauth_http_parameters.body_parameters) body.append(key, value);
  const headers = new Headers({
    accept: 'application/json',
    authorization: basic(encodeURIComponent(id), encodeURIComponent(secret)),
    'content-type': 'application/x-www-form-urlencoded',
  });
  const url = new URL(endpoint);
  const response = await requestPoliced(
    { url, method: 'POST', headers, body: body.toString(), signal },
    policy,
  );
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength;
    if (bytes > TOKEN_BYTES_MAX) break;
    pieces.push(piece);
  }
  const { data } = z
    .object({ access_token: z.string().min(1) })
    .safeParse(
      response.ok && bytes <= TOKEN_BYTES_MAX ? jsonOf(Buffer.concat(pieces).toString('utf8')) : null,
    );
  if (data !== undefined) return data.access_token;
  throw new ConnectionProblem(
    'Events.ConnectionResource.InvalidConnectionState',
    `${url.host} gave no access token: its answer has status ${response.status}.`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
