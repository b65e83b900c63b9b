/** What a process gets of the machine, as the kernel was told. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { ECHO, makeSandboxFolder, nodeSpec, type Started, startIn } from '../ports/conformance/sandbox.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { openNamespacesSandbox } from './sandbox-namespaces.ts';

const skip =
  (process.platform !== 'linux' && 'needs Linux') ||
  (process.getuid?.() !== 0 && 'control groups are made as root');

/** A file of the control groups that the process itself is in. */
function settingOf({ process: { pid } }: Started, file: string): string | undefined {
  const inside = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .split('\n')
    .map((line) => line.split(':')[2])
    .find((path) => path?.includes('/lambent-') === true);
  assert.ok(inside !== undefined, 'it is in a group of its own');
  const [path] = globSync(`/sys/fs/cgroup/{,*/}${inside.slice(1)}/${file}`);
  return path === undefined ? undefined : readFileSync(path, 'latin1').trim();
}

const settingsOf = (started: Started) => ({
  shares: settingOf(started, 'cpu.shares'),
  weight: settingOf(started, 'cpu.weight'),
  idle: settingOf(started, 'cpu.idle'),
});

describe('the pace of a process', { skip, timeout: 60_000 }, () => {
  let folder = '';
  let sandbox: Sandbox;
  before(async () => {
    folder = await makeSandboxFolder();
    const opened = await openNamespacesSandbox({
      runDir: join(folder, 'run'),
      codeRoot: join(folder, 'code'),
      clock: systemClock,
      log: silentLog,
    });
    assert.ok(!('reason' in opened), 'reason' in opened ? opened.reason : '');
    sandbox = opened;
  });
  after(async () => {
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is small until it serves, and nothing in the background', async () => {
    const started = await startIn(sandbox, nodeSpec(folder, ECHO));
    started.process.write(Buffer.from('up'));
    await started.until('up');
    const paces = [settingsOf(started)];
    for (const pace of ['serving', 'background', 'starting'] as const) {
      started.process.setPace(pace);
      paces.push(settingsOf(started));
    }
    const [first, serving, background, last] = paces.map(
      ({ shares, weight }) => Number(shares) || Number(weight) * 10,
    );
    assert.ok(serving! > first! * 3, JSON.stringify(paces));
    assert.ok(background! < first!, JSON.stringify(paces));
    assert.equal(last, first);
    started.process.kill();
    await started.exit;
    // It has ended: nothing happens.
    started.process.setPace('serving');
  });
});
