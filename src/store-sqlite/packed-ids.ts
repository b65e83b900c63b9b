import { LambentError } from '../base/errors.ts';

/*
 * UUIDs as 16 bytes each, one behind the other.
 */

/** Characters of a UUID as text. */
export const ID_CHARS = 36;

/** The time in the first 48 bits of a UUIDv7. */
export function idTimeMs(ids: Uint8Array, at: number): number {
  const high = ids[at]! * 0x100 + ids[at + 1]!;
  const low = ids[at + 2]! * 0x1000000 + ((ids[at + 3]! << 16) | (ids[at + 4]! << 8) | ids[at + 5]!);
  return high * 0x1_0000_0000 + low;
}

const NOT_HEX = 0xff;
const HEX_VALUE = new Uint8Array(128).fill(NOT_HEX);
for (let value = 0; value < 16; value += 1) HEX_VALUE[value.toString(16).charCodeAt(0)] = value;
/** Where the pairs of hex digits of a UUID stand. */
const HEX_PAIRS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const DASHES = [8, 13, 18, 23];
const DASH = '-'.charCodeAt(0);
const HEX_TEXT = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));

/** UUIDs as text to 16 bytes each. `E_INTERNAL` for what is none, in lower case. */
export function packIds(text: string, count: number): Uint8Array<ArrayBuffer> {
  const ids = new Uint8Array(count * 16);
  const chars = Buffer.from(text, 'latin1');
  let at = 0;
  for (let start = 0; start < count * ID_CHARS; start += ID_CHARS) {
    let valid = true;
    for (const dash of DASHES) if (chars[start + dash] !== DASH) valid = false;
    for (const pair of HEX_PAIRS) {
      const high = HEX_VALUE[chars[start + pair]!] ?? NOT_HEX;
      const low = HEX_VALUE[chars[start + pair + 1]!] ?? NOT_HEX;
      if (high === NOT_HEX || low === NOT_HEX) valid = false;
      ids[at] = (high << 4) | low;
      at += 1;
    }
    if (!valid) refuseId(text.slice(start, start + ID_CHARS));
  }
  return ids;
}

export function unpackId(ids: Uint8Array, row: number): string {
  let text = '';
  for (let byte = 0; byte < 16; byte += 1) {
    if (byte === 4 || byte === 6 || byte === 8 || byte === 10) text += '-';
    text += HEX_TEXT[ids[row * 16 + byte]!]!;
  }
  return text;
}

/** The last row with this id: an invocation that was tried again has several. */
export function lastRowOfId(ids: Uint8Array<ArrayBuffer>, wanted: Uint8Array): number | undefined {
  const bytes = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);
  const needle = Buffer.from(wanted);
  for (let at = bytes.lastIndexOf(needle); at >= 0; at = bytes.lastIndexOf(needle, at - 1)) {
    if (at % 16 === 0) return at / 16;
    if (at === 0) break;
  }
  return undefined;
}

export function refuseId(id: string): never {
  throw new LambentError('E_INTERNAL', `An invocation's id is to be a UUID; ${JSON.stringify(id)} is none.`);
}
