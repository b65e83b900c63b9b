import type { Server as HttpServer } from 'node:http';
import net from 'node:net';

/**
 * Servers without ports: `listen` on an HTTP server registers it here instead of opening a port, and behaves in
 * every other way as if it had opened one. Servers that are only created are noted too, as long as the code loads.
 * Other servers (raw TCP) listen as ever; whether they may is the sandbox's decision.
 */

const CREATED_MAX = 100;

/** What `net.Server` has inside. */
interface ServerInside extends net.Server {
  _handle: unknown;
}

export function isHttpServer(value: unknown): value is HttpServer {
  return (
    typeof value === 'object' &&
    value !== null &&
    'headersTimeout' in value &&
    typeof (value as HttpServer).listen === 'function' &&
    typeof (value as HttpServer).emit === 'function'
  );
}

export class ListenCapture {
  /** The first HTTP server that listened. */
  listening: HttpServer | undefined;
  onListen: (() => void) | undefined;
  readonly #created: net.Server[] = [];
  readonly #realServer = net.Server;
  readonly #realListen = net.Server.prototype.listen;

  install(): void {
    const capture = this;
    const RealServer = this.#realServer;
    const realListen = this.#realListen;
    // `http.Server` calls `net.Server` through the module object: here is the place where each of them passes.
    const NotedServer = function (this: unknown, ...args: unknown[]): unknown {
      if (new.target === undefined && !(this instanceof RealServer))
        return Reflect.construct(RealServer, args);
      const server =
        new.target === undefined ? (this as net.Server) : Reflect.construct(RealServer, args, new.target);
      if (new.target === undefined) Reflect.apply(RealServer as unknown as () => void, this, args);
      if (capture.#created.length < CREATED_MAX) capture.#created.push(server as net.Server);
      return server;
    };
    NotedServer.prototype = RealServer.prototype;
    Object.defineProperty(NotedServer, 'name', { value: 'Server' });
    (net as { Server: unknown }).Server = NotedServer;
    RealServer.prototype.listen = function (this: net.Server, ...args: unknown[]): net.Server {
      if (!isHttpServer(this)) return Reflect.apply(realListen, this, args) as net.Server;
      pretendToListen(this, args);
      capture.listening ??= this;
      capture.onListen?.();
      return this;
    } as typeof realListen;
  }

  /** The code is loaded: what is created from now on is its own affair. */
  stopNoting(): void {
    (net as { Server: unknown }).Server = this.#realServer;
  }

  /** HTTP servers that were created and have somebody to answer requests. */
  get created(): HttpServer[] {
    return this.#created.filter(
      (server): server is HttpServer => isHttpServer(server) && server.listenerCount('request') > 0,
    );
  }
}

function pretendToListen(server: HttpServer, args: unknown[]): void {
  const inside = server as unknown as ServerInside;
  if (inside._handle)
    throw Object.assign(new Error('Listen method has been called more than once without closing.'), {
      code: 'ERR_SERVER_ALREADY_LISTEN',
    });
  const callback = args.find((arg) => typeof arg === 'function') as (() => void) | undefined;
  const address = listenAddress(args);
  inside._handle = {
    close() {},
    getsockname(out: object) {
      Object.assign(out, address);
      return 0;
    },
    ref() {},
    unref() {},
    hasRef: () => true,
    getAsyncId: () => 0,
  };
  if (callback !== undefined) server.once('listening', callback);
  process.nextTick(() => {
    if (inside._handle) server.emit('listening');
  });
}

function listenAddress(args: unknown[]): { address: string; family: string; port: number } {
  const first = args[0];
  const options =
    typeof first === 'object' && first !== null
      ? (first as { port?: unknown; host?: unknown })
      : { port: first, host: args[1] };
  const port = Number(options.port) || 80;
  const address =
    typeof options.host === 'string' ? (options.host === 'localhost' ? '127.0.0.1' : options.host) : '::';
  return { address, family: address.includes(':') ? 'IPv6' : 'IPv4', port };
}
