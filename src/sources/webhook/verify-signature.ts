import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import { LambentError } from '../../base/errors.ts';
import type { WebhookScheme } from '../../model/trigger.ts';

/*
 * Whether a webhook comes from who holds a key. Signatures are over the bytes as they came: whatever parses and writes
 * JSON again would break them. Any of several keys may have signed, so that keys can be changed without a gap, and
 * every comparison takes the same time wherever it fails.
 *
 * Sources: the Standard Webhooks specification; "Validating webhook deliveries" of GitHub; "Verify webhook signatures"
 * of Stripe; "Verifying requests from Slack".
 */

export interface Delivery {
  readonly headers: Headers;
  readonly body: Buffer;
  readonly nowMs: number;
  readonly toleranceMs: number;
  /** Keys as the sender gave them. */
  readonly secrets: readonly string[];
}

/** Throws `E_SIGNATURE_INVALID` unless one of the keys signed it, within the tolerated time where it has one. */
export function verifySignature(scheme: WebhookScheme, delivery: Delivery): void {
  switch (scheme.kind) {
    case 'none':
      break;
    case 'standard':
      verifyStandard(delivery);
      break;
    case 'github':
      verifyPlain(delivery, 'x-hub-signature-256', 'sha256', 'hex', 'sha256=');
      break;
    case 'stripe':
      verifyStripe(delivery);
      break;
    case 'slack':
      verifySlack(delivery);
      break;
    case 'hmac':
      verifyPlain(delivery, scheme.header, scheme.algorithm, scheme.encoding, scheme.prefix);
      break;
  }
}

/** A header of Standard Webhooks, under its name or under the one that Svix used before. */
export function standardHeader(headers: Headers, name: 'id' | 'timestamp' | 'signature'): string | null {
  return headers.get(`webhook-${name}`) ?? headers.get(`svix-${name}`);
}

function verifyStandard({ headers, body, secrets, ...times }: Delivery): void {
  const id = standardHeader(headers, 'id');
  const timestamp = standardHeader(headers, 'timestamp');
  const signatures = standardHeader(headers, 'signature');
  if (id === null || timestamp === null || signatures === null)
    throw refused('the headers webhook-id, webhook-timestamp and webhook-signature belong to it');
  checkTime(timestamp, times);
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const isGood = signatures.split(' ').some((entry) => {
    const comma = entry.indexOf(',');
    const version = entry.slice(0, comma);
    const given = Buffer.from(entry.slice(comma + 1), 'base64');
    if (version === 'v1') return secrets.some((secret) => isStandardHmac(secret, signed, given));
    if (version === 'v1a') return secrets.some((secret) => isStandardKey(secret, signed, given));
    return false;
  });
  if (!isGood) throw refused('no signature in webhook-signature is by a key of this trigger');
}

function isStandardHmac(secret: string, signed: Buffer, given: Buffer): boolean {
  if (secret.startsWith('whpk_')) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return isSame(createHmac('sha256', key).update(signed).digest(), given);
}

/** DER of an Ed25519 public key, up to its 32 bytes (RFC 8410). */
const ED25519_DER = Buffer.from('302a300506032b6570032100', 'hex');

function isStandardKey(secret: string, signed: Buffer, given: Buffer): boolean {
  if (!secret.startsWith('whpk_')) return false;
  const raw = Buffer.from(secret.slice(5), 'base64');
  if (raw.length !== 32 || given.length !== 64) return false;
  const key = createPublicKey({ key: Buffer.concat([ED25519_DER, raw]), format: 'der', type: 'spki' });
  return verify(null, signed, key, given);
}

function verifyStripe({ headers, body, secrets, ...times }: Delivery): void {
  const parts = (headers.get('stripe-signature') ?? '').split(',').map((part) => part.trim().split('='));
  const timestamp = parts.find(([name]) => name === 't')?.[1];
  if (timestamp === undefined) throw refused('the header stripe-signature names no time');
  checkTime(timestamp, times);
  const signed = Buffer.concat([Buffer.from(`${timestamp}.`), body]);
  const given = parts.filter(([name]) => name === 'v1').map(([, value = '']) => Buffer.from(value, 'hex'));
  const isGood = secrets.some((secret) => {
    const own = createHmac('sha256', secret).update(signed).digest();
    return given.some((each) => isSame(own, each));
  });
  if (!isGood) throw refused('no signature in stripe-signature is by a key of this trigger');
}

function verifySlack({ headers, body, secrets, ...times }: Delivery): void {
  const timestamp = headers.get('x-slack-request-timestamp');
  if (timestamp === null) throw refused('the header x-slack-request-timestamp is missing');
  checkTime(timestamp, times);
  const signed = Buffer.concat([Buffer.from(`v0:${timestamp}:`), body]);
  const given = signatureOf(headers, 'x-slack-signature', 'hex', 'v0=');
  const isGood = secrets.some((secret) =>
    isSame(createHmac('sha256', secret).update(signed).digest(), given),
  );
  if (!isGood) throw refused('the signature in x-slack-signature is not by a key of this trigger');
}

function verifyPlain(
  { headers, body, secrets }: Delivery,
  header: string,
  algorithm: string,
  encoding: 'hex' | 'base64',
  prefix: string,
): void {
  const given = signatureOf(headers, header, encoding, prefix);
  const isGood = secrets.some((secret) => isSame(createHmac(algorithm, secret).update(body).digest(), given));
  if (!isGood) throw refused(`the signature in ${header} is not by a key of this trigger`);
}

function signatureOf(headers: Headers, header: string, encoding: 'hex' | 'base64', prefix: string): Buffer {
  const value = headers.get(header);
  if (value === null) throw refused(`the header ${header} is missing`);
  if (!value.startsWith(prefix)) throw refused(`the header ${header} does not begin with ${prefix}`);
  return Buffer.from(value.slice(prefix.length), encoding);
}

function isSame(own: Buffer, given: Buffer): boolean {
  return own.length === given.length && timingSafeEqual(own, given);
}

/** `seconds` since the epoch, as the sender wrote it. */
function checkTime(seconds: string, { nowMs, toleranceMs }: Pick<Delivery, 'nowMs' | 'toleranceMs'>): void {
  const sentMs = /^\d{1,12}$/.test(seconds) ? Number(seconds) * 1_000 : Number.NaN;
  if (!(Math.abs(nowMs - sentMs) <= toleranceMs))
    throw refused(`its time is more than ${toleranceMs / 1_000} seconds from now`);
}

function refused(why: string): LambentError {
  return new LambentError('E_SIGNATURE_INVALID', `The webhook is refused: ${why}.`);
}
