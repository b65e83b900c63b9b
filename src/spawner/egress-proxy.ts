/**
 * The only way out of a sandbox: a proxy on a socket that belongs to one instance, which says by that who asks. It
 * understands `CONNECT host:port`, for any protocol, and plain HTTP requests with an absolute URL. Names are resolved
 * here, once, and what was resolved is what is connected to: a name that changes its mind leads nowhere else.
 */

import { lookup } from 'node:dns/promises';
import { chmodSync } from 'node:fs';
import { STATUS_CODES } from 'node:http';
import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { type Clock, systemClock } from '../base/clock.ts';
import type { ErrorCode } from '../base/errors.ts';
import { ownAddresses } from '../base/own-addresses.ts';
import { EgressPolicy, withoutMapping } from '../model/egress-policy.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { BuildNetwork } from '../ports/build-sandbox.ts';
import type { ConnectionBudget } from './connection-budget.ts';
import { openTunnel, reachedThrough } from './upstream-proxy.ts';

/** That there are too many connections is said to the author this often at most, and to the client this long at most. */
const TOO_MANY_TOLD_MS = 1_000;
/** Clients of one instance that are being told so; further ones are not even told. */
const TOO_MANY_TOLD_MAX = 32;
/** The request for a connection: its bytes, and the time that it may take to arrive. */
const HEAD_BYTES_MAX = 16 * 1024;
const HEAD_MS_MAX = 10_000;
/** For one address; a host may have several, of which the first few are tried. */
const CONNECT_MS_MAX = 5_000;
const ADDRESSES_MAX = 3;
/**
 * Names of one instance that are resolved at a time; further ones wait. The system's resolver takes one thread for each,
 * and as long as it likes: the threads of this process are for all instances.
 */
const LOOKUPS_MAX = 4;

export interface EgressProxyOptions {
  /** Path of the socket. */
  readonly path: string;
  readonly policy: NetworkPolicy;
  /** For a tool of a build, beside the policy. */
  readonly build?: BuildNetwork | undefined;
  /** What all instances may have open. */
  readonly budget: ConnectionBudget;
  /** A connection was refused, in a sentence: the author wants to know. */
  onRefused(text: string): void;
  /** The addresses of a name, none if it has none. By default the system says. */
  resolve?(host: string): Promise<string[]>;
}

interface Target {
  readonly host: string;
  readonly port: number;
  /** What goes to the target before what the client sends next. */
  readonly opening: Buffer;
  readonly tunnel: boolean;
}

/** Why there is no connection, as a status of HTTP. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class EgressProxy {
  readonly #server: Server;
  readonly #policy: EgressPolicy;
  readonly #options: EgressProxyOptions;
  readonly #open = new Set<Socket>();
  readonly #lookups: Lookups;
  readonly #clock: Clock = systemClock;
  /** Connections of clients that count. */
  #taken = 0;
  #toldMs = Number.NEGATIVE_INFINITY;
  #refusing = 0;

  constructor(options: EgressProxyOptions) {
    this.#options = options;
    this.#policy = new EgressPolicy(options.policy);
    this.#lookups = new Lookups(options.resolve ?? askSystem);
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
    this.#server.on('error', () => {});
    this.#server.listen(options.path);
    chmodSync(options.path, 0o666);
  }

  close(): void {
    this.#server.close();
    this.#lookups.close();
    for (const socket of this.#open) socket.destroy();
  }

  #keep(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    socket.on('error', () => socket.destroy());
  }

  #accept(client: Socket): void {
    this.#keep(client);
    const tooMany = this.#options.budget.take(this.#taken);
    if (tooMany !== undefined) {
      this.#refuseOneMore(client, tooMany);
      return;
    }
    this.#taken += 1;
    // What is begun for a client goes on for a while without it.
    let uses = 1;
    const giveBack = (): void => {
      uses -= 1;
      if (uses > 0) return;
      this.#taken -= 1;
      this.#options.budget.giveBack();
    };
    client.once('close', giveBack);
    let head = Buffer.alloc(0);
    const late = this.#clock.after(HEAD_MS_MAX, () => client.destroy());
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && head.length <= HEAD_BYTES_MAX) return;
      client.off('data', onData);
      client.pause();
      late.cancel();
      const rest = head.subarray(end + 4);
      const target = end < 0 ? undefined : parseTarget(head.subarray(0, end).toString('latin1'));
      if (target === undefined)
        refuse(client, new Refusal(400, 'this is neither CONNECT nor a request for http://'));
      else {
        uses += 1;
        void this.#connect(client, target, rest).finally(giveBack);
      }
    };
    client.on('data', onData);
    client.once('close', () => late.cancel());
  }

  /** Its descriptor is wanted: it is told why, if it reads, and is gone. */
  #refuseOneMore(client: Socket, reason: string): void {
    const text = `${'E_TOO_MANY_CONNECTIONS' satisfies ErrorCode}: ${reason}`;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldMs >= TOO_MANY_TOLD_MS) {
      this.#toldMs = nowMs;
      this.#options.onRefused(text);
    }
    if (this.#refusing >= TOO_MANY_TOLD_MAX) {
      client.destroy();
      return;
    }
    this.#refusing += 1;
    const late = this.#clock.after(TOO_MANY_TOLD_MS, () => client.destroy());
    client.once('close', () => {
      this.#refusing -= 1;
      late.cancel();
    });
    // Told before it has asked it would not read.
    client.once('data', () => refuse(client, new Refusal(429, text)));
  }

  async #connect(client: Socket, target: Target, rest: Buffer): Promise<void> {
    try {
      const remote = await this.#reach(target);
      if (client.destroyed) {
        remote.destroy();
        return;
      }
      if (target.tunnel) client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (target.opening.length > 0) remote.write(target.opening);
      if (rest.length > 0) remote.write(rest);
      client.pipe(remote);
      remote.pipe(client);
      client.once('close', () => remote.destroy());
      remote.once('close', () => client.destroySoon());
    } catch (error) {
      refuse(client, error instanceof Refusal ? error : new Refusal(502, String(error)));
    }
  }

  async #reach(target: Target): Promise<Socket> {
    const upstream = reachedThrough(this.#options.build?.proxy, target.host);
    if (upstream === undefined) return this.#dialFirst(await this.#resolve(target), target.port);
    // A machine that needs a proxy often has no names of others: then the proxy resolves, as for the machine itself.
    if (isIP(target.host) !== 0 || (await this.#lookups.find(target.host)).length > 0)
      await this.#resolve(target);
    const addresses = isIP(upstream.host) === 0 ? await this.#lookups.find(upstream.host) : [upstream.host];
    const remote = await this.#dialFirst(addresses, upstream.port);
    try {
      await openTunnel(remote, upstream, target, this.#clock);
      return remote;
    } catch (error) {
      remote.destroy();
      throw new Refusal(502, error instanceof Error ? error.message : String(error));
    }
  }

  /** The addresses to connect to: those that the policy allows, at least one. */
  async #resolve({ host, port }: Target): Promise<string[]> {
    const refused = (reason: string): Refusal => {
      const text = `a connection to ${host}:${port} was refused: ${reason}`;
      this.#options.onRefused(text);
      return new Refusal(403, text);
    };
    const { build } = this.#options;
    if (!this.#policy.allowsName(host, port)) throw refused('`network` in the manifest does not list it');
    const addresses = (isIP(host) === 0 ? await this.#lookups.find(host) : [host]).map(withoutMapping);
    if (addresses.length === 0) throw new Refusal(502, `${host} has no address`);
    if (build?.granted.includes(`${host}:${port}`) === true) return addresses.slice(0, ADDRESSES_MAX);
    const own = ownAddresses();
    const allowed = addresses.filter((address) => this.#policy.allowsAddress(host, address, port, own));
    if (allowed.length > 0) return allowed.slice(0, ADDRESSES_MAX);
    const which = isIP(host) === 0 ? ` (${addresses[0]})` : '';
    throw refused(
      build === undefined
        ? `it is not a public address${which}, and \`network\` in the manifest does not list that address`
        : `it is not a public address${which}, and builds reach no others but the registries that the platform's own configuration names, and what its operator allows: --allow-build-host ${host}:${port}`,
    );
  }

  /** Many hosts have an address of each family, and many machines reach only one of them. */
  async #dialFirst(addresses: readonly string[], port: number): Promise<Socket> {
    let failure: unknown;
    for (const address of addresses) {
      try {
        return await this.#dial(address, port);
      } catch (error) {
        failure = error;
      }
    }
    throw failure ?? new Refusal(502, 'it has no address');
  }

  #dial(address: string, port: number): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const remote = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
      this.#keep(remote);
      const late = this.#clock.after(CONNECT_MS_MAX, () => remote.destroy(new Error('no answer in time')));
      remote.once('connect', () => {
        late.cancel();
        resolve(remote);
      });
      remote.once('error', (error: NodeJS.ErrnoException) =>
        reject(new Refusal(502, error.code ?? error.message)),
      );
      remote.once('close', () => {
        late.cancel();
        reject(new Refusal(502, 'the way out was closed'));
      });
    });
  }
}

async function askSystem(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => address);
}

/** Names of one instance on their way to addresses: a few at a time, and each but once, however many wait for it. */
class Lookups {
  readonly #resolve: (host: string) => Promise<string[]>;
  readonly #asked = new Map<string, Promise<string[]>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #closed = false;

  constructor(resolve: (host: string) => Promise<string[]>) {
    this.#resolve = resolve;
  }

  find(host: string): Promise<string[]> {
    const known = this.#asked.get(host);
    if (known !== undefined) return known;
    const asked = this.#ask(host).finally(() => this.#asked.delete(host));
    this.#asked.set(host, asked);
    return asked;
  }

  /** What still waits will not be asked: there is nobody left to tell. */
  close(): void {
    this.#closed = true;
    for (const goOn of this.#waiting.splice(0)) goOn();
  }

  async #ask(host: string): Promise<string[]> {
    if (this.#running >= LOOKUPS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return this.#closed ? [] : await this.#resolve(host);
    } finally {
      // A place goes straight to the next.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function refuse(client: Socket, { status, message }: Refusal): void {
  const reason = message.replace(/[^\x20-\x7e]/g, '?');
  const body = `${reason}\n`;
  client.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      `X-Lambent-Egress: ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
  client.resume();
}

const HOST = /^[A-Za-z0-9._-]{1,253}$/;

/** The first line and the headers of a request, without the empty line. */
function parseTarget(head: string): Target | undefined {
  const [line = '', ...headers] = head.split('\r\n');
  const [method = '', url = '', version = '', ...more] = line.split(' ');
  if (more.length > 0 || !/^HTTP\/1\.[01]$/.test(version)) return undefined;
  if (method === 'CONNECT') {
    const [, six, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(url) ?? [];
    return place(six ?? plain, Number(port), Buffer.alloc(0), true);
  }
  const [, six, plain, port = '80', path = ''] =
    /^http:\/\/(?:\[([^\]]+)\]|([^:/?#@]+))(?::(\d{1,5}))?([/?].*)?$/.exec(url) ?? [];
  // One request for one connection: the next may be for someone else. An upgrade keeps its own header.
  const upgrades = headers.some((header) => /^upgrade:/i.test(header));
  const kept = headers.filter(
    (header) => !/^(proxy-[a-z-]+|keep-alive):/i.test(header) && (upgrades || !/^connection:/i.test(header)),
  );
  const opening = [
    `${method} ${path.startsWith('/') ? path : `/${path}`} ${version}`,
    ...kept,
    ...(upgrades ? [] : ['Connection: close']),
    '',
    '',
  ].join('\r\n');
  return place(six ?? plain, Number(port), Buffer.from(opening, 'latin1'), false);
}

function place(host: string | undefined, port: number, opening: Buffer, tunnel: boolean): Target | undefined {
  if (host === undefined || !(port >= 1 && port <= 65_535)) return undefined;
  // A name with a dot at its end is the same name.
  const name = withoutMapping(host.toLowerCase().replace(/\.$/, ''));
  // An address with a zone (`fe80::1%eth0`) is of this machine.
  if (name.includes('%') || (isIP(name) === 0 && !HOST.test(name))) return undefined;
  return { host: name, port, opening, tunnel };
}
