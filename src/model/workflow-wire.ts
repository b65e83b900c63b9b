/**
 * What the engine and a workflow's code say to each other. It goes over the stream of one EVENT, whose bodies are, in
 * both directions, messages: u32 LE length, then JSON in UTF-8. Both ends share this file.
 *
 * A value that is too large for a message goes ahead of the one that names it (`{ blob, bytes }`): its JSON text in
 * pieces, each with the top bit of its length set, then PAYLOAD with its name. A value is sent again for each message.
 *
 *     platform: OPEN, HISTORY…, GO, then OFFER, COMMITTED, QUERY as they come; the end of its body: drop the execution
 *     instance: SUBMIT…, ANSWER…
 */
import { createHmac } from 'node:crypto';

/** The longest message, in bytes: a largest payload with what belongs to it. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** The longest piece of a large value, in bytes. */
export const PIECE_BYTES_MAX = 64 * 1024;

const LENGTH_BYTES = 4;
const PIECE = 0x8000_0000;

export function encodeMessage(message: unknown): Buffer {
  const text = JSON.stringify(message);
  const size = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + size);
  bytes.writeUInt32LE(size, 0);
  bytes.write(text, LENGTH_BYTES, size);
  return bytes;
}

export function encodePiece(piece: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + piece.byteLength);
  bytes.writeUInt32LE(PIECE + piece.byteLength, 0);
  bytes.set(piece, LENGTH_BYTES);
  return bytes;
}

/** Cuts a body into the texts of its messages. `push` returns false when a message is too long to be one. */
export class MessageParser {
  readonly #onMessage: (text: string) => void;
  readonly #onPiece: (bytes: Buffer) => void;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #wanted = LENGTH_BYTES;

  /** `onPiece`: its bytes are only lent. */
  constructor(onMessage: (text: string) => void, onPiece: (bytes: Buffer) => void) {
    this.#onMessage = onMessage;
    this.#onPiece = onPiece;
  }

  push(chunk: Buffer): boolean {
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wanted) return true;
    const whole = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces, this.#bytes);
    let at = 0;
    this.#wanted = LENGTH_BYTES;
    while (whole.length - at >= LENGTH_BYTES) {
      const length = whole.readUInt32LE(at);
      const isPiece = length >= PIECE;
      const size = isPiece ? length - PIECE : length;
      if (size > (isPiece ? PIECE_BYTES_MAX : MESSAGE_BYTES_MAX)) return false;
      if (whole.length - at < LENGTH_BYTES + size) {
        this.#wanted = LENGTH_BYTES + size;
        break;
      }
      if (isPiece) this.#onPiece(whole.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + size));
      else this.#onMessage(whole.toString('utf8', at + LENGTH_BYTES, at + LENGTH_BYTES + size));
      at += LENGTH_BYTES + size;
    }
    // A frame's bytes are only lent: what is kept is copied.
    this.#pieces = at === whole.length ? [] : [Buffer.from(whole.subarray(at))];
    this.#bytes = whole.length - at;
    return true;
  }
}

/**
 * The token that an operation waits for. The program knows it as soon as it opens the operation, the same at each
 * replay, and nobody else can guess it: it follows from the execution's secret seed.
 */
export function callbackToken(execution: string, op: number, seed: string): string {
  const proof = createHmac('sha256', seed).update(`callback ${op}`).digest('base64url').slice(0, 22);
  return `cb1_${execution}_${op}_${proof}`;
}

/** The id of a child execution: a UUID version 7 of the moment, the rest of it from the parent's seed. */
export function childExecutionId(op: number, atMs: number, seed: string): string {
  const hex = createHmac('sha256', seed).update(`child ${op}`).digest('hex');
  const time = Math.floor(atMs).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-8${hex.slice(3, 6)}-${hex.slice(6, 18)}`;
}

/**
 * The id of an execution that a task of a state machine begins and waits for (`startExecution.sync`). It follows from
 * the task alone, so that who gives the task up can tell the execution in the same transition. `taskName`:
 * `childExecutionId` at the time 0.
 */
export function taskExecutionId(parent: string, taskName: string): string {
  const timeChars = 13;
  return parent.slice(0, timeChars) + taskName.slice(timeChars);
}
