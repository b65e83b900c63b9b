/** What a real platform answers is what its OpenAPI document says: nothing missing, nothing else, of the right kind. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const FILES = {
  'lambent.yaml': `
app: shop
functions:
  price: {}
  fails:
    keepPayloads: false
    on: [{ events: { type: [order.placed] }, attempts: 1, onFailure: { function: price } }]
workflows:
  order: { on: [{ name: nightly, schedule: 0 3 * * * }] }
  large: {}
  restock: { definition: restock.asl.json }
connections:
  orders-db: { kind: postgres, host: localhost, database: shop, user: lambent }
  stock-db: { kind: postgres, host: localhost, database: stock, user: lambent }
`,
  'functions/price.js': `export const handler = async () => { console.log('priced'); return { price: 1 }; };`,
  'functions/fails.js': `export const handler = async () => { throw new RangeError('not today'); };`,
  'workflows/order.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  const prices = await ctx.map([1, 2], (item) => ctx.call('price', { item }));
  await ctx.sleep('1ms');
  return prices;
});`,
  'workflows/large.ts': `
import { workflow } from 'lambent';
export default workflow(async () => 'x'.repeat(7 * 1024 * 1024));`,
  'restock.asl.json': JSON.stringify({ StartAt: 'Done', States: { Done: { Type: 'Pass', End: true } } }),
};

type Schema = Record<string, unknown> & { $ref?: string };

interface Document {
  readonly components: { readonly schemas: Record<string, Schema> };
  readonly paths: Record<
    string,
    { get: { responses: { 200: { content: Record<string, { schema: Schema }> } } } }
  >;
}

let platform: TestPlatform;
let document: Document;

before(async () => {
  const blog = {
    'lambent.yaml': 'app: blog\nfunctions: { post: { minInstances: 1 }, comment: { minInstances: 1 } }',
    'functions/post.js': 'export const handler = async () => 1;',
    'functions/comment.js': 'export const handler = async () => 2;',
  };
  platform = await startTestPlatform({ shop: FILES, blog });
  document = (await (await platform.fetch('/_lambent/api/openapi.json')).json()) as Document;
});
after(() => platform.close());

const get = async <Answer = unknown>(path: string): Promise<Answer> => {
  const { status, json } = await platform.api('GET', path);
  assert.equal(status, 200, path);
  return json;
};

/** What is wrong with a value, as paths into it. Members that no schema names are wrong too. */
function faults(schema: Schema, value: unknown, at: string): string[] {
  const { $ref, allOf, oneOf, anyOf, type, properties, required = [], additionalProperties, items } = schema;
  if ($ref !== undefined) return faults(document.components.schemas[$ref.split('/').at(-1)!]!, value, at);
  if (Array.isArray(allOf)) return faults(merged(schema), value, at);
  const choices = (oneOf ?? anyOf) as Schema[] | undefined;
  if (choices !== undefined) {
    const tries = choices.map((each) => faults(each, value, at));
    return tries.some((each) => each.length === 0) ? [] : tries.toSorted((a, b) => a.length - b.length)[0]!;
  }
  const types = [type].flat();
  if (type !== undefined && !types.some((each) => isOf(each as string, value))) return [`${at}: no ${types}`];
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) return [`${at}: ${value} is none of them`];
  if (Array.isArray(value))
    return value.flatMap((each, n) => faults((items ?? {}) as Schema, each, `${at}[${n}]`));
  if (properties === undefined || typeof value !== 'object' || value === null) return [];
  const known = properties as Record<string, Schema>;
  const isOpen = typeof additionalProperties === 'object';
  return [
    ...(required as string[]).filter((name) => !(name in value)).map((name) => `${at}.${name}: missing`),
    ...Object.entries(value).flatMap(([name, inner]) => {
      const own = known[name];
      if (own === undefined) return isOpen ? [] : [`${at}.${name}: not described`];
      return faults(own, inner, `${at}.${name}`);
    }),
  ];
}

/** Schemas that all hold, as one with the members of each. */
function merged(schema: Schema): Schema {
  const parts = (schema.allOf as Schema[]).map((part) => {
    const whole = part.$ref === undefined ? part : document.components.schemas[part.$ref.split('/').at(-1)!]!;
    return whole.allOf === undefined ? whole : merged(whole);
  });
  return {
    ...Object.assign({}, ...parts),
    properties: Object.assign({}, ...parts.map(({ properties }) => properties)),
    required: parts.flatMap(({ required = [] }) => required as string[]),
  };
}

const isOf = (type: string, value: unknown): boolean =>
  type === 'null'
    ? value === null
    : type === 'array'
      ? Array.isArray(value)
      : type === 'integer'
        ? Number.isInteger(value)
        : type === 'object'
          ? typeof value === 'object' && value !== null && !Array.isArray(value)
          : typeof value === type;

test('every answer that is read is as described, to the last member', { timeout: 60_000 }, async () => {
  const invoked = await platform.api('POST', '/apps/shop/functions/price/invocations', {});
  const { id: call } = invoked.json as { id: string };
  const ran = await platform.api('POST', '/apps/shop/workflows/order/executions?wait=30', {});
  const { id: run, status } = ran.json as { id: string; status: string };
  assert.equal(status, 'succeeded', JSON.stringify(ran));
  const machine = await platform.api('POST', '/apps/shop/workflows/restock/executions?wait=30', {});
  const { id: restock } = machine.json as { id: string };
  const large = await platform.api('POST', '/apps/shop/workflows/large/executions?wait=30', {});
  const { id: grown, largeOutput } = large.json as { id: string; largeOutput: { blob: string } };
  const died = platform.waitForInvocation(
    (record) => record.function === 'price' && record.trigger === 'event',
  );
  const sent = await platform.fetch('/_lambent/events', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', id: '1', source: '/test', type: 'order.placed', data: {} }),
  });
  assert.equal(sent.status, 202);
  await died;
  await platform.api('PUT', '/apps/shop/secrets/KEY', { value: 'x' });
  await platform.api('POST', '/tokens', { name: 'ci' });
  await platform.api('POST', '/keys', { name: 'ci' });
  await platform.api('PUT', '/apps/shop/functions/price/events/usual', { event: '{}' });
  const events = await get<{ items: { seq: number }[] }>('/events');
  const dead = await get<{ items: { key: number }[] }>('/dead-letters');
  assert.ok(events.items.length > 0 && dead.items.length > 0);
  const named: Record<string, string> = {
    ...{ app: 'shop', number: '1', seq: String(events.items.at(-1)!.seq), key: String(dead.items[0]!.key) },
  };
  const looked: [path: string, ...values: Record<string, string>[]][] = [
    ['/invocations/{id}', { id: call }],
    ['/invocations/{id}/calls', { id: call }],
    ['/invocations/{id}/payloads', { id: call }],
    ['/executions/{id}', { id: run }, { id: restock }, { id: grown }],
    ['/executions/{id}/graph', { id: run }, { id: restock }],
    ['/executions/{id}/history', { id: run }, { id: restock }],
    ['/executions/{id}/steps', { id: run }, { id: restock }],
    ['/executions/{id}/steps/{step}', { id: run, step: '0' }],
    ['/executions/{id}/result', { id: run }, { id: grown }],
    ['/executions/{id}/payloads/{blob}', { id: grown, blob: largeOutput.blob }],
    ['/executions/{id}/definition', { id: restock }],
    ['/apps/{app}/workflows/{name}/graph', { name: 'order' }, { name: 'restock' }],
    ['/apps/{app}/functions/{name}', { name: 'price' }, { name: 'fails' }],
    ['/apps/{app}/functions/{name}/events', { name: 'price' }],
    ['/apps/{app}/triggers/{name}', { name: 'nightly' }, { name: 'fails-events' }],
    ['/apps/{app}/triggers/{name}/runs', { name: 'nightly' }],
  ];
  const known = new Map(looked.map(([path, ...values]) => [path, values]));
  let read = 0;
  for (const [whole, { get: operation }] of Object.entries(document.paths)) {
    const path = whole.replace('/_lambent/api/v1', '');
    const schema = operation?.responses[200].content['application/json']?.schema;
    if (schema === undefined) continue;
    for (const values of known.get(path) ?? [{}]) {
      const filled = path.replaceAll(
        /\{(\w+)\}/g,
        (_all, name: string) => values[name] ?? named[name] ?? name,
      );
      assert.deepEqual(faults(schema, await get(filled), filled), []);
      read += 1;
    }
  }
  assert.ok(read > 35, `${read} answers`);
});

interface Page {
  readonly items: readonly object[];
  readonly next?: string;
}

/** What tells an item of a list from the others. */
const nameOf = (item: object): string => {
  const { id, app, name, deployment } = item as Record<string, unknown>;
  return JSON.stringify([id, app, name, deployment]);
};

test('lists of what there is now are read by the page, in the order in which they are read whole', async () => {
  for (const name of ['first', 'second']) {
    await platform.api('POST', '/tokens', { name });
    await platform.api('POST', '/keys', { name });
    await platform.api('PUT', `/apps/shop/secrets/${name.toUpperCase()}`, { value: 'x' });
    await platform.api(
      'POST',
      `/apps/blog/functions/${name === 'first' ? 'post' : 'comment'}/invocations`,
      {},
    );
  }
  for (const path of [
    ...['/apps', '/functions', '/triggers', '/instances'],
    ...['/connections', '/secrets', '/tokens', '/keys'],
  ]) {
    const whole = await get<Page>(path);
    assert.ok(whole.items.length >= 2 && whole.next === undefined, `${path}: ${JSON.stringify(whole)}`);
    // Instances come and go by themselves, but for those that a manifest keeps.
    const isSteady = (name: string): boolean => path !== '/instances' || name.includes('"blog"');
    const names: string[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined && names.length <= whole.items.length; ) {
      const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: Page = await get(`${path}?limit=1${after}`);
      assert.equal(page.items.length, 1, path);
      names.push(...page.items.map(nameOf).filter(isSteady));
      cursor = page.next;
    }
    assert.deepEqual(names, whole.items.map(nameOf).filter(isSteady), path);
    for (const query of ['limit=0', 'limit=1001', 'cursor=', 'page=2'])
      assert.equal((await platform.api('GET', `${path}?${query}`)).status, 400, `${path}?${query}`);
  }
});
