/**
 * The tar format, as far as reading a folder of plain files needs it: POSIX ustar headers with pax records for long
 * names (IEEE Std 1003.1, "pax Interchange Format"), and GNU's long names.
 */
import { tarChecksum } from './tar-headers.ts';

/** What a header says. */
export interface TarHeader {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  /** The type flag: `0` file, `5` folder, `1` and `2` links, `x` and `g` pax records, `L` GNU long name … */
  readonly type: string;
}

/** Reads a header; `undefined` when the checksum does not fit: it is no header. */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  if (parseNumber(block, 148, 8) !== tarChecksum(block)) return undefined;
  const size = parseNumber(block, 124, 12);
  const mode = parseNumber(block, 100, 8);
  if (size === undefined) return undefined;
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? parseText(block, 345, 155) : '';
  const name = parseText(block, 0, 100);
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156]!);
  return { name: prefix === '' ? name : `${prefix}/${name}`, size, mode: mode ?? 0, type };
}

/** Pax records: `LENGTH KEY=VALUE\n`, one after another. `undefined` when they are malformed. */
export function parsePaxRecords(data: Buffer): Map<string, string> | undefined {
  const records = new Map<string, string>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const digits = space < 0 ? '' : data.toString('latin1', at, space);
    const length = /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (length < digits.length + 3 || end > data.length || data[end - 1] !== 0x0a) return undefined;
    const text = data.toString('utf8', space + 1, end - 1);
    const equals = text.indexOf('=');
    if (equals < 1) return undefined;
    records.set(text.slice(0, equals), text.slice(equals + 1));
    at = end;
  }
  return records;
}

function parseText(block: Buffer, at: number, width: number): string {
  const end = block.indexOf(0, at);
  return block.toString('utf8', at, end < 0 || end > at + width ? at + width : end);
}

/** Octal digits, ended by space or zero. Base-256 numbers are of files larger than any limit: they are refused. */
function parseNumber(block: Buffer, at: number, width: number): number | undefined {
  const text = block
    .toString('latin1', at, at + width)
    .replace(/[\0 ]+$/, '')
    .trimStart();
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}
