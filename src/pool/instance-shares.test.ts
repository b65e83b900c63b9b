import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createDefects } from '../base/defects.ts';
import { silentLog } from '../base/log.ts';
import type { AppName } from '../model/function.ts';
import type { InstancePool } from '../ports/instance-pool.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { createProcessSandbox } from '../sandbox-process/sandbox-process.ts';
import { call, createScriptedPool, version } from './fixtures/scripted-pool.ts';
import type { PoolLimits } from './pool.ts';

describe('apps that want more instances than there are', { timeout: 60_000 }, () => {
  let folder = '';
  let sandbox: Sandbox;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-shares-'));
    sandbox = await createProcessSandbox({ runDir: join(folder, 'run'), log: silentLog, advice: undefined });
  });
  after(async () => {
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (limits: Partial<PoolLimits>): InstancePool =>
    createScriptedPool(sandbox, folder, limits, () => {}, createDefects(silentLog));

  it('leaves instances for other apps, however many functions one has', async () => {
    const pool = open({ instancesMax: 4 });
    const functions = Array.from({ length: 4 }, () => version());
    const quiet = { ...version(), app: 'other' as AppName };
    const held: Promise<unknown>[] = [];
    for (const which of functions.slice(0, 3)) {
      const opened = Promise.withResolvers<void>();
      held.push(call(pool, which, '/hold', () => opened.resolve()));
      await opened.promise;
    }
    const refused = (await call(pool, functions[3]!, '/ok')).error;
    assert.equal(refused?.code, 'E_OVERLOADED');
    assert.match(
      refused.message,
      /^app \S+ has 3 instances, which is its share of this node, and all of them/,
    );
    assert.equal((await call(pool, quiet, '/ok')).error, undefined);
    await pool.close(0);
    await Promise.all(held);
  });

  it('takes an idle instance of the same app where its share is used up', async () => {
    const pool = open({ instancesMax: 4 });
    const quiet = { ...version(), app: 'other' as AppName };
    await call(pool, quiet, '/ok');
    for (let count = 0; count < 5; count++)
      assert.equal((await call(pool, version(), '/ok')).error, undefined);
    const apps = pool.instances().map(({ app }) => app);
    assert.equal(apps.filter((app) => app === 'other').length, 1, 'that of another app stays');
    assert.ok(apps.length <= 4);
    await pool.close(0);
  });
});
