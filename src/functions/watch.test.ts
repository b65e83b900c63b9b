import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { BURST_MS, BURST_MS_MAX, type FolderWatch, watchFolder } from './watch.ts';

describe('watchFolder', { timeout: 30_000 }, () => {
  let root: string;
  let folder: string;
  let watching: FolderWatch;
  let calls: number;
  let onCall: () => void;

  beforeEach(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'lambent-watch-')));
    folder = join(root, 'app');
    await mkdir(join(folder, 'functions'), { recursive: true });
    await mkdir(join(folder, 'node_modules', 'x'), { recursive: true });
    await writeFile(join(folder, 'functions/a.ts'), '1');
    calls = 0;
    onCall = () => {};
  });
  afterEach(async () => {
    watching.close();
    await rm(root, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    watching = watchFolder({
      folder,
      clock: systemClock,
      log: silentLog,
      onChange: () => {
        calls += 1;
        onCall();
      },
    });
    await watching.ready;
  }

  /** Does something and waits for the call that it must lead to. */
  async function expectCall(act: () => Promise<void>): Promise<void> {
    const called = new Promise<void>((resolve) => {
      onCall = resolve;
    });
    await act();
    await called;
  }

  it('tells of a change once, also deep down', async () => {
    await start();
    await expectCall(() => writeFile(join(folder, 'functions/a.ts'), '2'));
    await expectCall(() => writeFile(join(folder, 'lambent.yaml'), ''));
  });

  it('makes one call of a burst, and does not wait for one without end', async () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    let changes = 0;
    let onEvent: () => void = () => {};
    const counting = Object.assign(Object.create(clock) as ManualClock, {
      nowMs: () => clock.nowMs(),
      after: (delayMs: number, task: () => void) => {
        if (delayMs === BURST_MS) {
          changes += 1;
          onEvent();
        }
        return clock.after(delayMs, task);
      },
    });
    watching = watchFolder({
      folder,
      clock: counting,
      log: silentLog,
      onChange: () => seen.push(clock.nowMs()),
    });
    await watching.ready;
    const startMs = clock.nowMs();
    const write = async (): Promise<void> => {
      const before = changes;
      const noticed = new Promise<void>((resolve) => {
        onEvent = () => changes > before && resolve();
      });
      await writeFile(join(folder, 'functions/a.ts'), `${before}`);
      await noticed;
    };
    await write();
    clock.advance(BURST_MS - 1);
    await write();
    clock.advance(BURST_MS - 1);
    assert.deepEqual(seen, []);
    clock.advance(1);
    assert.equal(seen.length, 1);
    const restMs = clock.nowMs();
    while (seen.length === 1) {
      await write();
      clock.advance(BURST_MS - 1);
    }
    assert.equal(seen[1]! - restMs, BURST_MS_MAX);
    assert.ok(restMs >= startMs);
  });

  it('leaves packages, git, its own data and editors alone', async () => {
    await mkdir(join(folder, '.git'));
    await mkdir(join(folder, '.lambent'));
    await start();
    await writeFile(join(folder, 'node_modules/x/index.js'), '');
    await writeFile(join(folder, '.git/HEAD'), '');
    await writeFile(join(folder, '.lambent/store.db'), '');
    for (const name of ['a.ts~', '.a.ts.swp', '4913', '.#a.ts', 'a.ts___jb_tmp___', 'a.ts.tmp.123'])
      await writeFile(join(folder, 'functions', name), '');
    // A change that counts comes after them: when it is told, theirs would have been.
    await expectCall(() => writeFile(join(folder, 'functions/a.ts'), '2'));
    assert.equal(calls, 1);
  });

  it('leaves alone what is not packed, and databases, unless `.lambentignore` says otherwise', async () => {
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, '.lambentignore'), '/data/\n!keep.db\n');
    await start();
    for (const name of ['dev.log', 'shop.db', 'shop.db-wal', 'shop.sqlite-journal', 'data/rows.csv'])
      await writeFile(join(folder, name), '');
    await expectCall(() => writeFile(join(folder, 'keep.db'), ''));
    assert.equal(calls, 1);
    // At most two calls tell of new rules, when they come and when everything is watched by them: the third is of the data.
    await expectCall(() => writeFile(join(folder, '.lambentignore'), '*.md\n'));
    for (let write = 0; write < 2; write += 1)
      await expectCall(() => writeFile(join(folder, 'data/rows.csv'), `${write}`));
  });

  it('follows saving by rename', async () => {
    await start();
    for (let round = 0; round < 3; round += 1)
      await expectCall(async () => {
        await writeFile(join(folder, 'functions/a.ts~'), `${round}`);
        await rename(join(folder, 'functions/a.ts~'), join(folder, 'functions/a.ts'));
      });
  });

  it('follows folders that come, go and come back', async () => {
    await start();
    await expectCall(() => mkdir(join(folder, 'lib')).then(() => {}));
    await expectCall(() => mkdir(join(folder, 'lib/deep')).then(() => {}));
    await expectCall(() => writeFile(join(folder, 'lib/deep/b.ts'), '1'));
    await expectCall(() => rm(join(folder, 'lib'), { recursive: true }));
    await expectCall(async () => {
      await mkdir(join(root, 'other/deep'), { recursive: true });
      await rename(join(root, 'other'), join(folder, 'lib'));
    });
    await expectCall(() => writeFile(join(folder, 'lib/deep/b.ts'), '2'));
  });

  it("finds the app's own folder again", async () => {
    await start();
    await rename(folder, join(root, 'away'));
    await expectCall(() => rename(join(root, 'away'), folder));
    await expectCall(() => writeFile(join(folder, 'functions/a.ts'), '2'));
    await rm(folder, { recursive: true });
    await expectCall(() => mkdir(join(folder, 'functions'), { recursive: true }).then(() => {}));
    await expectCall(() => writeFile(join(folder, 'functions/a.ts'), '3'));
  });

  it('is silent once closed', async () => {
    await start();
    watching.close();
    await writeFile(join(folder, 'functions/a.ts'), '2');
    const other = watchFolder({ folder, clock: systemClock, log: silentLog, onChange: () => onCall() });
    await other.ready;
    await expectCall(() => writeFile(join(folder, 'functions/a.ts'), '3'));
    other.close();
    assert.equal(calls, 0);
  });
});
