import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, it } from 'node:test';
import { atEndOfTurn } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { ExecutionId, InvocationId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { AsyncInvocation } from '../ports/async-queue.ts';
import { mixedRecords, record } from '../ports/conformance/telemetry-samples.ts';
import { BUSY_WAIT_MS, DATABASE_FILE } from './database.ts';
import { openStore, type Store, type StoreOptions } from './store.ts';

const clock = new ManualClock();
const endings: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lambent-store-'));
  endings.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function open(folder: string, options: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await openStore({ folder, clock, log: silentLog, ...options });
  endings.push(() => store.close());
  return store;
}

const OPEN_STORE = `
  import { writeSync } from 'node:fs';
  import { systemClock } from ${JSON.stringify(import.meta.resolve('../base/clock.ts'))};
  import { silentLog } from ${JSON.stringify(import.meta.resolve('../base/log.ts'))};
  import { openStore } from ${JSON.stringify(import.meta.resolve('./store.ts'))};
  const store = await openStore({ folder: process.env.STORE_FOLDER, clock: systemClock, log: silentLog });
  // Whoever reads may be slower: a pipe that is full takes it later.
  const say = (line) => {
    for (;;)
      try {
        return writeSync(1, line + '\\n');
      } catch (thrown) {
        if (thrown.code !== 'EAGAIN') throw thrown;
      }
  };
  say('open');
`;

/** Stores invocations without end, several at once, and prints the id of each when it is acknowledged. */
const WRITE_WITHOUT_END = `
  let next = 0;
  const work = async () => {
    for (;;) {
      const id = '01a3d0b2-3333-7000-8000-' + (++next).toString(16).padStart(12, '0');
      const payload = Buffer.from('{}');
      await store.asyncQueue.enqueue({ id, app: 'shop', function: 'mail', payload, acceptedMs: 0 });
      say(id);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
`;

/** The same with executions and transitions of them. */
const APPEND_WITHOUT_END = `
  let next = 0;
  const work = async () => {
    for (;;) {
      const id = '01a3d0b2-4444-7000-8000-' + (++next).toString(16).padStart(12, '0');
      const started = { kind: 'started', atMs: 1, input: { json: null }, seed: '0'.repeat(32) };
      await store.journal.create({ id, app: 'shop', workflow: 'mail', kind: 'code', version: 'v', deployment: 1, priority: 0,
        entries: [started], claimBy: 'node' }, 1);
      say(id + ' 1');
      for (let seq = 1; seq < 4; seq += 1) {
        const entries = [{ kind: 'noted', atMs: 1, note: { seq } }];
        const nothing = { consumed: [], awaits: [], awaitsNoMore: [], messages: [], starts: [] };
        const next = { status: 'running' };
        const appended = await store.journal.append({ id, fence: 1, seq, entries, ...nothing, next, nowMs: 1 });
        if (!appended) throw new Error('the claim was lost');
        say(id + ' ' + (seq + 1));
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
`;

/** A process of its own that opens the store, says `open`, and goes on with `program`. */
function startChild(folder: string, program = ''): ChildProcess {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', OPEN_STORE + program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, STORE_FOLDER: folder },
  });
  const exited = once(child, 'exit');
  endings.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return child;
}

async function firstOutput(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('it ended without a word')));
  await Promise.race([once(child.stdout!, 'data'), ended]);
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

/** Nothing is written until the answer is called, at most for BUSY_WAIT_MS: whoever would waits for this connection. */
function holdWriter(folder: string): () => void {
  const other = new DatabaseSync(join(folder, DATABASE_FILE), { timeout: BUSY_WAIT_MS });
  other.exec('BEGIN IMMEDIATE');
  return () => {
    other.exec('COMMIT');
    other.close();
  };
}

const endOfTurn = (): Promise<void> => new Promise(atEndOfTurn);

function invocation(place: number, payload = '{}'): Omit<AsyncInvocation, 'attempts'> {
  return {
    id: `01a3d0b2-1111-7000-8000-${place.toString(16).padStart(12, '0')}` as InvocationId,
    app: 'shop' as AppName,
    function: 'mail' as FunctionName,
    payload: Buffer.from(payload),
    traceparent: undefined,
    acceptedMs: place,
  };
}

const hasCode =
  (code: string) =>
  (thrown: unknown): boolean =>
    thrown instanceof LambentError && thrown.code === code;

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

describe('the store: group commit', () => {
  it('commits operations that wait together in few transactions', async () => {
    const folder = newFolder();
    const store = await open(folder);
    const before = await store.stats();
    const release = holdWriter(folder);
    const all = Array.from({ length: 1_000 }, (_, place) => store.asyncQueue.enqueue(invocation(place)));
    // The last of them leave at the end of the turn.
    await endOfTurn();
    release();
    await Promise.all(all);
    const after = await store.stats();
    assert.ok(after.operations - before.operations >= 1_000);
    // One for what had come when the writer was held, one for all others, and one each for the question before and for
    // tidying.
    assert.ok(after.transactions - before.transactions <= 4, `${after.transactions - before.transactions}`);
    assert.equal((await store.asyncQueue.counts()).waiting, 1_000);
  });

  it('undoes and answers a failing operation alone', async () => {
    const store = await open(newFolder());
    const bad = { ...invocation(3), acceptedMs: 'soon' as unknown as number };
    const outcomes = await Promise.allSettled([
      store.asyncQueue.enqueue(invocation(1)),
      store.apps.switchTraffic('none' as AppName, [{ number: 1, weight: 100 }], 0),
      store.asyncQueue.enqueue(bad),
      store.telemetry.append([record(), { ...record(), id: 'x'.repeat(36) as InvocationId }], []),
      store.asyncQueue.enqueue(invocation(2)),
    ]);
    assert.deepEqual(
      outcomes.map((each) => (each.status === 'fulfilled' ? 'kept' : (each.reason as LambentError).code)),
      ['kept', 'E_NOT_FOUND', 'E_STORE_FAILED', 'E_INTERNAL', 'kept'],
    );
    assert.equal((await store.asyncQueue.counts()).waiting, 2);
    assert.deepEqual((await store.telemetry.listInvocations({}, 10)).items, []);
    assert.deepEqual(await store.telemetry.usage(0, Number.MAX_SAFE_INTEGER), []);
  });

  it('lets a read see what was acknowledged before it', async () => {
    const store = await open(newFolder());
    for (let place = 1; place <= 50; place += 1) {
      await store.asyncQueue.enqueue(invocation(place));
      assert.equal((await store.asyncQueue.counts()).waiting, place);
    }
  });

  it('keeps every write that was acknowledged before a SIGKILL', async () => {
    const folder = newFolder();
    for (const acksWanted of [1, 100, 700]) {
      const child = startChild(folder, WRITE_WITHOUT_END);
      const acknowledged: string[] = [];
      for await (const line of createInterface({ input: child.stdout! })) {
        if (line === 'open') continue;
        acknowledged.push(line);
        if (acknowledged.length === acksWanted) child.kill('SIGKILL');
      }
      assert.ok(acknowledged.length >= acksWanted);
      const store = await openStore({ folder, clock, log: silentLog });
      const claimed = new Set<string>();
      for (;;) {
        const some = await store.asyncQueue.claim('node' as never, 0, 1_000);
        if (some.length === 0) break;
        for (const each of some) {
          claimed.add(each.id);
          await store.asyncQueue.complete(each.id, each.fence);
        }
      }
      await store.close();
      assert.deepEqual(
        acknowledged.filter((id) => !claimed.has(id)),
        [],
      );
    }
  });

  it('loses no acknowledged transition of an execution when the process is killed, and has none half', async () => {
    const folder = newFolder();
    const acknowledged = new Map<string, number>();
    for (const least of [1, 40, 300]) {
      const child = startChild(folder, APPEND_WITHOUT_END.replace('next = 0', `next = ${least * 100_000}`));
      let heard = 0;
      for await (const line of createInterface({ input: child.stdout! })) {
        const [id, entries] = line.split(' ');
        if (entries === undefined) continue;
        acknowledged.set(id!, Number(entries));
        heard += 1;
        if (heard === least) child.kill('SIGKILL');
      }
      const store = await open(folder);
      for (const [id, entries] of acknowledged) {
        const found = await store.journal.history(id as ExecutionId, 0, 10);
        assert.ok(found.length >= entries, `${id}: ${found.length} of ${entries}`);
        assert.ok(found.length <= 4, `${id} has ${found.length}`);
      }
      await store.close();
    }
  });
});

describe('the store: opening', () => {
  it('refuses a folder that another process holds, names it, and opens when that is gone', async () => {
    const folder = newFolder();
    const child = startChild(folder);
    await firstOutput(child);
    await assert.rejects(open(folder), (thrown: LambentError) => {
      assert.equal(thrown.code, 'E_STORE_LOCKED');
      assert.equal(thrown.details?.pid, child.pid);
      assert.match(thrown.message, new RegExp(`Process ${child.pid} holds`));
      return true;
    });
    await kill(child);
    const store = await open(folder);
    assert.deepEqual(await store.apps.listApps(), []);
  });

  it('refuses a second store in the same process, and opens after the first is closed', async () => {
    const folder = newFolder();
    const store = await open(folder);
    await assert.rejects(open(folder), hasCode('E_STORE_LOCKED'));
    assert.equal(await store.access.addToken({ name: 'a', hash: 'h', createdMs: 0 }), true);
    await store.close();
    await open(folder);
  });

  it('refuses a database with a migration it does not know, unchanged', async () => {
    const folder = newFolder();
    const path = join(folder, DATABASE_FILE);
    await (await open(folder)).close();
    const db = new DatabaseSync(path);
    db.exec("INSERT INTO migrations VALUES (9999, 'from-the-future', 'ff', 0); CREATE TABLE future (x)");
    db.close();
    const before = hashOf(path);
    await assert.rejects(open(folder), hasCode('E_STORE_NEWER'));
    assert.equal(hashOf(path), before);
  });

  it('refuses a database that had a migration in another form', async () => {
    const folder = newFolder();
    const path = join(folder, DATABASE_FILE);
    await (await open(folder)).close();
    const db = new DatabaseSync(path);
    db.exec("UPDATE migrations SET hash = 'edited'");
    db.close();
    await assert.rejects(open(folder), hasCode('E_STORE_DAMAGED'));
  });

  it('refuses files that are no database, or that of another program, unchanged', async () => {
    const text = newFolder();
    writeFileSync(
      join(text, DATABASE_FILE),
      'this is no database at all, but some text of a person\n'.repeat(100),
    );
    const foreign = newFolder();
    const db = new DatabaseSync(join(foreign, DATABASE_FILE));
    db.exec("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')");
    db.close();
    for (const folder of [text, foreign]) {
      const before = hashOf(join(folder, DATABASE_FILE));
      await assert.rejects(open(folder), hasCode('E_STORE_DAMAGED'));
      assert.equal(hashOf(join(folder, DATABASE_FILE)), before);
    }
  });

  it('says so when the database is cut short or overwritten', async () => {
    const folder = newFolder();
    const path = join(folder, DATABASE_FILE);
    const store = await open(folder);
    await store.telemetry.append(mixedRecords(5_000, 60_000, 1), []);
    await store.close();
    const whole = readFileSync(path);
    truncateSync(path, Math.floor(whole.length / 2));
    await assert.rejects(open(folder), hasCode('E_STORE_DAMAGED'));
    // Damage further in is found when it is read.
    writeFileSync(
      path,
      Buffer.concat([whole.subarray(0, 40_960), Buffer.alloc(whole.length - 40_960, 0x5a)]),
    );
    const act = async (): Promise<void> => {
      const damaged = await open(folder);
      await damaged.telemetry.listInvocations({}, 10);
    };
    await assert.rejects(act, hasCode('E_STORE_DAMAGED'));
  });

  it('takes an empty file for a new database', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, DATABASE_FILE), '');
    assert.deepEqual(await (await open(folder)).apps.listApps(), []);
  });

  it('says so when the folder cannot be made', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'file'), '');
    await assert.rejects(open(join(folder, 'file', 'data')), hasCode('E_STORE_FAILED'));
  });
});

describe('the store: closing', () => {
  it('finishes what waits, then refuses', async () => {
    const folder = newFolder();
    const store = await open(folder);
    const waiting = Array.from({ length: 100 }, (_, place) => store.asyncQueue.enqueue(invocation(place)));
    await Promise.all([store.close(), store.close()]);
    await Promise.all(waiting);
    await assert.rejects(store.asyncQueue.enqueue(invocation(1)), hasCode('E_SHUTTING_DOWN'));
    await assert.rejects(store.asyncQueue.counts(), hasCode('E_SHUTTING_DOWN'));
    assert.equal((await (await open(folder)).asyncQueue.counts()).waiting, 100);
  });
});

describe('the store: a full disk', () => {
  const big = (place: number): Omit<AsyncInvocation, 'attempts'> =>
    invocation(place, JSON.stringify('x'.repeat(50_000)));

  it('refuses writes, keeps the rest working, and writes again once there is space', async () => {
    const store = await open(newFolder(), { pagesMax: 400 });
    await store.telemetry.append(mixedRecords(1_000, 60_000, 9), []);
    const fill = async (from: number): Promise<number> => {
      let stored = from;
      await assert.rejects(async () => {
        for (; stored < 1_000; stored += 1) await store.asyncQueue.enqueue(big(stored));
      }, hasCode('E_DISK_FULL'));
      return stored;
    };
    const stored = await fill(0);
    assert.ok(stored > 3, 'some fit');
    assert.equal((await store.asyncQueue.counts()).waiting, stored, 'reading goes on');
    // Deleting needs no space; most other writes may need a page, and whether one is left depends on the tables.
    assert.equal((await store.telemetry.prune(0, 0, 0)).invocations, 1_000);
    assert.equal(await store.access.addToken({ name: 'a', hash: 'h', createdMs: 0 }), true);
    const [claimed] = await store.asyncQueue.claim('node' as never, 1_000, 1);
    assert.equal(await store.asyncQueue.complete(claimed!.id, claimed!.fence), true);
    const again = await fill(stored + 1);
    assert.ok(again > stored + 1, 'more fits again');
    assert.equal((await store.asyncQueue.counts()).waiting, again - 2);
  });

  it('lets small operations through that waited with one that is too big', async () => {
    const store = await open(newFolder(), { pagesMax: 300 });
    const outcomes = await Promise.allSettled([
      store.asyncQueue.enqueue(invocation(1)),
      store.asyncQueue.enqueue(invocation(2, JSON.stringify('x'.repeat(3_000_000)))),
      store.asyncQueue.enqueue(invocation(3)),
    ]);
    assert.deepEqual(
      outcomes.map((each) => each.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal((await store.asyncQueue.counts()).waiting, 2);
  });
});
