import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createSeededRandom } from '../base/random.ts';
import { parseHost, parseSimpleRequest, SIMPLE_BYTES_MAX } from './simple-request.ts';

function read(text: string) {
  const bytes = Buffer.from(text, 'latin1');
  return parseSimpleRequest(bytes, bytes.length, undefined);
}

describe('simple request', () => {
  it('reads a whole plain request', () => {
    const request = read(
      'GET /a?b=c HTTP/1.1\r\nHost: Example.COM:8080\r\nX-Request-Id: abc-1\r\nConnection: keep-alive\r\nOrigin: http://x\r\nA:\tb\r\n\r\n',
    );
    assert.equal(request?.method, 'GET');
    assert.equal(request?.target, '/a?b=c');
    assert.equal(request?.body, undefined);
    assert.deepEqual(
      { ...request?.headers, text: '' },
      {
        text: '',
        lines: 'host: Example.COM:8080\nx-request-id: abc-1\norigin: http://x\na: b',
        host: 'example.com',
        contentLength: -1,
        requestId: 'abc-1',
        origin: 'http://x',
        awsTarget: undefined,
      },
    );
  });

  it('reads a body that is all there', () => {
    const request = read('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello');
    assert.equal(request?.body?.toString(), 'hello');
  });

  it('uses what it knew of the same header block', () => {
    const bytes = Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    const first = parseSimpleRequest(bytes, bytes.length, undefined);
    const second = parseSimpleRequest(bytes, bytes.length, first);
    assert.equal(second, first);
    const other = Buffer.from('POST /x HTTP/1.1\r\nhost: a\r\n\r\n');
    const third = parseSimpleRequest(other, other.length, first);
    assert.equal(third?.target, '/x');
    assert.equal(third?.headers, first?.headers);
  });

  for (const [what, text] of Object.entries({
    'a part of a head': 'GET / HTTP/1.1\r\nhost: a\r\n',
    'a body that is not all there': 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nhello',
    'more than one request': 'GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n',
    'a body without a length': 'GET / HTTP/1.1\r\nhost: a\r\n\r\nx',
    'HTTP/1.0': 'GET / HTTP/1.0\r\nhost: a\r\n\r\n',
    'no host': 'GET / HTTP/1.1\r\na: b\r\n\r\n',
    'two hosts': 'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n',
    'an odd host': 'GET / HTTP/1.1\r\nhost: a/b\r\n\r\n',
    'two lengths': 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx',
    'a signed length': 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\nx',
    'a list as length': 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\nx',
    'a transfer coding': 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    'an upgrade': 'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    'connection: close': 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    'connection naming a header': 'GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, x-a\r\n\r\n',
    expect: 'POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n',
    'a bare line feed': 'GET / HTTP/1.1\nhost: a\n\n',
    'a folded header': 'GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n',
    'a space before the colon': 'GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n',
    'a control character': 'GET / HTTP/1.1\r\nhost: a\r\nx: y\x00\r\n\r\n',
    'a carriage return alone': 'GET / HTTP/1.1\r\nhost: a\r\nx: y\rz\r\n\r\n',
    'bytes above ASCII': 'GET / HTTP/1.1\r\nhost: a\r\nx: \xe9\r\n\r\n',
    'a target with a space': 'GET /a b HTTP/1.1\r\nhost: a\r\n\r\n',
    'an absolute target': 'GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n',
    'a fragment': 'GET /# HTTP/1.1\r\nhost: a\r\n\r\n',
    'an unusual method': 'TRACE / HTTP/1.1\r\nhost: a\r\n\r\n',
    'too much': `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(SIMPLE_BYTES_MAX)}\r\n\r\n`,
  })) {
    it(`leaves ${what} to the general way`, () => assert.equal(read(text), undefined));
  }

  it('reads hosts with ports and IPv6 addresses', () => {
    assert.equal(parseHost('LocalHost:5262'), 'localhost');
    assert.equal(parseHost('[::1]:80'), '[::1]');
    assert.equal(parseHost('[::1]'), '[::1]');
    for (const bad of ['', 'a b', 'a:b', 'user@host', 'a:123456', '[::1', '::1'])
      assert.equal(parseHost(bad), undefined, bad);
  });
});

/** Whatever the fast reader accepts, the general parser must accept as well and read in the same way. */
describe('agreement with node:http', () => {
  const server = createServer();
  let port = 0;
  before(async () => {
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('latin1');
      request.on('data', (text) => {
        body += text;
      });
      request.on('end', () => {
        response.setHeader('connection', 'close');
        response.end(
          JSON.stringify({ method: request.method, target: request.url, host: request.headers.host, body }),
        );
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  after(() => server.close());

  async function general(bytes: Buffer): Promise<unknown> {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      answer += text;
    });
    socket.end(bytes);
    await once(socket, 'close');
    const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
    return answer.startsWith('HTTP/1.1 200')
      ? JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1))
      : undefined;
  }

  it('holds for damaged requests', async () => {
    const random = createSeededRandom(42);
    const seeds = [
      'GET /a?b=1 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n',
      'POST /x HTTP/1.1\r\nHost: a.b\r\nContent-Length: 4\r\nX-Y: z\r\n\r\nbody',
      'PUT / HTTP/1.1\r\nHost: [::1]:1\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
    ];
    const noise = [
      '\r',
      '\n',
      ' ',
      ':',
      '\t',
      '0',
      ',',
      'a',
      '\x00',
      '\x7f',
      '\xff',
      '\r\n',
      'Content-Length: 1\r\n',
      'Host: b\r\n',
    ];
    let accepted = 0;
    for (let round = 0; round < 600; round++) {
      let text = seeds[round % seeds.length]!;
      for (let edits = Math.floor(random.fraction() * 3); edits > 0; edits--) {
        const at = Math.floor(random.fraction() * text.length);
        text =
          text.slice(0, at) +
          noise[Math.floor(random.fraction() * noise.length)]! +
          text.slice(at + (random.fraction() < 0.5 ? 1 : 0));
      }
      const bytes = Buffer.from(text, 'latin1');
      const fast = parseSimpleRequest(bytes, bytes.length, undefined);
      if (fast === undefined) continue;
      accepted += 1;
      const slow = await general(bytes);
      const { method, target, headers } = fast;
      const host = headers.lines
        .split('\n')
        .find((line) => line.startsWith('host: '))
        ?.slice(6);
      assert.deepEqual(
        slow,
        { method, target, host, body: fast.body?.toString('latin1') ?? '' },
        JSON.stringify(text),
      );
    }
    assert.ok(accepted > 100, `only ${accepted} requests were accepted`);
  });
});
