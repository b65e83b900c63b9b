import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { RawConnection, type RawResponse } from './raw-connection.ts';

/** WebSockets to functions: to a `ws` server, and to a fetch handler that answers with a WebSocketPair. */

const APP: AppFiles = {
  'lambent.yaml': `
app: talk
functions:
  pair: { routes: ['/pair/*'], timeout: 400ms }
  server: { routes: ['/server/*'], timeout: 400ms }
  plain: { routes: [/plain] }
  lambda: { routes: [/lambda] }
  crash: { routes: [/crash] }
  raw: { routes: [/raw] }
  half: { routes: [/half] }
`,
  // "close 4001 bye" closes, "where" tells about the request, all else comes back.
  'functions/pair.js': `const closes = [];
const asking = [];
export default {
  async fetch(request, env, ctx) {
    const what = ctx.params['*'];
    if (what === 'closed') return new Response(await (closes.length > 0 ? closes.shift() : new Promise((resolve) => asking.push(resolve))));
    if (what === 'refuse') return new Response('not today', { status: 403, headers: { 'x-why': 'closed' } });
    if (what === 'throw') throw new Error('on purpose');
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener('message', ({ data }) => {
      const [word, code, reason] = typeof data === 'string' ? data.split(' ') : [];
      if (word === 'close') server.close(Number(code), reason);
      else if (word === 'where') server.send(JSON.stringify({ url: request.url, id: request.headers.get('x-request-id') }));
      else server.send(data);
    });
    server.addEventListener('close', ({ code, reason }) => {
      if (request.url.endsWith('/quiet')) return;
      if (request.url.endsWith('/told')) return console.log('told ' + code);
      const text = code + ' ' + reason;
      if (asking.length > 0) asking.shift()(text); else closes.push(text);
    });
    const protocol = request.headers.get('sec-websocket-protocol');
    return new Response(null, { status: 101, webSocket: client, headers: protocol ? { 'sec-websocket-protocol': protocol.split(',')[0] } : {} });
  },
};`,
  'functions/server.js': `const { createServer } = require('node:http');
const { WebSocketServer } = require('ws');
const closes = [];
const asking = [];
const server = createServer(async (request, response) => {
  response.end(await (closes.length > 0 ? closes.shift() : new Promise((resolve) => asking.push(resolve))));
});
const sockets = new WebSocketServer({ noServer: true, handleProtocols: (protocols) => [...protocols][0] });
server.on('upgrade', (request, socket, head) => {
  if (request.url.endsWith('/refuse')) {
    socket.end('HTTP/1.1 403 Forbidden\\r\\nX-Why: closed\\r\\nContent-Length: 9\\r\\n\\r\\nnot today');
    return;
  }
  if (request.url.endsWith('/throw')) { socket.destroy(); return; }
  sockets.handleUpgrade(request, socket, head, (client) => {
    client.on('message', (data, isBinary) => {
      const [word, code, reason] = isBinary ? [] : data.toString().split(' ');
      if (word === 'close') client.close(Number(code), reason);
      else if (word === 'where') client.send(JSON.stringify({ url: 'http://' + request.headers.host + request.url, id: request.headers['x-request-id'] }));
      else client.send(data, { binary: isBinary });
    });
    client.on('close', (code, reason) => {
      if (request.url.endsWith('/quiet')) return;
      if (request.url.endsWith('/told')) return console.log('told ' + code);
      const text = code + ' ' + reason;
      if (asking.length > 0) asking.shift()(text); else closes.push(text);
    });
  });
});
server.listen(8080);`,
  'functions/plain.js': `require('node:http').createServer((request, response) => response.end('plain')).listen(8080);`,
  'functions/lambda.js': `export const handler = async () => ({ statusCode: 200, body: 'lambda' });`,
  'functions/crash.js': `export default {
  fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener('message', () => process.exit(9));
    return new Response(null, { status: 101, webSocket: client });
  },
};`,
  // Begins with half a frame; the rest, and another frame, follow when something comes.
  'functions/half.js': `import { createServer } from 'node:http';
createServer().on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n');
  socket.write(Buffer.from([0x81, 4, 0x68, 0x61]));
  socket.on('data', () => socket.write(Buffer.from([0x6c, 0x66, 0x81, 1, 0x21])));
}).listen(8080);`,
  // Another protocol than WebSocket: what comes goes back in capitals.
  'functions/raw.js': `import { createServer } from 'node:http';
createServer().on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: shout\\r\\nConnection: Upgrade\\r\\n\\r\\n');
  socket.on('data', (data) => socket.write(data.toString().toUpperCase()));
  socket.on('end', () => socket.end('bye'));
}).listen(8080);`,
};

interface ClientEvents {
  open: [];
  message: [data: Buffer, isBinary: boolean];
  close: [code: number, reason: Buffer];
  pong: [data: Buffer];
  error: [error: Error];
  'unexpected-response': [
    request: unknown,
    response: AsyncIterable<Buffer> & { statusCode: number; headers: Record<string, string> },
  ];
}

/** What of the package `ws` is used here; it has no types of its own. */
interface Client {
  readonly protocol: string;
  on<Name extends keyof ClientEvents>(name: Name, listener: (...values: ClientEvents[Name]) => void): void;
  once<Name extends keyof ClientEvents>(name: Name, listener: (...values: ClientEvents[Name]) => void): void;
  send(data: string | Uint8Array): void;
  ping(data: string): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
}

interface ClientClass {
  new (url: string, protocols: readonly string[], options: { headers?: Record<string, string> }): Client;
}

const { WebSocket: WebSocketClient } = createRequire(import.meta.url)('ws') as { WebSocket: ClientClass };

let platform: TestPlatform;
const clients = new Set<Client>();

/** Resolves with an open client; rejects when the server refuses. */
function dial(
  path: string,
  options: { protocols?: string[]; headers?: Record<string, string> } = {},
): Promise<Client> {
  const client = new WebSocketClient(`ws://127.0.0.1:${platform.port}${path}`, options.protocols ?? [], {
    headers: options.headers ?? {},
  });
  clients.add(client);
  return new Promise((resolve, reject) => {
    client.once('open', () => resolve(client));
    client.on('error', reject);
  });
}

function once<Name extends keyof ClientEvents>(client: Client, name: Name): Promise<ClientEvents[Name]> {
  return new Promise((resolve) => client.once(name, (...values) => resolve(values)));
}

/** Sends a message and returns the one that comes back. */
async function ask(client: Client, data: string | Uint8Array): Promise<string | Buffer> {
  const answer = once(client, 'message');
  client.send(data);
  const [bytes, isBinary] = await answer;
  return isBinary ? bytes : bytes.toString();
}

const HANDSHAKE =
  'Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

describe('WebSockets', { timeout: 60_000 }, () => {
  before(async () => {
    platform = await startTestPlatform({ talk: APP }, { link: ['ws'] });
  });
  after(async () => {
    for (const client of clients) client.terminate();
    await platform.close();
  });

  const closedWith = async (kind: string): Promise<string> =>
    (await platform.fetch(`/${kind}/closed`)).text();

  /** An upgrade that is answered in HTTP. */
  const refused = async (path: string, further = ''): Promise<RawResponse> => {
    const connection = await RawConnection.open(platform.port);
    try {
      const answer = await connection.ask(`GET ${path} HTTP/1.1\r\n${HANDSHAKE}${further}\r\n`);
      await connection.closed();
      return answer;
    } finally {
      connection.destroy();
    }
  };

  for (const kind of ['pair', 'server']) {
    describe(kind === 'pair' ? 'to a fetch handler with a WebSocketPair' : 'to a server with `ws`', () => {
      it('carry text and bytes both ways, in order', async () => {
        const client = await dial(`/${kind}/echo`);
        assert.equal(await ask(client, 'hello'), 'hello');
        assert.equal(await ask(client, 'Grüße 🦀'), 'Grüße 🦀');
        assert.equal(await ask(client, ''), '');
        const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
        assert.deepEqual(await ask(client, bytes), bytes);
        const got: string[] = [];
        const all = new Promise<void>((resolve) => {
          client.on('message', (data) => {
            if (got.push(data.toString()) === 1_000) resolve();
          });
        });
        for (let index = 0; index < 1_000; index += 1) client.send(String(index));
        await all;
        assert.deepEqual(
          got,
          Array.from({ length: 1_000 }, (_, index) => String(index)),
        );
        client.close(1000);
        assert.equal(await closedWith(kind), '1000 ');
      });

      it('carry messages of megabytes', async () => {
        const client = await dial(`/${kind}/echo`);
        const text = 'abcdefgh'.repeat(128 * 1024);
        assert.equal(await ask(client, text), text);
        const bytes = Buffer.alloc(8 * 2 ** 20, 'lambent');
        assert.equal(Buffer.compare((await ask(client, bytes)) as Buffer, bytes), 0);
        client.close(1000);
        await closedWith(kind);
      });

      it('answer pings', async () => {
        const client = await dial(`/${kind}/echo`);
        const pong = once(client, 'pong');
        client.ping('are you there');
        assert.equal((await pong)[0].toString(), 'are you there');
        client.close(1000);
        await closedWith(kind);
      });

      it('are closed from either side with code and reason', async () => {
        const byServer = await dial(`/${kind}/echo`);
        const closed = once(byServer, 'close');
        byServer.send('close 4001 enough');
        const [code, reason] = await closed;
        assert.deepEqual([code, reason.toString()], [4001, 'enough']);
        assert.match(await closedWith(kind), /^4001/);
        const byClient = await dial(`/${kind}/echo`);
        const answered = once(byClient, 'close');
        byClient.close(4002, 'goodbye');
        assert.equal((await answered)[0], 4002);
        assert.equal(await closedWith(kind), '4002 goodbye');
        const broken = await dial(`/${kind}/echo`);
        broken.terminate();
        assert.match(await closedWith(kind), /^1006/);
      });

      it('know the host, the protocol and the request id', async () => {
        const client = await dial(`/${kind}/echo?a=1`, {
          protocols: ['chat', 'other'],
          headers: { 'x-request-id': 'ws-1' },
        });
        assert.equal(client.protocol, 'chat');
        const where = JSON.parse((await ask(client, 'where')) as string);
        assert.deepEqual(where, { url: `http://127.0.0.1:${platform.port}/${kind}/echo?a=1`, id: 'ws-1' });
        client.close(1000);
        await closedWith(kind);
        const record = await platform.waitForInvocation(({ trigger }) => trigger === 'websocket');
        assert.deepEqual([record.status, record.httpStatus], ['ok', 101]);
      });

      it('are reached by a preview host and the host of the app', async () => {
        for (const host of ['d1--talk.localhost', 'talk.localhost']) {
          const client = await dial(`/${kind}/echo`, { headers: { host } });
          assert.equal(JSON.parse((await ask(client, 'where')) as string).url, `http://${host}/${kind}/echo`);
          client.close(1000);
          await closedWith(kind);
        }
      });

      it('live longer than the time limit of the function', async () => {
        const client = await dial(`/${kind}/echo`);
        const untilMs = performance.now() + 1_000;
        let count = 0;
        while (performance.now() < untilMs) {
          assert.equal(await ask(client, String(count)), String(count));
          count += 1;
        }
        client.close(1000);
        assert.equal(await closedWith(kind), '1000 ');
      });

      it('200 at once', async () => {
        const all = await Promise.all(Array.from({ length: 200 }, () => dial(`/${kind}/quiet`)));
        for (let turn = 0; turn < 3; turn += 1) {
          const answers = await Promise.all(all.map((client, index) => ask(client, `${turn}-${index}`)));
          assert.deepEqual(
            answers,
            all.map((_, index) => `${turn}-${index}`),
          );
        }
        const closes = Promise.all(all.map((client) => once(client, 'close')));
        for (const client of all) client.close(1000);
        assert.ok((await closes).every(([code]) => code === 1000));
      });

      it('can be refused by the function, which then says why', async () => {
        const answer = await refused(`/${kind}/refuse`);
        assert.equal(answer.status, 403);
        assert.equal(answer.headers['x-why'], 'closed');
        assert.equal(answer.headers.connection, 'close');
        assert.equal(answer.body.toString(), 'not today');
      });

      it('fail with an error as JSON when the function does', async () => {
        const answer = await refused(`/${kind}/throw`, 'X-Request-Id: ws-2\r\n');
        const { error, requestId } = JSON.parse(answer.body.toString());
        if (kind === 'pair') assert.deepEqual([answer.status, error.code], [500, 'E_FUNCTION_ERROR']);
        else assert.deepEqual([answer.status, error.code], [426, 'E_UPGRADE_REFUSED']);
        assert.equal(requestId, 'ws-2');
        assert.equal(answer.headers['x-request-id'], 'ws-2');
      });
    });
  }

  it('to functions without them get an ordinary answer', async () => {
    assert.equal((await refused('/plain')).body.toString(), 'plain');
    assert.equal((await refused('/lambda')).body.toString(), 'lambda');
  });

  it('are refused where nothing is: no route, another host, the platform itself', async () => {
    for (const [path, further, status, code] of [
      ['/none', '', 404, 'E_ROUTE_NOT_FOUND'],
      ['/_lambent/api/v1/logs/stream', '', 426, 'E_UPGRADE_REFUSED'],
    ] as const) {
      const answer = await refused(path, further);
      assert.equal(answer.status, status);
      const { error, requestId } = JSON.parse(answer.body.toString());
      assert.equal(error.code, code);
      assert.equal(requestId, answer.headers['x-request-id']);
    }
    const foreign = await RawConnection.open(platform.port);
    const text = `GET /pair/echo HTTP/1.1\r\n${HANDSHAKE.replace('localhost', 'evil.example')}\r\n`;
    assert.equal((await foreign.ask(text)).status, 421);
    const preview = await RawConnection.open(platform.port);
    const unknown = `GET /pair/echo HTTP/1.1\r\n${HANDSHAKE.replace('localhost', 'd9--talk.localhost')}\r\n`;
    assert.equal((await preview.ask(unknown)).status, 404);
    foreign.destroy();
    preview.destroy();
  });

  it('take frames that came together with the handshake, on a connection used before', async () => {
    const connection = await RawConnection.open(platform.port);
    await connection.ask('GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const masked = Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x68 ^ 1, 0x69 ^ 2]);
    await connection.write(
      Buffer.concat([Buffer.from(`GET /pair/echo HTTP/1.1\r\n${HANDSHAKE}\r\n`), masked]),
    );
    const { status, headers } = await connection.head();
    assert.equal(status, 101);
    // The example of RFC 6455, 1.3.
    assert.equal(headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    assert.deepEqual([...(await connection.bytes(4))], [0x81, 2, 0x68, 0x69]);
    connection.destroy();
    assert.match(await closedWith('pair'), /^1006/);
  });

  it('of a function that crashes just end', async () => {
    const connection = await RawConnection.open(platform.port);
    await connection.write(`GET /crash HTTP/1.1\r\n${HANDSHAKE}\r\n`);
    assert.equal((await connection.head()).status, 101);
    await connection.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]));
    await connection.closed();
    assert.equal(connection.waitingText, '', 'no HTTP answer into another protocol');
    connection.destroy();
    const record = await platform.waitForInvocation(({ function: name }) => name === 'crash');
    assert.equal(record.status, 'crashed');
  });

  it('are not the only protocol: bytes pass as they are, to the end of both sides', async () => {
    const connection = await RawConnection.open(platform.port);
    await connection.write(
      'GET /raw HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n',
    );
    const { status, headers } = await connection.head();
    assert.deepEqual([status, headers.upgrade], [101, 'shout']);
    await connection.write('hello');
    assert.equal((await connection.bytes(5)).toString(), 'HELLO');
    connection.socket.end();
    assert.equal((await connection.bytes(3)).toString(), 'bye');
    await connection.closed();
  });

  it('are told when the platform stops, and do not hold it up', async () => {
    const own = await startTestPlatform({ talk: APP }, { link: ['ws'] });
    const before = platform;
    platform = own;
    try {
      const all = await Promise.all([dial('/pair/told'), dial('/server/told')]);
      const closes = Promise.all(all.map((client) => once(client, 'close')));
      const connection = await RawConnection.open(own.port);
      await connection.write(`GET /half HTTP/1.1\r\n${HANDSHAKE}\r\n`);
      assert.equal((await connection.head()).status, 101);
      const begun = [0x81, 4, 0x68, 0x61];
      assert.deepEqual([...(await connection.bytes(4))], begun);
      const startMs = performance.now();
      const stopped = own.close();
      assert.deepEqual(
        (await closes).map(([code]) => code),
        [1001, 1001],
      );
      await connection.write('go on');
      // The end of the frame, then the platform's own, and nothing of the function's next one.
      assert.deepEqual([...(await connection.bytes(6))], [0x6c, 0x66, 0x88, 2, 0x03, 0xe9]);
      await connection.closed();
      assert.equal(connection.waitingText, '');
      await stopped;
      assert.ok(performance.now() - startMs < 5_000);
      const told = own.events.flatMap((event) => (event.kind === 'log' ? [event.line.text] : []));
      assert.deepEqual(told, ['told 1001', 'told 1001'], 'the functions know why');
    } finally {
      platform = before;
    }
  });
});
