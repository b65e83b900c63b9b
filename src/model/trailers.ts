/**
 * Trailers: header fields after the end of a body that is sent in chunks (RFC 9110, 6.5). They are passed on in both
 * directions, as `name: value\r\n` lines in a frame of their own (`FRAME.TRAILERS`).
 */

/** All trailers of a message together, in bytes; more are refused. */
export const TRAILERS_BYTES_MAX = 16 * 1024;

/**
 * Fields that a recipient needs before the body, or that belong to one connection: as a trailer they mean nothing, and
 * merged into the headers by somebody behind us they could mean something else than what was acted upon (6.5.1).
 */
const NEVER_TRAILERS = new Set([
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'max-forwards',
  'pragma',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'www-authenticate',
]);

/** Whether a field may come after a body. */
export function mayTrail(name: string): boolean {
  return !NEVER_TRAILERS.has(name.toLowerCase());
}

/** Names and values in turn, as lines. Names that may not trail are left out. */
export function trailerLines(raw: readonly string[]): string {
  let lines = '';
  for (let at = 0; at + 1 < raw.length; at += 2)
    if (mayTrail(raw[at]!)) lines += `${raw[at]}: ${raw[at + 1]}\r\n`;
  return lines;
}

/** Names and values in turn, of `name: value\r\n` lines that were checked. */
export function fieldsOf(lines: string): string[] {
  const raw: string[] = [];
  if (lines === '') return raw;
  for (const line of lines.slice(0, -2).split('\r\n')) {
    const colon = line.indexOf(':');
    raw.push(line.slice(0, colon), line.slice(colon + 2));
  }
  return raw;
}

/** The same, each name with its value. */
export function fieldPairs(lines: string): [string, string][] {
  const raw = fieldsOf(lines);
  return Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index]!, raw[2 * index + 1]!]);
}
