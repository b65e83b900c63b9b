import { Readable } from 'node:stream';
import { RuntimeFailure } from './failure.ts';
import type { Handler, HandlerDeps } from './handler.ts';
import { current, type Invocation } from './invocations.ts';
import { parsePairs } from './lambda-event.ts';
import { type BodySource, bytesOf, extractBody } from './web-body.ts';
import { isResponseLike } from './web-globals.ts';
import { type HeadersSource, headerName, headerValue, WebHeaders } from './web-headers.ts';
import { WebRequest } from './web-request.ts';
import { WebResponse } from './web-response.ts';
import { acceptWebSocket } from './websocket-pair.ts';

/**
 * Handlers in the shape of `export default { fetch(request, env, ctx) }`: Workers, Hono, any function from
 * `Request` to `Response`. An event call reaches them as a POST to EVENT_URL with the event as its JSON body.
 */

export const EVENT_URL = 'http://lambent.internal/';

/** These belong to one connection; the gateway speaks for its own. */
const HOP_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export type FetchFunction = (request: unknown, env: unknown, ctx: unknown) => unknown;

class FetchContext {
  readonly props: Record<string, unknown> = {};
  readonly #deps: HandlerDeps;
  readonly #invocation: Invocation;
  #params: Record<string, string> | undefined;

  constructor(deps: HandlerDeps, invocation: Invocation) {
    this.#deps = deps;
    this.#invocation = invocation;
  }

  /** Parameters of the route's path, percent-decoded; the rest that `*` took is under `*`. */
  get params(): Record<string, string> {
    const invocation = this.#invocation;
    this.#params ??= (invocation.isHttp ? parsePairs(invocation.http.params, false) : undefined) ?? {};
    return this.#params;
  }

  /** The id of this invocation, as the logs show it. */
  get requestId(): string {
    const invocation = this.#invocation;
    return invocation.isHttp ? invocation.http.requestId : invocation.event.requestId;
  }

  /** Keeps the instance at work for this promise after the answer. */
  waitUntil(work: unknown): void {
    const invocation = this.#invocation;
    this.#deps.invocations.waitUntil(work, (thrown) => this.#deps.logFailure(thrown, invocation));
  }

  /** There is no origin to pass through to: does nothing, as in Workers without one. */
  passThroughOnException(): void {}
}

export function createFetchHandler(
  fetch: FetchFunction,
  env: Record<string, string>,
  deps: HandlerDeps,
): Handler {
  const call = (request: WebRequest, invocation: Invocation): unknown =>
    fetch(request, env, new FetchContext(deps, invocation));

  const run = (
    invocation: Invocation,
    request: WebRequest,
    done: (invocation: Invocation, answer: unknown) => unknown,
  ): void => {
    let answer: unknown;
    try {
      answer = current.run(invocation, call, request, invocation);
      if (!isThenable(answer)) {
        settle(deps, invocation, done(invocation, answer));
        return;
      }
    } catch (thrown) {
      deps.fail(invocation, thrown);
      return;
    }
    answer.then(
      (value) => {
        try {
          settle(deps, invocation, done(invocation, value));
        } catch (thrown) {
          deps.fail(invocation, thrown);
        }
      },
      (thrown) => deps.fail(invocation, thrown),
    );
  };

  return {
    kind: 'fetch',
    onHttp: (invocation) => run(invocation, WebRequest.incoming(invocation), sendResponse),
    onEvent: (invocation) => {
      const headers = new WebHeaders({ 'content-type': 'application/json' });
      const { requestId, traceparent } = invocation.event;
      headers.set('x-request-id', requestId);
      if (traceparent !== undefined) headers.set('traceparent', traceparent);
      run(invocation, WebRequest.made(invocation, EVENT_URL, 'POST', headers), sendResult);
    },
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
  );
}

/** What goes on after the head has left (a streamed body) can still fail. */
function settle(deps: HandlerDeps, invocation: Invocation, rest: unknown): void {
  if (rest instanceof Promise) rest.catch((thrown) => deps.fail(invocation, thrown));
}

function invalidAnswer(answer: unknown): RuntimeFailure {
  const what =
    answer === undefined
      ? 'nothing (undefined)'
      : answer === null
        ? 'null'
        : `a value of type ${typeof answer}`;
  return new RuntimeFailure(
    'E_FUNCTION_RESPONSE_INVALID',
    'InvalidResponse',
    `the fetch handler returned ${what}; it must return a Response`,
  );
}

/** Sends what a handler answered. A promise comes back when the body goes on. */
export function sendResponse(invocation: Invocation, answer: unknown): Promise<void> | undefined {
  if (!WebResponse.is(answer)) {
    if (isResponseLike(answer)) return sendForeignResponse(invocation, answer);
    throw invalidAnswer(answer);
  }
  const { status, headers, init, type, source } = WebResponse.open(answer);
  if (status === 101) {
    acceptWebSocket(invocation, answer.webSocket!, answer.headers);
    return undefined;
  }
  const isHead = invocation.head.includes('\nHEAD ');
  if (source === null || typeof source === 'string' || source instanceof Uint8Array) {
    const bytes =
      source === null ? 0 : typeof source === 'string' ? Buffer.byteLength(source) : source.length;
    const noLength = status === 204 || status === 304 || (source === null && isHead);
    const block = headerBlock(headers, init, type, noLength ? undefined : bytes);
    if (isHead || source === null || bytes === 0) invocation.respond(status, block, undefined, 0, true);
    else invocation.respond(status, block, source, bytes, true);
    return undefined;
  }
  const size = source instanceof Blob ? source.size : undefined;
  const block = headerBlock(headers, init, type, size);
  const stream = source instanceof Blob ? source.stream() : (source as ReadableStream<Uint8Array>);
  return sendStream(invocation, status, block, stream, isHead);
}

/** A response of another class, most often of Node's own `fetch`, whose body is decoded already: encoding and length are not true any more. */
function sendForeignResponse(invocation: Invocation, response: Response): Promise<void> | undefined {
  if (response.bodyUsed) throw new TypeError('Body is unusable: Body has already been read');
  const decoded = response.headers.has('content-encoding') && response.url !== '';
  const headers = new WebHeaders();
  for (const [name, value] of response.headers) {
    if (!(decoded && (name === 'content-encoding' || name === 'content-length'))) headers.append(name, value);
  }
  const block = headerBlock(headers, undefined, undefined, undefined);
  const isHead = invocation.head.includes('\nHEAD ');
  const { source } = extractBody(response.body);
  if (typeof source === 'object' && source !== null && 'getReader' in source)
    return sendStream(invocation, response.status, block, source, isHead);
  const bytes =
    typeof source === 'string' ? Buffer.from(source) : source instanceof Uint8Array ? source : EMPTY;
  invocation.respond(response.status, block, isHead ? undefined : bytes, isHead ? 0 : bytes.length, true);
  return undefined;
}

/** What the stream's source logs or throws later belongs to the invocation, so the reading begins in its context. */
function sendStream(
  invocation: Invocation,
  status: number,
  block: string,
  stream: ReadableStream<Uint8Array>,
  isHead: boolean,
): Promise<void> {
  return current.run(invocation, pumpStream, invocation, status, block, stream, isHead);
}

async function pumpStream(
  invocation: Invocation,
  status: number,
  block: string,
  stream: ReadableStream<Uint8Array>,
  isHead: boolean,
): Promise<void> {
  if (invocation.cancelled || invocation.ended || isHead) {
    stream.cancel().catch(() => {});
    invocation.respond(status, block, undefined, 0, true);
    return;
  }
  if (stream.locked || Readable.isDisturbed(stream as never))
    throw new TypeError('Body is unusable: the stream is locked or was read');
  const reader = stream.getReader();
  const stop = (reason?: unknown): void => {
    reader.cancel(reason).catch(() => {});
    invocation.end();
  };
  invocation.onCancel = stop;
  invocation.respond(status, block, undefined, 0, false);
  for (;;) {
    const { done, value } = await reader.read();
    if (invocation.cancelled || invocation.ended) {
      stop();
      return;
    }
    if (done) {
      invocation.write(EMPTY, true);
      return;
    }
    const bytes = typeof value === 'string' ? Buffer.from(value) : (value as unknown);
    if (!(bytes instanceof Uint8Array)) {
      reader.cancel().catch(() => {});
      throw new TypeError(`the body of the Response gave a value of type ${typeof value} instead of bytes`);
    }
    if (!invocation.write(bytes, false)) await invocation.drained();
  }
}

const EMPTY = new Uint8Array(0);

/** Header lines as they go on the wire. `bytes` is the known length of the body; it wins over what the author said. */
export function headerBlock(
  headers: WebHeaders | undefined,
  init: HeadersSource,
  type: string | undefined,
  bytes: number | undefined,
): string {
  let block = '';
  let typed = type === undefined;
  const add = (name: string, value: string): void => {
    if (name === 'content-type') typed = true;
    else if (HOP_HEADERS.has(name) || (name === 'content-length' && bytes !== undefined)) return;
    block += `${name}: ${value}\r\n`;
  };
  if (headers !== undefined) {
    // Somebody looked: these have the type already, or somebody took it away.
    typed = true;
    WebHeaders.eachLine(headers, add);
  } else if (init !== undefined && init !== null) {
    if (isPlainRecord(init)) {
      for (const name of Object.keys(init)) {
        const key = headerName(name);
        add(key, headerValue(key, init[name]));
      }
    } else {
      WebHeaders.eachLine(WebHeaders.is(init) ? init : new WebHeaders(init), add);
    }
  }
  if (!typed) block += `content-type: ${type}\r\n`;
  return bytes === undefined ? block : `${block}content-length: ${bytes}\r\n`;
}

function isPlainRecord(init: HeadersSource): init is Record<string, string> {
  return !WebHeaders.is(init) && typeof (init as Iterable<unknown>)[Symbol.iterator] !== 'function';
}

/** The answer to an event call: the body's text, as the JSON value that it is, or else as a JSON string. */
async function sendResult(
  invocation: Invocation,
  answer: unknown,
  maxBytes = RESULT_BYTES_MAX,
): Promise<void> {
  let status: number;
  let source: BodySource;
  if (WebResponse.is(answer)) ({ status, source } = WebResponse.open(answer));
  else if (isResponseLike(answer)) {
    status = answer.status;
    source = extractBody(answer.body).source;
  } else throw invalidAnswer(answer);
  const bytes = await current.run(invocation, bytesOf, source);
  sendTextResult(invocation, status, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), maxBytes);
}

/** The largest result of an event call (AWS Lambda's own limit). */
export const RESULT_BYTES_MAX = 6 * 1024 * 1024;

export function resultTooLarge(bytes: number): RuntimeFailure {
  return new RuntimeFailure(
    'E_RESPONSE_TOO_LARGE',
    'ResultTooLarge',
    `the result has ${bytes} bytes; at most ${RESULT_BYTES_MAX} (6 MiB) fit in the answer to an event call`,
  );
}

/** Ends an event call with what a web handler answered to it. A status from 400 on is a failure. */
export function sendTextResult(
  invocation: Invocation,
  status: number,
  body: Buffer,
  maxBytes = RESULT_BYTES_MAX,
): void {
  if (body.length > maxBytes) throw resultTooLarge(body.length);
  const text = body.toString();
  if (status >= 400)
    throw new RuntimeFailure(
      'E_FUNCTION_ERROR',
      'HttpStatusError',
      `the handler answered the event with status ${status}: ${text.slice(0, 1_000)}`,
    );
  const json = text === '' ? 'null' : isJson(text) ? body : JSON.stringify(text);
  invocation.result(typeof json === 'string' ? Buffer.from(json) : json, true);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
