import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { LambentError } from '../base/errors.ts';
import { contained } from './contained.ts';
import { type GeneralConnection, type GeneralHost, handleGeneral } from './general-connection.ts';
import { LOOK_BEFORE_ANSWER, LOOK_BETWEEN_CHUNKS, watchHalfClosed } from './half-closed.ts';
import { closingAnswer, errorAnswer } from './respond.ts';
import { closeSoon, handleUpgrade, wantsUpgrade } from './upgrade-connection.ts';

/** What `node:http` says of bytes that are not HTTP. */
interface ParseError extends Error {
  readonly code?: string;
  readonly reason?: string;
}

/** What may be sent now to find out whether a caller who ended its side is still there. */
function lookOf({ answers }: GeneralConnection): string | undefined {
  const [first] = answers;
  // HTTP/1.0 has neither interim answers nor chunks.
  if (first === undefined || first.socket === null || first.req.httpVersion !== '1.1') return undefined;
  if (!first.headersSent) return LOOK_BEFORE_ANSWER;
  return first.chunkedEncoding && !first.writableEnded ? LOOK_BETWEEN_CHUNKS : undefined;
}

/** The connections that `node:http` holds, because they sent something that is not simple. */
export class GeneralServer {
  readonly #host: GeneralHost;
  readonly #http: Server;
  readonly #connections = new Map<Socket, GeneralConnection>();

  constructor(host: GeneralHost) {
    this.#host = host;
    const { idleMs, headMs, sweepMs, headBytesMax } = host.limits;
    const http = createServer({
      keepAliveTimeout: idleMs,
      headersTimeout: headMs,
      // A body may take as long as its function may.
      requestTimeout: 0,
      connectionsCheckingInterval: sweepMs,
      maxHeaderSize: headBytesMax,
      // The gateway says by itself what is wrong with a host.
      requireHostHeader: false,
      shouldUpgradeCallback: wantsUpgrade,
    });
    this.#http = http;
    // By default headers beyond a number are dropped without a word; their bytes are limited anyway.
    http.maxHeadersCount = 0;
    // Not in its documentation: a caller who ends its side gets its answers, and the connection ends after the last.
    (http as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
    const handle =
      (awaitsContinue: boolean) =>
      (request: IncomingMessage, response: ServerResponse): void => {
        const { socket } = request;
        const connection = this.#connections.get(socket)!;
        connection.answers.add(response);
        const closed = (): void => {
          connection.answers.delete(response);
          this.#answered(socket, connection);
        };
        response.once('close', contained(host, socket, closed));
        contained(host, socket, handleGeneral)(host, connection, request, response, awaitsContinue);
      };
    http.on('request', handle(false));
    http.on('checkContinue', handle(true));
    // Expectations other than 100-continue may be ignored (RFC 9110, 10.1.1).
    http.on('checkExpectation', handle(false));
    http.on('upgrade', (request, socket, head) => {
      const connection = this.#connections.get(request.socket)!;
      connection.upgraded = true;
      contained(host, socket, handleUpgrade)(host, connection, request, socket, head);
    });
    http.on('connect', (_request, socket: Duplex) => {
      socket.on('error', () => socket.destroy());
      this.#refuse(socket, new LambentError('E_METHOD_NOT_ALLOWED', 'this server is no proxy for CONNECT'));
    });
    http.on('clientError', (error: ParseError, socket) =>
      contained(host, socket, () => this.#broken(error, socket as Socket))(),
    );
    // It watches over the times of its connections from here on; another server listens for it.
    http.emit('listening');
  }

  /** Takes over a connection that has just been put together. */
  adopt(socket: Socket): void {
    const connection: GeneralConnection = {
      answers: new Set(),
      upgraded: false,
      goAway: undefined,
      refusal: undefined,
      breakOff: undefined,
    };
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#connections.delete(socket));
    socket.once('end', () => {
      if (connection.answers.size > 0) watchHalfClosed(this.#host, socket, () => lookOf(connection));
    });
    this.#http.emit('connection', socket);
  }

  /** Lets requests finish, and closes connections that have none. Upgraded ones are told to end. */
  drain(): void {
    for (const [socket, connection] of this.#connections) {
      if (connection.goAway !== undefined) connection.goAway();
      else if (connection.answers.size === 0) socket.destroySoon();
    }
    // Ends its watch over times; it never listened, which is what the error would say.
    this.#http.close(() => {});
  }

  cut(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  #answered(socket: Socket, connection: GeneralConnection): void {
    if (connection.answers.size > 0) return;
    if (connection.refusal !== undefined) this.#refuse(socket, connection.refusal);
    else if (this.#host.closing && !connection.upgraded) socket.destroySoon();
  }

  /** Bytes that are not HTTP, or a head that takes too long. Nothing more is read from this connection. */
  #broken(error: ParseError, socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection?.refusal !== undefined) return;
    const refusal = this.#refusalOf(error);
    if (connection === undefined || refusal === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    connection.refusal = refusal;
    // The answers to requests that came before go first.
    if (connection.breakOff !== undefined) connection.breakOff(refusal);
    else if (connection.answers.size === 0) this.#refuse(socket, refusal);
  }

  /** `undefined`: the client is gone, and nobody would read an answer. */
  #refusalOf({ code = '', reason, message }: ParseError): LambentError | undefined {
    const { headBytesMax, headMs } = this.#host.limits;
    if (code === 'HPE_HEADER_OVERFLOW')
      return new LambentError(
        'E_HEADERS_TOO_LARGE',
        `the request line and headers are over ${headBytesMax} bytes`,
      );
    if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
      return new LambentError('E_PAYLOAD_TOO_LARGE', 'the chunk extensions of the body are too long');
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
      return new LambentError(
        'E_REQUEST_TIMEOUT',
        `the head of the request did not arrive within ${headMs} ms`,
      );
    if (code === 'HPE_INVALID_EOF_STATE' || !code.startsWith('HPE_')) return undefined;
    return new LambentError('E_BAD_REQUEST', `the request is not valid HTTP/1.1: ${reason ?? message}`);
  }

  #refuse(socket: Duplex, error: LambentError): void {
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const id = this.#host.parts.mintId();
    socket.end(closingAnswer(errorAnswer(error, id), this.#host.date, id), 'utf8');
    closeSoon(this.#host, socket);
  }
}
