/**
 * An event: a CloudEvents 1.0 envelope in the form of its JSON format. Every source makes them, the log stores them
 * as they are written here, and functions receive them so.
 *
 * Source of the rules: CloudEvents 1.0.2, "Context Attributes" and "Type System"; JSON Event Format 1.0.2.
 */
import { LambentError } from '../base/errors.ts';

export interface CloudEvent {
  readonly specversion: '1.0';
  /** Unique within `source`: the two together are the event's identity, and a second one with both is a repetition. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  /** RFC 3339. */
  readonly time?: string;
  readonly datacontenttype?: string;
  readonly dataschema?: string;
  /** Any JSON value. */
  readonly data?: unknown;
  /** Data that is neither JSON nor text. */
  readonly data_base64?: string;
  /** Extension attributes: lower-case names, and text, whole numbers or booleans. */
  readonly [extension: string]: unknown;
}

/** The largest event as JSON text, in bytes. */
export const CLOUD_EVENT_BYTES_MAX = 1024 * 1024;
/** The longest attribute, in characters. */
export const ATTRIBUTE_CHARS_MAX = 4_096;
/** The most extension attributes of one event. */
export const EXTENSIONS_MAX = 64;

const ATTRIBUTE_NAME = /^[a-z0-9]{1,64}$/;
// Control characters, lone surrogates and non-characters, as the type system lists them.
const NOT_ALLOWED = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;
const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
const URI_REFERENCE = /^[!#$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~\u00a0-\u{10ffff}]+$/u;
const MEDIA_TYPE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*(?:;.*)?$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const CHECKS: Readonly<Record<string, (value: string) => string | undefined>> = {
  id: () => undefined,
  type: () => undefined,
  subject: () => undefined,
  source: (value) => (URI_REFERENCE.test(value) ? undefined : 'a URI reference'),
  time: (value) =>
    RFC3339.test(value) && !Number.isNaN(Date.parse(value))
      ? undefined
      : 'a time such as 2026-01-31T12:00:00Z (RFC 3339)',
  datacontenttype: (value) => (MEDIA_TYPE.test(value) ? undefined : 'a media type such as application/json'),
  dataschema: (value) => (URL.canParse(value) ? undefined : 'an absolute URI'),
};

/** Attributes in the order in which they are written. */
const STANDARD = ['id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema'] as const;
const REQUIRED: ReadonlySet<string> = new Set(['id', 'source', 'type']);

/** Reads an event in the JSON format. `E_EVENT_INVALID`. */
export function parseCloudEvent(given: unknown): CloudEvent {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw eventError('an event is a JSON object');
  const fields = given as Readonly<Record<string, unknown>>;
  if (fields.specversion !== '1.0') throw eventError('`specversion` must be "1.0"');
  const event: Record<string, unknown> = { specversion: '1.0' };
  for (const name of STANDARD) {
    const value = fields[name];
    if (value !== undefined && value !== null) event[name] = parseStandard(name, value);
    else if (REQUIRED.has(name)) throw eventError(`\`${name}\` is missing`);
  }
  let extensions = 0;
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'specversion' || name === 'data' || name === 'data_base64' || name in CHECKS) continue;
    if (value === null) continue;
    event[name] = parseExtension(name, value);
    extensions += 1;
  }
  if (extensions > EXTENSIONS_MAX)
    throw eventError(`it has more than ${EXTENSIONS_MAX} extension attributes`);
  if (fields.data_base64 !== undefined) {
    if (fields.data !== undefined) throw eventError('it has both `data` and `data_base64`');
    if (typeof fields.data_base64 !== 'string' || !BASE64.test(fields.data_base64))
      throw eventError('`data_base64` must be base64 text');
    event.data_base64 = fields.data_base64;
  } else if (fields.data !== undefined) event.data = fields.data;
  return event as unknown as CloudEvent;
}

/** The bytes that are stored and delivered. `E_PAYLOAD_TOO_LARGE`. */
export function encodeCloudEvent(event: CloudEvent): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(JSON.stringify(event));
  if (bytes.length > CLOUD_EVENT_BYTES_MAX)
    throw new LambentError(
      'E_PAYLOAD_TOO_LARGE',
      `The event ${event.id.slice(0, 100)} has ${bytes.length} bytes; at most ${CLOUD_EVENT_BYTES_MAX} are allowed.`,
    );
  return bytes;
}

export function eventError(message: string): LambentError {
  return new LambentError('E_EVENT_INVALID', `The event is not valid: ${message}.`);
}

function parseStandard(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '')
    throw eventError(`\`${name}\` must be a text that is not empty`);
  checkText(name, value);
  const expected = CHECKS[name]!(value);
  if (expected !== undefined) throw eventError(`\`${name}\` must be ${expected}`);
  return value;
}

function parseExtension(name: string, value: unknown): string | number | boolean {
  if (!ATTRIBUTE_NAME.test(name))
    throw eventError(
      `the attribute ${JSON.stringify(name.slice(0, 80))} must be named by lower-case letters and digits`,
    );
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 0x7fff_ffff) return value;
  if (typeof value !== 'string')
    throw eventError(`\`${name}\` must be a text, a whole number of 32 bits, or true or false`);
  checkText(name, value);
  return value;
}

function checkText(name: string, value: string): void {
  if (value.length > ATTRIBUTE_CHARS_MAX)
    throw eventError(`\`${name}\` has more than ${ATTRIBUTE_CHARS_MAX} characters`);
  if (NOT_ALLOWED.test(value)) throw eventError(`\`${name}\` holds a character that is not allowed`);
}
