import { ByteReader } from './byte-reader.ts';

/**
 * MySQL's own binary form of `json` columns (MariaDB keeps JSON as text). Numbers become JavaScript's; what MySQL holds
 * beside JSON's types (decimals, times, bytes) is base64 of its bytes.
 * Source: MySQL's documentation of `sql-common/json_binary.h`.
 */

/** Nested values: MySQL's own limit is 100. */
const DEPTH_MAX = 100;

const KIND = {
  ...{ smallObject: 0, largeObject: 1, smallArray: 2, largeArray: 3, literal: 4 },
  ...{ int16: 5, uint16: 6, int32: 7, uint32: 8, int64: 9, uint64: 10, double: 11, text: 12, opaque: 15 },
} as const;
const LITERALS: readonly unknown[] = [null, true, false];

/** Throws `RangeError` for what is no such value. No bytes at all are `null`, as MySQL has it. */
export function parseJsonBinary(bytes: Buffer): unknown {
  return bytes.length === 0 ? null : readValue(bytes[0]!, bytes.subarray(1), 0);
}

function readValue(kind: number, bytes: Buffer, depth: number): unknown {
  const reader = new ByteReader(bytes);
  switch (kind) {
    case KIND.smallObject:
    case KIND.largeObject:
      return readObject(bytes, kind === KIND.smallObject ? 2 : 4, depth + 1);
    case KIND.smallArray:
    case KIND.largeArray: {
      const size = kind === KIND.smallArray ? 2 : 4;
      const count = reader.uint(size);
      return Array.from({ length: count }, (_, at) =>
        readEntry(bytes, size * 2 + at * (size + 1), size, depth + 1),
      );
    }
    case KIND.literal:
      return readLiteral(reader.uint8());
    case KIND.int16:
      return reader.int(2);
    case KIND.uint16:
      return reader.uint(2);
    case KIND.int32:
      return reader.int(4);
    case KIND.uint32:
      return reader.uint(4);
    case KIND.int64:
      return Number(reader.int64());
    case KIND.uint64:
      return Number(reader.uint64());
    case KIND.double:
      return bytes.readDoubleLE(0);
    case KIND.text:
      return reader.text(readLength(reader));
    case KIND.opaque:
      reader.take(1);
      return reader.slice(readLength(reader)).toString('base64');
    default:
      throw new RangeError(`a JSON value of the unknown kind ${kind}`);
  }
}

/** Entries of keys (offset, length), then of values, then what they point to. */
function readObject(bytes: Buffer, size: number, depth: number): Record<string, unknown> {
  const reader = new ByteReader(bytes);
  const count = reader.uint(size);
  reader.take(size);
  const object: Record<string, unknown> = {};
  const values = size * 2 + count * (size + 2);
  for (let at = 0; at < count; at += 1) {
    const offset = reader.uint(size);
    const name = new ByteReader(bytes, offset).text(reader.uint(2));
    const value = readEntry(bytes, values + at * (size + 1), size, depth);
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}

/** A small value stands in its entry, any other where the entry points to. */
function readEntry(bytes: Buffer, at: number, size: number, depth: number): unknown {
  if (depth > DEPTH_MAX) throw new RangeError('JSON that is nested too deeply');
  const reader = new ByteReader(bytes, at);
  const kind = reader.uint8();
  if (kind === KIND.literal) return readLiteral(reader.uint8());
  const isInline =
    kind === KIND.int16 ||
    kind === KIND.uint16 ||
    (size === 4 && (kind === KIND.int32 || kind === KIND.uint32));
  return readValue(kind, bytes.subarray(isInline ? reader.at : reader.uint(size)), depth);
}

function readLiteral(at: number): unknown {
  if (at >= LITERALS.length) throw new RangeError('a JSON literal that is none');
  return LITERALS[at];
}

/** Seven bits a byte, the lowest first. */
function readLength(reader: ByteReader): number {
  let length = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = reader.uint8();
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return length;
  }
  throw new RangeError('a length that is none');
}
