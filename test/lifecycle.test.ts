import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { delay, systemClock } from '../src/base/clock.ts';
import { REPOSITORY, startTestPlatform, writeApp } from './platform-harness.ts';
import { type Server, startServer, tokenOf, untilGone, waitForToken } from './server-process.ts';

const APP = {
  'functions/pid.ts': 'export default { fetch: () => new Response(String(process.pid)) };',
  'functions/slow.ts': `export default {
    fetch() {
      let send;
      const body = new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode('begun '));
          await new Promise((resolve) => setTimeout(resolve, 600));
          controller.enqueue(new TextEncoder().encode('ended'));
          controller.close();
        },
      });
      return new Response(body);
    },
  };`,
  'functions/fails.ts': `export const handler = async () => { throw new Error('not today'); };`,
};

describe('the life of a server', { timeout: 90_000 }, () => {
  let folder = '';
  let app = '';
  const servers: Server[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-life-'));
    app = await writeApp(join(folder, 'shop'), APP);
  });
  after(async () => {
    for (const { child } of servers) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  async function open(data: string, folders: readonly string[] = []): Promise<Server> {
    const server = await startServer(join(folder, data), folders);
    servers.push(server);
    return server;
  }

  it('finishes what runs on SIGTERM, then ends with 0 and leaves no process', async () => {
    const server = await open('term', [app]);
    const pid = Number(await (await fetch(`${server.url}/pid`)).text());
    const response = await fetch(`${server.url}/slow`);
    const reader = response.body!.getReader();
    const first = await reader.read();
    assert.equal(Buffer.from(first.value!).toString(), 'begun ');
    server.child.kill('SIGTERM');
    let rest = '';
    for (let piece = await reader.read(); !piece.done; piece = await reader.read())
      rest += Buffer.from(piece.value).toString();
    assert.equal(rest, 'ended');
    if (server.child.exitCode === null) await once(server.child, 'exit');
    assert.equal(server.child.exitCode, 0);
    await untilGone([pid]);
  });

  it('writes nothing more once it has ended, however soon after its start', async () => {
    const { platform } = await startTestPlatform({}, { folder: join(folder, 'soon') });
    await platform.close();
    // It is made at the first start, beside the work; what is not yet whole is called otherwise.
    const made = await readdir(join(folder, 'soon/data/runtime'));
    assert.match(made.join(), /^node-[0-9a-f]{16}$/);
  });

  it('keeps deployments, tokens and accepted work over SIGKILL, and leaves no process', async () => {
    const first = await open('kill', [app]);
    const token = await waitForToken(first);
    const authorization = { authorization: `Bearer ${token}` };
    const pid = Number(await (await fetch(`${first.url}/pid`)).text());
    const accepted = await fetch(
      `${first.url}/_lambent/api/v1/apps/shop/functions/fails/invocations?mode=async`,
      {
        method: 'POST',
        headers: authorization,
        body: '{"n":1}',
      },
    );
    assert.equal(accepted.status, 202);
    const { id } = (await accepted.json()) as { id: string };
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    await untilGone([pid]);

    const second = await open('kill');
    assert.ok(
      Number(await (await fetch(`${second.url}/pid`)).text()) > 0,
      'the app is served without a new deploy',
    );
    assert.equal((await fetch(`${second.url}/_lambent/api/v1/apps`, { headers: authorization })).status, 200);
    // It fails each time, so it goes on until its last attempt: whichever came after the kill proves that it was kept.
    const url = `${second.url}/_lambent/api/v1/invocations?app=shop&function=fails`;
    for (let tries = 0; ; tries++) {
      const { items } = (await (await fetch(url, { headers: authorization })).json()) as {
        items: { id: string; attempt: number; error: { errorMessage: string } }[];
      };
      const attempt = items.find((item) => item.id === id && item.attempt >= 2);
      if (attempt !== undefined) {
        assert.equal(attempt.error.errorMessage, 'not today');
        break;
      }
      assert.ok(tries < 1_000, 'the accepted invocation was not tried again');
      await delay(systemClock, 20);
    }
    assert.equal(tokenOf(second), undefined, 'the token is shown once only');
    second.child.kill('SIGTERM');
    await once(second.child, 'exit');
  });

  it('lets nobody use the control API without the token, and shows the token to nobody', async () => {
    const server = await open('token', [app]);
    const token = await waitForToken(server);
    const api = `${server.url}/_lambent/api/v1/apps`;
    for (const headers of [{}, { authorization: 'Bearer lmb_wrong' }, { authorization: token }]) {
      const response = await fetch(api, { headers: headers as Record<string, string> });
      assert.equal(response.status, 401);
      const text = await response.text();
      assert.match(text, /E_UNAUTHENTICATED/);
      assert.ok(!text.includes(token));
    }
    assert.equal((await fetch(`${server.url}/_lambent/api/v1/health`)).status, 200);
    assert.equal((await fetch(api, { headers: { authorization: `Bearer ${token}` } })).status, 200);
    assert.equal((await fetch(`${server.url}/pid`)).status, 200, 'the app itself needs no token');
    assert.equal(server.output().split(token).length - 1, 2, 'printed once, with its example');
    server.child.kill('SIGTERM');
    await once(server.child, 'exit');
  });

  it('says who holds the data folder, and which port is in use', async () => {
    const server = await open('held');
    await assert.rejects(startServer(join(folder, 'held')), /E_STORE_LOCKED/);
    const port = new URL(server.url).port;
    const child = spawn(process.execPath, [
      join(REPOSITORY, 'bin', 'lambent.js'),
      'start',
      '--data',
      join(folder, 'other'),
      '--port',
      port,
    ]);
    let text = '';
    child.stderr.on('data', (chunk) => {
      text += chunk;
    });
    const [code] = await once(child, 'exit');
    assert.equal(code, 1);
    assert.match(text, new RegExp(`E_PORT_IN_USE: .*${port}`));
    assert.equal((await fetch(`${server.url}/_lambent/api/v1/health`)).status, 200, 'the first goes on');
    server.child.kill('SIGTERM');
    await once(server.child, 'exit');
  });

  it('ends with a clear error when a thread of its store dies, and loses nothing', async () => {
    // On a signal this ends the writing thread, as a defect in it would.
    const fault = join(folder, 'fault.mjs');
    await writeFile(
      fault,
      `import { subscribe } from 'node:diagnostics_channel';
       subscribe('worker_threads', ({ worker }) => {
         if (worker.threadName === 'lambent-store-writer') process.on('SIGUSR2', () => worker.terminate());
       });`,
    );
    const server = await startServer(join(folder, 'store'), [app], [], { NODE_OPTIONS: `--import=${fault}` });
    servers.push(server);
    const pid = Number(await (await fetch(`${server.url}/pid`)).text());
    server.child.kill('SIGUSR2');
    const [code] = await once(server.child, 'exit');
    assert.equal(code, 1);
    assert.match(server.output(), /E_STORE_FAILED: A store thread broke off/);
    await untilGone([pid]);
    const again = await open('store');
    assert.equal((await fetch(`${again.url}/pid`)).status, 200, 'the deployment is there');
    again.child.kill('SIGTERM');
    await once(again.child, 'exit');
  });
});
