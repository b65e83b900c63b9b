import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createDefects } from '../base/defects.ts';
import { silentLog } from '../base/log.ts';
import type { InstancePool } from '../ports/instance-pool.ts';
import type { Pace, Sandbox } from '../ports/sandbox.ts';
import { createProcessSandbox } from '../sandbox-process/sandbox-process.ts';
import { call, createScriptedPool, version } from './fixtures/scripted-pool.ts';

describe('the pace of a start', { timeout: 30_000 }, () => {
  let folder = '';
  let sandbox: Sandbox;
  let pool: InstancePool;
  /** What each process was given, in the order of their starts. */
  const paces: Pace[][] = [];
  let onPace: (pace: Pace, pid: number) => void = () => {};

  /** The same sandbox, and what it is told about paces noted. */
  const noting = (inner: Sandbox): Sandbox => ({
    describe: () => inner.describe(),
    builds: inner.builds,
    close: () => inner.close(),
    async start(id, spec, listener) {
      const process = await inner.start(id, spec, listener);
      const own: Pace[] = [];
      paces.push(own);
      const setPace = process.setPace.bind(process);
      process.setPace = (pace) => {
        own.push(pace);
        setPace(pace);
        onPace(pace, process.pid);
      };
      return process;
    },
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-pace-'));
    sandbox = noting(
      await createProcessSandbox({ runDir: join(folder, 'run'), log: silentLog, advice: undefined }),
    );
    pool = createScriptedPool(sandbox, folder, {}, () => {}, createDefects(silentLog));
  });
  after(async () => {
    await pool.close(0);
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('grows where it takes long, and is that of all others once it serves', async () => {
    const file = join(folder, 'once');
    await writeFile(file, '');
    // The first hangs; its successor does not.
    onPace = (pace, pid) => {
      if (pace !== 'starting' || paces.length > 1) return;
      void rm(file).then(() => process.kill(pid, 'SIGKILL'));
    };
    const { error } = await call(pool, version({ env: { HANGS_BY: file } }, 'hang'), '/ok');
    assert.equal(error, undefined);
    assert.equal(paces.length, 2);
    assert.deepEqual(paces[0], ['starting']);
    assert.equal(paces[1]!.at(-1), 'serving');
  });
});
