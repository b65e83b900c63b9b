import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { parseResponseHead, parseTrailers, ResponseHeads } from './response-head.ts';

describe('response head', () => {
  it('keeps what a function may say', () => {
    const head = parseResponseHead(
      'Content-Type: text/plain\r\ncontent-length:  12 \r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-empty: \r\nx: \xe9\r\n',
      false,
    );
    assert.deepEqual(head, {
      block:
        'Content-Type: text/plain\r\ncontent-length: 12\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-empty: \r\nx: \xe9\r\n',
      contentLength: 12,
      announcesTrailers: false,
    });
    assert.deepEqual(parseResponseHead('', false), {
      block: '',
      contentLength: -1,
      announcesTrailers: false,
    });
    assert.equal(parseResponseHead('Trailer: x-sum\r\n', false).announcesTrailers, true);
  });

  it('drops what belongs to the connection or the platform', () => {
    const head = parseResponseHead(
      'connection: close\r\ntransfer-encoding: chunked\r\nkeep-alive: x\r\nupgrade: h2c\r\ndate: x\r\nx-request-id: y\r\na: b\r\n',
      false,
    );
    assert.deepEqual(head, { block: 'a: b\r\n', contentLength: -1, announcesTrailers: false });
    assert.equal(parseResponseHead('upgrade: websocket\r\n', true).block, 'upgrade: websocket\r\n');
  });

  for (const [what, block] of Object.entries({
    'a line break in a value': 'a: b\nset-cookie: c\r\n',
    'a carriage return in a value': 'a: b\rc\r\n',
    'a zero byte': 'a: b\x00\r\n',
    'a line without a colon': 'abc\r\n',
    'an empty line, which would end the head': 'a: b\r\n\r\nHTTP/1.1 200 OK\r\n',
    'a space in a name': 'a b: c\r\n',
    'an unfinished line': 'a: b',
    'a length that is no number': 'content-length: 1x\r\n',
    'a negative length': 'content-length: -1\r\n',
    'two lengths': 'content-length: 1\r\ncontent-length: 2\r\n',
    'too many headers': 'a: b\r\n'.repeat(300),
    'too many bytes': `a: ${'b'.repeat(70_000)}\r\n`,
  })) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parseResponseHead(block, false),
        (error) => error instanceof LambentError && error.code === 'E_FUNCTION_RESPONSE_INVALID',
      );
    });
  }

  it('checks trailers in the same way, and leaves out what may not follow a body', () => {
    const parse = (block: string): string => parseTrailers(Buffer.from(block, 'latin1'));
    assert.equal(parse('X-Sum:  4\r\nset-cookie: a\r\nx: \xe9\r\n'), 'X-Sum: 4\r\nx: \xe9\r\n');
    for (const block of [
      'a: b\nc: d\r\n',
      'a: b\r\n\r\nGET / HTTP/1.1\r\n',
      'a',
      `a: ${'b'.repeat(17_000)}\r\n`,
    ])
      assert.throws(
        () => parse(block),
        (error) => error instanceof LambentError && error.code === 'E_FUNCTION_RESPONSE_INVALID',
      );
  });

  it('remembers checked blocks, and not without bound', () => {
    const heads = new ResponseHeads();
    const parse = (block: string) => {
      const payload = Buffer.from(`before${block}after`);
      return heads.parse(payload, 6, payload.length - 5);
    };
    const first = parse('a: b\r\n');
    assert.equal(parse('a: b\r\n'), first);
    assert.notEqual(parse('a: c\r\n'), first);
    assert.equal(parse('a: b\r\n'), first);
    for (let index = 0; index < 1_000; index++) parse(`a: ${index}\r\n`);
    assert.notEqual(parse('a: b\r\n'), first);
    assert.throws(() => parse('bad\r\n'));
    assert.throws(() => parse('bad\r\n'));
  });
});
