import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { RawConnection } from './raw-connection.ts';

/** How exchanges end before they are complete: the caller leaves, the function breaks, the platform stops. */

/** Lets a function tell a test what happened to it: `next` of /…/told answers one telling after another. */
const TELL = `const told = [];
const asking = [];
export const tell = (text) => asking.length > 0 ? asking.shift()(text) : told.push(text);
export const next = () => told.length > 0 ? told.shift() : new Promise((resolve) => asking.push(resolve));
`;

const APP: AppFiles = {
  'lambent.yaml': `
app: ends
functions:
  watched: { routes: ['/watched/*'] }
  server: { routes: ['/server/*'] }
  breaks: { routes: ['GET /breaks/:how'] }
  single: { routes: ['GET /single/:what'], concurrency: 1, maxConcurrency: 1 }
  echo: { routes: [POST /echo] }
  count: { routes: [POST /count] }
  waits: { routes: ['/waits/*'] }
`,
  'tell.js': TELL,
  'functions/watched.js': `import { next, tell } from '../tell.js';
export default {
  async fetch(request, env, ctx) {
    const what = ctx.params['*'];
    if (what === 'told') return new Response(await next());
    const aborted = new Promise((resolve) => request.signal.addEventListener('abort', () => resolve(request.signal.reason.name)));
    if (what === 'silent') {
      tell('started');
      tell('silent ' + await aborted);
      return new Response('nobody reads this');
    }
    if (what === 'upload') {
      try { for await (const piece of request.body) tell('started'); }
      catch (error) { tell('upload ' + error.code + ' ' + await aborted); }
      return new Response('');
    }
    return new Response(new ReadableStream({
      start(controller) { controller.enqueue(new TextEncoder().encode('first;')); tell('started'); },
      async cancel() { tell(what + (request.method === 'HEAD' ? '' : ' ' + await aborted)); },
    }));
  },
};`,
  'functions/server.js': `import { createServer } from 'node:http';
import { next, tell } from '../tell.js';
createServer(async (request, response) => {
  const what = request.url.split('/').at(-1);
  if (what === 'told') { response.end(await next()); return; }
  request.on('error', (error) => tell('request ' + error.code));
  response.on('close', () => tell(what + ' closed, finished: ' + response.writableFinished));
  if (what === 'stream') response.write('first;');
  if (what === 'upload') request.resume();
  tell('started');
}).listen(8080);`,
  // Answers after /waits/go, each part of a stream after one.
  'functions/waits.js': `import { next, tell } from '../tell.js';
export default {
  async fetch(request, env, ctx) {
    const what = ctx.params['*'];
    if (what === 'go') { tell('go'); return new Response(''); }
    if (what === 'whole') { await next(); return new Response('whole ' + await request.text()); }
    let count = 0;
    return new Response(new ReadableStream({
      async pull(controller) {
        count += 1;
        if (count > 1) await next();
        if (count > 3) controller.close(); else controller.enqueue(new TextEncoder().encode('part ' + count));
      },
    }, { highWaterMark: 0 }));
  },
};`,
  'functions/breaks.js': `export default {
  fetch(request, env, ctx) {
    let count = 0;
    const body = new ReadableStream({
      pull(controller) {
        count += 1;
        if (count === 1) controller.enqueue(new TextEncoder().encode('first;'));
        else if (ctx.params.how === 'exit') process.exit(3);
        else controller.error(new Error('broken on purpose'));
      },
    }, { highWaterMark: 0 });
    return new Response(body, ctx.params.how === 'short' ? { headers: { 'content-length': '1000' } } : {});
  },
};`,
  'functions/single.js': `export default {
  async fetch(request, env, ctx) {
    if (ctx.params.what === 'quick') return new Response('quick');
    await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
    return new Response('');
  },
};`,
  'functions/echo.js': `export default { fetch: (request) => new Response(request.body) };`,
  'functions/count.js': `export default { fetch: async (request) => new Response(String((await request.bytes()).length)) };`,
};

const HOST = 'Host: localhost\r\n';
const CHUNKED = `${HOST}Transfer-Encoding: chunked\r\n\r\n`;
const LEAVE = { closes: 'destroy', resets: 'resetAndDestroy' } as const;

let platform: TestPlatform;
const connections: RawConnection[] = [];
const open = async (port = platform.port): Promise<RawConnection> => {
  const connection = await RawConnection.open(port);
  connections.push(connection);
  return connection;
};

describe('HTTP exchanges that end early', { timeout: 60_000 }, () => {
  before(async () => {
    platform = await startTestPlatform({ ends: APP });
  });
  after(async () => {
    for (const connection of connections) connection.destroy();
    await platform.close();
  });

  const told = async (folder: string): Promise<string> => (await platform.fetch(`/${folder}/told`)).text();

  for (const [how, leave] of Object.entries(LEAVE)) {
    // The plain way, and the way of `node:http`.
    for (const further of ['', 'Connection: close\r\n']) {
      const name = `a caller who ${how} the connection ${further.trim()}`.trim();

      it(`${name} in the middle of an answer: the function hears it`, async () => {
        for (const [folder, expected] of [
          ['watched', ['stream AbortError']],
          ['server', ['stream closed, finished: false', 'request ECONNRESET']],
        ] as const) {
          const connection = await open();
          await connection.write(`GET /${folder}/stream HTTP/1.1\r\n${HOST}${further}\r\n`);
          await connection.head();
          assert.equal((await connection.chunk()).toString(), 'first;');
          assert.equal(await told(folder), 'started');
          connection.socket[leave]();
          for (const line of expected) assert.equal(await told(folder), line);
          await platform.waitForInvocation(
            ({ status, summary }) => status === 'cancelled' && summary === `GET /${folder}/stream`,
          );
        }
      });

      it(`${name} while nothing is said yet: the function hears it`, async () => {
        for (const [folder, expected] of [
          ['watched', ['silent AbortError']],
          ['server', ['silent closed, finished: false', 'request ECONNRESET']],
        ] as const) {
          const connection = await open();
          await connection.write(`GET /${folder}/silent HTTP/1.1\r\n${HOST}${further}\r\n`);
          assert.equal(await told(folder), 'started');
          connection.socket[leave]();
          for (const line of expected) assert.equal(await told(folder), line);
        }
      });
    }

    it(`a caller who ${how} the connection in the middle of an upload: the function hears it`, async () => {
      for (const [folder, expected] of [
        ['watched', ['upload ECONNRESET AbortError']],
        ['server', ['upload closed, finished: false', 'request ECONNRESET']],
      ] as const) {
        const connection = await open();
        await connection.write(`POST /${folder}/upload HTTP/1.1\r\n${CHUNKED}5\r\nhello\r\n`);
        assert.equal(await told(folder), 'started');
        connection.socket[leave]();
        for (const line of expected) assert.equal(await told(folder), line);
      }
    });
  }

  const go = async (): Promise<void> => {
    await platform.fetch('/waits/go');
  };

  describe('a caller who ends its own side alone', () => {
    for (const further of ['', 'Connection: close\r\n']) {
      it(`gets its answer, also a late one ${further.trim()}`.trim(), async () => {
        const connection = await open();
        await connection.write(`GET /waits/whole HTTP/1.1\r\n${HOST}${further}\r\n`);
        connection.socket.end();
        // It is looked for meanwhile, which changes nothing.
        assert.equal((await connection.head()).status, 100);
        await go();
        assert.equal((await connection.response()).body.toString(), 'whole ');
        assert.equal(await connection.closed(), 'end');
      });

      it(`gets all of a stream ${further.trim()}`.trim(), async () => {
        const connection = await open();
        await connection.write(`GET /waits/stream HTTP/1.1\r\n${HOST}${further}\r\n`);
        connection.socket.end();
        assert.equal((await connection.head()).status, 200);
        assert.equal((await connection.chunk()).toString(), 'part 1');
        assert.equal((await connection.bytes(1)).toString(), '0', 'the beginning of the next size');
        await go();
        assert.equal((await connection.chunk()).toString(), 'part 2');
        await go();
        assert.equal((await connection.chunk()).toString(), 'part 3');
        assert.equal((await connection.bytes(1)).toString(), '0');
        await go();
        assert.equal(await connection.through('\r\n\r\n'), '0\r\n\r\n');
        assert.equal(await connection.closed(), 'end');
      });
    }

    it('gets the answers to all that it asked', async () => {
      const connection = await open();
      const body = 'Content-Length: 5\r\n\r\nhello';
      const get = `GET /single/quick HTTP/1.1\r\n${HOST}\r\n`;
      await connection.write(`${get}${get}POST /waits/whole HTTP/1.1\r\n${HOST}${body}${get}`);
      connection.socket.end();
      await go();
      for (const text of ['quick', 'quick', 'whole hello', 'quick'])
        assert.equal((await connection.response()).body.toString(), text);
      assert.equal(await connection.closed(), 'end');
    });

    it('gets no answer to half a request', async () => {
      for (const half of [`GET /single/quick HTTP/1.1\r\n`, `POST /count HTTP/1.1\r\n${CHUNKED}5\r\nhel`]) {
        const connection = await open();
        await connection.write(half);
        connection.socket.end();
        await connection.closed();
        assert.equal(connection.waitingText, '');
      }
    });
  });

  it('the place of a caller who went away is free for the next', async () => {
    const first = await open();
    await first.write(`GET /single/wait HTTP/1.1\r\n${HOST}\r\n`);
    const second = await open();
    await second.write(`GET /single/quick HTTP/1.1\r\n${HOST}\r\n`);
    first.destroy();
    assert.equal((await second.response()).body.toString(), 'quick');
  });

  it('HEAD ends a stream that nobody will read, and the connection goes on', async () => {
    const connection = await open();
    for (const further of ['', 'Transfer-Encoding: chunked\r\n']) {
      const body = further === '' ? '' : '0\r\n\r\n';
      await connection.write(`HEAD /watched/headed HTTP/1.1\r\n${HOST}${further}\r\n${body}`);
      assert.equal((await connection.response('HEAD')).status, 200);
      assert.equal(await told('watched'), 'started');
      assert.equal(await told('watched'), 'headed');
    }
  });

  for (const how of ['error', 'exit', 'short']) {
    for (const further of ['', 'Connection: close\r\n']) {
      it(`a body that ends by ${how} is no whole answer ${further.trim()}`.trim(), async () => {
        const connection = await open();
        await connection.write(`GET /breaks/${how} HTTP/1.1\r\n${HOST}${further}\r\n`);
        const { status } = await connection.head();
        assert.equal(status, 200);
        const first = how === 'short' ? await connection.bytes(6) : await connection.chunk();
        assert.equal(first.toString(), 'first;');
        await connection.closed();
        assert.equal(connection.waitingText, '', 'no last chunk, no second answer');
      });
    }
  }

  it('the error of a broken body is in the log and in the record', async () => {
    const { error } = await platform.waitForInvocation(({ summary }) => summary === 'GET /breaks/error');
    assert.equal(error?.code, 'E_FUNCTION_ERROR');
    assert.equal(error?.errorMessage, 'broken on purpose');
    await platform.waitForLog(({ text }) => text.includes('broken on purpose'));
    const exited = await platform.waitForInvocation(({ summary }) => summary === 'GET /breaks/exit');
    assert.equal(exited.status, 'crashed');
  });
});

describe('a platform that stops', { timeout: 30_000 }, () => {
  it('finishes what runs, takes nothing new, and closes what is idle', async () => {
    platform = await startTestPlatform({ ends: APP });
    const { port } = platform;
    const echo = await open();
    await echo.write(`POST /echo HTTP/1.1\r\n${CHUNKED}3\r\none\r\n`);
    await echo.head();
    assert.equal((await echo.chunk()).toString(), 'one');
    const count = await open();
    await count.write(`POST /count HTTP/1.1\r\n${CHUNKED}3\r\none\r\n`);
    const idle = [await open(), await open(), await open()];
    await idle[1]!.ask(`GET /none HTTP/1.1\r\n${HOST}\r\n`);
    await idle[2]!.ask(`POST /none HTTP/1.1\r\n${CHUNKED}0\r\n\r\n`);

    let closed = false;
    const closing = platform.close().then(() => {
      closed = true;
    });
    for (const connection of idle) await connection.closed();
    const late = connect({ port, host: '127.0.0.1' });
    const [refused] = await once(late, 'error');
    assert.equal((refused as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    // What runs does not notice.
    for (const word of ['two', 'six']) {
      await echo.write(`3\r\n${word}\r\n`);
      assert.equal((await echo.chunk()).toString(), word);
    }
    assert.equal(closed, false);
    await echo.write('0\r\n\r\n');
    assert.equal((await echo.chunk()).length, 0);
    assert.equal(await echo.closed(), 'end');
    await count.write('3\r\ntwo\r\n0\r\n\r\n');
    const answer = await count.response();
    assert.equal(answer.body.toString(), '6');
    assert.equal(answer.headers.connection, 'close');
    await closing;
    const records = platform.events
      .filter((event) => event.kind === 'invocation')
      .map(({ record }) => record.status);
    assert.deepEqual(records, ['ok', 'ok']);
  });
});
