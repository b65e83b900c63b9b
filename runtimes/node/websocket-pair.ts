import { RuntimeFailure } from './failure.ts';
import type { Invocation } from './invocations.ts';
import { WebHeaders } from './web-headers.ts';
import {
  CLOSE_REASON_BYTES_MAX,
  encodeClosePayload,
  encodeWebSocketFrame,
  OPCODE,
  WebSocketError,
  WebSocketParser,
} from './websocket.ts';

/**
 * `WebSocketPair` as in Cloudflare Workers: the handler keeps one end and returns the other in
 * `new Response(null, { status: 101, webSocket: client })`; the runtime connects that end to the caller.
 */

const HANDSHAKE_KEY = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Messages that may wait for `accept()` or for the connection. */
const PENDING_MAX = 1_000;
/** A caller that lets more than this wait unread is cut off. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;
const STATE = { connecting: 0, open: 1, closing: 2, closed: 3 } as const;

type Message = string | ArrayBuffer | ArrayBufferView;
type Action =
  | { kind: 'message'; data: string | ArrayBuffer }
  | { kind: 'close'; code: number; reason: string };

function copyOf(data: unknown): string | ArrayBuffer {
  if (data instanceof ArrayBuffer) return data.slice(0);
  if (ArrayBuffer.isView(data))
    return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer;
  return String(data).toWellFormed();
}

function eventOf(type: string, properties: object): Event {
  return Object.assign(new Event(type), properties);
}

/** One end of a pair. What is sent here arrives at the other end, or at the caller when that end was returned. */
export class WebSocketEnd extends EventTarget {
  static readonly CONNECTING = STATE.connecting;
  static readonly OPEN = STATE.open;
  static readonly CLOSING = STATE.closing;
  static readonly CLOSED = STATE.closed;
  readonly url = '';
  readonly protocol = '';
  readonly extensions = '';
  binaryType: 'arraybuffer' | 'blob' = 'arraybuffer';
  onmessage: ((event: Event) => unknown) | null = null;
  onclose: ((event: Event) => unknown) | null = null;
  onerror: ((event: Event) => unknown) | null = null;
  onopen: ((event: Event) => unknown) | null = null;
  #state: number = STATE.open;
  #accepted = false;
  #pending: Action[] = [];
  #deliver: ((action: Action) => void) | undefined;
  #sentClose = false;

  static pair(): [WebSocketEnd, WebSocketEnd] {
    const ends: [WebSocketEnd, WebSocketEnd] = [new WebSocketEnd(), new WebSocketEnd()];
    ends[0].#deliver = (action) => ends[1].#take(action);
    ends[1].#deliver = (action) => ends[0].#take(action);
    return ends;
  }

  get readyState(): number {
    return this.#state;
  }

  /** Begins to receive events. What came before waits until then. */
  accept(): void {
    if (this.#accepted) return;
    this.#accepted = true;
    const pending = this.#pending;
    this.#pending = [];
    // Listeners are added right after `accept` by custom.
    queueMicrotask(() => {
      for (const action of pending) this.#dispatch(action);
    });
  }

  send(data: Message): void {
    if (!this.#accepted)
      throw new TypeError('You must call accept() on this WebSocket before sending messages.');
    if (this.#state >= STATE.closing || this.#sentClose)
      throw new TypeError("Can't call WebSocket send() after close().");
    this.#deliver?.({ kind: 'message', data: copyOf(data) });
  }

  close(code?: number, reason = ''): void {
    if (
      code !== undefined &&
      code !== 1000 &&
      !(code >= 3000 && code <= 4999) &&
      !(code >= 1001 && code <= 1014)
    )
      throw new TypeError(`Invalid WebSocket close code: ${code}.`);
    if (Buffer.byteLength(reason) > CLOSE_REASON_BYTES_MAX)
      throw new SyntaxError(`The close reason is over ${CLOSE_REASON_BYTES_MAX} bytes.`);
    if (this.#sentClose || this.#state === STATE.closed) return;
    this.#sentClose = true;
    this.#state = this.#state === STATE.closing ? STATE.closed : STATE.closing;
    this.#deliver?.({ kind: 'close', code: code ?? 1005, reason });
  }

  /** Connects this end to the runtime in the place of the author's code: actions of the other end arrive there. */
  static connect(end: WebSocketEnd, take: (action: Action) => void): (action: Action) => void {
    if (end.#accepted) throw new TypeError("Can't return WebSocket in a Response after calling accept().");
    end.#accepted = true;
    const pending = end.#pending;
    end.#pending = [];
    end.#dispatch = take;
    for (const action of pending) take(action);
    return (action) => end.#deliver?.(action);
  }

  #take(action: Action): void {
    if (this.#accepted) this.#dispatch(action);
    else if (this.#pending.length < PENDING_MAX) this.#pending.push(action);
    else throw new Error(`over ${PENDING_MAX} messages wait for a WebSocket that was not accepted`);
  }

  #dispatch = (action: Action): void => {
    if (this.#state === STATE.closed) return;
    if (action.kind === 'message') {
      const data =
        typeof action.data === 'string' || this.binaryType === 'arraybuffer'
          ? action.data
          : new Blob([action.data]);
      this.#fire('message', { data });
      return;
    }
    const answered = this.#sentClose;
    this.#state = answered ? STATE.closed : STATE.closing;
    this.#fire('close', { code: action.code, reason: action.reason, wasClean: action.code !== 1006 });
    // As browsers do: a close that is not answered by the code is answered for it.
    if (!answered && action.code !== 1006 && !this.#sentClose)
      this.close(action.code === 1005 ? undefined : action.code, action.reason);
    this.#state = STATE.closed;
  };

  #fire(type: 'message' | 'close', properties: object): void {
    const event = eventOf(type, properties);
    this[`on${type}`]?.call(this, event);
    this.dispatchEvent(event);
  }
}

/** `const [client, server] = Object.values(new WebSocketPair())` */
export class WebSocketPair {
  readonly 0: WebSocketEnd;
  readonly 1: WebSocketEnd;
  constructor() {
    [this[0], this[1]] = WebSocketEnd.pair();
  }
}

function acceptKey(key: string): string {
  // Loaded here: few functions have WebSockets.
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha1')
    .update(key + HANDSHAKE_KEY)
    .digest('base64');
}

/** Answers the upgrade and connects the returned end to the caller. */
export function acceptWebSocket(invocation: Invocation, end: WebSocketEnd, headers: WebHeaders): void {
  const request = WebHeaders.fromLines(invocation.http.headers);
  const key = request.get('sec-websocket-key');
  if (key === null || request.get('upgrade')?.toLowerCase() !== 'websocket')
    throw new RuntimeFailure(
      'E_UPGRADE_REFUSED',
      'UpgradeRefused',
      'the handler answered 101, but the request asks for no WebSocket',
    );
  let block = `upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${acceptKey(key)}\r\n`;
  WebHeaders.eachLine(headers, (name, value) => {
    if (
      ![
        'upgrade',
        'connection',
        'sec-websocket-accept',
        'sec-websocket-extensions',
        'content-length',
      ].includes(name)
    )
      block += `${name}: ${value}\r\n`;
  });
  invocation.upgrade();
  invocation.respond(101, block, undefined, 0, false);
  new Connection(invocation, end).start();
}

/** The caller's connection: WebSocket frames outside, actions inside. */
class Connection {
  readonly #invocation: Invocation;
  readonly #parser: WebSocketParser;
  readonly #toHandler: (action: Action) => void;
  #closeSent = false;
  #closeGot = false;

  constructor(invocation: Invocation, end: WebSocketEnd) {
    this.#invocation = invocation;
    this.#parser = new WebSocketParser({
      onMessage: (data) =>
        this.#toHandler({
          kind: 'message',
          data: typeof data === 'string' ? data : (new Uint8Array(data).buffer as ArrayBuffer),
        }),
      onPing: (payload) => this.#send(OPCODE.pong, payload, false),
      onClose: (code, reason) => this.#gotClose(code, reason),
    });
    this.#toHandler = WebSocketEnd.connect(end, (action) => this.#fromHandler(action));
  }

  start(): void {
    const { onCancel } = this.#invocation;
    this.#invocation.onCancel = (reason) => {
      onCancel?.(reason);
      this.#lost();
    };
    this.#invocation.onBody = () => this.#read();
    this.#read();
  }

  #read(): void {
    try {
      for (;;) {
        const piece = this.#invocation.read();
        if (piece === undefined) return;
        if (piece === null) {
          this.#lost();
          return;
        }
        this.#parser.push(piece);
      }
    } catch (error) {
      if (error instanceof WebSocketError) {
        this.#closeGot = true;
        this.#toHandler({ kind: 'close', code: 1006, reason: error.message });
        this.#sendClose(error.closeCode, error.message);
      } else if (this.#invocation.ended || this.#invocation.cancelled) this.#lost();
      else throw error;
    }
  }

  #fromHandler(action: Action): void {
    if (action.kind === 'close') {
      this.#sendClose(action.code === 1005 ? undefined : action.code, action.reason);
      return;
    }
    const { data } = action;
    const isText = typeof data === 'string';
    this.#send(
      isText ? OPCODE.text : OPCODE.binary,
      isText ? Buffer.from(data) : new Uint8Array(data),
      false,
    );
  }

  #gotClose(code: number, reason: string): void {
    this.#closeGot = true;
    const answered = this.#closeSent;
    this.#toHandler({ kind: 'close', code, reason });
    if (!answered && !this.#closeSent) this.#sendClose(code === 1005 ? undefined : code, reason);
    else this.#invocation.end();
  }

  #sendClose(code: number | undefined, reason: string): void {
    if (this.#closeSent) return;
    this.#closeSent = true;
    // Both have said it: the connection is over. Otherwise the caller's own close frame is awaited.
    this.#send(OPCODE.close, encodeClosePayload(code, reason), this.#closeGot);
  }

  #send(opcode: number, payload: Uint8Array, last: boolean): void {
    this.#invocation.write(encodeWebSocketFrame(opcode, payload), last);
    if (this.#invocation.queuedBytes > UNREAD_BYTES_MAX) this.#lost();
  }

  /** The caller went away without a word. */
  #lost(): void {
    this.#invocation.onBody = undefined;
    if (!this.#closeGot) {
      this.#closeGot = true;
      this.#toHandler({ kind: 'close', code: 1006, reason: '' });
    }
    this.#invocation.end();
  }
}
