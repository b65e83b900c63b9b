import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { InvocationRecord } from '../src/model/invocation.ts';
import { Gate } from './gate.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** Calls with an event: at once, and those that nobody waits for. */

const FILES: AppFiles = {
  'lambent.yaml': `
app: events
functions:
  echo: {}
  throws: {}
  gated: { attempts: 3, concurrency: 10 }
  twice: { attempts: 2 }
  slow: { attempts: 2, timeout: 60s }
`,
  'functions/echo.js': 'export const handler = async (event) => event;',
  'functions/throws.ts': `
export const handler = async ({ what }: { what: string }) => {
  if (what === 'text') throw 'a text';
  if (what === 'nothing') throw undefined;
  throw new RangeError('out of range');
};`,
  'functions/gated.js': `
export default async ({ url }) => {
  const { status } = await fetch(url);
  if (status !== 200) throw new Error('the gate said ' + status);
  return status;
};`,
  'functions/twice.js': 'export default async () => { throw new TypeError("never"); };',
  'functions/slow.js': 'export default async ({ url }) => { await fetch(url); };',
};

let lambent: TestPlatform;
const gate = new Gate();
before(async () => {
  await gate.open();
  lambent = await startTestPlatform({ events: FILES });
});
after(async () => {
  gate.close();
  await lambent.close();
});

async function invoke(name: string, event: unknown, mode = 'sync'): Promise<{ status: number; json: never }> {
  return lambent.api('POST', `/apps/events/functions/${name}/invocations?mode=${mode}`, event);
}

async function invokeAsync(name: string, event: unknown): Promise<string> {
  const { status, json } = await invoke(name, event, 'async');
  assert.equal(status, 202);
  return (json as { id: string }).id;
}

function attempt(id: string, number: number, platform = lambent): Promise<InvocationRecord> {
  return platform.waitForInvocation((record) => record.id === id && record.attempt === number);
}

describe('a synchronous call', { timeout: 30_000 }, () => {
  it('gives the result, without changing it', async () => {
    const text = '{"big":12345678901234567890,"__proto__":{"a":1},"ü":null}';
    const response = await fetch(`${lambent.url}/_lambent/api/v1/apps/events/functions/echo/invocations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: text,
    });
    const answer = await response.text();
    assert.equal(response.status, 200);
    assert.match(
      answer,
      /^\{"id":"[0-9a-f-]{36}","status":"ok","result":\{.*"__proto__":\{"a":1\}.*\},"billedMs":\d+\}$/,
    );
    assert.deepEqual(((await invoke('echo', undefined)).json as { result: unknown }).result, {});
    const large = 'x'.repeat(5 * 1024 * 1024);
    assert.equal(((await invoke('echo', large)).json as { result: string }).result, large);
  });

  it('gives the error of a function that throws, whatever it throws', async () => {
    for (const [what, errorType, errorMessage] of [
      ['error', 'RangeError', 'out of range'],
      ['text', 'string', "the function threw something that is not an Error: 'a text'"],
      ['nothing', 'undefined', 'the function threw something that is not an Error: undefined'],
    ]) {
      const { status, json } = await invoke('throws', { what });
      const { error } = json as { error: Record<string, unknown> };
      assert.deepEqual(
        [status, error.code, error.errorType, error.errorMessage],
        [200, 'E_FUNCTION_ERROR', errorType, errorMessage],
      );
      if (what === 'error') assert.match((error.stackTrace as string[])[0]!, /functions\/throws\.ts:5:/);
    }
  });

  it('refuses what cannot be called or is no event', async () => {
    const codeOf = ({ json }: { json: never }): string => (json as { error: { code: string } }).error.code;
    const unknown = await invoke('nobody', {});
    assert.deepEqual([unknown.status, codeOf(unknown)], [404, 'E_NOT_FOUND']);
    const path = '/_lambent/api/v1/apps/events/functions/echo/invocations';
    const send = async (body: string): Promise<[number, string, string]> => {
      const response = await fetch(lambent.url + path, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      });
      const { error } = (await response.json()) as { error: { code: string; message: string } };
      return [response.status, error.code, error.message];
    };
    const [status, code, message] = await send('{"a":');
    assert.deepEqual([status, code], [400, 'E_BAD_REQUEST']);
    assert.match(message, /^The event is not JSON: /);
    assert.deepEqual((await send(JSON.stringify('x'.repeat(6 * 1024 * 1024)))).slice(0, 2), [
      413,
      'E_PAYLOAD_TOO_LARGE',
    ]);
  });
});

describe('an asynchronous call', { timeout: 60_000 }, () => {
  it('is answered before it has run', async () => {
    const id = await invokeAsync('gated', { url: `${gate.url}/first` });
    const working = await gate.next('/first');
    assert.equal(
      lambent.events.some((event) => event.kind === 'invocation' && event.record.id === id),
      false,
    );
    working.writeHead(200).end();
    assert.equal((await attempt(id, 1)).status, 'ok');
  });

  it('is tried again after a failure, later each time, under the same id', async () => {
    const id = await invokeAsync('gated', { url: `${gate.url}/again` });
    for (const status of [500, 503, 200]) (await gate.next('/again')).writeHead(status).end();
    const records = await Promise.all([attempt(id, 1), attempt(id, 2), attempt(id, 3)]);
    assert.deepEqual(
      records.map(({ status }) => status),
      ['error', 'error', 'ok'],
    );
    assert.equal(records[1]!.error?.errorMessage, 'the gate said 503');
    const pauses = [1, 2].map((index) => records[index]!.arrivedMs - records[index - 1]!.arrivedMs);
    assert.ok(pauses[0]! < 10_000 && pauses[1]! < 10_000, `${pauses}`);
  });

  it('is dead after its last attempt', async () => {
    const id = await invokeAsync('twice', {});
    const last = await attempt(id, 2);
    assert.equal(last.error?.errorMessage, 'never');
    // The last attempt is settled a moment after it is recorded.
    await poll(async () => {
      const { json } = await lambent.api('GET', '/doctor');
      const { checks } = json as { checks: { text: string }[] };
      return checks.some(({ text }) => /\b1 dead/.test(text));
    });
    assert.equal(
      lambent.events.some(
        (event) => event.kind === 'invocation' && event.record.id === id && event.record.attempt > 2,
      ),
      false,
    );
  });

  it('is refused when there is no such function', async () => {
    assert.equal((await invoke('nobody', {}, 'async')).status, 404);
  });
});

describe('an asynchronous call and the end of the platform', { timeout: 60_000 }, () => {
  it('waits for a retry over a restart, and one that runs too long is given back and runs again', async () => {
    const first = await startTestPlatform({ events: FILES });
    const { folder } = first;
    const send = async (name: string, path: string): Promise<string> => {
      const { json } = await first.api('POST', `/apps/events/functions/${name}/invocations?mode=async`, {
        url: gate.url + path,
      });
      return (json as { id: string }).id;
    };
    const retried = await send('gated', '/retried');
    (await gate.next('/retried')).writeHead(500).end();
    await attempt(retried, 1, first);
    const cut = await send('slow', '/cut');
    await gate.next('/cut');
    const beganMs = performance.now();
    await first.platform.close();
    const tookMs = performance.now() - beganMs;
    // In dev a second of grace, and another for the instances; the call itself would go on for ever.
    assert.ok(tookMs < 8_000, `the platform stopped after ${tookMs} ms`);

    const second = await startTestPlatform({}, { folder });
    try {
      (await gate.next('/retried')).writeHead(200).end();
      // Usually the second attempt; the third, when the second had begun before the stop.
      const record = await second.waitForInvocation(({ id }) => id === retried);
      assert.equal(record.status, 'ok');
      assert.ok(record.attempt >= 2);
      (await gate.next('/cut')).writeHead(200).end();
      assert.equal((await second.waitForInvocation((record) => record.id === cut)).status, 'ok');
    } finally {
      await second.close();
    }
  });
});
