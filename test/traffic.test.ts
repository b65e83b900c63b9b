import assert from 'node:assert/strict';
import { Agent, type RequestOptions, request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packApp } from '../src/functions/pack.ts';
import { parseAppDomain } from '../src/model/app-hosts.ts';
import type { DeployResult } from '../src/ports/deployer.ts';
import { Gate } from './gate.ts';
import { type AppFiles, startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';
import { exchange, RawConnection } from './raw-connection.ts';

/** Which deployment serves a request: by weight, by host, after a rollback, and while deploys go on. */

const gate = new Gate();

/** Each deployment says its number. */
function appOf(name: string, number: number): AppFiles {
  return {
    'lambent.yaml': `
app: ${name}
functions:
  which: { routes: [/which] }
  other: { routes: [/other] }
  echo: { routes: [POST /echo] }
  slow: { routes: [GET /slow] }
  shout: { routes: [/shout] }
`,
    'functions/which.js': `export default { fetch: async (request) => { await request.text(); return new Response('${number}'); } };`,
    'functions/other.js': `export default { fetch: () => new Response('${number}') };`,
    'functions/echo.js': `export default {
      fetch: (request) => new Response(request.body, { headers: { 'x-deployment': '${number}', 'x-pid': String(process.pid) } }),
    };`,
    'functions/slow.js': `export default { async fetch() { await fetch('${gate.url}/slow'); return new Response('${number}'); } };`,
    'functions/shout.js': `require('node:http').createServer().on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: shout\\r\\nConnection: Upgrade\\r\\n\\r\\n');
  socket.on('data', (data) => socket.write('${number}' + data));
}).listen(8080);`,
  };
}

interface Load {
  /** Requests that were answered. */
  count: number;
  /** What went wrong; empty when nothing did. */
  readonly faults: string[];
}

/** One request after another until `running` says no. Each must be answered by the deployment that was live when it was sent, or a later one. */
async function load(
  port: number,
  options: RequestOptions,
  body: string | undefined,
  state: { running: boolean; live: number },
): Promise<Load> {
  const result: Load = { count: 0, faults: [] };
  while (state.running) {
    const { live } = state;
    const outcome = await new Promise<string>((resolve) => {
      const call = request({ port, host: '127.0.0.1', path: '/which', ...options }, async (response) => {
        const whole = Array.fromAsync(response).then((chunks) => Buffer.concat(chunks).toString());
        const text = await whole.catch(String);
        if (response.statusCode !== 200) resolve(`status ${response.statusCode}: ${text}`);
        else if (Number(text) >= live) resolve('');
        else resolve(`deployment ${text} answered after ${live} was live`);
      });
      call.on('error', (error) => resolve(String(error)));
      call.end(body ?? '');
    });
    result.count += 1;
    if (outcome !== '') result.faults.push(outcome);
  }
  return result;
}

describe('traffic', { timeout: 120_000 }, () => {
  /** Where apps and previews have hosts: always, and by the operator's domain. */
  const PARENTS = ['localhost', 'apps.example.com'];
  let platform: TestPlatform;
  before(async () => {
    await gate.open();
    platform = await startTestPlatform({}, { domain: parseAppDomain('apps.example.com') });
  });
  after(async () => {
    gate.close();
    await platform.close();
  });

  /** Deploys over the API, as the command line does. */
  const deploy = async (name: string, number: number, weight = 100): Promise<DeployResult> => {
    const folder = await writeApp(join(platform.folder, name), appOf(name, number));
    const response = await fetch(`${platform.url}/_lambent/api/v1/deployments?weight=${weight}`, {
      method: 'POST',
      headers: { 'content-type': 'application/gzip' },
      body: Buffer.concat(await Array.fromAsync(packApp(folder))),
    });
    const lines = (await response.text()).trim().split('\n');
    const last = JSON.parse(lines.at(-1)!);
    assert.ok('result' in last, lines.at(-1)!);
    assert.equal(last.result.deployment.number, number);
    return last.result;
  };

  const ask = async (host: string, path: string): Promise<string> =>
    (await exchange(platform.port, [`GET ${path} HTTP/1.1`, `Host: ${host}`])).body.toString();

  describe('shared by weight', () => {
    const COUNT = 3_000;

    const shareOf = async (deployment: string, headers = ''): Promise<number> => {
      const connection = await RawConnection.open(platform.port);
      let hits = 0;
      for (let sent = 0; sent < COUNT; sent += 1) {
        const answer = await connection.ask(
          `GET /which HTTP/1.1\r\nHost: shared.localhost\r\n${headers}\r\n`,
        );
        if (answer.body.toString() === deployment) hits += 1;
      }
      connection.destroy();
      return hits;
    };

    /** Five standard deviations of a binomial: fails by chance once in two million runs. */
    const assertNear = (hits: number, share: number): void => {
      const expected = COUNT * share;
      const bound = 5 * Math.sqrt(COUNT * share * (1 - share));
      assert.ok(Math.abs(hits - expected) <= bound, `${hits} of ${COUNT}, not near ${expected}`);
    };

    before(async () => {
      await deploy('shared', 1);
      const { live } = await deploy('shared', 2, 10);
      assert.deepEqual(live.traffic, [
        { number: 1, weight: 90 },
        { number: 2, weight: 10 },
      ]);
    });

    it('each deployment gets its part of the requests, in every way', async () => {
      assertNear(await shareOf('2'), 0.1);
      // Not a simple request: the other way through the gateway.
      assertNear(await shareOf('2', 'TE: trailers\r\n'), 0.1);
    });

    it('the weights can be set, and a share of nothing is nothing', async () => {
      const path = '/apps/shared/traffic';
      const set = await platform.api('PUT', path, {
        traffic: [
          { number: 1, weight: 40 },
          { number: 2, weight: 60 },
        ],
      });
      assert.equal(set.status, 200);
      assertNear(await shareOf('2'), 0.6);
      await platform.api('PUT', path, { traffic: [{ number: 2, weight: 100 }] });
      assert.equal(await shareOf('2'), COUNT);
      const wrong = await platform.api('PUT', path, { traffic: [{ number: 2, weight: 50 }] });
      assert.equal(wrong.status, 400);
      const unknown = await platform.api('PUT', path, { traffic: [{ number: 77, weight: 100 }] });
      assert.equal(unknown.status, 404);
      assert.equal(await ask('shared.localhost', '/which'), '2');
    });
  });

  describe('by host', () => {
    before(async () => {
      await deploy('hosts', 1);
      await deploy('hosts', 2);
      await deploy('hosts', 3, 0);
    });

    it('a preview host serves its deployment, live or not; the app’s own host what is live', async () => {
      for (const number of [1, 2, 3])
        for (const parent of PARENTS)
          assert.equal(await ask(`d${number}--hosts.${parent}`, '/which'), String(number));
      for (const parent of PARENTS) assert.equal(await ask(`hosts.${parent}`, '/which'), '2');
    });

    it('a rollback is one call, and names its goal or takes the one before', async () => {
      const live = async (): Promise<string> => {
        const [first, ...others] = await Promise.all(
          PARENTS.map((parent) => ask(`hosts.${parent}`, '/which')),
        );
        assert.ok(others.every((other) => other === first));
        return first!;
      };
      assert.equal((await platform.api('POST', '/apps/hosts/rollback', {})).status, 200);
      assert.equal(await live(), '1');
      assert.equal((await platform.api('POST', '/apps/hosts/rollback', { to: 3 })).status, 200);
      assert.equal(await live(), '3');
      assert.equal((await platform.api('POST', '/apps/hosts/rollback', { to: 9 })).status, 404);
      assert.equal(await live(), '3');
      assert.equal(await ask('d2--hosts.localhost', '/which'), '2');
    });

    it('an app that is deleted is gone, also from its hosts', async () => {
      await deploy('doomed', 1);
      assert.equal(await ask('doomed.localhost', '/which'), '1');
      assert.equal((await platform.api('DELETE', '/apps/doomed')).status < 300, true);
      for (const host of PARENTS.flatMap((parent) => [`doomed.${parent}`, `d1--doomed.${parent}`])) {
        const { status } = await exchange(platform.port, ['GET /nothing-here HTTP/1.1', `Host: ${host}`]);
        assert.equal(status, 404);
      }
    });
  });

  describe('while deploys go on', () => {
    const gone = async (pid: number): Promise<void> => {
      for (let tries = 0; tries < 500; tries += 1) {
        try {
          process.kill(pid, 0);
        } catch {
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`instance ${pid} of a deployment that is no longer live lives on`);
    };

    it('what runs finishes on its own version, whose instances end then', async () => {
      await deploy('flight', 1);
      const host = 'Host: flight.localhost\r\n';
      const echo = await RawConnection.open(platform.port);
      await echo.write(`POST /echo HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n`);
      const { headers } = await echo.head();
      assert.equal(headers['x-deployment'], '1');
      await echo.chunk();
      const waiting = await RawConnection.open(platform.port);
      await waiting.write(`GET /slow HTTP/1.1\r\n${host}\r\n`);
      const held = await gate.next('/slow');
      const shout = await RawConnection.open(platform.port);
      await shout.write(`GET /shout HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: shout\r\n\r\n`);
      assert.equal((await shout.head()).status, 101);

      for (const number of [2, 3]) await deploy('flight', number);
      assert.equal(await ask('flight.localhost', '/which'), '3');
      await echo.write('3\r\ntwo\r\n');
      assert.equal((await echo.chunk()).toString(), 'two');
      await shout.write('hey');
      assert.equal((await shout.bytes(4)).toString(), '1hey');
      held.end();
      assert.equal((await waiting.response()).body.toString(), '1');
      await echo.write('0\r\n\r\n');
      assert.equal((await echo.chunk()).length, 0);
      // The same connection goes to what is live now.
      const next = await echo.ask(`POST /echo HTTP/1.1\r\n${host}Content-Length: 1\r\n\r\nx`);
      assert.equal(next.headers['x-deployment'], '3');
      await gone(Number(headers['x-pid']));
      for (const connection of [echo, waiting, shout]) connection.destroy();
    });

    it('100 deploys under constant load: no error, no reset, and never an older version', async () => {
      await deploy('busy', 1);
      const state = { running: true, live: 1 };
      const kept = new Agent({ keepAlive: true, maxSockets: 8 });
      const host = 'busy.localhost';
      const loads = [
        load(platform.port, { agent: kept, headers: { host } }, undefined, state),
        load(
          platform.port,
          { agent: kept, headers: { host, 'transfer-encoding': 'chunked' }, method: 'POST' },
          'body',
          state,
        ),
        load(platform.port, { agent: false, headers: { host } }, undefined, state),
        load(
          platform.port,
          { agent: new Agent({ keepAlive: true, maxSockets: 1 }), headers: { host } },
          undefined,
          state,
        ),
      ];
      for (let number = 2; number <= 101; number += 1) {
        await deploy('busy', number);
        state.live = number;
      }
      state.running = false;
      const results = await Promise.all(loads);
      kept.destroy();
      for (const { count, faults } of results) {
        assert.deepEqual(faults.slice(0, 5), []);
        assert.ok(count > 100, `only ${count} requests`);
      }
      assert.equal(await ask('busy.localhost', '/which'), '101');
    });
  });
});
