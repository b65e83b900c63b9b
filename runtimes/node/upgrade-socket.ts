import { Duplex } from 'node:stream';
import type { Invocation } from './invocations.ts';
import type { PeerAddress } from './server-socket.ts';

/** The head that the author's code writes to answer an upgrade. */
const HEAD_BYTES_MAX = 64 * 1024;
const HOP_HEADERS = new Set(['keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding']);
const EMPTY = new Uint8Array(0);

/**
 * The connection that an `upgrade` listener gets. It begins with an HTTP/1.1 head, which becomes the answer's
 * head; with status 101 raw bytes flow both ways after it.
 */
export class UpgradeSocket extends Duplex {
  readonly remoteAddress: string;
  readonly remoteFamily: 'IPv4' | 'IPv6';
  readonly remotePort = 0;
  readonly localAddress = '127.0.0.1';
  readonly localPort: number;
  readonly encrypted: boolean;
  timeout = 0;
  server: unknown = undefined;
  readonly #invocation: Invocation;
  #head: Buffer | undefined = Buffer.alloc(0);
  readonly #pull = (): void => {
    const invocation = this.#invocation;
    try {
      for (;;) {
        const piece = invocation.read();
        if (piece === undefined) {
          invocation.onBody = this.#pull;
          return;
        }
        invocation.onBody = undefined;
        if (!this.push(piece)) return;
      }
    } catch {
      // The peer is gone: a socket would say so by closing.
      invocation.onBody = undefined;
      this.destroy();
    }
  };

  constructor(invocation: Invocation, peer: PeerAddress) {
    super({ allowHalfOpen: true });
    this.#invocation = invocation;
    invocation.upgrade();
    this.remoteAddress = peer.remoteAddress;
    this.remoteFamily = peer.remoteAddress.includes(':') ? 'IPv6' : 'IPv4';
    this.encrypted = peer.encrypted;
    this.localPort = peer.encrypted ? 443 : 80;
    invocation.onCancel = () => {
      this.destroy();
    };
    invocation.onEnd = () => {
      if (!this.destroyed && !this.writableEnded) this.destroy();
    };
  }

  override _read(): void {
    this.#pull();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const body = this.#head === undefined ? chunk : this.#answerHead(chunk);
    if (body === undefined || this.#invocation.write(body, false)) done();
    else this.#invocation.drained().then(() => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#head === undefined) this.#invocation.write(EMPTY, true);
    else this.#refuse();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#invocation.onBody = undefined;
    if (this.#head !== undefined && !this.#invocation.cancelled) this.#refuse();
    else this.#invocation.end();
    done(error);
  }

  #refuse(): void {
    this.#invocation.fail({
      code: 'E_UPGRADE_REFUSED',
      errorType: 'UpgradeRefused',
      errorMessage: 'the function closed the connection without accepting the upgrade',
      stackTrace: [],
    });
  }

  /** Collects the head; what follows it in the same bytes is returned. */
  #answerHead(chunk: Buffer): Buffer | undefined {
    const bytes = Buffer.concat([this.#head!, chunk]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) {
      if (bytes.length > HEAD_BYTES_MAX)
        this.destroy(new Error('the head of the answer to an upgrade is over 64 KiB'));
      this.#head = bytes;
      return undefined;
    }
    const lines = bytes.toString('latin1', 0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(lines[0]!)?.[1] ?? Number.NaN);
    if (!(status >= 101 && status <= 599)) {
      this.destroy(
        new Error(
          `the answer to an upgrade must begin with an HTTP status line, not ${JSON.stringify(lines[0]!.slice(0, 100))}`,
        ),
      );
      return undefined;
    }
    this.#head = undefined;
    let block = '';
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).trim().toLowerCase();
      if (
        colon < 1 ||
        HOP_HEADERS.has(name) ||
        (status !== 101 && (name === 'connection' || name === 'upgrade'))
      )
        continue;
      block += `${name}: ${line.slice(colon + 1).trim()}\r\n`;
    }
    this.#invocation.respond(status, block, undefined, 0, false);
    const rest = bytes.subarray(end + 4);
    return rest.length === 0 ? undefined : rest;
  }

  address(): { address: string; family: string; port: number } {
    return { address: this.localAddress, family: 'IPv4', port: this.localPort };
  }
  setTimeout(ms: number, callback?: () => void): this {
    this.timeout = ms;
    if (callback !== undefined) this.once('timeout', callback);
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }
}
