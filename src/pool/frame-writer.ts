import { atEndOfTurn } from '../base/clock.ts';
import { encodeFrame, FLAG_FIN, FRAME, FRAME_HEADER_BYTES, writeFrameHeader } from '../model/frames.ts';

/** Takes bytes; true when the buffer may be reused at once (see `SandboxProcess.write`). */
export type WriteBytes = (bytes: Uint8Array) => boolean;

const BATCH_BYTES = 64 * 1024;
/** Payloads from here on are sent by reference instead of being copied into the batch. */
const COPY_MAX = 16 * 1024;

/**
 * Collects the frames of one turn of the event loop and sends them in one system call. Under load that is what
 * makes the hop to an instance cheap: dozens of requests share one write.
 */
export class FrameWriter {
  readonly #write: WriteBytes;
  #batch: Buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #used = 0;
  #scheduled = false;
  readonly #flushTask = (): void => this.flush();

  constructor(write: WriteBytes) {
    this.#write = write;
  }

  /** A frame with the payload `u32 head length, head, body`. */
  request(
    kind: number,
    stream: number,
    head: string,
    encoding: 'latin1' | 'utf8',
    body: Uint8Array | undefined,
    last: boolean,
  ): void {
    const flags = last ? FLAG_FIN : 0;
    const headBytes = encoding === 'latin1' ? head.length : Buffer.byteLength(head);
    const bodyBytes = body?.byteLength ?? 0;
    const payloadBytes = 4 + headBytes + bodyBytes;
    const at = this.#reserve(FRAME_HEADER_BYTES + payloadBytes);
    const batch = this.#batch;
    writeFrameHeader(batch, at, kind, flags, stream, payloadBytes);
    batch.writeUInt32LE(headBytes, at + FRAME_HEADER_BYTES);
    const headAt = at + FRAME_HEADER_BYTES + 4;
    batch.write(head, headAt, headBytes, encoding);
    if (body !== undefined) batch.set(body, headAt + headBytes);
  }

  frame(kind: number, flags: number, stream: number, payload: Uint8Array | undefined): void {
    const payloadBytes = payload?.byteLength ?? 0;
    if (payloadBytes > COPY_MAX) {
      this.flush();
      this.#write(encodeFrame(kind, flags, stream, payload));
      return;
    }
    const at = this.#reserve(FRAME_HEADER_BYTES + payloadBytes);
    writeFrameHeader(this.#batch, at, kind, flags, stream, payloadBytes);
    if (payload !== undefined) this.#batch.set(payload, at + FRAME_HEADER_BYTES);
  }

  /** A piece of a body; `trailers`, as latin1 lines, come with the last. */
  body(stream: number, chunk: Uint8Array, last: boolean, trailers: string): void {
    if (trailers !== '') this.frame(FRAME.TRAILERS, 0, stream, Buffer.from(trailers, 'latin1'));
    this.frame(FRAME.BODY, last ? FLAG_FIN : 0, stream, chunk);
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#used === 0) return;
    const free = this.#write(this.#batch.subarray(0, this.#used));
    if (!free || this.#batch.length !== BATCH_BYTES) this.#batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#used = 0;
  }

  #reserve(bytes: number): number {
    if (this.#used + bytes > this.#batch.length) {
      this.flush();
      if (bytes > BATCH_BYTES) this.#batch = Buffer.allocUnsafeSlow(bytes);
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      atEndOfTurn(this.#flushTask);
    }
    const at = this.#used;
    this.#used += bytes;
    return at;
  }
}
