import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** What holds starts back, over the API: keys, rates, pauses, order, limits of time. */

const FILES = {
  'lambent.yaml': 'app: steer\nfunctions: {}\nworkflows: { holds: {}, echoes: {}, drifts: {} }\n',
  'workflows/holds.js': `
import { workflow } from 'lambent';
export default workflow(async (ctx, input) => { await ctx.receive('go'); return input; });`,
  // Another way each time that it is replayed.
  'workflows/drifts.js': `
import { workflow } from 'lambent';
const seen = new Set();
export default workflow(async (ctx) => {
  const name = seen.has(ctx.id) ? 'second name' : 'first name';
  seen.add(ctx.id);
  await ctx.step(name, () => 1);
  await ctx.receive('go');
});`,
  'workflows/echoes.js': `
import { workflow } from 'lambent';
export default workflow(async (ctx, input) => input);`,
};

interface Execution {
  readonly id: string;
  readonly status: string;
  readonly createdMs: number;
  readonly dueMs: number;
}

describe('starting and steering', { timeout: 60_000 }, () => {
  let platform: TestPlatform;
  before(async () => {
    platform = await startTestPlatform({ steer: FILES });
  });
  after(() => platform.close());

  const start = async (name: string, input: unknown, query: string): Promise<string> => {
    const path = `/apps/steer/workflows/${name}/executions?${query}`;
    const { status, json } = await platform.api('POST', path, input);
    assert.ok(status < 300, JSON.stringify(json));
    return (json as { id: string }).id;
  };
  const find = async (id: string): Promise<Execution> =>
    (await platform.api('GET', `/executions/${id}`)).json;
  const outputOf = async (id: string): Promise<unknown> =>
    ((await platform.api('GET', `/executions/${id}/result?wait=20`)).json as { output: unknown }).output;
  const go = (id: string) => platform.api('POST', `/executions/${id}/signals/go`, null);
  const until = (id: string, status: RegExp) => poll(async () => status.test((await find(id)).status));

  it('a key starts once for an input, and is refused for another', async () => {
    const first = await start('echoes', { n: 1 }, 'key=k');
    assert.equal(await start('echoes', { n: 1 }, 'key=k'), first);
    const { status, json } = await platform.api('POST', '/apps/steer/workflows/echoes/executions?key=k', {
      n: 2,
    });
    const { error } = json as { error: { code: string; details?: { execution: string } } };
    assert.deepEqual([status, error.code], [409, 'E_IDEMPOTENCY_CONFLICT']);
  });

  it('inputs beyond 64 MiB are refused, of starts as of signals, and change nothing', async () => {
    const large = 'x'.repeat(64 * 1024 * 1024);
    const id = await start('holds', 'kept', '');
    for (const path of ['/apps/steer/workflows/holds/executions', `/executions/${id}/signals/go`]) {
      const { status, json } = await platform.api('POST', path, large);
      assert.deepEqual(
        [status, (json as { error: { code: string } }).error.code],
        [413, 'E_PAYLOAD_TOO_LARGE'],
      );
    }
    await go(id);
    assert.equal(await outputOf(id), 'kept');
  });

  it('a concurrency key lets so many through, the most urgent of those that wait first', async () => {
    const limits = 'concurrencyKey=printer&concurrencyLimit=1';
    const first = await start('holds', 'first', limits);
    const patient = await start('holds', 'patient', limits);
    const urgent = await start('holds', 'urgent', `${limits}&priority=10`);
    await until(first, /running|waiting/);
    assert.deepEqual([(await find(patient)).status, (await find(urgent)).status], ['queued', 'queued']);
    await go(first);
    assert.equal(await outputOf(first), 'first');
    await until(urgent, /running|waiting/);
    assert.equal((await find(patient)).status, 'queued');
    // Who is queued can be cancelled without its turn.
    await platform.api('POST', `/executions/${patient}/cancel`);
    await until(patient, /cancelled/);
    await go(urgent);
    assert.equal(await outputOf(urgent), 'urgent');
  });

  it('a rate lets the next begin later', async () => {
    const rate = 'rateKey=mail&rateLimit=1&ratePerMs=60000';
    const [first, second] = [await start('holds', 1, rate), await start('holds', 2, rate)];
    await until(first, /running|waiting/);
    const { status, createdMs, dueMs } = await find(second);
    assert.equal(status, 'waiting');
    assert.ok(dueMs > createdMs && dueMs <= createdMs + 60_000, `${dueMs - createdMs} ms`);
  });

  it('debounced, the last of a burst is the one that runs', async () => {
    const debounce = 'debounceKey=save&debounceMs=1000';
    const ids = [];
    for (const input of ['a', 'b', 'c']) ids.push(await start('echoes', input, debounce));
    assert.equal(new Set(ids).size, 1);
    assert.equal(await outputOf(ids[0]!), 'c');
  });

  it('a delay and a limit of time are kept', async () => {
    const late = await find(await start('echoes', 1, 'delayMs=3600000'));
    assert.deepEqual([late.status, late.dueMs - late.createdMs], ['waiting', 3_600_000]);
    const limited = await start('holds', 1, 'timeoutMs=100');
    const { status, error } = (await platform.api('GET', `/executions/${limited}/result?wait=20`)).json as {
      status: string;
      error: { code: string };
    };
    assert.deepEqual([status, error.code], ['timedOut', 'E_TIMEOUT']);
  });

  it('holds what was recorded against the code of now, and changes nothing', async () => {
    const history = async (id: string) => (await platform.api('GET', `/executions/${id}/history`)).json;
    const replay = async (id: string): Promise<{ status: string; error?: { errorMessage: string } }> =>
      (await platform.api('POST', `/executions/${id}/replay`)).json;
    const done = await start('echoes', 4, 'wait=20');
    const before = JSON.stringify(await history(done));
    assert.equal((await replay(done)).status, 'same');
    assert.equal(JSON.stringify(await history(done)), before);
    const drifting = await start('drifts', null, 'wait=0');
    await poll(async () => JSON.stringify(await history(drifting)).includes('"completed"'));
    const { status, error } = await replay(drifting);
    assert.equal(status, 'differs');
    assert.match(
      error?.errorMessage ?? '',
      /its history has step "first name" .* but the code began step "second name"/,
    );
  });

  it('refuses what makes no sense, and says what', async () => {
    for (const [query, what] of [
      ['priority=1000', /priority/],
      ['concurrencyKey=', /concurrencyKey/],
      ['delayMs=-1', /delayMs/],
      ['colour=red', /colour/],
    ] as const) {
      const { status, json } = await platform.api(
        'POST',
        `/apps/steer/workflows/echoes/executions?${query}`,
        1,
      );
      assert.equal(status, 400, query);
      assert.match(JSON.stringify(json), what);
    }
  });
});
