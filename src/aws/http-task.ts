import type { Clock } from '../base/clock.ts';
import type { EgressPolicy } from '../model/egress-policy.ts';
import type { HttpExchange, HttpSent } from '../ports/state-language.ts';
import type { ServiceOutcome } from '../ports/state-services.ts';
import { authenticate, ConnectionProblem } from './http-authentication.ts';
import { ConnectionRefused, type HttpTaskRequest, requestPoliced } from './policed-http.ts';

/* HTTP tasks (https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html). */

/** AWS' own figures: how long an endpoint may take, and how much it may answer. */
const TIMEOUT_MS = 60_000;
const ANSWER_BYTES_MAX = 262_144;
const METHODS = new Set(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']);

export interface HttpTask {
  /** What may be connected to: the platform's own networks are not for whoever writes a definition. */
  readonly policy: EgressPolicy;
  readonly clock: Clock;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly secretOf: (name: string) => string | undefined;
  readonly observe?: ((exchange: HttpExchange) => void) | undefined;
}

export async function callHttp({
  policy,
  clock,
  parameters,
  secretOf,
  observe,
}: HttpTask): Promise<ServiceOutcome> {
  const request = readRequest(parameters);
  if (typeof request === 'string') return { status: 'failed', error: 'States.Runtime', cause: request };
  const shown = observe && sent(request);
  let response: Response;
  let body: string;
  const abort = new AbortController();
  const timer = clock.after(TIMEOUT_MS, () => abort.abort());
  try {
    const { ConnectionArn: connection } = Object.fromEntries(entriesOf(parameters.Authentication));
    const whole = { ...request, signal: abort.signal };
    if (connection !== undefined) await authenticate(whole, String(connection), secretOf, policy);
    response = await requestPoliced(whole, policy);
    body = await readAnswer(response);
  } catch (thrown) {
    if (shown !== undefined) observe?.({ request: shown, response: undefined });
    if (thrown instanceof ConnectionProblem)
      return { status: 'failed', error: thrown.error, cause: thrown.message };
    return {
      status: 'failed',
      error: abort.signal.aborted ? 'States.Http.Timeout' : 'States.Http.Socket',
      cause: thrown instanceof ConnectionRefused ? thrown.message : String(thrown),
    };
  } finally {
    timer.cancel();
  }
  const headers = headersOf(response);
  if (shown !== undefined) {
    const { status, statusText: statusMessage } = response;
    const answer = { statusCode: String(status), statusMessage, headers: JSON.stringify(headers), body };
    observe?.({ request: shown, response: answer });
  }
  const output = {
    Headers: headers,
    ResponseBody: parsed(body, response.headers.get('content-type')),
    StatusCode: response.status,
    StatusText: response.statusText,
  };
  if (response.ok) return { status: 'ok', output };
  return {
    status: 'failed',
    error: `States.Http.StatusCode.${response.status}`,
    cause: JSON.stringify(output),
  };
}

function sent({ url, method, headers, body }: Omit<HttpTaskRequest, 'signal'>): HttpSent {
  return { method, url: url.href, headers: JSON.stringify(Object.fromEntries(headers)), body: body ?? '' };
}

function readRequest(
  parameters: Readonly<Record<string, unknown>>,
): Omit<HttpTaskRequest, 'signal'> | string {
  const { ApiEndpoint: endpoint, Method: method, RequestBody: body } = parameters;
  if (typeof endpoint !== 'string') return 'ApiEndpoint is missing.';
  if (typeof method !== 'string' || !METHODS.has(method))
    return `Method is one of ${[...METHODS].join(', ')}.`;
  const url = URL.parse(endpoint);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return `ApiEndpoint is not a URL: ${endpoint.slice(0, 200)}`;
  for (const [name, value] of entriesOf(parameters.QueryParameters)) {
    for (const each of Array.isArray(value) ? (value as unknown[]) : [value])
      url.searchParams.append(name, String(each));
  }
  const headers = new Headers();
  for (const [name, value] of entriesOf(parameters.Headers)) {
    try {
      headers.set(name, Array.isArray(value) ? value.join(', ') : String(value));
    } catch {
      return `"${name}" is not a header.`;
    }
  }
  const plain = { url, method, headers, body: undefined };
  if (body === undefined || method === 'GET' || method === 'HEAD') return plain;
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  const isForm = headers.get('content-type')!.startsWith('application/x-www-form-urlencoded');
  const transform = new Map(entriesOf(parameters.Transform));
  const encoding = transform.get('RequestBodyEncoding') ?? (isForm ? 'URL_ENCODED' : 'NONE');
  if (encoding !== 'NONE' && encoding !== 'URL_ENCODED') return 'RequestBodyEncoding is NONE or URL_ENCODED.';
  if (encoding === 'NONE' || typeof body === 'string')
    return { ...plain, body: typeof body === 'string' ? body : JSON.stringify(body) };
  if (!isForm)
    return 'RequestBodyEncoding URL_ENCODED needs the header Content-Type: application/x-www-form-urlencoded.';
  const options = new Map(entriesOf(transform.get('RequestEncodingOptions')));
  const format = options.get('ArrayFormat') ?? 'INDICES';
  if (!isArrayFormat(format)) return `ArrayFormat is one of ${Object.keys(ARRAY_FORMATS).join(', ')}.`;
  return { ...plain, body: form(body, ARRAY_FORMATS[format]) };
}

type NameOf = (name: string, index: number) => string;
/** What the items of a list are called in a form; `undefined`: they are one value, with commas. */
const ARRAY_FORMATS: Readonly<Record<'INDICES' | 'REPEAT' | 'COMMAS' | 'BRACKETS', NameOf | undefined>> = {
  INDICES: (name, index) => `${name}[${index}]`,
  REPEAT: (name) => name,
  COMMAS: undefined,
  BRACKETS: (name) => `${name}[]`,
};

function isArrayFormat(format: unknown): format is keyof typeof ARRAY_FORMATS {
  return typeof format === 'string' && Object.hasOwn(ARRAY_FORMATS, format);
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

/** Fields of a form. Objects within are written as `outer[inner]`. */
function form(body: unknown, nameOf: NameOf | undefined): string {
  const fields: [string, string][] = [];
  const add = (name: string, value: unknown): void => {
    if (Array.isArray(value)) {
      if (nameOf === undefined) fields.push([name, value.map(String).join(',')]);
      else for (const [index, item] of value.entries()) add(nameOf(name, index), item);
    } else if (typeof value === 'object' && value !== null)
      for (const [inner, item] of Object.entries(value)) add(`${name}[${inner}]`, item);
    else fields.push([name, String(value)]);
  };
  for (const [name, value] of entriesOf(body)) add(name, value);
  return new URLSearchParams(fields).toString();
}

async function readAnswer(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`The answer is over ${ANSWER_BYTES_MAX} bytes.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function headersOf(response: Response): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const [name, value] of response.headers) headers[name] = [...(headers[name] ?? []), value];
  return headers;
}

function parsed(body: string, type: string | null): unknown {
  if (type === null || !/\bjson\b/i.test(type)) return body;
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return body;
  }
}
