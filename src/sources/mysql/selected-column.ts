import { decodes, shortestFloat } from './column-value.ts';
import { setupError } from './connect.ts';

/** How a column is selected so that its text becomes the value that the binary log would give (`readValue`). */
export interface Selected {
  /** An expression. Bytes come as hexadecimal digits. */
  readonly select: string;
  /** What rows are ordered by and compared with, and what is kept of the last of them; its text is an argument of `literal`. */
  readonly order: string;
  /** The text again as SQL. Whatever is stored in the table, it stays a value. */
  readonly literal: (text: string) => string;
  readonly shape: Shape;
}

type Shape =
  | 'number'
  | 'float'
  | 'text'
  | 'decimal'
  | 'set'
  | 'bytes'
  | 'instant'
  | 'datetime'
  | 'time'
  | 'json';

const INTEGERS: ReadonlySet<string> = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'year']);
const TEXTS: ReadonlySet<string> = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext']);
const BYTES: ReadonlySet<string> = new Set([
  ...['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'],
  ...['geometry', 'point', 'linestring', 'polygon', 'multipoint', 'multilinestring', 'multipolygon'],
  ...['geometrycollection', 'geomcollection'],
]);

export interface ColumnFacts {
  readonly type: string;
  readonly charset: string | null | undefined;
  /** Of a `bit`. */
  readonly digits: number;
}

/** `E_SOURCE_SETUP`: a type whose values the log has in a form of its own. */
export function selectColumn(name: string, { type, charset, digits }: ColumnFacts): Selected {
  const column = `\`${name.replaceAll('`', '``')}\``;
  const plain = { select: column, order: column };
  if (INTEGERS.has(type)) return { ...plain, literal: numberLiteral, shape: 'number' };
  if (type === 'bigint' || type === 'decimal') return { ...plain, literal: numberLiteral, shape: 'decimal' };
  // A float is printed with fewer digits than it has.
  if (type === 'float' || type === 'double')
    return {
      select: `${column} + 0e0`,
      order: `${column} + 0e0`,
      literal: floatLiteral,
      shape: type === 'float' ? 'float' : 'number',
    };
  if (type === 'bit')
    return {
      select: `LPAD(BIN(${column} + 0), ${digits}, '0')`,
      order: `${column} + 0`,
      literal: numberLiteral,
      shape: 'text',
    };
  // They are ordered by their number, and compared with texts by their name.
  if (type === 'enum')
    return { select: column, order: `${column} + 0`, literal: numberLiteral, shape: 'text' };
  if (type === 'set') return { select: column, order: `${column} + 0`, literal: numberLiteral, shape: 'set' };
  if (TEXTS.has(type) && decodes(charset ?? '')) return { ...plain, literal: textLiteral, shape: 'text' };
  if (TEXTS.has(type))
    return { select: `HEX(${column})`, order: column, literal: textLiteral, shape: 'bytes' };
  if (BYTES.has(type))
    return { select: `HEX(${column})`, order: `HEX(${column})`, literal: textLiteral, shape: 'bytes' };
  switch (type) {
    case 'date':
      return { ...plain, literal: textLiteral, shape: 'text' };
    case 'timestamp':
      return { ...plain, literal: textLiteral, shape: 'instant' };
    case 'datetime':
      return { ...plain, literal: textLiteral, shape: 'datetime' };
    case 'time':
      return { ...plain, literal: textLiteral, shape: 'time' };
    case 'json':
      return { ...plain, literal: textLiteral, shape: 'json' };
    default:
      throw setupError(
        `\`backfill\` cannot read the column ${name}: the type ${type} stands in the binary log in a form of its own.`,
        'Leave it out with `columns`, or leave `backfill` out.',
      );
  }
}

export function fromText({ shape }: Selected, text: string): unknown {
  switch (shape) {
    case 'number':
      return Number(text);
    case 'float':
      return shortestFloat(Number(text));
    case 'text':
      return text;
    // Columns with `zerofill` have zeros in front.
    case 'decimal':
      return text.replace(/^(-?)0+(?=\d)/, '$1');
    case 'set':
      return text === '' ? [] : text.split(',');
    case 'bytes':
      return Buffer.from(text, 'hex').toString('base64');
    case 'instant':
      return text.startsWith('0000') ? '0000-00-00T00:00:00' : `${withoutZeros(text).replace(' ', 'T')}Z`;
    case 'datetime':
      return withoutZeros(text).replace(' ', 'T');
    case 'time':
      return withoutZeros(text);
    case 'json':
      return JSON.parse(text);
  }
}

/** Of a fraction of a second. */
function withoutZeros(text: string): string {
  return text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
}

function numberLiteral(text: string): string {
  if (!/^-?\d+(?:\.\d+)?$/.test(text)) throw new RangeError('a key that is no number');
  return text;
}

/** With an exponent, or it would be taken for a decimal. */
function floatLiteral(text: string): string {
  const found = /^(-?\d+(?:\.\d+)?)(?:e([+-]?\d+))?$/i.exec(text);
  if (found === null) throw new RangeError('a key that is no number');
  return `${found[1]}e${found[2] ?? '0'}`;
}

/** Digits alone, so that no setting of the session can make anything else of what a row holds. */
function textLiteral(text: string): string {
  return `_utf8mb4 X'${Buffer.from(text).toString('hex')}'`;
}
