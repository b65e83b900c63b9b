import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Bench, openBench, TOKEN, withToken } from './admin-harness.test.ts';
import { FAILED_ATTEMPTS_MAX, FAILED_WINDOW_MS, GOOD_TOKEN_MS } from './guard.ts';

const wrong = { headers: { authorization: 'Bearer lmb_wrong' } };

async function withBench(changes: Parameters<typeof openBench>[0], task: (bench: Bench) => Promise<void>) {
  const bench = await openBench(changes);
  try {
    await task(bench);
  } finally {
    await bench.close();
  }
}

describe('a browser that signed in', () => {
  const page = { origin: 'http://localhost:5262', 'sec-fetch-site': 'same-origin' };

  async function signIn(bench: Bench, token: string = TOKEN): Promise<{ status: number; cookie: string }> {
    const { status, headers } = await bench.call('POST', '/sign-in', { json: { token }, headers: page });
    return { status, cookie: headers.get('set-cookie') ?? '' };
  }

  test('has its token as a cookie that scripts, other sites and functions never see', () =>
    withBench({ mode: 'start' }, async (bench) => {
      const { status, cookie } = await signIn(bench);
      assert.equal(status, 200);
      assert.match(cookie, /; Path=\/_lambent\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/);
      const headers = { ...page, cookie: `other=1; ${cookie.split(';')[0]}` };
      const session = await bench.call('GET', '/session', { headers });
      assert.deepEqual(JSON.parse(session.text), { name: 'first', cookie: true });
      const made = await bench.call('POST', '/tokens', { headers, json: { name: 'ci' } });
      assert.equal(made.status, 201);
      assert.equal((await bench.call('DELETE', '/tokens/first', { headers })).status, 200);
      assert.equal((await bench.call('GET', '/session', { headers })).status, 401, 'its token is gone');
    }));

  test('is let in from pages of this origin alone', () =>
    withBench({ mode: 'start' }, async (bench) => {
      const cookie = (await signIn(bench)).cookie.split(';')[0]!;
      const asked = (method: string, path: string, headers: Record<string, string>) =>
        bench.call(method, path, { headers: { cookie, ...headers } });
      assert.equal((await asked('GET', '/apps', { 'sec-fetch-site': 'cross-site' })).status, 403);
      assert.equal((await asked('GET', '/apps', { origin: 'http://localhost:3000' })).status, 403);
      assert.equal((await asked('DELETE', '/tokens/first', {})).status, 403, 'no page says that it asks');
      assert.equal((await asked('GET', '/apps', { authorization: 'Basic abc' })).status, 401);
      assert.equal((await asked('GET', '/apps', {})).status, 200);
    }));

  test('cannot be signed in by another site, nor by guessing, and can sign out', () =>
    withBench({ mode: 'start' }, async (bench) => {
      const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
      const forged = await bench.call('POST', '/sign-in', { json: { token: TOKEN }, headers: foreign });
      assert.deepEqual([forged.status, forged.headers.get('set-cookie')], [403, null]);
      for (let count = 0; count < FAILED_ATTEMPTS_MAX; count += 1)
        assert.deepEqual(await signIn(bench, 'lmb_wrong'), { status: 401, cookie: '' });
      assert.equal((await signIn(bench, 'lmb_wrong')).status, 429);
      const out = await bench.call('POST', '/sign-out', { headers: page });
      assert.match(out.headers.get('set-cookie')!, /^lambent-session=; .*Max-Age=0/);
    }));
});

describe('start', () => {
  test('everything but health, the OpenAPI document and the page needs a token', () =>
    withBench({ mode: 'start' }, async (bench) => {
      for (const path of [
        '/apps',
        '/functions',
        '/invocations',
        '/logs',
        '/logs/stream',
        '/usage',
        '/tokens',
      ]) {
        const { status, body, headers } = await bench.call('GET', path);
        assert.equal(status, 401, path);
        assert.equal(body.error.code, 'E_UNAUTHENTICATED');
        assert.match(headers.get('www-authenticate') ?? '', /^Bearer/);
        assert.equal(body.requestId, headers.get('x-request-id'));
      }
      assert.equal((await bench.call('GET', '/_lambent/metrics')).status, 401);
      assert.equal(
        (await bench.call('GET', '/no-such-thing')).status,
        401,
        'and nothing tells what there is',
      );
      assert.equal((await bench.call('POST', '/deployments', { body: 'x' })).status, 401);
      for (const path of ['/health', '/_lambent/api/openapi.json', '/_lambent/']) {
        assert.equal((await bench.call('GET', path)).status, 200, path);
      }
      assert.equal((await bench.call('GET', '/apps', withToken)).status, 200);
      assert.equal((await bench.call('GET', '/_lambent/metrics', withToken)).status, 200);
    }));

  test('a token opens from any host and origin', () =>
    withBench({ mode: 'start' }, async (bench) => {
      const headers = { ...withToken.headers, host: 'lambent.example.com', origin: 'https://else.example' };
      assert.equal((await bench.call('GET', '/apps', { headers, remoteAddress: '203.0.113.9' })).status, 200);
    }));

  test('what is no bearer token is none', () =>
    withBench({ mode: 'start' }, async (bench) => {
      for (const authorization of [
        TOKEN,
        `Basic ${TOKEN}`,
        'Bearer',
        'Bearer ',
        `Bearer ${'x'.repeat(5_000)}`,
      ]) {
        const { status } = await bench.call('GET', '/apps', { headers: { authorization } });
        assert.equal(status, 401, authorization.slice(0, 30));
      }
    }));

  test('guessing is stopped for the address, for a while, and for nobody else', () =>
    withBench({ mode: 'start' }, async (bench) => {
      const from = (remoteAddress: string, options = wrong) =>
        bench.call('GET', '/apps', { ...options, remoteAddress });
      for (let attempt = 0; attempt < FAILED_ATTEMPTS_MAX; attempt += 1) {
        assert.equal((await from('203.0.113.1')).status, 401);
      }
      const stopped = await from('203.0.113.1');
      assert.equal(stopped.status, 429);
      assert.equal(stopped.body.error.code, 'E_TOO_MANY_ATTEMPTS');
      assert.ok(Number(stopped.headers.get('retry-after')) > 0);
      assert.equal(
        (await from('203.0.113.1', withToken)).status,
        429,
        'even the right token is not looked at',
      );
      assert.equal((await from('203.0.113.2')).status, 401);
      bench.clock.advance(FAILED_WINDOW_MS);
      assert.equal((await from('203.0.113.1', withToken)).status, 200);
    }));

  test('a token that was good a moment ago still passes from an address that someone else guesses from', () =>
    withBench({ mode: 'start' }, async (bench) => {
      assert.equal((await bench.call('GET', '/apps', withToken)).status, 200);
      for (let attempt = 0; attempt <= FAILED_ATTEMPTS_MAX; attempt += 1)
        await bench.call('GET', '/apps', wrong);
      assert.equal((await bench.call('GET', '/apps', wrong)).status, 429);
      assert.equal((await bench.call('GET', '/apps', withToken)).status, 200);
    }));

  test('a token that another process removed is refused soon after', () =>
    withBench({ mode: 'start' }, async (bench) => {
      assert.equal((await bench.call('GET', '/apps', withToken)).status, 200);
      await bench.store.access.removeToken('first');
      bench.clock.advance(GOOD_TOKEN_MS);
      assert.equal((await bench.call('GET', '/apps', withToken)).status, 401);
    }));
});

describe('dev', () => {
  test('answers this machine by its own names and no other', () =>
    withBench({ mode: 'dev', allowHosts: ['box.lan', '*.test.example'] }, async (bench) => {
      const statusFor = async (host: string) =>
        (await bench.call('GET', '/apps', { headers: { host } })).status;
      for (const host of [
        'localhost',
        'localhost:5262',
        'LOCALHOST:1',
        '127.0.0.1:5262',
        '127.9.9.9',
        '[::1]:5262',
        'box.lan:5262',
        'a.test.example',
      ]) {
        assert.equal(await statusFor(host), 200, host);
      }
      for (const host of [
        'evil.example',
        'localhost.evil.example',
        '127.0.0.1.evil.example',
        'evil-localhost',
        '192.168.1.5',
        '[::2]',
        'test.example.evil',
        'nottest.example',
        'localhost@evil.example',
        '',
      ]) {
        assert.equal(await statusFor(host), 421, host);
      }
    }));

  test('DNS rebinding meets a refused host even on open paths', () =>
    withBench({ mode: 'dev' }, async (bench) => {
      for (const path of ['/health', '/_lambent/api/openapi.json', '/_lambent/']) {
        const { status, body } = await bench.call('GET', path, { headers: { host: 'rebound.example' } });
        assert.equal(status, 421);
        assert.equal(body.error.code, 'E_HOST_REFUSED');
        assert.match(body.error.hint, /--allow-host rebound\.example/);
      }
    }));

  test('pages of other origins are refused', () =>
    withBench({ mode: 'dev' }, async (bench) => {
      const call = (headers: Record<string, string>) => bench.call('GET', '/apps', { headers });
      for (const origin of [
        'https://evil.example',
        'http://localhost:3000',
        'null',
        'http://127.0.0.1:5262',
      ]) {
        const { status, body } = await call({ origin });
        assert.equal(status, 403, origin);
        assert.equal(body.error.code, 'E_FORBIDDEN');
      }
      for (const site of ['cross-site', 'same-site', 'nonsense']) {
        assert.equal((await call({ 'sec-fetch-site': site })).status, 403, site);
      }
      for (const headers of [
        {},
        { origin: 'http://localhost:5262', 'sec-fetch-site': 'same-origin' },
        { 'sec-fetch-site': 'none' },
      ]) {
        assert.equal((await call(headers as Record<string, string>)).status, 200);
      }
      const { status } = await bench.call('DELETE', '/apps/shop', {
        headers: { origin: 'https://evil.example' },
      });
      assert.equal(status, 403);
    }));

  test('another machine needs a token', () =>
    withBench({ mode: 'dev' }, async (bench) => {
      for (const remoteAddress of ['192.168.1.7', 'fe80::1', '::ffff:10.0.0.1', '']) {
        assert.equal((await bench.call('GET', '/apps', { remoteAddress })).status, 401, remoteAddress);
      }
      for (const remoteAddress of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '127.3.2.1']) {
        assert.equal((await bench.call('GET', '/apps', { remoteAddress })).status, 200, remoteAddress);
      }
      const { body } = await bench.call('POST', '/tokens', { json: { name: 'phone' } });
      const headers = { authorization: `Bearer ${body.token}` };
      assert.equal((await bench.call('GET', '/apps', { headers, remoteAddress: '192.168.1.7' })).status, 200);
    }));
});
