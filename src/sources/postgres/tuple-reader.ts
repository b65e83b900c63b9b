import { COLUMNS_MAX } from './pgoutput.ts';

const [NULL, UNCHANGED, TEXT] = [...Buffer.from('nut')] as [number, number, number];

/** Where the values of a row are in a message of `pgoutput`. One object for all rows, read anew for each. */
export class TupleReader {
  /** `n` null, `u` not sent, `t` text. */
  readonly kinds = new Uint8Array(COLUMNS_MAX);
  readonly starts = new Int32Array(COLUMNS_MAX);
  readonly ends = new Int32Array(COLUMNS_MAX);
  isThere = false;
  /** All columns, and not those of the replica identity alone. */
  isWhole = false;

  clear(): void {
    this.isThere = false;
  }

  /** A row in a message that ends at `end`. Returns where the row ends; -1: it is not as expected. */
  read(message: Buffer, from: number, end: number, columns: number, isWhole: boolean): number {
    if (from + 2 > end || message.readUInt16BE(from) !== columns || columns > COLUMNS_MAX) return -1;
    let at = from + 2;
    for (let column = 0; column < columns; column += 1) {
      const kind = message[at++];
      if (kind === TEXT) {
        if (at + 4 > end) return -1;
        const start = at + 4;
        at = start + message.readUInt32BE(at);
        this.starts[column] = start;
        this.ends[column] = at;
      } else if (kind !== NULL && kind !== UNCHANGED) return -1;
      this.kinds[column] = kind;
    }
    if (at > end) return -1;
    this.isThere = true;
    this.isWhole = isWhole;
    return at;
  }

  /** Takes a value from another row of the same message. False: that does not have it either. */
  take(other: TupleReader, column: number): boolean {
    if (!other.isThere || !other.isWhole || other.kinds[column] === UNCHANGED) return false;
    this.kinds[column] = other.kinds[column]!;
    this.starts[column] = other.starts[column]!;
    this.ends[column] = other.ends[column]!;
    return true;
  }
}
