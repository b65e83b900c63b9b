import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** What leads to an execution leads on to what it causes: one trace, and an end to loops. */

const FILES = {
  'lambent.yaml': `
app: chains
functions:
  emits: { routes: [] }
  works: { on: [{ events: { type: [work] }, onSuccess: { emit: worked } }] }
workflows:
  asks: { routes: ["POST /asks"] }
  begins: { routes: ["POST /begins"] }
  echoes: { on: [{ events: { type: [echo] } }] }
  dives: {}
  orders: { routes: ["POST /orders"] }
`,
  'functions/emits.js': `
import { emit } from 'lambent';
export const handler = async ({ type }) => await emit({ type });`,
  'functions/works.js': 'export const handler = async ({ data }) => data + "!";',
  // The event that it waits for is stored with the end of a delivery, not published by anybody.
  'workflows/orders.js': `
import { emit, workflow } from 'lambent';
export default workflow(async (ctx, amount) => {
  const [event] = await ctx.parallel([
    () => ctx.waitFor('worked'),
    () => ctx.step('order', async () => { await emit({ type: 'work', data: amount }); }),
  ]);
  return event.data;
});`,
  // By a call, by a step, and by a child: all of it is in the trace of the request.
  'workflows/asks.js': `
import { emit, workflow } from 'lambent';
export default workflow(async (ctx, how) => {
  const type = 'answer ' + how;
  const [event] = await ctx.parallel([
    () => ctx.waitFor(type),
    () => how === 'call' ? ctx.call('emits', { type }) : ctx.step('emit', async () => { await emit({ type }); }),
  ]);
  return event.traceparent;
});`,
  'workflows/begins.js': `
import { startWorkflow, workflow } from 'lambent';
export default workflow(async (ctx, how) => how === 'child'
  ? await ctx.child('asks', 'step').result
  : await ctx.step('start', () => startWorkflow('asks', 'call')));`,
  'workflows/echoes.js': `
import { emit, workflow } from 'lambent';
export default workflow(async (ctx) => {
  await ctx.step('again', async () => { await emit({ type: 'echo' }); });
});`,
  'workflows/dives.js': `
import { workflow } from 'lambent';
export default workflow(async (ctx, depth) => {
  try {
    return await ctx.child('dives', depth + 1).result;
  } catch (error) {
    return { depth, code: error.code };
  }
});`,
};

describe('chains of executions', { timeout: 60_000 }, () => {
  let platform: TestPlatform;
  before(async () => {
    platform = await startTestPlatform({ chains: FILES });
  });
  after(() => platform.close());

  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
  const post = async (path: string, how: string): Promise<unknown> => {
    const response = await platform.fetch(path, {
      method: 'POST',
      headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
      body: JSON.stringify(how),
    });
    return response.json();
  };

  for (const [path, how] of [
    ['/asks', 'call'],
    ['/asks', 'step'],
    ['/begins', 'child'],
    ['/begins', 'start'],
  ] as const)
    it(`are in the trace of the request: ${path} ${how}`, async () => {
      let traceparent = await post(path, how);
      if (how === 'start') {
        const { id } = traceparent as { id: string };
        const { json } = await platform.api('GET', `/executions/${id}/result?wait=20`);
        traceparent = (json as { output: unknown }).output;
      }
      assert.match(String(traceparent), new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    });

  it('reach on from what a delivery came to', async () => {
    assert.match(JSON.stringify(await post('/orders', 'lamp')), /lamp!/);
  });

  it('end when events start workflows that emit them again', async () => {
    const event = { specversion: '1.0', id: 'first', source: 'test', type: 'echo' };
    await platform.fetch('/_lambent/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    });
    const executions = async (query: string): Promise<{ id: string }[]> => {
      const { json } = await platform.api('GET', `/executions?app=chains&workflow=echoes${query}`);
      return (json as { items: { id: string }[] }).items;
    };
    await poll(async () => (await executions('&status=failed')).length > 0);
    assert.equal((await executions('')).length, 17);
    const [last] = await executions('&status=failed');
    const { json } = await platform.api('GET', `/executions/${last!.id}/result`);
    assert.match((json as { error: { errorMessage: string } }).error.errorMessage, /in a chain of events/);
  });

  it('end when a workflow is its own child', async () => {
    const { json } = await platform.api('POST', '/apps/chains/workflows/dives/executions?wait=30', 0);
    assert.deepEqual((json as { output: unknown }).output, { depth: 16, code: 'E_CALL_DEPTH' });
  });
});
