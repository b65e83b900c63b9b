import { EventEmitter } from 'node:events';
import type { Invocation } from './invocations.ts';

const HIGH_WATER_BYTES = 64 * 1024;
/** `OutgoingMessage` looks into its socket's state; corking means nothing here. */
const WRITABLE_STATE = { corked: 0, ended: false, finished: false, errored: null, length: 0 };

/** The parts of the address that both kinds of socket show. */
export interface PeerAddress {
  readonly remoteAddress: string;
  readonly encrypted: boolean;
}

/**
 * Stands for the caller's connection in `req.socket` and `res.socket`. Nothing flows through it: it holds what
 * middleware reads (addresses, `encrypted`, `writable`), and says `close` when the caller is gone.
 */
export class RequestSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly remoteFamily: 'IPv4' | 'IPv6';
  readonly remotePort = 0;
  readonly localAddress = '127.0.0.1';
  readonly localPort: number;
  readonly encrypted: boolean;
  readonly readableHighWaterMark = HIGH_WATER_BYTES;
  readonly writableHighWaterMark = HIGH_WATER_BYTES;
  /** Says "corked already", so that each `res.write` does not schedule an uncork. */
  readonly writableCorked = 1;
  readonly _writableState = WRITABLE_STATE;
  _httpMessage: unknown = null;
  readable = true;
  writable = true;
  destroyed = false;
  timeout = 0;
  server: unknown = undefined;
  /** The request wants more of its body. */
  onWant: (() => void) | undefined;
  onDestroy: ((error: unknown) => void) | undefined;
  readonly #invocation: Invocation;

  constructor(invocation: Invocation, peer: PeerAddress) {
    super();
    this.#invocation = invocation;
    this.remoteAddress = peer.remoteAddress;
    this.remoteFamily = peer.remoteAddress.includes(':') ? 'IPv6' : 'IPv4';
    this.encrypted = peer.encrypted;
    this.localPort = peer.encrypted ? 443 : 80;
  }

  get writableLength(): number {
    return this.#invocation.queuedBytes;
  }

  get writableEnded(): boolean {
    return !this.writable;
  }

  get readyState(): string {
    return this.destroyed ? 'closed' : 'open';
  }

  address(): { address: string; family: string; port: number } {
    return { address: this.localAddress, family: 'IPv4', port: this.localPort };
  }

  resume(): this {
    this.onWant?.();
    return this;
  }

  /** Informational answers (100, 103) come this way: the gateway has no use for them. */
  write(_data: unknown, encodingOrDone?: unknown, done?: unknown): boolean {
    const callback = typeof encodingOrDone === 'function' ? encodingOrDone : done;
    if (typeof callback === 'function') process.nextTick(callback as () => void);
    return true;
  }

  end(): this {
    return this.destroy();
  }

  destroySoon(): void {
    this.destroy();
  }

  destroy(error?: unknown): this {
    if (this.destroyed) return this;
    this.close();
    this.onDestroy?.(error);
    return this;
  }

  /** The connection is over, without anybody's fault. */
  close(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.readable = false;
    this.writable = false;
    if (this.listenerCount('close') > 0) process.nextTick(() => this.emit('close', false));
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
  setEncoding(): this {
    return this;
  }
  pause(): this {
    return this;
  }
  cork(): void {}
  uncork(): void {}
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}
