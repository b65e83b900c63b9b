/** Three times the load that a function can take: it refuses early what is too much, and its neighbours do not notice. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const PLACES = 4;
const QUEUE = 20;
/** Callers at once: three times what runs and waits. */
const CALLERS = 3 * (PLACES + QUEUE);
const QUIET_CALLS = 25;

const NOISY = `export const handler = async () => {
  const endMs = performance.now() + 10;
  while (performance.now() < endMs);
  return { statusCode: 200, body: 'done' };
};`;

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly tookMs: number;
}

describe('a function with three times the load that it takes', { timeout: 120_000 }, () => {
  let lambent: TestPlatform;
  before(async () => {
    lambent = await startTestPlatform({
      noisy: {
        'functions/noisy.js': NOISY,
        'lambent.yaml': `functions:\n  noisy: { maxConcurrency: ${PLACES}, queue: ${QUEUE} }\n`,
      },
      quiet: { 'functions/quiet.js': `export default { fetch: () => new Response('quiet') };` },
    });
  });
  after(() => lambent.close());

  async function call(path: string): Promise<Answer> {
    const beginMs = performance.now();
    const answer = await lambent.fetch(path);
    await answer.text();
    const { status, headers } = answer;
    return { status, retryAfter: headers.get('retry-after'), tookMs: performance.now() - beginMs };
  }

  it('serves what it took, refuses the rest at once with Retry-After, and starves nobody', async () => {
    let over = false;
    const answers: Answer[] = [];
    const caller = async (): Promise<void> => {
      while (!over) answers.push(await call('/noisy'));
    };
    const callers = Array.from({ length: CALLERS }, caller);
    const quiet: Answer[] = [];
    // The first one finds no instance of its function, while its neighbour takes every processor.
    for (let each = 0; each < QUIET_CALLS; each += 1) quiet.push(await call('/quiet'));
    over = true;
    await Promise.all(callers);
    assert.ok(
      quiet.every(({ status }) => status === 200),
      JSON.stringify(quiet),
    );
    const served = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(served.length + refused.length, answers.length, 'nothing else happens');
    assert.ok(served.length >= PLACES + QUEUE, `${served.length} were served`);
    assert.ok(refused.length > 0, 'three times the load is too much');
    assert.ok(
      refused.every(({ retryAfter }) => Number(retryAfter) >= 1),
      'each refusal says when to come again',
    );
    const slowest = Math.max(...served.map(({ tookMs }) => tookMs));
    const fast = refused.filter(({ tookMs }) => tookMs < slowest).length;
    assert.ok(fast >= refused.length / 2, 'a refusal does not wait as long as those that wait');
    // All of it is over: the function serves as before.
    assert.equal((await call('/noisy')).status, 200);
  });
});
