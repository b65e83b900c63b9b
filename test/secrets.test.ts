import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

describe('secrets', { timeout: 60_000 }, () => {
  let lambent: TestPlatform;
  before(async () => {
    lambent = await startTestPlatform({
      vault: {
        'lambent.yaml': `functions:
  pays: { secrets: [API_KEY] }
  plain:
`,
        'functions/pays.js': `export default { async fetch(request) {
          console.log('the key is', process.env.API_KEY);
          if (request.url.endsWith('/fails')) throw new Error('refused ' + process.env.API_KEY);
          return new Response(process.env.API_KEY.slice(0, 5) + ' ' + process.pid);
        } };`,
        'functions/plain.js': `export default { fetch: () => new Response(String(process.env.API_KEY)) };`,
      },
    });
  });
  after(() => lambent.close());

  const set = (value: string) => lambent.api('PUT', '/apps/vault/secrets/API_KEY', { value });
  const textOf = async (path: string): Promise<string> => (await lambent.fetch(path)).text();

  it('a function that names one without a value says so, and works as soon as there is one', async () => {
    const answer = await lambent.fetch('/pays');
    const { error } = (await answer.json()) as { error: { code: string; message: string; hint: string } };
    assert.deepEqual([answer.status, error.code], [500, 'E_SECRET_MISSING']);
    assert.match(error.hint, /lambent secrets set vault API_KEY/);
    assert.equal((await set('first-value-of-it')).status, 200);
    assert.match(await textOf('/pays'), /^first /);
  });

  it('reaches only the functions that name it', async () => {
    assert.equal(await textOf('/plain'), 'undefined');
  });

  it('a new value reaches functions without a deploy', async () => {
    const before = await textOf('/pays');
    assert.equal((await set('other-value-of-it')).status, 200);
    const after = await textOf('/pays');
    assert.match(after, /^other /);
    assert.notEqual(before.split(' ')[1], after.split(' ')[1], 'in a process of its own');
  });

  it('is in no log and no record', async () => {
    await lambent.fetch('/pays/fails');
    await poll(async () => {
      const { json } = await lambent.api('GET', '/logs?function=pays');
      const text = JSON.stringify(json);
      assert.doesNotMatch(text, /-value-of-it/);
      return text.includes('the key is [secret API_KEY]') && text.includes('refused [secret API_KEY]');
    });
    const records = await lambent.api('GET', '/invocations?function=pays');
    const text = JSON.stringify(records.json);
    assert.match(text, /refused \[secret API_KEY\]/);
    assert.doesNotMatch(text, /-value-of-it/);
  });
});
