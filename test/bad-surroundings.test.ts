import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import type { LambentError } from '../src/base/errors.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { processesWith } from './process-table.ts';

/** A machine that does not do its part. Who runs the platform is told what is wrong; what can go on goes on. */

const APP: AppFiles = {
  'functions/hello.js': 'export default async () => "hello you";',
  'functions/late.js': 'export default () => "started late";',
};

async function refusalOf(starting: Promise<TestPlatform>): Promise<LambentError> {
  const started = await starting.then(
    async (platform) => {
      await platform.close();
      return undefined;
    },
    (error: unknown) => error,
  );
  assert.ok(started !== undefined, 'it started');
  assert.equal((started as LambentError).name, 'LambentError', String(started));
  return started as LambentError;
}

/** A data folder with an app that was served, and stopped in order. */
async function usedFolder(): Promise<string> {
  const platform = await startTestPlatform({ app: APP });
  assert.equal(await (await platform.fetch('/hello')).text(), 'hello you');
  await platform.platform.close();
  return platform.folder;
}

async function servesAgain(folder: string): Promise<void> {
  const platform = await startTestPlatform({}, { folder });
  try {
    assert.equal(await (await platform.fetch('/hello')).text(), 'hello you');
  } finally {
    await platform.close();
  }
}

describe('a start that cannot be', { timeout: 60_000 }, () => {
  it('because the port is in use: says which, and lets go of the data folder', async () => {
    const folder = await usedFolder();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const error = await refusalOf(startTestPlatform({ app: APP }, { folder, port }));
    assert.equal(error.code, 'E_PORT_IN_USE');
    assert.equal(error.message, `port ${port} on 127.0.0.1 is in use by another program`);
    assert.match(error.hint, /--port/);
    assert.deepEqual(processesWith(folder), []);
    other.close();
    await servesAgain(folder);
  });

  it('because another platform holds the data folder: says who', async () => {
    const first = await startTestPlatform({ app: APP });
    const error = await refusalOf(startTestPlatform({}, { folder: first.folder }));
    assert.equal(error.code, 'E_STORE_LOCKED');
    assert.match(error.message, new RegExp(`Process ${process.pid} holds the data folder .*data`));
    assert.equal(await (await first.fetch('/hello')).text(), 'hello you');
    await first.close();
  });

  for (const [what, code, says, spoil] of [
    ['was written by a newer version', 'E_STORE_NEWER', /newer/, spoilNewer],
    ['is damaged', 'E_STORE_DAMAGED', /damaged|malformed/, spoilPages],
    ['is cut short', 'E_STORE_DAMAGED', /damaged|malformed/, (file: string) => truncate(file, 5_000)],
    [
      'is no database',
      'E_STORE_DAMAGED',
      /not a database/,
      (file: string) => writeFile(file, 'x'.repeat(10_000)),
    ],
  ] as const) {
    it(`because the database ${what}: says so, and leaves it as it is`, async () => {
      const folder = await usedFolder();
      const file = join(folder, 'data/lambent.db');
      await spoil(file);
      const bytes = readFileSync(file);
      const error = await refusalOf(startTestPlatform({ app: APP }, { folder }));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, says);
      assert.match(error.message, /lambent\.db/);
      assert.ok(bytes.equals(readFileSync(file)), 'the file was changed');
      assert.deepEqual(processesWith(folder), []);
      await rm(folder, { recursive: true, force: true });
    });
  }
});

async function spoilNewer(file: string): Promise<void> {
  const db = new DatabaseSync(file);
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE name LIKE '%migration%'").all();
  const name = String(tables[0]!.name);
  const row = db.prepare(`SELECT * FROM ${name}`).get()!;
  const columns = Object.keys(row);
  const values = columns.map((column) =>
    typeof row[column] === 'number' ? Number(row[column]) + 9_000 : `9000 ${row[column]}`,
  );
  db.prepare(`INSERT INTO ${name} (${columns}) VALUES (${columns.map(() => '?')})`).run(...values);
  db.close();
}

async function spoilPages(file: string): Promise<void> {
  const bytes = readFileSync(file);
  bytes.fill(0xa5, 100, Math.min(bytes.length, 40_000));
  await writeFile(file, bytes);
}

describe('a database that another program locks', { timeout: 60_000 }, () => {
  it('refuses what must be stored, serves the rest, and stores again afterwards', async () => {
    const platform = await startTestPlatform({ app: APP });
    try {
      const holder = `
        const { DatabaseSync } = require('node:sqlite');
        const db = new DatabaseSync(process.argv[1], { timeout: 5000 });
        db.exec('BEGIN IMMEDIATE');
        console.log('held');
        process.stdin.on('end', () => { db.exec('ROLLBACK'); db.close(); console.log('released'); }).resume();
      `;
      const other = spawn(process.execPath, ['-e', holder, join(platform.folder, 'data/lambent.db')], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await once(other.stdout, 'data');
      const path = '/apps/app/functions/hello/invocations?mode=async';
      const refused = platform.api('POST', path, {});
      assert.equal(await (await platform.fetch('/hello')).text(), 'hello you');
      assert.equal(await (await platform.fetch('/late')).text(), 'started late');
      const { status, json } = await refused;
      const { error } = json as { error: { code: string; message: string; retryable: boolean } };
      assert.deepEqual([status, error.code, error.retryable], [503, 'E_STORE_LOCKED', true], error.message);
      other.stdin.end();
      await once(other, 'exit');
      const { status: later, json: accepted } = await platform.api('POST', path, {});
      assert.equal(later, 202);
      const { id } = accepted as { id: string };
      assert.equal((await platform.waitForInvocation((record) => record.id === id)).status, 'ok');
    } finally {
      await platform.close();
    }
  });
});

describe('a full disk', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'lambent-e2e-full-'));
  const reason = mountSmallDisk(folder);
  after(() => {
    if (reason === undefined) execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true, force: true });
  });

  it('refuses what must be stored, serves the rest, and stores again once there is space', {
    skip: reason ?? false,
  }, async () => {
    const platform = await startTestPlatform({ app: APP }, { folder });
    let closed = false;
    try {
      assert.equal(await (await platform.fetch('/hello')).text(), 'hello you');
      const ballast = join(folder, 'ballast');
      fill(folder, ballast);
      const accepted: string[] = [];
      const path = '/apps/app/functions/hello/invocations?mode=async';
      const event = { name: 'x'.repeat(100_000) };
      let refusal: { status: number; json: never };
      // What fits in the space that the database holds already is stored.
      for (;;) {
        refusal = await platform.api('POST', path, event);
        if (refusal.status !== 202) break;
        accepted.push((refusal.json as { id: string }).id);
      }
      const { error } = refusal.json as { error: { code: string; message: string; hint: string } };
      assert.deepEqual([refusal.status, error.code], [507, 'E_DISK_FULL'], error.message);
      assert.match(error.hint, /space/);

      const archive = execFileSync('tar', ['-cz', '-C', join(folder, 'app'), 'functions']);
      const upload = await fetch(`${platform.url}/_lambent/api/v1/deployments`, {
        method: 'POST',
        headers: { 'content-type': 'application/gzip' },
        body: archive as Buffer<ArrayBuffer>,
      });
      const last = JSON.parse((await upload.text()).trimEnd().split('\n').at(-1)!);
      assert.equal(last.error?.code, 'E_DISK_FULL', JSON.stringify(last));

      for (let count = 0; count < 20; count += 1)
        assert.equal(await (await platform.fetch('/hello')).text(), 'hello you');
      const late = await platform.fetch('/late');
      assert.equal(await late.text(), 'started late');

      rmSync(ballast);
      const again = await platform.api('POST', path, event);
      assert.equal(again.status, 202);
      accepted.push((again.json as { id: string }).id);
      for (const id of accepted)
        assert.equal((await platform.waitForInvocation((record) => record.id === id)).status, 'ok');
      assert.deepEqual(await readdir(join(folder, 'data/scratch/uploads')), []);
      await platform.platform.close();
      closed = true;
    } finally {
      if (!closed) await platform.platform.close();
    }
    const second = await startTestPlatform({}, { folder });
    assert.equal(await (await second.fetch('/hello')).text(), 'hello you');
    await second.platform.close();
  });
});

/** A file system of 24 MB, or why there is none. */
function mountSmallDisk(folder: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'mounting a small file system needs root on Linux';
  }
}

/** Writes a file that takes all the space there is. */
function fill(folder: string, path: string): void {
  const { bavail, bsize } = statfsSync(folder);
  try {
    writeFileSync(path, Buffer.alloc(Number(bavail) * Number(bsize)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
