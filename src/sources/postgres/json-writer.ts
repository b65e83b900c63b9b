/** Memory that some events share: one that is kept for long keeps no more than this of the others. */
const BLOCK_BYTES = 32 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const BEYOND_ASCII = 0x80;
const ZERO = 0x30;

/** Writes JSON texts one behind the other into memory that they share. */
export class JsonWriter {
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #start = 0;
  #at = 0;

  /** Begins a text. One that was begun before and not ended is forgotten. */
  begin(): void {
    this.#at = this.#start;
  }

  /** What was written since `begin`. */
  end(): Buffer<ArrayBuffer> {
    const text = this.#block.subarray(this.#start, this.#at);
    this.#start = this.#at;
    return text;
  }

  /** JSON that was made before. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#block.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Any JSON. */
  text(json: string): void {
    this.#reserve(json.length * 3);
    this.#at += this.#block.write(json, this.#at, 'utf8');
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#block[this.#at++] = value;
  }

  /** A whole number from 0 on. */
  digits(value: number): void {
    if (value < 10) this.byte(ZERO + value);
    else this.text(String(value));
  }

  /** These bytes as they are. */
  copy(from: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    let at = this.#at;
    for (let place = start; place < end; place += 1) this.#block[at++] = from[place]!;
    this.#at = at;
  }

  /** The text in these bytes, which are UTF-8, as a JSON string. */
  quoted(from: Buffer, start: number, end: number): void {
    this.#reserve(end - start + 2);
    const block = this.#block;
    let at = this.#at;
    block[at++] = QUOTE;
    for (let place = start; place < end; place += 1) {
      const byte = from[place]!;
      // What has to be escaped, and what may be no UTF-8: a database without an encoding gives any bytes.
      if (byte < SPACE || byte === QUOTE || byte === BACKSLASH || byte >= BEYOND_ASCII) {
        this.text(JSON.stringify(from.toString('utf8', start, end)));
        return;
      }
      block[at++] = byte;
    }
    block[at++] = QUOTE;
    this.#at = at;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    const begun = this.#block.subarray(this.#start, this.#at);
    this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, 2 * begun.length + bytes));
    this.#block.set(begun);
    this.#start = 0;
    this.#at = begun.length;
  }
}
