import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';

/** Calls from functions to the platform: `invoke` from one function to another, over the instance's own channel. */

const FILES: AppFiles = {
  'lambent.yaml': `
app: calls
functions:
  relay: { routes: ["POST /relay"] }
  echo: {}
  who: {}
  throws: {}
  loop: { timeout: 20s }
  narrow: { maxConcurrency: 1, timeout: 20s }
  fan: { timeout: 20s }
  eager: {}
  web: { routes: ["GET /web"] }
  traced: {}
  trace: { routes: ["GET /trace"] }
  impatient: { timeout: 300ms }
  patient: { timeout: 20s }
  emits: {}
  raw: {}
`,
  'functions/relay.ts': `
import { type CallError, invoke } from 'lambent';
export const handler = async (event: { body: string }) => {
  const { name, payload, async } = JSON.parse(event.body);
  try {
    return { result: await invoke(name, payload, { async }) };
  } catch (thrown) {
    const { name, code, errorType, message, stackTrace, retryable, hint } = thrown as CallError;
    return { failed: { name, code, errorType, message, stackTrace, retryable, hint } };
  }
};`,
  'functions/echo.js': 'export const handler = async (event) => event;',
  'functions/who.js': `
import { invoke } from 'lambent';
export const handler = async (event, context) =>
  event.deeper
    ? { ...(await invoke('who')), outer: context.awsRequestId }
    : { caller: context.caller, id: context.awsRequestId };`,
  'functions/throws.ts': `
export const handler = async () => {
  throw new RangeError('out of range');
};`,
  'functions/loop.js': `
import { invoke } from 'lambent';
export const handler = async ({ depth = 0, async = false }, context) => {
  console.log('depth', depth);
  try {
    return await invoke('loop', { depth: depth + 1, async }, { async });
  } catch (error) {
    console.log('refused', depth, error.code);
    return { depth, code: error.code, message: error.message };
  }
};`,
  'functions/narrow.js': `
import { invoke } from 'lambent';
export const handler = async () => {
  try { return await invoke('narrow'); } catch (error) { return { code: error.code, hint: error.hint }; }
};`,
  'functions/fan.js': `
import { invoke } from 'lambent';
export const handler = async ({ count, size }) => {
  const text = 'x'.repeat(size);
  const results = await Promise.all(Array.from({ length: count }, (_, at) => invoke('echo', { at, text })));
  return results.filter((result, at) => result.at === at && result.text === text).length;
};`,
  'functions/eager.js': `
import { invoke } from 'lambent';
const loaded = await invoke('echo', 'at load');
export const handler = async () => loaded;`,
  'functions/web.js': `
import { invoke } from 'lambent';
export default { fetch: async () => Response.json(await invoke('who')) };`,
  'functions/impatient.js': `
import { invoke } from 'lambent';
export const handler = () => invoke('patient');`,
  'functions/patient.js': `
export const handler = (event, context) =>
  new Promise((resolve) => context.signal.addEventListener('abort', () => { console.log('nobody waits'); resolve(); }));`,
  'functions/traced.js':
    'export default { fetch: async (request) => Response.json(request.headers.get("traceparent")) };',
  'functions/trace.js': `
import { invoke } from 'lambent';
export const handler = async (event, context) => ({ id: context.awsRequestId, seen: await invoke('traced') });`,
  'functions/emits.js': `
const platform = globalThis[Symbol.for('lambent.platform')];
export const handler = async () => {
  try { await platform.call('no-such', {}, new Uint8Array(0)); } catch (error) { return { code: error.code, hint: error.hint }; }
};`,
  'functions/raw.js': `
const platform = globalThis[Symbol.for('lambent.platform')];
const call = async (args, text) => {
  try { return Buffer.from(await platform.call('invoke', args, Buffer.from(text))).toString(); } catch (error) { return error.code; }
};
export const handler = async () => [
  await call({ function: 'echo' }, '{"a":"ü"}'),
  await call({ function: 'echo' }, ''),
  await call({ function: 'echo' }, '{"half":'),
  await call({ function: 'echo', mode: 'sideways' }, '1'),
  await call({ function: 'echo', app: 'other' }, '1'),
  await call({ function: '../echo' }, '1'),
  await call({}, '1'),
  await call({ function: 'echo' }, JSON.stringify('x'.repeat(7 * 1024 * 1024))),
];`,
};

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({
    calls: FILES,
    other: {
      'lambent.yaml': 'app: other\nfunctions:\n  secret: {}\n  open: { callers: [calls] }\n',
      'functions/open.js': 'export const handler = async (event, context) => context.caller.app;',
      'functions/secret.js': 'export const handler = async () => "hidden";',
    },
  });
});
after(() => lambent.close());

async function invoke(name: string, event: unknown): Promise<never> {
  const { json } = await lambent.api('POST', `/apps/calls/functions/${name}/invocations`, event);
  return (json as { result: never }).result;
}

interface Relayed {
  result?: unknown;
  failed?: {
    name: string;
    code: string;
    errorType: string;
    message: string;
    stackTrace: string[];
    hint: string;
  };
}

async function relay(name: string, payload?: unknown, options: object = {}): Promise<Relayed> {
  const body = JSON.stringify({ name, payload, ...options });
  const response = await lambent.fetch('/relay', { method: 'POST', body });
  assert.equal(response.status, 200);
  return (await response.json()) as Relayed;
}

describe('invoke from a function', { timeout: 60_000 }, () => {
  it('gives the result, of any size', async () => {
    assert.deepEqual(await relay('echo', { a: [1, 'ü', null] }), { result: { a: [1, 'ü', null] } });
    assert.deepEqual(await relay('echo'), { result: {} });
    const large = 'ü'.repeat(2 * 1024 * 1024);
    assert.deepEqual(await relay('echo', large), { result: large });
  });

  it('refuses what is no call', async () => {
    assert.deepEqual(await invoke('raw', {}), [
      '{"a":"ü"}',
      '{}',
      'E_BAD_REQUEST',
      'E_BAD_REQUEST',
      'E_BAD_REQUEST',
      'E_BAD_REQUEST',
      'E_BAD_REQUEST',
      'E_PAYLOAD_TOO_LARGE',
    ]);
    const unknown = (await invoke('emits', {})) as { code: string; hint: string };
    assert.equal(unknown.code, 'E_BAD_REQUEST');
    assert.match(unknown.hint, /There are: .*invoke/);
  });

  it("throws the called function's error, with its type and its author's lines", async () => {
    const { failed } = await relay('throws', {});
    assert.deepEqual(
      [failed?.name, failed?.code, failed?.errorType, failed?.message],
      ['RangeError', 'E_FUNCTION_ERROR', 'RangeError', 'out of range'],
    );
    assert.match(failed!.stackTrace[0]!, /functions\/throws\.ts:3/);
  });

  it('stays within the app, but for functions that name it among their callers', async () => {
    const { failed } = await relay('nothing');
    assert.equal(failed?.code, 'E_NOT_FOUND');
    assert.match(failed!.hint, /echo/);
    for (const name of ['other/secret', 'other/nothing', 'nowhere/secret'])
      assert.equal((await relay(name)).failed?.code, 'E_FORBIDDEN', name);
    assert.deepEqual(await relay('other/open'), { result: 'calls' });
    assert.deepEqual(await relay('calls/echo', 1), { result: 1 });
  });

  it('is cancelled when the caller is gone', async () => {
    const { json } = await lambent.api('POST', '/apps/calls/functions/impatient/invocations', {});
    assert.equal((json as { error: { code: string } }).error.code, 'E_FUNCTION_TIMEOUT');
    await lambent.waitForLog(({ text }) => text === 'nobody waits');
    const record = await lambent.waitForInvocation((each) => each.function === 'patient');
    assert.deepEqual([record.status, record.error?.code], ['cancelled', 'E_CLIENT_CLOSED']);
  });

  it('works at load', async () => {
    assert.equal(await invoke('eager', {}), 'at load');
  });

  it('lets many calls run at once, of more bytes than may be on the way', async () => {
    assert.equal(await invoke('fan', { count: 600, size: 10 }), 600);
    assert.equal(await invoke('fan', { count: 24, size: 3_000_000 }), 24);
  });
});

describe('the identity of a call', { timeout: 30_000 }, () => {
  it('tells the function who called', async () => {
    const told = (await invoke('who', { deeper: true })) as { caller: object; outer: string; id: string };
    assert.deepEqual(told.caller, { app: 'calls', function: 'who', requestId: told.outer });
    const direct = (await invoke('who', {})) as { caller?: object };
    assert.equal(direct.caller, undefined);
  });

  it('names the caller of a fetch handler as well', async () => {
    const response = await lambent.fetch('/web');
    const { caller } = (await response.json()) as { caller: { function: string; requestId: string } };
    assert.equal(caller.function, 'web');
    assert.match(caller.requestId, /^[0-9a-f-]{36}$/);
  });
});

describe('the trace of a call', { timeout: 30_000 }, () => {
  const spanOf = (id: string): string => id.replaceAll('-', '').slice(-16);

  it("is its caller's, with the calling invocation as parent", async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-00` };
    const { id, seen } = (await (await lambent.fetch('/trace', { headers })).json()) as Record<
      string,
      string
    >;
    assert.equal(seen, `00-${trace}-${spanOf(id!)}-00`);
  });

  it('begins with the first call where there is none', async () => {
    for (const headers of [{}, { traceparent: 'nonsense' }]) {
      const { id, seen } = (await (await lambent.fetch('/trace', { headers })).json()) as Record<
        string,
        string
      >;
      assert.equal(seen, `00-${id!.replaceAll('-', '')}-${spanOf(id!)}-01`);
    }
  });
});

describe('a chain of calls', { timeout: 60_000 }, () => {
  it('ends after 16, waited for', async () => {
    assert.deepEqual(await invoke('loop', {}), {
      depth: 16,
      code: 'E_CALL_DEPTH',
      message: 'function loop calls loop in a chain of more than 16 calls',
    });
  });

  it('ends after 16, asynchronous', async () => {
    await invoke('loop', { async: true });
    const line = await lambent.waitForLog(({ text }) => text.startsWith('refused'));
    assert.equal(line.text, 'refused 16 E_CALL_DEPTH');
  });

  it('that would wait for itself ends at once with an error', async () => {
    const { code, hint } = (await invoke('narrow', {})) as { code: string; hint: string };
    assert.equal(code, 'E_CALL_DEADLOCK');
    assert.match(hint, /maxConcurrency/);
  });
});

describe('an asynchronous call from a function', { timeout: 30_000 }, () => {
  it('is owed once it is accepted', async () => {
    const { result } = await relay('who', {}, { async: true });
    const { id } = result as { id: string };
    const record = await lambent.waitForInvocation((each) => each.id === id);
    assert.deepEqual(
      [record.function, record.trigger, record.status, record.attempt],
      ['who', 'async', 'ok', 1],
    );
  });
});
