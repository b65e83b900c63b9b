/** Many calls at once of functions that call themselves, or each other: they end, and other functions do not notice. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const DESCENDS = `
import { invoke } from 'lambent';
export const handler = async ({ to, depth }) => depth === 0 ? 0 : 1 + await invoke(to[depth % to.length], { to, depth: depth - 1 });`;

const FILES = {
  'lambent.yaml': `
app: floods
functions:
  self: { maxInstances: 4, timeout: 60s }
  narrow: { maxInstances: 2, timeout: 60s }
  ping: { maxInstances: 3, timeout: 60s }
  pong: { maxInstances: 3, timeout: 60s }
  beside: {}
`,
  'functions/self.js': DESCENDS,
  'functions/narrow.js': DESCENDS,
  'functions/ping.js': DESCENDS,
  'functions/pong.js': DESCENDS,
  'functions/beside.js': 'export default { fetch: () => new Response("undisturbed") };',
};

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({ floods: FILES });
});
after(() => lambent.close());

/** How calls of the first of these functions ended, which call each other down to a depth: results and codes, counted. */
async function flood(calls: number, to: readonly string[], depth: number): Promise<Record<string, number>> {
  const answers = await Promise.all(
    Array.from({ length: calls }, async () => {
      const path = `/apps/floods/functions/${to[depth % to.length]}/invocations`;
      const { json } = await lambent.api('POST', path, { to, depth });
      const { status, result, error } = json as {
        status: string;
        result?: number;
        error?: { code: string; errorType: string };
      };
      return status === 'ok' ? `${result}` : `${error?.errorType}`;
    }),
  );
  const counts: Record<string, number> = {};
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1;
  return counts;
}

function onlyOf(counts: Record<string, number>, ...outcomes: readonly string[]): void {
  assert.deepEqual(
    Object.keys(counts).filter((each) => !outcomes.includes(each)),
    [],
  );
}

/** Far less than the time limit of the functions, which is what a flood took that filled every place. */
const LIMIT = { timeout: 40_000 };

describe('a flood of calls', LIMIT, () => {
  it('of a function that calls itself ends, at first with some refused, then with none', async () => {
    onlyOf(await flood(40, ['self'], 3), '3', 'E_CALL_DEADLOCK');
    assert.deepEqual(await flood(40, ['self'], 3), { 3: 40 });
    assert.equal(await (await lambent.fetch('/beside')).text(), 'undisturbed');
  });

  it('of one with fewer places than its calls are deep is refused', async () => {
    assert.deepEqual(await flood(20, ['narrow'], 3), { E_CALL_DEADLOCK: 20 });
  });

  it('of two that call each other ends as well', async () => {
    onlyOf(await flood(40, ['ping', 'pong'], 4), '4', 'E_CALL_DEADLOCK');
    assert.equal(await (await lambent.fetch('/beside')).text(), 'undisturbed');
  });
});
