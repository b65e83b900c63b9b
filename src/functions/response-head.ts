import { LambentError } from '../base/errors.ts';
import { fieldsOf, TRAILERS_BYTES_MAX, trailerLines } from '../model/trailers.ts';

/** A response's head as it came from an instance, checked: what may be sent to a caller as it is. */
export interface ResponseHead {
  /** `name: value\r\n` lines without hop-by-hop headers. */
  readonly block: string;
  /** -1 when not declared. */
  readonly contentLength: number;
  /** It has a Trailer header, which only a body in chunks may have. */
  readonly announcesTrailers: boolean;
}

/** Header blocks of a function repeat: this many checked ones are remembered, so that the usual one costs a look-up. */
const REMEMBERED_MAX = 256;
const BLOCK_BYTES_MAX = 64 * 1024;
const HEADERS_MAX = 256;
/** One header line as RFC 9110 allows it: a token, a colon, visible characters without control codes. */
const HEADER_LINE =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*$/;
/**
 * Headers of a connection, not of a message (RFC 9110, 7.6.1): the platform speaks for its own connections. It also
 * sets the date and the request id.
 */
const NOT_THE_FUNCTIONS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'proxy-authenticate',
  'proxy-authorization',
  'date',
  'x-request-id',
]);

function refuse(why: string): LambentError {
  return new LambentError(
    'E_FUNCTION_RESPONSE_INVALID',
    `the function answered a header that is not valid: ${why}`,
  );
}

function show(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/**
 * Checks the header block of a response. Line breaks inside values, control characters and differing
 * Content-Length headers are refused: they would let a function write into someone else's connection.
 */
export function parseResponseHead(block: string, upgrade: boolean): ResponseHead {
  if (block.length > BLOCK_BYTES_MAX) throw refuse(`all headers together are over ${BLOCK_BYTES_MAX} bytes`);
  if (block === '') return { block, contentLength: -1, announcesTrailers: false };
  if (!block.endsWith('\r\n')) throw refuse('the last line does not end');
  const lines = block.slice(0, -2).split('\r\n');
  if (lines.length > HEADERS_MAX) throw refuse(`there are more than ${HEADERS_MAX}`);
  let kept = '';
  let contentLength = -1;
  let announcesTrailers = false;
  for (const line of lines) {
    const match = HEADER_LINE.exec(line);
    if (match === null) throw refuse(show(line));
    const name = match[1]!.toLowerCase();
    const value = match[2]!;
    if (NOT_THE_FUNCTIONS.has(name) || (name === 'upgrade' && !upgrade)) continue;
    if (name === 'trailer') announcesTrailers = true;
    if (name === 'content-length') {
      if (!/^[0-9]{1,15}$/.test(value)) throw refuse(`content-length ${show(value)}`);
      if (contentLength !== -1 && contentLength !== Number(value))
        throw refuse('two different content-length headers');
      if (contentLength !== -1) continue;
      contentLength = Number(value);
    }
    kept += `${match[1]}: ${value}\r\n`;
  }
  return { block: kept, contentLength, announcesTrailers };
}

/** Checks trailers as the head was checked: as lines that may be sent as they are. */
export function parseTrailers(payload: Buffer): string {
  if (payload.length > TRAILERS_BYTES_MAX)
    throw refuse(`all trailers together are over ${TRAILERS_BYTES_MAX} bytes`);
  return trailerLines(fieldsOf(parseResponseHead(payload.toString('latin1'), false).block));
}

/** Remembers checked blocks. One for each version, so that no function can push out another's. */
export class ResponseHeads {
  readonly #known = new Map<string, ResponseHead>();
  #lastBytes: Buffer = Buffer.alloc(0);
  #last: ResponseHead | undefined;

  /** The block is in `payload` from `from` to `to`, as latin1. Throws `E_FUNCTION_RESPONSE_INVALID`. */
  parse(payload: Buffer, from: number, to: number): ResponseHead {
    if (this.#last !== undefined && sameBytes(this.#lastBytes, payload, from, to)) return this.#last;
    this.#last = this.#parseText(payload.toString('latin1', from, to));
    this.#lastBytes = Buffer.from(payload.subarray(from, to));
    return this.#last;
  }

  #parseText(block: string): ResponseHead {
    const known = this.#known.get(block);
    if (known !== undefined) return known;
    const head = parseResponseHead(block, false);
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
    this.#known.set(block, head);
    return head;
  }
}

/** Blocks are short: a loop is done before a call of the system's own comparison has begun. */
function sameBytes(known: Buffer, payload: Buffer, from: number, to: number): boolean {
  if (known.length !== to - from) return false;
  for (let at = 0; at < known.length; at += 1) if (known[at] !== payload[from + at]) return false;
  return true;
}
