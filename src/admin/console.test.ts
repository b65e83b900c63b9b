import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openBench, sampleRecord, TOKEN } from './admin-harness.test.ts';

test('the console takes its place where it is built: strict, packed, and kept by browsers', async () => {
  const file = (contentType: string, text: string) => ({
    contentType,
    bytes: Buffer.from(text),
    gzip: gzipSync(text),
  });
  const files = new Map([
    ['index.html', file('text/html; charset=utf-8', '<p>console</p>')],
    ['main-1.js', file('text/javascript; charset=utf-8', 'run()')],
  ]);
  const built = await openBench({ mode: 'start', console: { find: (name) => files.get(name) } });
  try {
    const page = await built.call('GET', '/_lambent/');
    assert.equal(page.text, '<p>console</p>');
    const policy = page.headers.get('content-security-policy')!;
    assert.match(policy, /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'/);
    assert.ok(!policy.includes('unsafe'));
    assert.equal(page.headers.get('cache-control'), 'no-store');
    const script = await built.fetch('GET', '/_lambent/console/main-1.js', {
      headers: { 'accept-encoding': 'br, gzip' },
    });
    assert.equal(script.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(gunzipSync(Buffer.from(await script.arrayBuffer())).toString(), 'run()');
    assert.equal((await built.call('GET', '/_lambent/console/none.js')).status, 404);
  } finally {
    await built.close();
  }
});

test('what is not there is a page for a browser, and JSON for programs', async () => {
  const bench = await openBench({ mode: 'start' });
  const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  try {
    const path = `/_lambent/"><img src=x onerror=alert(1)>`;
    const page = await bench.fetch('GET', encodeURI(path), { headers: browser });
    const text = await page.text();
    assert.equal(page.status, 401, 'who is not signed in does not learn what there is');
    assert.match(page.headers.get('content-type')!, /^text\/html/);
    assert.match(page.headers.get('content-security-policy')!, /^default-src 'none'; style-src 'sha256-/);
    assert.match(text, /<h1>Sign in first<\/h1>.*href="\/_lambent\/"/s);
    const signedIn = { ...browser, authorization: `Bearer ${TOKEN}` };
    const nothing = await bench.fetch('GET', '/_lambent/nothing%22%3E%3Cimg%20src=x%3E', {
      headers: signedIn,
    });
    assert.equal(nothing.status, 404);
    const said = await nothing.text();
    assert.match(said, /<h1>There is nothing here<\/h1>.*href="\/_lambent\/"/s);
    assert.ok(!said.includes('<img'), said);
    for (const accept of ['*/*', 'application/json'])
      assert.equal(
        (await bench.call('GET', '/_lambent/nothing', { headers: { ...signedIn, accept } })).body.error.code,
        'E_NOT_FOUND',
      );
  } finally {
    await bench.close();
  }
});

test('activity: calls by function in whole minutes, the oldest first', async () => {
  const bench = await openBench();
  const { status, text } = await bench.call('GET', '/activity?steps=3&stepMinutes=5');
  assert.equal(status, 200);
  const { stepMs, items } = JSON.parse(text) as { stepMs: number; items: { fromMs: number }[] };
  assert.equal(stepMs, 300_000);
  assert.deepEqual(
    items.map(({ fromMs }) => fromMs - items[0]!.fromMs),
    [0, 300_000, 600_000],
  );
  assert.equal((await bench.call('GET', '/activity?steps=181')).body.error.code, 'E_BAD_REQUEST');
  await bench.close();
});

test('activity: use and its list price, for either processor', async () => {
  const bench = await openBench();
  bench.recorder.invocation(sampleRecord({ billedMs: 1_000, memoryMb: 1_024 }));
  const priceOn = async (cpu: string) => {
    const { text } = await bench.call(
      'GET',
      `/activity?steps=1&stepMinutes=1440&to=1800000000000&cpu=${cpu}`,
    );
    const { items, priceTable } = JSON.parse(text) as {
      items: { functions: { billedMbMs: number; awsCostUsd: number }[] }[];
      priceTable: { cpu: string };
    };
    assert.equal(priceTable.cpu, cpu);
    assert.equal(items[0]!.functions[0]!.billedMbMs, 1_024_000);
    return items[0]!.functions[0]!.awsCostUsd;
  };
  // 1 GB-s and one request.
  assert.ok(Math.abs((await priceOn('x86_64')) - 0.0000168667) < 1e-12);
  assert.ok(Math.abs((await priceOn('arm64')) - 0.0000135334) < 1e-12);
  await bench.close();
});
