import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAYLOAD_BYTES_MAX } from '../ports/call-details.ts';
import { redactPayload } from './redact-payload.ts';

const same = (text: string): string => text;
const bodyOf = (text: string) => {
  const bytes = Buffer.from(text);
  return redactPayload({ body: [bytes], bytes: bytes.length }, same);
};

describe('a payload in the history', () => {
  it('has no credentials in its headers, nor in its query', () => {
    const { head, headers, redacted } = redactPayload(
      {
        head: 'GET /x?page=2&access_token=abc&q=1&sig=zzz',
        headerLines: 'Authorization: Bearer abc\r\ncookie: a=b\nx-api-key: k\naccept: */*\nx-csrf-token: t',
        ...{ body: [], bytes: 0 },
      },
      same,
    );
    assert.equal(head, 'GET /x?page=2&access_token=[redacted]&q=1&sig=[redacted]');
    assert.deepEqual(headers, [
      ['authorization', '[redacted]'],
      ['cookie', '[redacted]'],
      ['x-api-key', '[redacted]'],
      ['accept', '*/*'],
      ['x-csrf-token', '[redacted]'],
    ]);
    assert.equal(redacted, true);
  });

  it('has no passwords in its members, and stays JSON', () => {
    const { body, redacted } = bodyOf(
      '{"user":"ada","password":"a\\"b","deep":{"apiKey" : 12,"tokens":["x","y"]},"key":"stays"}',
    );
    assert.deepEqual(JSON.parse(body), {
      user: 'ada',
      password: '[redacted]',
      deep: { apiKey: '[redacted]', tokens: '[redacted]' },
      key: 'stays',
    });
    assert.equal(redacted, true);
    assert.equal(bodyOf('{"a":1}').redacted, false);
    assert.equal(bodyOf('user=ada&password=hunter2&x=1').body, 'user=ada&password=[redacted]&x=1');
  });

  it('has no password whose end was cut off', () => {
    const text = `{"a":"${'x'.repeat(PAYLOAD_BYTES_MAX - 30)}","password":"${'p'.repeat(100)}"}`;
    const { body, cut, bytes } = bodyOf(text);
    assert.ok(cut && bytes === text.length && !body.includes('pppp'));
  });

  it('has no values of secrets', () => {
    const { body } = redactPayload({ body: [Buffer.from('"it is opensesame"')], bytes: 18 }, (text) =>
      text.replaceAll('opensesame', '[secret DOOR]'),
    );
    assert.equal(body, '"it is [secret DOOR]"');
  });

  it('is text where it is text, cut between characters, and base64 where it is not', () => {
    const long = bodyOf('ü'.repeat(PAYLOAD_BYTES_MAX));
    assert.deepEqual([long.encoding, long.cut, long.body.includes('\ufffd')], ['utf8', true, false]);
    const odd = bodyOf(`a${'ü'.repeat(PAYLOAD_BYTES_MAX)}`);
    assert.equal(odd.body.length, PAYLOAD_BYTES_MAX / 2);
    const binary = redactPayload({ body: [Buffer.of(0xff, 0)], bytes: 2 }, same);
    assert.deepEqual([binary.body, binary.encoding, binary.cut], ['/wA=', 'base64', false]);
  });
});
