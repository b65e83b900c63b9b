import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { LogLine } from '../src/model/invocation.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** The bus and schedules through a whole platform: real functions, the real API, a restart. */

const FILES: AppFiles = {
  'lambent.yaml': `
app: shop
functions:
  order:
    routes: ["POST /orders"]
  bill:
    on:
      - events: { type: [order.placed], data: { total: [{ numeric: [">", 100] }] } }
  pick:
    on:
      - name: picking
        events: { detail-type: [order.placed] }
        format: eventbridge
        batch: 10
  flaky:
    on:
      - events: { type: [flaky] }
        attempts: 2
        retryFirst: 1ms
  hook:
    env: { HOOK_KEY: secret }
    on:
      - { name: github, webhook: github, secret: HOOK_KEY }
  tick:
    on:
      - schedule: every 1s
      - name: never
        schedule: "0 0 29 2 *"
        timezone: Europe/Berlin
`,
  'functions/order.js': `
import { emit } from 'lambent';
export default { async fetch(request) {
  const { id } = await emit({ type: 'order.placed', subject: 'order/7', data: await request.json() });
  return Response.json({ id });
} };`,
  'functions/bill.js':
    'export const handler = async (event) => { console.log("billed " + JSON.stringify(event)); };',
  'functions/pick.js':
    'export const handler = async ({ events }) => { console.log("picked " + JSON.stringify(events)); };',
  'functions/flaky.js': `
export const handler = async (event) => {
  if (event.data.broken) throw new RangeError('out of stock');
  console.log('mended ' + event.id);
};`,
  'functions/hook.js':
    'export const handler = async (event) => { console.log("hook " + JSON.stringify(event)); };',
  'functions/tick.js':
    'export const handler = async (event) => { console.log("tick " + JSON.stringify(event)); };',
};

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({ shop: FILES });
});
after(() => lambent.close());

const lineOf = (start: string, holds = ''): Promise<LogLine> =>
  lambent.waitForLog(({ text }) => text.startsWith(`${start} `) && text.includes(holds));

async function publish(
  event: object,
): Promise<{ events: { id: string; seq: number; stored: boolean; owed: number }[] }> {
  const response = await lambent.fetch('/_lambent/events', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', source: '/test', ...event }),
  });
  assert.equal(response.status, 202);
  return (await response.json()) as never;
}

describe('the bus', { timeout: 60_000 }, () => {
  it('carries what a function emits to the functions whose patterns match', async () => {
    const order = await lambent.fetch('/orders', { method: 'POST', body: '{"total":150}' });
    const { id } = (await order.json()) as { id: string };
    const billed = JSON.parse((await lineOf('billed', id)).text.slice(7)) as Record<string, unknown>;
    assert.deepEqual(
      { ...billed, time: undefined, traceparent: undefined },
      {
        ...{ specversion: '1.0', id, source: '/apps/shop/functions/order', type: 'order.placed' },
        ...{ subject: 'order/7', data: { total: 150 }, time: undefined, traceparent: undefined },
      },
    );
    const [picked] = JSON.parse((await lineOf('picked', id)).text.slice(7)) as Record<string, unknown>[];
    assert.deepEqual([picked!['detail-type'], picked!.detail], ['order.placed', { total: 150 }]);
    const { json } = await lambent.api('GET', '/events?type=order.placed');
    const [stored] = (json as { items: { id: string; depth: number }[] }).items;
    assert.deepEqual([stored!.id, stored!.depth], [id, 1]);
  });

  it('takes CloudEvents in binary mode and in batches, and refuses what is none', async () => {
    const binary = await lambent.fetch('/_lambent/events', {
      method: 'POST',
      headers: {
        ...{
          'ce-specversion': '1.0',
          'ce-id': 'b%20%E2%82%AC',
          'ce-source': '/test',
          'ce-type': 'order.placed',
        },
        'content-type': 'application/json',
      },
      body: '{"total":101}',
    });
    assert.equal(binary.status, 202);
    assert.match((await lineOf('billed', 'b €')).text, /"total":101/);
    const batch = [1, 2].map((at) => ({
      specversion: '1.0',
      id: `batch-${at}`,
      source: '/test',
      type: 'none',
    }));
    const headers = { 'content-type': 'application/cloudevents-batch+json' };
    const send = (body: unknown): Promise<Response> =>
      lambent.fetch('/_lambent/events', { method: 'POST', headers, body: JSON.stringify(body) });
    const taken = (await (await send(batch)).json()) as { events: { stored: boolean; owed: number }[] };
    assert.deepEqual(
      taken.events.map(({ stored, owed }) => [stored, owed]),
      [
        [true, 0],
        [true, 0],
      ],
    );
    const refused = await send([...batch, { specversion: '1.0', id: 'x', source: '/test' }]);
    const { error } = (await refused.json()) as { error: { code: string; message: string } };
    assert.deepEqual([refused.status, error.code], [400, 'E_EVENT_INVALID']);
    assert.match(error.message, /`type` is missing/);
  });

  it('takes what AWS clients put', async () => {
    const put = await lambent.fetch('/', {
      method: 'POST',
      headers: { 'x-amz-target': 'AWSEvents.PutEvents', 'content-type': 'application/x-amz-json-1.1' },
      body: JSON.stringify({
        Entries: [{ Source: 'aws', DetailType: 'order.placed', Detail: '{"total":777}' }],
      }),
    });
    const { Entries } = (await put.json()) as { Entries: { EventId: string }[] };
    await lineOf('billed', Entries[0]!.EventId);
  });

  it('keeps a dead letter, and delivers it once it is edited and redriven', async () => {
    await publish({ id: 'f1', type: 'flaky', data: { broken: true } });
    const dead = async () =>
      (
        (await lambent.api('GET', '/dead-letters?trigger=shop/flaky-events')).json as {
          items: { key: number; attempts: number; error: { errorMessage: string } }[];
        }
      ).items;
    await poll(async () => (await dead()).length === 1);
    const [letter] = await dead();
    assert.deepEqual([letter!.attempts, letter!.error.errorMessage], [2, 'out of stock']);
    const metrics = await (await lambent.fetch('/_lambent/metrics')).text();
    assert.match(metrics, /lambent_trigger_dead_letters\{trigger="shop\/flaky-events"\} 1\n/);
    assert.match(metrics, /lambent_trigger_failed_attempts_total\{trigger="shop\/flaky-events"\} 2\n/);
    const { json: found } = await lambent.api('GET', '/events?text=%22broken%22%3Atrue&type=flaky');
    assert.equal((found as { items: unknown[] }).items.length, 1);
    const { json: alerts } = await lambent.api(
      'GET',
      '/events?type=lambent.dead-letter&text=out%20of%20stock',
    );
    assert.equal((alerts as { items: unknown[] }).items.length, 1, 'the alert of a dead letter is an event');
    const mended = { specversion: '1.0', id: 'f1', source: '/test', type: 'flaky', data: {} };
    assert.equal((await lambent.api('PUT', `/dead-letters/${letter!.key}/event`, mended)).status, 200);
    const { json } = await lambent.api('POST', '/dead-letters/redrive', { keys: [letter!.key] });
    assert.deepEqual(json, { count: 1 });
    await lineOf('mended', 'f1');
    assert.deepEqual(await dead(), []);
  });

  it('replays what was stored, and pauses', async () => {
    await publish({ id: 'r1', type: 'order.placed', data: { total: 300 } });
    await lineOf('billed', 'r1');
    const owed = async (): Promise<number> =>
      ((await lambent.api('GET', '/triggers')).json as { items: { id: string; owed: number }[] }).items.find(
        ({ id }) => id === 'shop/bill-events',
      )!.owed;
    // The function prints before it answers, and is owed nothing only once that is stored.
    await poll(async () => (await owed()) === 0);
    assert.equal((await lambent.api('POST', '/apps/shop/triggers/bill-events/pause')).status, 200);
    const replayed = await lambent.api('POST', '/events/replay', { id: 'r1', trigger: 'shop/bill-events' });
    assert.deepEqual(replayed.json, { events: 1, deliveries: 1 });
    assert.equal(await owed(), 1);
    await lambent.api('POST', '/apps/shop/triggers/bill-events/resume');
    await poll(async () => (await owed()) === 0);
  });

  it('redrives and removes the dead of a trigger together, and replays a range to all that match', async () => {
    const trigger = 'shop/flaky-events';
    const countOf = async (path: string): Promise<number> =>
      ((await lambent.api('GET', path)).json as { items: unknown[] }).items.length;
    const alertsPath = '/events?type=lambent.dead-letter&text=%22bulk';
    for (const id of ['bulk1', 'bulk2']) await publish({ id, type: 'flaky', data: { broken: true } });
    await poll(async () => (await countOf(alertsPath)) === 2);
    const redriven = await lambent.api('POST', '/dead-letters/redrive', { all: true, trigger });
    assert.deepEqual(redriven.json, { count: 2 });
    // Each fails anew, and is told of anew.
    await poll(async () => (await countOf(alertsPath)) === 4);
    const removed = await lambent.api('POST', '/dead-letters/remove', { all: true, trigger });
    assert.deepEqual([removed.json, await countOf(`/dead-letters?trigger=${trigger}`)], [{ count: 2 }, 0]);
    const all = { source: '/test', type: 'flaky', text: '"bulk' };
    const replay = async (more: object): Promise<unknown> =>
      (await lambent.api('POST', '/events/replay', { ...all, ...more })).json;
    const found = (await lambent.api('GET', '/events?source=%2Ftest&type=flaky')).json as {
      items: { id: string; receivedMs: number }[];
    };
    const at = new Date(found.items.find(({ id }) => id === 'bulk1')!.receivedMs).toISOString();
    assert.deepEqual(await replay({ until: at, dryRun: true }), { events: 0, deliveries: 0 });
    assert.deepEqual(await replay({ since: at, dryRun: true }), { events: 2, deliveries: 2 });
    assert.equal(await countOf(alertsPath), 4, 'a dry run delivers nothing');
    assert.deepEqual(await replay({ since: at }), { events: 2, deliveries: 2 });
    await poll(async () => (await countOf(alertsPath)) === 6);
  });
});

describe('schedules', { timeout: 60_000 }, () => {
  it('run functions by the clock and now, in dev too', async () => {
    const tick = JSON.parse((await lineOf('tick', 'tick-schedule')).text.slice(5)) as Record<string, unknown>;
    assert.deepEqual(
      [tick.type, tick.source, tick.id],
      ['lambent.schedule', '/lambent/schedules/shop/tick-schedule', tick.time],
    );
    assert.equal((await lambent.api('POST', '/apps/shop/triggers/never/run')).status, 200);
    await lineOf('tick', 'manual-');
    const { json } = await lambent.api('GET', '/triggers');
    const never = (json as { items: { id: string; nextMs: number }[] }).items.find(
      ({ id }) => id === 'shop/never',
    );
    assert.match(new Date(never!.nextMs).toISOString(), /-02-28T23:00:00.000Z$/);
    assert.equal((await lambent.api('POST', '/apps/shop/triggers/bill-events/run')).status, 400);
    assert.equal((await lambent.api('POST', '/apps/shop/triggers/nobody/run')).status, 404);
  });
});

describe('webhooks', { timeout: 60_000 }, () => {
  it('run functions with what their sender signed', async () => {
    const body = '{"action":"opened"}';
    const send = (key: string, id: string): Promise<Response> =>
      lambent.fetch('/_lambent/hooks/shop/github', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-github-event': 'issues',
          'x-github-delivery': id,
          'x-hub-signature-256': `sha256=${createHmac('sha256', key).update(body).digest('hex')}`,
        },
        body,
      });
    assert.equal((await send('wrong', 'g0')).status, 401);
    const taken = await send('secret', 'g1');
    assert.deepEqual([taken.status, await taken.json()], [202, { id: 'g1', stored: true }]);
    assert.deepEqual(await (await send('secret', 'g1')).json(), { id: 'g1', stored: false });
    const hook = JSON.parse((await lineOf('hook', 'g1')).text.slice(5)) as Record<string, unknown>;
    assert.deepEqual([hook.type, hook.data], ['github.issues.opened', { action: 'opened' }]);
    assert.equal((await lambent.fetch('/_lambent/hooks/shop/nobody', { method: 'POST' })).status, 404);
  });
});
