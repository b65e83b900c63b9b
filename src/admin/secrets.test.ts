import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openBench } from './admin-harness.test.ts';

describe('secrets', () => {
  let bench: Awaited<ReturnType<typeof openBench>>;
  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  it('are set, listed without their values, and removed', async () => {
    const put = await bench.call('PUT', '/apps/shop/secrets/DB_URL', { json: { value: 'hunter2hunter2' } });
    assert.equal(put.status, 200);
    assert.deepEqual(put.body, { app: 'shop', name: 'DB_URL' });
    const listed = await bench.call('GET', '/secrets');
    assert.deepEqual(listed.body, {
      items: [{ app: 'shop', name: 'DB_URL', updatedMs: bench.clock.nowMs() }],
    });
    assert.equal((await bench.call('DELETE', '/apps/shop/secrets/DB_URL')).status, 200);
    assert.equal((await bench.call('DELETE', '/apps/shop/secrets/DB_URL')).status, 404);
    assert.deepEqual((await bench.call('GET', '/secrets')).body, { items: [] });
  });

  it('with a bad name or value are refused', async () => {
    assert.equal((await bench.call('PUT', '/apps/shop/secrets/1BAD', { json: { value: 'x' } })).status, 400);
    const empty = await bench.call('PUT', '/apps/shop/secrets/GOOD', { json: { value: '' } });
    assert.equal(empty.status, 400);
    assert.equal(empty.body.error.code, 'E_SECRET_INVALID');
  });
});
