import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { access, constants, lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { exerciseBlobStore } from '../ports/conformance/blob-store.ts';
import { openBlobStore } from './blob-store.ts';
import { BLOB_DEPTH_MAX } from './walk-folder.ts';

exerciseBlobStore(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-blobs-'));
  return {
    port: await openBlobStore({ folder }),
    reopen: () => openBlobStore({ folder }),
    async close() {
      await rm(folder, { recursive: true, force: true });
    },
  };
});

async function withFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-blobs-'));
  try {
    await act(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const hasCode =
  (code: string) =>
  (thrown: unknown): boolean =>
    thrown instanceof LambentError && thrown.code === code;

describe('blobs as folders', () => {
  it('are read-only and keep what may be executed', () =>
    withFolder(async (root) => {
      const store = await openBlobStore({ folder: join(root, 'blobs') });
      const source = join(root, 'source');
      await mkdir(join(source, 'lib'), { recursive: true });
      await writeFile(join(source, 'lib', 'a.js'), 'a');
      await writeFile(join(source, 'run'), '#!/bin/sh', { mode: 0o777 });
      const path = (await store.locate(await store.adopt(source)))!;
      const modeOf = async (name: string): Promise<number> => (await lstat(join(path, name))).mode & 0o777;
      assert.deepEqual(
        [await modeOf('.'), await modeOf('lib'), await modeOf('lib/a.js'), await modeOf('run')],
        [0o555, 0o555, 0o444, 0o555],
      );
    }));

  it('that a crash left unfinished are removed at the next start', () =>
    withFolder(async (folder) => {
      const left = join(folder, '.working-123-1', 'lib');
      await mkdir(left, { recursive: true });
      await writeFile(join(left, 'a.js'), 'a', { mode: 0o444 });
      await writeFile(join(folder, '.working-123-1.copy-0'), 'half');
      const store = await openBlobStore({ folder });
      assert.deepEqual(await readdir(folder), []);
      assert.deepEqual(await store.list(), []);
    }));

  it('leave nothing behind when they are refused', () =>
    withFolder(async (root) => {
      const folder = join(root, 'blobs');
      const store = await openBlobStore({ folder });
      await assert.rejects(store.adopt(join(root, 'missing')), hasCode('E_STORE_FAILED'));
      await writeFile(join(root, 'file'), 'x');
      await assert.rejects(store.adopt(join(root, 'file')), hasCode('E_ARCHIVE_INVALID'));
      const deep = join(root, 'deep');
      await mkdir(join(deep, ...Array.from({ length: BLOB_DEPTH_MAX + 1 }, () => 'd')), { recursive: true });
      await assert.rejects(store.adopt(deep), hasCode('E_ARCHIVE_TOO_LARGE'));
      await access(deep, constants.R_OK);
      assert.deepEqual(await readdir(folder), []);
    }));

  const noFifo = spawnSync('mkfifo', ['--version']).error === undefined ? false : 'there is no mkfifo here';
  it('take no pipes or devices', { skip: noFifo }, () =>
    withFolder(async (root) => {
      const store = await openBlobStore({ folder: join(root, 'blobs') });
      const source = join(root, 'source');
      await mkdir(source);
      spawnSync('mkfifo', [join(source, 'pipe')]);
      await assert.rejects(store.adopt(source), hasCode('E_ARCHIVE_INVALID'));
    }),
  );

  it('cannot be kept where no folder can be', () =>
    withFolder(async (root) => {
      await writeFile(join(root, 'file'), 'x');
      await assert.rejects(openBlobStore({ folder: join(root, 'file', 'blobs') }), hasCode('E_STORE_FAILED'));
    }));
});
