/** What the history knows of a call beyond its record: what it called, what went in and came out, how it is tried again. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const FILES = {
  'lambent.yaml': `
app: shop
functions:
  checkout: { routes: ["POST /orders/:id"] }
  price: {}
  quiet: { routes: ["POST /quiet"], keepPayloads: false }
  mail:
    on:
      - name: paid
        events: { type: [order.paid] }
        attempts: 2
        retryFirst: 50ms
  grave: { on: [{ name: dead, events: { type: [lambent.dead-letter] } }] }
`,
  'functions/checkout.ts': `
import { emit, invoke } from 'lambent';
export default {
  async fetch(request: Request) {
    const { item } = await request.json() as { item: string };
    const { price } = await invoke<{ price: number }>('price', { item, password: 'hunter2' });
    await emit({ type: 'order.paid', data: { item, price } });
    return Response.json({ price }, { headers: { 'set-cookie': 'a=b' } });
  },
};`,
  'functions/price.js': 'export const handler = async ({ item }) => ({ price: item.length });',
  'functions/quiet.js': 'export default { fetch: () => new Response("quiet") };',
  'functions/grave.js': 'export const handler = async () => {};',
  'functions/mail.js': `
export const handler = async ({ data }) => {
  if (data.item === 'sofa') throw new Error('mailbox is busy');
};`,
};

interface Payload {
  head?: string;
  headers?: [string, string][];
  body: string;
  redacted: boolean;
}
interface Payloads {
  kept: string;
  input?: Payload;
  output?: Payload;
}
interface Trace {
  items: { call: { id: string; function: string; trigger: string }; parent?: string }[];
}

let lambent: TestPlatform;

before(async () => {
  lambent = await startTestPlatform({ shop: FILES });
});
after(() => lambent?.close());

const order = async (item: string, headers: Record<string, string> = {}): Promise<string> => {
  const response = await lambent.fetch('/orders/7?token=abc&x=1', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ item }),
  });
  assert.equal(response.status, 200);
  return response.headers.get('x-request-id')!;
};

const get = async <Answer>(path: string): Promise<Answer> => (await lambent.api('GET', path)).json as Answer;

describe('the history of a call', () => {
  it('has what went in and came out, without credentials', async () => {
    const id = await order('lamp', { authorization: 'Bearer abc', cookie: 'session=1', 'x-plain': 'seen' });
    const { kept, input, output } = await get<Payloads>(`/invocations/${id}/payloads`);
    assert.equal(kept, 'yes');
    assert.equal(input!.head, 'POST /orders/7?token=[redacted]&x=1');
    const headers = Object.fromEntries(input!.headers!);
    assert.deepEqual(
      [headers.authorization, headers.cookie, headers['x-plain']],
      ['[redacted]', '[redacted]', 'seen'],
    );
    assert.deepEqual(JSON.parse(input!.body), { item: 'lamp' });
    assert.equal(output!.head, '200');
    assert.equal(Object.fromEntries(output!.headers!)['set-cookie'], '[redacted]');
    assert.deepEqual(JSON.parse(output!.body), { price: 4 });
  });

  it('has nothing of functions that want it so', async () => {
    const response = await lambent.fetch('/quiet', { method: 'POST', body: 'secret' });
    const id = response.headers.get('x-request-id')!;
    assert.deepEqual(await get<Payloads>(`/invocations/${id}/payloads`), { kept: 'off' });
  });

  it('has its calls to other functions, and what its events led to', async () => {
    const id = await order('lamp');
    const mail = await lambent.waitForInvocation((record) => record.function === 'mail');
    assert.equal(mail.trigger, 'event');
    const { items } = await get<Trace>(`/invocations/${id}/calls`);
    const shown = items.map(({ call, parent }) => [call.function, parent]);
    assert.deepEqual(shown.slice(0, 2), [
      ['checkout', undefined],
      ['price', id],
    ]);
    const price = items[1]!.call.id;
    const fromBelow = await get<Trace>(`/invocations/${price}/calls`);
    assert.deepEqual(
      fromBelow.items.slice(0, 2).map(({ call }) => call.id),
      [id, price],
    );
    const { input, output } = await get<Payloads>(`/invocations/${price}/payloads`);
    assert.deepEqual(JSON.parse(input!.body), { item: 'lamp', password: '[redacted]' });
    assert.deepEqual(JSON.parse(output!.body), { price: 4 });
    assert.equal(
      (await lambent.api('GET', '/invocations/01a00000-0000-7000-8000-000000000000/calls')).status,
      404,
    );
  });

  it('is tried again with other input, over the route', async () => {
    const { status, json } = await lambent.api('POST', '/requests', {
      ...{ method: 'POST', target: '/orders/8', body: '{"item":"chandelier"}' },
      headers: [
        ['content-type', 'application/json'],
        ['Host', `localhost:${lambent.port}`],
        ['connection', 'keep-alive'],
      ],
    });
    const answer = json as { id: string; status: number; body: string };
    assert.deepEqual([status, answer.status, JSON.parse(answer.body)], [200, 200, { price: 10 }]);
    const { input } = await get<Payloads>(`/invocations/${answer.id}/payloads`);
    assert.equal(input!.head, 'POST /orders/8');
    const own = await lambent.api('POST', '/requests', { method: 'GET', target: '/_lambent/api/v1/tokens' });
    assert.equal(own.status, 400);
    const dotted = await lambent.api('POST', '/requests', {
      method: 'GET',
      target: '/x/../_lambent/api/v1/tokens',
    });
    assert.equal(dotted.status, 400);
  });

  it('has the attempts of each delivery of an event', async () => {
    await order('sofa');
    // The event about its end is stored with it.
    await lambent.waitForInvocation((record) => record.function === 'grave');
    const { items } = await get<{ items: { seq: number; type: string }[] }>(
      '/events?type=order.paid&limit=1',
    );
    const { attempts } = await get<{
      attempts: {
        trigger: string;
        attempt: number;
        invocation: string;
        error?: { errorMessage: string };
        nextMs?: number;
      }[];
    }>(`/events/${items[0]!.seq}`);
    assert.deepEqual(
      attempts.map(({ trigger, attempt, error, nextMs }) => [
        ...[trigger, attempt, error?.errorMessage, nextMs !== undefined],
      ]),
      [
        ['shop/paid', 1, 'mailbox is busy', true],
        ['shop/paid', 2, 'mailbox is busy', false],
      ],
    );
    const { json } = await lambent.api('GET', `/invocations/${attempts[1]!.invocation}`);
    assert.equal((json as { function: string }).function, 'mail');
  });

  it('has what flows now, by what brought it about', async () => {
    await order('lamp');
    const { items } = await get<{
      items: { function: string; via: { kind: string; name: string }; calls: number }[];
    }>('/traffic');
    const ways = items.map(({ function: name, via }) => `${via.kind} ${via.name} > ${name}`);
    for (const way of [
      'route POST /orders/:id > checkout',
      'function shop/checkout > price',
      'trigger shop/paid > mail',
    ])
      assert.ok(ways.includes(way), `${way} is among ${ways.join(', ')}`);
  });
});

describe('events that people keep', () => {
  const path = '/apps/shop/functions/price/events';
  it('are there for everybody, as they were written, until the app is gone', async () => {
    const event = '{ "item": "lamp", "id": 12345678901234567890 }';
    assert.equal((await lambent.api('PUT', `${path}/large%20id`, { event })).status, 200);
    assert.equal((await lambent.api('PUT', `${path}/broken`, { event: '{' })).status, 400);
    const { items } = await get<{ items: { name: string; event: string }[] }>(path);
    assert.deepEqual(
      items.map(({ name, event: kept }) => [name, kept]),
      [['large id', event]],
    );
    assert.equal((await lambent.api('DELETE', `${path}/large%20id`)).status, 200);
    assert.equal((await lambent.api('DELETE', `${path}/large%20id`)).status, 404);
  });
});
