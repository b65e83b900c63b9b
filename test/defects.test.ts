import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { DateHeader } from '../src/gateway/respond.ts';
import { Routing } from '../src/gateway/routing.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { RawConnection } from './raw-connection.ts';

/** Defects of the platform's own, put in on purpose: each ends its own connection, is counted, and disturbs nobody. */

const APP: AppFiles = {
  'functions/ok.js': `export default { fetch: () => new Response('ok') };`,
  'functions/waits.js': `let go;
export default {
  async fetch(request) {
    if (request.method === 'POST') { await request.text(); go(); return new Response(''); }
    await new Promise((resolve) => { go = resolve; });
    return new Response('waited');
  },
};`,
};

const HOST = 'Host: localhost\r\n';
/** The ways that a request takes: the fast one, `node:http`, and an upgrade. */
const WAYS: Record<string, string> = {
  fast: `GET /fault HTTP/1.1\r\n${HOST}\r\n`,
  general: `POST /fault HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  upgrade: `GET /fault HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
};

describe('a defect in the platform', { timeout: 60_000 }, () => {
  let platform: TestPlatform;
  let waiting: RawConnection;

  before(async () => {
    platform = await startTestPlatform({ app: APP });
    waiting = await RawConnection.open(platform.port);
    await waiting.write(`GET /waits HTTP/1.1\r\n${HOST}\r\n`);
  });
  after(async () => {
    mock.restoreAll();
    await platform.close();
  });

  const counted = async (): Promise<number> => {
    const text = await (await platform.fetch('/_lambent/metrics')).text();
    return Number(/^lambent_defects_total (\d+)$/m.exec(text)?.[1]);
  };

  it('while a request is routed ends its connection', async () => {
    const { match } = Routing.prototype;
    const fault = mock.method(
      Routing.prototype,
      'match',
      function (this: Routing, ...args: Parameters<typeof match>) {
        if (args[2] === '/fault') throw new TypeError('put in on purpose');
        return match.apply(this, args);
      },
    );
    for (const [way, request] of Object.entries(WAYS)) {
      const countedBefore = await counted();
      const connection = await RawConnection.open(platform.port);
      await connection.write(request);
      if (way !== 'fast') {
        const { status, body } = await connection.response();
        assert.equal(status, 500, way);
        assert.match(body.toString(), /"code":"E_INTERNAL"/);
        assert.doesNotMatch(body.toString(), /on purpose/, 'the details are for the log');
      }
      if (way === 'general') connection.destroy();
      else await connection.closed();
      assert.equal(await counted(), countedBefore + 1, way);
      assert.equal(await (await platform.fetch('/ok')).text(), 'ok', way);
    }
    fault.mock.restore();
  });

  it('while an answer is written ends its connection', async () => {
    assert.equal((await platform.fetch('/ok')).status, 200);
    for (const further of ['', 'Connection: close\r\n']) {
      const countedBefore = await counted();
      const connection = await RawConnection.open(platform.port);
      const { line } = DateHeader.prototype;
      let faults = 2;
      mock.method(DateHeader.prototype, 'line', function (this: DateHeader) {
        faults -= 1;
        if (faults < 0) return line.call(this);
        throw new TypeError('put in on purpose');
      });
      await connection.write(`GET /ok HTTP/1.1\r\n${HOST}${further}\r\n`);
      await connection.closed();
      mock.restoreAll();
      assert.equal(connection.waitingText.includes('200 OK'), false);
      assert.ok((await counted()) > countedBefore);
      assert.equal(await (await platform.fetch('/ok')).text(), 'ok');
    }
  });

  it('disturbs no call that runs meanwhile', async () => {
    await platform.fetch('/waits', { method: 'POST', body: 'go' });
    assert.equal((await waiting.response()).body.toString(), 'waited');
    waiting.destroy();
    const { json } = await platform.api('GET', '/doctor');
    const { checks } = json as { checks: { name: string; status: string }[] };
    assert.equal(checks.find(({ name }) => name === 'defects')?.status, 'warn');
  });
});
