import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.ts';
import type { Defects } from '../base/defects.ts';
import { LambentError } from '../base/errors.ts';
import { contained } from './contained.ts';
import { FastConnection, type FastHost } from './fast-connection.ts';
import { GATEWAY_LIMITS, type GatewayLimits } from './gateway-limits.ts';
import type { GeneralHost, PlatformHandler } from './general-connection.ts';
import { GeneralServer } from './general-server.ts';
import type { GatewayParts } from './handle-request.ts';
import { asStream } from './raw-socket.ts';
import { DateHeader } from './respond.ts';

export interface GatewayOptions {
  readonly parts: GatewayParts;
  readonly platform: PlatformHandler;
  readonly clock: Clock;
  readonly defects: Defects;
  readonly limits?: Partial<GatewayLimits> | undefined;
}

/** The listening server: accepts connections and gives each to the fast or the general way. */
export class Gateway implements FastHost, GeneralHost {
  readonly parts: GatewayParts;
  readonly date: DateHeader;
  readonly platform: PlatformHandler;
  readonly clock: Clock;
  readonly defects: Defects;
  readonly limits: GatewayLimits;
  closing = false;
  readonly #fast = new Set<FastConnection>();
  readonly #listener: Server;
  readonly #general: GeneralServer;
  #sweeper: Timer | undefined;
  /** Connections that came before `serve`. */
  #early: Socket[] | undefined = [];

  /** Where it listens; `undefined` while it does not. */
  get address(): AddressInfo | undefined {
    const address = this.#listener.address();
    return typeof address === 'object' && address !== null ? address : undefined;
  }

  constructor(options: GatewayOptions) {
    this.parts = options.parts;
    this.platform = options.platform;
    this.clock = options.clock;
    this.defects = options.defects;
    this.limits = { ...GATEWAY_LIMITS, ...options.limits };
    this.date = new DateHeader(options.clock);
    this.#general = new GeneralServer(this);
    const { connectionsMax, keepAliveProbeMs } = this.limits;
    this.#listener = createServer(
      {
        noDelay: true,
        allowHalfOpen: true,
        pauseOnConnect: true,
        keepAlive: true,
        keepAliveInitialDelay: keepAliveProbeMs,
      },
      contained(this, undefined, (socket: Socket) => this.#accept(socket)),
    );
    this.#listener.maxConnections = connectionsMax;
  }

  /** Resolves with the port; connections wait until `serve`. Rejects with `E_PORT_IN_USE`. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      this.#listener.listen(port, host, () => {
        this.#sweeper = this.clock.every(
          this.limits.sweepMs,
          contained(this, undefined, () => this.#sweep()),
        );
        resolve(this.address?.port ?? port);
      });
    });
  }

  /** Begins to answer: who came before there was anything to answer with has waited. */
  serve(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const socket of early) this.#accept(socket);
  }

  /** Accepts nothing new, lets what runs finish for `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.closing = true;
    this.serve();
    this.#sweeper?.cancel();
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const connection of this.#fast) if (!connection.busy) connection.socket.destroySoon();
    this.#general.drain();
    const cut = this.clock.after(graceMs, () => {
      for (const connection of this.#fast) connection.socket.destroy();
      this.#general.cut();
    });
    await closed;
    cut.cancel();
  }

  takeOver(socket: Socket, chunk: Buffer): void {
    const stream = asStream(socket, chunk);
    this.#general.adopt(stream);
    // Reading goes on once the parser is in place.
    process.nextTick(() => stream.resume());
  }

  gone(connection: FastConnection): void {
    this.#fast.delete(connection);
  }

  #accept(socket: Socket): void {
    if (this.closing) socket.destroy();
    else if (this.#early !== undefined) this.#early.push(socket);
    else this.#fast.add(new FastConnection(socket, this));
  }

  #sweep(): void {
    const nowMs = this.clock.monotonicMs();
    for (const connection of this.#fast) connection.expire(nowMs, this.limits.idleMs);
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
