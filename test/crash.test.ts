import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeApp } from './platform-harness.ts';
import { commandOf, descendantsOf, isAlive, poll } from './process-table.ts';
import { type Server, startServer, tokenOf, untilGone, waitForToken } from './server-process.ts';

/** What is left when parts of a server are killed, and who learns its token. */

const APP = {
  'functions/pid.js':
    'export default { fetch() { console.log("asked"); return new Response(String(process.pid)); } };',
  // Holds on to life: children in groups of their own, signals ignored, an event loop that never turns.
  'functions/clings.js': `
    import { spawn } from 'node:child_process';
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});
    export default { fetch() {
      spawn('/bin/sh', ['-c', 'trap "" TERM; sleep 1000 & wait'], { detached: true, stdio: 'ignore' });
      setTimeout(() => { for (;;); }, 20);
      return new Response('clinging');
    } };`,
  'functions/waits.js': 'export default { fetch: () => new Promise(() => setInterval(() => {}, 1_000)) };',
};

const skip = process.platform !== 'linux' && 'the process tree is read from /proc';

describe('a server of which parts are killed', { timeout: 90_000, skip }, () => {
  let folder = '';
  let app = '';
  const servers: Server[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-crash-'));
    app = await writeApp(join(folder, 'shop'), APP);
  });
  after(async () => {
    for (const { child } of servers) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  async function open(
    data: string,
    folders: readonly string[] = [app],
    options: readonly string[] = [],
  ): Promise<Server> {
    const server = await startServer(join(folder, data), folders, options);
    servers.push(server);
    return server;
  }

  async function stop(server: Server): Promise<void> {
    server.child.kill('SIGTERM');
    if (server.child.exitCode === null) await once(server.child, 'exit');
    assert.equal(server.child.exitCode, 0);
  }

  const api = async (
    server: Server,
    token: string,
    path: string,
  ): Promise<{ items: Record<string, unknown>[] }> => {
    const response = await fetch(`${server.url}/_lambent/api/v1${path}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(response.status, 200);
    return (await response.json()) as { items: Record<string, unknown>[] };
  };

  /** The platform's own process (the program may have handed over to another one), and the spawner below it. */
  function processesOf(server: Server): { all: number[]; spawner: number } {
    const below = descendantsOf(server.child.pid!);
    const spawner = below.find((pid) => commandOf(pid).includes('spawner'));
    assert.ok(spawner !== undefined);
    return { all: [server.child.pid!, ...below], spawner };
  }

  it('leaves no process after SIGKILL, whatever the functions do, and keeps its history', async () => {
    const server = await open('kill');
    const token = await waitForToken(server);
    assert.equal(await (await fetch(`${server.url}/clings`)).text(), 'clinging');
    const answer = await fetch(`${server.url}/pid`);
    const pid = Number(await answer.text());
    const id = answer.headers.get('x-request-id');
    const { items } = await api(server, token, '/invocations?function=pid');
    assert.deepEqual(
      items.map((item) => item.id),
      [id],
    );
    await poll(() => descendantsOf(server.child.pid!).some((child) => commandOf(child).startsWith('sleep')));
    const { all } = processesOf(server);
    assert.ok(all.includes(pid));
    const scratch = await readdir(join(folder, 'kill/run'));
    assert.ok(scratch.length >= 1);
    server.child.kill('SIGKILL');
    await untilGone(all);

    const again = await open('kill', []);
    const kept = await api(again, token, '/invocations?function=pid');
    assert.deepEqual(
      kept.items.map((item) => item.id),
      [id],
    );
    const logs = await api(again, token, `/logs?invocation=${id}`);
    assert.deepEqual(
      logs.items.map((item) => item.text),
      ['asked'],
    );
    assert.equal((await fetch(`${again.url}/pid`)).status, 200);
    const left = await readdir(join(folder, 'kill/run'));
    assert.deepEqual(
      left.filter((name) => scratch.includes(name)),
      [],
    );
    await stop(again);
  });

  it('leaves no instance when the platform and its spawner are killed at once', async () => {
    const server = await open('both');
    const pid = Number(await (await fetch(`${server.url}/pid`)).text());
    const { all, spawner } = processesOf(server);
    for (const each of [server.child.pid!, spawner]) process.kill(each, 'SIGKILL');
    await untilGone(all);
    assert.equal(isAlive(pid), false);
  });

  it('goes on when the spawner alone is killed', async () => {
    const server = await open('spawner');
    const first = Number(await (await fetch(`${server.url}/pid`)).text());
    const waiting = fetch(`${server.url}/waits`);
    const token = await waitForToken(server);
    await poll(async () => {
      const { items } = await api(server, token, '/instances');
      return items.some((item) => item.function === 'waits' && item.activeInvocations === 1);
    });
    const { spawner } = processesOf(server);
    const gone = [spawner, ...descendantsOf(spawner)];
    process.kill(spawner, 'SIGKILL');
    const broken = await waiting;
    const { error } = (await broken.json()) as { error: { code: string; message: string } };
    assert.deepEqual([broken.status, error.code], [502, 'E_INSTANCE_LOST'], error.message);
    assert.ok(gone.includes(first));
    await untilGone(gone);
    const second = Number(await (await fetch(`${server.url}/pid`)).text());
    assert.notEqual(second, first);
    assert.match(server.output(), /the spawner ended; its instances are stopped/);
    await stop(server);
  });

  it('says where it serves in its log of JSON lines, which never holds the token', async () => {
    const server = await open('json', [app], ['--log', 'json']);
    const token = await waitForToken(server);
    await (await fetch(`${server.url}/pid`, { headers: { authorization: `Bearer ${token}` } })).text();
    await api(server, token, '/logs');
    await fetch(`${server.url}/_lambent/api/v1/apps?token=${token}`);
    await stop(server);
    const lines = server
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'));
    assert.ok(lines.length >= 3);
    for (const line of lines) assert.equal(typeof JSON.parse(line).message, 'string');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).message).filter((text) => /^(serving|stopp)/.test(text)),
      ['serving', 'stopping', 'stopped'],
    );
    assert.ok(!lines.some((line) => line.includes(token)));
    const data = join(folder, 'json');
    for (const entry of await readdir(data, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const bytes = await readFile(join(entry.parentPath, entry.name));
      assert.equal(bytes.includes(token), false, `${entry.name} holds the token`);
    }
  });

  it('still shows the token after a first start that failed', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await assert.rejects(open('failed', [], ['--port', String(port)]), /E_PORT_IN_USE/);
    other.close();
    const server = await open('failed', []);
    const token = await waitForToken(server);
    await api(server, token, '/apps');
    await stop(server);
    const again = await open('failed', []);
    await api(again, token, '/apps');
    assert.equal(tokenOf(again), undefined);
    await stop(again);
  });
});
