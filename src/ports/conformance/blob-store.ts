import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { link, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { describe, it } from 'node:test';
import type { BlobDigest } from '../../model/function.ts';
import type { BlobStore } from '../blob-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';

type Content = Readonly<Record<string, string | { exec: string } | { link: string }>>;

const small: Content = { 'index.js': 'export default 1', 'lib/a.js': 'a', 'bin/run': { exec: '#!/bin/sh' } };
const hasCode = (code: string) => (thrown: unknown) => (thrown as { code?: string }).code === code;

/** Runs `act` with a way to write folders to be adopted. */
async function withFolders(
  act: (write: (content: Content) => Promise<string>) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'lambent-blob-'));
  let written = 0;
  try {
    await act(async (content) => {
      written += 1;
      const folder = join(root, `folder-${written}`);
      await mkdir(folder);
      for (const [path, what] of Object.entries(content)) {
        const absolute = join(folder, path);
        await mkdir(path.endsWith('/') ? absolute : dirname(absolute), { recursive: true });
        if (path.endsWith('/')) continue;
        if (typeof what === 'string') await writeFile(absolute, what);
        else if ('exec' in what) await writeFile(absolute, what.exec, { mode: 0o755 });
        else await symlink(what.link, absolute);
      }
      return folder;
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Holds an adapter to every sentence of `BlobStore`. */
export function exerciseBlobStore(open: OpenFresh<BlobStore>): void {
  const withBoth = (act: (store: BlobStore, write: (content: Content) => Promise<string>) => Promise<void>) =>
    withFresh(open, (store) => withFolders((write) => act(store, write)));

  describe('BlobStore', () => {
    it('takes a folder over and gives it back, also after a restart', () =>
      withFresh(open, (store, fresh) =>
        withFolders(async (write) => {
          const folder = await write(small);
          const digest = await store.adopt(folder);
          assert.match(digest, /^[0-9a-f]{64}$/);
          await assert.rejects(readFile(join(folder, 'index.js')), hasCode('ENOENT'));
          const again = await fresh.reopen();
          const path = await again.locate(digest);
          assert.ok(path !== undefined && isAbsolute(path));
          assert.equal(await readFile(join(path, 'lib/a.js'), 'utf8'), 'a');
          assert.deepEqual(await again.list(), [digest]);
        }),
      ));

    it('keeps one copy of equal folders', () =>
      withBoth(async (store, write) => {
        const first = await store.adopt(await write(small));
        assert.equal(await store.adopt(await write(small)), first);
        const many = await Promise.all(Array.from({ length: 8 }, () => write(small)));
        assert.deepEqual(new Set(await Promise.all(many.map((each) => store.adopt(each)))), new Set([first]));
        assert.deepEqual(await store.list(), [first]);
      }));

    it('does not count what was derived from the rest, where it is told so', () =>
      withBoth(async (store, write) => {
        const plain = await store.adopt(await write(small));
        const more = { ...small, 'made/index.js': 'from the rest' };
        assert.equal(await store.adopt(await write(more), 'made'), plain);
        assert.notEqual(await store.adopt(await write(more)), plain);
      }));

    it('tells apart paths, contents, modes, links and empty folders', () =>
      withBoth(async (store, write) => {
        const variants: Content[] = [
          {},
          { 'a.js': 'a' },
          { 'b.js': 'a' },
          { 'a.js': 'b' },
          { 'a.js': { exec: 'a' } },
          { 'a.js': 'a', 'b.js': { link: 'a.js' } },
          { 'a.js': 'a', 'b.js': 'a' },
          { 'a.js': 'a', 'empty/': '' },
          { 'a.js': '' },
        ];
        const digests = [];
        for (const content of variants) digests.push(await store.adopt(await write(content)));
        assert.equal(new Set(digests).size, variants.length);
        assert.deepEqual(await store.list(), digests.toSorted());
      }));

    it('refuses links that lead out and what is neither file, folder nor link', () =>
      withBoth(async (store, write) => {
        const bad = ['/etc/passwd', '../outside', 'lib/../../outside', '..', 'up/../..', 'lib/deep/../../..'];
        for (const target of bad) {
          const folder = await write({ ...small, 'up/x': 'x', bad: { link: target } });
          await assert.rejects(store.adopt(folder), hasCode('E_ARCHIVE_INVALID'), target);
          assert.equal(await readFile(join(folder, 'lib/a.js'), 'utf8'), 'a', 'it is left alone');
        }
        // Each link stays inside by its text; one through the other would not.
        const folder = await write({ 'a/b/up': { link: '../..' }, out: { link: 'a/b/up/../x' } });
        await assert.rejects(store.adopt(folder), hasCode('E_ARCHIVE_INVALID'));
        assert.deepEqual(await store.list(), []);
      }));

    it('keeps links that stay inside', () =>
      withBoth(async (store, write) => {
        const digest = await store.adopt(
          await write({
            'lib/a.js': 'a',
            'b.js': { link: './lib/a.js' },
            'x/y/c.js': { link: '../../b.js' },
          }),
        );
        const path = await store.locate(digest);
        assert.equal(await readFile(join(path!, 'x/y/c.js'), 'utf8'), 'a');
      }));

    it('does not change when a file it was linked from does', () =>
      withBoth(async (store, write) => {
        const cache = await write({ 'cached.js': 'before' });
        const folder = await write({ 'other.js': 'x' });
        await link(join(cache, 'cached.js'), join(folder, 'linked.js'));
        const digest = await store.adopt(folder);
        await writeFile(join(cache, 'cached.js'), 'after');
        const path = await store.locate(digest);
        assert.equal(await readFile(join(path!, 'linked.js'), 'utf8'), 'before');
      }));

    it('deletes, and says when there was none', () =>
      withBoth(async (store, write) => {
        const digest = await store.adopt(await write(small));
        assert.equal(await store.delete(digest), true);
        assert.equal(await store.delete(digest), false);
        assert.equal(await store.locate(digest), undefined);
        assert.deepEqual(await store.list(), []);
        assert.equal(await store.adopt(await write(small)), digest);
      }));

    it('knows nothing by a name that is no digest', () =>
      withBoth(async (store) => {
        const unknown = createHash('sha256').update('unknown').digest('hex');
        for (const name of [unknown, '', '..', '../..', 'x', `${unknown}/..`]) {
          assert.equal(await store.locate(name as BlobDigest), undefined);
          assert.equal(await store.delete(name as BlobDigest), false);
        }
      }));
  });
}
