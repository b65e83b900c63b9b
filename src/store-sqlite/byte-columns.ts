import { LambentError } from '../base/errors.ts';

/*
 * Columns as bytes. A column of numbers is stored as differences from its smallest value, in the narrowest of 0, 1,
 * 2, 4 or 8 bytes that holds them all; most columns of a block are constant or nearly so. Offsets are multiples of
 * 8, so that a reader lays typed arrays over the bytes without copying. Little-endian, as every machine Node.js
 * runs on is.
 */

/** How a column of numbers is stored: its first byte. */
const KIND = { constant: 0, ramp: 1, u8: 2, u16: 3, u32: 4, f64: 5 } as const;
/** Bytes of a value, by kind. */
const WIDTHS: readonly (number | undefined)[] = [0, 0, 1, 2, 4, 8];
/** Kind, 7 unused bytes, base. */
const COLUMN_HEADER_BYTES = 16;

/** Collects bytes in a buffer that doubles as needed. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #length = 0;

  /** What was written, as bytes of their own. */
  finish(): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(0, this.#length));
  }

  u32(value: number): void {
    this.#reserve(8);
    this.#buffer.writeUInt32LE(value, this.#length);
    this.#buffer.writeUInt32LE(0, this.#length + 4);
    this.#length += 8;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength + 8);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.byteLength;
    while (this.#length % 8 !== 0) this.#buffer[this.#length++] = 0;
  }

  numbers(values: Float64Array): void {
    const { kind, base } = planColumn(values);
    const header = Buffer.alloc(COLUMN_HEADER_BYTES);
    header[0] = kind;
    header.writeDoubleLE(base, 8);
    this.bytes(header);
    const packed = packColumn(kind, base, values);
    if (packed !== undefined) this.bytes(new Uint8Array(packed.buffer, 0, packed.byteLength));
  }

  strings(values: readonly string[]): void {
    const ends = new Uint32Array(values.length);
    const joined = values.join('');
    const bytes = Buffer.from(joined);
    const ascii = bytes.byteLength === joined.length;
    let end = 0;
    values.forEach((value, index) => {
      end += ascii ? value.length : Buffer.byteLength(value);
      ends[index] = end;
    });
    this.u32(values.length);
    this.bytes(new Uint8Array(ends.buffer));
    this.bytes(bytes);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + more));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

type Packed = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

function planColumn(values: Float64Array): { kind: number; base: number } {
  const count = values.length;
  if (count === 0) return { kind: KIND.constant, base: 0 };
  const first = values[0]!;
  let least = first;
  let most = first;
  let whole = Number.isSafeInteger(first);
  let ramp = true;
  for (let index = 1; index < count; index += 1) {
    const value = values[index]!;
    if (value < least) least = value;
    else if (value > most) most = value;
    if (whole && !Number.isSafeInteger(value)) whole = false;
    if (ramp && value !== first + index) ramp = false;
  }
  if (least === most) return { kind: KIND.constant, base: least };
  if (ramp && whole) return { kind: KIND.ramp, base: first };
  const span = most - least;
  if (!whole || !(span <= 0xffff_ffff)) return { kind: KIND.f64, base: 0 };
  return { kind: span <= 0xff ? KIND.u8 : span <= 0xffff ? KIND.u16 : KIND.u32, base: least };
}

function packColumn(
  kind: number,
  base: number,
  values: Float64Array,
): Packed | Float64Array<ArrayBuffer> | undefined {
  if (kind === KIND.constant || kind === KIND.ramp) return undefined;
  if (kind === KIND.f64) return new Float64Array(values);
  const packed = allocate(kind, values.length);
  for (let index = 0; index < values.length; index += 1) packed[index] = values[index]! - base;
  return packed;
}

function allocate(kind: number, count: number): Packed {
  if (kind === KIND.u8) return new Uint8Array(count);
  return kind === KIND.u16 ? new Uint16Array(count) : new Uint32Array(count);
}

/** Takes out, in the same order, what a `ByteWriter` wrote. Bytes that end too early are `E_STORE_DAMAGED`. */
export class ByteReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    // Typed arrays need aligned ground; what the driver hands out usually is.
    this.#bytes = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  }

  /** Whether all has been read. */
  get ended(): boolean {
    return this.#at >= this.#bytes.byteLength;
  }

  u32(): number {
    const bytes = this.bytes(8);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const end = this.#at + length;
    if (end > this.#bytes.byteLength)
      throw new LambentError('E_STORE_DAMAGED', 'A block of invocations ends before its columns do.');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end + ((8 - (end % 8)) % 8);
    return bytes;
  }

  numbers(count: number): NumberColumn {
    const header = this.bytes(COLUMN_HEADER_BYTES);
    const kind = header[0]!;
    const base = new DataView(header.buffer, header.byteOffset).getFloat64(8, true);
    const width = WIDTHS[kind];
    if (width === undefined)
      throw new LambentError('E_STORE_DAMAGED', `A block of invocations has a column of kind ${kind}.`);
    return new NumberColumn(kind, base, count, this.bytes(width * count));
  }

  strings(): StringTable {
    const count = this.u32();
    const ends = this.bytes(count * 4);
    const table = new Uint32Array(ends.buffer, ends.byteOffset, count);
    return new StringTable(table, this.bytes(count === 0 ? 0 : table[count - 1]!));
  }
}

/** Numbers as they are stored. Most columns of most blocks are never unpacked. */
export class NumberColumn {
  readonly #kind: number;
  readonly #base: number;
  readonly #count: number;
  readonly #packed: Packed | Float64Array<ArrayBuffer> | undefined;
  #values: Float64Array<ArrayBuffer> | undefined;

  constructor(kind: number, base: number, count: number, bytes: Uint8Array<ArrayBuffer>) {
    this.#kind = kind;
    this.#base = base;
    this.#count = count;
    if (kind === KIND.u8) this.#packed = bytes;
    else if (kind === KIND.u16) this.#packed = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
    else if (kind === KIND.u32) this.#packed = new Uint32Array(bytes.buffer, bytes.byteOffset, count);
    else if (kind === KIND.f64) this.#packed = new Float64Array(bytes.buffer, bytes.byteOffset, count);
  }

  /** For what blocks of an older format do not have. */
  static zeros(count: number): NumberColumn {
    return new NumberColumn(KIND.constant, 0, count, new Uint8Array());
  }

  /** One value. For a few; whoever wants many takes `values`. */
  at(row: number): number {
    if (this.#values !== undefined) return this.#values[row]!;
    if (this.#packed !== undefined) return this.#base + this.#packed[row]!;
    return this.#kind === KIND.ramp ? this.#base + row : this.#base;
  }

  values(): Float64Array<ArrayBuffer> {
    this.#values ??= this.#unpack();
    return this.#values;
  }

  #unpack(): Float64Array<ArrayBuffer> {
    const base = this.#base;
    const packed = this.#packed;
    const values = new Float64Array(this.#count);
    if (packed === undefined) {
      if (this.#kind === KIND.constant) return values.fill(base);
      for (let row = 0; row < values.length; row += 1) values[row] = base + row;
      return values;
    }
    // Setting converts in one native loop, whatever the width; what is left sees one type of array.
    values.set(packed);
    if (base !== 0) for (let row = 0; row < values.length; row += 1) values[row]! += base;
    return values;
  }
}

/** Strings one behind the other. Single ones are made when asked for. */
export class StringTable {
  readonly #ends: Uint32Array;
  readonly #bytes: Buffer;

  constructor(ends: Uint32Array, bytes: Uint8Array<ArrayBuffer>) {
    this.#ends = ends;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  static empty(): StringTable {
    return new StringTable(new Uint32Array(), new Uint8Array());
  }

  get size(): number {
    return this.#ends.length;
  }

  at(index: number): string {
    return this.#bytes.toString('utf8', index === 0 ? 0 : this.#ends[index - 1]!, this.#ends[index]!);
  }

  all(): string[] {
    return Array.from({ length: this.size }, (_, index) => this.at(index));
  }

  /** Which strings hold `text`, ignoring ASCII case: 1 at their places. */
  matches(text: AsciiFolded): Uint8Array {
    const found = new Uint8Array(this.size);
    if (text.value === '') return found.fill(1);
    // One search through all bytes at once is many times faster than one a string. Bytes are taken for Latin-1
    // characters, and lower-casing those folds some letters of UTF-8 too: so each find is looked at once more.
    const haystack = this.#bytes.toString('latin1').toLowerCase();
    let index = 0;
    for (let at = haystack.indexOf(text.latin1); at >= 0; at = haystack.indexOf(text.latin1, at)) {
      index = this.#indexAt(at, index);
      if (text.isIn(this.at(index))) found[index] = 1;
      at = found[index] === 1 ? this.#ends[index]! : at + 1;
    }
    return found;
  }

  #indexAt(at: number, from: number): number {
    let low = from;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A text to look for, ignoring the case of ASCII letters and of no others. */
export class AsciiFolded {
  readonly value: string;
  /** Its UTF-8 bytes as Latin-1 characters, in lower case. */
  readonly latin1: string;

  constructor(text: string) {
    this.value = foldAscii(text);
    this.latin1 = Buffer.from(this.value).toString('latin1').toLowerCase();
  }

  isIn(text: string): boolean {
    return foldAscii(text).includes(this.value);
  }
}

function foldAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
