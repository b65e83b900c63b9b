import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { InvocationId } from '../src/base/ids.ts';
import { SHAPE_PACKAGES, SHAPES } from './handler-shapes.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';

/** Every shape of a function through the whole platform, and what each is told of its caller. */

const POSTED = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":[1,"ü"]}' };

async function textOf(answer: Response): Promise<string> {
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text;
}

describe('a folder functions/ without a manifest', { timeout: 60_000 }, () => {
  let lambent: TestPlatform;
  before(async () => {
    const files = Object.entries(SHAPES).map(([file, text]) => [`functions/${file}`, text] as const);
    lambent = await startTestPlatform({ shapes: Object.fromEntries(files) }, { link: SHAPE_PACKAGES });
  });
  after(() => lambent.close());

  for (const file of Object.keys(SHAPES)) {
    const name = file.replace(/\.\w+$/, '');
    it(`${file}: answers at /${name} and to events`, async () => {
      assert.equal(await textOf(await lambent.fetch(`/${name}`)), name);
      const echoed = { name, body: { a: [1, 'ü'] } };
      assert.deepEqual(JSON.parse(await textOf(await lambent.fetch(`/${name}/below`, POSTED))), echoed);

      const path = `/apps/shapes/functions/${name}/invocations`;
      const sync = await lambent.api('POST', path, { a: [1, 'ü'] });
      const { id, billedMs, ...outcome } = sync.json as { id: InvocationId; billedMs: number };
      assert.deepEqual([sync.status, outcome], [200, { status: 'ok', result: echoed }]);
      assert.ok(billedMs >= 1);
      const record = await lambent.waitForInvocation((invocation) => invocation.id === id);
      assert.deepEqual([record.trigger, record.status, record.attempt], ['invoke', 'ok', 0]);

      const queued = await lambent.api('POST', `${path}?mode=async`, {});
      assert.equal(queued.status, 202);
      const later = await lambent.waitForInvocation(
        (invocation) => invocation.id === (queued.json as { id: string }).id,
      );
      assert.deepEqual([later.trigger, later.status, later.attempt], ['async', 'ok', 1]);
    });
  }

  it('serves all of them from as many processes, without a port of their own', async () => {
    const { json } = await lambent.api('GET', '/instances');
    const names = (json as { items: { function: string }[] }).items.map((item) => item.function);
    assert.equal(new Set(names).size, Object.keys(SHAPES).length);
    assert.equal((await lambent.fetch('/nothing-here')).status, 404);
  });
});
