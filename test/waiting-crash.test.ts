import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeApp } from './platform-harness.ts';
import { type Server, startServer, waitForToken } from './server-process.ts';

/** The platform is killed while events come that workflows wait for: each that was acknowledged reaches who waited. */

const APP = {
  'lambent.yaml': 'app: shop\nworkflows: { paid: {} }\n',
  'workflows/paid.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, order: number) => {
  const match = { data: { order: [order] } };
  const first = await ctx.waitFor<{ id: string }>('order.paid', { match });
  const second = await ctx.waitFor<{ id: string }>('order.paid', { match });
  return [first.id, second.id];
});`,
};
const EXECUTIONS = 60;

const skip = process.platform !== 'linux' && 'the sandbox needs Linux';

describe('workflows that wait for events on a server that is killed', { timeout: 120_000, skip }, () => {
  let folder = '';
  let server: Server | undefined;
  let token = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-waiting-'));
    server = await startServer(join(folder, 'data'), [await writeApp(join(folder, 'shop'), APP)]);
    token = await waitForToken(server);
  });
  after(async () => {
    server?.child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const api = async (path: string, method = 'GET', body?: unknown): Promise<never> => {
    const response = await fetch(`${server!.url}/_lambent/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as never;
  };
  const publish = async (order: number, id: string): Promise<void> => {
    const event = { specversion: '1.0', id, source: '/test', type: 'order.paid', data: { order } };
    const response = await fetch(`${server!.url}/_lambent/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    });
    assert.equal(response.status, 202, await response.text());
  };
  const untilAllWait = async (entries: number): Promise<void> => {
    for (let tries = 0; tries < 2_000; tries += 1) {
      const { items } = (await api('/executions?limit=1000')) as { items: { entries: number }[] };
      if (items.length === EXECUTIONS && items.every((each) => each.entries >= entries)) return;
    }
    assert.fail('not all came to wait');
  };

  it('reach those who waited, once each', async () => {
    const orders = Array.from({ length: EXECUTIONS }, (_, order) => order);
    const ids = await Promise.all(
      orders.map(async (order) => {
        const started = await api('/apps/shop/workflows/paid/executions', 'POST', order);
        return (started as { id: string }).id;
      }),
    );
    // `started` and `opened`.
    await untilAllWait(2);
    const acknowledged = new Set<number>();
    const exited = once(server!.child, 'exit');
    const left = [...orders];
    const send = async (): Promise<void> => {
      for (let order = left.shift(); order !== undefined; order = left.shift()) {
        await publish(order, `first-${order}`);
        acknowledged.add(order);
        // In the middle: some are stored and not told, and some have not even come.
        if (acknowledged.size === EXECUTIONS / 2) server!.child.kill('SIGKILL');
      }
    };
    await Promise.allSettled([send(), send(), send(), send()]);
    await exited;
    server = await startServer(join(folder, 'data'));
    const failed = orders.filter((order) => !acknowledged.has(order));
    assert.ok(failed.length > 0, 'it was killed in the middle');
    // As a sender does that heard nothing; those that were stored all the same are known by their id.
    await Promise.all(failed.map((order) => publish(order, `first-${order}`)));
    // `completed`, and the next `opened`.
    await untilAllWait(4);
    await Promise.all(orders.map((order) => publish(order, `second-${order}`)));
    for (const order of orders) {
      const { output } = (await api(`/executions/${ids[order]}/result?wait=30`)) as { output: unknown };
      assert.deepEqual(output, [`first-${order}`, `second-${order}`]);
    }
  });
});
