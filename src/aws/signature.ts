import { timingSafeEqual } from 'node:crypto';
import { awsSignature } from '../base/aws-signature.ts';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { readBody } from '../base/request-body.ts';
import type { AccessKeys } from '../ports/access-keys.ts';
import type { Authorize } from '../ports/authorize.ts';
import { EVENT_BYTES_MAX } from '../ports/invoker.ts';

/*
 * Requests signed with an access key (`base/aws-signature.ts`). Whoever need not sign (in `dev`, from this machine) or
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
  const body = await readBody(request.clone(), EVENT_BYTES_MAX);
  const wanted = awsSignature(
    {
      ...{ method: request.method, url: new URL(request.url) },
      headers: names.map((name) => [name, request.headers.get(name) ?? '']),
      // The body itself, whatever a header says of it.
      body,
    },
    { secret, time, region: region!, service: service! },
  );
  if (!timingSafeEqual(wanted, Buffer.from(signature!, 'hex')))
    throw refuse('The signature does not fit the request.');
  return accessKeyId!;
}
