import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { CLOUD_EVENT_BYTES_MAX, type CloudEvent, encodeCloudEvent, parseCloudEvent } from './cloud-event.ts';
import { BATCH_EVENTS_MAX, decodeHeader, parseHttpEvents } from './cloud-event-http.ts';

const BASE = { specversion: '1.0', id: '1', source: '/shop', type: 'order.placed' };

function isRefused(act: () => unknown, reason: RegExp, code = 'E_EVENT_INVALID'): void {
  assert.throws(act, (thrown: unknown) => {
    assert.ok(thrown instanceof LambentError && thrown.code === code, String(thrown));
    assert.match(thrown.message, reason);
    return true;
  });
}

describe('a CloudEvent', () => {
  it('keeps its attributes, extensions and data, and drops what is null', () => {
    const event = {
      ...{
        ...BASE,
        subject: 'order/7',
        time: '2026-01-01T00:00:00.5+02:00',
        datacontenttype: 'application/json',
      },
      ...{
        dataschema: 'https://example.com/s',
        traceparent: 'x',
        retries: 3,
        urgent: true,
        data: { a: [null, 'ü'] },
      },
    };
    assert.deepEqual(parseCloudEvent({ ...event, gone: null }), event);
    assert.deepEqual(JSON.parse(encodeCloudEvent(parseCloudEvent(event)).toString()), event);
    assert.equal(parseCloudEvent({ ...BASE, data_base64: 'AAE=' }).data_base64, 'AAE=');
    assert.equal(parseCloudEvent({ ...BASE, data: null }).data, null);
  });

  for (const [what, given, reason] of [
    ['no object', [BASE], /JSON object/],
    ['another version', { ...BASE, specversion: '0.3' }, /specversion/],
    ['no id', { ...BASE, id: undefined }, /`id` is missing/],
    ['an empty id', { ...BASE, id: '' }, /not empty/],
    ['a number as id', { ...BASE, id: 7 }, /must be a text/],
    ['a source with spaces', { ...BASE, source: 'a b' }, /URI reference/],
    ['a day as time', { ...BASE, time: '2026-01-01' }, /RFC 3339/],
    ['a time that is none', { ...BASE, time: '2026-13-01T00:00:00Z' }, /RFC 3339/],
    ['a relative schema', { ...BASE, dataschema: 's' }, /absolute URI/],
    ['no media type', { ...BASE, datacontenttype: 'json' }, /media type/],
    ['an upper-case attribute', { ...BASE, Big: 'x' }, /lower-case/],
    ['an object as attribute', { ...BASE, ext: {} }, /must be a text/],
    ['a fraction as attribute', { ...BASE, ext: 1.5 }, /whole number/],
    ['a control character', { ...BASE, subject: 'a\u0000b' }, /not allowed/],
    ['half a character', { ...BASE, subject: '\ud800' }, /not allowed/],
    ['two kinds of data', { ...BASE, data: 1, data_base64: 'AAE=' }, /both/],
    ['bad base64', { ...BASE, data_base64: '=' }, /base64/],
    ['a long attribute', { ...BASE, subject: 'x'.repeat(5_000) }, /characters/],
  ] as const)
    it(`is refused with ${what}`, () => isRefused(() => parseCloudEvent(given), reason));

  it('has a largest size', () => {
    const event = { ...BASE, data: 'x'.repeat(CLOUD_EVENT_BYTES_MAX) } as unknown as CloudEvent;
    isRefused(() => encodeCloudEvent(event), /at most/, 'E_PAYLOAD_TOO_LARGE');
  });
});

function read(headers: Record<string, string>, body: string | Buffer): CloudEvent[] {
  return parseHttpEvents(new Headers(headers), Buffer.from(body));
}

const CE = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/shop', 'ce-type': 'order' };

describe('CloudEvents over HTTP', () => {
  it('are read in binary mode, with data by its type', () => {
    const json = {
      ...CE,
      'ce-subject': 'Euro%20%E2%82%AC%20%F0%9F%98%80',
      'content-type': 'application/json',
    };
    assert.deepEqual(read(json, '{"a":1}'), [
      {
        ...{ specversion: '1.0', id: '1', source: '/shop', type: 'order', subject: 'Euro € 😀' },
        ...{ datacontenttype: 'application/json', data: { a: 1 } },
      },
    ]);
    assert.equal(read({ ...CE, 'content-type': 'text/plain; charset=utf-8' }, 'grüße')[0]!.data, 'grüße');
    assert.equal(read({ ...CE, 'content-type': 'image/png' }, Buffer.from([0, 255]))[0]!.data_base64, 'AP8=');
    assert.equal('data' in read(CE, '')[0]!, false);
  });

  it('have header values unquoted and decoded once', () => {
    assert.equal(decodeHeader('ce-x', '"a \\"b\\" \\\\ c"'), 'a "b" \\ c');
    assert.equal(decodeHeader('ce-x', '%2525'), '%25');
    isRefused(() => decodeHeader('ce-x', '%E2%28'), /no byte of UTF-8|%/);
    isRefused(() => read({ ...CE, 'ce-subject': '100%' }, ''), /ce-subject/);
    isRefused(() => read({ ...CE, 'ce-datacontenttype': 'x' }, ''), /no header of an event/);
  });

  it('are read in structured mode and in batches', () => {
    const structured = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
    assert.deepEqual(read(structured, JSON.stringify(BASE)), [BASE]);
    const batch = { 'content-type': 'application/cloudevents-batch+json' };
    assert.equal(read(batch, JSON.stringify([BASE, BASE])).length, 2);
    assert.deepEqual(read(batch, '[]'), []);
    isRefused(() => read(batch, '{}'), /a list/);
    isRefused(() => read(batch, JSON.stringify(Array(BATCH_EVENTS_MAX + 1).fill(BASE))), /at most/);
    isRefused(() => read(structured, '{'), /not JSON/);
    isRefused(() => read(structured, Buffer.from([0xff])), /UTF-8/);
    isRefused(() => read({ 'content-type': 'application/cloudevents+xml' }, '<a/>'), /not known/);
    isRefused(() => read({ 'content-type': 'application/json' }, '{}'), /send the header/);
  });
});
