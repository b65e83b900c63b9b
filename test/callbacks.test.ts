import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const ASKS = `
import { workflow } from 'lambent';
export default workflow(async (ctx, timeout: string) => {
  const question = ctx.callback<{ yes: boolean }>({ timeout });
  await ctx.step('send', () => console.log('token ' + question.url));
  try {
    return await question.result;
  } catch (error) {
    return { name: (error as Error).name, code: (error as { code: string }).code };
  }
});`;

describe('callbacks on a server that asks for tokens', { timeout: 60_000 }, () => {
  let platform: TestPlatform;
  before(async () => {
    const files = {
      'lambent.yaml': 'app: asking\nworkflows: { asks: {} }\n',
      'workflows/asks.ts': ASKS,
    };
    platform = await startTestPlatform({ asking: files }, { mode: 'start' });
  });
  after(() => platform.close());

  it('take an answer from whoever has the address, once, and before its time is over', async () => {
    const ask = async (timeout: string): Promise<{ id: string; url: string }> => {
      const { json } = await platform.api('POST', '/apps/asking/workflows/asks/executions', timeout);
      const { id } = json as { id: string };
      const line = await platform.waitForLog(
        ({ text, invocation }) => text.startsWith('token ') && invocation === (id as never),
      );
      return { id, url: line.text.slice('token '.length) };
    };
    const post = async (url: string, body: string): Promise<string> => {
      const response = await fetch(url, { method: 'POST', body });
      const { error } = (await response.json()) as { error?: { code: string } };
      return `${response.status} ${error?.code ?? 'taken'}`;
    };
    const output = async (id: string): Promise<unknown> =>
      ((await platform.api('GET', `/executions/${id}/result?wait=25`)).json as { output?: unknown }).output;

    const { id, url } = await ask('1h');
    assert.match(url, /^http:\/\/localhost:\d+\/_lambent\/api\/v1\/callbacks\/cb1_/);
    const otherEnd = url.endsWith('A') ? 'B' : 'A';
    assert.equal(await post(`${url.slice(0, -1)}${otherEnd}`, '1'), '410 E_CALLBACK_EXPIRED', 'a forged one');
    assert.equal(await post(`${url}x`, '1'), '400 E_BAD_REQUEST');
    assert.equal(await post(url, '{"yes"'), '400 E_BAD_REQUEST', 'what cannot be read counts for nothing');
    const large = JSON.stringify('x'.repeat(64 * 1024 * 1024));
    assert.equal(await post(url, large), '413 E_PAYLOAD_TOO_LARGE');
    assert.equal(await post(url, '{"yes":true}'), '200 taken');
    assert.deepEqual(await output(id), { yes: true });
    assert.equal(await post(url, '{"yes":false}'), '410 E_CALLBACK_EXPIRED', 'a second answer');

    const late = await ask('50ms');
    assert.deepEqual(await output(late.id), { name: 'TimeoutError', code: 'E_TIMEOUT' });
    assert.equal(await post(late.url, '1'), '410 E_CALLBACK_EXPIRED', 'its time is over');

    assert.equal((await platform.fetch('/_lambent/api/v1/executions')).status, 401, 'nothing else is open');
    assert.equal((await platform.fetch('/_lambent/api/v1/callbacks/../executions')).status, 401);
    assert.equal((await platform.fetch('/_lambent/api/v1/callbacks/%2e%2e/executions')).status, 401);
  });
});
