import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { isAlive, poll } from './process-table.ts';

const require = createRequire(import.meta.url);
const { WebSocket } = require('ws');

/** Whole web servers, unmodified, behind a `command`; and what happens when they misbehave. */

/** A server that does what the path says, in plain Node.js, with packages beside it as a framework's build has them. */
const SERVER = `
const http = require('node:http');
const { greet } = require('greeting');
const { WebSocketServer } = require('ws');
let open = 0;
const server = http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://x');
  request.socket.last = request.url;
  if (pathname === '/greet') response.end(greet('you'));
  else if (pathname === '/headers') response.end(JSON.stringify(request.headers));
  else if (pathname === '/echo') { response.writeHead(201, { 'x-a': ['1', '2'], 'content-type': request.headers['content-type'] ?? 'none' }); request.pipe(response); }
  else if (pathname === '/together') {
    open += 1;
    waiting.push(response);
    if (open === 5) for (const each of waiting.splice(0)) { open -= 1; each.end('all ' + process.pid); }
  }
  else if (pathname === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\\n\\n');
    request.on('close', () => console.log('reader gone'));
  }
  else if (pathname === '/large') { const chunk = Buffer.alloc(65536, 120); let left = 320; const more = () => { while (left-- > 0) if (!response.write(chunk)) return response.once('drain', more); response.end(); }; more(); }
  else if (pathname === '/empty') { response.writeHead(204); response.end(); }
  else if (pathname === '/half') { response.writeHead(200, { 'content-length': 100 }); response.write('half'); setTimeout(() => request.socket.destroy(), 20); }
  else if (pathname === '/drop') request.socket.destroy();
  else if (pathname === '/exit') process.exit(5);
  else if (pathname === '/fork') { const child = require('node:child_process').spawn('sleep', ['1000'], { detached: true }); response.end(String(child.pid)); }
  else if (pathname === '/call') {
    const { 'x-lambent-request-id': id } = request.headers;
    const answer = await fetch(process.env.LAMBENT_CALLS + 'invoke?function=who', { method: 'POST', body: '{}', headers: { 'x-lambent-request-id': id } });
    response.end(JSON.stringify({ id, ...(await answer.json()) }));
  }
  else if (request.method === 'POST') { let body = ''; for await (const piece of request) body += piece; response.end(JSON.stringify({ event: JSON.parse(body), from: request.headers['x-lambent-caller'] })); }
  else { response.writeHead(404); response.end('no ' + pathname); }
});
const waiting = [];
const sockets = new WebSocketServer({ server, path: '/socket' });
sockets.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on('close', (code) => console.log('socket closed', code));
});
server.keepAliveTimeout = 20;
server.on('connection', (socket) => socket.on('close', () => console.log('closed ' + socket.last)));
server.listen(Number(process.env.PORT), process.env.HOST);
`;

const FILES: AppFiles = {
  'lambent.yaml': `
app: servers
functions:
  web: { entry: web, command: node server.js, routes: ["/*"], timeout: 10s }
  files: { entry: public, command: "python3 -m http.server $PORT --bind 127.0.0.1", routes: ["/files/*", "/files"] }
  list: { entry: web, command: [node, small.js, listed], routes: ["/list"], ready: /ready }
  six: { entry: web, command: "node small.js v6", routes: ["/six"] }
  who: {}
  asks: {}
  ends: { entry: web, command: "echo cannot bind >&2; for at in 1 2 3 4 5 6; do echo '  from a.rb:'$at >&2; done; exit 3", routes: ["/ends"] }
  missing: { entry: web, command: [no-such-program], routes: ["/missing"] }
  taken: { entry: web, command: node small.js, port: 1, routes: ["/taken"] }
`,
  'web/server.js': SERVER,
  'web/small.js': `
let ready = false;
let connections = 0;
setTimeout(() => (ready = true), 100);
require('node:http').createServer((request, response) => {
  if (request.url === '/ready') { response.statusCode = ready ? 200 : 503; response.end(); }
  else if (request.method === 'POST') request.resume().on('end', () => setTimeout(() => response.end(String(connections)), 10));
  else response.end(process.argv[2] + ' ' + ready + ' ' + request.headers.host);
}).on('connection', () => (connections += 1)).listen(Number(process.env.PORT), process.argv[2] === 'v6' ? '::1' : '127.0.0.1');
`,
  'web/node_modules/greeting/index.js': "exports.greet = (name) => require('./inner').word + ' ' + name;",
  'web/node_modules/greeting/inner.js': "exports.word = 'hello';",
  'public/files/a.txt': 'a file\n',
  'functions/asks.js':
    "import { invoke } from 'lambent'; export const handler = () => invoke('web', { b: 2 });",
  'functions/who.js': 'export const handler = async (event, context) => ({ caller: context.caller });',
};

let lambent: TestPlatform;
before(async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  taken = holder;
  const { port } = holder.address() as { port: number };
  const wsFolder = require.resolve('ws/package.json').replace(/package\.json$/, '');
  const ws = Object.fromEntries(
    globSync('**/*.{js,json}', { cwd: wsFolder }).map((path) => [
      `web/node_modules/ws/${path}`,
      readFileSync(wsFolder + path, 'utf8'),
    ]),
  );
  const files = {
    ...FILES,
    ...ws,
    'lambent.yaml': FILES['lambent.yaml']!.replace('port: 1,', `port: ${port},`),
  };
  lambent = await startTestPlatform({ servers: files });
});
let taken: ReturnType<typeof createServer>;
after(async () => {
  await lambent.close();
  taken.close();
});

async function errorOf(path: string): Promise<{ status: number; code: string; message: string }> {
  const response = await lambent.fetch(path);
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  return { status: response.status, ...error };
}

describe('a web server behind a command', { timeout: 60_000 }, () => {
  it('is started with its folder, packages and a port, and answers', async () => {
    assert.equal(await (await lambent.fetch('/greet')).text(), 'hello you');
    const missing = await lambent.fetch('/nothing?x=1');
    assert.deepEqual([missing.status, await missing.text()], [404, 'no /nothing']);
    assert.equal((await lambent.fetch('/empty')).status, 204);
  });

  it('hears who the caller is, as behind any proxy', async () => {
    const headers = { 'x-forwarded-for': '192.0.2.1', 'x-mine': 'yes', 'x-lambent-request-id': 'forged' };
    const seen = (await (await lambent.fetch('/headers', { headers })).json()) as Record<string, string>;
    assert.equal(seen.host, `localhost:${lambent.port}`);
    assert.equal(seen['x-forwarded-for'], '192.0.2.1, 127.0.0.1');
    assert.deepEqual([seen['x-forwarded-proto'], seen['x-forwarded-host']], ['http', seen.host]);
    assert.equal(seen['x-mine'], 'yes');
    assert.match(seen['x-lambent-request-id']!, /^[0-9a-f-]{36}$/);
  });

  it('gets bodies and gives them, in both directions at once', async () => {
    const body = 'ü'.repeat(3_000_000);
    const response = await lambent.fetch('/echo', {
      method: 'PUT',
      body,
      headers: { 'content-type': 'text/x' },
    });
    assert.deepEqual(
      [response.status, response.headers.get('x-a'), response.headers.get('content-type')],
      [201, '1, 2', 'text/x'],
    );
    assert.equal(await response.text(), body);
    const empty = await lambent.fetch('/echo', { method: 'POST' });
    assert.equal(await empty.text(), '');
    assert.equal((await (await lambent.fetch('/large')).arrayBuffer()).byteLength, 320 * 65_536);
  });

  it('streams, and hears when its reader goes', async () => {
    const reader = new AbortController();
    const response = await lambent.fetch('/events', { signal: reader.signal });
    const chunk = await response.body!.getReader().read();
    assert.equal(Buffer.from(chunk.value!).toString(), 'data: 1\n\n');
    reader.abort();
    await lambent.waitForLog(({ text }) => text === 'reader gone');
  });

  it('works on several requests at once, in one process', async () => {
    const answers = await Promise.all(
      [1, 2, 3, 4, 5].map(async () => (await lambent.fetch('/together')).text()),
    );
    assert.equal(new Set(answers).size, 1);
    assert.match(answers[0]!, /^all \d+$/);
  });

  it('speaks WebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${lambent.port}/socket`);
    await once(socket, 'open');
    const large = 'x'.repeat(1_000_000);
    for (const text of ['hello', large]) {
      socket.send(text);
      const [data] = (await once(socket, 'message')) as [Buffer];
      assert.equal(data.toString(), text);
    }
    socket.close(4001);
    await lambent.waitForLog(({ text }) => text === 'socket closed 4001');
    const refused = new WebSocket(`ws://127.0.0.1:${lambent.port}/nowhere`);
    const [error] = (await once(refused, 'error')) as [Error];
    assert.match(error.message, /400/);
  });

  it('takes events as a POST, and calls other functions', async () => {
    const { json } = await lambent.api('POST', '/apps/servers/functions/web/invocations', { a: 1 });
    assert.deepEqual((json as { result: unknown }).result, { event: { a: 1 } });
    const asked = await lambent.api('POST', '/apps/servers/functions/asks/invocations', {});
    assert.deepEqual((asked.json as { result: unknown }).result, { event: { b: 2 }, from: 'servers/asks' });
    const { id, caller } = (await (await lambent.fetch('/call')).json()) as {
      id: string;
      caller: { function: string; requestId: string };
    };
    assert.deepEqual([caller.function, caller.requestId], ['web', id]);
  });

  it('may be of any language, and started by a list', async () => {
    const file = await lambent.fetch('/files/a.txt');
    assert.deepEqual([file.status, await file.text()], [200, 'a file\n']);
    assert.match(await (await lambent.fetch('/files/')).text(), /a\.txt/);
    // Not before its own path says that it is ready.
    assert.match(await (await lambent.fetch('/list')).text(), /^listed true localhost/);
    assert.match(await (await lambent.fetch('/six')).text(), /^v6 /);
  });

  it('is asked over the same connection again, also with bodies', async () => {
    const before = await (await lambent.fetch('/six')).text();
    assert.match(before, /^v6/);
    const counts = [];
    for (const body of ['a', 'b', 'c', 'd'])
      counts.push(await (await lambent.fetch('/six', { method: 'POST', body })).text());
    assert.equal(new Set(counts).size, 1, counts.join());
  });

  it('is not disturbed when it closes its idle connections', async () => {
    for (const count of [1, 2, 3]) {
      assert.equal((await lambent.fetch(`/greet?${count}`)).status, 200);
      await lambent.waitForLog(({ text }) => text === `closed /greet?${count}`);
    }
  });
});

describe('a web server that does not work', { timeout: 60_000 }, () => {
  it('ends before it listens: its last words are in the message', async () => {
    const { status, code, message } = await errorOf('/ends');
    assert.deepEqual([status, code], [502, 'E_BOOT_FAILED']);
    assert.match(message, /exit code 3 before it listened on port \d+; its last lines: cannot bind/);
    assert.match((await errorOf('/missing')).message, /no-such-program could not be started \(ENOENT\)/);
  });

  it('cannot have a port that is taken', async (context) => {
    if (lambent.platform.isolation.level !== 'E') context.skip('each instance has a network of its own');
    else assert.match((await errorOf('/taken')).message, /port \d+ is taken: leave `port` out/);
  });

  it('closes the connection before or in the middle of an answer', async () => {
    const { status, code, message } = await errorOf('/drop');
    assert.deepEqual([status, code], [500, 'E_FUNCTION_ERROR']);
    assert.match(message, /closed the connection without an answer/);
    await assert.rejects(async () => (await lambent.fetch('/half')).text());
    const record = await lambent.waitForInvocation(({ error }) => error?.errorType === 'AnswerBrokenOff');
    assert.match(record.error!.errorMessage, /in the middle of its answer/);
    assert.equal(await (await lambent.fetch('/greet')).text(), 'hello you');
  });

  it('dies: that request fails, later ones do not', async () => {
    const { code, message } = await errorOf('/exit');
    assert.equal(code, 'E_FUNCTION_EXITED');
    assert.match(message, /exit code 5/);
    assert.equal(await (await lambent.fetch('/greet')).text(), 'hello you');
  });
});

describe('what a web server started', { timeout: 30_000 }, () => {
  it('ends with its instance', async (context) => {
    if (lambent.platform.isolation.level !== 'E') {
      context.skip('the sandbox has process ids of its own, and its tests see to this');
      return;
    }
    const pid = Number(await (await lambent.fetch('/fork')).text());
    assert.ok(isAlive(pid));
    await lambent.platform.close();
    await poll(() => !isAlive(pid));
  });
});
