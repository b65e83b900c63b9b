import type { Incoming } from './handle-request.ts';

/**
 * The strict fast path: most requests on a kept-alive connection are one small, whole, plainly formed message.
 * Those are read here with one regular expression over a narrow grammar. Everything else (bodies that are not
 * all here, transfer codings, upgrades, Expect, HTTP/1.0, pipelining, odd bytes, repeated framing headers)
 * is left to `node:http`, whose parser has met every oddity. So this reader never has to decide a hard case,
 * and cannot disagree with anybody about where a message ends.
 */

/** What a header block says, independent of the request line. Kept per connection: clients repeat themselves. */
export interface SimpleHeaders {
  readonly text: string;
  /** `name: value` lines, names in lower case, joined by `\n`. */
  readonly lines: string;
  /** Host header in lower case without its port. */
  readonly host: string;
  readonly contentLength: number;
  readonly requestId: string | undefined;
  readonly origin: string | undefined;
  readonly awsTarget: string | undefined;
}

export interface SimpleRequest extends Incoming {
  /** All of it as it came, if it has no body; otherwise nothing, so that an idle connection keeps no body. */
  readonly text: string;
  readonly headers: SimpleHeaders;
  readonly body: Buffer | undefined;
}

/** Longer first chunks go the general way. */
export const SIMPLE_BYTES_MAX = 16 * 1024;

const REQUEST =
  /^(GET|HEAD|POST|PUT|PATCH|DELETE) (\/[!$-~]*) HTTP\/1\.1\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t ]*[\x20-\x7e]*\r\n)+)\r\n/;
const HOST = /^(?:[a-z0-9_.-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/;
const CONTENT_LENGTH = /^[0-9]{1,8}$/;
/** A request id that may be taken over from the caller: safe to log and to send back. */
export const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Host header value in lower case without its port; `undefined` when malformed. */
export function parseHost(value: string): string | undefined {
  const lower = value.toLowerCase();
  if (!HOST.test(lower)) return undefined;
  const colon = lower.lastIndexOf(':');
  return colon > lower.lastIndexOf(']') ? lower.slice(0, colon) : lower;
}

function parseHeaders(text: string): SimpleHeaders | undefined {
  let lines = '';
  let host: string | undefined;
  let contentLength = -1;
  let requestId: string | undefined;
  let origin: string | undefined;
  let awsTarget: string | undefined;
  for (const line of text.slice(0, -2).split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    switch (name) {
      case 'host':
        if (host !== undefined) return undefined;
        host = parseHost(value);
        if (host === undefined) return undefined;
        break;
      case 'content-length':
        if (contentLength !== -1 || !CONTENT_LENGTH.test(value)) return undefined;
        contentLength = Number(value);
        break;
      case 'connection':
        if (value.toLowerCase() !== 'keep-alive') return undefined;
        continue;
      case 'transfer-encoding':
      case 'upgrade':
      case 'expect':
      case 'trailer':
      case 'te':
      case 'keep-alive':
      case 'proxy-connection':
      case 'http2-settings':
        return undefined;
      case 'x-request-id':
        if (requestId !== undefined) return undefined;
        if (!REQUEST_ID.test(value)) continue;
        requestId = value;
        break;
      case 'origin':
        origin = value;
        break;
      case 'x-amz-target':
        awsTarget = value;
        break;
    }
    lines += lines === '' ? `${name}: ${value}` : `\n${name}: ${value}`;
  }
  if (host === undefined) return undefined;
  return { text, lines, host, contentLength, requestId, origin, awsTarget };
}

/**
 * Reads the first `bytes` of a buffer that hold exactly one whole simple request; `undefined`: take the general way.
 * `last` is the request before on the same connection: clients repeat themselves. The body is a copy.
 */
export function parseSimpleRequest(
  buffer: Buffer,
  bytes: number,
  last: SimpleRequest | undefined,
): SimpleRequest | undefined {
  if (bytes > SIMPLE_BYTES_MAX) return undefined;
  const text = buffer.toString('latin1', 0, bytes);
  if (last !== undefined && last.text === text) return last;
  const match = REQUEST.exec(text);
  if (match === null) return undefined;
  const headerText = match[3]!;
  const headers = last?.headers.text === headerText ? last.headers : parseHeaders(headerText);
  if (headers === undefined) return undefined;
  const bodyAt = match[0].length;
  const bodyBytes = bytes - bodyAt;
  if (bodyBytes !== Math.max(0, headers.contentLength)) return undefined;
  const body = bodyBytes === 0 ? undefined : Buffer.from(buffer.subarray(bodyAt, bytes));
  const { host, origin, requestId, awsTarget } = headers;
  return {
    text: body === undefined ? text : '',
    method: match[1]!,
    target: match[2]!,
    host,
    origin,
    requestId,
    preflightMethod: undefined,
    awsTarget,
    headers,
    body,
  };
}
