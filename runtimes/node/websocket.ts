/**
 * The frames of the WebSocket protocol (RFC 6455), the server's side: no extensions, masked frames in, unmasked
 * frames out.
 */

/** The largest message, after its fragments are put together. */
export const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;
export const CLOSE_REASON_BYTES_MAX = 123;
/** How many fragments one message may have. */
const FRAGMENTS_MAX = 16 * 1024;

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A breach of the protocol, with the close code that answers it. */
export class WebSocketError extends Error {
  readonly closeCode: number;
  constructor(closeCode: number, message: string) {
    super(message);
    this.closeCode = closeCode;
  }
}

export function encodeWebSocketFrame(opcode: number, payload: Uint8Array): Buffer {
  const size = payload.length;
  const headBytes = size < 126 ? 2 : size < 0x1_0000 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + size);
  frame[0] = 0x80 | opcode;
  if (headBytes === 2) frame[1] = size;
  else if (headBytes === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(size, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(size), 2);
  }
  frame.set(payload, headBytes);
  return frame;
}

export function encodeClosePayload(code: number | undefined, reason: string): Buffer {
  if (code === undefined) return Buffer.alloc(0);
  const text = Buffer.from(reason);
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code, 0);
  payload.set(text, 2);
  return payload;
}

/** Whether a peer may send such a close code. */
export function isValidCloseCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) ||
    (code >= 3000 && code <= 4999)
  );
}

export interface WebSocketEvents {
  onMessage(data: string | Buffer): void;
  onPing(payload: Buffer): void;
  /** The peer's close frame; code 1005 when it named none. */
  onClose(code: number, reason: string): void;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new WebSocketError(1007, 'a text message is not valid UTF-8');
  }
}

/** Cuts the bytes of a client into messages. `push` throws a WebSocketError when they break the protocol. */
export class WebSocketParser {
  readonly #events: WebSocketEvents;
  #rest: Buffer = Buffer.alloc(0);
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #wanted = 0;
  #fragments: Buffer[] = [];
  #fragmentBytes = 0;
  #opcode = 0;
  #closed = false;

  constructor(events: WebSocketEvents) {
    this.#events = events;
  }

  push(chunk: Buffer): void {
    if (this.#closed) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    // A long frame in many pieces is put together once.
    if (this.#rest.length + this.#waitingBytes < this.#wanted) return;
    let bytes = Buffer.concat([this.#rest, ...this.#waiting]);
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (;;) {
      const used = this.#frame(bytes);
      if (used === 0 || this.#closed) break;
      bytes = bytes.subarray(used);
    }
    this.#rest = bytes;
  }

  /** Reads one frame; the bytes it took, 0 when it is not complete. */
  #frame(bytes: Buffer): number {
    this.#wanted = 2;
    if (bytes.length < 2) return 0;
    const first = bytes[0]!;
    const opcode = first & 0x0f;
    const isFinal = (first & 0x80) !== 0;
    if ((first & 0x70) !== 0) throw new WebSocketError(1002, 'a reserved bit is set');
    if ((bytes[1]! & 0x80) === 0) throw new WebSocketError(1002, 'a frame of the client is not masked');
    const short = bytes[1]! & 0x7f;
    const sizeBytes = short < 126 ? 0 : short === 126 ? 2 : 8;
    this.#wanted = 2 + sizeBytes + 4;
    if (bytes.length < this.#wanted) return 0;
    const size =
      sizeBytes === 0 ? short : sizeBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    this.#check(opcode, isFinal, size);
    const start = this.#wanted;
    this.#wanted = start + size;
    if (bytes.length < this.#wanted) return 0;
    const end = this.#wanted;
    this.#wanted = 0;
    const payload = unmask(bytes.subarray(start, end), bytes.subarray(start - 4, start));
    if (opcode >= 8) this.#control(opcode, payload);
    else this.#data(opcode, isFinal, payload);
    return end;
  }

  #check(opcode: number, isFinal: boolean, size: number): void {
    if (opcode > 2 && (opcode < 8 || opcode > 10))
      throw new WebSocketError(1002, `a frame has the unknown opcode ${opcode}`);
    if (opcode >= 8) {
      if (!isFinal || size > 125) throw new WebSocketError(1002, 'a control frame is fragmented or too long');
      return;
    }
    if (opcode === OPCODE.continuation && this.#opcode === 0)
      throw new WebSocketError(1002, 'a continuation has no beginning');
    if (opcode !== OPCODE.continuation && this.#opcode !== 0)
      throw new WebSocketError(1002, 'a message begins inside another');
    if (this.#fragmentBytes + size > MESSAGE_BYTES_MAX || this.#fragments.length >= FRAGMENTS_MAX)
      throw new WebSocketError(
        1009,
        `a message is over ${MESSAGE_BYTES_MAX} bytes or ${FRAGMENTS_MAX} fragments`,
      );
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.ping) this.#events.onPing(payload);
    if (opcode !== OPCODE.close) return;
    this.#closed = true;
    if (payload.length === 0) {
      this.#events.onClose(1005, '');
      return;
    }
    const code = payload.length === 1 ? 0 : payload.readUInt16BE(0);
    if (!isValidCloseCode(code)) throw new WebSocketError(1002, `the close code ${code} is not valid`);
    this.#events.onClose(code, decodeText(payload.subarray(2)));
  }

  #data(opcode: number, isFinal: boolean, payload: Buffer): void {
    if (opcode !== OPCODE.continuation) this.#opcode = opcode;
    this.#fragments.push(payload);
    this.#fragmentBytes += payload.length;
    if (!isFinal) return;
    const message = this.#fragments.length === 1 ? payload : Buffer.concat(this.#fragments);
    const isText = this.#opcode === OPCODE.text;
    this.#fragments = [];
    this.#fragmentBytes = 0;
    this.#opcode = 0;
    this.#events.onMessage(isText ? decodeText(message) : message);
  }
}

function unmask(payload: Buffer, mask: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(payload.length);
  for (let at = 0; at < payload.length; at += 1) bytes[at] = payload[at]! ^ mask[at & 3]!;
  return bytes;
}
