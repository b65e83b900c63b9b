/** Memory that some events share: one that is kept for long keeps no more than this of the others. */
const BLOCK_BYTES = 32 * 1024;

/** Texts up to this length are mostly keys and numbers. */
const SHORT_CHARS = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const BEYOND_ASCII = 0x80;
const ZERO = 0x30;
const NINE = 0x39;
const [DASH, DOT, COLON, PLUS] = [0x2d, 0x2e, 0x3a, 0x2b];
const [LETTER_T, LETTER_Z] = [0x54, 0x5a];
/** Of `2026-01-31`, of `+00`. */
const DATE_BYTES = 10;
const UTC_BYTES = 3;

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
    if (json.length > SHORT_CHARS || !this.#short(json))
      this.#at += this.#block.write(json, this.#at, 'utf8');
  }

  /** Letter by letter, which costs less than a call out of JavaScript. False: it is not all ASCII, and not written. */
  #short(json: string): boolean {
    const block = this.#block;
    let at = this.#at;
    for (let place = 0; place < json.length; place += 1) {
      const letter = json.charCodeAt(place);
      if (letter >= BEYOND_ASCII) return false;
      block[at++] = letter;
    }
    this.#at = at;
    return true;
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

  /**
   * A time such as `2026-01-31 12:00:00.5` in ISO 8601; with `isUtc`, one that ends with `+00`. False, and nothing is
   * written: it is no such time.
   */
  time(from: Uint8Array, start: number, end: number, isUtc: boolean): boolean {
    const last = isUtc ? end - UTC_BYTES : end;
    if (!isPlainTime(from, start, last) || (isUtc && !endsWithUtc(from, end))) return false;
    this.#reserve(end - start + 2);
    const separator = this.#at + 1 + DATE_BYTES;
    this.byte(QUOTE);
    this.copy(from, start, last);
    this.#block[separator] = LETTER_T;
    if (isUtc) this.byte(LETTER_Z);
    this.byte(QUOTE);
    return true;
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

/** A date with a year of four digits, a blank, and digits with points and colons. */
function isPlainTime(from: Uint8Array, start: number, end: number): boolean {
  if (end - start <= DATE_BYTES + 1 || from[start + DATE_BYTES] !== SPACE) return false;
  for (let place = start; place < end; place += 1) {
    const byte = from[place]!;
    if (byte >= ZERO && byte <= NINE) continue;
    const at = place - start;
    const isExpected =
      at < DATE_BYTES
        ? byte === DASH && (at === 4 || at === 7)
        : at === DATE_BYTES || byte === COLON || byte === DOT;
    if (!isExpected) return false;
  }
  return from[start + 4] === DASH && from[start + 7] === DASH;
}

function endsWithUtc(from: Uint8Array, end: number): boolean {
  return from[end - 3] === PLUS && from[end - 2] === ZERO && from[end - 1] === ZERO;
}
