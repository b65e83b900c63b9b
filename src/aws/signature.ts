import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { readBody } from '../base/request-body.ts';
import type { AccessKeys } from '../ports/access-keys.ts';
import type { Authorize } from '../ports/authorize.ts';
import { EVENT_BYTES_MAX } from '../ports/invoker.ts';

/*
 * Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html): a request's method,
 * place, headers and body, signed with an access key's secret. Whoever need not sign (in `dev`, from this machine) or
 * sends a token is let in without.
 */

/** How far a request's time may be from this clock's (AWS' own figure). */
const CLOCKS_APART_MS = 15 * 60_000;
const SIGNED_HEADERS_MAX = 64;
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([A-Z0-9]{16,128})\/(\d{8})\/([\w-]{1,64})\/([\w-]{1,64})\/aws4_request, ?SignedHeaders=([\w;-]{1,2048}), ?Signature=([0-9a-f]{64})$/;

/** Authorizes as the control API does, and takes signatures as well. */
export function authorizeSigned(authorize: Authorize, keys: AccessKeys, clock: Clock): Authorize {
  return async (request, remoteAddress) => {
    try {
      return await authorize(request, remoteAddress);
    } catch (thrown) {
      const signed = request.headers.get('authorization')?.startsWith('AWS4-') === true;
      if (!signed || !(thrown instanceof LambentError) || thrown.code !== 'E_UNAUTHENTICATED') throw thrown;
    }
    return { name: await verify(request, keys, clock) };
  };
}

const refuse = (why: string): LambentError =>
  new LambentError('E_SIGNATURE_REFUSED', why, {
    hint: 'Use a key that `lambent keys create` gave you, and a clock that is right.',
  });

async function verify(request: Request, keys: AccessKeys, clock: Clock): Promise<string> {
  const found = AUTHORIZATION.exec(request.headers.get('authorization') ?? '');
  if (found === null) throw refuse('The Authorization header is not one of Signature Version 4.');
  const [, accessKeyId, date, region, service, signedHeaders, signature] = found as unknown as [
    string,
    ...string[],
  ] &
    Record<1 | 2 | 3 | 4 | 5 | 6, string>;
  const time = request.headers.get('x-amz-date') ?? '';
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time) ?? [];
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (!time.startsWith(date!) || !(Math.abs(timeMs - clock.nowMs()) <= CLOCKS_APART_MS)) {
    throw refuse('The request was signed for another time.');
  }
  const names = signedHeaders!.split(';');
  if (!names.includes('host') || names.length > SIGNED_HEADERS_MAX) throw refuse('The host is not signed.');
  const secret = await keys.secretOf(accessKeyId!);
  if (secret === undefined) throw refuse('The access key is not known.');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const canonical = createHash('sha256')
    .update(await canonicalRequest(request, names))
    .digest('hex');
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${canonical}`;
  let key: Buffer | string = `AWS4${secret}`;
  for (const part of [date!, region!, service!, 'aws4_request'])
    key = createHmac('sha256', key).update(part).digest();
  const wanted = createHmac('sha256', key).update(toSign).digest();
  if (!timingSafeEqual(wanted, Buffer.from(signature!, 'hex')))
    throw refuse('The signature does not fit the request.');
  return accessKeyId!;
}

async function canonicalRequest(request: Request, names: readonly string[]): Promise<string> {
  const url = new URL(request.url);
  const path = url.pathname.split('/').map(encode).join('/');
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const headers = names
    .map((name) => `${name}:${(request.headers.get(name) ?? '').trim().replace(/ +/g, ' ')}\n`)
    .join('');
  // The body itself, whatever a header says of it.
  const body = await readBody(request.clone(), EVENT_BYTES_MAX);
  const hash = createHash('sha256').update(body).digest('hex');
  return [request.method, path, query, headers, names.join(';'), hash].join('\n');
}

/** As RFC 3986 has it: all but letters, digits and `-._~`. A path is encoded twice, as all services but S3 want it. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
