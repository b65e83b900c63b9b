import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { openStore } from './store.ts';

/** A file system of 8 MB, or why there is none. */
function mountSmallDisk(folder: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'mounting a small file system needs root on Linux';
  }
}

const isFull = (thrown: unknown): boolean => thrown instanceof LambentError && thrown.code === 'E_DISK_FULL';

describe('the store on a disk that is really full', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lambent-full-'));
  const reason = mountSmallDisk(folder);
  after(() => {
    if (reason === undefined) execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true, force: true });
  });

  it('says so, keeps what it has, and works again once there is space', {
    skip: reason ?? false,
  }, async () => {
    const ballast = join(folder, 'ballast');
    const options = { folder: join(folder, 'data'), clock: new ManualClock(), log: silentLog };
    let store = await openStore(options);
    const add = (place: number): Promise<void> =>
      store.asyncQueue.enqueue({
        id: `01a3d0b2-1111-7000-8000-${place.toString(16).padStart(12, '0')}` as never,
        app: 'shop' as never,
        function: 'mail' as never,
        payload: Buffer.alloc(20_000, 'x'),
        traceparent: undefined,
        acceptedMs: place,
      });
    writeFileSync(ballast, Buffer.alloc(4 * 1024 * 1024));
    let stored = 0;
    await assert.rejects(async () => {
      for (; stored < 1_000; stored += 1) await add(stored);
    }, isFull);
    assert.ok(stored > 10, `${stored} fit`);
    await assert.rejects(add(stored), isFull);
    assert.equal((await store.asyncQueue.counts()).waiting, stored);
    rmSync(ballast);
    await add(stored);
    await store.close();
    store = await openStore(options);
    assert.equal((await store.asyncQueue.counts()).waiting, stored + 1);
    await store.close();
  });

  it('says so when a store is opened on it', { skip: reason ?? false }, async () => {
    const ballast = join(folder, 'ballast');
    try {
      for (let size = 1024 * 1024; size >= 1024; size /= 2) {
        for (let part = 0; part < 8; part += 1)
          writeFileSync(`${ballast}-${size}-${part}`, Buffer.alloc(size));
      }
    } catch {
      // As full as it gets.
    }
    const options = { folder: join(folder, 'other'), clock: new ManualClock(), log: silentLog };
    await assert.rejects(openStore(options), isFull);
  });
});
