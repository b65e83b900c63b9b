import { LambentError } from '../base/errors.ts';
import type { MintUuid } from '../base/ids.ts';
import { type Connection, resolveAddress } from '../model/connection.ts';
import type { FunctionVersion } from '../model/function.ts';
import type { ConnectionDriver } from '../ports/connection-driver.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { CallerIdentity, OperationHandler } from '../ports/platform-calls.ts';
import type { Secrets } from '../ports/secrets.ts';
import type { Senders } from './senders.ts';

const DESTINATION_CHARS_MAX = 1_024;
const ID_CHARS_MAX = 255;
const HEADERS_MAX = 64;
const HEADER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const HEADER_CHARS_MAX = 4_096;
/** Ours: what a function says there would be no longer true. */
const OWN_HEADER = /^lambent-/i;

export interface SendCallOptions {
  readonly liveApps: LiveApps;
  readonly secrets: Secrets;
  readonly drivers: readonly ConnectionDriver[];
  readonly senders: Senders;
  readonly mintUuid: MintUuid;
}

/**
 * The operation `send`: a function sends a message through a connection that its manifest names for it. The payload is JSON:
 * `as: json` sends it as it is, `text` the text it holds, `bytes` what it holds in base64. Resolves when the broker has
 * confirmed it. The depth of the chain goes along, so that a circle through a broker has an end.
 */
export function createSendCall(options: SendCallOptions): OperationHandler {
  const { secrets, drivers, senders, mintUuid } = options;
  return async (caller, args, payload) => {
    const { destination, id = mintUuid(), headers, contentType, qos, as } = parseArguments(args);
    const { connection, version } = await findConnection(options, caller, String(args.connection));
    const sending = drivers.find(({ kind }) => kind === connection.kind)?.sending;
    if (sending === undefined)
      throw refused(
        `The connection ${connection.name} is of the kind ${connection.kind}, which takes no messages.`,
      );
    if (qos !== undefined && connection.kind !== 'mqtt')
      throw refused(
        `The connection ${connection.name} is of the kind ${connection.kind}; only mqtt has \`qos\`.`,
      );
    const address = resolveAddress(
      connection,
      (name) => secrets.valueOf(caller.app, name) ?? version.config.env[name],
    );
    const content = contentOf(as, payload);
    const answer = await senders.send(`${caller.app}/${connection.name}`, sending, address, {
      ...{ destination, id, body: content.body, contentType: contentType ?? content.type, qos },
      headers: {
        ...headers,
        ...(caller.traceparent === undefined ? {} : { traceparent: caller.traceparent }),
      },
      depth: caller.chain.depth + 1,
    });
    return Buffer.from(JSON.stringify(answer));
  };
}

async function findConnection(
  { liveApps }: SendCallOptions,
  caller: CallerIdentity,
  name: string,
): Promise<{ connection: Connection; version: FunctionVersion }> {
  const live = liveApps.find(caller.app)?.deployments.find(({ number }) => number === caller.deployment);
  const deployment = live ?? (await liveApps.preview(caller.app, caller.deployment));
  const version = deployment?.functions.find((each) => each.name === caller.function);
  const connection = deployment?.connections.find((each) => each.name === name);
  if (
    version === undefined ||
    connection === undefined ||
    version.config.connections?.includes(name) !== true
  )
    throw new LambentError(
      'E_CONNECTION_NOT_NAMED',
      `The function ${caller.function} does not name a connection ${name.slice(0, 100)}.`,
    );
  return { connection, version };
}

interface SendArguments {
  readonly destination: string;
  readonly id: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
  readonly qos: 1 | 2 | undefined;
  readonly as: 'json' | 'text' | 'bytes';
}

/** From inside a sandbox: anything may come. */
function parseArguments(args: Readonly<Record<string, unknown>>): SendArguments {
  const { destination, id, headers = {}, contentType, qos, as } = args;
  if (typeof args.connection !== 'string') throw refused('`connection` is the name of a connection.');
  if (!isText(destination, DESTINATION_CHARS_MAX))
    throw refused(
      `The destination is a text of at most ${DESTINATION_CHARS_MAX} characters without control characters.`,
    );
  if (id !== undefined && !isText(id, ID_CHARS_MAX))
    throw refused(`The id of a message is a text of at most ${ID_CHARS_MAX} characters.`);
  if (contentType !== undefined && !isText(contentType, ID_CHARS_MAX))
    throw refused('The content type is a text such as `application/json`.');
  if (qos !== undefined && qos !== 1 && qos !== 2)
    throw refused('`qos` is 1 or 2: what is sent with 0 is confirmed by nobody.');
  if (as !== 'json' && as !== 'text' && as !== 'bytes')
    throw refused('A message is sent as `json`, `text` or `bytes`.');
  return { destination, id, headers: parseHeaders(headers), contentType, qos, as };
}

function parseHeaders(headers: unknown): Record<string, string> {
  const entries = typeof headers === 'object' && headers !== null ? Object.entries(headers) : [];
  for (const [name, value] of entries)
    if (!HEADER_NAME.test(name) || OWN_HEADER.test(name) || !isText(value, HEADER_CHARS_MAX))
      throw refused(`The header ${JSON.stringify(name).slice(0, 130)} cannot be sent.`);
  if (entries.length > HEADERS_MAX) throw refused(`A message has at most ${HEADERS_MAX} headers.`);
  return Object.fromEntries(entries) as Record<string, string>;
}

function isText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= most && !/[\p{Cc}\p{Cs}]/u.test(value);
}

function contentOf(
  as: SendArguments['as'],
  payload: Buffer,
): { readonly body: Uint8Array; readonly type: string } {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString());
  } catch {
    throw refused('The message is not JSON.');
  }
  // As it came: reading and writing again would lose digits of large numbers.
  if (as === 'json') return { body: payload, type: 'application/json' };
  if (typeof value !== 'string') throw refused('The message is not a text.');
  return as === 'text'
    ? { body: Buffer.from(value), type: 'text/plain' }
    : { body: Buffer.from(value, 'base64'), type: 'application/octet-stream' };
}

function refused(message: string): LambentError {
  return new LambentError('E_BAD_REQUEST', message, { hint: 'See docs/messages.md for what `send` takes.' });
}
