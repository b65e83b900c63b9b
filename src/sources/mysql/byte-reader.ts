/** Reads little-endian values on and on, as in the binary log and the protocol; `RangeError` at the end. */
export class ByteReader {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** Where the next `count` bytes begin; they are then read. */
  take(count: number): number {
    const start = this.at;
    if (count < 0 || start + count > this.end) throw new RangeError('a value that ends beyond its event');
    this.at = start + count;
    return start;
  }

  uint8(): number {
    return this.bytes.readUInt8(this.take(1));
  }

  /** 1 to 6 bytes. */
  uint(bytes: number): number {
    return this.bytes.readUIntLE(this.take(bytes), bytes);
  }

  /** 1 to 6 bytes. */
  int(bytes: number): number {
    return this.bytes.readIntLE(this.take(bytes), bytes);
  }

  /** 1 to 6 bytes, the highest first. */
  uintBE(bytes: number): number {
    return this.bytes.readUIntBE(this.take(bytes), bytes);
  }

  uint64(): bigint {
    return this.bytes.readBigUInt64LE(this.take(8));
  }

  int64(): bigint {
    return this.bytes.readBigInt64LE(this.take(8));
  }

  slice(count: number): Buffer {
    const start = this.take(count);
    return this.bytes.subarray(start, start + count);
  }

  text(count: number): string {
    const start = this.take(count);
    return this.bytes.toString('utf8', start, start + count);
  }

  /** A number whose first byte says how long it is ("length-encoded integer"). */
  packed(): number {
    const first = this.uint8();
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.uint(2);
    if (first === 0xfd) return this.uint(3);
    if (first === 0xfe) return Number(this.uint64());
    throw new RangeError('a length that is none');
  }
}

/** Whether bit `at` is set, the lowest first. */
export function hasBit(bits: Buffer, at: number): boolean {
  return ((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
}
