import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { InvocationRecord } from '../src/model/invocation.ts';
import { FLOODS, HOSTILE, hostileApp } from './hostile-functions.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/**
 * Functions that do what no function should. Each gets an error with its code, its caller an answer, its author a line
 * in the log; a neighbour is served all the while, and nothing is left behind.
 */

interface ErrorAnswer {
  status: number;
  code: string;
  message: string;
  hint: string;
}

let lambent: TestPlatform;
/** Loading may take twenty seconds, so it begins first and is looked at last. */
let loading: Promise<Response>;
before(async () => {
  lambent = await startTestPlatform({ hostile: hostileApp() });
  loading = lambent.fetch('/spinsAtLoad');
});
after(() => lambent.close());

async function call(name: string): Promise<{ answer: ErrorAnswer; record: InvocationRecord }> {
  const response = await lambent.fetch(`/${name}`);
  const { error } = (await response.json()) as { error: ErrorAnswer };
  const id = response.headers.get('x-request-id');
  const record = await lambent.waitForInvocation((invocation) => invocation.id === id);
  return { answer: { ...error, status: response.status }, record };
}

async function assertNeighbour(): Promise<void> {
  const answer = await lambent.fetch('/neighbour');
  assert.deepEqual([answer.status, await answer.text()], [200, 'undisturbed']);
}

async function liveInstances(): Promise<{ id: string; function: string }[]> {
  const { json } = await lambent.api('GET', '/instances');
  return (json as { items: { id: string; function: string }[] }).items;
}

async function metrics(): Promise<string> {
  return (await lambent.fetch('/_lambent/metrics')).text();
}

/** Waits until neither a process nor a working folder of the function is left. */
async function assertNothingLeft(name: string): Promise<void> {
  const run = join(lambent.folder, 'data/run');
  await poll(async () => {
    const live = await liveInstances();
    const folders = await readdir(run);
    const waiting = Number(/^lambent_processes_prewarmed (\d+)/m.exec(await metrics())![1]);
    return live.every((instance) => instance.function !== name) && folders.length <= live.length + waiting;
  });
}

for (const [group, members] of Object.entries(HOSTILE)) {
  describe(group, { timeout: 60_000 }, () => {
    for (const [name, { status, code, says }] of Object.entries(members)) {
      it(name, async () => {
        const { answer, record } = await call(name);
        assert.deepEqual([answer.status, answer.code], [status, code], answer.message);
        assert.match(answer.message, says);
        assert.match(answer.hint, /[.?]$/);
        assert.deepEqual([record.error?.code, record.httpStatus], [code, status]);
        assert.notEqual(record.status, 'ok');
        // The author reads why: in the call's own lines, or in those of the load.
        await lambent.waitForLog(
          (line) =>
            line.function === name &&
            (line.invocation === record.id || line.invocation === undefined) &&
            (line.severity === 'error' || line.severity === 'fatal'),
        );
        await assertNothingLeft(name);
      });
    }
    after(assertNeighbour);
  });
}

describe('an answer that has begun', { timeout: 30_000 }, () => {
  it('breaks off when the function goes on past its limit, or sends faster than it may', async () => {
    for (const [name, code] of [
      ['streams100mb', 'E_RESPONSE_TOO_LARGE'],
      ['sendsTooFast', 'E_PROTOCOL'],
      ['exitsMidway', 'E_FUNCTION_EXITED'],
      ['throwsMidway', 'E_FUNCTION_ERROR'],
    ] as const) {
      const answer = await lambent.fetch(`/${name}`);
      assert.equal(answer.status, 200);
      const id = answer.headers.get('x-request-id');
      // Only a caller that does not read makes it too fast.
      if (name === 'sendsTooFast') await lambent.waitForInvocation((invocation) => invocation.id === id);
      await assert.rejects(answer.arrayBuffer(), name);
      const record = await lambent.waitForInvocation((invocation) => invocation.id === id);
      assert.deepEqual([record.error?.code, record.httpStatus], [code, 200], name);
      await lambent.waitForLog((line) => line.invocation === id && line.severity === 'error');
      await assertNothingLeft(name);
    }
    await assertNeighbour();
  });
});

describe('an event call', { timeout: 30_000 }, () => {
  it('fails as clearly', async () => {
    const invoke = async (
      name: string,
    ): Promise<{ status: string; error: { code: string; errorMessage: string } }> =>
      (await lambent.api('POST', `/apps/hostile/functions/${name}/invocations`, {})).json;
    for (const [name, code, says] of [
      [
        'wrongLength',
        'E_FUNCTION_RESPONSE_INVALID',
        /^function wrongLength answered an event with an HTTP head$/,
      ],
      ['returns7mb', 'E_RESPONSE_TOO_LARGE', /at most 6291456 \(6 MiB\) fit in the answer/],
      ['returnsCircle', 'E_FUNCTION_RESPONSE_INVALID', /cannot be written as JSON/],
      ['returnsNumber', 'E_FUNCTION_RESPONSE_INVALID', /must return a Response/],
      ['garbage', 'E_PROTOCOL', /not a frame at all/],
      ['exits', 'E_FUNCTION_EXITED', /exit code 0/],
      ['exportsNothing', 'E_HANDLER_MISSING', /nothing to call/],
    ] as const) {
      const { status, error } = await invoke(name);
      assert.deepEqual([status, error.code], ['failed', code], name);
      assert.match(error.errorMessage, says);
      await assertNothingLeft(name);
    }
    await assertNeighbour();
  });
});

describe('a flood of output', { timeout: 60_000 }, () => {
  /** Lines of one instance in a second, and the notices about the rest. */
  const LINES_MAX = 10_000 + 10;
  for (const name of Object.keys(FLOODS)) {
    it(`${name}: is cut, counted, and drowns nobody else`, async () => {
      const mark = lambent.events.length;
      let answered = false;
      const flooding = lambent.fetch(`/${name}`).then((answer) => {
        answered = true;
        return answer;
      });
      let slowestMs = 0;
      while (!answered) {
        const beganMs = performance.now();
        await assertNeighbour();
        slowestMs = Math.max(slowestMs, performance.now() - beganMs);
      }
      assert.equal((await flooding).status, 200);
      assert.ok(slowestMs < 5_000, `the neighbour waited ${slowestMs} ms`);
      const notice = await lambent.waitForLog(
        (line) => line.function === name && /\d+ (log lines|bytes of output) were dropped/.test(line.text),
      );
      assert.ok(notice.severity === 'warn' || notice.severity === 'error');
      const lines = lambent.events
        .slice(mark)
        .flatMap((event) => (event.kind === 'log' && event.line.function === name ? [event.line] : []));
      const spanS = Math.ceil((lines.at(-1)!.timeMs - lines[0]!.timeMs) / 1_000) + 1;
      assert.ok(lines.length <= spanS * LINES_MAX, `${lines.length} lines in ${spanS} s`);
      assert.ok(lines.every((line) => Buffer.byteLength(line.text) <= 64 * 1024));
    });
  }
});

describe('code that never finishes loading', { timeout: 60_000 }, () => {
  it('is given up', async () => {
    const answer = await loading;
    const { error } = (await answer.json()) as { error: ErrorAnswer };
    assert.deepEqual([answer.status, error.code], [502, 'E_BOOT_FAILED']);
    assert.equal(
      error.message,
      'function spinsAtLoad cannot be loaded: Timeout: its code did not finish within 4 s; `startTimeout` in the manifest sets this limit',
    );
    await assertNothingLeft('spinsAtLoad');
    await assertNeighbour();
  });
});

describe('what strangers are told under `start`', { timeout: 60_000 }, () => {
  const SECRET = 'postgres://admin:hunter2@db';
  let server: TestPlatform;

  before(async () => {
    server = await startTestPlatform(
      {
        app: {
          'functions/throws.js': `export default { fetch() { throw new TypeError('no answer from ${SECRET}'); } };`,
          'functions/loads.js': `throw new Error('cannot load ${SECRET}');`,
          'functions/missing.js': 'export const hunter2 = 1;',
          'functions/late.js': 'export default { fetch: () => new Promise(() => {}) };',
          'lambent.yaml': 'functions: { throws: , loads: , missing: , late: { timeout: 50ms } }',
        },
      },
      { mode: 'start' },
    );
  });
  after(() => server.close());

  for (const [name, status, code, message] of [
    ['throws', 500, 'E_FUNCTION_ERROR', 'The function threw an error or rejected.'],
    ['loads', 502, 'E_BOOT_FAILED', 'The code of the function threw while it was loaded.'],
    ['missing', 502, 'E_HANDLER_MISSING', /^The function exports nothing that the platform can call/],
    ['late', 504, 'E_FUNCTION_TIMEOUT', 'The function did not finish within its time limit and was stopped.'],
  ] as const) {
    it(`the code and what it means, of ${name}`, async () => {
      for (const init of [{}, { method: 'POST', body: 'x' }]) {
        const response = await server.fetch(`/${name}`, init);
        const text = await response.text();
        const { error, requestId } = JSON.parse(text) as { error: ErrorAnswer; requestId: string };
        assert.deepEqual([response.status, error.code], [status, code]);
        if (typeof message === 'string') assert.equal(error.message, message);
        else assert.match(error.message, message);
        assert.doesNotMatch(text, /hunter2/);
        assert.match(error.hint, /request id/);
        assert.equal(requestId, response.headers.get('x-request-id'));
        // Its author reads all of it.
        const record = await server.waitForInvocation(({ id }) => id === requestId);
        if (name !== 'late') assert.match(record.error!.errorMessage, /hunter2/);
      }
    });
  }

  it('what is their own fault, in full', async () => {
    const { error } = (await (await server.fetch('/nowhere')).json()) as { error: ErrorAnswer };
    assert.equal(error.message, 'no route for GET /nowhere');
    assert.equal(
      server.events.some(({ kind }) => kind === 'refused'),
      false,
      'a server does not tell of each',
    );
  });
});
