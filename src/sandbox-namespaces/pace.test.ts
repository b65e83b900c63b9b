/** What a process gets of the machine, as the kernel was told. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import type { InstanceId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { ECHO, makeSandboxFolder, nodeSpec } from '../ports/conformance/sandbox.ts';
import type { Sandbox, SandboxProcess } from '../ports/sandbox.ts';
import { openNamespacesSandbox } from './sandbox-namespaces.ts';

const skip =
  (process.platform !== 'linux' && 'needs Linux') ||
  (process.getuid?.() !== 0 && 'control groups are made as root');

/** A file of the control groups that the process itself is in. */
function settingOf({ pid }: SandboxProcess, file: string): string | undefined {
  const inside = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .split('\n')
    .map((line) => line.split(':')[2])
    .find((path) => path?.includes('/lambent-') === true);
  assert.ok(inside !== undefined, 'it is in a group of its own');
  const [path] = globSync(`/sys/fs/cgroup/{,*/}${inside.slice(1)}/${file}`);
  return path === undefined ? undefined : readFileSync(path, 'latin1').trim();
}

const settingsOf = (started: SandboxProcess) => ({
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

  it('is nothing that others want until it serves, and small where that takes long', async () => {
    const up = Promise.withResolvers<void>();
    const exit = Promise.withResolvers<void>();
    const listener = { onData: () => up.resolve(), onOutput() {}, onExit: () => exit.resolve() };
    const started = await sandbox.start('paced' as InstanceId, nodeSpec(folder, ECHO), listener);
    started.write(Buffer.from('up'));
    await up.promise;
    const paces = [settingsOf(started)];
    for (const pace of ['starting', 'serving', 'background'] as const) {
      started.setPace(pace);
      paces.push(settingsOf(started));
    }
    const [first, starting, serving, background] = paces.map(
      ({ shares, weight }) => Number(shares) || Number(weight) * 10,
    );
    assert.ok(serving! > starting! * 3, JSON.stringify(paces));
    assert.ok(first! < starting!, JSON.stringify(paces));
    assert.equal(background, first);
    assert.deepEqual(paces[3], paces[0]);
    started.kill();
    await exit.promise;
    // It has ended: nothing happens.
    started.setPace('serving');
  });
});
