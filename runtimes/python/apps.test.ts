import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { CANCEL_REASON } from '../../src/model/frames.ts';
import type { Exchange, TestInstance } from '../conformance/test-instance.ts';
import { startPython } from '../conformance/python-instance.ts';

describe('an ASGI app', { timeout: 30_000 }, () => {
  let instance: TestInstance;
  before(async () => {
    instance = await startPython('asgi_app.py');
  });
  after(() => instance[Symbol.asyncDispose]());

  it('says that it is one', () => {
    assert.deepEqual(instance.ready, { protocol: 1, handlerKind: 'fetch', concurrency: 100 });
  });

  it('gets the scope of the specification, with the state of its lifespan', async () => {
    const { text } = await instance.request({
      method: 'PUT',
      target: '/scope?a=%20b',
      lines: ['x-twice: a', 'x-twice: b'],
    });
    assert.equal(
      text,
      "{'method': 'PUT', 'path': '/scope', 'raw_path': b'/scope', 'query_string': b'a=%20b', 'scheme': 'http', " +
        "'server': ('example.test', 80), 'client': ('192.0.2.7', 0), 'state': 'open', " +
        "'headers': [(b'host', b'example.test'), (b'x-twice', b'a'), (b'x-twice', b'b')]}",
    );
  });

  it('streams both ways at once', async () => {
    const echo = instance.open({ method: 'POST', target: '/echo', complete: false });
    echo.send('one ', false);
    await echo.until((exchange) => exchange.text === 'one ');
    echo.send('two', true);
    await echo.end();
    assert.deepEqual([echo.status, echo.text], [200, 'one two']);
  });

  it('waits for a slow reader', async () => {
    const big = instance.open({ target: '/big', autoCredit: false });
    await big.until(
      (exchange) => exchange.status === 200 && exchange.bytes.length === exchange.firstWindowBytes,
    );
    big.credit(3_000_000);
    await big.end();
    assert.equal(big.bytes.length, 2_000_000);
  });

  it('hears that the caller left, and is stopped when its time is over', async () => {
    const hanging = instance.open({ target: '/hang' });
    await instance.until(() => instance.logText(hanging.stream) === 'hangs');
    hanging.cancel(CANCEL_REASON.callerGone);
    await hanging.end();
    assert.equal(instance.logText(hanging.stream), 'hangs\nheard http.disconnect');
    const forever = instance.open({ target: '/forever' });
    assert.equal((await instance.request({ target: '/empty' })).status, 204);
    forever.cancel(CANCEL_REASON.timeout);
    await forever.end();
    assert.equal(instance.logText(forever.stream), 'stopped');
  });

  it('fails clearly when it answers nothing, half, or raises', async () => {
    for (const [target, pattern] of [
      ['/nothing', /returned without an answer/],
      ['/half', /before the end of its answer/],
      ['/raise', /'gone'/],
    ] as const)
      assert.match((await instance.request({ target })).failure?.errorMessage ?? '', pattern);
  });

  it('gets events as a POST', async () => {
    assert.equal((await instance.event({ a: 'ü' }).end()).text, '{"a":"ü"}');
    assert.equal((await instance.event('"text"').end()).text, '"text"');
  });

  it('shuts down with its lifespan', async () => {
    await using other = await startPython('asgi_app.py');
    other.drain();
    await other.until(() => other.exitCode === 0);
    assert.equal(other.logText(), 'shut down');
  });
});

describe('a WebSocket of an ASGI app', { timeout: 30_000 }, () => {
  let instance: TestInstance;
  before(async () => {
    instance = await startPython('asgi_app.py');
  });
  after(() => instance[Symbol.asyncDispose]());

  const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
  const connect = (target = '/talk'): Exchange =>
    instance.open({
      target,
      complete: false,
      lines: [
        'upgrade: websocket',
        'connection: upgrade',
        `sec-websocket-key: ${KEY}`,
        'sec-websocket-protocol: chat, other',
      ],
    });
  const masked = (opcode: number, payload: Buffer, isFinal = true): Buffer => {
    const mask = randomBytes(4);
    const head = payload.length < 126 ? Buffer.of(0, 0x80 | payload.length) : Buffer.of(0, 0xfe, 0, 0);
    head[0] = (isFinal ? 0x80 : 0) | opcode;
    if (payload.length >= 126) head.writeUInt16BE(payload.length, 2);
    return Buffer.concat([head, mask, payload.map((byte, at) => byte ^ mask[at & 3]!)]);
  };

  it('is accepted by the handshake', async () => {
    const socket = await connect().until((exchange) => exchange.status !== 0);
    assert.equal(socket.status, 101);
    const accept = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    assert.equal(socket.headers.get('sec-websocket-accept'), accept);
    assert.equal(socket.headers.get('sec-websocket-protocol'), 'chat');
    socket.cancel(CANCEL_REASON.callerGone);
    await socket.end();
    assert.equal(instance.logText(socket.stream), 'closed 1006 ');
  });

  it('carries text, bytes, fragments, pings and closes', async () => {
    const socket = await connect().until((exchange) => exchange.status === 101);
    const long = randomBytes(1_000);
    const sent = [
      masked(1, Buffer.from('grüß')),
      masked(2, long),
      masked(1, Buffer.from('in '), false),
      masked(9, Buffer.from('p')),
      masked(0, Buffer.from('parts')),
    ];
    socket.send(Buffer.concat(sent), false);
    const size = 2 + 6 + 4 + 1_000 + 3 + 10;
    await socket.until((exchange) => exchange.bytes.length >= size);
    const wanted = [
      Buffer.of(0x81, 6),
      Buffer.from('grüß'),
      Buffer.of(0x82, 126, 1_000 >> 8, 1_000 & 255),
      long,
      Buffer.of(0x8a, 1),
      Buffer.from('p'),
      Buffer.of(0x81, 8),
      Buffer.from('in parts'),
    ];
    assert.deepEqual(socket.bytes, Buffer.concat(wanted));
    socket.send(masked(1, Buffer.from('bye')), false);
    await socket.end();
    assert.deepEqual(
      socket.bytes.subarray(size),
      Buffer.concat([Buffer.of(0x88, 10, 4001 >> 8, 4001 & 255), Buffer.from('as asked')]),
    );
  });

  it('closes on a breach of the protocol', async () => {
    const socket = await connect().until((exchange) => exchange.status === 101);
    socket.send(Buffer.of(0x81, 1, 65), false);
    await socket.end();
    assert.equal(socket.bytes.readUInt16BE(2), 1002);
    const invalid = await connect().until((exchange) => exchange.status === 101);
    invalid.send(masked(1, Buffer.of(0xff)), false);
    await invalid.end();
    assert.equal(invalid.bytes.readUInt16BE(2), 1007);
  });

  it('may be refused', async () => {
    const refused = await connect('/refuse').end();
    assert.equal(refused.status, 403);
  });
});

describe('a WSGI app', { timeout: 30_000 }, () => {
  let instance: TestInstance;
  before(async () => {
    instance = await startPython('wsgi_app.py');
  });
  after(() => instance[Symbol.asyncDispose]());

  it('gets the environment of the specification', async () => {
    assert.equal(instance.ready?.handlerKind, 'server');
    const { text, headers } = await instance.request({
      target: '/environ?q=1',
      lines: ['x-twice: a', 'x-twice: b', 'x_twice: forged'],
      headers: { 'content-type': 'text/x' },
    });
    assert.equal(
      text,
      "{'REQUEST_METHOD': 'GET', 'PATH_INFO': '/environ', 'QUERY_STRING': 'q=1', 'SERVER_NAME': 'example.test', " +
        "'SERVER_PORT': '80', 'HTTP_X_TWICE': 'a,b', 'CONTENT_TYPE': 'text/x'}",
    );
    assert.equal(headers.get('content-length'), String(text.length));
  });

  it('reads the body as it comes and streams its answer', async () => {
    const echo = instance.open({ method: 'POST', target: '/echo', complete: false });
    echo.send('one ', false);
    echo.send('two', true);
    await echo.end();
    assert.deepEqual([echo.status, echo.headers.get('x-made'), echo.text], [201, 'yes', 'one two']);
    const big = instance.open({ target: '/big', autoCredit: false });
    await big.until(
      (exchange) => exchange.status === 200 && exchange.bytes.length === exchange.firstWindowBytes,
    );
    big.credit(3_000_000);
    assert.equal((await big.end()).bytes.length, 2_000_000);
    assert.equal((await instance.request({ target: '/write' })).text, 'by write');
  });

  it('sends head and body together where the length is known, and closes', async () => {
    const answer = await instance.request({ method: 'POST', target: '/', body: 'whole' });
    assert.deepEqual([answer.text, answer.kinds.length], ['whole', 1]);
    assert.equal(instance.logText(answer.stream), 'closed');
    assert.equal((await instance.event({ a: 1 }).end()).text, '{"a":1}');
  });

  it('fails clearly', async () => {
    assert.match(
      (await instance.request({ target: '/silent' })).failure?.errorMessage ?? '',
      /did not call start_response/,
    );
    assert.equal((await instance.request({ target: '/raise' })).failure?.errorType, 'KeyError');
    assert.equal((await instance.request({ target: '/' })).status, 200);
  });
});
