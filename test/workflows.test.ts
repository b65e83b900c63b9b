import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JournalEntry } from '../src/model/journal.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';

/** Durable workflows in TypeScript, as their authors write them, on a real platform. */

const FILES: AppFiles = {
  'lambent.yaml': `
app: flows
functions:
  upper: {}
  flaky: {}
  emits: {}
  endless: {}
  starter: { routes: ["POST /starter"] }
workflows:
  order: { routes: ["POST /order"] }
  steps: {}
  parts: {}
  asks: {}
  talks: {}
  saga: {}
  parent: {}
  child: {}
  rounds: {}
  drifts: {}
  bad: {}
  loops: { timeout: 2s }
  naps: {}
  traced: {}
  gives-up: {}
  paid: {}
`,
  'functions/upper.ts': 'export const handler = async ({ text }: { text: string }) => text.toUpperCase();',
  'functions/flaky.ts': `
let calls = 0;
export const handler = async () => {
  calls += 1;
  if (calls < 3) throw new RangeError('not yet ' + calls);
  return calls;
};`,
  'functions/emits.ts': `
import { emit } from 'lambent';
export const handler = async () => await emit({ type: 'traced' });`,
  'workflows/traced.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  const [event] = await ctx.parallel([() => ctx.waitFor<{ traceparent: string }>('traced'), () => ctx.call('emits')]);
  return event.traceparent;
});`,
  'functions/endless.ts': `
export const handler = async (_event: unknown, { signal }: { signal: AbortSignal }) => {
  console.log('function runs');
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  console.log('function heard of it');
};`,
  'workflows/gives-up.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, how: string) => {
  if (how === 'function') return await ctx.call('endless', {});
  if (how === 'timeout') return await ctx.call('endless', {}, { timeout: '100ms', retry: false });
  if (how === 'branch') return await ctx.parallel([
    () => ctx.child('saga', 'wait').result,
    () => ctx.step('breaks', async () => { throw new Error('broken'); }, { retry: false }),
  ]);
  return await ctx.child('saga', 'wait').result;
});`,
  'functions/starter.ts': `
import { startWorkflow } from 'lambent';
export const handler = async (event: { body: string }) => await startWorkflow('order', JSON.parse(event.body), { key: 'from-function' });`,
  'workflows/order.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, input: { name: string }) => {
  console.log('order begins');
  const greeting = await ctx.step('greet', () => 'hello ' + input.name);
  console.log('greeted');
  const loud = await ctx.call<string>('upper', { text: greeting });
  await ctx.sleep('20ms');
  return { loud, at: ctx.now() > 0, id: ctx.uuid().length };
});`,
  'workflows/steps.ts': `
import { workflow, FatalError } from 'lambent';
export default workflow(async (ctx, what: string) => {
  if (what === 'retry')
    return await ctx.step('third time', ({ attempt }) => {
      if (attempt < 3) throw new TypeError('attempt ' + attempt);
      return attempt;
    }, { retry: { attempts: 5, initial: '5ms', jitter: false } });
  if (what === 'fatal')
    return await ctx.step('never', () => { throw new FatalError('no use'); });
  if (what === 'timeout')
    return await ctx.step('slow', ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(1))), { timeout: '30ms', retry: false });
  if (what === 'flaky') return await ctx.call('flaky', {}, { retry: { initial: '5ms' } });
  return await ctx.call('nobody', {}, { retry: false });
});`,
  'workflows/parts.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  let running = 0, most = 0;
  const doubled = await ctx.map([1, 2, 3, 4, 5, 6], async (item) => {
    running += 1; most = Math.max(most, running);
    const value = await ctx.step('double', () => item * 2);
    running -= 1;
    return value;
  }, { concurrency: 2 });
  const tolerant = await ctx.map([1, 2, 3], (item) => ctx.step('odd', () => {
    if (item === 2) throw new Error('two');
    return item;
  }, { retry: false }), { tolerate: 1 });
  const [left, right] = await ctx.parallel([() => ctx.step('left', () => 'l'), async () => 'r']);
  let failed = '';
  try {
    await ctx.parallel([
      () => ctx.step('breaks', () => { throw new Error('broken'); }, { retry: false }),
      () => ctx.sleep('1h'),
    ]);
  } catch (error) {
    failed = (error as Error).message;
  }
  return { doubled, most, tolerant: tolerant.map(({ status }) => status), left, right, failed };
});`,
  'workflows/asks.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, timeout: string) => {
  const question = ctx.callback<{ yes: boolean }>({ name: 'approval', timeout });
  await ctx.step('send', () => console.log('token ' + question.token));
  try {
    return await question.result;
  } catch (error) {
    return { name: (error as Error).name, code: (error as { code: string }).code };
  }
});`,
  'workflows/talks.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  const heard: string[] = [];
  ctx.onSignal<string>('say', (text) => { heard.push(text); });
  ctx.onQuery('heard', () => heard);
  ctx.onUpdate<number>('double', async (value) => await ctx.step('double', () => value * 2));
  const name = await ctx.receive<string>('name');
  await ctx.until(() => heard.length >= 2);
  return { name, heard };
});`,
  'workflows/saga.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, what: string) => {
  await ctx.step('book flight', () => 'flight');
  ctx.compensate('cancel flight', () => console.log('flight cancelled'));
  await ctx.step('book hotel', () => 'hotel');
  ctx.compensate('cancel hotel', () => console.log('hotel cancelled'));
  if (what === 'wait') await ctx.step('hold', ({ signal }) => new Promise((resolve) => {
    console.log('holding');
    signal.addEventListener('abort', () => { console.log('step heard of it'); resolve(0); });
  }));
  await ctx.step('pay', () => { throw new Error('no money'); }, { retry: false });
});`,
  'workflows/parent.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  const child = ctx.child<number>('child', 20);
  const loose = await ctx.start('child', 1);
  let code = '';
  try { await ctx.child('nobody').result; } catch (error) { code = (error as { code: string }).code; }
  return { twice: await child.result, loose: loose.id.length, code };
});`,
  'workflows/child.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, value: number) => await ctx.step('twice', () => value * 2));`,
  'workflows/rounds.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, left: number): Promise<string> => {
  await ctx.step('round', () => left);
  if (left > 0) ctx.continueAsNew(left - 1);
  return 'done';
});`,
  'workflows/drifts.ts': `
import { workflow } from 'lambent';
let runs = 0;
export default workflow(async (ctx) => {
  runs += 1;
  await ctx.step(runs === 1 ? 'first name' : 'second name', () => 1);
  await ctx.receive('go');
  return runs;
});`,
  'workflows/bad.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, what: string) => {
  if (what === 'text') throw 'just text';
  if (what === 'bigint') return await ctx.step('big', () => 10n as never);
  if (what === 'circle') { const circle: Record<string, unknown> = {}; circle.me = circle; return circle; }
  if (what === 'large') return await ctx.step('large', () => 'x'.repeat(65 * 1024 * 1024));
  if (what === 'outside') { await new Promise((resolve) => setTimeout(resolve, 5)); await ctx.step('late', () => 1); }
  if (what === 'nested') return await ctx.step('outer', async () => await ctx.step('inner', () => 1));
  if (what === 'many') await Promise.all(Array.from({ length: 10_001 }, () => ctx.sleep('1h')));
  return what;
});`,
  'workflows/loops.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => { await ctx.step('once', () => 1, { retry: false }); for (;;); });`,
  'workflows/paid.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, order: string) => {
  const event = await ctx.waitFor<{ data: { sum: number } }>('order.paid', { match: { data: { order: [order] } }, timeout: '20s' });
  return event.data.sum;
});`,
  'workflows/naps.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, ms: number) => {
  console.log('before the nap');
  await ctx.step('before', () => 1);
  await ctx.sleep(ms + 'ms');
  console.log('after the nap');
  return 'rested';
});`,
};

interface Outcome {
  readonly id: string;
  readonly status: string;
  readonly output?: unknown;
  readonly error?: { readonly code: string; readonly errorType: string; readonly errorMessage: string };
}

describe('durable workflows', { timeout: 100_000 }, () => {
  let platform: TestPlatform;
  before(async () => {
    platform = await startTestPlatform({ flows: FILES });
  });
  after(() => platform.close());

  const start = async (workflow: string, input?: unknown, query = 'wait=25'): Promise<Outcome> =>
    (await platform.api('POST', `/apps/flows/workflows/${workflow}/executions?${query}`, input)).json;
  const result = async (id: string): Promise<Outcome> =>
    (await platform.api('GET', `/executions/${id}/result?wait=25`)).json;
  const history = async (id: string): Promise<JournalEntry[]> =>
    ((await platform.api('GET', `/executions/${id}/history?limit=1000`)).json as { items: JournalEntry[] })
      .items;
  const codeOf = (answer: { json: unknown }): string | undefined =>
    (answer.json as { error?: { code: string } }).error?.code;
  const waiting = async (id: string, entries: number): Promise<void> => {
    for (let tries = 0; tries < 600; tries += 1) {
      const { json } = await platform.api('GET', `/executions/${id}`);
      const record = json as { status: string; entries: number };
      if (record.status === 'waiting' && record.entries >= entries) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.fail(`execution ${id} does not come to wait`);
  };

  it('records steps and calls, and gives the result', async () => {
    const { id, status, output } = await start('order', { name: 'ada' });
    assert.deepEqual([status, output], ['succeeded', { loud: 'HELLO ADA', at: true, id: 36 }]);
    const entries = await history(id);
    assert.deepEqual(
      entries.map((entry) => entry.kind),
      ['started', 'opened', 'completed', 'opened', 'completed', 'opened', 'completed', 'ended'],
    );
    const opened = entries.find((entry) => entry.kind === 'opened');
    assert.match(opened?.at ?? '', /^workflows\/order\.ts:5$/);
  });

  it('tries again as told, and not where it makes no sense', async () => {
    assert.equal((await start('steps', 'retry')).output, 3);
    assert.equal((await start('steps', 'flaky')).output, 3);
    const errors = await Promise.all(['fatal', 'timeout', 'nobody'].map((what) => start('steps', what)));
    assert.deepEqual(
      errors.map(({ status, error }) => [status, error?.code, error?.errorType]),
      [
        ['failed', 'E_FUNCTION_ERROR', 'FatalError'],
        ['failed', 'E_TIMEOUT', 'TimeoutError'],
        ['failed', 'E_NOT_FOUND', 'E_NOT_FOUND'],
      ],
    );
  });

  it('works on parts at once, within limits', async () => {
    assert.deepEqual((await start('parts')).output, {
      doubled: [2, 4, 6, 8, 10, 12],
      most: 2,
      tolerant: ['ok', 'failed', 'ok'],
      left: 'l',
      right: 'r',
      failed: 'broken',
    });
  });

  it('waits for answers to tokens, each of which counts once', async () => {
    const { id } = await start('asks', '1h', 'wait=0');
    const line = await platform.waitForLog(
      ({ text, invocation }) => text.startsWith('token ') && invocation === (id as never),
    );
    const token = line.text.slice(6);
    const answer = () => platform.api('POST', `/callbacks/${token}`, { yes: true });
    assert.equal((await answer()).status, 200);
    assert.deepEqual((await result(id)).output, { yes: true });
    assert.equal(codeOf(await answer()), 'E_CALLBACK_EXPIRED');
    assert.equal(codeOf(await platform.api('POST', '/callbacks/nonsense', 1)), 'E_BAD_REQUEST');
    assert.deepEqual((await start('asks', '50ms')).output, { name: 'TimeoutError', code: 'E_TIMEOUT' });
    assert.ok(!JSON.stringify(await history(id)).includes(token), 'histories show no tokens');
  });

  it('hears signals, answers queries and updates, also when it was not in memory', async () => {
    const { id } = await start('talks', null, 'wait=0');
    await waiting(id, 1);
    const send = (name: string, value: unknown) =>
      platform.api('POST', `/executions/${id}/signals/${name}`, value);
    await send('say', 'one');
    const update = await platform.api('POST', `/executions/${id}/updates/double`, 21);
    assert.deepEqual(update.json, { answer: 42 });
    assert.deepEqual((await platform.api('POST', `/executions/${id}/queries/heard`)).json, {
      answer: ['one'],
    });
    await waiting(id, 4);
    assert.deepEqual((await platform.api('POST', `/executions/${id}/queries/heard`)).json, {
      answer: ['one'],
    });
    await send('name', 'ada');
    await send('say', 'two');
    assert.deepEqual((await result(id)).output, { name: 'ada', heard: ['one', 'two'] });
    assert.equal(codeOf(await send('say', 'late')), 'E_EXECUTION_ENDED');
    assert.deepEqual((await platform.api('POST', `/executions/${id}/queries/heard`)).json, {
      answer: ['one', 'two'],
    });
    assert.equal(codeOf(await platform.api('POST', `/executions/${id}/queries/nothing`)), 'E_NOT_FOUND');
  });

  it('waits for the event that is meant, also when it was not in memory', async () => {
    const [mine, other] = [await start('paid', 'a', 'wait=0'), await start('paid', 'b', 'wait=0')];
    await waiting(mine.id, 2);
    await waiting(other.id, 2);
    for (const [order, sum] of [
      ['c', 1],
      ['b', 2],
      ['a', 3],
      ['a', 4],
    ] as const)
      await platform.fetch('/_lambent/events', {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: JSON.stringify({
          specversion: '1.0',
          id: `${order}${sum}`,
          source: '/test',
          type: 'order.paid',
          data: { order, sum },
        }),
      });
    assert.equal((await result(mine.id)).output, 3);
    assert.equal((await result(other.id)).output, 2);
  });

  it('is one trace, which its calls pass on', async () => {
    const { id, output } = await start('traced');
    assert.equal(String(output).slice(3, 35), id.replaceAll('-', ''));
  });

  it('undoes what it did, the last first, when it fails', async () => {
    const { id, status, error } = await start('saga', 'fail');
    assert.deepEqual([status, error?.errorMessage], ['failed', 'no money']);
    const names = (await history(id)).flatMap((entry) =>
      entry.kind === 'opened' && entry.task.kind === 'step' ? [entry.task.name] : [],
    );
    assert.deepEqual(names.slice(-2), ['compensate cancel hotel', 'compensate cancel flight']);
  });

  it('cancels: steps that run hear of it, and what was done is undone', async () => {
    const { id } = await start('saga', 'wait', 'wait=0');
    const own = (text: string) =>
      platform.waitForLog((line) => line.text === text && line.invocation === (id as never));
    await own('holding');
    assert.equal((await platform.api('POST', `/executions/${id}/cancel?reason=changed`)).status, 202);
    await own('step heard of it');
    await own('flight cancelled');
    const { status, error } = await result(id);
    assert.deepEqual([status, error?.code], ['cancelled', 'E_EXECUTION_CANCELLED']);
    assert.equal(codeOf(await platform.api('POST', `/executions/${id}/cancel`)), 'E_EXECUTION_ENDED');
  });

  it('cancels what it called, and its children, which undo what they did', async () => {
    const seen = async (text: string, from: number): Promise<void> => {
      await platform.waitForLog((line) => line.text.startsWith(text) && line.timeMs >= from);
    };
    const since = Date.now();
    const called = await start('gives-up', 'function', 'wait=0');
    await seen('function runs', since);
    await platform.api('POST', `/executions/${called.id}/cancel`);
    await seen('function heard of it', since);
    assert.equal((await result(called.id)).status, 'cancelled');
    const later = Date.now();
    assert.equal((await start('gives-up', 'timeout')).error?.code, 'E_TIMEOUT');
    await seen('function heard of it', later);

    for (const how of ['child', 'branch']) {
      const parent = await start('gives-up', how, 'wait=0');
      const children = async (): Promise<{ id: string }[]> =>
        (
          (await platform.api('GET', `/executions?parent=${parent.id}`)).json as {
            items: { id: string }[];
          }
        ).items;
      if (how === 'child') {
        let [child] = await children();
        for (let tries = 0; child === undefined && tries < 500; tries += 1) [child] = await children();
        await platform.waitForLog(
          ({ text, invocation }) => text === 'holding' && invocation === (child?.id as never),
        );
        await platform.api('POST', `/executions/${parent.id}/cancel`);
      }
      assert.equal((await result(parent.id)).status, how === 'child' ? 'cancelled' : 'failed');
      const [child] = await children();
      assert.match(JSON.stringify(await result(child!.id)), /"cancelled".* waits for it no longer"/);
    }
  });

  it('starts other workflows and waits for them', async () => {
    const { output } = await start('parent');
    assert.deepEqual(output, { twice: 40, loose: 36, code: 'E_NOT_FOUND' });
  });

  it('goes on as new, and whoever waits gets the last result', async () => {
    assert.equal((await start('rounds', 2)).output, 'done');
  });

  it('explains a replay that goes another way', async () => {
    const { id } = await start('drifts', null, 'wait=0');
    await waiting(id, 3);
    await platform.api('POST', `/executions/${id}/signals/go`, 1);
    const { status, error } = await result(id);
    assert.deepEqual([status, error?.code], ['failed', 'E_NON_DETERMINISTIC']);
    assert.match(
      error?.errorMessage ?? '',
      /operation 1: its history has step "first name" \(workflows\/drifts\.ts:6\), but the code began step "second name" \(workflows\/drifts\.ts:6\)/,
    );
  });

  it('prints once what it prints, whatever is replayed', async () => {
    const { id } = await start('naps', 1_500, 'wait=0');
    await waiting(id, 4);
    assert.equal((await result(id)).output, 'rested');
    const own = platform.events.flatMap((event) =>
      event.kind === 'log' && event.line.invocation === (id as never) ? [event.line.text] : [],
    );
    assert.deepEqual(own, ['before the nap', 'after the nap']);
  });

  it('says what is wrong with code', async () => {
    const codes: Record<string, string> = {
      text: 'E_FUNCTION_ERROR',
      bigint: 'E_NOT_SERIALIZABLE',
      circle: 'E_NOT_SERIALIZABLE',
      large: 'E_PAYLOAD_TOO_LARGE',
      outside: 'E_NON_DETERMINISTIC',
      nested: 'E_NON_DETERMINISTIC',
      many: 'E_TOO_MANY_OPERATIONS',
    };
    for (const [what, code] of Object.entries(codes)) {
      const { status, error } = await start('bad', what);
      assert.deepEqual([what, status, error?.code], [what, 'failed', code]);
    }
    const { error } = await start('bad', 'text');
    assert.match(error?.errorMessage ?? '', /something that is not an Error: 'just text'/);
  });

  it('starts once for a key, by HTTP, from a function, and over the API', async () => {
    const post = (name: string, headers: Record<string, string> = {}) =>
      platform.fetch('/order', { method: 'POST', body: JSON.stringify({ name }), headers });
    const first = await post('bob', { 'idempotency-key': 'k1' });
    assert.equal(first.status, 200);
    assert.equal(((await first.json()) as { loud: string }).loud, 'HELLO BOB');
    const again = await post('bob', { 'idempotency-key': 'k1' });
    assert.equal(again.headers.get('lambent-execution'), first.headers.get('lambent-execution'));
    assert.equal((await post('eve', { 'idempotency-key': 'k1' })).status, 409);
    const later = await post('eve', { prefer: 'respond-async' });
    assert.equal(later.status, 202);
    const { id } = (await later.json()) as { id: string };
    assert.equal((await result(id)).status, 'succeeded');
    const started = await platform.fetch('/starter', { method: 'POST', body: '{"name":"fn"}' });
    const own = (await started.json()) as { id: string };
    assert.equal((await result(own.id)).status, 'succeeded');
    const refused = await platform.api('POST', '/apps/flows/workflows/ordre/executions', 1);
    assert.deepEqual([refused.status, codeOf(refused)], [404, 'E_NOT_FOUND']);
    assert.match(JSON.stringify(refused.json), /order/);
  });

  it('starts anew what ended, and draws what it does', async () => {
    const { id } = await start('child', 4);
    const retried = await platform.api('POST', `/executions/${id}/retry`);
    assert.equal((await result((retried.json as { id: string }).id)).output, 8);
    const graph = (await platform.api('GET', '/apps/flows/workflows/child/graph?format=mermaid')).json as {
      mermaid: string;
    };
    assert.match(graph.mermaid, /flowchart TD\n.*"start".*\n.*"twice"/);
  });

  it('stops code that goes round in circles', async () => {
    const { status, error } = await start('loops', null, 'wait=60');
    assert.deepEqual([status, error?.code], ['failed', 'E_WORKFLOW_STUCK']);
  });
});
