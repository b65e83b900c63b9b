import { createHash, createHmac } from 'node:crypto';

/*
 * Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html): a request's method,
 * place, headers and body, signed with an access key's secret.
 */

export const AWS_ALGORITHM = 'AWS4-HMAC-SHA256';

export interface SigningRequest {
  readonly method: string;
  readonly url: URL;
  /** Those that are signed, with lower-case names, in the order of their names. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array | string;
}

export interface SigningScope {
  readonly secret: string;
  /** `20270131T235959Z`. */
  readonly time: string;
  readonly region: string;
  readonly service: string;
}

/** The credential scope, which stands behind the key's id. */
export function scopeText({ time, region, service }: SigningScope): string {
  return `${time.slice(0, 8)}/${region}/${service}/aws4_request`;
}

export function awsSignature(request: SigningRequest, scope: SigningScope): Buffer {
  const canonical = createHash('sha256').update(canonicalRequest(request)).digest('hex');
  const toSign = [AWS_ALGORITHM, scope.time, scopeText(scope), canonical].join('\n');
  let key: Buffer | string = `AWS4${scope.secret}`;
  for (const part of [scope.time.slice(0, 8), scope.region, scope.service, 'aws4_request'])
    key = createHmac('sha256', key).update(part).digest();
  return createHmac('sha256', key).update(toSign).digest();
}

/** As AWS writes an instant, to the second. */
export function awsTime(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

function canonicalRequest({ method, url, headers, body }: SigningRequest): string {
  const path = url.pathname.split('/').map(encode).join('/');
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const lines = headers.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, ' ')}\n`).join('');
  const hash = createHash('sha256').update(body).digest('hex');
  return [method, path, query, lines, headers.map(([name]) => name).join(';'), hash].join('\n');
}

/** As RFC 3986 has it: all but letters, digits and `-._~`. A path is encoded twice, as all services but S3 want it. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
