import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ERROR_TABLE } from '../base/error-table.ts';
import { LambentError } from '../base/errors.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import { EVENT_BYTES_MAX } from '../ports/invoker.ts';
import {
  type AnswerBody,
  BASE,
  type Bench,
  openBench,
  sampleId,
  sampleLine,
  sampleRecord,
  withToken,
} from './admin-harness.test.ts';
import { JSON_BODY_BYTES_MAX } from './router.ts';

let bench: Bench;

before(async () => {
  bench = await openBench();
  await bench.deploy('shop', 'hello', 'pay');
  await bench.deploy('blog', 'hello');
});

after(() => bench.close());

const codeOf = async (method: string, path: string, options = {}) => {
  const { status, body } = await bench.call(method, path, options);
  assert.equal(status, ERROR_TABLE[body.error.code as keyof typeof ERROR_TABLE].status);
  assert.equal(typeof body.requestId, 'string');
  return body.error.code as string;
};

describe('platform', () => {
  test('health', async () => {
    bench.clock.advance(5_000);
    const { status, body, headers } = await bench.call('GET', '/health');
    assert.equal(status, 200);
    assert.equal(body.status, 'ok');
    assert.deepEqual([body.version, body.mode, body.nodeId], ['1.2.3', 'dev', 'node-1']);
    assert.ok(body.uptimeMs >= 5_000);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
  });

  test('instances', async () => {
    const { body } = await bench.call('GET', '/instances');
    assert.deepEqual(body, { items: [], waiting: 0 });
  });

  test('doctor', async () => {
    const { body } = await bench.call('GET', '/doctor');
    const statuses = Object.fromEntries(body.checks.map(({ name, status }) => [name, status]));
    assert.deepEqual(statuses, { store: 'ok', 'async-queue': 'ok', telemetry: 'ok', isolation: 'warn' });
    assert.equal(body.isolation.level, 'E');
  });

  test('a check of the doctor that throws is a finding', async () => {
    const other = await openBench({
      doctorChecks: [
        {
          name: 'disk',
          run: async () => {
            throw new LambentError('E_DISK_FULL', 'nothing left');
          },
        },
      ],
    });
    try {
      const { status, body } = await other.call('GET', '/doctor');
      assert.equal(status, 200);
      const disk = body.checks.find(({ name }) => name === 'disk');
      assert.equal(disk?.status, 'fail');
      assert.match(disk.text, /E_DISK_FULL: nothing left/);
    } finally {
      await other.close();
    }
  });

  test('metrics', async () => {
    const { status, headers, text } = await bench.call('GET', '/_lambent/metrics');
    assert.equal(status, 200);
    assert.match(headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
    assert.match(text, /^lambent_build_info\{version="1\.2\.3"/m);
  });

  test('the page is static, strict and self-contained', async () => {
    const { status, headers, text } = await bench.call('GET', '/_lambent/');
    assert.equal(status, 200);
    assert.match(headers.get('content-type')!, /^text\/html/);
    const policy = headers.get('content-security-policy')!;
    assert.match(policy, /default-src 'none'/);
    assert.ok(!policy.includes('unsafe'));
    assert.match(policy, /script-src 'sha256-[A-Za-z0-9+/=]+'/);
    assert.ok(!/(?:src|href)="https?:/.test(text));
    assert.ok(!text.includes('innerHTML'));
    const moved = await bench.fetch('GET', '/_lambent');
    assert.deepEqual([moved.status, moved.headers.get('location')], [308, '/_lambent/']);
  });

  test('unknown paths and methods', async () => {
    assert.equal(await codeOf('GET', '/nothing'), 'E_NOT_FOUND');
    const { status, headers, body } = await bench.call('PATCH', '/apps/shop');
    assert.equal(status, 405);
    assert.equal(body.error.code, 'E_METHOD_NOT_ALLOWED');
    assert.equal(headers.get('allow'), 'DELETE, GET, HEAD');
    assert.equal((await bench.fetch('HEAD', `${BASE}/apps`)).status, 200);
  });
});

describe('apps', () => {
  test('lists and shows', async () => {
    const { body } = await bench.call('GET', '/apps');
    assert.deepEqual(body.items[0], {
      app: 'blog',
      generation: 1,
      traffic: [{ number: 1, weight: 100 }],
      functions: 1,
    });
    assert.equal((await bench.call('GET', '/apps/shop')).body.functions, 2);
    assert.equal(await codeOf('GET', '/apps/none'), 'E_NOT_FOUND');
    assert.equal(await codeOf('GET', '/apps/Not_A_Name'), 'E_BAD_REQUEST');
  });

  test('rolls back', async () => {
    await bench.deploy('shop', 'hello', 'pay');
    assert.deepEqual((await bench.call('POST', '/apps/shop/rollback')).body.traffic, [
      { number: 1, weight: 100 },
    ]);
    const { status, body } = await bench.call('POST', '/apps/shop/rollback', { json: { to: 2 } });
    assert.equal(status, 200);
    assert.deepEqual(body.traffic, [{ number: 2, weight: 100 }]);
    assert.equal(await codeOf('POST', '/apps/shop/rollback', { json: { to: 99 } }), 'E_NOT_FOUND');
    assert.equal(await codeOf('POST', '/apps/shop/rollback', { json: { to: 'two' } }), 'E_BAD_REQUEST');
    assert.equal(await codeOf('POST', '/apps/shop/rollback', { json: { too: 2 } }), 'E_BAD_REQUEST');
  });

  test('shares traffic', async () => {
    const put = (traffic: unknown) => bench.call('PUT', '/apps/shop/traffic', { json: { traffic } });
    const both = [
      { number: 1, weight: 90 },
      { number: 2, weight: 10 },
    ];
    assert.deepEqual((await put(both)).body.traffic, both);
    const functions = (await bench.call('GET', '/functions?app=shop')).body.items;
    assert.deepEqual(
      functions.map(({ name, deployment, weight }) => [name, deployment, weight]),
      [
        ['hello', 1, 90],
        ['pay', 1, 90],
        ['hello', 2, 10],
        ['pay', 2, 10],
      ],
    );
    for (const wrong of [
      [{ number: 1, weight: 99 }],
      [
        { number: 1, weight: 50 },
        { number: 1, weight: 50 },
      ],
      [],
      [{ number: 1, weight: 100, extra: 1 }],
      [{ number: 1.5, weight: 100 }],
      'all',
    ]) {
      const { status, body } = await put(wrong);
      assert.equal(status, 400);
      assert.match(body.error.message, /traffic/);
    }
    await put([{ number: 2, weight: 100 }]);
  });

  test('a body that is no JSON, of the wrong type, or too large is refused', async () => {
    const path = '/apps/shop/traffic';
    const json = { 'content-type': 'application/json' };
    assert.equal(await codeOf('PUT', path, { body: '{"traffic":', headers: json }), 'E_BAD_REQUEST');
    assert.equal(
      await codeOf('PUT', path, { body: 'x', headers: { 'content-type': 'text/plain' } }),
      'E_BAD_REQUEST',
    );
    assert.equal(
      await codeOf('PUT', path, { body: ' '.repeat(JSON_BODY_BYTES_MAX + 1), headers: json }),
      'E_PAYLOAD_TOO_LARGE',
    );
  });

  test('deletes', async () => {
    await bench.deploy('gone', 'a');
    for (const app of ['gone', 'shop'])
      await bench.call('PUT', `/apps/${app}/secrets/KEY`, { json: { value: 'hunter2hunter2' } });
    assert.deepEqual((await bench.call('DELETE', '/apps/gone')).body, { app: 'gone', deleted: true });
    const left = (await bench.call('GET', '/secrets')).body.items;
    assert.deepEqual(
      left.map(({ app }: { app: string }) => app),
      ['shop'],
      'its secrets went with it',
    );
    assert.equal(await codeOf('DELETE', '/apps/gone'), 'E_NOT_FOUND');
    assert.equal(await codeOf('GET', '/apps/gone'), 'E_NOT_FOUND');
  });
});

describe('functions', () => {
  test('lists with routes and instances', async () => {
    bench.instances.push({
      id: 'i1',
      app: 'blog',
      function: 'hello',
      version: 'fv_00000000000000000000000000000001',
      state: 'ready',
    } as never);
    const { body } = await bench.call('GET', '/functions?app=blog');
    bench.instances.length = 0;
    assert.equal(body.items.length, 1);
    const item = body.items[0]!;
    assert.deepEqual(item.routes, [{ method: 'GET', path: '/hello' }]);
    assert.equal(item.instances, 1);
    assert.equal(item.config.timeoutMs, 30_000);
    assert.ok((await bench.call('GET', '/functions')).body.items.length >= 3);
    assert.deepEqual((await bench.call('GET', '/functions?app=none')).body.items, []);
  });

  test('shows one', async () => {
    const { body } = await bench.call('GET', '/apps/shop/functions/pay');
    assert.deepEqual([body.name, body.deployment], ['pay', 2]);
    assert.equal(await codeOf('GET', '/apps/shop/functions/none'), 'E_NOT_FOUND');
    assert.equal(await codeOf('GET', '/apps/none/functions/hello'), 'E_NOT_FOUND');
  });

  test('unknown parameters are named', async () => {
    const { status, body } = await bench.call('GET', '/functions?ap=shop');
    assert.equal(status, 400);
    assert.match(body.error.message, /query parameter.*"ap"/);
  });
});

describe('invocations', () => {
  const path = '/apps/shop/functions/hello/invocations';

  test('a synchronous call gives the result as it is', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const event = '{"big":12345678901234567890}';
    const response = await bench.fetch('POST', BASE + path, { body: event, headers: { traceparent } });
    assert.equal(response.status, 200);
    const call = bench.invoker.calls.at(-1)!;
    assert.equal(
      await response.text(),
      `{"id":"${call.id}","status":"ok","result":{"big":12345678901234567890},"billedMs":3}`,
    );
    assert.deepEqual(
      [call.trigger, call.attempt, call.traceparent, call.deployment, call.version.name],
      ['invoke', 0, traceparent, 2, 'hello'],
    );
  });

  test('no body is an empty event; no result is null; another result is text', async () => {
    assert.deepEqual((await bench.call('POST', path)).body.result, {});
    const answering = async (payload: string) => {
      bench.invoker.answer = () => ({ status: 'ok', payload: Buffer.from(payload), billedMs: 1 });
      return (await bench.call('POST', path)).body.result;
    };
    assert.equal(await answering(''), null);
    assert.equal(await answering('plain "text"'), 'plain "text"');
  });

  test('a failure of the function is an answer', async () => {
    const error = {
      code: 'E_FUNCTION_ERROR' as const,
      errorType: 'TypeError',
      errorMessage: 'no',
      stackTrace: ['at a'],
    };
    bench.invoker.answer = () => ({ status: 'failed', error, retryable: true, billedMs: 7 });
    const { status, body } = await bench.call('POST', path, { json: {} });
    assert.equal(status, 200);
    assert.deepEqual({ ...body, id: '' }, { id: '', status: 'failed', error, billedMs: 7 });
  });

  test('a platform that is busy says when to come back', async () => {
    bench.invoker.answer = () => {
      throw new LambentError('E_OVERLOADED', 'full', { retryAfterS: 1.2 });
    };
    const { status, headers } = await bench.call('POST', path);
    assert.deepEqual([status, headers.get('retry-after')], [503, '2']);
  });

  test('a defect keeps its details to itself', async () => {
    bench.invoker.answer = () => {
      throw new Error('secret details');
    };
    const { status, body } = await bench.call('POST', path);
    assert.deepEqual([status, body.error.code], [500, 'E_INTERNAL']);
    assert.ok(!JSON.stringify(body).includes('secret'));
    assert.ok(body.error.hint.includes(body.requestId));
  });

  test('what is thrown but is no error is a defect too', async () => {
    bench.invoker.answer = () => {
      throw 'a string';
    };
    assert.equal(await codeOf('POST', path), 'E_INTERNAL');
  });

  test('an asynchronous call is stored before it is answered', async () => {
    let told = 0;
    const other = await openBench({ onAsyncAccepted: () => told++ });
    try {
      await other.deploy('shop', 'hello');
      const { status, body } = await other.call('POST', `${path}?mode=async`, { json: { a: 1 } });
      assert.equal(status, 202);
      assert.equal(told, 1);
      const [claimed] = await other.store.asyncQueue.claim('n' as never, other.clock.nowMs(), 10);
      assert.equal(claimed?.id, body.id);
      assert.equal(Buffer.from(claimed!.payload).toString(), '{"a":1}');
    } finally {
      await other.close();
    }
  });

  test('wrong calls are refused', async () => {
    assert.equal(await codeOf('POST', '/apps/shop/functions/none/invocations'), 'E_NOT_FOUND');
    assert.equal(await codeOf('POST', '/apps/none/functions/none/invocations?mode=async'), 'E_NOT_FOUND');
    assert.equal(await codeOf('POST', path, { body: '{"a":' }), 'E_BAD_REQUEST');
    assert.equal(await codeOf('POST', path, { body: Buffer.from([0x22, 0xff, 0x22]) }), 'E_BAD_REQUEST');
    assert.equal(await codeOf('POST', `${path}?mode=later`), 'E_BAD_REQUEST');
    assert.equal(
      await codeOf('POST', path, { body: `"${'x'.repeat(EVENT_BYTES_MAX)}"` }),
      'E_PAYLOAD_TOO_LARGE',
    );
  });

  test('a streamed event beyond the limit is refused before it is read whole', async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
    });
    assert.equal(await codeOf('POST', path, { body: endless }), 'E_PAYLOAD_TOO_LARGE');
    assert.ok(sent < EVENT_BYTES_MAX + 1_000_000);
  });

  test('the history shows what ended before the request, by filter and page', async () => {
    const ids = [1, 2, 3].map((step) => {
      const record = sampleRecord({ arrivedMs: 1_800_000_100_000 + step, runUs: step * 10_000 });
      bench.recorder.invocation(record);
      return record.id;
    });
    const failed = sampleRecord({
      app: 'blog' as AppName,
      function: 'hello' as FunctionName,
      status: 'error',
      arrivedMs: 1_800_000_200_000,
      error: { code: 'E_FUNCTION_ERROR', errorType: 'RangeError', errorMessage: 'too far', stackTrace: [] },
    });
    bench.recorder.invocation(failed);

    const list = async (query: string) => (await bench.call('GET', `/invocations${query}`)).body;
    const idsOf = (page: AnswerBody) => page.items.map(({ id }) => id);
    assert.deepEqual(idsOf(await list('?status=error')), [failed.id]);
    assert.deepEqual(idsOf(await list('?text=RANGE')), [failed.id]);
    assert.deepEqual(idsOf(await list('?app=shop&function=hello&minMs=20')), [ids[2], ids[1]]);
    assert.deepEqual(idsOf(await list('?from=1800000100002&to=1800000100003')), [ids[1]]);
    const iso = new Date(1_800_000_200_000).toISOString();
    assert.deepEqual(idsOf(await list(`?from=${iso}`)), [failed.id]);
    const first = await list('?app=shop&limit=2');
    assert.deepEqual(idsOf(first), [ids[2], ids[1]]);
    assert.deepEqual(idsOf(await list(`?app=shop&limit=2&cursor=${encodeURIComponent(first.next)}`)), [
      ids[0],
    ]);
    assert.deepEqual((await bench.call('GET', `/invocations/${failed.id}`)).body.error, failed.error);
  });

  test('wrong questions are refused by name', async () => {
    assert.equal(await codeOf('GET', `/invocations/${sampleId()}`), 'E_NOT_FOUND');
    for (const query of [
      'limit=0',
      'limit=1001',
      'limit=',
      'limit=ten',
      'status=fine',
      'from=yesterday',
      'minMs=-1',
      'cursor=%00',
      'app=UPPER',
      'text=',
      'limit=1&limit=2',
      'wat=1',
    ]) {
      const { status, body } = await bench.call('GET', `/invocations?${query}`);
      assert.equal(status, 400, query);
      assert.equal(body.error.code, 'E_BAD_REQUEST');
    }
    const { body } = await bench.call('GET', '/invocations?limit=0&status=fine');
    assert.match(body.error.message, /`limit`.*`status`|`status`.*`limit`/);
    assert.equal(await codeOf('GET', '/invocations/not-a-uuid'), 'E_BAD_REQUEST');
  });
});

describe('usage', () => {
  test('sums, prices and says where the prices come from', async () => {
    const other = await openBench();
    try {
      for (let call = 0; call < 4; call += 1) {
        other.recorder.invocation(
          sampleRecord({
            billedMs: 250,
            memoryMb: 1_024,
            status: call === 0 ? 'error' : 'ok',
            cold: call === 0,
          }),
        );
      }
      const { body } = await other.call('GET', '/usage?from=1799999999999&to=1800000000001');
      assert.equal(body.items.length, 1);
      const row = body.items[0]!;
      assert.deepEqual(
        [row.app, row.function, row.invocations, row.errors, row.coldStarts, row.billedMs],
        ['shop', 'hello', 4, 1, 1, 1_000],
      );
      // 4 × 0.25 s × 1 GB = 1 GB-s at 0.0000166667, and 4 requests at 0.0000002.
      assert.ok(Math.abs(row.awsComputeUsd - 0.0000166667) < 1e-12);
      assert.ok(Math.abs(row.awsRequestsUsd - 0.0000008) < 1e-12);
      assert.ok(Math.abs(body.totals.awsCostUsd - 0.0000174667) < 1e-12);
      assert.equal(body.priceTable.cpu, 'x86_64');
      assert.match(body.priceTable.date, /^\d{4}-/);
      const arm = (await other.call('GET', '/usage?from=0&cpu=arm64')).body;
      assert.ok(Math.abs(arm.totals.awsComputeUsd - 0.0000133334) < 1e-12);
      assert.equal((await other.call('GET', '/usage?from=0&to=1')).body.items.length, 0);
      assert.equal((await other.call('GET', '/usage?from=2&to=1')).status, 400);
    } finally {
      await other.close();
    }
  });
});

describe('tokens', () => {
  test('are made once, listed without themselves, and useless when deleted', async () => {
    const other = await openBench({ mode: 'start' });
    try {
      const made = await other.call('POST', '/tokens', { ...withToken, json: { name: 'ci' } });
      assert.equal(made.status, 201);
      assert.match(made.body.token, /^lmb_[A-Za-z0-9_-]{43}$/);
      const mine = { headers: { authorization: `Bearer ${made.body.token}` } };
      const { body } = await other.call('GET', '/tokens', mine);
      assert.deepEqual(body.items.map(({ name }) => name).sort(), ['ci', 'first']);
      assert.deepEqual(Object.keys(body.items[0]!).sort(), ['createdMs', 'name']);
      assert.equal((await other.call('POST', '/tokens', { ...mine, json: { name: 'ci' } })).status, 409);
      assert.equal((await other.call('POST', '/tokens', { ...mine, json: { name: 'a b' } })).status, 400);
      assert.equal((await other.call('POST', '/tokens', mine)).status, 400);
      assert.equal((await other.call('DELETE', '/tokens/ci', withToken)).status, 200);
      assert.equal((await other.call('GET', '/tokens', mine)).status, 401, 'at once');
      assert.equal((await other.call('DELETE', '/tokens/ci', withToken)).status, 404);
      const last = await other.call('DELETE', '/tokens/first', withToken);
      assert.deepEqual([last.status, last.body.error.code], [409, 'E_CONFLICT']);
    } finally {
      await other.close();
    }
  });
});

describe('logs', () => {
  test('the last lines, by filter, oldest first', async () => {
    const id = sampleId();
    bench.recorder.log(sampleLine('first', { severity: 'debug' }));
    bench.recorder.log(sampleLine('Second', { severity: 'error', invocation: id }));
    bench.recorder.log(sampleLine('third', { app: 'blog' as AppName }));
    const list = async (query: string) => (await bench.call('GET', `/logs${query}`)).body;
    const textsOf = (body: AnswerBody) => body.items.map(({ text }) => text);
    const all = await list('');
    assert.deepEqual(textsOf(all), ['first', 'Second', 'third']);
    assert.equal(all.last, all.items[2]!.sequence);
    assert.deepEqual(textsOf(await list('?limit=1')), ['third']);
    assert.deepEqual(textsOf(await list('?severity=warn')), ['Second']);
    assert.deepEqual(textsOf(await list('?text=sec')), ['Second']);
    assert.deepEqual(textsOf(await list(`?invocation=${id}`)), ['Second']);
    const blog = await list('?app=blog');
    assert.deepEqual(textsOf(blog), ['third']);
    assert.equal((await list('?app=none')).last, all.last, 'a follower begins at the end of everything');
    assert.equal(await codeOf('GET', '/logs?severity=loud'), 'E_BAD_REQUEST');
  });
});
