import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { CANCEL_REASON, FRAME, WINDOW_BYTES } from '../../src/model/frames.ts';
import { FIXTURES, TestInstance } from '../conformance/test-instance.ts';

describe('an Express app that calls listen', () => {
  let instance: TestInstance;
  before(async () => {
    instance = await TestInstance.start('express.cjs');
  });
  after(() => instance[Symbol.asyncDispose]());

  it('opens no port and believes that it listens', async () => {
    assert.deepEqual(instance.ready, { protocol: 1, handlerKind: 'server' });
    await instance.until(() => instance.logText(0) === 'listening: true number IPv6');
  });

  it('answers in one frame, knowing the caller', async () => {
    const answer = await instance.request();
    assert.equal(answer.text, 'Hello 192.0.2.7 http example.test');
    assert.deepEqual(answer.kinds, [FRAME.HTTP_RESPONSE]);
    assert.match(
      answer.block,
      /^x-powered-by: Express\r\nset-cookie: a=1; Path=\/\r\nset-cookie: b=2; Path=\/\r\n/,
    );
    assert.ok(!/^(?:connection|date|transfer-encoding|keep-alive):/m.test(answer.block));
  });

  it('parses a JSON body, with and without content-length', async () => {
    for (const headers of [
      { 'content-type': 'application/json', 'content-length': '7' },
      { 'content-type': 'application/json' },
    ]) {
      const answer = await instance.request({ method: 'POST', target: '/json', headers, body: '{"a":1}' });
      assert.deepEqual([answer.status, answer.text], [201, '{"got":{"a":1}}']);
    }
  });

  it('reads a body that comes in pieces', async () => {
    const exchange = instance.open({ method: 'POST', target: '/raw', complete: false });
    for (let sent = 0; sent < 6; sent += 1) exchange.send(Buffer.alloc(50_000), false);
    exchange.send('end', true);
    assert.equal((await exchange.end()).text, '300003');
  });

  it('leaves errors to Express where it catches them', async () => {
    const answer = await instance.request({ target: '/throw' });
    assert.equal(answer.status, 500);
    assert.match(answer.text, /caught by express/);
    assert.match(instance.logText(answer.stream), /caught by express/);
  });

  it('sends events at once and says close when the caller goes away', async () => {
    const exchange = instance.open({ target: '/sse' });
    await exchange.until(() => exchange.text === 'data: 1\n\ndata: 2\n\n');
    assert.equal(exchange.headers.get('content-type'), 'text/event-stream');
    exchange.cancel(CANCEL_REASON.callerGone);
    await exchange.end();
    await instance.until(
      () => instance.logs.filter((entry) => entry.stream === exchange.stream).length === 2,
    );
    assert.deepEqual(instance.logText(exchange.stream).split('\n').sort(), [
      'req closed',
      'res closed, finished: false',
    ]);
  });

  it('sends a file', async () => {
    const answer = await instance.request({ target: '/file' });
    assert.equal(answer.text, readFileSync(`${FIXTURES}/express.cjs`, 'utf8'));
    assert.equal(answer.headers.get('content-length'), String(answer.bytes.length));
  });

  it('makes a fast writer wait for a slow reader', async () => {
    const exchange = instance.open({ target: '/big', autoCredit: false });
    await exchange.until(() => exchange.bytes.length === exchange.firstWindowBytes);
    assert.equal(exchange.ended, false);
    for (let sent = 0; sent < 8; sent += 1) exchange.credit(WINDOW_BYTES / 2);
    await exchange.end();
    assert.equal(
      exchange.bytes.subarray(0, 64 * 16_384).every((byte) => byte === 1),
      true,
    );
    assert.match(exchange.bytes.subarray(64 * 16_384).toString(), /^\|[1-9]/);
  });

  it('says finish, then close', async () => {
    const answer = await instance.request({ target: '/finish' });
    assert.equal(answer.block, 'x-powered-by: Express\r\nx-y: 1\r\nx-y: 2\r\ncontent-length: 0\r\n');
    await instance.until(() => instance.logText(answer.stream) === 'finish\nclose');
  });

  it('fails when the connection is destroyed', async () => {
    const answer = await instance.request({ target: '/destroy' });
    assert.match(answer.failure?.errorMessage ?? '', /destroyed the connection/);
  });

  it('writes heads in every way', async () => {
    const answer = await instance.request({ target: '/early' });
    assert.deepEqual([...answer.bytes], [0x61, 0xfc]);
    assert.equal(answer.headers.get('x-pair'), 'v');
  });

  it('answers HEAD without a body and unknown paths with 404', async () => {
    const head = await instance.request({ method: 'HEAD' });
    assert.deepEqual([head.status, head.text], [200, '']);
    assert.equal((await instance.request({ target: '/none' })).status, 404);
  });

  it('answers an event call as a POST, with failure from status 400 on', async () => {
    const result = await instance.event({ a: 1 }).end();
    assert.equal(result.failure?.errorType, 'HttpStatusError');
    assert.match(result.failure?.errorMessage ?? '', /status 404/);
  });

  it('ends the request whose timer throws, and asks for retirement', async () => {
    const answer = await instance.request({ target: '/lost' });
    assert.equal(answer.failure?.errorMessage, 'thrown in a timer');
    await instance.until(() => instance.retired);
    assert.deepEqual((await instance.request()).kinds, [FRAME.RETURNED]);
  });
});

describe('other servers', () => {
  it('serves an exported Koa app', async () => {
    await using instance = await TestInstance.start('koa.mjs');
    const answer = await instance.request({ target: '/a' });
    assert.deepEqual([answer.text, answer.headers.get('x-koa')], ['{"path":"/a","ip":"192.0.2.7"}', 'yes']);
    const teapot = await instance.request({ target: '/throw' });
    assert.deepEqual([teapot.status, teapot.text], [418, 'short and stout']);
  });

  it('serves an exported Fastify app', async () => {
    await using instance = await TestInstance.start('fastify.mjs');
    const answer = await instance.request({
      method: 'POST',
      target: '/users/7',
      headers: { 'content-type': 'application/json' },
      body: '{"a":[1]}',
    });
    assert.deepEqual(JSON.parse(answer.text), { id: '7', body: { a: [1] }, ip: '192.0.2.7' });
    assert.equal((await instance.request({ target: '/stream' })).text, 'ab');
    const response = await instance.request({ target: '/response' });
    assert.deepEqual(
      [response.status, response.text, response.headers.get('x-r')],
      [203, 'as Response', '1'],
    );
    assert.equal((await instance.request({ target: '/plugin' })).text, 'from a plug-in');
  });

  it('waits for a server that begins to listen after loading', async () => {
    await using instance = await TestInstance.start('http-late.mjs');
    const exchange = instance.open({ method: 'PUT', complete: false, body: 'pi' });
    await exchange.until(() => exchange.text === 'pi');
    exchange.send('ped', true);
    await exchange.end();
    assert.deepEqual([exchange.text, exchange.headers.get('x-method')], ['piped', 'PUT']);
  });

  it('serves a Hono app that was merely created', async () => {
    await using instance = await TestInstance.start('hono.mjs');
    assert.equal(instance.ready?.handlerKind, 'fetch');
    assert.equal((await instance.request({ target: '/users/4?q=a%20b' })).text, '{"id":"4","q":"a b"}');
    const form = await instance.request({
      method: 'POST',
      target: '/form',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'x=1',
    });
    assert.equal(form.text, '{"x":"1"}');
    const cookie = await instance.request({ target: '/cookie' });
    assert.match(cookie.block, /set-cookie: a=1\r\n(?:.*\r\n)*set-cookie: b=2\r\n/);
  });
});
