import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import { ManualClock } from '../../base/manual-clock.ts';
import type { BuildJob } from './build-job.ts';
import { Builder } from './builder.ts';

describe('Builder', { timeout: 60_000 }, () => {
  let root: string;
  let builder: Builder;
  let builds = 0;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'lambent-builder-')));
    builder = new Builder({ clock: systemClock, log: silentLog, workDir: root });
  });
  after(async () => {
    await builder.close();
    await rm(root, { recursive: true, force: true });
  });

  async function job(source: string, entry = 'index.js'): Promise<BuildJob> {
    builds += 1;
    const folder = join(root, `app${builds}`);
    const outDir = join(root, `out${builds}`);
    await mkdir(dirname(join(folder, entry)), { recursive: true });
    await mkdir(outDir);
    await writeFile(join(folder, entry), source);
    return { folder, entry, outDir, external: [], include: [], modulesDir: undefined, confined: false };
  }

  it('builds in a process of its own', async () => {
    const output = await builder.build(await job('export default { fetch: () => new Response("hi") };'));
    assert.equal(output.entry, 'index.mjs');
    assert.notEqual(builder.pid, undefined);
    assert.notEqual(builder.pid, process.pid);
  });

  it('passes faults on', async () => {
    await assert.rejects(builder.build(await job('const = 1;')), (error: LambentError) => {
      assert.ok(error instanceof LambentError);
      assert.equal(error.code, 'E_BUILD_FAILED');
      assert.match(error.message, /^index\.js:1:7: /);
      return true;
    });
  });

  it('survives sources that crash the bundler, and blames only them', async () => {
    const deep = await job(`export default ${'['.repeat(400_000)}${']'.repeat(400_000)};`);
    const others = await Promise.all(['1', '2', '3'].map((value) => job(`export default ${value};`)));
    const [bad, ...good] = await Promise.allSettled([deep, ...others].map((each) => builder.build(each)));
    assert.equal(bad?.status, 'rejected');
    assert.match(String(bad.status === 'rejected' && bad.reason.message), /bundler crashed .* on index\.js/);
    for (const each of good) assert.equal(each.status, 'fulfilled');
    assert.match(await readFile(join(others[2]!.outDir, 'index.mjs'), 'utf8'), /3/);
  });

  it('stops a build that takes too long', async () => {
    const clock = new ManualClock();
    const slow = new Builder({ clock, log: silentLog, workDir: root, buildMsMax: 1_000 });
    try {
      // The process is not even started when the time is up: nothing can answer before.
      const building = slow.build(await job('export default 1;'));
      clock.advance(1_001);
      await assert.rejects(building, /building index\.js took longer than 1000 ms/);
      assert.equal((await slow.build(await job('export default 2;'))).entry, 'index.mjs');
    } finally {
      await slow.close();
    }
  });

  it('lets the process go when there is nothing to do, and starts it again', async () => {
    const clock = new ManualClock();
    const resting = new Builder({ clock, log: silentLog, workDir: root, idleMs: 5_000 });
    try {
      await resting.build(await job('export default 1;'));
      assert.notEqual(resting.pid, undefined);
      clock.advance(5_001);
      assert.equal(resting.pid, undefined);
      await resting.build(await job('export default 2;'));
      assert.notEqual(resting.pid, undefined);
    } finally {
      await resting.close();
    }
  });

  it('rejects what runs and what comes when it is closed', async () => {
    const closing = new Builder({ clock: systemClock, log: silentLog, workDir: root });
    const running = closing.build(await job('export default 1;'));
    const [outcome] = await Promise.allSettled([running, closing.close()]);
    assert.equal(outcome.status, 'rejected');
    await assert.rejects(closing.build(await job('export default 1;')), { code: 'E_SHUTTING_DOWN' });
  });

  it('ends when the platform is killed', async () => {
    const { spawn } = await import('node:child_process');
    const parent = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { Builder } from ${JSON.stringify(new URL('./builder.ts', import.meta.url).href)};
       import { systemClock } from ${JSON.stringify(new URL('../../base/clock.ts', import.meta.url).href)};
       const log = { debug() {}, info() {}, warn() {}, error() {} };
       const builder = new Builder({ clock: systemClock, log, workDir: ${JSON.stringify(root)} });
       const job = { folder: '/', entry: 'none.js', outDir: '/', external: [], include: [], modulesDir: undefined, confined: false };
       builder.build(job).catch(() => {});
       console.log(builder.pid);
       setInterval(() => {}, 1000);`,
    ]);
    const [line] = await once(parent.stdout, 'data');
    const pid = Number(String(line));
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    const deadline = Date.now() + 10_000;
    while (isAlive(pid) && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isAlive(pid), false);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
