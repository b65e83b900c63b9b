/**
 * The tar format, as far as a folder of plain files needs it: POSIX ustar headers with pax records for long
 * names (IEEE Std 1003.1, "pax Interchange Format"), and GNU's long names when reading.
 */

/** Headers and file contents come in blocks of this size. */
export const TAR_BLOCK_BYTES = 512;

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
  if (parseNumber(block, 148, 8) !== checksum(block)) return undefined;
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

/**
 * The header (with pax records before it where the name is long or not ASCII) of one file. No times, owners and
 * other modes than 644 and 755: equal folders give equal archives.
 */
export function encodeTarHeader(name: string, size: number, executable: boolean): Buffer {
  const isPlain = Buffer.byteLength(name) <= 100 && /^[\x20-\x7e]*$/.test(name);
  const mode = executable ? 0o755 : 0o644;
  if (isPlain && size < 0o77777777777) return ustar(name, size, mode, '0');
  const records = Buffer.from(paxRecord('path', name) + paxRecord('size', String(size)));
  const short = 'pax/long-name';
  return Buffer.concat([
    ustar('pax/records', records.length, 0o644, 'x'),
    records,
    Buffer.alloc(tarPadding(records.length)),
    ustar(short, Math.min(size, 0o77777777777), mode, '0'),
  ]);
}

/** Zero bytes that follow `size` bytes of content. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

function ustar(name: string, size: number, mode: number, type: string): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write(name, 0, 100, 'latin1');
  block.write(octal(mode, 8), 100, 'latin1');
  block.write(octal(0, 8), 108, 'latin1');
  block.write(octal(0, 8), 116, 'latin1');
  block.write(octal(size, 12), 124, 'latin1');
  block.write(octal(0, 12), 136, 'latin1');
  block.write(type, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}

function paxRecord(key: string, value: string): string {
  const body = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(body);
  // The length counts its own digits.
  let length = bytes + String(bytes).length;
  if (String(length).length !== String(bytes).length) length = bytes + String(length).length;
  return `${length}${body}`;
}

/** The sum of all bytes of the header, its own field counted as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < TAR_BLOCK_BYTES; at += 1) if (at < 148 || at >= 156) sum += block[at]!;
  return sum;
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
