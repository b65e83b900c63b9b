import { ServerResponse } from 'node:http';
import { headerName, headerValue } from './web-headers.ts';

/**
 * Makes Node's own `ServerResponse` answer an invocation instead of writing HTTP/1.1 text to a socket. The three
 * inner methods through which everything passes are replaced on the prototype, because frameworks put prototypes
 * of their own between an object and its class; responses of other origin (test injectors) behave as ever.
 * Node is pinned, and the tests run every public way to answer.
 */

const EXCHANGE = Symbol('lambent.exchange');
const HOP_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);
const EMPTY = new Uint8Array(0);

type Done = ((error?: Error | null) => void) | null | undefined;

/** What `ServerResponse` has inside. */
interface ResponseInside extends ServerResponse {
  _header: string | null;
  _headerSent: boolean;
  _hasBody: boolean;
  _contentLength: number | null;
  _closed: boolean;
  /** What `addTrailers` gathered, as `name: value\r\n` lines. */
  _trailer: string;
  destroyed: boolean;
  [EXCHANGE]?: ResponseExchange;
  [symbol: symbol]: unknown;
}

interface ResponsePrototype {
  _storeHeader(this: ResponseInside, firstLine: string, headers: unknown): void;
  _send(
    this: ResponseInside,
    data: string | Uint8Array,
    encoding?: BufferEncoding | null,
    done?: Done,
    bytes?: number,
  ): boolean;
  _finish(this: ResponseInside): void;
}

/** Where an answer goes: an invocation, or something that collects it. */
export interface AnswerSink {
  respond(
    status: number,
    headerBlock: string,
    body: string | Uint8Array | undefined,
    bodyBytes: number,
    last: boolean,
  ): void;
  write(chunk: Uint8Array, last: boolean): boolean;
  /** `name: value\r\n` lines that follow the body; before its last `write`. */
  trail(lines: string): void;
  readonly queuedBytes: number;
  onDrain: (() => void) | undefined;
}

/** One answer on its way from a `ServerResponse` to its invocation. */
export class ResponseExchange {
  readonly #sink: AnswerSink;
  #status = 200;
  #block = '';
  /** How many bytes the body will have; `undefined`: it is not known before the end. */
  #expected: number | undefined;
  #sent = 0;
  /** The last byte was handed over. */
  complete = false;
  /** The author's code called `end`. */
  onFinished: (() => void) | undefined;
  /** Callbacks of writes that wait for the reader. */
  #waiting: NonNullable<Done>[] = [];

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  attach(response: ServerResponse): void {
    const inside = response as ResponseInside;
    inside[EXCHANGE] = this;
    this.#sink.onDrain = () => this.#drained(inside);
  }

  store(response: ResponseInside, firstLine: string, headers: unknown): void {
    let block = '';
    let length: number | undefined;
    let trails = response._trailer !== '';
    const add = (name: string, value: unknown): void => {
      const key = headerName(name);
      if (HOP_HEADERS.has(key)) return;
      if (key === 'trailer') trails = true;
      if (key === 'content-length') {
        length = Number(value);
        if (!response._hasBody) block += `${key}: ${value}\r\n`;
        return;
      }
      if (Array.isArray(value)) for (const one of value) block += `${key}: ${headerValue(key, one)}\r\n`;
      else block += `${key}: ${headerValue(key, value)}\r\n`;
    };
    eachHeader(response, headers, add);
    if (!response._hasBody) this.#expected = 0;
    else {
      // Only a body without a length has room for trailers.
      if (length === undefined && !trails && typeof response._contentLength === 'number')
        length = response._contentLength;
      this.#expected = length !== undefined && length >= 0 ? length : undefined;
      if (this.#expected !== undefined) block += `content-length: ${this.#expected}\r\n`;
    }
    this.#status = response.statusCode;
    this.#block = block;
    // Others look at it to see whether the head is out.
    response._header = firstLine;
    response._headerSent = false;
  }

  send(
    response: ResponseInside,
    data: string | Uint8Array,
    encoding: BufferEncoding | null | undefined,
    done: Done,
  ): boolean {
    const sink = this.#sink;
    const utf8 =
      typeof data === 'string' &&
      (encoding === undefined || encoding === null || encoding === 'utf8' || encoding === 'utf-8');
    const body = typeof data === 'string' && !utf8 ? Buffer.from(data, encoding!) : data;
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
    this.#sent += bytes;
    const last = this.#expected !== undefined && this.#sent >= this.#expected;
    this.complete ||= last;
    if (!response._headerSent) {
      response._headerSent = true;
      sink.respond(this.#status, this.#block, body, bytes, last);
    } else if (bytes > 0) sink.write(typeof body === 'string' ? Buffer.from(body) : body, last);
    const free = sink.queuedBytes === 0;
    if (typeof done === 'function') {
      if (free) process.nextTick(done);
      else this.#waiting.push(done);
    }
    return free;
  }

  finish(response: ResponseInside): void {
    if (!response._headerSent) this.send(response, '', null, undefined);
    this.complete = true;
    if (response._trailer !== '') this.#sink.trail(response._trailer);
    this.#sink.write(EMPTY, true);
    response.emit('prefinish');
    this.onFinished?.();
  }

  /** Callbacks of writes whose bytes nobody will read any more. */
  dropWaiting(): void {
    this.#waiting = [];
  }

  #drained(response: ResponseInside): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
    if (!response.finished && response[needDrain()] === true) {
      response[needDrain()] = false;
      response.emit('drain');
    }
  }
}

/** Calls back for each header, however it was given to `setHeader` or `writeHead`. */
function eachHeader(
  response: ResponseInside,
  headers: unknown,
  add: (name: string, value: unknown) => void,
): void {
  if (typeof headers !== 'object' || headers === null) return;
  if (headers === response[outHeaders()]) {
    for (const key in headers) {
      const [name, value] = (headers as Record<string, [string, unknown]>)[key]!;
      add(name, value);
    }
  } else if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) add(name, value);
  } else if (Array.isArray(headers[0])) {
    for (const [name, value] of headers as [string, unknown][]) add(name, value);
  } else {
    for (let at = 0; at + 1 < headers.length; at += 2) add(headers[at] as string, headers[at + 1]);
  }
}

const insideSymbols = new Map<string, symbol>();

/** Symbols that Node keeps to itself, by their description. */
function insideSymbol(description: string): symbol {
  let symbol = insideSymbols.get(description);
  if (symbol === undefined) {
    const sample = new ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 } as never);
    symbol = Object.getOwnPropertySymbols(sample).find((one) => one.description === description);
    if (symbol === undefined)
      throw new Error(`this Node.js has no ${description}; Lambent needs the version it pins`);
    insideSymbols.set(description, symbol);
  }
  return symbol;
}

const needDrain = (): symbol => insideSymbol('kNeedDrain');
const outHeaders = (): symbol => insideSymbol('kOutHeaders');

/** Replaces the inner methods, once. */
export function installServerResponse(): void {
  const prototype = ServerResponse.prototype as unknown as ResponsePrototype;
  const { _storeHeader, _send, _finish } = prototype;
  prototype._storeHeader = function (firstLine, headers) {
    const exchange = this[EXCHANGE];
    if (exchange === undefined) _storeHeader.call(this, firstLine, headers);
    else exchange.store(this, firstLine, headers);
  };
  prototype._send = function (data, encoding, done, bytes) {
    const exchange = this[EXCHANGE];
    return exchange === undefined
      ? _send.call(this, data, encoding, done, bytes)
      : exchange.send(this, data, encoding, done);
  };
  prototype._finish = function () {
    const exchange = this[EXCHANGE];
    if (exchange === undefined) _finish.call(this);
    else exchange.finish(this);
  };
}
