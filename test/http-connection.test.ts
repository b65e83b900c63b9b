import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { exchange, RawConnection, type RawResponse } from './raw-connection.ts';

/** What a connection carries, good and bad, byte by byte against the port. */

const APP: AppFiles = {
  'lambent.yaml': `
app: wire
functions:
  echo: { routes: [/echo] }
  small: { routes: [POST /small], maxRequestMb: 1 }
  early: { routes: [/early] }
  stream: { routes: [GET /stream] }
  secret: { routes: [/secret, GET /count] }
  answers: { routes: ['GET /answers/:status'] }
  patient: { routes: [POST /patient], timeout: 300ms }
`,
  'functions/echo.js': `export default {
  async fetch(request) {
    const text = request.method === 'GET' || request.method === 'HEAD' ? '' : await request.text();
    return Response.json({ url: request.url, headers: Object.fromEntries(request.headers), text });
  },
};`,
  'functions/small.js': `export default { fetch: async (request) => new Response(String((await request.bytes()).length)) };`,
  'functions/early.js': `export default { fetch: () => new Response('did not read it') };`,
  'functions/stream.js': `export default {
  fetch() {
    let count = 0;
    return new Response(new ReadableStream({
      pull(controller) {
        count += 1;
        controller.enqueue(new TextEncoder().encode('part ' + count + ';'));
        if (count === 3) controller.close();
      },
    }));
  },
};`,
  'functions/answers.js': `export default {
  fetch(request, env, ctx) {
    const headers = new Headers({ 'X-Mixed-Case': 'Gr\u00fcn', date: 'never', connection: 'close', 'keep-alive': 'timeout=1', 'x-request-id': 'mine', etag: '"1"' });
    headers.append('set-cookie', 'a=1; Path=/');
    headers.append('set-cookie', 'b=2');
    const status = Number(ctx.params.status);
    return new Response([204, 205, 304].includes(status) ? null : 'body of ' + status, { status, headers });
  },
};`,
  'functions/patient.js': `export default { fetch: async (request) => new Response(await request.text()) };`,
  'functions/secret.js': `let calls = 0;
export default {
  fetch(request) {
    if (request.url.endsWith('/secret')) calls += 1;
    return new Response(String(calls));
  },
};`,
};

interface Echo {
  url: string;
  headers: Record<string, string>;
  text: string;
}

function echoOf(response: RawResponse): Echo {
  assert.equal(response.status, 200, response.body.toString());
  return JSON.parse(response.body.toString());
}

function codeOf(response: RawResponse): string {
  const { error, requestId } = JSON.parse(response.body.toString());
  assert.equal(requestId, response.headers['x-request-id']);
  assert.ok(error.hint.length > 10);
  return error.code;
}

const GET = 'GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n';
const POST = 'POST /echo HTTP/1.1\r\nHost: localhost\r\n';

describe('HTTP connections', { timeout: 60_000 }, () => {
  let platform: TestPlatform;
  let port = 0;
  before(async () => {
    platform = await startTestPlatform({ wire: APP });
    ({ port } = platform);
    // Later tests then measure connections, not starts.
    for (const path of ['/echo', '/early', '/stream', '/count']) await platform.fetch(path);
  });
  after(() => platform.close());

  const connected = async (use: (connection: RawConnection) => Promise<void>): Promise<void> => {
    const connection = await RawConnection.open(port);
    try {
      await use(connection);
    } finally {
      connection.destroy();
    }
  };

  describe('kept alive', () => {
    it('carry one request after another, plain ones and others', () =>
      connected(async (connection) => {
        for (let turn = 0; turn < 5; turn += 1) {
          assert.equal(echoOf(await connection.ask(GET)).text, '');
          assert.equal(echoOf(await connection.ask(`${POST}Content-Length: 5\r\n\r\nhello`)).text, 'hello');
        }
        // From here on the connection belongs to `node:http`.
        const chunked = `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`;
        for (let turn = 0; turn < 5; turn += 1) {
          assert.equal(echoOf(await connection.ask(chunked)).text, 'hello');
          assert.equal((await connection.ask(GET.replace('echo', 'stream'))).body.toString().length, 21);
          assert.equal(
            (await connection.ask('HEAD /echo HTTP/1.1\r\nHost: localhost\r\n\r\n', 'HEAD')).status,
            200,
          );
          assert.equal((await connection.ask(GET.replace('echo', 'none'))).status, 404);
        }
        assert.equal(connection.closedBy, undefined);
      }));

    it('pipelined requests are answered in order', () =>
      connected(async (connection) => {
        const paths = Array.from({ length: 40 }, (_, index) => `/echo?n=${index}`);
        const text = paths.map((path) => GET.replace('/echo', path)).join('');
        await connection.write(text);
        for (const path of paths)
          assert.equal(echoOf(await connection.response()).url, `http://localhost${path}`);
      }));

    it('pipelined requests in any split are answered in order', () =>
      connected(async (connection) => {
        const one = `${POST}Content-Length: 3\r\n\r\nabc`;
        const all = Buffer.from(one + GET + one + GET, 'latin1');
        // Each cut makes the reader see a different first piece.
        for (let cut = 1; cut < all.length; cut += 13) {
          await connection.write(all.subarray(0, cut));
          await connection.write(all.subarray(cut));
          const texts: string[] = [];
          for (let answer = 0; answer < 4; answer += 1) texts.push(echoOf(await connection.response()).text);
          assert.deepEqual(texts, ['abc', '', 'abc', '']);
        }
      }));

    it('`Connection: close` is said back and done', () =>
      connected(async (connection) => {
        const answer = await connection.ask(
          'GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
        );
        assert.equal(answer.headers.connection, 'close');
        assert.equal(await connection.closed(), 'end');
      }));

    it('a function that does not read a body leaves the connection usable', () =>
      connected(async (connection) => {
        const body = Buffer.alloc(3_000_000);
        await connection.write(
          `POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`,
        );
        assert.equal((await connection.response()).body.toString(), 'did not read it');
        await connection.write(body);
        assert.equal(echoOf(await connection.ask(GET)).text, '');
      }));
  });

  it('answers are the same in both ways through the gateway, and none speaks for the connection', async () => {
    for (const status of [200, 201, 204, 205, 206, 301, 304, 404, 418, 500, 599]) {
      for (const method of ['GET', 'HEAD']) {
        const lines = [`${method} /answers/${status} HTTP/1.1`, 'Host: localhost', 'X-Request-Id: one'];
        const [plain, general] = await Promise.all([
          exchange(port, lines),
          exchange(port, [...lines, 'TE: trailers']),
        ]);
        const { connection, 'keep-alive': keepAlive, date, ...headers } = general.headers;
        assert.deepEqual([connection, keepAlive], ['keep-alive', 'timeout=65']);
        const { date: plainDate, ...plainHeaders } = plain.headers;
        assert.deepEqual({ ...plain, headers: plainHeaders }, { ...general, headers });
        for (const text of [date, plainDate])
          assert.match(text ?? '', /^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/);
        assert.equal(plain.status, status);
        assert.equal(headers['set-cookie'], 'a=1; Path=/, b=2');
        assert.equal(headers['x-request-id'], 'one');
        assert.equal(headers['x-mixed-case'], 'Gr\xfcn');
        const bodiless = [204, 304].includes(status);
        assert.equal('content-length' in headers, !bodiless, `${method} ${status}`);
      }
    }
  });

  describe('HTTP/1.0', () => {
    it('needs no Host and is closed after the answer', () =>
      connected(async (connection) => {
        const answer = await connection.ask('GET /echo?old HTTP/1.0\r\n\r\n');
        assert.equal(echoOf(answer).url, 'http://localhost/echo?old');
        assert.equal(await connection.closed(), 'end');
      }));

    it('gets a body of unknown length without chunks, up to the end of the connection', () =>
      connected(async (connection) => {
        const answer = await connection.ask('GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n');
        assert.equal(answer.headers['transfer-encoding'], undefined);
        assert.equal(answer.body.toString(), 'part 1;part 2;part 3;');
      }));

    it('is kept alive when it asks for it', () =>
      connected(async (connection) => {
        const request = 'GET /echo HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n';
        assert.equal((await connection.ask(request)).headers.connection, 'keep-alive');
        assert.equal((await connection.ask(request)).status, 200);
      }));
  });

  describe('bodies', () => {
    it('in chunks, with extensions, trailers and any split, arrive whole', () =>
      connected(async (connection) => {
        const chunks = '5;name=value\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\nX-Checksum: 1\r\n\r\n';
        const all = `${POST}Transfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n${chunks}`;
        for (let cut = 40; cut < all.length; cut += 7) {
          await connection.write(all.slice(0, cut));
          await connection.write(all.slice(cut));
          assert.equal(echoOf(await connection.response()).text, 'hello 0123456789');
        }
      }));

    it('wait for `100 Continue` when the client says so', () =>
      connected(async (connection) => {
        await connection.write(`${POST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`);
        assert.equal((await connection.head()).status, 100);
        assert.equal(echoOf(await connection.ask('hello')).text, 'hello');
      }));

    it('are not asked for when the answer is a refusal already', async () => {
      const expecting = ['Host: localhost', 'Content-Length: 9000000', 'Expect: 100-continue'];
      for (const [path, status] of [
        ['/small', 413],
        ['/none', 404],
      ] as const) {
        const answer = await exchange(port, [`POST ${path} HTTP/1.1`, ...expecting]);
        assert.equal(answer.status, status);
        assert.equal(answer.headers.connection, 'close');
      }
    });

    it('over `maxRequestMb` are refused, declared or not, and the client gets to read it', () =>
      connected(async (connection) => {
        const mb = Buffer.alloc(2 ** 20, 'x');
        const head = 'POST /small HTTP/1.1\r\nHost: localhost\r\n';
        await connection.write(`${head}Content-Length: ${mb.length}\r\n\r\n`);
        await connection.write(mb);
        assert.equal((await connection.response()).body.toString(), String(mb.length));
        const declared = await RawConnection.open(port);
        const answer = await declared.ask(`${head}Content-Length: ${mb.length + 1}\r\n\r\n`);
        assert.equal(answer.status, 413);
        assert.equal(codeOf(answer), 'E_PAYLOAD_TOO_LARGE');
        // All of it is sent, as a client does that looks at the answer only afterwards.
        await declared.write(Buffer.concat([mb, Buffer.from('x')]));
        assert.equal(await declared.closed(), 'end');
        await connection.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
        for (let sent = 0; sent < 4; sent += 1) {
          await connection.write(`${mb.length.toString(16)}\r\n`);
          await connection.write(mb);
          await connection.write('\r\n');
        }
        const late = await connection.response();
        assert.equal(late.status, 413);
        assert.equal(codeOf(late), 'E_PAYLOAD_TOO_LARGE');
        const record = await platform.waitForInvocation(({ status }) => status === 'cancelled');
        assert.deepEqual(
          [record.function, record.httpStatus, record.error?.code],
          ['small', 413, 'E_PAYLOAD_TOO_LARGE'],
        );
        await connection.write('0\r\n\r\n');
        assert.equal(await connection.closed(), 'end');
      }));
  });

  describe('bad input', () => {
    const MALFORMED: Record<string, string> = {
      'no HTTP': 'hello there\r\n\r\n',
      TLS: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      'no version': 'GET /echo\r\nHost: localhost\r\n\r\n',
      'a version to come': 'GET /echo HTTP/3.0\r\nHost: localhost\r\n\r\n',
      'a method that is none': 'G=T /echo HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'a space in the target': 'GET /echo me HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'a control character in the target': 'GET /ec\x01ho HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'a header without a colon': 'GET /echo HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n',
      'a space before the colon': 'GET /echo HTTP/1.1\r\nHost : localhost\r\n\r\n',
      'a zero byte in a value': 'GET /echo HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\n\r\n',
      'a negative length': `${POST}Content-Length: -1\r\n\r\n`,
      'a length that is no number': `${POST}Content-Length: 5x\r\n\r\nhello`,
      'a length beyond all numbers': `${POST}Content-Length: 99999999999999999999999\r\n\r\n`,
      'a chunk size that is no number': `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n`,
      'a chunk that is longer than it says': `${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n`,
      'a target in authority form': 'GET localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n',
    };

    const SECRET = 'GET /secret HTTP/1.1\r\nHost: localhost\r\n\r\n';
    /** Messages of which two readers could think differently where they end; each hides a request. */
    const SMUGGLING: Record<string, string> = {
      'a length and chunks': `${POST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SECRET}`,
      'chunks and a length': `${POST}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n${SECRET}`,
      'two lengths': `${POST}Content-Length: 0\r\nContent-Length: ${SECRET.length}\r\n\r\n${SECRET}`,
      'two equal lengths': `${POST}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${SECRET}`,
      'a list of lengths': `${POST}Content-Length: 0, ${SECRET.length}\r\n\r\n${SECRET}`,
      'a length with a sign': `${POST}Content-Length: +0\r\n\r\n${SECRET}`,
      'a hidden transfer coding': `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SECRET}`,
      'chunked that is not last': `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SECRET}`,
      'a transfer coding after a space': `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SECRET}`,
      'a transfer coding after a tab': `${POST}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n${SECRET}`,
      'a folded header': `${POST}X-A: b\r\n Content-Length: 0\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${SECRET}`,
      'a folded first header': `POST /echo HTTP/1.1\r\n Host: localhost\r\nHost: localhost\r\n\r\n${SECRET}`,
      'a bare LF in the head': `POST /echo HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n${SECRET}`,
      'a bare LF between headers': `${POST}X-A: b\nContent-Length: 0\r\n\r\n${SECRET}`,
      'a bare CR in a header': `${POST}X-A: b\rContent-Length: 0\r\n\r\n${SECRET}`,
      'a bare LF after a chunk size': `${POST}Transfer-Encoding: chunked\r\n\r\n0\n\n${SECRET}`,
      'a chunk size in 0x': `${POST}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${SECRET}`,
      'a chunk size that overflows': `${POST}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n${SECRET}`,
      'a transfer coding in HTTP/1.0': `POST /echo HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${SECRET}`,
    };

    const calls = async (): Promise<number> => Number(await (await platform.fetch('/count')).text());

    it('malformed requests get a 400 as JSON and are closed; others are not disturbed', () =>
      connected(async (other) => {
        for (const [what, text] of Object.entries(MALFORMED)) {
          const connection = await RawConnection.open(port);
          const answer = await connection.ask(text);
          assert.equal(answer.status, 400, what);
          assert.equal(codeOf(answer), 'E_BAD_REQUEST', what);
          assert.equal(answer.headers.connection, 'close', what);
          // A client in order closes in turn.
          assert.equal(await connection.closed(), 'end', what);
          connection.destroy();
          assert.equal((await other.ask(GET)).status, 200);
        }
      }));

    for (const [what, text] of Object.entries(SMUGGLING)) {
      it(`a request hidden by ${what} reaches nobody`, async () => {
        const before = await calls();
        // Alone, and behind a request that is in order.
        for (const ahead of [0, 1]) {
          const connection = await RawConnection.open(port);
          await connection.write(GET.repeat(ahead) + text);
          for (let answer = 0; answer < ahead; answer += 1) echoOf(await connection.response());
          const refusal = await connection.response();
          assert.equal(refusal.status, 400);
          assert.equal(codeOf(refusal), 'E_BAD_REQUEST');
          assert.equal(await connection.closed(), 'end');
          assert.equal(connection.waitingText, '');
          connection.destroy();
        }
        assert.equal(await calls(), before);
      });
    }

    it('heads over the limit get a 431, in one header, in many, in the target', async () => {
      const many = Array.from({ length: 1_500 }, (_, index) => `X-Header-${index}: ${'v'.repeat(20)}`);
      for (const lines of [
        ['GET /echo HTTP/1.1', 'Host: localhost', `Cookie: ${'c'.repeat(60_000)}`],
        ['GET /echo HTTP/1.1', 'Host: localhost', ...many],
        [`GET /echo?${'q'.repeat(60_000)} HTTP/1.1`, 'Host: localhost'],
      ]) {
        const answer = await exchange(port, lines);
        assert.equal(answer.status, 431);
        assert.equal(codeOf(answer), 'E_HEADERS_TOO_LARGE');
        assert.equal(answer.headers.connection, 'close');
      }
    });

    it('heads below the limit reach the function whole', async () => {
      const many = Array.from({ length: 1_200 }, (_, index) => `X-${index}: v`);
      const told = echoOf(await exchange(port, ['GET /echo HTTP/1.1', 'Host: localhost', ...many]));
      assert.equal(Object.keys(told.headers).length, 1_200 + 2, 'with host and request id');
      const cookie = `c=${'c'.repeat(20_000)}`;
      const long = echoOf(
        await exchange(port, ['GET /echo HTTP/1.1', 'Host: localhost', `Cookie: ${cookie}`]),
      );
      assert.equal(long.headers.cookie, cookie);
    });

    it('headers of the connection stay with it', async () => {
      const lines = ['Host: localhost', 'Keep-Alive: 5', 'TE: trailers', 'Proxy-Connection: close', 'X-A: 1'];
      const told = echoOf(await exchange(port, ['GET /echo HTTP/1.1', ...lines]));
      assert.deepEqual(Object.keys(told.headers).sort(), ['host', 'x-a', 'x-request-id']);
    });

    it('an offer of HTTP/2 is answered in HTTP/1.1', () =>
      connected(async (connection) => {
        const offer =
          'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n';
        const told = echoOf(await connection.ask(`GET /echo HTTP/1.1\r\nHost: localhost\r\n${offer}\r\n`));
        assert.deepEqual(Object.keys(told.headers).sort(), ['host', 'x-request-id']);
        assert.equal((await connection.ask(GET)).status, 200);
      }));
  });
});

describe('the times of connections', { timeout: 30_000 }, () => {
  const idleMs = 250;
  const headMs = 250;
  let platform: TestPlatform;
  before(async () => {
    platform = await startTestPlatform(
      { wire: APP },
      { gatewayLimits: { idleMs, headMs, sweepMs: 50, lingerMs: 200 } },
    );
    for (const path of ['/echo', '/early']) await platform.fetch(path);
  });
  after(() => platform.close());

  it('a head that comes too slowly is refused with 408, whatever trickles in', async () => {
    const connection = await RawConnection.open(platform.port);
    await connection.write('GET /echo HTTP/1.1\r\nHost: localhost\r\n');
    const trickle = setInterval(() => connection.socket.write('X-A: b\r\n'), 20);
    try {
      const answer = await connection.response();
      assert.equal(answer.status, 408);
      assert.equal(codeOf(answer), 'E_REQUEST_TIMEOUT');
      await connection.closed();
    } finally {
      clearInterval(trickle);
      connection.destroy();
    }
  });

  it('a body that comes too slowly has the time of its function', async () => {
    const connection = await RawConnection.open(platform.port);
    await connection.write('POST /patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n');
    const trickle = setInterval(() => connection.socket.write('x'), 10);
    try {
      const answer = await connection.response();
      assert.equal(answer.status, 504);
      assert.equal(codeOf(answer), 'E_FUNCTION_TIMEOUT');
      assert.equal(await connection.closed(), 'end');
    } finally {
      clearInterval(trickle);
      connection.destroy();
    }
  });

  it('idle connections are closed: never used, used plainly, used otherwise', async () => {
    const unused = await RawConnection.open(platform.port);
    const plain = await RawConnection.open(platform.port);
    const general = await RawConnection.open(platform.port);
    await plain.ask(GET);
    await general.ask(`${POST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
    for (const connection of [unused, plain, general]) {
      await connection.closed();
      connection.destroy();
    }
  });

  it('a sender that goes on after it has its answer is cut off', async () => {
    const connection = await RawConnection.open(platform.port);
    await connection.write('POST /early HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
    assert.equal((await connection.response()).status, 200);
    const trickle = setInterval(() => connection.socket.write('1\r\nx\r\n'), 10);
    try {
      await connection.closed();
    } finally {
      clearInterval(trickle);
      connection.destroy();
    }
  });
});
