import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JournalEntry } from '../src/model/journal.ts';
import { writeApp } from './platform-harness.ts';
import { type Server, startServer, waitForToken } from './server-process.ts';

/** The platform is killed at random moments: every execution ends all the same, each recorded step with one result. */

const APP = {
  'lambent.yaml': 'app: etl\nfunctions: { double: {} }\nworkflows: { load: {} }\n',
  'functions/double.ts': 'export const handler = async ({ value }: { value: number }) => value * 2;',
  'workflows/load.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, start: number) => {
  let value = start;
  for (let round = 0; round < 4; round += 1) {
    value = await ctx.step('add ' + round, () => value + 1);
    value = await ctx.call<number>('double', { value });
    await ctx.sleep('30ms');
  }
  return value;
});`,
};
const EXECUTIONS = 40;
const KILLS = 4;

const skip = process.platform !== 'linux' && 'the sandbox needs Linux';

describe('workflows on a server that is killed', { timeout: 120_000, skip }, () => {
  let folder = '';
  let app = '';
  let server: Server | undefined;
  let token = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-workflows-'));
    app = await writeApp(join(folder, 'etl'), APP);
  });
  after(async () => {
    server?.child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const api = async (method: string, path: string, body?: unknown): Promise<never> => {
    const response = await fetch(`${server!.url}/_lambent/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as never;
  };

  it('finishes all of them, and repeats nothing that is recorded', async () => {
    server = await startServer(join(folder, 'data'), [app], ['--accept-isolation=E']);
    token = await waitForToken(server);
    const started = await Promise.all(
      Array.from({ length: EXECUTIONS }, (_, place) =>
        api('POST', `/apps/etl/workflows/load/executions?key=k${place}`, place),
      ),
    );
    const ids = started.map(({ id }: { id: string }) => id);
    for (let kill = 0; kill < KILLS; kill += 1) {
      // Somewhere in the middle of the work: as soon as some have got a little further.
      const before = await entriesOf(ids);
      for (let tries = 0; (await entriesOf(ids)) < before + 25 && tries < 200; tries += 1);
      server.child.kill('SIGKILL');
      await once(server.child, 'exit');
      server = await startServer(join(folder, 'data'), [], ['--accept-isolation=E']);
    }
    for (const [place, id] of ids.entries()) {
      const outcome = (await api('GET', `/executions/${id}/result?wait=60`)) as {
        status: string;
        output: number;
      };
      let expected = place;
      for (let round = 0; round < 4; round += 1) expected = (expected + 1) * 2;
      assert.deepEqual([outcome.status, outcome.output], ['succeeded', expected]);
      const { items } = (await api('GET', `/executions/${id}/history?limit=1000`)) as {
        items: JournalEntry[];
      };
      const ends = items.flatMap((entry) => (entry.kind === 'completed' ? [entry.op] : []));
      assert.equal(new Set(ends).size, ends.length, 'each operation has one result');
      assert.equal(ends.length, 12);
    }
    const again = (await api('POST', '/apps/etl/workflows/load/executions?key=k3', 3)) as { id: string };
    assert.equal(again.id, ids[3]);
  });

  async function entriesOf(ids: readonly string[]): Promise<number> {
    const { items } = (await api('GET', '/executions?limit=1000')) as {
      items: { id: string; entries: number }[];
    };
    return items.filter((each) => ids.includes(each.id)).reduce((sum, each) => sum + each.entries, 0);
  }
});
