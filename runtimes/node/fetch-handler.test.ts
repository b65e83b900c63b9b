import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BODY_CHUNK_BYTES, CANCEL_REASON, FRAME, WINDOW_BYTES } from '../../src/model/frames.ts';
import { TestInstance } from '../conformance/test-instance.ts';

describe('a fetch handler', () => {
  let instance: TestInstance;
  before(async () => {
    instance = await TestInstance.start('fetch.mjs', { env: { GREETING: 'hello' } });
  });
  after(() => instance[Symbol.asyncDispose]());

  it('says that it is one', () => {
    assert.deepEqual(instance.ready, { protocol: 1, handlerKind: 'fetch' });
  });

  it('answers text in one frame, with type and length in bytes', async () => {
    const answer = await instance.request({ target: '/text' });
    assert.equal(answer.text, 'Grüße');
    assert.deepEqual(answer.kinds, [FRAME.HTTP_RESPONSE]);
    assert.equal(answer.block, 'content-type: text/plain;charset=UTF-8\r\ncontent-length: 7\r\n');
  });

  it('reads a JSON body that comes in pieces', async () => {
    const exchange = instance.open({ method: 'POST', target: '/json?x=1', body: '{"a":', complete: false });
    exchange.send('[1,', false);
    exchange.send('2]}', true);
    await exchange.end();
    assert.deepEqual(JSON.parse(exchange.text), {
      method: 'POST',
      url: 'http://example.test/json?x=1',
      body: { a: [1, 2] },
    });
  });

  it('passes headers both ways, with several cookies', async () => {
    const answer = await instance.request({ target: '/headers', headers: { 'x-in': 'seen' } });
    assert.equal(answer.block, 'x-seen: seen\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n');
  });

  it('sends a large body in chunks', async () => {
    const answer = await instance.request({ target: '/bytes' });
    assert.equal(answer.bytes.length, 300_000);
    assert.ok(answer.bytes.every((byte) => byte === 7));
    assert.ok(answer.chunks.every((chunk) => chunk.length <= BODY_CHUNK_BYTES));
    assert.equal(answer.headers.get('content-length'), '300000');
  });

  it('gives no body for HEAD and for 204', async () => {
    const head = await instance.request({ method: 'HEAD', target: '/text' });
    assert.deepEqual([head.status, head.text, head.headers.get('content-length')], [200, '', '7']);
    const empty = await instance.request({ target: '/empty' });
    assert.deepEqual([empty.status, empty.text, empty.block], [204, '', '']);
  });

  it('keeps instanceof and tags true', async () => {
    const answer = await instance.request({ target: '/instance' });
    assert.deepEqual(JSON.parse(answer.text), {
      request: true,
      response: true,
      headers: true,
      tag: '[object Request]',
    });
  });

  it('gets the environment and a context', async () => {
    assert.deepEqual(JSON.parse((await instance.request({ target: '/env' })).text), {
      env: 'hello',
      waitUntil: 'function',
    });
  });

  it('acknowledges an upload as it is read', async () => {
    const exchange = instance.open({
      method: 'POST',
      target: '/upload',
      body: Buffer.alloc(1),
      complete: false,
    });
    for (let sent = 0; sent < 4; sent += 1) exchange.send(Buffer.alloc(BODY_CHUNK_BYTES), false);
    await exchange.until(() => exchange.creditGot >= WINDOW_BYTES / 2);
    exchange.send('', true);
    assert.equal((await exchange.end()).text, String(1 + 4 * BODY_CHUNK_BYTES));
  });

  it('does not acknowledge what the handler has not read', async () => {
    const exchange = instance.open({ method: 'POST', target: '/slow-upload', complete: false });
    exchange.send(Buffer.alloc(BODY_CHUNK_BYTES), false);
    await instance.request({ target: '/text' });
    assert.equal(exchange.creditGot, 0);
    exchange.send('', true);
    assert.equal((await exchange.end()).text, String(BODY_CHUNK_BYTES));
  });

  it('streams a request body through as the answer', async () => {
    const exchange = instance.open({
      method: 'POST',
      target: '/echo',
      headers: { 'content-type': 'text/x' },
      complete: false,
    });
    exchange.send('one', false);
    await exchange.until(() => exchange.text === 'one');
    exchange.send('two', true);
    await exchange.end();
    assert.equal(exchange.text, 'onetwo');
    assert.equal(exchange.headers.get('content-type'), 'text/x');
  });

  it('stops a stream at the window until the reader goes on, and for good when it is cancelled', async () => {
    const exchange = instance.open({ target: '/endless', autoCredit: false });
    await exchange.until(() => exchange.bytes.length === exchange.firstWindowBytes);
    const before = Number((await instance.request({ target: '/pulled' })).text);
    assert.ok(before <= WINDOW_BYTES / 16_384 + 3, `${before} pulls`);
    exchange.credit(16_384 * 4);
    await exchange.until(() => exchange.bytes.length === exchange.firstWindowBytes + 16_384 * 4);
    exchange.cancel(CANCEL_REASON.callerGone);
    await exchange.end();
    const stopped = (await instance.request({ target: '/pulled' })).text;
    assert.equal((await instance.request({ target: '/pulled' })).text, stopped);
  });

  it('sends each server-sent event at once', async () => {
    const exchange = instance.open({ target: '/sse' });
    await exchange.until(() => exchange.chunks.length === 1);
    assert.equal(exchange.text, 'data: one\n\n');
    assert.equal((await exchange.end()).text, 'data: one\n\ndata: two\n\n');
    assert.equal(instance.logText(exchange.stream), 'between');
  });

  it('breaks an answer off when its stream fails', async () => {
    const answer = await instance.request({ target: '/break' });
    assert.equal(answer.text, 'begin');
    assert.equal(answer.failure?.errorMessage, 'the source dried up');
  });

  it('fails with the error, its place and its source line', async () => {
    const answer = await instance.request({ target: '/throw' });
    assert.equal(answer.failure?.code, 'E_FUNCTION_ERROR');
    assert.equal(answer.failure?.errorType, 'TypeError');
    assert.match(answer.failure?.stackTrace[0] ?? '', /fetch\.mjs:\d+:\d+/);
    assert.ok(!answer.failure?.stackTrace.some((line) => line.includes('fetch-handler.ts')));
    const log = instance.logs.find((entry) => entry.stream === answer.stream);
    assert.equal(log?.severity, 'error');
    assert.match(
      log?.text ?? '',
      /^fetch\.mjs:\d+\n {4}throw new TypeError\('no such thing'\);\n {10}\^\n\nTypeError: no such thing/,
    );
    assert.equal(instance.retired, false);
  });

  it('names what was returned instead of a Response', async () => {
    const answer = await instance.request({ target: '/nothing' });
    assert.equal(answer.failure?.code, 'E_FUNCTION_RESPONSE_INVALID');
    assert.match(answer.failure?.errorMessage ?? '', /undefined/);
  });

  it('refuses line breaks in headers', async () => {
    const answer = await instance.request({ target: '/bad-header' });
    assert.equal(answer.failure?.errorType, 'TypeError');
  });

  it('aborts the signal when the caller goes away', async () => {
    const exchange = instance.open({ target: '/abort' });
    await instance.until(() => instance.logText(exchange.stream) === 'waiting');
    exchange.cancel(CANCEL_REASON.callerGone);
    await exchange.end();
    assert.equal(exchange.failure, undefined);
    assert.equal(instance.logText(exchange.stream), 'waiting\naborted: AbortError');
  });

  it('clones, redirects, parses forms and makes requests', async () => {
    const clone = await instance.request({ method: 'POST', target: '/clone', body: 'twice' });
    assert.deepEqual([clone.status, clone.text], [201, 'twice|twice']);
    const redirect = await instance.request({ target: '/redirect' });
    assert.deepEqual(
      [redirect.status, redirect.headers.get('location')],
      [303, 'https://example.test/there'],
    );
    const form = await instance.request({
      method: 'POST',
      target: '/form',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'name=Ada+L',
    });
    assert.equal(form.text, 'Ada L');
    const made = JSON.parse((await instance.request({ target: '/new-request' })).text);
    assert.deepEqual(made, {
      url: 'https://example.test/a%20b',
      method: 'POST',
      type: 'application/x-www-form-urlencoded;charset=UTF-8',
      body: 'a=1',
    });
  });

  it('passes on what fetch answered, decoded, and responses of other classes', async () => {
    const proxied = await instance.request({ target: '/proxy' });
    assert.deepEqual(
      [proxied.status, proxied.text, proxied.headers.get('content-encoding')],
      [201, 'proxied', undefined],
    );
    assert.match(proxied.block, /^x-up: 1\r\n/);
    assert.match(proxied.block, /set-cookie: a=1\r\nset-cookie: b=2\r\n$/);
    assert.equal(instance.logText(proxied.stream), 'true true');
    const foreign = await instance.request({ target: '/foreign' });
    assert.deepEqual(
      [foreign.status, foreign.text, foreign.headers.get('x-foreign')],
      [202, 'from another class', '1'],
    );
  });

  it('answers an event call with the JSON of its body', async () => {
    const result = await instance.event({ a: 1 }, { requestId: 'r1' }).end();
    assert.deepEqual(JSON.parse(result.text), { event: { a: 1 }, url: 'http://lambent.internal/', id: 'r1' });
    assert.deepEqual(result.kinds, [FRAME.RESULT]);
  });

  it('finishes background work before it ends', async () => {
    const answer = await instance.request({ target: '/background' });
    assert.equal(answer.text, 'answered');
    instance.drain();
    await instance.until(() => instance.exitCode !== undefined);
    assert.equal(instance.exitCode, 0);
    assert.equal(instance.logText(answer.stream), 'background done');
    assert.ok(instance.peakKb > 10_000);
  });
});
