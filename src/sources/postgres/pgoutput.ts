/**
 * Messages of PostgreSQL's `pgoutput` plugin, protocol version 1, read from their bytes. Source of the layout:
 * PostgreSQL 15 documentation, "Logical Replication Message Formats".
 */

/** The most columns of a table: PostgreSQL's own limit is 1,600. */
export const COLUMNS_MAX = 2_000;
/** Tables of one truncation. */
const TRUNCATED_MAX = 100_000;

export interface Column {
  readonly name: string;
  /** Object id of the type. */
  readonly type: number;
  /** Part of the replica identity. */
  readonly isKey: boolean;
}

export interface Relation {
  readonly id: number;
  readonly schema: string;
  readonly table: string;
  /** `d` default, `n` nothing, `f` full, `i` index. */
  readonly identity: string;
  readonly columns: readonly Column[];
}

/** A column's value as PostgreSQL writes it; `null`; `undefined`: not sent, because it is large and did not change. */
export type Tuple = readonly (string | null | undefined)[];

export type Message =
  | { readonly kind: 'begin'; readonly commitLsn: bigint; readonly timeMs: number; readonly xid: number }
  | { readonly kind: 'commit'; readonly endLsn: bigint }
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'insert'; readonly relation: number; readonly new: Tuple }
  | {
      readonly kind: 'update';
      readonly relation: number;
      readonly new: Tuple;
      /** `key`: the identity's columns alone, the others are null. */
      readonly old: { readonly whole: boolean; readonly tuple: Tuple } | undefined;
    }
  | {
      readonly kind: 'delete';
      readonly relation: number;
      readonly old: { readonly whole: boolean; readonly tuple: Tuple };
    }
  | { readonly kind: 'truncate'; readonly relations: readonly number[] }
  /** Of `pg_logical_emit_message`. */
  | { readonly kind: 'message'; readonly prefix: string; readonly content: string }
  /** A type that is not built in. */
  | { readonly kind: 'type'; readonly id: number; readonly name: string }
  /** Of no interest here: where a transaction came from. */
  | { readonly kind: 'origin' };

/** Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n;

/** Milliseconds since the Unix epoch, of PostgreSQL's microseconds. */
export function toUnixMs(postgresUs: bigint): number {
  return Number((postgresUs + POSTGRES_EPOCH_US) / 1_000n);
}

/** Throws `RangeError` for what is no such message. */
export function parseMessage(bytes: Buffer): Message {
  const reader = new Reader(bytes);
  const kind = reader.letter();
  switch (kind) {
    case 'B':
      return {
        kind: 'begin',
        commitLsn: reader.int64(),
        timeMs: toUnixMs(reader.signed64()),
        xid: reader.int32(),
      };
    case 'C':
      reader.skip(1 + 8);
      return { kind: 'commit', endLsn: reader.int64() };
    case 'R':
      return { kind: 'relation', relation: parseRelation(reader) };
    case 'I': {
      const relation = reader.int32();
      reader.expect('N');
      return { kind: 'insert', relation, new: reader.tuple() };
    }
    case 'U':
      return parseUpdate(reader);
    case 'D': {
      const relation = reader.int32();
      const whole = reader.letter() === 'O';
      return { kind: 'delete', relation, old: { whole, tuple: reader.tuple() } };
    }
    case 'T': {
      const count = reader.int32();
      if (count > TRUNCATED_MAX) throw new RangeError(`${count} tables at once`);
      reader.skip(1);
      return { kind: 'truncate', relations: Array.from({ length: count }, () => reader.int32()) };
    }
    case 'M': {
      reader.skip(1 + 8);
      const prefix = reader.name();
      return { kind: 'message', prefix, content: reader.text(reader.int32()) };
    }
    case 'Y': {
      const id = reader.int32();
      reader.name();
      return { kind: 'type', id, name: reader.name() };
    }
    case 'O':
      return { kind: 'origin' };
    default:
      throw new RangeError(`a message of unknown kind ${JSON.stringify(kind)}`);
  }
}

function parseRelation(reader: Reader): Relation {
  const id = reader.int32();
  // An empty name stands for pg_catalog.
  const schema = reader.name() || 'pg_catalog';
  const table = reader.name();
  const identity = reader.letter();
  const columns = Array.from({ length: reader.columnCount() }, (): Column => {
    const isKey = (reader.int8() & 1) === 1;
    const name = reader.name();
    const type = reader.int32();
    reader.skip(4);
    return { name, type, isKey };
  });
  return { id, schema, table, identity, columns };
}

function parseUpdate(reader: Reader): Message {
  const relation = reader.int32();
  const first = reader.letter();
  if (first === 'N') return { kind: 'update', relation, new: reader.tuple(), old: undefined };
  const old = { whole: first === 'O', tuple: reader.tuple() };
  reader.expect('N');
  return { kind: 'update', relation, new: reader.tuple(), old };
}

/** Reads on and on; `Buffer` throws `RangeError` at the end. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(count: number): void {
    this.#at += count;
  }

  int8(): number {
    return this.#bytes.readUInt8(this.#at++);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigUInt64BE(this.#at - 8);
  }

  signed64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  letter(): string {
    return String.fromCharCode(this.int8());
  }

  expect(letter: string): void {
    const found = this.letter();
    if (found !== letter) throw new RangeError(`${JSON.stringify(found)} where ${letter} belongs`);
  }

  /** Text that ends with a zero byte. */
  name(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new RangeError('a name without an end');
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  text(length: number): string {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('a value that ends beyond its message');
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end;
    return text;
  }

  columnCount(): number {
    this.#at += 2;
    const count = this.#bytes.readUInt16BE(this.#at - 2);
    if (count > COLUMNS_MAX) throw new RangeError(`${count} columns`);
    return count;
  }

  tuple(): Tuple {
    return Array.from({ length: this.columnCount() }, () => {
      const kind = this.letter();
      switch (kind) {
        case 'n':
          return null;
        case 'u':
          return undefined;
        case 't':
          return this.text(this.int32());
        default:
          throw new RangeError(`a value of unknown kind ${JSON.stringify(kind)}`);
      }
    });
  }
}
