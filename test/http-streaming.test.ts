import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as later } from 'node:timers/promises';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { RawConnection } from './raw-connection.ts';

/** Bodies that flow both ways: at once, and held back by whoever is slow. */

const APP: AppFiles = {
  'lambent.yaml': `
app: flow
functions:
  echo: { routes: [POST /echo] }
  echoServer: { routes: [POST /echo-server] }
  events: { routes: [GET /events, 'POST /events/:what'] }
  eventsServer: { routes: [GET /server-events, 'POST /server-events/:what'] }
  flood: { routes: [GET /flood, GET /flood/produced], maxResponseMb: 1000 }
  gate: { routes: [POST /gate, POST /gate/open, GET /gate/taken] }
  sink: { routes: [POST /sink, GET /sink/rss] }
`,
  'functions/echo.js': `export default { fetch: (request) => new Response(request.body) };`,
  'functions/echoServer.js': `import { createServer } from 'node:http';
export default createServer((request, response) => { response.flushHeaders(); request.pipe(response); });`,
  'functions/events.js': `const open = new Set();
export default {
  async fetch(request, env, ctx) {
    const encoder = new TextEncoder();
    if (request.method === 'POST') {
      const text = await request.text();
      for (const controller of open) {
        if (ctx.params.what === 'end') controller.close();
        else controller.enqueue(encoder.encode('data: ' + text + '\\n\\n'));
      }
      return new Response(String(open.size));
    }
    const body = new ReadableStream({ start(controller) { open.add(controller); }, cancel() { open.clear(); } });
    return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' } });
  },
};`,
  'functions/eventsServer.js': `const express = require('express');
const app = express();
const open = new Set();
app.get('/server-events', (request, response) => {
  response.set('content-type', 'text/event-stream').flushHeaders();
  open.add(response);
});
app.post('/server-events/:what', express.text(), (request, response) => {
  for (const stream of open) {
    if (request.params.what === 'end') stream.end();
    else stream.write('data: ' + request.body + '\\n\\n');
  }
  response.send(String(open.size));
});
module.exports = app;`,
  'functions/flood.js': `let produced = 0;
const chunk = new Uint8Array(64 * 1024).fill(120);
export default {
  fetch(request) {
    if (request.url.endsWith('/produced')) return Response.json({ produced, rss: process.memoryUsage.rss() });
    const total = 96 * 2 ** 20;
    produced = 0;
    return new Response(new ReadableStream({
      pull(controller) {
        controller.enqueue(chunk);
        produced += chunk.length;
        if (produced >= total) controller.close();
      },
    }, { highWaterMark: 0 }));
  },
};`,
  'functions/gate.js': `let open;
const opened = new Promise((resolve) => { open = resolve; });
let taken = 0;
export default {
  async fetch(request) {
    if (request.url.endsWith('/taken')) return new Response(String(taken));
    if (request.url.endsWith('/open')) { open(); return new Response(''); }
    for await (const piece of request.body) {
      taken += piece.length;
      await opened;
    }
    return new Response(String(taken));
  },
};`,
  'functions/sink.js': `export default {
  async fetch(request) {
    if (request.method === 'GET') return new Response(String(process.memoryUsage.rss()));
    let bytes = 0;
    let highest = 0;
    let nextLook = 0;
    for await (const piece of request.body) {
      bytes += piece.length;
      if (bytes < nextLook) continue;
      nextLook += 16 * 2 ** 20;
      highest = Math.max(highest, process.memoryUsage.rss());
    }
    return Response.json({ bytes, highest });
  },
};`,
};

const MB = 2 ** 20;
const HEAD = 'Host: localhost\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;

function chunkOf(data: string): string {
  return `${Buffer.byteLength(data).toString(16)}\r\n${data}\r\n`;
}

/** The value once it stays the same: what flows has come to a stop. */
async function settled(read: () => number | Promise<number>): Promise<number> {
  let last = await read();
  for (let same = 0; same < 5; ) {
    await later(40);
    const value = await read();
    same = value === last ? same + 1 : 0;
    last = value;
  }
  return last;
}

describe('streams over HTTP', { timeout: 90_000 }, () => {
  let platform: TestPlatform;
  let port = 0;
  const connections: RawConnection[] = [];
  const open = async (): Promise<RawConnection> => {
    const connection = await RawConnection.open(port);
    connections.push(connection);
    return connection;
  };
  before(async () => {
    platform = await startTestPlatform({ flow: APP }, { link: ['express'] });
    ({ port } = platform);
  });
  after(async () => {
    for (const connection of connections) connection.destroy();
    await platform.close();
  });

  for (const path of ['/echo', '/echo-server']) {
    it(`${path} answers while the upload is still going on`, async () => {
      const connection = await open();
      await connection.write(`POST ${path} HTTP/1.1\r\n${CHUNKED}`);
      await connection.write(chunkOf('zero'));
      const { status, headers } = await connection.head();
      assert.equal(status, 200);
      assert.equal(headers['transfer-encoding'], 'chunked');
      assert.equal((await connection.chunk()).toString(), 'zero');
      for (const word of ['one', 'two', 'three']) {
        await connection.write(chunkOf(word));
        assert.equal((await connection.chunk()).toString(), word);
      }
      await connection.write('0\r\n\r\n');
      assert.equal((await connection.chunk()).length, 0);
      // The connection is in order afterwards.
      const again = await connection.ask(`POST ${path} HTTP/1.1\r\n${HEAD}Content-Length: 5\r\n\r\nagain`);
      assert.equal(again.body.toString(), 'again');
    });
  }

  for (const path of ['/events', '/server-events']) {
    // The plain way, and the way of `node:http`.
    for (const further of ['', 'Connection: close\r\n']) {
      it(`${path}: each event arrives at once and by itself ${further.trim()}`, async () => {
        const connection = await open();
        await connection.write(`GET ${path} HTTP/1.1\r\n${HEAD}${further}\r\n`);
        const { headers } = await connection.head();
        assert.match(headers['content-type'] ?? '', /^text\/event-stream/);
        for (let event = 1; event <= 5; event += 1) {
          const sent = await platform.fetch(`${path}/send`, {
            method: 'POST',
            body: String(event),
            headers: { 'content-type': 'text/plain' },
          });
          assert.equal(await sent.text(), '1');
          assert.equal((await connection.chunk()).toString(), `data: ${event}\n\n`);
        }
        connection.destroy();
        // The next turn begins with nobody listening.
        const listening = async (): Promise<number> =>
          Number(await (await platform.fetch(`${path}/send`, { method: 'POST' })).text());
        if (path === '/events') while ((await listening()) > 0);
      });
      if (path === '/server-events') break;
    }
  }

  it('a reader that does not read holds the function back', async () => {
    const state = async (): Promise<{ produced: number; rss: number }> =>
      (await platform.fetch('/flood/produced')).json() as never;
    for (const further of ['', 'Connection: close\r\n']) {
      const before = { platform: process.memoryUsage.rss(), instance: (await state()).rss };
      const connection = await open();
      await connection.write(`GET /flood HTTP/1.1\r\n${HEAD}${further}\r\n`);
      await connection.head();
      connection.socket.pause();
      const produced = await settled(async () => (await state()).produced);
      // What the system itself keeps for a connection comes on top of the platform's own windows.
      assert.ok(produced < 24 * MB, `it produced ${produced} bytes for nobody`);
      const grown = {
        platform: process.memoryUsage.rss() - before.platform,
        instance: (await state()).rss - before.instance,
      };
      assert.ok(grown.platform < 32 * MB, `the platform grew by ${grown.platform}`);
      assert.ok(grown.instance < 32 * MB, `the instance grew by ${grown.instance}`);
      connection.socket.resume();
      let bytes = 0;
      for (let chunk = await connection.chunk(); chunk.length > 0; chunk = await connection.chunk())
        bytes += chunk.length;
      assert.equal(bytes, 96 * MB);
    }
  });

  it('a function that does not read holds the sender back, until it reads', async () => {
    const piece = Buffer.alloc(MB, 'x');
    const before = process.memoryUsage.rss();
    const connection = await open();
    await connection.write(`POST /gate HTTP/1.1\r\n${HEAD}Content-Length: ${64 * MB}\r\n\r\n`);
    const sending = (async () => {
      for (let sent = 0; sent < 64; sent += 1) await connection.write(piece);
    })();
    const taken = async (): Promise<number> => Number(await (await platform.fetch('/gate/taken')).text());
    assert.ok((await settled(taken)) <= 64 * 1024);
    const left = await settled(() => connection.socket.bytesWritten - connection.socket.writableLength);
    assert.ok(left < 24 * MB, `${left} bytes left the sender`);
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 32 * MB, `the platform (and this sender) grew by ${grown} bytes`);
    await platform.fetch('/gate/open', { method: 'POST' });
    await sending;
    assert.equal((await connection.response()).body.toString(), String(64 * MB));
  });

  it('an upload of 1 GB passes through without memory growing', async () => {
    const piece = Buffer.alloc(MB, 'x');
    const upload = async (totalMb: number): Promise<{ platform: number; instance: number }> => {
      const connection = await open();
      let platformHighest = 0;
      await connection.write(`POST /sink HTTP/1.1\r\n${HEAD}Content-Length: ${totalMb * MB}\r\n\r\n`);
      for (let sent = 0; sent < totalMb; sent += 1) {
        await connection.write(piece);
        if (sent % 16 === 0) platformHighest = Math.max(platformHighest, process.memoryUsage.rss());
      }
      const { bytes, highest } = JSON.parse((await connection.response()).body.toString());
      assert.equal(bytes, totalMb * MB);
      return { platform: platformHighest, instance: highest };
    };
    const before = {
      platform: process.memoryUsage.rss(),
      instance: Number(await (await platform.fetch('/sink/rss')).text()),
    };
    const some = await upload(128);
    const much = await upload(1024);
    assert.ok(much.platform - before.platform < 100 * MB, `the platform (and this sender): ${much.platform}`);
    assert.ok(much.instance - before.instance < 100 * MB, `the instance: ${much.instance}`);
    // What garbage there is between two collections does not depend on the length of a body.
    assert.ok(much.platform - some.platform < 64 * MB, `${some.platform}, then ${much.platform}`);
    assert.ok(much.instance - some.instance < 64 * MB, `${some.instance}, then ${much.instance}`);
  });
});
