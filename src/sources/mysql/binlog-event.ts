import { inflateSync, zstdDecompressSync } from 'node:zlib';
import { ByteReader } from './byte-reader.ts';

/**
 * Events of the binary log, read from their bytes, without their checksums.
 * Sources of the layout: MariaDB's Knowledge Base, "Replication Protocol", and MySQL's internals documentation,
 * "Binary Log".
 */

const HEADER_BYTES = 19;
/** What a compressed event may hold: the servers' own limit of an event. */
const INFLATED_MAX = 1_073_741_824;

const KIND = {
  ...{ query: 2, rotate: 4, formatDescription: 15, xid: 16, tableMap: 19 },
  ...{ writeRowsV1: 23, updateRowsV1: 24, deleteRowsV1: 25, heartbeat: 27, rowsQuery: 29 },
  ...{ writeRows: 30, updateRows: 31, deleteRows: 32, mysqlGtid: 33, xaPrepare: 38, partialUpdateRows: 39 },
  ...{ transactionPayload: 40, mysqlTaggedGtid: 42, annotateRows: 160, mariaGtid: 162, encrypted: 164 },
  ...{ compressedQuery: 165, compressedWriteRowsV1: 166, compressedUpdateRowsV1: 167 },
  ...{ compressedDeleteRowsV1: 168, compressedWriteRows: 169, compressedUpdateRows: 170 },
  compressedDeleteRows: 171,
} as const;

export type RowAction = 'insert' | 'update' | 'delete';

export type BinlogEvent =
  /** A transaction begins, or a single statement, which then ends it. */
  | { readonly kind: 'gtid'; readonly gtid: string; readonly isSingle: boolean }
  | { readonly kind: 'query'; readonly schema: string; readonly sql: string }
  /** A transaction is committed. */
  | { readonly kind: 'xid' }
  /** The bytes of a table map, for table-map.ts. */
  | { readonly kind: 'tableMap'; readonly body: Buffer }
  | RowsEvent
  /** The statement to which the rows after it belong. */
  | { readonly kind: 'statement'; readonly sql: string }
  /** What follows is in this file. */
  | { readonly kind: 'rotate'; readonly file: string }
  /** The events that a compressed transaction holds. */
  | { readonly kind: 'payload'; readonly events: readonly Buffer[] }
  /** The server cannot or will not say what this holds. */
  | { readonly kind: 'unreadable'; readonly what: string }
  | { readonly kind: 'other' };

export interface RowsEvent {
  readonly kind: 'rows';
  readonly action: RowAction;
  readonly tableId: number;
  readonly columns: number;
  /** Columns that are there, before and after; the same for what has only one of them. */
  readonly before: Buffer;
  readonly after: Buffer;
  readonly rows: Buffer;
}

export interface EventHead {
  readonly timeMs: number;
  readonly type: number;
  /** Where the next event begins in its file; 0: in none. */
  readonly nextPlace: number;
  readonly bytes: number;
}

export function parseHead(bytes: Buffer): EventHead {
  if (bytes.length < HEADER_BYTES) throw new RangeError('an event without a head');
  return {
    timeMs: bytes.readUInt32LE(0) * 1_000,
    type: bytes.readUInt8(4),
    nextPlace: bytes.readUInt32LE(13),
    bytes: bytes.length,
  };
}

/** Throws `RangeError` for what is no such event. */
export function parseEvent({ type }: EventHead, bytes: Buffer): BinlogEvent {
  const reader = new ByteReader(bytes, HEADER_BYTES);
  switch (type) {
    case KIND.query:
    case KIND.compressedQuery:
      return parseQuery(reader, type === KIND.compressedQuery);
    case KIND.rotate:
      reader.take(8);
      return { kind: 'rotate', file: reader.text(reader.left) };
    case KIND.xid:
      return { kind: 'xid' };
    case KIND.xaPrepare:
      return { kind: 'xid' };
    case KIND.tableMap:
      return { kind: 'tableMap', body: bytes.subarray(HEADER_BYTES) };
    case KIND.annotateRows:
      return { kind: 'statement', sql: reader.text(reader.left) };
    case KIND.rowsQuery:
      reader.take(1);
      return { kind: 'statement', sql: reader.text(reader.left) };
    case KIND.mariaGtid:
      return parseMariaGtid(reader, bytes.readUInt32LE(5));
    case KIND.mysqlGtid:
      return parseMysqlGtid(reader);
    case KIND.transactionPayload:
      return parsePayload(reader);
    case KIND.mysqlTaggedGtid:
      return { kind: 'unreadable', what: 'a GTID with a tag' };
    case KIND.partialUpdateRows:
      return { kind: 'unreadable', what: 'an update of a part of JSON (binlog_row_value_options)' };
    case KIND.encrypted:
      return { kind: 'other' };
    default:
      return parseRows(type, reader) ?? { kind: 'other' };
  }
}

function parseMariaGtid(reader: ByteReader, serverId: number): BinlogEvent {
  const sequence = reader.uint64();
  const domain = reader.uint(4);
  const isSingle = (reader.uint8() & 1) !== 0;
  return { kind: 'gtid', gtid: `${domain}-${serverId}-${sequence}`, isSingle };
}

function parseMysqlGtid(reader: ByteReader): BinlogEvent {
  reader.take(1);
  const uuid = reader.slice(16).toString('hex');
  const text = uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  // Whether a transaction or a statement follows shows by its first event.
  return { kind: 'gtid', gtid: `${text}:${reader.uint64()}`, isSingle: false };
}

function parseQuery(reader: ByteReader, isCompressed: boolean): BinlogEvent {
  reader.take(8);
  const schemaBytes = reader.uint8();
  reader.take(2);
  reader.take(reader.uint(2));
  const schema = reader.text(schemaBytes);
  reader.take(1);
  const sql = isCompressed ? inflate(reader).toString('utf8') : reader.text(reader.left);
  return { kind: 'query', schema, sql };
}

interface RowsKind {
  readonly action: RowAction;
  readonly version: 1 | 2;
  readonly isCompressed: boolean;
}
const ROWS: ReadonlyMap<number, RowsKind> = new Map([
  [KIND.writeRowsV1, { action: 'insert', version: 1, isCompressed: false }],
  [KIND.updateRowsV1, { action: 'update', version: 1, isCompressed: false }],
  [KIND.deleteRowsV1, { action: 'delete', version: 1, isCompressed: false }],
  [KIND.writeRows, { action: 'insert', version: 2, isCompressed: false }],
  [KIND.updateRows, { action: 'update', version: 2, isCompressed: false }],
  [KIND.deleteRows, { action: 'delete', version: 2, isCompressed: false }],
  [KIND.compressedWriteRowsV1, { action: 'insert', version: 1, isCompressed: true }],
  [KIND.compressedUpdateRowsV1, { action: 'update', version: 1, isCompressed: true }],
  [KIND.compressedDeleteRowsV1, { action: 'delete', version: 1, isCompressed: true }],
  [KIND.compressedWriteRows, { action: 'insert', version: 2, isCompressed: true }],
  [KIND.compressedUpdateRows, { action: 'update', version: 2, isCompressed: true }],
  [KIND.compressedDeleteRows, { action: 'delete', version: 2, isCompressed: true }],
]);

function parseRows(type: number, reader: ByteReader): RowsEvent | undefined {
  const kind = ROWS.get(type);
  if (kind === undefined) return undefined;
  const tableId = reader.uint(6);
  reader.take(2);
  // Two bytes of length, themselves included.
  if (kind.version === 2) reader.take(reader.uint(2) - 2);
  const columns = reader.packed();
  const before = reader.slice((columns + 7) >> 3);
  const after = kind.action === 'update' ? reader.slice((columns + 7) >> 3) : before;
  const rows = kind.isCompressed ? inflate(reader) : reader.slice(reader.left);
  return { kind: 'rows', action: kind.action, tableId, columns, before, after, rows };
}

/** MariaDB's `log_bin_compress`: a byte with method and length's length, the length, and what zlib made. */
function inflate(reader: ByteReader): Buffer {
  const head = reader.uint8();
  if ((head & 0xf0) !== 0x80) throw new RangeError('an event that is compressed in an unknown way');
  reader.take(head & 7);
  return inflateSync(reader.slice(reader.left), { maxOutputLength: INFLATED_MAX });
}

/** MySQL's `binlog_transaction_compression`: fields with the size and the method, then events one after another. */
function parsePayload(reader: ByteReader): BinlogEvent {
  let method = 255;
  for (let field = reader.packed(); field !== 0; field = reader.packed()) {
    const bytes = reader.slice(reader.packed());
    if (field === 2) method = new ByteReader(bytes).packed();
  }
  const packed = reader.slice(reader.left);
  if (method !== 0 && method !== 255)
    return { kind: 'unreadable', what: 'a transaction that is compressed in an unknown way' };
  const all = method === 0 ? zstdDecompressSync(packed, { maxOutputLength: INFLATED_MAX }) : packed;
  const events: Buffer[] = [];
  for (let at = 0; at < all.length; ) {
    const size = all.readUInt32LE(at + 9);
    if (size < HEADER_BYTES) throw new RangeError('an event without a head');
    events.push(all.subarray(at, at + size));
    at += size;
  }
  return { kind: 'payload', events };
}
