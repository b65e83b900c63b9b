import { ByteReader } from './byte-reader.ts';

/**
 * How a table stood when rows of it were written: the "table map" before them in the binary log, with the metadata of
 * `binlog_row_metadata = FULL`. So what a column was called then does not depend on what became of the table since.
 * Source of the layout: MariaDB's Knowledge Base, "TABLE_MAP_EVENT", and MySQL's documentation of `Table_map_event`.
 */

/** The most columns of a table: the servers' own limit is 4,096. */
const COLUMNS_MAX = 4_096;

/** Types of columns in the log. */
export const TYPE = {
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  oldTimestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  oldTime: 11,
  oldDatetime: 12,
  year: 13,
  varchar: 15,
  bit: 16,
  timestamp: 17,
  datetime: 18,
  time: 19,
  compressedBlob: 140,
  compressedVarchar: 141,
  json: 245,
  decimal: 246,
  enum: 247,
  set: 248,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const;

export interface Column {
  readonly name: string;
  readonly type: number;
  /** What the type says of itself: a length, digits after the point. */
  readonly meta: number;
  readonly isUnsigned: boolean;
  /** Number of the collation; 63 and `undefined`: bytes. */
  readonly collation: number | undefined;
  /** Of `ENUM` and `SET`. */
  readonly values: readonly string[];
}

export interface TableMap {
  readonly schema: string;
  readonly table: string;
  /** `undefined`: the log does not say how the columns are called. */
  readonly columns: readonly Column[] | undefined;
  readonly primaryKey: readonly string[];
}

/** Bytes of each type's own metadata. Types that are missing have none. */
const META_BYTES: Readonly<Record<number, number>> = {
  ...{ [TYPE.float]: 1, [TYPE.double]: 1, [TYPE.varchar]: 2, [TYPE.bit]: 2, [TYPE.timestamp]: 1 },
  ...{ [TYPE.datetime]: 1, [TYPE.time]: 1, [TYPE.compressedBlob]: 1, [TYPE.compressedVarchar]: 2 },
  ...{ [TYPE.json]: 1, [TYPE.decimal]: 2, [TYPE.enum]: 2, [TYPE.set]: 2, [TYPE.blob]: 1 },
  ...{ [TYPE.varString]: 2, [TYPE.string]: 2, [TYPE.geometry]: 1 },
};

const NUMERIC: readonly number[] = [
  ...[TYPE.tiny, TYPE.short, TYPE.int24, TYPE.long, TYPE.longlong],
  ...[TYPE.float, TYPE.double, TYPE.decimal],
];
const TEXTUAL: readonly number[] = [
  ...[TYPE.varchar, TYPE.varString, TYPE.string, TYPE.blob],
  ...[TYPE.compressedVarchar, TYPE.compressedBlob],
];
/** Columns of which the metadata says signs and collations, and which it therefore counts. */
const COUNTED = {
  mysql: { signs: new Set(NUMERIC), collations: new Set(TEXTUAL) },
  mariaDb: {
    signs: new Set([...NUMERIC, TYPE.year]),
    collations: new Set([...TEXTUAL, TYPE.geometry]),
  },
} as const;
type Counted = (typeof COUNTED)[keyof typeof COUNTED];

/** Kinds of optional metadata. */
const FIELD = {
  signedness: 1,
  defaultCharset: 2,
  columnCharset: 3,
  columnName: 4,
  setValues: 5,
  enumValues: 6,
  primaryKey: 8,
  primaryKeyWithPrefix: 9,
} as const;

/** The schema's and table's names alone: most tables do not concern us. */
export function parseTableName(body: Buffer): { id: number; schema: string; table: string } {
  const reader = new ByteReader(body);
  const id = reader.uint(6);
  reader.take(2);
  const schema = reader.text(reader.uint8());
  reader.take(1);
  return { id, schema, table: reader.text(reader.uint8()) };
}

export function parseTableMap(body: Buffer, isMariaDb: boolean): TableMap {
  const reader = new ByteReader(body, 8);
  const schema = reader.text(reader.uint8());
  reader.take(1);
  const table = reader.text(reader.uint8());
  reader.take(1);
  const count = reader.packed();
  if (count > COLUMNS_MAX) throw new RangeError(`${count} columns`);
  const types = [...reader.slice(count)];
  const metaReader = new ByteReader(reader.slice(reader.packed()));
  const shapes = types.map((type) => shapeOf(type, metaReader));
  reader.take((count + 7) >> 3);
  const fields = new Map<number, Buffer>();
  while (reader.left > 0) {
    const field = reader.uint8();
    fields.set(field, reader.slice(reader.packed()));
  }
  const columns = describeColumns(shapes, fields, isMariaDb ? COUNTED.mariaDb : COUNTED.mysql);
  return { schema, table, columns, primaryKey: primaryKeyOf(fields, columns) };
}

interface Shape {
  readonly type: number;
  readonly meta: number;
}

function shapeOf(type: number, reader: ByteReader): Shape {
  const size = META_BYTES[type] ?? 0;
  if (size === 0) return { type, meta: 0 };
  if (size === 1) return { type, meta: reader.uint8() };
  if (type !== TYPE.string && type !== TYPE.enum && type !== TYPE.set) {
    // Of a decimal: digits, and digits after the point; of bits: bits of the last byte, and whole bytes.
    return { type, meta: reader.uint(2) };
  }
  // The type proper is in the first byte; two bits of it are inverted bits of a length beyond 255.
  const [first, second] = [reader.uint8(), reader.uint8()];
  if ((first & 0x30) === 0x30) return { type: first, meta: second };
  return { type: first | 0x30, meta: second | (((first & 0x30) ^ 0x30) << 4) };
}

function describeColumns(
  shapes: readonly Shape[],
  fields: ReadonlyMap<number, Buffer>,
  counted: Counted,
): Column[] | undefined {
  const names = fields.get(FIELD.columnName);
  if (names === undefined) return undefined;
  const nameReader = new ByteReader(names);
  const placesOf = (types: ReadonlySet<number>) =>
    shapes.flatMap(({ type }, at) => (types.has(type) ? [at] : []));
  const unsigned = signsOf(placesOf(counted.signs), fields.get(FIELD.signedness));
  const collations = collationsOf(placesOf(counted.collations), fields);
  const [enums, sets] = [FIELD.enumValues, FIELD.setValues].map((field) => valueLists(fields.get(field)));
  return shapes.map(({ type, meta }, at) => {
    const list = type === TYPE.enum ? enums : type === TYPE.set ? sets : undefined;
    return {
      name: nameReader.text(nameReader.packed()),
      ...{ type, meta, isUnsigned: unsigned.has(at), collation: collations.get(at) },
      values: list?.shift() ?? [],
    };
  });
}

/** A bit for each, the highest first: set for what has no sign. */
function signsOf(places: readonly number[], bits: Buffer | undefined): Set<number> {
  return new Set(places.filter((_, at) => ((bits?.[at >> 3] ?? 0) & (0x80 >> (at & 7))) !== 0));
}

/** Either one for each, or a default and the exceptions by their place among the counted. */
function collationsOf(places: readonly number[], fields: ReadonlyMap<number, Buffer>): Map<number, number> {
  const each = fields.get(FIELD.columnCharset);
  if (each !== undefined) {
    const reader = new ByteReader(each);
    return new Map(places.map((at) => [at, reader.packed()]));
  }
  const byDefault = fields.get(FIELD.defaultCharset);
  if (byDefault === undefined) return new Map();
  const reader = new ByteReader(byDefault);
  const usual = reader.packed();
  const collations = new Map(places.map((at) => [at, usual]));
  while (reader.left > 0) {
    const at = places[reader.packed()];
    const collation = reader.packed();
    if (at !== undefined) collations.set(at, collation);
  }
  return collations;
}

function valueLists(bytes: Buffer | undefined): string[][] {
  const lists: string[][] = [];
  const reader = new ByteReader(bytes ?? Buffer.alloc(0));
  while (reader.left > 0)
    lists.push(Array.from({ length: reader.packed() }, () => reader.text(reader.packed())));
  return lists;
}

function primaryKeyOf(fields: ReadonlyMap<number, Buffer>, columns: readonly Column[] | undefined): string[] {
  const withPrefix = fields.get(FIELD.primaryKeyWithPrefix);
  const reader = new ByteReader(withPrefix ?? fields.get(FIELD.primaryKey) ?? Buffer.alloc(0));
  const names: string[] = [];
  while (reader.left > 0) {
    const column = columns?.[reader.packed()];
    if (withPrefix !== undefined) reader.packed();
    if (column !== undefined) names.push(column.name);
  }
  return names;
}
