import { createHash } from 'node:crypto';
import { LambentError } from '../../base/errors.ts';
import { isTooDeep } from '../../base/json-depth.ts';
import { ATTRIBUTE_CHARS_MAX, type CloudEvent, encodeCloudEvent } from '../../model/cloud-event.ts';

/** A message as its broker gives it. */
export interface BrokerMessage {
  /** What names it at the broker for good; `undefined`: nothing does, and two deliveries of it are two events. */
  readonly id: string | undefined;
  /** Where it was sent: the stream, the routing key, the subject, the topic. */
  readonly subject: string;
  readonly timeMs: number | undefined;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** What its sender orders it by, where the broker has that: the attribute `partitionkey` of CloudEvents. */
  readonly key?: string | undefined;
  /** How many events led to it, as its sender says; 0: that is not known. */
  readonly depth: number;
  /** The broker's place of it, which is the trigger's position once the message is stored. */
  readonly place: string | undefined;
}

export interface Envelope {
  /** The broker and what is read there, as a URI without its login. Another broker's message of the same id is another event. */
  readonly source: string;
  readonly nowMs: number;
  /** For a message without an id. */
  readonly freshId: string;
}

/** The header, or property, in which `send` says how many events led to a message. */
export const DEPTH_HEADER = 'lambent-depth';
/** More than any limit of a chain; what a stranger writes there beyond it is no depth. */
const DEPTH_SURELY_MAX = 1_000;

/** Whatever the case of its name. */
export function findHeader(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(headers).find(([each]) => each.toLowerCase() === name)?.[1];
}

export function parseDepth(text: string | undefined): number {
  const depth = text === undefined || !/^\d{1,4}$/.test(text) ? 0 : Number(text);
  return depth > DEPTH_SURELY_MAX ? 0 : depth;
}

export const MESSAGE_EVENT_TYPE = 'lambent.message';
/** As JSON text a byte takes at most six, and the attributes have their own limits: this much always fits. */
const SURELY_FITS_BYTES = 128 * 1024;

const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(?:;.*)?$/;

/**
 * A message as an event. Anything can be in a message, so everything becomes an event: a body that is JSON is data, other
 * text is text, and bytes are `data_base64`. Of one that is too large only the envelope is kept, with `messagebytes`.
 */
export function toEvent(message: BrokerMessage, envelope: Envelope): { event: CloudEvent; isWhole: boolean } {
  const { subject, timeMs, body, key } = message;
  const time = new Date(isDate(timeMs) ? timeMs : envelope.nowMs).toISOString();
  const head = {
    specversion: '1.0',
    id: message.id === undefined ? envelope.freshId : identityOf(message.id),
    source: envelope.source,
    type: MESSAGE_EVENT_TYPE,
    ...(subject === '' ? {} : { subject: attributeOf(subject) }),
    ...(key === undefined ? {} : { partitionkey: identityOf(key) }),
    time,
    ...headersOf(message.headers),
  } as const;
  const event: CloudEvent = { ...head, ...contentOf(message) };
  if (body.byteLength <= SURELY_FITS_BYTES || fits(event)) return { event, isWhole: true };
  return { event: { ...head, messagebytes: body.byteLength }, isWhole: false };
}

function isDate(ms: number | undefined): ms is number {
  return ms !== undefined && ms > 0 && ms < 253_402_300_800_000;
}

function fits(event: CloudEvent): boolean {
  try {
    encodeCloudEvent(event);
    return true;
  } catch (error) {
    if (error instanceof LambentError && error.code === 'E_PAYLOAD_TOO_LARGE') return false;
    throw error;
  }
}

function contentOf({ body, contentType }: BrokerMessage): Partial<CloudEvent> {
  const given = contentType !== undefined && MEDIA_TYPE.test(contentType) && isPlain(contentType);
  const typed = given ? { datacontenttype: contentType } : {};
  if (body.byteLength === 0) return typed;
  const text = textOf(body);
  if (text === undefined) return { ...typed, data_base64: Buffer.from(body).toString('base64') };
  const mediaType = given ? contentType!.split(';')[0]!.trim().toLowerCase() : '';
  // Publishers that say nothing, or only that it is bytes, mostly send JSON.
  const mayBeJson =
    mediaType === '' || mediaType === 'application/octet-stream' || /[/+]json$/.test(mediaType);
  const parsed = mayBeJson ? parse(text) : undefined;
  if (parsed !== undefined)
    return { ...typed, datacontenttype: typed.datacontenttype ?? 'application/json', data: parsed.value };
  return { datacontenttype: 'text/plain', ...(mediaType === '' || mayBeJson ? {} : typed), data: text };
}

/** UTF-8 as text; `undefined` for other bytes. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function parse(text: string): { value: unknown } | undefined {
  if (isTooDeep(text)) return undefined;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** Headers as one attribute of JSON text; those beyond its limit are left out, and `messageheaderscut` says so. */
function headersOf(headers: Readonly<Record<string, string>>): Record<string, string | boolean> {
  const kept: Record<string, string> = {};
  let text = '';
  for (const [name, value] of Object.entries(headers)) {
    const next = JSON.stringify({ ...kept, [name]: value });
    if (next.length > ATTRIBUTE_CHARS_MAX || !isPlain(next))
      return { ...(text === '' ? {} : { messageheaders: text }), messageheaderscut: true };
    kept[name] = value;
    text = next;
  }
  return text === '' ? {} : { messageheaders: text };
}

function isPlain(text: string): boolean {
  return text.length <= ATTRIBUTE_CHARS_MAX && !FORBIDDEN.test(text);
}

/** Text that an attribute may hold; other text with its special characters as percent escapes. */
function attributeOf(text: string): string {
  return isPlain(text) ? text : encodeURIComponent(text.toWellFormed()).slice(0, ATTRIBUTE_CHARS_MAX);
}

/** Never cut: two ids that differ must stay two. */
function identityOf(id: string): string {
  return isPlain(id) && id !== '' ? id : `sha256-${createHash('sha256').update(id).digest('hex')}`;
}
