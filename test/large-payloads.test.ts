import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runForTest } from '../src/cli/test-terminal.ts';
import type { JournalEntry } from '../src/model/journal.ts';
import type { ExecutionStep, StepData } from '../src/ports/execution-steps.ts';
import { startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';
import { poll } from './process-table.ts';
import { type Server, startServer } from './server-process.ts';

/** Values of executions that are too large for a journal: 6 MiB. */

const LARGE = 7 * 1024 * 1024;
const FILES = {
  'lambent.yaml': `
app: large
workflows:
  echo: { routes: ["POST /echo"] }
  asks: {}
  hoards: {}
  calls: {}
  pass: { definition: pass.asl.json }
`,
  'workflows/echo.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, input: { text: string; as: string }) => {
  const kept = await ctx.step('keep', () => input);
  if (input.as === 'length') return kept.text.length;
  if (input.as === 'twice') return kept.text.repeat(2);
  return kept.text;
});`,
  'workflows/asks.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  const asked = ctx.callback<string>();
  console.log('token ' + asked.token);
  ctx.onQuery('all', () => 'x'.repeat(${LARGE}));
  const said = await ctx.receive<string>('say');
  return (await asked.result).length + said.length;
});`,
  'functions/count.js': 'export const handler = async (text) => text.length;',
  'workflows/calls.ts': `
import { workflow } from 'lambent';
export default workflow((ctx) => ctx.call('count', 'x'.repeat(${LARGE})));`,
  'workflows/hoards.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, name: string) => {
  let length = 0;
  for (let at = 0; at < 3; at += 1)
    length += (await ctx.step('hoard ' + at, () => (name + at).repeat(${LARGE / 2}))).length;
  return length;
});`,
  'pass.asl.json': JSON.stringify({ StartAt: 'Pass', States: { Pass: { Type: 'Pass', End: true } } }),
};

interface Outcome {
  readonly id: string;
  readonly status: string;
  readonly output?: unknown;
  readonly largeOutput?: { readonly blob: string; readonly bytes: number };
  readonly error?: { readonly code: string; readonly errorMessage: string };
}

describe('large values of executions', { timeout: 120_000 }, () => {
  let platform: TestPlatform;
  before(async () => {
    platform = await startTestPlatform({ large: FILES });
  });
  after(() => platform.close());

  const start = async (workflow: string, input: unknown): Promise<Outcome> =>
    (await platform.api('POST', `/apps/large/workflows/${workflow}/executions?wait=60`, input)).json;
  const codeOf = ({ json }: { json: unknown }) => (json as { error?: { code: string } }).error?.code;
  const text = 'ö'.repeat(LARGE / 2);

  it('come in, are recorded, and go out again, as a whole or in parts', async () => {
    const { id, status, largeOutput } = await start('echo', { text, as: 'text' });
    assert.equal(status, 'succeeded');
    assert.equal(largeOutput?.bytes, LARGE + 2);
    const path = `/_lambent/api/v1/executions/${id}/payloads/${largeOutput?.blob}`;
    const whole = await platform.fetch(path);
    assert.equal(whole.headers.get('content-type'), 'application/json');
    assert.equal(await whole.json(), text);
    const part = await platform.fetch(`${path}?from=1&limit=4`);
    assert.deepEqual(
      [part.headers.get('content-type'), await part.text()],
      ['text/plain; charset=utf-8', 'öö'],
    );
    const { json } = await platform.api('GET', `/executions/${id}/steps/0`);
    assert.ok((json as ExecutionStep & StepData).largeOutput!.bytes > LARGE);
    const other = await start('echo', { text: 'a', as: 'length' });
    const stranger = await platform.api('GET', `/executions/${other.id}/payloads/${largeOutput?.blob}`);
    assert.equal(codeOf(stranger), 'E_NOT_FOUND', 'an execution that does not name it');
    const cli = await runForTest(['run', 'retry', id], { env: { LAMBENT_URL: platform.url } });
    assert.deepEqual([cli.code, cli.out.length], [0, text.length + 3], cli.err);
  });

  it('answer a request as fast as it is read', async () => {
    const response = await platform.fetch('/echo', {
      method: 'POST',
      body: JSON.stringify({ text: 'x'.repeat(4_000_000), as: 'twice' }),
    });
    assert.equal(response.headers.get('content-length'), '8000002');
    assert.equal(((await response.json()) as string).length, 8_000_000);
  });

  it('answer callbacks and come with signals, and do not answer queries', async () => {
    const { json } = await platform.api('POST', '/apps/large/workflows/asks/executions', null);
    const { id } = json as Outcome;
    const line = await platform.waitForLog(({ text: printed }) => printed.startsWith('token '));
    const query = await platform.api('POST', `/executions/${id}/queries/all`);
    assert.match(
      JSON.stringify(query.json),
      /the answer to query all has 7340034 bytes as JSON; at most 6291456/,
    );
    const token = line.text.slice('token '.length);
    assert.equal((await platform.api('POST', `/callbacks/${token}`, text)).status, 200);
    assert.equal((await platform.api('POST', `/executions/${id}/signals/say`, text)).status, 200);
    const { json: ended } = await platform.api('GET', `/executions/${id}/result?wait=30`);
    assert.equal((ended as Outcome).output, LARGE);
  });

  it('are refused by functions, which take less', async () => {
    const { status, error } = await start('calls', null);
    assert.deepEqual([status, error?.code], ['failed', 'E_PAYLOAD_TOO_LARGE']);
    assert.match(
      error?.errorMessage ?? '',
      /^the input of count has 7340034 bytes as JSON; a function takes at most/,
    );
  });

  it('are refused where they are too large, no JSON, or for a state machine', async () => {
    const post = async (workflow: string, body: string) => {
      const path = `/_lambent/api/v1/apps/large/workflows/${workflow}/executions`;
      const headers = { 'content-type': 'application/json' };
      const response = await platform.fetch(path, { method: 'POST', headers, body });
      return codeOf({ json: await response.json() });
    };
    assert.equal(await post('echo', `"${'x'.repeat(65 * 1024 * 1024)}"`), 'E_PAYLOAD_TOO_LARGE');
    assert.equal(await post('echo', `[${'1,'.repeat(LARGE / 2)}]`), 'E_BAD_REQUEST');
    assert.equal(await post('pass', JSON.stringify(text)), 'E_PAYLOAD_TOO_LARGE');
    assert.deepEqual(await readdir(join(platform.folder, 'data/payloads/working')), []);
  });
});

describe('large values, when the platform is killed', { timeout: 120_000 }, () => {
  let folder: string;
  const servers: Server[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-large-'));
    await writeApp(join(folder, 'large'), FILES);
  });
  after(async () => {
    for (const { child } of servers) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const stored = async (): Promise<{ named: number; working: number }> => {
    const names = await readdir(join(folder, 'data/payloads'), { recursive: true }).catch(() => []);
    return {
      named: names.filter((name) => /[0-9a-f]{64}$/.test(name)).length,
      working: names.filter((name) => /^working\//.test(name)).length,
    };
  };

  it('are there for every journal that names them', async () => {
    const open = async (): Promise<Server> => {
      const server = await startServer(join(folder, 'data'), [join(folder, 'large')], [], {}, 'dev');
      servers.push(server);
      return server;
    };
    const api = async <Answer>(
      { url }: Server,
      method: string,
      path: string,
      body?: unknown,
    ): Promise<Answer> => {
      const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
      const response = await fetch(`${url}/_lambent/api/v1${path}`, {
        ...init,
        headers: { 'content-type': 'application/json' },
      });
      return (await response.json()) as Answer;
    };
    let server = await open();
    const ids: string[] = [];
    for (const name of ['a', 'b'])
      ids.push((await api<Outcome>(server, 'POST', '/apps/large/workflows/hoards/executions', name)).id);
    // While one is written, and when some have their names: before a journal has, or after.
    for (const dies of [
      async () => (await stored()).working + (await stored()).named > 0,
      async () => (await stored()).named > 0,
      async () => (await stored()).named > 2,
    ]) {
      await poll(dies);
      server.child.kill('SIGKILL');
      await once(server.child, 'exit');
      server = await open();
    }
    for (const id of ids) {
      const { status, output } = await api<Outcome>(server, 'GET', `/executions/${id}/result?wait=60`);
      assert.deepEqual([status, output], ['succeeded', 3 * LARGE]);
      const { items } = await api<{ items: JournalEntry[] }>(server, 'GET', `/executions/${id}/history`);
      const named = items.flatMap((entry) =>
        entry.kind === 'completed' && 'blob' in entry.output ? [entry.output] : [],
      );
      assert.equal(named.length, 3);
      for (const { blob, bytes } of named) {
        const response = await fetch(`${server.url}/_lambent/api/v1/executions/${id}/payloads/${blob}`);
        assert.equal((await response.arrayBuffer()).byteLength, bytes);
      }
    }
  });
});
