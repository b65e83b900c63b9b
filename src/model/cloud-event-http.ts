/**
 * CloudEvents over HTTP, all three ways: binary (attributes in `ce-` headers, data in the body), structured (the whole
 * event in the body) and batch (a list of events).
 *
 * Source: CloudEvents HTTP Protocol Binding 1.0.2.
 */
import { type CloudEvent, eventError, parseCloudEvent } from './cloud-event.ts';

/** The most events in one batch. */
export const BATCH_EVENTS_MAX = 1_000;
/** The largest body: a batch, or one event. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024;

/** Reads the events of a request. `E_EVENT_INVALID`; none is taken when one is wrong. */
export function parseHttpEvents(headers: Headers, body: Buffer): CloudEvent[] {
  const type = headers.get('content-type')?.toLowerCase() ?? '';
  const mediaType = type.split(';')[0]!.trim();
  if (mediaType.startsWith('application/cloudevents')) {
    const batch = mediaType === 'application/cloudevents-batch+json';
    if (!batch && mediaType !== 'application/cloudevents+json' && mediaType !== 'application/cloudevents')
      throw eventError(`the event format ${JSON.stringify(mediaType)} is not known; send JSON`);
    const value = parseJson(body, 'the body');
    if (!batch) return [parseCloudEvent(value)];
    if (!Array.isArray(value)) throw eventError('a batch is a list of events');
    if (value.length > BATCH_EVENTS_MAX) throw eventError(`a batch has at most ${BATCH_EVENTS_MAX} events`);
    return value.map(parseCloudEvent);
  }
  if (headers.has('ce-specversion')) return [parseBinary(headers, body)];
  throw eventError(
    'send the header `content-type: application/cloudevents+json` with the event as body, or its attributes as `ce-…` headers',
  );
}

function parseBinary(headers: Headers, body: Buffer): CloudEvent {
  const fields: Record<string, unknown> = {};
  for (const [header, value] of headers) {
    if (!header.startsWith('ce-')) continue;
    const name = header.slice(3);
    if (name === 'data' || name === 'data_base64' || name === 'datacontenttype')
      throw eventError(`\`${header}\` is no header of an event`);
    fields[name] = decodeHeader(header, value);
  }
  const contentType = headers.get('content-type');
  if (contentType !== null) fields.datacontenttype = contentType;
  if (body.length > 0) Object.assign(fields, dataOf(contentType, body));
  return parseCloudEvent(fields);
}

/** Data as the JSON format holds it: JSON as a value, text as text, anything else in base64. */
export function dataOf(
  contentType: string | null,
  body: Buffer,
): { data: unknown } | { data_base64: string } {
  const mediaType = (contentType ?? '').split(';')[0]!.trim().toLowerCase();
  if (mediaType === 'application/json' || mediaType.endsWith('+json'))
    return { data: parseJson(body, 'the data') };
  const isText =
    mediaType.startsWith('text/') ||
    mediaType.endsWith('+xml') ||
    mediaType === 'application/xml' ||
    mediaType === 'application/x-www-form-urlencoded';
  if (!isText) return { data_base64: body.toString('base64') };
  return { data: decodeUtf8(body, 'the data') };
}

/** Quoted text is unquoted, then `%XX` stands for bytes of UTF-8, once. */
export function decodeHeader(header: string, value: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value);
  const plain = quoted === null ? value : quoted[1]!.replaceAll(/\\(.)/g, '$1');
  try {
    return decodeURIComponent(plain);
  } catch {
    throw eventError(`the header \`${header}\` holds a % that begins no byte of UTF-8`);
  }
}

function decodeUtf8(body: Buffer, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw eventError(`${what} is not UTF-8 text`);
  }
}

function parseJson(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(decodeUtf8(body, what));
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw eventError(`${what} is not JSON: ${thrown.message}`);
    throw thrown;
  }
}
