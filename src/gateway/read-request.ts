import type { IncomingMessage } from 'node:http';
import { LambentError } from '../base/errors.ts';
import type { Incoming } from './handle-request.ts';
import { parseHost, REQUEST_ID } from './simple-request.ts';

/** Headers of the client's connection, and those that only matter between it and the gateway. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'expect',
  'http2-settings',
]);

export interface ReadRequest {
  readonly incoming: Incoming;
  /** `name: value` lines joined by `\n`, names in lower case. */
  readonly headerLines: string;
  /** -1: not declared. */
  readonly contentLength: number;
  readonly hasBody: boolean;
}

/** Whether a request says that a body comes with it. */
export function announcesBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** The request as `node:http` parsed it, in the gateway's own terms. */
export function readRequest(request: IncomingMessage, upgrade: boolean): ReadRequest | LambentError {
  const { headers, rawHeaders, method = 'GET', httpVersion } = request;
  if (request.httpVersionMajor !== 1)
    return new LambentError('E_BAD_REQUEST', `HTTP/${httpVersion} is not spoken here`, {
      hint: 'Use HTTP/1.1.',
    });
  const target = readTarget(request);
  if (target === undefined) return new LambentError('E_BAD_REQUEST', 'the request target is malformed');
  const hosts = rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host');
  const host = hosts.length > 1 ? undefined : parseHost(target.authority ?? headers.host ?? '');
  if (host === undefined)
    return new LambentError('E_BAD_REQUEST', 'the Host header is missing, malformed or there twice');
  const requestId = headers['x-request-id'];
  const fitId = typeof requestId === 'string' && REQUEST_ID.test(requestId) ? requestId : undefined;
  const lines: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    if (HOP_BY_HOP.has(name) && !(upgrade && name === 'connection')) continue;
    if (name === 'upgrade' && !upgrade) continue;
    if (name === 'x-request-id' && fitId === undefined) continue;
    lines.push(`${name}: ${rawHeaders[index + 1]}`);
  }
  const length = headers['content-length'];
  return {
    incoming: {
      method,
      target: target.path,
      host,
      origin: headers.origin,
      requestId: fitId,
      preflightMethod: headers['access-control-request-method'],
      awsTarget: headers['x-amz-target'] as string | undefined,
    },
    headerLines: lines.join('\n'),
    contentLength: length === undefined ? -1 : Number(length),
    hasBody: announcesBody(request),
  };
}

/** Path with query, and the authority where the target itself or an old protocol stands for the Host header. */
function readTarget(request: IncomingMessage): { path: string; authority: string | undefined } | undefined {
  const { headers, httpVersion, url = '/' } = request;
  // HTTP/1.0 knows no Host header.
  const authority = httpVersion === '1.0' && headers.host === undefined ? 'localhost' : undefined;
  if (url.startsWith('/')) return { path: url, authority };
  // `OPTIONS *` asks about the server as a whole.
  if (url === '*') return { path: '/', authority };
  // The absolute form, in which its own host counts and not the header's (RFC 9112, 3.2.2).
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) return undefined;
  return { path: `${parsed.pathname}${parsed.search}`, authority: parsed.host };
}
