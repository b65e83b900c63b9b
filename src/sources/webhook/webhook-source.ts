import { timingSafeEqual } from 'node:crypto';
import { LambentError, toLambentError } from '../../base/errors.ts';
import { readBody } from '../../base/request-body.ts';
import {
  ATTRIBUTE_CHARS_MAX,
  CLOUD_EVENT_BYTES_MAX,
  type CloudEvent,
  parseCloudEvent,
} from '../../model/cloud-event.ts';
import { dataOf } from '../../model/cloud-event-http.ts';
import type { TriggerId, WebhookScheme, WebhookSource as WebhookSettings } from '../../model/trigger.ts';
import type { SourceContext, SourceFactory } from '../../ports/source.ts';
import { standardHeader, verifySignature } from './verify-signature.ts';

/*
 * Webhooks: each trigger has a URL, `/_lambent/hooks/APP/TRIGGER`, that takes what its sender signed.
 *
 * Guarantees: nothing is believed before its signature is checked on the bytes that came; 202 is answered only when
 * the event is stored, so that a sender who hears anything else may send again; the sender's own id is the event's, so
 * that a second delivery of it is the same event.
 * Deliberately absent: rate limits by sender (put them in front), and any answer from the function to the sender: it
 * runs later. A function with a route answers itself.
 */

export const HOOKS_PREFIX = '/_lambent/hooks/';
/** The longest challenge that is answered, in characters. */
const CHALLENGE_CHARS_MAX = 1_024;

export interface WebhookSources {
  readonly factory: SourceFactory;
  /** Answers a request under HOOKS_PREFIX. Never rejects. */
  fetch(request: Request): Promise<Response>;
}

export function createWebhookSources(): WebhookSources {
  const open = new Map<TriggerId, SourceContext>();
  return {
    factory: {
      kind: 'webhook',
      open(context) {
        open.set(context.id, context);
        return {
          status: () => ({ nextMs: undefined, trouble: undefined }),
          async close() {
            if (open.get(context.id) === context) open.delete(context.id);
          },
        };
      },
    },
    async fetch(request) {
      // Names of apps and triggers need no escapes.
      const context = open.get(new URL(request.url).pathname.slice(HOOKS_PREFIX.length) as TriggerId);
      try {
        if (context === undefined)
          throw new LambentError('E_NOT_FOUND', 'There is no webhook at this address.');
        return await receive(context, request);
      } catch (thrown) {
        return refusal(toLambentError(thrown), context);
      }
    },
  };
}

async function receive(context: SourceContext, request: Request): Promise<Response> {
  const settings = context.trigger.source as WebhookSettings;
  const secrets = await secretsOf(context, settings);
  if (request.method === 'GET') return answerSubscription(new URL(request.url), secrets);
  if (request.method !== 'POST')
    throw new LambentError('E_METHOD_NOT_ALLOWED', `A webhook is sent with POST, not ${request.method}.`);
  const body = await readBody(request, CLOUD_EVENT_BYTES_MAX);
  const { headers } = request;
  const { toleranceMs, verify } = settings;
  verifySignature(verify, { headers, body, nowMs: context.clock.nowMs(), toleranceMs, secrets });
  const content = body.length === 0 ? {} : dataOf(headers.get('content-type'), body);
  const data = 'data' in content ? content.data : undefined;
  const challenge = verify.kind === 'slack' ? challengeOf(data) : undefined;
  if (challenge !== undefined) return new Response(challenge, { headers: { 'content-type': 'text/plain' } });
  // GitHub's first call only says that the hook exists.
  if (verify.kind === 'github' && headers.get('x-github-event') === 'ping')
    return Response.json({ pong: true });
  const event = toEvent(context, verify, headers, content);
  const [published] = await context.publish([event], undefined);
  return Response.json({ id: event.id, stored: published!.stored }, { status: 202 });
}

async function secretsOf({ id, secret }: SourceContext, { secrets }: WebhookSettings): Promise<string[]> {
  const found = (await Promise.all(secrets.map(secret))).filter(
    (value) => value !== undefined && value !== '',
  );
  if (secrets.length > 0 && found.length === 0)
    throw new LambentError('E_SECRET_MISSING', `The trigger ${id} has no value for ${secrets.join(', ')}.`);
  return found as string[];
}

/** The handshake of WebSub and of Meta's webhooks: the challenge goes back to who knows one of the keys. */
function answerSubscription({ searchParams }: URL, secrets: readonly string[]): Response {
  const challenge = searchParams.get('hub.challenge');
  const token = Buffer.from(searchParams.get('hub.verify_token') ?? '');
  const isKnown = secrets.some((secret) => {
    const own = Buffer.from(secret);
    return own.length === token.length && timingSafeEqual(own, token);
  });
  if (challenge === null || challenge.length > CHALLENGE_CHARS_MAX || !isKnown)
    throw new LambentError(
      'E_SIGNATURE_INVALID',
      'The subscription is refused: its hub.verify_token is not known here.',
    );
  return new Response(challenge, { headers: { 'content-type': 'text/plain' } });
}

function challengeOf(data: unknown): string | undefined {
  const { type, challenge } = (data ?? {}) as { type?: unknown; challenge?: unknown };
  return type === 'url_verification' &&
    typeof challenge === 'string' &&
    challenge.length <= CHALLENGE_CHARS_MAX
    ? challenge
    : undefined;
}

function toEvent(
  { id, clock, random }: SourceContext,
  scheme: WebhookScheme,
  headers: Headers,
  content: { data?: unknown; data_base64?: string },
): CloudEvent {
  const { name, eventId } = identify(scheme, headers, content.data);
  const contentType = headers.get('content-type');
  const further = furtherHeaders(scheme, headers);
  return parseCloudEvent({
    specversion: '1.0',
    // Without an id of the sender's, two deliveries cannot be told from two events.
    id: eventId ?? Buffer.from(random.bytes(16)).toString('hex'),
    source: `/lambent/webhooks/${id}`,
    type: name,
    time: new Date(clock.nowMs()).toISOString(),
    ...(contentType === null ? {} : { datacontenttype: contentType }),
    ...(further === undefined ? {} : { webhookheaders: further }),
    ...content,
  });
}

/** The event's type and the sender's id for it. */
function identify(
  scheme: WebhookScheme,
  headers: Headers,
  data: unknown,
): { name: string; eventId: string | undefined } {
  const fields = (typeof data === 'object' && data !== null ? data : {}) as Readonly<Record<string, unknown>>;
  switch (scheme.kind) {
    case 'standard':
      return { name: textOf(fields.type) ?? 'webhook', eventId: standardHeader(headers, 'id') ?? undefined };
    case 'github': {
      const action = textOf(fields.action);
      const event = headers.get('x-github-event') ?? 'event';
      const name = action === undefined ? `github.${event}` : `github.${event}.${action}`;
      return { name, eventId: headers.get('x-github-delivery') ?? undefined };
    }
    case 'stripe':
      return { name: `stripe.${textOf(fields.type) ?? 'event'}`, eventId: textOf(fields.id) };
    case 'slack': {
      const inner = (fields.event ?? {}) as { type?: unknown };
      return {
        name: `slack.${textOf(inner.type) ?? textOf(fields.type) ?? 'request'}`,
        eventId: textOf(fields.event_id),
      };
    }
    case 'hmac': {
      const eventId = scheme.idHeader === undefined ? undefined : (headers.get(scheme.idHeader) ?? undefined);
      return { name: 'webhook', eventId };
    }
    case 'none':
      return { name: 'webhook', eventId: undefined };
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, 256) : undefined;
}

/** Senders without a scheme of their own say much in `x-…` headers: those go along, but not the signature. */
function furtherHeaders(scheme: WebhookScheme, headers: Headers): string | undefined {
  if (scheme.kind !== 'hmac' && scheme.kind !== 'none') return undefined;
  const signature = scheme.kind === 'hmac' ? scheme.header : '';
  const kept = [...headers].filter(([name]) => name.startsWith('x-') && name !== signature);
  const text = JSON.stringify(Object.fromEntries(kept));
  return kept.length === 0 || text.length > ATTRIBUTE_CHARS_MAX ? undefined : text;
}

function refusal(error: LambentError, context: SourceContext | undefined): Response {
  // A sender is a stranger: what is wrong here is for the log.
  const isOurs = error.facts.fault !== 'caller';
  if (isOurs)
    context?.log.error('a webhook could not be taken', { trigger: context.id, error: error.message });
  const { code, message, retryable } = error.toRecord();
  const shown = isOurs ? 'The webhook could not be taken.' : message;
  const headers = new Headers();
  if (error.retryAfterS !== undefined) headers.set('retry-after', String(error.retryAfterS));
  return Response.json(
    { error: { code, message: shown, retryable } },
    { status: error.facts.status, headers },
  );
}
