import { inflateRawSync, inflateSync } from 'node:zlib';
import type { ByteReader } from './byte-reader.ts';
import { parseJsonBinary } from './json-binary.ts';
import { type Column, TYPE } from './table-map.ts';

/**
 * Values of the binary log as JSON. Whatever JSON's numbers cannot hold stays text: `bigint` and `decimal`. Times are
 * ISO 8601, `timestamp` in UTC, with a fraction where there is one. Bytes are base64.
 */

/** A compressed value is not inflated to more than the servers' own limit of a packet. */
const INFLATED_MAX = 1_073_741_824;
const BINARY_COLLATION = 63;

/** Character sets by the number of a collation, as the server numbers them. */
export type CharacterSets = ReadonlyMap<number, string>;

/** Reads one value that is not null. */
export function readValue(reader: ByteReader, column: Column, sets: CharacterSets): unknown {
  const { type, meta, isUnsigned } = column;
  switch (type) {
    case TYPE.tiny:
      return isUnsigned ? reader.uint8() : reader.int(1);
    case TYPE.short:
      return isUnsigned ? reader.uint(2) : reader.int(2);
    case TYPE.int24:
      return isUnsigned ? reader.uint(3) : reader.int(3);
    case TYPE.long:
      return isUnsigned ? reader.uint(4) : reader.int(4);
    case TYPE.longlong:
      return String(isUnsigned ? reader.uint64() : reader.int64());
    case TYPE.float:
      return shortestFloat(reader.bytes.readFloatLE(reader.take(4)));
    case TYPE.double:
      return reader.bytes.readDoubleLE(reader.take(8));
    case TYPE.decimal:
      return readDecimal(reader, meta & 0xff, meta >> 8);
    case TYPE.bit:
      return readBits(reader, meta & 0xff, meta >> 8);
    case TYPE.enum:
      return readEnum(reader, column);
    case TYPE.set:
      return readSet(reader, column);
    case TYPE.varchar:
    case TYPE.varString:
      return toText(reader.slice(reader.uint(meta > 255 ? 2 : 1)), column, sets);
    case TYPE.compressedVarchar:
      return toText(inflate(reader.slice(reader.uint(meta > 255 ? 2 : 1))), column, sets);
    case TYPE.string:
      return toText(reader.slice(reader.uint(meta > 255 ? 2 : 1)), column, sets);
    case TYPE.blob:
      return toText(reader.slice(reader.uint(meta)), column, sets);
    case TYPE.compressedBlob:
      return toText(inflate(reader.slice(reader.uint(meta))), column, sets);
    case TYPE.geometry:
      return reader.slice(reader.uint(meta)).toString('base64');
    case TYPE.json:
      return parseJsonBinary(reader.slice(reader.uint(meta)));
    default:
      return readTime(reader, type, meta);
  }
}

function readTime(reader: ByteReader, type: number, meta: number): unknown {
  switch (type) {
    case TYPE.date: {
      const value = reader.uint(3);
      return `${pad(value >> 9, 4)}-${pad((value >> 5) & 15)}-${pad(value & 31)}`;
    }
    case TYPE.year: {
      const value = reader.uint8();
      return value === 0 ? 0 : value + 1_900;
    }
    case TYPE.timestamp:
      return toInstant(reader.uintBE(4), readFraction(reader, meta));
    case TYPE.oldTimestamp:
      return toInstant(reader.uint(4), 0);
    case TYPE.datetime:
      return readDatetime(reader, meta);
    case TYPE.oldDatetime: {
      const value = String(reader.uint64()).padStart(14, '0');
      return value.replace(/^(\d+)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, '$1-$2-$3T$4:$5:$6');
    }
    case TYPE.time:
      return readDuration(reader, meta);
    case TYPE.oldTime: {
      const value = reader.int(3);
      const size = Math.abs(value);
      return toDuration(value < 0, Math.trunc(size / 10_000), Math.trunc(size / 100) % 100, size % 100, 0);
    }
    default:
      throw new RangeError(`a column of the unknown type ${type}`);
  }
}

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');

/** `.5` of 500,000 microseconds; nothing of none. */
function fractionText(micros: number): string {
  return micros === 0 ? '' : `.${pad(micros, 6).replace(/0+$/, '')}`;
}

/** Microseconds of the one to three bytes that hold `digits` of them. */
function readFraction(reader: ByteReader, digits: number): number {
  const bytes = (digits + 1) >> 1;
  return bytes === 0 ? 0 : reader.uintBE(bytes) * 10 ** (6 - bytes * 2);
}

function toInstant(seconds: number, micros: number): string {
  if (seconds === 0 && micros === 0) return '0000-00-00T00:00:00';
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19)}${fractionText(micros)}Z`;
}

function readDatetime(reader: ByteReader, digits: number): string {
  const value = reader.uintBE(5) - 0x80_0000_0000;
  const micros = readFraction(reader, digits);
  const time = value % 0x2_0000;
  const date = Math.trunc(value / 0x2_0000);
  const months = date >> 5;
  const day = `${pad(Math.trunc(months / 13), 4)}-${pad(months % 13)}-${pad(date & 31)}`;
  return `${day}T${pad(time >> 12)}:${pad((time >> 6) & 63)}:${pad(time & 63)}${fractionText(micros)}`;
}

function readDuration(reader: ByteReader, digits: number): string {
  // The whole value, fraction included, is one number with an offset.
  const bytes = (digits + 1) >> 1;
  const scale = 256 ** bytes;
  const value = reader.uintBE(3 + bytes) - 0x80_0000 * scale;
  const size = Math.abs(value);
  const whole = Math.trunc(size / scale);
  const micros = (size % scale) * 10 ** (6 - bytes * 2);
  return toDuration(value < 0, whole >> 12, (whole >> 6) & 63, whole & 63, bytes === 0 ? 0 : micros);
}

function toDuration(isNegative: boolean, hours: number, minutes: number, seconds: number, micros: number) {
  const text = `${pad(hours)}:${pad(minutes)}:${pad(seconds)}${fractionText(micros)}`;
  return isNegative ? `-${text}` : text;
}

/** The shortest number that is the same in single precision, as the server prints it. */
export function shortestFloat(value: number): number {
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

/** Bytes that hold so many digits of a group that is not whole. */
const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4];

function readDecimal(reader: ByteReader, precision: number, scale: number): string {
  const whole = precision - scale;
  const sizes = [
    DIGIT_BYTES[whole % 9]!,
    ...Array.from({ length: Math.trunc(whole / 9) + Math.trunc(scale / 9) }, () => 4),
    DIGIT_BYTES[scale % 9]!,
  ];
  const bytes = Buffer.from(reader.slice(sizes.reduce((sum, size) => sum + size, 0)));
  const isNegative = (bytes[0]! & 0x80) === 0;
  // Negative ones are inverted whole; then the sign's bit goes.
  if (isNegative) for (const [at, byte] of bytes.entries()) bytes[at] = byte ^ 0xff;
  bytes[0]! ^= 0x80;
  let at = 0;
  const group = (size: number, digits: number): string => {
    if (size === 0) return '';
    at += size;
    return pad(bytes.readUIntBE(at - size, size), digits);
  };
  let text = group(sizes[0]!, whole % 9);
  for (let each = 0; each < Math.trunc(whole / 9); each += 1) text += group(4, 9);
  text = text.replace(/^0+/, '') || '0';
  if (scale > 0) {
    text += '.';
    for (let each = 0; each < Math.trunc(scale / 9); each += 1) text += group(4, 9);
    text += group(sizes.at(-1)!, scale % 9);
  }
  return isNegative ? `-${text}` : text;
}

function readBits(reader: ByteReader, bits: number, bytes: number): string {
  const digits = [...reader.slice(bytes + (bits > 0 ? 1 : 0))].map((byte) =>
    byte.toString(2).padStart(8, '0'),
  );
  return digits.join('').slice(-(bytes * 8 + bits));
}

/** 0 is the value of what was not allowed. */
function readEnum(reader: ByteReader, { meta, values }: Column): string {
  const index = reader.uint(meta);
  return index === 0 ? '' : (values[index - 1] ?? String(index));
}

function readSet(reader: ByteReader, { meta, values }: Column): string[] {
  const bits = reader.slice(meta);
  return values.filter((_, at) => ((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0);
}

/** What TextDecoder calls a character set, where it has another name. Sets that are in neither are given as bytes. */
const DECODERS: Readonly<Record<string, string>> = {
  ...{ ascii: 'windows-1252', latin1: 'windows-1252', latin2: 'iso-8859-2', latin5: 'windows-1254' },
  ...{ latin7: 'iso-8859-13', greek: 'iso-8859-7', hebrew: 'iso-8859-8', tis620: 'windows-874' },
  ...{ cp1250: 'windows-1250', cp1251: 'windows-1251', cp1256: 'windows-1256', cp1257: 'windows-1257' },
  ...{ koi8r: 'koi8-r', koi8u: 'koi8-u', cp866: 'ibm866', macroman: 'macintosh', big5: 'big5' },
  ...{ gbk: 'gbk', gb2312: 'gbk', gb18030: 'gb18030', sjis: 'shift_jis', cp932: 'shift_jis' },
  ...{ ujis: 'euc-jp', eucjpms: 'euc-jp', euckr: 'euc-kr' },
  ...{ ucs2: 'utf-16be', utf16: 'utf-16be', utf16le: 'utf-16le' },
};
const decoders = new Map<string, TextDecoder>();

/** Whether texts of this character set are given as text. */
export function decodes(set: string): boolean {
  return set.startsWith('utf8') || set === 'utf32' || DECODERS[set] !== undefined;
}

function toText(bytes: Buffer, column: Column, sets: CharacterSets): string {
  const { collation = BINARY_COLLATION, type, meta } = column;
  if (collation === BINARY_COLLATION) {
    // Zeros at the end of `binary(n)` are not in the log.
    if (type !== TYPE.string || bytes.length >= meta) return bytes.toString('base64');
    return Buffer.concat([bytes, Buffer.alloc(meta - bytes.length)]).toString('base64');
  }
  const set = sets.get(collation) ?? '';
  if (set.startsWith('utf8')) return bytes.toString('utf8');
  if (set === 'utf32') return fromUtf32(bytes);
  const name = DECODERS[set];
  if (name === undefined) return bytes.toString('base64');
  const decoder = decoders.get(name) ?? new TextDecoder(name);
  decoders.set(name, decoder);
  return decoder.decode(bytes);
}

function fromUtf32(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at + 4 <= bytes.length; at += 4) text += String.fromCodePoint(bytes.readUInt32BE(at));
  return text;
}

/**
 * A value of MariaDB's compressed columns: a byte with the method, which is zlib's or none, then the length, then the
 * bytes. Source: MariaDB's `Field_longstr::uncompress`.
 */
export function inflate(bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  const head = bytes[0]!;
  if (head === 0) return bytes.subarray(1);
  if (head >> 4 !== 8) throw new RangeError('a value that is compressed in an unknown way');
  const packed = bytes.subarray(1 + (head & 7));
  const options = { maxOutputLength: INFLATED_MAX };
  return (head & 8) === 0 ? inflateSync(packed, options) : inflateRawSync(packed, options);
}
