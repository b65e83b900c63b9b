import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { type Defects, defectError } from '../base/defects.ts';
import { LambentError } from '../base/errors.ts';
import { fieldPairs, fieldsOf, trailerLines } from '../model/trailers.ts';
import type { HttpExchange, HttpSink } from '../ports/invoker.ts';
import { BodyPump } from './body-pump.ts';
import { contained } from './contained.ts';
import { withCors } from './cors.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import {
  callFunction,
  type Decision,
  decide,
  decidePreview,
  failureAnswer,
  type GatewayParts,
} from './handle-request.ts';
import { announcesBody, type ReadRequest, readRequest } from './read-request.ts';
import { type Answer, type DateHeader, errorAnswer, hasBody } from './respond.ts';

/** Answers what belongs to the platform itself. */
export type PlatformHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface GeneralHost {
  readonly parts: GatewayParts;
  readonly date: DateHeader;
  readonly clock: Clock;
  readonly defects: Defects;
  readonly limits: GatewayLimits;
  readonly platform: PlatformHandler;
  readonly closing: boolean;
}

/** What is known of a connection that `node:http` holds. */
export interface GeneralConnection {
  /** Answers that are not complete yet, in the order of their requests. */
  readonly answers: Set<ServerResponse>;
  /** It switched to another protocol. */
  upgraded: boolean;
  /** The client broke HTTP: nothing more is read, and this is the last answer. */
  refusal: LambentError | undefined;
  /** Once upgraded: tells the client that the server stops. */
  goAway: (() => void) | undefined;
  /** Ends the request whose body is being received. */
  breakOff: ((error: LambentError) => void) | undefined;
}

/** One request on such a connection: bodies of any length, previews, the platform's own paths. */
export function handleGeneral(
  host: GeneralHost,
  connection: GeneralConnection,
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
): void {
  const { parts } = host;
  const id = parts.mintId();
  const read = readRequest(request, false);
  if (read instanceof LambentError) {
    writeAnswer(host, connection, request, response, errorAnswer(read, id), id);
    return;
  }
  const { incoming } = read;
  const shownId = incoming.requestId ?? id;
  const proceed = (decision: Decision): void => {
    if (decision.kind === 'answer') {
      writeAnswer(host, connection, request, response, decision.answer, shownId);
    } else if (decision.kind === 'platform') {
      if (awaitsContinue) response.writeContinue();
      connection.breakOff = (error) => request.destroy(error);
      host.platform(request, response);
    } else if (decision.kind === 'function') {
      serve(host, connection, request, response, decision, read, id, awaitsContinue);
    } else decidePreview(parts, decision.preview, incoming, shownId).then(proceed).catch(fail);
  };
  const fail = (thrown: unknown): void => {
    if (!(thrown instanceof LambentError)) host.defects.note('a request was answered', thrown);
    const error = thrown instanceof LambentError ? thrown : defectError();
    if (response.headersSent) request.socket.destroy();
    else writeAnswer(host, connection, request, response, failureAnswer(parts, error, shownId), shownId);
  };
  try {
    proceed(decide(parts, incoming, shownId));
  } catch (error) {
    fail(error);
  }
}

/** Whether a body is announced that has not all arrived. */
function isIncomplete(request: IncomingMessage): boolean {
  return !request.complete && announcesBody(request);
}

function writeAnswer(
  host: GeneralHost,
  connection: GeneralConnection,
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  id: string,
): void {
  if (response.headersSent || response.destroyed) return;
  const headers = rawHeaders(answer.block, host.date, id);
  if (answer.status !== 204) headers.push('content-length', String(Buffer.byteLength(answer.body)));
  const body = hasBody(request.method ?? 'GET', answer.status) ? answer.body : '';
  const incomplete = isIncomplete(request);
  // A body that nobody will read must not hold the connection: it is closed after the answer.
  if (incomplete || host.closing) headers.push('connection', 'close');
  response.writeHead(answer.status, headers);
  const { socket } = request;
  // Behind the answer to another request it has to wait for its turn, and so it is left to `node:http`.
  if (!incomplete || connection.answers.size > 1) {
    response.end(body);
    return;
  }
  // The answer is whole with this write. To close both ways at once would reset the connection while the client
  // still sends, and a reset takes the answer with it.
  if (body !== '') response.write(body);
  else response.flushHeaders();
  socket.end();
  request.resume();
  takeIn(host, request, () => socket.destroySoon());
}

/** Waits for the rest of a request's body, but not long. */
function takeIn(host: GeneralHost, request: IncomingMessage, done: () => void): void {
  let timer = host.clock.after(host.limits.lingerMs, () => finish());
  const finish = (): void => {
    timer.cancel();
    timer = { cancel: () => {} };
    request.off('end', finish);
    request.off('close', finish);
    done();
  };
  request.once('end', finish);
  request.once('close', finish);
}

function rawHeaders(block: string, date: DateHeader, id: string): string[] {
  return fieldsOf(`${block}${date.line()}x-request-id: ${id}\r\n`);
}

function serve(
  host: GeneralHost,
  connection: GeneralConnection,
  request: IncomingMessage,
  response: ServerResponse,
  decision: Extract<Decision, { kind: 'function' }>,
  read: ReadRequest,
  id: string,
  awaitsContinue: boolean,
): void {
  const limitMb = decision.bound.version.config.maxRequestMb;
  const limitBytes = limitMb === 0 ? Number.POSITIVE_INFINITY : limitMb * 2 ** 20;
  const tooLarge = (): LambentError =>
    new LambentError('E_PAYLOAD_TOO_LARGE', `the body is over the ${limitMb} MB that the function takes`, {
      hint: 'Send less, or raise `maxRequestMb` in the manifest.',
    });
  const shownId = read.incoming.requestId ?? id;
  const exchange = new GeneralExchange(host, connection, request, response, decision.corsLines, shownId);
  if (read.contentLength > limitBytes) {
    exchange.onFailure(tooLarge());
    return;
  }
  const call = {
    headerLines: read.headerLines,
    remoteAddress: request.socket.remoteAddress ?? '',
    upgrade: false,
    body: undefined,
    bodyComplete: !read.hasBody,
  };
  const upstream = callFunction(host.parts, decision, read.incoming, call, id, exchange);
  exchange.begin(upstream);
  if (!read.hasBody || exchange.over) return;
  if (awaitsContinue) response.writeContinue();
  let receivedBytes = 0;
  const admit = (bytes: number): boolean => {
    receivedBytes += bytes;
    if (receivedBytes <= limitBytes) return true;
    exchange.breakOff(tooLarge());
    return false;
  };
  const trailers = (): string => trailerLines(request.rawTrailers);
  const pump = new BodyPump(host, request.socket, request, upstream, admit, trailers);
  exchange.receive(pump);
  const breakOff = (error: LambentError): void => exchange.breakOff(error);
  connection.breakOff = breakOff;
  request.once('close', () => {
    if (connection.breakOff === breakOff) connection.breakOff = undefined;
  });
  if (connection.refusal !== undefined) breakOff(connection.refusal);
}

/** Writes a function's answer through `node:http`. */
class GeneralExchange implements HttpSink {
  /** No more will come of it. */
  over = false;
  readonly #host: GeneralHost;
  readonly #connection: GeneralConnection;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #corsLines: string;
  readonly #requestId: string;
  #upstream: HttpExchange | undefined;
  #pump: BodyPump | undefined;
  #owedBytes = 0;
  #bodiless = false;
  /** HTTP/1.0 without a length: an orderly end of the connection is the end of the body. */
  #endsWithConnection = false;

  constructor(
    host: GeneralHost,
    connection: GeneralConnection,
    request: IncomingMessage,
    response: ServerResponse,
    cors: string,
    requestId: string,
  ) {
    this.#host = host;
    this.#connection = connection;
    this.#request = request;
    this.#response = response;
    this.#corsLines = cors;
    this.#requestId = requestId;
    const closed = (): void => {
      if (this.over) return;
      this.over = true;
      this.#upstream?.cancel('callerGone');
    };
    response.on(
      'drain',
      contained(host, request.socket, () => this.#drained()),
    );
    response.on('close', contained(host, request.socket, closed));
  }

  begin(upstream: HttpExchange): void {
    this.#upstream = upstream;
  }

  receive(pump: BodyPump): void {
    this.#pump = pump;
  }

  /** The request turned out to be one that cannot go on. */
  breakOff(error: LambentError): void {
    if (this.over) return;
    this.#upstream?.cancel('callerGone', error);
    this.onFailure(error);
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
    if (this.#host.closing) headers.push('connection', 'close');
    const isOld = this.#request.httpVersion === '1.0';
    this.#endsWithConnection = !complete && contentLength < 0 && isOld;
    // HTTP/1.0 knows no trailers, and `node:http` would refuse to announce any.
    const trailer = isOld ? headers.findIndex((name, at) => at % 2 === 0 && /^trailer$/i.test(name)) : -1;
    if (trailer >= 0) headers.splice(trailer, 2);
    this.#response.writeHead(status, headers);
    if (body !== undefined) this.onBody(body);
    else if (!complete) this.#response.flushHeaders();
  }

  onBody(chunk: Buffer): void {
    if (this.#bodiless || this.over || this.#response.write(chunk)) this.#upstream?.credit(chunk.length);
    else this.#owedBytes += chunk.length;
  }

  onEnd(trailers = ''): void {
    this.over = true;
    contained(this.#host, this.#request.socket, () => this.#end(trailers))();
  }

  #end(trailers: string): void {
    if (trailers !== '' && this.#response.chunkedEncoding) this.#response.addTrailers(fieldPairs(trailers));
    this.#response.end();
    if (this.#pump === undefined || this.#request.readableEnded) return;
    // The function answered without reading the whole body. The connection is of use again after the rest of it.
    this.#pump.discard();
    takeIn(this.#host, this.#request, () => {
      if (!this.#request.complete) this.#request.socket.destroySoon();
    });
  }

  onFailure(error: LambentError): void {
    if (this.over) return;
    this.over = true;
    contained(this.#host, this.#request.socket, () => this.#fail(error))();
  }

  #fail(error: LambentError): void {
    this.#pump?.discard();
    if (this.#response.headersSent) {
      this.#breakAnswer();
      return;
    }
    const answer = failureAnswer(this.#host.parts, error, this.#requestId);
    const block = withCors(answer.block, this.#corsLines);
    const whole = { ...answer, block };
    writeAnswer(this.#host, this.#connection, this.#request, this.#response, whole, this.#requestId);
  }

  onCredit(bytes: number): void {
    this.#pump?.onCredit(bytes);
  }

  /** Only the end of the connection tells that the answer is not whole; what was said before it arrives. */
  #breakAnswer(): void {
    const { socket } = this.#request;
    if (this.#response.socket === null) this.#response.destroy();
    else if (this.#endsWithConnection) socket.resetAndDestroy();
    else {
      // Chunks of this turn of the event loop still wait for each other.
      this.#response.uncork();
      socket.destroySoon();
    }
  }

  #drained(): void {
    const owed = this.#owedBytes;
    this.#owedBytes = 0;
    if (owed > 0) this.#upstream?.credit(owed);
  }
}
