import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** Whose events are: apps do not hear each other, but for what a manifest shares. */

const HEAR = 'export const handler = async (event) => event.id;';

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({
    shop: {
      'lambent.yaml': `
app: shop
share:
  orders: { type: [{ prefix: order. }], data: { secret: [{ exists: false }] } }
functions:
  own:
    on: [{ events: { type: [order.placed] } }]
  dies:
    on: [{ events: { type: [bad] }, attempts: 1, onFailure: { emit: order.failed } }]
`,
      'functions/own.js': `
import { emit } from 'lambent';
export const handler = async (event) => {
  if (event.id.startsWith('first')) await emit({ type: 'order.placed', id: 'second', data: event.data });
};`,
      'functions/dies.js': 'export const handler = async () => { throw new Error("no"); };',
    },
    spy: {
      'lambent.yaml': `
app: spy
functions:
  listen:
    on:
      - { name: all, events: { source: [{ exists: true }] } }
`,
      'functions/listen.js': HEAR,
    },
    depot: {
      'lambent.yaml': `
app: depot
functions:
  pack:
    on:
      - { name: pack, events: { type: [{ prefix: order. }] }, bus: orders }
`,
      'functions/pack.js': HEAR,
    },
  });
});
after(() => lambent.close());

async function publish(query: string, ...events: object[]): Promise<number[]> {
  const response = await lambent.fetch(`/_lambent/events${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(events.map((each) => ({ specversion: '1.0', source: '/test', ...each }))),
  });
  assert.equal(response.status, 202, await response.clone().text());
  const { events: taken } = (await response.json()) as { events: { owed: number }[] };
  return taken.map(({ owed }) => owed);
}

interface TriggerView {
  readonly id: string;
  readonly owed: number;
  readonly delivered: number;
}

const delivered = async (): Promise<Record<string, number>> => {
  const { items } = (await lambent.api('GET', '/triggers')).json as { items: TriggerView[] };
  return items.some(({ owed }) => owed > 0)
    ? {}
    : Object.fromEntries(items.map(({ id, delivered: count }) => [id, count]));
};

describe('events of apps', { timeout: 60_000 }, () => {
  it('are heard by their own app, and on the buses on which its manifest shares them', async () => {
    const first = { id: 'first', type: 'order.placed', data: {} };
    assert.deepEqual(await publish('?app=shop', first), [2], 'its own trigger, and the one on the bus');
    await poll(async () => (await delivered())['depot/pack'] === 2);
    const { 'spy/all': heard, 'shop/own-events': own } = await delivered();
    assert.deepEqual([heard, own], [0, 2]);
    const { items } = (await lambent.api('GET', '/events?type=order.placed')).json as {
      items: { id: string; scope: string }[];
    };
    assert.deepEqual(
      items.map(({ id, scope }) => [id, scope]),
      [
        ['second', 'shop'],
        ['first', 'shop'],
      ],
    );
  });

  it('stay at home where the pattern of a share does not match, also as outcomes of deliveries', async () => {
    const [secret] = await publish('?app=shop', { id: 's', type: 'order.placed', data: { secret: 1 } });
    assert.equal(secret, 1);
    await publish('?app=shop', { id: 'bad', type: 'bad' });
    // The outcome, which is shared.
    await poll(async () => (await delivered())['depot/pack'] === 3);
    assert.equal((await delivered())['spy/all'], 0, 'neither the dead letter nor its outcome');
  });

  it('come from outside for all apps, for one, or for a bus', async () => {
    const event = { type: 'order.placed', data: {} };
    assert.deepEqual(await publish('', { ...event, id: 'o1' }), [2], 'every app, no bus');
    assert.deepEqual(await publish('?bus=orders', { ...event, id: 'o2' }), [1]);
    assert.deepEqual(await publish('?app=spy', { ...event, id: 'o3' }), [1]);
    const both = await lambent.fetch('/_lambent/events?app=spy&bus=orders', { method: 'POST' });
    assert.equal(both.status, 400);
  });

  it('replayed, go to those who may hear them', async () => {
    const { json } = await lambent.api('POST', '/events/replay', { id: 'first' });
    assert.deepEqual(json, { events: 1, deliveries: 2 });
  });
});
