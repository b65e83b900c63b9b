import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createDefects } from '../base/defects.ts';
import { silentLog } from '../base/log.ts';
import type { InstancePool } from '../ports/instance-pool.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { createProcessSandbox } from '../sandbox-process/sandbox-process.ts';
import { call, createScriptedPool, version } from './fixtures/scripted-pool.ts';

describe('an instance that somebody kills while it loads its code', { timeout: 30_000 }, () => {
  let folder = '';
  let sandbox: Sandbox;
  let pool: InstancePool;
  let onLoading: (pid: number) => void = () => {};

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-boot-'));
    sandbox = await createProcessSandbox({ runDir: join(folder, 'run'), log: silentLog, advice: undefined });
    const onLine = ({ text }: { text: string }): void => {
      const pid = /^loading in (\d+)/.exec(text)?.[1];
      if (pid !== undefined) onLoading(Number(pid));
    };
    pool = createScriptedPool(sandbox, folder, {}, onLine, createDefects(silentLog));
  });
  after(async () => {
    await pool.close(0);
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is replaced once, and the call that waits for it is served', async () => {
    const file = join(folder, 'once');
    await writeFile(file, '');
    let kills = 0;
    onLoading = (pid) => {
      kills += 1;
      void rm(file).then(() => process.kill(pid, 'SIGKILL'));
    };
    const { error, body } = await call(pool, version({ env: { HANGS_BY: file } }, 'hang'), '/ok');
    assert.deepEqual([error, kills], [undefined, 1]);
    assert.match(body, /^\d+$/);
  });

  it('fails what waits when it happens to the second one too', async () => {
    const file = join(folder, 'always');
    await writeFile(file, '');
    let kills = 0;
    onLoading = (pid) => {
      kills += 1;
      process.kill(pid, 'SIGKILL');
    };
    const { error } = await call(pool, version({ env: { HANGS_BY: file } }, 'hang'), '/ok');
    assert.deepEqual([error?.code, kills], ['E_BOOT_FAILED', 2]);
    assert.match(error!.message, /by signal SIGKILL while it loaded its code/);
  });
});
