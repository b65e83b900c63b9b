import { createHmac, createPrivateKey, sign } from 'node:crypto';
import { ConnectionRefused, requestPoliced } from '../aws/policed-http.ts';
import type { Clock } from '../base/clock.ts';
import { EgressPolicy } from '../model/egress-policy.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { Secrets } from '../ports/secrets.ts';
import type { OutgoingWebhook, WebhookOutcome, WebhookSender } from '../ports/webhook-sender.ts';

/*
 * Outgoing webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
 * headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, one signature a key, `v1` by a key `whsec_…` and
 * `v1a` by a private key `whsk_…`. Where an app may connect to is where its functions may; redirects are not followed.
 */

/** How long a receiver may take (the specification says 15 to 30 seconds). */
const ANSWER_MS = 20_000;
/** The longest pause that an answer may ask for. */
const RETRY_AFTER_MS_MAX = 86_400_000;
/** DER of an Ed25519 private key, up to its 32 bytes (RFC 8410). */
const ED25519_DER = Buffer.from('302e020100300506032b657004220420', 'hex');

interface SenderParts {
  readonly liveApps: LiveApps;
  readonly secrets: Secrets;
  readonly clock: Clock;
}

export function createWebhookSender(parts: SenderParts): WebhookSender {
  return {
    async send(webhook) {
      try {
        return await sendOne(parts, webhook);
      } catch (thrown) {
        const message = thrown instanceof ConnectionRefused ? thrown.message : `no answer: ${String(thrown)}`;
        return { kind: 'failed', message, retryAfterMs: undefined };
      }
    },
  };
}

async function sendOne(
  { liveApps, secrets, clock }: SenderParts,
  { app, function: name, url, secrets: names, id, body }: OutgoingWebhook,
): Promise<WebhookOutcome> {
  const config = liveApps.resolve(app, name)?.version.config;
  const keys = names.map((each) => secrets.valueOf(app, each) ?? config?.env[each]);
  const missing = names.find((_each, at) => !keys[at]);
  if (missing !== undefined)
    return { kind: 'failed', message: `the secret ${missing} has no value`, retryAfterMs: undefined };
  const text = Buffer.from(body).toString();
  const timestamp = String(Math.floor(clock.nowMs() / 1_000));
  const signatures = keys.map((key) => signatureOf(key!, `${id}.${timestamp}.${text}`));
  const abort = new AbortController();
  const timer = clock.after(ANSWER_MS, () => abort.abort(new Error(`none within ${ANSWER_MS / 1_000} s`)));
  try {
    const headers = new Headers({
      'content-type': 'application/cloudevents+json',
      'content-length': String(body.byteLength),
      'user-agent': 'lambent',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signatures.join(' '),
    });
    const request = { url: new URL(url), method: 'POST', headers, body: text, signal: abort.signal };
    const response = await requestPoliced(request, new EgressPolicy(config?.network ?? 'none'));
    await response.body?.cancel();
    return outcomeOf(response, clock.nowMs());
  } finally {
    timer.cancel();
  }
}

/** By the key's own prefix; without one it is the base64 of a shared key. */
function signatureOf(key: string, signed: string): string {
  if (!key.startsWith('whsk_')) {
    const shared = Buffer.from(key.replace(/^whsec_/, ''), 'base64');
    return `v1,${createHmac('sha256', shared).update(signed).digest('base64')}`;
  }
  const seed = Buffer.from(key.slice(5), 'base64').subarray(0, 32);
  const own = createPrivateKey({ key: Buffer.concat([ED25519_DER, seed]), format: 'der', type: 'pkcs8' });
  return `v1a,${sign(null, Buffer.from(signed), own).toString('base64')}`;
}

function outcomeOf({ status, headers }: Response, nowMs: number): WebhookOutcome {
  if (status >= 200 && status <= 299) return { kind: 'taken' };
  const message = `the receiver answered ${status}`;
  if (status === 410) return { kind: 'gone', message };
  return { kind: 'failed', message, retryAfterMs: retryAfterMs(headers.get('retry-after'), nowMs) };
}

/** Seconds, or a date (RFC 9110). */
function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(RETRY_AFTER_MS_MAX, Math.max(0, ms));
}
