/** The fixed part of a frame's header, and the longest whole one (RFC 6455, 5.2). */
const HEAD_BYTES_MIN = 2;
const HEAD_BYTES_MAX = 14;
const OPCODE_CLOSE = 0x8;

/** A whole frame that closes with 1001, "going away": what a server says that stops (RFC 6455, 7.4.1). */
export const GOING_AWAY = Uint8Array.of(0x80 | OPCODE_CLOSE, 2, 1001 >> 8, 1001 & 0xff);

/**
 * Follows the frames of one direction of a WebSocket that the gateway otherwise passes on unread, only to know where
 * one ends: nothing of the gateway's own may stand inside another's frame.
 */
export class WebSocketFrames {
  readonly #head = new Uint8Array(HEAD_BYTES_MAX);
  #headBytes = 0;
  /** Payload of the present frame that is still to come. */
  #payloadLeft = 0;
  #closed = false;

  /** Whether what has passed so far ends with a whole frame. */
  get betweenFrames(): boolean {
    return this.#headBytes === 0 && this.#payloadLeft === 0;
  }

  /** Whether a frame that closes has passed: nothing may follow it. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes note of bytes that pass. */
  pass(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) at = this.#advance(chunk, at);
  }

  /** How many of these bytes belong to the frame that has begun before them; those are taken note of, no others. */
  passRest(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length && !this.betweenFrames) at = this.#advance(chunk, at);
    return at;
  }

  /** Goes on by some bytes, within one frame; the answer is where it stopped. */
  #advance(chunk: Uint8Array, at: number): number {
    if (this.#payloadLeft > 0) {
      const taken = Math.min(this.#payloadLeft, chunk.length - at);
      this.#payloadLeft -= taken;
      return at + taken;
    }
    this.#head[this.#headBytes] = chunk[at]!;
    this.#headBytes += 1;
    if (this.#headBytes >= HEAD_BYTES_MIN && this.#headBytes === this.#headLength()) this.#beginPayload();
    return at + 1;
  }

  /** Length of the header, once its first two bytes are there. */
  #headLength(): number {
    const second = this.#head[1]!;
    const length = second & 0x7f;
    const extended = length === 127 ? 8 : length === 126 ? 2 : 0;
    return HEAD_BYTES_MIN + extended + (second & 0x80 ? 4 : 0);
  }

  #beginPayload(): void {
    const view = new DataView(this.#head.buffer);
    const length = this.#head[1]! & 0x7f;
    this.#payloadLeft =
      length === 127 ? Number(view.getBigUint64(2)) : length === 126 ? view.getUint16(2) : length;
    this.#headBytes = 0;
    if ((this.#head[0]! & 0x0f) === OPCODE_CLOSE) this.#closed = true;
  }
}
