/** Freezing by control groups of version 2, which needs no controller: also where those are all of version 1. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../base/clock.ts';
import { applyPace, canFreeze, makeControlGroups, removeControlGroups } from '../spawner/control-groups.ts';
import type { ControlGroup } from '../spawner/spawner-protocol.ts';
import { withFreezerV2 } from './control-group-home.ts';

/** Where version 2 is mounted and groups can be made; `undefined`: nowhere. */
function findUnified(): string | undefined {
  if (!existsSync('/proc/self/mountinfo')) return undefined;
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    if (!/ - cgroup2 /.test(line)) continue;
    const mount = line.split(' ')[4]!;
    const probe = join(mount, `lambent-probe-${process.pid}`);
    try {
      mkdirSync(probe);
      rmdirSync(probe);
      return mount;
    } catch {
      // Not ours to change.
    }
  }
  return undefined;
}

const unified = findUnified();
const skip = unified === undefined ? 'no control groups of version 2 can be made here' : false;
const NO_SHARES = { background: [], starting: [], serving: [], frozen: [] };

describe('a group of version 2', { skip, timeout: 30_000 }, () => {
  const folder = join(unified ?? '', `lambent-freeze-test-${process.pid}`);
  const groups: ControlGroup[] = [{ folder, settings: [], paces: withFreezerV2(NO_SHARES) }];
  const children: ChildProcess[] = [];

  after(() => {
    removeControlGroups(groups, systemClock, assert.fail);
    for (const child of children) child.kill('SIGKILL');
  });

  /** A process that uses all the time it gets, and answers each line; it joins before it becomes the program. */
  async function startBusy(): Promise<ChildProcess> {
    const code =
      'process.stdin.on("data", () => console.log("here")); setInterval(() => { for (let at = 0; at < 1e6; at += 1); }, 1)';
    const join = `echo 0 > '${folder}/cgroup.procs' && exec "$@"`;
    const child = spawn('/bin/sh', ['-c', join, 'x', process.execPath, '-e', code], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    child.stdin!.write('\n');
    await once(child.stdout!, 'data');
    return child;
  }

  const usedUs = (): number =>
    Number(/^usage_usec (\d+)/.exec(readFileSync(join(folder, 'cpu.stat'), 'latin1'))?.[1]);

  async function untilFrozen(): Promise<void> {
    while (!/^frozen 1$/m.test(readFileSync(join(folder, 'cgroup.events'), 'latin1'))) await sleep(2);
  }

  it('gets no processor time while it is frozen, and goes on after it', async () => {
    makeControlGroups(groups);
    assert.ok(canFreeze(groups));
    const child = await startBusy();
    const beganUs = usedUs();
    while (usedUs() === beganUs) await sleep(2);
    applyPace(groups, 'frozen');
    await untilFrozen();
    const frozenUs = usedUs();
    child.stdin!.write('\n');
    // As long as another process needs to start and to answer.
    await once(spawn(process.execPath, ['-e', '']), 'exit');
    assert.equal(usedUs(), frozenUs);
    const answered = once(child.stdout!, 'data');
    applyPace(groups, 'serving');
    await answered;
    assert.ok(usedUs() > frozenUs);
  });

  it('ends while it is frozen, and nothing is left', async () => {
    const child = await startBusy();
    applyPace(groups, 'frozen');
    await untilFrozen();
    const ended = once(child, 'exit');
    removeControlGroups(groups, systemClock, assert.fail);
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    while (existsSync(folder)) await sleep(2);
  });
});
