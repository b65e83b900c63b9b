import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { LambentError, toLambentError } from '../base/errors.ts';
import { BODY_CHUNK_BYTES, WINDOW_BYTES } from '../model/frames.ts';
import type { HttpExchange, HttpSink } from '../ports/invoker.ts';
import { withCors } from './cors.ts';
import {
  type CallParts,
  callFunction,
  type Decision,
  decide,
  decidePreview,
  type GatewayParts,
  type Incoming,
} from './handle-request.ts';
import { type Answer, type DateHeader, errorAnswer, hasBody, statusLine } from './respond.ts';
import { parseHost, REQUEST_ID } from './simple-request.ts';

/** Answers what belongs to the platform itself. */
export type PlatformHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface GeneralHost {
  readonly parts: GatewayParts;
  readonly date: DateHeader;
  readonly platform: PlatformHandler;
}

/** Headers of the client's connection, and those that only matter between it and the gateway. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'trailer',
  'expect',
  'http2-settings',
]);

interface Read {
  readonly incoming: Incoming;
  readonly headerLines: string;
  /** -1: not declared. */
  readonly contentLength: number;
  readonly hasBody: boolean;
}

/** The request as `node:http` parsed it, in the gateway's own terms. */
function readRequest(request: IncomingMessage): Read | LambentError {
  const { headers, rawHeaders, method = 'GET', url = '/' } = request;
  const host = parseHost(headers.host ?? '');
  if (host === undefined) return new LambentError('E_BAD_REQUEST', 'the Host header is missing or malformed');
  // Absolute targets are for proxies (RFC 9112, 3.2.2): only the path counts here.
  const target = url.startsWith('/') ? url : (URL.parse(url)?.pathname ?? (url === '*' ? '/' : undefined));
  if (target === undefined) return new LambentError('E_BAD_REQUEST', 'the request target is malformed');
  const upgrade = headers.upgrade !== undefined;
  const lines: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    if (HOP_BY_HOP.has(name) && !(upgrade && name === 'connection')) continue;
    lines.push(`${name}: ${rawHeaders[index + 1]}`);
  }
  const requestId = headers['x-request-id'];
  const length = headers['content-length'];
  return {
    incoming: {
      method,
      target,
      host,
      origin: headers.origin,
      requestId: typeof requestId === 'string' && REQUEST_ID.test(requestId) ? requestId : undefined,
      preflightMethod: headers['access-control-request-method'],
    },
    headerLines: lines.join('\n'),
    contentLength: length === undefined ? -1 : Number(length),
    hasBody: headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0'),
  };
}

/** A request on a connection that `node:http` holds: bodies of any length, previews, the platform's own paths. */
export async function handleGeneral(
  host: GeneralHost,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { parts } = host;
  const id = parts.mintId();
  const read = readRequest(request);
  if (read instanceof LambentError) {
    writeAnswer(host, request, response, errorAnswer(read, id), id);
    return;
  }
  const { incoming } = read;
  const shownId = incoming.requestId ?? id;
  try {
    const decision = await decided(parts, incoming, shownId);
    if (decision.kind === 'platform') host.platform(request, response);
    else if (decision.kind === 'answer') writeAnswer(host, request, response, decision.answer, shownId);
    else serve(host, request, response, decision, read, id);
  } catch (error) {
    writeAnswer(host, request, response, errorAnswer(toLambentError(error), shownId), shownId);
  }
}

async function decided(
  parts: GatewayParts,
  incoming: Incoming,
  id: string,
): Promise<Exclude<Decision, { kind: 'preview' }>> {
  const decision = decide(parts, incoming, id);
  if (decision.kind !== 'preview') return decision;
  return (await decidePreview(parts, decision.preview, incoming, id)) as Exclude<
    Decision,
    { kind: 'preview' }
  >;
}

function writeAnswer(
  host: GeneralHost,
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  id: string,
): void {
  if (response.headersSent || response.destroyed) return;
  const body = hasBody(request.method ?? 'GET', answer.status) ? Buffer.from(answer.body) : undefined;
  const headers = rawHeaders(answer.block, host.date, id);
  if (answer.status !== 204) headers.push('content-length', String(Buffer.byteLength(answer.body)));
  // A body that nobody will read must not hold the connection: it is closed after the answer.
  if (!request.complete) headers.push('connection', 'close');
  response.writeHead(answer.status, headers);
  response.end(body);
}

function rawHeaders(block: string, date: DateHeader, id: string): string[] {
  const raw: string[] = [];
  for (const line of `${block}${date.line()}x-request-id: ${id}\r\n`.slice(0, -2).split('\r\n')) {
    const colon = line.indexOf(':');
    raw.push(line.slice(0, colon), line.slice(colon + 2));
  }
  return raw;
}

function serve(
  host: GeneralHost,
  request: IncomingMessage,
  response: ServerResponse,
  decision: Extract<Decision, { kind: 'function' }>,
  read: Read,
  id: string,
): void {
  const limitMb = decision.bound.version.config.maxRequestMb;
  const limitBytes = limitMb === 0 ? Number.POSITIVE_INFINITY : limitMb * 2 ** 20;
  const shownId = read.incoming.requestId ?? id;
  const tooLarge = (): LambentError =>
    new LambentError('E_PAYLOAD_TOO_LARGE', `the body is over the ${limitMb} MB that the function takes`);
  if (read.contentLength > limitBytes) {
    writeAnswer(host, request, response, errorAnswer(tooLarge(), shownId), shownId);
    return;
  }
  const exchange = new GeneralExchange(host, request, response, decision.corsLines, shownId);
  const call: CallParts = {
    headerLines: read.headerLines,
    remoteAddress: request.socket.remoteAddress ?? '',
    upgrade: false,
    body: undefined,
    bodyComplete: !read.hasBody,
  };
  const upstream = callFunction(host.parts, decision, read.incoming, call, id, exchange);
  exchange.begin(upstream);
  if (!read.hasBody || exchange.over) return;
  let received = 0;
  pumpBody(request, upstream, exchange, (bytes) => {
    received += bytes;
    if (received <= limitBytes) return true;
    upstream.cancel('callerGone');
    exchange.onFailure(tooLarge());
    return false;
  });
}

/** Sends a body on in the function's own pace: at most one window ahead of what it has taken. */
function pumpBody(
  source: IncomingMessage | Duplex,
  upstream: HttpExchange,
  credits: { onRoom: (bytes: number) => void },
  admit: (bytes: number) => boolean,
): void {
  let windowBytes = WINDOW_BYTES;
  credits.onRoom = (bytes) => {
    windowBytes += bytes;
    if (windowBytes > 0 && source.isPaused()) source.resume();
  };
  source.on('data', (chunk: Buffer) => {
    if (!admit(chunk.length)) {
      source.pause();
      return;
    }
    for (let at = 0; at < chunk.length; at += BODY_CHUNK_BYTES)
      upstream.writeBody(chunk.subarray(at, at + BODY_CHUNK_BYTES), false);
    windowBytes -= chunk.length;
    if (windowBytes <= 0) source.pause();
  });
  source.on('end', () => upstream.writeBody(new Uint8Array(0), true));
}

/** Writes a function's answer through `node:http`. */
class GeneralExchange implements HttpSink {
  /** No more will come of it. */
  over = false;
  onRoom: (bytes: number) => void = () => {};
  readonly #host: GeneralHost;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #corsLines: string;
  readonly #requestId: string;
  #upstream: HttpExchange | undefined;
  #owedBytes = 0;
  #bodiless = false;

  constructor(
    host: GeneralHost,
    request: IncomingMessage,
    response: ServerResponse,
    cors: string,
    requestId: string,
  ) {
    this.#host = host;
    this.#request = request;
    this.#response = response;
    this.#corsLines = cors;
    this.#requestId = requestId;
    response.on('drain', () => this.#drained());
    response.on('close', () => {
      if (this.over) return;
      this.over = true;
      this.#upstream?.cancel('callerGone');
    });
  }

  begin(upstream: HttpExchange): void {
    this.#upstream = upstream;
  }

  onHead(
    status: number,
    headerBlock: string,
    contentLength: number,
    body: Buffer | undefined,
    complete: boolean,
  ): void {
    const method = this.#request.method ?? 'GET';
    this.#bodiless = !hasBody(method, status);
    const headers = rawHeaders(withCors(headerBlock, this.#corsLines), this.#host.date, this.#requestId);
    if (complete && contentLength < 0 && status !== 204 && status !== 304)
      headers.push('content-length', String(body?.length ?? 0));
    this.#response.writeHead(status, headers);
    if (body !== undefined) this.onBody(body);
    else if (!complete) this.#response.flushHeaders();
  }

  onBody(chunk: Buffer): void {
    if (this.#bodiless || this.over || this.#response.write(chunk)) this.#upstream?.credit(chunk.length);
    else this.#owedBytes += chunk.length;
  }

  onEnd(): void {
    this.over = true;
    // The function answered without reading the whole body: the rest is not worth receiving.
    if (!this.#request.complete) this.#response.shouldKeepAlive = false;
    this.#response.end();
  }

  onFailure(error: LambentError): void {
    if (this.over) return;
    this.over = true;
    if (this.#response.headersSent) this.#response.destroy();
    else
      writeAnswer(
        this.#host,
        this.#request,
        this.#response,
        errorAnswer(error, this.#requestId),
        this.#requestId,
      );
  }

  onCredit(bytes: number): void {
    this.onRoom(bytes);
  }

  #drained(): void {
    const owed = this.#owedBytes;
    this.#owedBytes = 0;
    if (owed > 0) this.#upstream?.credit(owed);
  }
}

/** A request to switch protocols, in practice to WebSocket. After a 101 the gateway passes raw bytes both ways. */
export async function handleUpgrade(
  host: GeneralHost,
  request: IncomingMessage,
  socket: Duplex,
  early: Buffer,
): Promise<void> {
  const { parts } = host;
  const id = parts.mintId();
  socket.on('error', () => socket.destroy());
  const read = readRequest(request);
  const refuse = (answer: Answer): void => {
    socket.end(
      `${statusLine(answer.status)}${answer.block}connection: close\r\ncontent-length: ${Buffer.byteLength(answer.body)}\r\n${host.date.line()}\r\n${answer.body}`,
    );
  };
  if (read instanceof LambentError) {
    refuse(errorAnswer(read, id));
    return;
  }
  const decision = await decided(parts, read.incoming, id);
  if (decision.kind !== 'function') {
    refuse(
      decision.kind === 'answer'
        ? decision.answer
        : errorAnswer(new LambentError('E_UPGRADE_REFUSED', 'this path takes no upgrade'), id),
    );
    return;
  }
  const sink = new UpgradeExchange(socket, refuse, id);
  const call: CallParts = {
    headerLines: read.headerLines,
    remoteAddress: request.socket.remoteAddress ?? '',
    upgrade: true,
    body: early.length > 0 ? early : undefined,
    bodyComplete: false,
  };
  const upstream = callFunction(parts, decision, read.incoming, call, id, sink);
  sink.begin(upstream);
  if (!sink.over) pumpBody(socket, upstream, sink, () => true);
}

/** Writes the function's side of an upgraded connection. */
class UpgradeExchange implements HttpSink {
  over = false;
  onRoom: (bytes: number) => void = () => {};
  readonly #socket: Duplex;
  readonly #refuse: (answer: Answer) => void;
  readonly #requestId: string;
  #upstream: HttpExchange | undefined;
  #owedBytes = 0;

  constructor(socket: Duplex, refuse: (answer: Answer) => void, requestId: string) {
    this.#socket = socket;
    this.#refuse = refuse;
    this.#requestId = requestId;
    socket.on('drain', () => {
      const owed = this.#owedBytes;
      this.#owedBytes = 0;
      if (owed > 0) this.#upstream?.credit(owed);
    });
    socket.on('close', () => {
      if (!this.over) this.#upstream?.cancel('callerGone');
      this.over = true;
    });
  }

  begin(upstream: HttpExchange): void {
    this.#upstream = upstream;
  }

  onHead(status: number, headerBlock: string, _contentLength: number, body: Buffer | undefined): void {
    const connection = status === 101 ? 'connection: Upgrade\r\n' : 'connection: close\r\n';
    this.#socket.write(
      `${statusLine(status)}${headerBlock}${connection}x-request-id: ${this.#requestId}\r\n\r\n`,
      'latin1',
    );
    if (body !== undefined) this.onBody(body);
  }

  onBody(chunk: Buffer): void {
    if (this.over || this.#socket.write(chunk)) this.#upstream?.credit(chunk.length);
    else this.#owedBytes += chunk.length;
  }

  onEnd(): void {
    this.over = true;
    this.#socket.end();
  }

  onFailure(error: LambentError): void {
    if (this.over) return;
    this.over = true;
    this.#refuse(errorAnswer(error, this.#requestId));
  }

  onCredit(bytes: number): void {
    this.onRoom(bytes);
  }
}
