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
  throws: { maxInstances: 1 }
  raises: { maxInstances: 1 }
`,
  'functions/self.js': DESCENDS,
  'functions/narrow.js': DESCENDS,
  'functions/ping.js': DESCENDS,
  'functions/pong.js': DESCENDS,
  'functions/throws.js': `
export const handler = ({ queryStringParameters: { fails } }) => {
  if (fails !== 'true') return 'fine';
  setImmediate(() => { throw new Error('nobody catches this'); });
  return new Promise(() => {});
};`,
  'functions/raises.py': `
def handler(event, context):
    if event["queryStringParameters"]["fails"] == "true":
        raise ValueError("nobody catches this")
    return "fine"
`,
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

/** Answers to requests that follow each other closely, some of which fail: how they ended, counted. */
async function press(path: string, requests: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  let left = requests;
  const press = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const fails = left % 700 === 350;
      const answer = await lambent.fetch(`${path}?fails=${fails}`);
      const said = await answer.text();
      const outcome =
        answer.status === 200 ? said : (JSON.parse(said) as { error: { code: string } }).error.code;
      const key = `${fails ? 'fails' : 'works'}: ${outcome}`;
      counts[key] = (counts[key] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: 16 }, press));
  return counts;
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

describe('calls of a function whose process takes no more after one that failed', LIMIT, () => {
  it('all have their own ending, in each language', async () => {
    // Enough of them that they are known to be short, and some are sent ahead.
    const ends = { 'works: fine': 2_097, 'fails: E_FUNCTION_ERROR': 3 };
    assert.deepEqual(await press('/throws', 2_100), ends);
    assert.deepEqual(await press('/raises', 2_100), ends);
  });
});
