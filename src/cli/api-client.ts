import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { type ErrorRecord, LambentError } from '../base/errors.ts';
import { quoted, usage } from './arguments.ts';
import type { Arguments } from './command.ts';
import type { Terminal } from './terminal.ts';

export const DEFAULT_ADDRESS = 'http://localhost:5262';
/** A server that sends nothing for this long to an ordinary question is taken for unreachable. */
const ANSWER_MS = 30_000;
/** A longer answer is not one of ours. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
const API_PATH = '/_lambent/api/v1';

/** An error that the server reported, as it reported it. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly record: ErrorRecord;
  readonly requestId: string | undefined;
  /** The folder that was deployed, where the error is about its files. */
  readonly folder: string | undefined;

  constructor(record: ErrorRecord, requestId: string | undefined, folder?: string) {
    super(record.message);
    this.record = record;
    this.requestId = requestId;
    this.folder = folder;
  }
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the API's base: `/apps`; one under `/_lambent/` is taken as it is. Segments are encoded by the caller (`segment`). */
  readonly path: string;
  /** Entries that are `undefined` are left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A value to send as JSON. */
  readonly json?: unknown;
  /** Bytes to send as they are; name their type in `headers`. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** The answer may take as long as it takes: an invocation, a build, a stream. */
  readonly patient?: boolean;
  readonly signal?: AbortSignal;
}

/** Talks to the control API of a running platform. */
export interface ApiClient {
  /** As `http://localhost:5262`. */
  readonly address: string;
  /** The answer as JSON. Rejects with `E_UNREACHABLE`, or with what the server reported as a `ServerError`. */
  send<Answer>(request: ApiRequest): Promise<Answer>;
  /** The answer's body as it arrives. Rejects like `send`. */
  stream(request: ApiRequest): Promise<AsyncIterable<Uint8Array>>;
}

/** The client for what the command line and the environment name. */
export function createApiClient(args: Arguments, terminal: Terminal): ApiClient {
  const given = args.text('server') ?? args.text('to') ?? terminal.env.LAMBENT_URL;
  const base = parseAddress(given === undefined || given === '' ? DEFAULT_ADDRESS : given);
  const token = args.text('token') ?? terminal.env.LAMBENT_TOKEN;
  const open = (request: ApiRequest): Promise<IncomingMessage> => exchange(base, token || undefined, request);
  return {
    address: base.href.replace(/\/$/, ''),
    async send<Answer>(request: ApiRequest) {
      const answer = await open(request);
      return parseJson(base, answer, await readAll(base, answer)) as Answer;
    },
    stream: async (request) => guardBody(base, await open(request)),
  };
}

/** True when the person named the server, rather than leaving it to the default. */
export function namesServer(args: Arguments, terminal: Terminal): boolean {
  return Boolean(args.text('server') ?? args.text('to') ?? terminal.env.LAMBENT_URL);
}

/** `box:5262` is `http://box:5262`. */
export function parseAddress(given: string): URL {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw usage(`${quoted(given)} is not the address of a server`, 'Write it like http://localhost:5262.');
  }
  return url;
}

/** Whether the server runs on this machine, as far as its address tells. */
export function isLoopback(address: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(address).hostname);
}

/** One segment of a path, encoded. */
export function segment(text: string | number): string {
  return encodeURIComponent(text);
}

async function exchange(base: URL, token: string | undefined, request: ApiRequest): Promise<IncomingMessage> {
  const url = requestUrl(base, request);
  const payload = request.json === undefined ? request.body : Buffer.from(JSON.stringify(request.json));
  const headers: Record<string, string | number> = { accept: 'application/json', ...request.headers };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (request.json !== undefined) headers['content-type'] = 'application/json';
  if (payload instanceof Uint8Array) headers['content-length'] = payload.byteLength;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const outgoing = send(url, {
      method: request.method,
      headers,
      // Zero is no limit; left out, it would be that of Node's agent, 5 s.
      timeout: request.patient === true ? 0 : ANSWER_MS,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    const fail = (error: unknown): void => reject(unreachable(base, error));
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    // After the answer has begun, a failing upload means only that the server did not want the rest.
    outgoing.on('error', fail);
    outgoing.on('response', resolve);
    if (payload === undefined || payload instanceof Uint8Array) outgoing.end(payload);
    else
      pipeline(payload, outgoing).catch((error: unknown) =>
        isNetworkError(error) ? fail(error) : reject(error),
      );
  });
  const status = answer.statusCode ?? 0;
  if (status < 200 || status > 299) throw await refusal(base, answer, status);
  return answer;
}

function requestUrl(base: URL, request: ApiRequest): URL {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/$/, '')}${request.path.startsWith('/_lambent/') ? '' : API_PATH}${request.path}`;
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

/** The error of an answer that is none of ours, or the one it carries. */
async function refusal(base: URL, answer: IncomingMessage, status: number): Promise<Error> {
  const location = answer.headers.location;
  if (status >= 300 && status < 400 && location !== undefined) {
    answer.destroy();
    return strange(
      base,
      `redirects to ${location}`,
      'Name that address with --to if it is the one you mean.',
    );
  }
  const body = parseJson(base, answer, await readAll(base, answer));
  const failure = serverError(body);
  return failure ?? strange(base, `answers with status ${status}`, 'Check the address.');
}

/** The error that a JSON value of the server carries (`{ error, requestId }`); `undefined`: it carries none. */
export function serverError(body: unknown): ServerError | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  const { error } = body;
  if (typeof error !== 'object' || error === null || !('code' in error) || !('message' in error))
    return undefined;
  if (typeof error.code !== 'string' || typeof error.message !== 'string') return undefined;
  const requestId = 'requestId' in body && typeof body.requestId === 'string' ? body.requestId : undefined;
  return new ServerError(error as ErrorRecord, requestId);
}

async function readAll(base: URL, answer: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of guardBody(base, answer)) {
    size += chunk.byteLength;
    if (size > ANSWER_BYTES_MAX) {
      answer.destroy();
      throw strange(
        base,
        `answers with more than ${ANSWER_BYTES_MAX} bytes`,
        'Ask for less, for example with --limit.',
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The body, with a connection that breaks off turned into our error. */
async function* guardBody(base: URL, answer: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of answer) yield chunk as Uint8Array;
  } catch (thrown) {
    throw unreachable(base, thrown);
  }
}

function parseJson(base: URL, answer: IncomingMessage, text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    const kind = answer.headers['content-type'] ?? 'no content type';
    throw strange(
      base,
      `answers with status ${answer.statusCode} and ${kind}`,
      'Another program may be listening there; name the server with --to.',
    );
  }
}

function strange(base: URL, what: string, hint: string): LambentError {
  return new LambentError('E_UNREACHABLE', `What listens at ${base.origin} is not Lambent: it ${what}.`, {
    hint,
  });
}

function unreachable(base: URL, thrown: unknown): Error {
  if (thrown instanceof LambentError || (thrown instanceof Error && thrown.name === 'AbortError'))
    return thrown;
  const code = errorCode(thrown);
  const reason =
    code === 'ECONNREFUSED'
      ? 'nothing listens there'
      : code === 'ENOTFOUND'
        ? 'no such host is known'
        : code === 'ECONNRESET' || code === 'EPIPE'
          ? 'the connection broke off'
          : thrown instanceof Error && thrown.message !== ''
            ? thrown.message
            : String(code);
  const start = code === 'ECONNREFUSED' ? 'Start one with `lambent dev` or `lambent start`, or n' : 'N';
  return new LambentError('E_UNREACHABLE', `No Lambent answers at ${base.origin}: ${reason}.`, {
    hint: `${start}ame the server with --to URL or LAMBENT_URL.`,
    cause: thrown,
  });
}

function isNetworkError(thrown: unknown): boolean {
  return [
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ENOTFOUND',
    'ERR_STREAM_PREMATURE_CLOSE',
    'ERR_STREAM_DESTROYED',
  ].includes(errorCode(thrown) ?? '');
}

/** The system's code, also where Node.js tried several addresses (`AggregateError`). */
function errorCode(thrown: unknown): string | undefined {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string')
    return thrown.code;
  if (thrown instanceof AggregateError) return errorCode(thrown.errors[0]);
  return undefined;
}
