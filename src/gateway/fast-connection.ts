import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Defects } from '../base/defects.ts';
import type { LambentError } from '../base/errors.ts';
import type { HttpExchange, HttpSink } from '../ports/invoker.ts';
import { contained } from './contained.ts';
import { withCors } from './cors.ts';
import { LOOK_BEFORE_ANSWER, LOOK_BETWEEN_CHUNKS, watchHalfClosed } from './half-closed.ts';
import { callFunction, decide, failureAnswer, type GatewayParts } from './handle-request.ts';
import { readInto } from './raw-socket.ts';
import { type Answer, type DateHeader, hasBody, statusLine } from './respond.ts';
import { parseSimpleRequest, type SimpleRequest } from './simple-request.ts';

/** What a fast connection needs of the server it belongs to. */
export interface FastHost {
  readonly parts: GatewayParts;
  readonly date: DateHeader;
  readonly clock: Clock;
  readonly defects: Defects;
  /** The connection sent something that is not simple: `node:http` takes it over, beginning with `chunk`. */
  takeOver(socket: Socket, chunk: Buffer): void;
  gone(connection: FastConnection): void;
  readonly closing: boolean;
}

/** Whole answers up to this size leave as one string. */
const TEXT_BODY_MAX = 8 * 1024;
/** Bytes of following requests that a client may send while one is being answered. */
const AHEAD_BYTES_MAX = 64 * 1024;

/**
 * A connection as long as it sends simple requests, one at a time. It writes its answers itself, each in one system
 * call where the function answered in one piece.
 */
export class FastConnection {
  readonly socket: Socket;
  readonly #host: FastHost;
  readonly #remoteAddress: string;
  #last: SimpleRequest | undefined;
  #exchange: FastExchange | undefined;
  #ahead: Buffer | undefined;
  /** Set by the server's sweep while idle, monotonic; 0: not idle. */
  #idleSinceMs = 0;
  /** Bytes of answers that the system had taken at the last sweep. */
  #takenBytes = 0;

  constructor(accepted: Socket, host: FastHost) {
    this.#host = host;
    this.#remoteAddress = accepted.remoteAddress ?? '';
    this.socket = readInto(accepted, (buffer, bytes) => this.#take(buffer, bytes));
    const on = (event: string, task: () => void): unknown =>
      this.socket.on(event, contained(host, this.socket, task));
    on('end', () => this.#halfClosed());
    on('close', () => this.#closed());
    this.socket.on('error', () => {});
    on('drain', () => this.#exchange?.drained());
    this.socket.resume();
  }

  get busy(): boolean {
    return this.#exchange !== undefined;
  }

  /** Closes a connection that has carried nothing either way for `idleMs`. Called now and then. */
  expire(nowMs: number, idleMs: number): void {
    if (this.busy) return;
    // A slow reader may still be taking the last answer.
    const takenBytes = this.socket.bytesWritten - this.socket.writableLength;
    if (this.#idleSinceMs === 0 || takenBytes !== this.#takenBytes) this.#idleSinceMs = nowMs;
    else if (nowMs - this.#idleSinceMs > idleMs) this.socket.destroy();
    this.#takenBytes = takenBytes;
  }

  /** The answer is complete: the next request, if one came meanwhile. */
  finished(keepAlive: boolean): void {
    this.#exchange = undefined;
    if (!keepAlive || this.#host.closing) {
      this.socket.destroySoon();
      return;
    }
    const ahead = this.#ahead;
    if (ahead === undefined) {
      if (this.socket.readableEnded) this.socket.destroySoon();
      return;
    }
    this.#ahead = undefined;
    this.socket.resume();
    this.#take(ahead, ahead.length);
  }

  /** The usual way in, and so without the closure of `contained`. */
  #take(buffer: Buffer, bytes: number): void {
    try {
      this.#receive(buffer, bytes);
    } catch (thrown) {
      this.#host.defects.note('a connection was served', thrown);
      this.socket.destroy();
    }
  }

  #receive(buffer: Buffer, bytes: number): void {
    // The last answer is on its way: what still comes has no answer.
    if (this.socket.writableEnded) return;
    this.#idleSinceMs = 0;
    if (this.#exchange !== undefined) {
      this.#keep(Buffer.from(buffer.subarray(0, bytes)));
      return;
    }
    const request = parseSimpleRequest(buffer, bytes, this.#last);
    if (request === undefined || !this.#handle(request)) this.#leave(Buffer.from(buffer.subarray(0, bytes)));
    else this.#last = request;
  }

  /** False: not for this way. */
  #handle(request: SimpleRequest): boolean {
    const { parts } = this.#host;
    const { method, headers, requestId } = request;
    const id = parts.mintId();
    const decision = decide(parts, request, requestId ?? id);
    if (decision.kind === 'platform' || decision.kind === 'preview') return false;
    const exchange = new FastExchange(this, this.#host, method, requestId ?? id);
    this.#exchange = exchange;
    if (decision.kind === 'answer') {
      exchange.answer(decision.answer);
      return true;
    }
    exchange.corsLines = decision.corsLines;
    const call = {
      headerLines: headers.lines,
      remoteAddress: this.#remoteAddress,
      upgrade: false,
      body: request.body,
      bodyComplete: true,
    };
    exchange.upstream = callFunction(parts, decision, request, call, id, exchange);
    return true;
  }

  /** The caller sends nothing more; what it asked for is answered. */
  #halfClosed(): void {
    if (this.#exchange === undefined) this.socket.destroySoon();
    else watchHalfClosed(this.#host, this.socket, () => this.#exchange?.look());
  }

  #keep(chunk: Buffer): void {
    this.#ahead = this.#ahead === undefined ? chunk : Buffer.concat([this.#ahead, chunk]);
    if (this.#ahead.length > AHEAD_BYTES_MAX) this.socket.pause();
  }

  #leave(chunk: Buffer): void {
    this.#host.gone(this);
    this.#host.takeOver(this.socket, chunk);
  }

  #closed(): void {
    this.#exchange?.upstream?.cancel('callerGone');
    this.#exchange = undefined;
    this.#host.gone(this);
  }
}

/** One request and its answer on a fast connection. */
class FastExchange implements HttpSink {
  upstream: HttpExchange | undefined;
  corsLines = '';
  readonly #connection: FastConnection;
  readonly #host: FastHost;
  readonly #method: string;
  readonly #requestId: string;
  #chunked = false;
  #bodiless = false;
  #headSent = false;
  /** Bytes written that the peer has not taken yet; returned to the function when it has. */
  #owedBytes = 0;

  constructor(connection: FastConnection, host: FastHost, method: string, requestId: string) {
    this.#connection = connection;
    this.#host = host;
    this.#method = method;
    this.#requestId = requestId;
  }

  answer(answer: Answer): void {
    const body = Buffer.from(answer.body);
    this.onHead(answer.status, answer.block, -1, body, true);
    this.onEnd();
  }

  onHead(
    status: number,
    headerBlock: string,
    contentLength: number,
    body: Buffer | undefined,
    complete: boolean,
  ): void {
    this.#headSent = true;
    this.#bodiless = !hasBody(this.#method, status);
    const block = this.corsLines === '' ? headerBlock : withCors(headerBlock, this.corsLines);
    const { socket } = this.#connection;
    let framing = '';
    if (contentLength < 0 && status !== 204 && status !== 304) {
      if (complete) framing = `content-length: ${body?.length ?? 0}\r\n`;
      else {
        this.#chunked = !this.#bodiless;
        framing = 'transfer-encoding: chunked\r\n';
      }
    }
    const closing = this.#host.closing ? 'connection: close\r\n' : '';
    const head = `${statusLine(status)}${block}${framing}${closing}${this.#host.date.line()}x-request-id: ${this.#requestId}\r\n\r\n`;
    if (body === undefined || this.#bodiless) {
      socket.write(head, 'latin1');
      if (body !== undefined) this.upstream?.credit(body.length);
      return;
    }
    if (this.#chunked) {
      socket.write(head, 'latin1');
      this.onBody(body);
      return;
    }
    if (complete && body.length <= TEXT_BODY_MAX) {
      // One string is written with less ado than one buffer; latin1 keeps every byte as it is.
      socket.write(head + body.toString('latin1'), 'latin1');
      return;
    }
    socket.cork();
    socket.write(head, 'latin1');
    this.#send(body, complete ? 0 : body.length);
    socket.uncork();
  }

  onBody(chunk: Buffer): void {
    if (this.#bodiless) {
      this.upstream?.credit(chunk.length);
      return;
    }
    if (!this.#chunked) {
      this.#send(chunk, chunk.length);
      return;
    }
    const { socket } = this.#connection;
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    this.#send(chunk, chunk.length);
    socket.write('\r\n', 'latin1');
    socket.uncork();
  }

  onEnd(trailers = ''): void {
    if (this.#chunked) this.#connection.socket.write(`0\r\n${trailers}\r\n`, 'latin1');
    this.#connection.finished(true);
  }

  onFailure(error: LambentError): void {
    contained(this.#host, this.#connection.socket, () => {
      // When the head is out, only the end of the connection tells the caller that the body is not whole.
      if (this.#headSent) this.#connection.finished(false);
      else this.answer(failureAnswer(this.#host.parts, error, this.#requestId));
    })();
  }

  onCredit(): void {}

  /** What may be sent now to find out whether the caller is still there. */
  look(): string | undefined {
    if (!this.#headSent) return LOOK_BEFORE_ANSWER;
    return this.#chunked ? LOOK_BETWEEN_CHUNKS : undefined;
  }

  drained(): void {
    const owed = this.#owedBytes;
    this.#owedBytes = 0;
    if (owed > 0) this.upstream?.credit(owed);
  }

  #send(bytes: Buffer, creditBytes: number): void {
    const flowing = this.#connection.socket.write(bytes);
    if (creditBytes === 0) return;
    if (flowing) this.upstream?.credit(creditBytes);
    else this.#owedBytes += creditBytes;
  }
}
