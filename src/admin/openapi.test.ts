import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BASE, type Bench, openBench } from './admin-harness.test.ts';

interface Schema {
  $ref?: string;
  [key: string]: unknown;
}

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security?: unknown[];
  parameters?: { name: string; in: string; required: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema?: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema?: Schema }> }>;
}

interface Document {
  openapi: string;
  info: { version: string };
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, unknown> };
  paths: Record<string, Record<string, Operation>>;
}

let bench: Bench;
let document: Document;

before(async () => {
  bench = await openBench();
  document = JSON.parse((await bench.call('GET', '/_lambent/api/openapi.json')).text);
});

after(() => bench.close());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test('is OpenAPI 3.1 of this version', () => {
  assert.match(document.openapi, /^3\.1\./);
  assert.equal(document.info.version, '1.2.3');
  assert.ok(document.components.securitySchemes.token);
});

const ENDPOINTS = [
  'DELETE /apps/{app}',
  'DELETE /apps/{app}/functions/{name}/events/{saved}',
  'DELETE /apps/{app}/secrets/{name}',
  'DELETE /keys/{name}',
  'DELETE /tokens/{name}',
  'GET /_lambent/metrics',
  'GET /activity',
  'GET /apps',
  'GET /apps/{app}',
  'GET /apps/{app}/deployments',
  'GET /apps/{app}/deployments/{number}',
  'GET /apps/{app}/functions/{name}',
  'GET /apps/{app}/functions/{name}/events',
  'GET /apps/{app}/triggers/{name}',
  'GET /apps/{app}/triggers/{name}/attempts',
  'GET /apps/{app}/triggers/{name}/runs',
  'GET /apps/{app}/workflows/{name}/graph',
  'GET /changes',
  'GET /connections',
  'GET /dead-letters',
  'GET /dead-letters/{key}',
  'GET /doctor',
  'GET /events',
  'GET /events/{seq}',
  'GET /executions',
  'GET /executions/{id}',
  'GET /executions/{id}/definition',
  'GET /executions/{id}/graph',
  'GET /executions/{id}/history',
  'GET /executions/{id}/payloads/{blob}',
  'GET /executions/{id}/result',
  'GET /executions/{id}/steps',
  'GET /executions/{id}/steps/{step}',
  'GET /functions',
  'GET /health',
  'GET /instances',
  'GET /invocations',
  'GET /invocations/{id}',
  'GET /invocations/{id}/calls',
  'GET /invocations/{id}/payloads',
  'GET /keys',
  'GET /latency',
  'GET /logs',
  'GET /logs/stream',
  'GET /secrets',
  'GET /session',
  'GET /tokens',
  'GET /traffic',
  'GET /triggers',
  'GET /usage',
  'POST /_lambent/events',
  'POST /apps/{app}/connections/{name}/test',
  'POST /apps/{app}/functions/{name}/invocations',
  'POST /apps/{app}/rollback',
  'POST /apps/{app}/triggers/{name}/pause',
  'POST /apps/{app}/triggers/{name}/resume',
  'POST /apps/{app}/triggers/{name}/run',
  'POST /apps/{app}/workflows/{name}/executions',
  'POST /callbacks/{token}',
  'POST /dead-letters/redrive',
  'POST /dead-letters/remove',
  'POST /deployments',
  'POST /deployments/plan',
  'POST /events/replay',
  'POST /executions/{id}/callbacks/{op}',
  'POST /executions/{id}/cancel',
  'POST /executions/{id}/queries/{name}',
  'POST /executions/{id}/replay',
  'POST /executions/{id}/retry',
  'POST /executions/{id}/signals/{name}',
  'POST /executions/{id}/updates/{name}',
  'POST /keys',
  'POST /requests',
  'POST /sign-in',
  'POST /sign-out',
  'POST /tokens',
  'PUT /apps/{app}/functions/{name}/events/{saved}',
  'PUT /apps/{app}/secrets/{name}',
  'PUT /apps/{app}/traffic',
  'PUT /dead-letters/{key}/event',
];

test('names every endpoint', () => {
  const named = operations().map(({ path, method }) => `${method.toUpperCase()} ${path.replace(BASE, '')}`);
  assert.deepEqual(named.sort(), ENDPOINTS);
});

/** Where the next page begins: at `next` of the one before. */
const CURSORS = ['cursor', 'before', 'from'];
/** Lists that say otherwise how they go on, or have an end that is named. */
const NOT_BY_NEXT: Readonly<Record<string, string>> = {
  listDeadLetters: 'goes on after the key of the last item',
  listLogs: 'goes on after its `last`, which grows when nothing fits too',
  listRuns: 'is calculated, and ends at its limit',
  listSavedEvents: 'a function has but so many',
  listTraceCalls: 'is what one call led to, and says when there is more than it tells',
};

test('every list is paged by a limit and a cursor', () => {
  const lists = operations().filter(({ operation }) => operation.operationId.startsWith('list'));
  assert.ok(lists.length > 15);
  const whole = lists.filter(({ path, operation: { operationId, parameters = [], responses } }) => {
    if (operationId in NOT_BY_NEXT) return false;
    const { $ref, properties } = responses['200']!.content!['application/json']!.schema!;
    assert.equal($ref, undefined, path);
    const names = new Set(parameters.map(({ name }) => name));
    const isPaged = names.has('limit') && CURSORS.some((cursor) => names.has(cursor));
    return !isPaged || !('next' in (properties as object));
  });
  assert.deepEqual(
    whole.map(({ path }) => path),
    [],
  );
});

test('every operation has an id, a summary, its parameters, and a schema for every answer', () => {
  const ids = new Set<string>();
  for (const { path, method, operation } of operations()) {
    const where = `${method} ${path}`;
    assert.ok(operation.operationId && !ids.has(operation.operationId), where);
    ids.add(operation.operationId);
    assert.ok(operation.summary.endsWith('.'), where);
    assert.ok(operation.tags.length > 0, where);
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
    const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    assert.deepEqual(declared.map(({ name }) => name).sort(), inPath.sort(), where);
    for (const { schema } of operation.parameters ?? []) assert.ok(schema.type !== undefined, where);
    const statuses = Object.keys(operation.responses);
    assert.ok(statuses.some((status) => status.startsWith('2')) && statuses.includes('default'), where);
    for (const [status, { description, content }] of Object.entries(operation.responses)) {
      assert.ok(description, where);
      const schemas = Object.values(content ?? {}).map(({ schema }) => schema);
      assert.ok(schemas.length > 0, `${where} ${status}`);
      for (const schema of schemas) assert.ok(schema && Object.keys(schema).length > 0, `${where} ${status}`);
    }
  }
});

test('every reference leads somewhere', () => {
  const references = new Set(
    [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref!),
  );
  assert.ok(references.size > 10);
  for (const reference of references) {
    const name = /^#\/components\/schemas\/(.+)$/.exec(reference)?.[1];
    assert.ok(name !== undefined && document.components.schemas[name] !== undefined, reference);
  }
});

test('only what is open says that it needs no token', () => {
  const open = operations().filter(({ operation }) => operation.security?.length === 0);
  assert.deepEqual(
    open.map(({ path }) => path),
    [`${BASE}/health`, `${BASE}/sign-in`, `${BASE}/sign-out`],
  );
});
