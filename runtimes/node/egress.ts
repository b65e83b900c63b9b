import net, { type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * The way out of the sandbox for code that connects as it always did. There is no network here but a loopback of the
 * instance's own; behind the Unix socket `LAMBENT_EGRESS` the platform connects to what the manifest allows. So a
 * connection to another host first gets a tunnel from there, and then goes to a local port that leads into it. All of
 * Node's clients end in `net.Socket.connect`, `fetch` and TLS included, and notice nothing.
 *
 * It is a convenience, not a wall: code that goes around it has no network at all.
 * Deliberately absent: UDP, and resolving names without connecting (`dns.lookup`).
 */

/** Hosts with a local port at a time; the one that was used least lately makes room. */
const DOORS_MAX = 256;
const HEAD_BYTES_MAX = 16 * 1024;
/** A tunnel that nobody has gone through after this time is closed. */
const UNUSED_MS = 30_000;

const { Socket: RealSocket } = net;
const realConnect = net.Socket.prototype.connect;
const realListen = net.Server.prototype.listen;
const { setTimeout, clearTimeout } = globalThis;

/** The local port for one host and port of the outside. Tunnels to the same place are as good as each other. */
interface Door {
  readonly server: Server;
  readonly ready: Socket[];
}

interface ConnectOptions {
  host?: string;
  port?: number | string;
  path?: string;
  [more: string]: unknown;
}

type ConnectArguments = [options: ConnectOptions, onConnect: (() => void) | null];

export class Egress {
  readonly #path: string;
  /** Whether something on the host's own loopback is allowed: then even `localhost` may be meant to lead out. */
  readonly #asksForLoopback: boolean;
  readonly #doors = new Map<string, Door>();

  constructor(path: string, asksForLoopback: boolean) {
    this.#path = path;
    this.#asksForLoopback = asksForLoopback;
  }

  install(): void {
    const egress = this;
    net.Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
      const [options, onConnect] = normalize(args);
      const host = options.host ?? 'localhost';
      const isLocal = isLoopback(host);
      if (options.path != null || options.port == null || (isLocal && !egress.#asksForLoopback))
        return Reflect.apply(realConnect, this, args) as Socket;
      if (onConnect !== null) this.once('connect', onConnect);
      // What is written from now on waits for the connection.
      (this as { connecting: boolean }).connecting = true;
      egress.#lead(host, Number(options.port)).then(
        (port) => {
          if (this.destroyed) return;
          const { lookup: _lookup, localAddress: _address, localPort: _port, ...rest } = options;
          const inside = { ...rest, host: '127.0.0.1', port, family: 4, autoSelectFamily: false };
          Reflect.apply(realConnect, this, [inside]);
        },
        (error: NodeJS.ErrnoException) => {
          // Nothing of the host's loopback is allowed there: the function's own was meant.
          if (isLocal && error.code === 'E_NETWORK_DENIED') Reflect.apply(realConnect, this, [options]);
          else this.destroy(error);
        },
      );
      return this;
    } as typeof realConnect;
  }

  /** Opens a tunnel and resolves with the local port that leads into it. */
  async #lead(host: string, port: number): Promise<number> {
    const tunnel = await this.#tunnel(host, port);
    const door = await this.#door(`${host}:${port}`);
    door.ready.push(tunnel);
    const unused = setTimeout(() => {
      if (removeFrom(door.ready, tunnel)) tunnel.destroy();
    }, UNUSED_MS);
    unused.unref();
    tunnel.once('close', () => {
      clearTimeout(unused);
      removeFrom(door.ready, tunnel);
    });
    return (door.server.address() as AddressInfo).port;
  }

  #tunnel(host: string, port: number): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const tunnel = new RealSocket({ allowHalfOpen: true });
      let head = Buffer.alloc(0);
      const onData = (chunk: Buffer): void => {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0 && head.length <= HEAD_BYTES_MAX) return;
        tunnel.off('data', onData);
        tunnel.pause();
        const answer = head.subarray(0, Math.max(end, 0)).toString('latin1');
        if (/^HTTP\/1\.1 200 /.test(answer)) {
          tunnel.unshift(head.subarray(end + 4));
          tunnel.off('error', reject);
          tunnel.on('error', () => tunnel.destroy());
          resolve(tunnel);
        } else {
          tunnel.destroy();
          reject(refusalOf(answer, host, port));
        }
      };
      tunnel.on('data', onData);
      tunnel.on('error', reject);
      Reflect.apply(realConnect, tunnel, [{ path: this.#path }]);
      tunnel.write(`CONNECT ${host.includes(':') ? `[${host}]` : host}:${port} HTTP/1.1\r\n\r\n`);
    });
  }

  async #door(key: string): Promise<Door> {
    const known = this.#doors.get(key);
    if (known !== undefined) {
      // The last in the map is the one that was used last.
      this.#doors.delete(key);
      this.#doors.set(key, known);
      return known;
    }
    const ready: Socket[] = [];
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (inner) => {
      const tunnel = ready.shift();
      if (tunnel === undefined) inner.destroy();
      else join(inner, tunnel);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      Reflect.apply(realListen, server, [0, '127.0.0.1', resolve]);
    });
    server.unref();
    const door = { server, ready };
    this.#doors.set(key, door);
    if (this.#doors.size > DOORS_MAX) this.#closeOldest();
    return door;
  }

  #closeOldest(): void {
    for (const [key, { server, ready }] of this.#doors) {
      if (ready.length > 0) continue;
      this.#doors.delete(key);
      server.close();
      return;
    }
  }
}

function join(inner: Socket, tunnel: Socket): void {
  inner.on('error', () => tunnel.destroy());
  inner.pipe(tunnel);
  tunnel.pipe(inner);
  inner.once('close', () => tunnel.destroy());
  tunnel.once('close', () => inner.destroySoon());
}

function removeFrom(list: Socket[], socket: Socket): boolean {
  const at = list.indexOf(socket);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}

/** Node's own clients pass on an array that is already in this form. */
function normalize(args: readonly unknown[]): ConnectArguments {
  const [first, ...others] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
  const callback = others.find((each): each is () => void => typeof each === 'function') ?? null;
  if (typeof first === 'object' && first !== null) return [first as ConnectOptions, callback];
  if (typeof first === 'string' && Number.isNaN(Number(first))) return [{ path: first }, callback];
  const host = typeof others[0] === 'string' ? { host: others[0] } : {};
  return [{ port: first as number, ...host }, callback];
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function refusalOf(answer: string, host: string, port: number): NodeJS.ErrnoException {
  const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
  const reason = /^x-lambent-egress: (.*)$/im.exec(answer)?.[1] ?? 'the way out of the sandbox is closed';
  if (status === '403' || status === '429') {
    const code = status === '403' ? 'E_NETWORK_DENIED' : 'E_TOO_MANY_CONNECTIONS';
    const message = reason.startsWith(code) ? reason : `${code}: ${reason}`;
    return Object.assign(new Error(message), { code, syscall: 'connect', address: host, port });
  }
  const code = /^E[A-Z]+$/.test(reason) ? reason : 'ENOTFOUND';
  const message = `connect ${code} ${host}:${port}`;
  return Object.assign(new Error(message), { code, syscall: 'connect', address: host, port });
}

/** Where the platform has left a way out, connections take it. */
export function installEgress(): void {
  const { LAMBENT_EGRESS: path, LAMBENT_EGRESS_LOOPBACK: loopback } = process.env;
  delete process.env.LAMBENT_EGRESS_LOOPBACK;
  if (path !== undefined) new Egress(path, loopback === '1').install();
}
