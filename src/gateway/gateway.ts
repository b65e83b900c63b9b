import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { FastConnection, type FastHost } from './fast-connection.ts';
import {
  type GeneralHost,
  handleGeneral,
  handleUpgrade,
  type PlatformHandler,
} from './general-connection.ts';
import type { GatewayParts } from './handle-request.ts';
import { asStream } from './raw-socket.ts';
import { DateHeader } from './respond.ts';

/** A kept-alive connection without a request is closed after this time. */
const IDLE_MS = 65_000;
const SWEEP_MS = 5_000;
/** The head of a request must be complete within this time. */
const HEAD_MS = 30_000;
const HEAD_BYTES_MAX = 32 * 1024;
/** Open connections; further ones are refused by the system. */
const CONNECTIONS_MAX = 20_000;

export interface GatewayOptions {
  readonly parts: GatewayParts;
  readonly platform: PlatformHandler;
  readonly clock: Clock;
}

/** The listening server: accepts connections and gives each to the fast or the general way. */
export class Gateway implements FastHost, GeneralHost {
  readonly parts: GatewayParts;
  readonly date: DateHeader;
  readonly platform: PlatformHandler;
  closing = false;
  readonly #clock: Clock;
  readonly #fast = new Set<FastConnection>();
  readonly #listener: Server;
  readonly #http: HttpServer;
  #sweeper: Timer | undefined;

  constructor(options: GatewayOptions) {
    this.parts = options.parts;
    this.platform = options.platform;
    this.#clock = options.clock;
    this.date = new DateHeader(options.clock);
    this.#http = createHttpServer({
      keepAliveTimeout: IDLE_MS,
      headersTimeout: HEAD_MS,
      requestTimeout: 0,
      maxHeaderSize: HEAD_BYTES_MAX,
    });
    this.#http.on('request', (request, response) => void handleGeneral(this, request, response));
    this.#http.on('checkContinue', (request, response) => {
      response.writeContinue();
      void handleGeneral(this, request, response);
    });
    this.#http.on('upgrade', (request, socket, head) => void handleUpgrade(this, request, socket, head));
    this.#listener = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
    );
    this.#listener.maxConnections = CONNECTIONS_MAX;
  }

  /** Resolves with the port. Rejects with `E_PORT_IN_USE`. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      this.#listener.listen(port, host, () => {
        this.#sweeper = this.#clock.every(SWEEP_MS, () => this.#sweep());
        const address = this.#listener.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Accepts nothing new, lets what runs finish for `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.closing = true;
    this.#sweeper?.cancel();
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const connection of this.#fast) if (!connection.busy) connection.socket.destroy();
    this.#http.closeIdleConnections();
    const idle = this.#clock.every(50, () => this.#http.closeIdleConnections());
    const cut = this.#clock.after(graceMs, () => {
      for (const connection of this.#fast) connection.socket.destroy();
      this.#http.closeAllConnections();
    });
    await closed;
    idle.cancel();
    cut.cancel();
  }

  takeOver(socket: Socket, chunk: Buffer): void {
    const stream = asStream(socket, chunk);
    this.#http.emit('connection', stream);
    // Reading goes on once the parser is in place.
    process.nextTick(() => stream.resume());
  }

  gone(connection: FastConnection): void {
    this.#fast.delete(connection);
  }

  #accept(socket: Socket): void {
    if (this.closing) socket.destroy();
    else this.#fast.add(new FastConnection(socket, this));
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const connection of this.#fast) {
      if (connection.busy) continue;
      if (connection.idleSinceMs === 0) connection.idleSinceMs = nowMs;
      else if (nowMs - connection.idleSinceMs > IDLE_MS) connection.socket.destroy();
    }
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): LambentError {
  if (error.code === 'EADDRINUSE')
    return new LambentError('E_PORT_IN_USE', `port ${port} on ${host} is in use by another program`, {
      details: { port, host },
    });
  if (error.code === 'EACCES')
    return new LambentError('E_PORT_IN_USE', `port ${port} may not be opened by this user`, {
      hint: 'Choose a port above 1023 with --port.',
    });
  return new LambentError('E_PORT_IN_USE', `cannot listen on ${host}:${port}: ${error.message}`, {
    cause: error,
  });
}
