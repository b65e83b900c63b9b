/**
 * Headers of a tar archive that holds plain files: POSIX ustar, with pax records for long names (IEEE Std 1003.1, "pax
 * Interchange Format"). Of the language alone, because a folder is packed by the CLI and by the console in a browser.
 */

/** Headers and file contents come in blocks of this size. */
export const TAR_BLOCK_BYTES = 512;
/** A file of this size or more does not fit the header's own field. */
const SIZE_PLAIN_MAX = 0o77777777777;

const encoder = new TextEncoder();

/**
 * The header (with pax records before it where the name is long or not ASCII) of one file. No times, owners and
 * other modes than 644 and 755: equal folders give equal archives.
 */
export function encodeTarHeader(name: string, size: number, executable: boolean): Uint8Array<ArrayBuffer> {
  const isPlain = /^[\x20-\x7e]{0,100}$/.test(name);
  const mode = executable ? 0o755 : 0o644;
  if (isPlain && size < SIZE_PLAIN_MAX) return ustar(name, size, mode, '0');
  const records = encoder.encode(paxRecord('path', name) + paxRecord('size', String(size)));
  const parts = [
    ustar('pax/records', records.length, 0o644, 'x'),
    records,
    new Uint8Array(tarPadding(records.length)),
    ustar('pax/long-name', Math.min(size, SIZE_PLAIN_MAX), mode, '0'),
  ];
  const header = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    header.set(part, at);
    at += part.length;
  }
  return header;
}

/** Zero bytes that follow `size` bytes of content. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

function ustar(name: string, size: number, mode: number, type: string): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(TAR_BLOCK_BYTES);
  const write = (text: string, at: number): void => block.set(encoder.encode(text), at);
  write(name, 0);
  write(octal(mode, 8), 100);
  write(octal(0, 8), 108);
  write(octal(0, 8), 116);
  write(octal(size, 12), 124);
  write(octal(0, 12), 136);
  write(type, 156);
  write('ustar\x0000', 257);
  write(`${tarChecksum(block).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}

function paxRecord(key: string, value: string): string {
  const body = ` ${key}=${value}\n`;
  const bytes = encoder.encode(body).length;
  // The length counts its own digits.
  let length = bytes + String(bytes).length;
  if (String(length).length !== String(bytes).length) length = bytes + String(length).length;
  return `${length}${body}`;
}

/** The sum of all bytes of the header, its own field counted as spaces. */
export function tarChecksum(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < TAR_BLOCK_BYTES; at += 1) if (at < 148 || at >= 156) sum += block[at]!;
  return sum;
}
