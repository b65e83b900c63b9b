import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AppHosts } from '../model/app-hosts.ts';
import { BASE, type Bench, openBench, sampleVersion, withToken } from './admin-harness.test.ts';
import { BUILD_LINES_MAX, deploymentAddresses } from './deploy-stream.ts';
import { DEPLOYS_AT_ONCE_MAX } from './deployments.ts';

let bench: Bench;

before(async () => {
  bench = await openBench();
});

after(() => bench.close());

const gzip = { 'content-type': 'application/gzip' };

interface DeployLine {
  line?: { step: string; text: string };
  result?: { deployment: { number: number }; live: { generation: number }; tookMs: number; url: string };
  error?: { code: string; message: string };
}

const linesOf = (text: string): DeployLine[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const upload = (body: BodyInit, query = '') =>
  bench.call('POST', `/deployments${query}`, { body, headers: gzip });

/** A body whose pieces the test sends one by one. */
function openUpload() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  return {
    readable,
    write: (text: string) => writer.write(new TextEncoder().encode(text)),
    end: () => writer.close(),
    breakOff: () => writer.abort(new Error('connection lost')),
  };
}

describe('deploy', () => {
  test('answers lines and ends with the result', async () => {
    const { status, headers, text } = await upload('shop\nhello', '?note=first');
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'application/x-ndjson');
    const lines = linesOf(text);
    assert.deepEqual(lines[0], { line: { step: 'read', text: '10 bytes' } });
    const { result } = lines.at(-1)!;
    assert.equal(result?.deployment.number, 1);
    assert.equal(result?.live.generation, 1);
    assert.equal(result?.url, 'http://localhost:5262/');
    assert.deepEqual(
      { ...bench.deployer.requests.at(-1), onLine: undefined },
      { createdBy: 'local', note: 'first', weight: 100, onLine: undefined },
    );
  });

  test('the archive streams in while lines stream out', async () => {
    const body = openUpload();
    const response = await bench.fetch('POST', `${BASE}/deployments`, { body: body.readable, headers: gzip });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await body.write('live');
    assert.deepEqual(JSON.parse((await reader.read()).value!), { line: { step: 'read', text: '4 bytes' } });
    await body.write('app\nhello');
    assert.deepEqual(JSON.parse((await reader.read()).value!), { line: { step: 'read', text: '13 bytes' } });
    await body.end();
    assert.ok(JSON.parse((await reader.read()).value!).result);
    assert.equal((await reader.read()).done, true);
  });

  test('a failed build ends with its error, a defect without its details', async () => {
    const failed = linesOf((await upload('broken')).text).at(-1)!;
    assert.equal(failed.error?.code, 'E_BUILD_FAILED');
    assert.equal(failed.error?.message, 'functions/a.ts:1: no');
    const defect = (await upload('defect')).text;
    assert.equal(linesOf(defect).at(-1)!.error?.code, 'E_INTERNAL');
    assert.ok(!defect.includes('passwd'));
  });

  test('an upload that breaks off deploys nothing', async () => {
    const body = openUpload();
    const response = await bench.fetch('POST', `${BASE}/deployments`, { body: body.readable, headers: gzip });
    await body.write('halfway\nhello');
    await body.breakOff();
    assert.ok(linesOf(await response.text()).at(-1)!.error);
    assert.equal((await bench.call('GET', '/apps/halfway')).status, 404);
  });

  test('a caller that leaves does not stop the deployment', async () => {
    const gate = Promise.withResolvers<void>();
    const stored = Promise.withResolvers<void>();
    bench.deployer.beforeStore = () => gate.promise;
    const store = bench.deployer.store.bind(bench.deployer);
    bench.deployer.store = async (...args) => {
      const result = await store(...args);
      stored.resolve();
      return result;
    };
    const response = await bench.fetch('POST', `${BASE}/deployments`, { body: 'left\nhello', headers: gzip });
    await response.body!.cancel();
    gate.resolve();
    await stored.promise;
    bench.deployer.beforeStore = async () => {};
    assert.equal((await bench.call('GET', '/apps/left')).status, 200);
  });

  test('a flood of build lines is cut with a word', async () => {
    const chatty = await openBench();
    try {
      const { deployer } = chatty;
      const { deployArchive } = deployer;
      deployer.deployArchive = (archive, request) => {
        for (let line = 0; line < BUILD_LINES_MAX + 100; line += 1) {
          request.onLine?.({ step: 'build', text: 'x'.repeat(10_000) });
        }
        return deployArchive.call(deployer, archive, request);
      };
      const { text } = await chatty.call('POST', '/deployments', { body: 'shop\na', headers: gzip });
      const lines = linesOf(text);
      assert.equal(lines.length, BUILD_LINES_MAX + 2);
      assert.match(lines.at(-2)!.line!.text, /left out/);
      assert.ok(lines.at(-1)!.result);
    } finally {
      await chatty.close();
    }
  });

  test('so many at once and no more', async () => {
    const gate = Promise.withResolvers<void>();
    bench.deployer.beforeStore = () => gate.promise;
    const running = Array.from({ length: DEPLOYS_AT_ONCE_MAX }, (_, index) => upload(`many${index}\na`));
    const refused = await upload('toomany\na');
    assert.deepEqual([refused.status, refused.body.error.code], [503, 'E_OVERLOADED']);
    assert.ok(refused.headers.has('retry-after'));
    gate.resolve();
    bench.deployer.beforeStore = async () => {};
    for (const { text } of await Promise.all(running)) assert.ok(linesOf(text).at(-1)!.result);
    assert.ok(linesOf((await upload('again\na')).text).at(-1)!.result);
  });

  test('wrong uploads are refused before anything is read', async () => {
    const wrong = async (path: string, options: Parameters<Bench['call']>[2]) => {
      const { status, body } = await bench.call('POST', path, options);
      assert.equal(status, 400);
      assert.equal(body.error.code, 'E_BAD_REQUEST');
    };
    await wrong('/deployments', { headers: gzip });
    await wrong('/deployments', { body: '{}', headers: { 'content-type': 'application/json' } });
    await wrong('/deployments?weight=101', { body: 'a', headers: gzip });
    await wrong('/deployments?weight=half', { body: 'a', headers: gzip });
    await wrong(`/deployments?note=${'x'.repeat(501)}`, { body: 'a', headers: gzip });
  });

  test('the name of the token is the author', async () => {
    const guarded = await openBench({ mode: 'start' });
    try {
      const headers = { ...gzip, ...withToken.headers };
      await guarded.call('POST', '/deployments', { body: 'shop\na', headers });
      assert.equal(guarded.deployer.requests[0]?.createdBy, 'first');
    } finally {
      await guarded.close();
    }
  });
});

describe('deployments of an app', () => {
  test('are listed newest first, in pages, with their share of traffic', async () => {
    for (let count = 0; count < 5; count += 1) await bench.deploy('paged', 'hello');
    await upload('paged\nhello', '?weight=20');
    const page = async (query: string) => (await bench.call('GET', `/apps/paged/deployments${query}`)).body;
    const first = await page('?limit=4');
    assert.deepEqual(
      first.items.map(({ number, weight }) => [number, weight]),
      [
        [6, 20],
        [5, 80],
        [4, 0],
        [3, 0],
      ],
    );
    assert.equal(first.next, 3);
    const second = await page(`?limit=4&before=${first.next}`);
    assert.deepEqual(
      second.items.map(({ number }) => number),
      [2, 1],
    );
    assert.equal(second.next, undefined);
    assert.equal((await bench.call('GET', '/apps/none/deployments')).status, 404);
  });

  test('one is shown whole', async () => {
    const { status, text } = await bench.call('GET', '/apps/paged/deployments/1');
    assert.equal(status, 200);
    const deployment = JSON.parse(text);
    assert.equal(deployment.functions[0].name, 'hello');
    assert.equal(deployment.routes[0].path, '/hello');
    assert.equal((await bench.call('GET', '/apps/paged/deployments/99')).status, 404);
    assert.equal((await bench.call('GET', '/apps/paged/deployments/zero')).status, 400);
  });
});

test('a deployment without traffic has its preview address', () => {
  const result = {
    deployment: {
      app: 'shop',
      number: 12,
      functions: [sampleVersion('shop', 'a')],
    },
    live: { app: 'shop', generation: 3, traffic: [{ number: 11, weight: 100 }] },
    tookMs: 1,
  } as unknown as Parameters<typeof deploymentAddresses>[1];
  const by = (host: string) =>
    deploymentAddresses(new Request('http://x/', { headers: { host } }), result, new AppHosts(undefined));
  const url = 'http://d12--shop.localhost:5262/';
  assert.deepEqual(by('localhost:5262'), { url, preview: { host: 'd12--shop.localhost', url } });
  // From elsewhere that name does not lead here, so no address is claimed.
  assert.deepEqual(by('apps.example.com'), { preview: { host: 'd12--shop.localhost' } });
  const live = { ...result, live: { ...result.live, traffic: [{ number: 12, weight: 100 }] } };
  const request = new Request('http://x/', { headers: { host: 'apps.example.com' } });
  assert.equal(deploymentAddresses(request, live, new AppHosts(undefined)).url, 'http://apps.example.com/');
});
