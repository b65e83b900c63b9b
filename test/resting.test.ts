/** Instances without work get no processor time, unless they have something left to do, and answer the next call. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { delay, systemClock } from '../src/base/clock.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const FETCH = `export default { fetch: () => new Response('answered') };`;
/** Work that goes on after the answer until the next call ends it. */
const BACKGROUND = `
let finish = () => {};
export default {
  fetch(request, env, ctx) {
    finish();
    if (!request.url.endsWith('/last')) ctx.waitUntil(new Promise((resolve) => { finish = resolve; }));
    return new Response('answered');
  },
};`;
const PYTHON = `def handler(event, context):\n    return 'answered'\n`;
const LANGUAGES = spawnSync('python3', ['--version']).error === undefined ? ['plain', 'python'] : ['plain'];

describe('an instance without work', { timeout: 60_000 }, () => {
  let lambent: TestPlatform;
  before(async () => {
    lambent = await startTestPlatform({
      app: {
        'lambent.yaml': `functions:\n  busy: { freeze: false }\n${[...LANGUAGES, 'background'].map((name) => `  ${name}: {}\n`).join('')}`,
        'functions/plain.js': FETCH,
        'functions/busy.js': FETCH,
        'functions/background.js': BACKGROUND,
        ...(LANGUAGES.includes('python') ? { 'functions/python.py': PYTHON } : {}),
      },
    });
  });
  after(() => lambent.close());

  const call = async (path: string): Promise<void> => {
    assert.equal(await (await lambent.fetch(path)).text(), 'answered');
  };
  const stateOf = async (name: string): Promise<string | undefined> => {
    const { json } = await lambent.api('GET', '/instances');
    const { items } = json as { items: { function: string; state: string }[] };
    return items.find((instance) => instance.function === name)?.state;
  };
  const untilFrozen = async (name: string): Promise<void> => {
    for (let tries = 0; (await stateOf(name)) !== 'frozen'; tries++) {
      assert.ok(tries < 400, `${name} is ${await stateOf(name)}`);
      await delay(systemClock, 50);
    }
  };

  it('is frozen, and answers the next call', async () => {
    await Promise.all(LANGUAGES.map((name) => call(`/${name}`)));
    for (const name of LANGUAGES) {
      await untilFrozen(name);
      await call(`/${name}`);
      assert.equal(await stateOf(name), 'ready');
      await untilFrozen(name);
    }
  });

  it('is not while work goes on after an answer, nor where the manifest says so', async () => {
    await Promise.all([call('/background'), call('/busy')]);
    // What came after them is frozen, so they could be as well.
    await call('/plain');
    await untilFrozen('plain');
    assert.deepEqual([await stateOf('background'), await stateOf('busy')], ['ready', 'ready']);
    await call('/background/last');
    await untilFrozen('background');
    assert.equal(await stateOf('busy'), 'ready');
  });
});
