import type { HttpRequestHead } from '../../src/model/frames.ts';

/**
 * The event of an HTTP request in the payload format 2.0 of Amazon API Gateway's HTTP APIs (and Lambda function
 * URLs), by AWS's documentation "Working with AWS Lambda proxy integrations for HTTP APIs".
 */
export interface HttpEvent {
  version: '2.0';
  routeKey: string;
  rawPath: string;
  rawQueryString: string;
  cookies?: string[];
  headers: Record<string, string>;
  queryStringParameters?: Record<string, string>;
  pathParameters?: Record<string, string>;
  requestContext: Record<string, unknown>;
  body?: string;
  isBase64Encoded: boolean;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TEXT_TYPE =
  /^(?:text\/|application\/(?:json|javascript|ecmascript|xml|graphql|x-ndjson|[^;\s]+\+(?:json|xml))(?:[;\s]|$))/i;

/** Percent-decoding that leaves malformed sequences as they are. */
function decode(text: string, plusIsSpace: boolean): string {
  const plain = plusIsSpace && text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!plain.includes('%')) return plain;
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

/** Pairs of `a=1&b=2`; several values of one name are joined by a comma, as AWS does. */
export function parsePairs(text: string, plusIsSpace: boolean): Record<string, string> | undefined {
  if (text === '') return undefined;
  const pairs = new Map<string, string>();
  for (const part of text.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals), plusIsSpace);
    const value = equals < 0 ? '' : decode(part.slice(equals + 1), plusIsSpace);
    const before = pairs.get(name);
    pairs.set(name, before === undefined ? value : `${before},${value}`);
  }
  // Own properties even for a name like `__proto__`.
  return Object.fromEntries(pairs);
}

/** `GET /users/:id` and `GET /files/*` in the way AWS writes them: `GET /users/{id}`, `GET /files/{proxy+}`. */
export function awsRouteKey(route: string): string {
  const known = routeKeys.get(route);
  if (known !== undefined) return known;
  const key = route
    .replace(/:([A-Za-z0-9_]+)/g, '{$1}')
    .replace(/\/\*([A-Za-z0-9_]*)$/, (_match, name: string) => `/{${name === '' ? 'proxy' : name}+}`);
  if (routeKeys.size < ROUTE_KEYS_MAX) routeKeys.set(route, key);
  return key;
}

/** The rest of a path is `*` in a route, and `proxy` in the route key that AWS would write. */
function awsParams(params: string): string {
  return params.replace(/(?:^|&)\*=/, (mark) => mark.replace('*', 'proxy'));
}

/** A function has few routes; this many are remembered. */
const ROUTE_KEYS_MAX = 256;
const routeKeys = new Map<string, string>();

/** Whether AWS would hand over such a body as text; everything else comes in base64. */
export function isTextBody(contentType: string | undefined, contentEncoding: string | undefined): boolean {
  if (contentEncoding !== undefined && contentEncoding !== 'identity') return false;
  return contentType !== undefined && TEXT_TYPE.test(contentType.trimStart());
}

/** `12/Mar/2020:19:03:58 +0000` */
export function clfTime(timeMs: number): string {
  const time = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${two(time.getUTCDate())}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}`;
  return `${day}:${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} +0000`;
}

let lastSecond = 0;
let lastTime = '';

function clfTimeCached(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastTime = clfTime(timeMs);
  }
  return lastTime;
}

export function createHttpEvent(
  head: HttpRequestHead,
  body: Buffer,
  functionName: string,
  nowMs: number,
): HttpEvent {
  const headers: Record<string, string> = {};
  let cookies: string[] | undefined;
  for (const line of head.headers) {
    const colon = line.indexOf(': ');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 2);
    if (name === 'cookie') {
      cookies ??= [];
      cookies.push(...value.split(/;\s*/).filter((cookie) => cookie !== ''));
    } else if (name === '__proto__') {
      // A header may have this name; assigning it would change the object instead.
      Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true });
    } else headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`;
  }
  const question = head.target.indexOf('?');
  const rawPath = question < 0 ? head.target : head.target.slice(0, question);
  const rawQueryString = question < 0 ? '' : head.target.slice(question + 1);
  const domainName = headers.host ?? 'localhost';
  const routeKey = awsRouteKey(head.route);
  const event: HttpEvent = {
    version: '2.0',
    routeKey,
    rawPath,
    rawQueryString,
    headers,
    requestContext: {
      accountId: '000000000000',
      apiId: functionName,
      domainName,
      domainPrefix: domainName.split('.', 1)[0]!.split(':', 1)[0]!,
      http: {
        method: head.method,
        path: rawPath,
        protocol: 'HTTP/1.1',
        sourceIp: head.remoteAddress,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: head.requestId,
      routeKey,
      stage: '$default',
      time: clfTimeCached(nowMs),
      timeEpoch: nowMs,
    },
    isBase64Encoded: false,
  };
  if (cookies !== undefined) event.cookies = cookies;
  const query = parsePairs(rawQueryString, true);
  if (query !== undefined) event.queryStringParameters = query;
  const path = parsePairs(awsParams(head.params), false);
  if (path !== undefined) event.pathParameters = path;
  if (body.length > 0) {
    event.isBase64Encoded = !isTextBody(headers['content-type'], headers['content-encoding']);
    event.body = body.toString(event.isBase64Encoded ? 'base64' : 'utf8');
  }
  return event;
}
