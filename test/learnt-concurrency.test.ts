/** How many calls at once an instance takes, learnt by a real platform from real functions, and what people see of it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const FILES = {
  'lambent.yaml':
    'app: learns\nfunctions: { computes: { maxInstances: 1 }, waits: {}, told: { concurrency: 7 }, one: {} }\n',
  'functions/computes.js': `
import { pbkdf2Sync } from 'node:crypto';
export default { fetch: () => new Response(pbkdf2Sync('password', 'salt', 40_000, 32, 'sha256').toString('hex')) };`,
  'functions/waits.js': `
export default { async fetch() { await new Promise((resolve) => setTimeout(resolve, 300)); return new Response('waited'); } };`,
  'functions/told.js': 'export default { fetch: () => new Response("told") };',
  'functions/one.js': 'export const handler = async () => "one";',
};

/** Calls until it is learnt; many more than it takes. */
const CALLS_MAX = 2_000;

interface InstanceView {
  readonly function: string;
  readonly concurrency: number;
  readonly concurrencyReason: string;
}

interface FunctionView {
  readonly concurrency?: { readonly calls: number; readonly reason: string };
}

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({ learns: FILES });
});
after(() => lambent.close());

async function learnt(name: string): Promise<FunctionView['concurrency']> {
  const { json } = await lambent.api('GET', `/apps/learns/functions/${name}`);
  return (json as FunctionView).concurrency;
}

/** Callers that call again as soon as they are answered, until it is enough. */
async function press(
  path: string,
  callers: number,
  isEnough: (calls: number) => Promise<boolean>,
): Promise<void> {
  let calls = 0;
  let enough = false;
  const caller = async (): Promise<void> => {
    while (!enough) {
      assert.equal((await lambent.fetch(path)).status, 200);
      calls += 1;
      if (calls % callers === 0) enough ||= await isEnough(calls);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

describe('calls at once in an instance', { timeout: 60_000 }, () => {
  it('become few where they compute, and the API says why', async () => {
    await press('/computes', 32, async (calls) => {
      assert.ok(calls < CALLS_MAX, 'it never learns');
      const { json } = await lambent.api('GET', '/instances');
      const { items } = json as { items: InstanceView[] };
      const found = items.find((each) => each.function === 'computes' && each.concurrency > 0);
      if (found === undefined || found.concurrency > 60) return false;
      assert.match(found.concurrencyReason, /^\d+(\.\d+)? at once were answered in \d+(\.\d+)? ms/);
      return true;
    });
  });

  it('stay many where they wait', async () => {
    await press('/waits', 20, async (calls) => calls >= 200);
    assert.equal((await learnt('waits'))?.calls, 100);
  });

  it('are what the manifest says, or what the code can do', async () => {
    await lambent.fetch('/told');
    assert.deepEqual(await learnt('told'), { calls: 7, reason: 'the manifest says so' });
    await lambent.fetch('/one');
    assert.deepEqual(await learnt('one'), { calls: 1, reason: 'its code takes one call at a time' });
  });
});
