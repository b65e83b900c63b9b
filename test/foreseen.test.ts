/** After a deploy of many functions, processes wait for their code, so that many first calls at once find them. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { POOL_LIMITS } from '../src/pool/pool.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** More than are started themselves. */
const FUNCTIONS = 10;
const NAMES = Array.from({ length: FUNCTIONS }, (_, at) => `f${at}`);

let lambent: TestPlatform;
before(async () => {
  const functions = NAMES.map((name) => [
    `functions/${name}.js`,
    `export default { fetch: () => new Response('${name}') };`,
  ]);
  lambent = await startTestPlatform({ many: { ...Object.fromEntries(functions) } });
});
after(() => lambent.close());

async function prewarmed(): Promise<number> {
  const metrics = await (await lambent.fetch('/_lambent/metrics')).text();
  return Number(/^lambent_processes_prewarmed (\d+)/m.exec(metrics)?.[1]);
}

it('processes wait for the first calls of functions that were just deployed', {
  timeout: 60_000,
}, async () => {
  const expected = Math.min(FUNCTIONS, POOL_LIMITS.prewarmedMax);
  await poll(async () => (await prewarmed()) >= expected);
  const { json } = await lambent.api('GET', '/instances');
  assert.deepEqual((json as { items: unknown[] }).items, [], 'none of them has the code of a function');
  const answers = await Promise.all(NAMES.map(async (name) => (await lambent.fetch(`/${name}`)).text()));
  assert.deepEqual(answers, NAMES);
});
