import type { Duplex } from 'node:stream';

/** The letter and the length that every message of PostgreSQL begins with; the length counts itself. */
const HEADER_BYTES = 5;
/** PostgreSQL's own limit of a message is a little less. */
const MESSAGE_BYTES_MAX = 2 ** 30;
const COPY_DATA = 'd'.charCodeAt(0);

export interface CopyHandler {
  /** Something has come, whatever it is. */
  heard(): void;
  /** The content of a message of copied data: it is there from `start` to `end` until the call returns. */
  data(bytes: Buffer, start: number, end: number): void;
  /** What came is no such message, or `data` threw. */
  failed(error: unknown): void;
}

/**
 * Reads a connection that copies data to us, in place of the client's own parser, which makes several objects of each
 * message: rows come by the ten thousand a second. Whatever is no copied data goes to that parser as before.
 *
 * To be called while the connection is at rest, so that the parser waits for no rest of a message.
 */
export function readCopyFrames(stream: Duplex, handler: CopyHandler): void {
  const parsers = stream.listeners('data') as ((bytes: Buffer) => void)[];
  const frames = new CopyFrames(handler, (bytes) => {
    for (const parser of parsers) parser.call(stream, bytes);
  });
  stream.removeAllListeners('data');
  stream.on('data', (chunk: Buffer) => {
    // What comes behind a failure is nobody's any more.
    if (stream.destroyed) return;
    handler.heard();
    try {
      frames.read(chunk);
    } catch (error) {
      handler.failed(error);
    }
  });
}

class CopyFrames {
  readonly #handler: CopyHandler;
  readonly #other: (bytes: Buffer) => void;
  /** Room for a message of which only the beginning has come, or for its header; and how much of it is there. */
  #partial = NOTHING;
  #partialBytes = 0;

  constructor(handler: CopyHandler, other: (bytes: Buffer) => void) {
    this.#handler = handler;
    this.#other = other;
  }

  read(chunk: Buffer): void {
    let at = this.#partial === NOTHING ? 0 : this.#complete(chunk);
    while (at + HEADER_BYTES <= chunk.length) {
      const end = at + lengthAt(chunk, at);
      if (end > chunk.length) break;
      this.#message(chunk, at, end);
      at = end;
    }
    if (at < chunk.length) this.#begin(chunk, at);
  }

  #begin(chunk: Buffer, at: number): void {
    const bytes = chunk.length - at;
    this.#partial = Buffer.allocUnsafe(bytes < HEADER_BYTES ? HEADER_BYTES : lengthAt(chunk, at));
    this.#partialBytes = chunk.copy(this.#partial, 0, at);
  }

  /** Goes on with a message that was begun. Returns where the next one begins. */
  #complete(chunk: Buffer): number {
    let at = 0;
    while (this.#partialBytes < this.#partial.length && at < chunk.length) {
      const count = chunk.copy(this.#partial, this.#partialBytes, at);
      at += count;
      this.#partialBytes += count;
      if (this.#partialBytes !== HEADER_BYTES || this.#partial.length > HEADER_BYTES) continue;
      const header = this.#partial;
      this.#partial = Buffer.allocUnsafe(lengthAt(header, 0));
      header.copy(this.#partial);
    }
    if (this.#partialBytes < this.#partial.length) return at;
    const message = this.#partial;
    this.#partial = NOTHING;
    this.#message(message, 0, message.length);
    return at;
  }

  #message(bytes: Buffer, start: number, end: number): void {
    if (bytes[start] === COPY_DATA) this.#handler.data(bytes, start + HEADER_BYTES, end);
    else this.#other(bytes.subarray(start, end));
  }
}

const NOTHING = Buffer.alloc(0);

/** Of the message there, with its letter. */
function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at + 1);
  if (length < HEADER_BYTES - 1 || length > MESSAGE_BYTES_MAX)
    throw new RangeError(`a message of ${length} bytes`);
  return 1 + length;
}
