import assert from 'node:assert/strict';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { create, extract } from 'tar';
import type { LambentError } from '../../base/errors.ts';
import { packApp } from '../pack.ts';
import { unpackArchive } from './archive.ts';
import { encodeTarHeader, tarPadding } from './tar-headers.ts';

interface Entry {
  readonly name: string;
  readonly type?: string;
  readonly body?: string | Buffer;
  readonly link?: string;
}

/** A tar by hand, with whatever a hostile sender would write. */
function tarOf(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, type = '0', body = '', link = '' }) => {
    const data = Buffer.from(body);
    const header = Buffer.from(encodeTarHeader('x', data.length, false));
    header.fill(0, 0, 100);
    header.write(name, 0, 100, 'utf8');
    header.write(type, 156, 'latin1');
    header.write(link, 157, 100, 'utf8');
    let sum = 8 * 0x20;
    for (const [at, byte] of header.entries()) if (at < 148 || at >= 156) sum += byte;
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return [header, data, Buffer.alloc(tarPadding(data.length))];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

async function* inPieces(bytes: Buffer, size = 1 << 16): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('archives', { timeout: 60_000 }, () => {
  let root: string;
  let target: string;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'lambent-archive-')));
  });
  beforeEach(async () => {
    target = join(await mkdtemp(join(root, 'case-')), 'app');
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function refused(archive: Buffer, code: string, pattern: RegExp): Promise<void> {
    await assert.rejects(unpackArchive(inPieces(archive), target), (error: LambentError) => {
      assert.equal(error.code, code, String(error));
      assert.match(error.message, pattern);
      return true;
    });
    assert.deepEqual(await readdir(dirname(target)), [], 'something was left behind');
  }
  const refusedEntry = (entries: readonly Entry[], pattern: RegExp) =>
    refused(gzipSync(tarOf(entries)), 'E_ARCHIVE_INVALID', pattern);

  async function appOf(files: Record<string, string>): Promise<string> {
    const folder = join(dirname(target), 'My App');
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    return folder;
  }

  describe('unpackArchive', () => {
    it('unpacks files and folders, in whatever pieces they come', async () => {
      const archive = gzipSync(
        tarOf([
          { name: './', type: '5' },
          { name: './empty/', type: '5' },
          { name: 'a.txt', body: 'a'.repeat(1_000) },
          { name: 'deep/er/b.txt', body: '' },
          { name: 'deep/', type: '5' },
        ]),
      );
      for (const size of [1, 7, 512, 100_000]) {
        await unpackArchive(inPieces(archive, size), target);
        assert.deepEqual((await readdir(target, { recursive: true })).toSorted(), [
          'a.txt',
          'deep',
          'deep/er',
          'deep/er/b.txt',
          'empty',
        ]);
        assert.equal(await readFile(join(target, 'a.txt'), 'utf8'), 'a'.repeat(1_000));
        await rm(target, { recursive: true });
      }
    });

    it('reads what other tools write, long names included', async () => {
      const long = `${'long-'.repeat(15)}/${'name-'.repeat(20)}/ü.txt`;
      const folder = await appOf({ [long]: 'x', 'a.txt': 'a' });
      const archive = await collect(
        create({ gzip: true, cwd: folder }, ['.']) as unknown as AsyncIterable<Uint8Array>,
      );
      await unpackArchive(inPieces(archive), target);
      assert.equal(await readFile(join(target, long), 'utf8'), 'x');
    });

    it('refuses paths that leave the folder', async () => {
      await refusedEntry([{ name: 'ok.txt' }, { name: '../evil.txt', body: 'x' }], /`\.\.\/evil\.txt`/);
      await refusedEntry([{ name: 'a/../../evil.txt' }], /`\.\.`/);
      await refusedEntry([{ name: '/etc/evil' }], /absolute/);
      await refusedEntry([{ name: '..\\evil.txt' }], /backslashes/);
      await refusedEntry([{ name: 'C:/evil.txt' }], /drive letter/);
      await refusedEntry([{ name: 'a//b' }], /empty parts/);
      await refusedEntry([{ name: 'a\nb' }], /control/);
      await refusedEntry([{ name: 'x', type: 'x', body: '25 path=../../evil-file\n' }], /pax|`\.\.`/);
      await refusedEntry(
        [{ name: 'x', type: 'x', body: '19 path=../../evil\n' }, { name: 'fine' }],
        /`\.\.`/,
      );
      await refusedEntry([{ name: 'x', type: 'L', body: '../evil\0' }, { name: 'fine' }], /`\.\.`/);
      await refusedEntry(
        [{ name: 'x', type: 'g', body: '19 path=../../evil\n' }, { name: 'fine' }],
        /global/,
      );
    });

    it('refuses everything but files and folders', async () => {
      await refusedEntry(
        [
          { name: 'l', type: '2', link: '/etc' },
          { name: 'l/passwd', body: 'x' },
        ],
        /symbolic links.*`l`/,
      );
      await refusedEntry([{ name: 'h', type: '1', link: '/etc/passwd' }], /hard links.*`h`/);
      for (const type of ['3', '4']) await refusedEntry([{ name: 'dev', type }], /devices/);
      await refusedEntry([{ name: 'pipe', type: '6' }], /named pipes/);
      await refusedEntry([{ name: 'odd', type: 'S' }], /type "S"/);
    });

    it('refuses names that occur twice or differ in case alone', async () => {
      await refusedEntry([{ name: 'a' }, { name: 'a' }], /twice/);
      await refusedEntry([{ name: 'a/b' }, { name: './a/b' }], /twice/);
      await refusedEntry([{ name: 'a' }, { name: 'A' }], /case/);
      await refusedEntry([{ name: 'Dir/x' }, { name: 'dir/y' }], /case/);
      await refusedEntry([{ name: 'a' }, { name: 'a/b' }], /twice/);
      await refusedEntry([{ name: 'a/b' }, { name: 'a' }], /twice/);
      await refusedEntry([{ name: 'e\u0301' }, { name: '\u00e9' }], /case or writing/);
    });

    it('refuses over-long names and too many folders', async () => {
      const long = Buffer.from(`${'n'.repeat(300)}\0`);
      await refusedEntry([{ name: 'x', type: 'L', body: long }, { name: 'y' }], /more than 255 bytes/);
      const path = `${'p/'.repeat(600)}x`;
      await refusedEntry(
        [{ name: 'x', type: 'L', body: `${path}\0` }, { name: 'y' }],
        /more than 1024 bytes/,
      );
      const deep = `${'d/'.repeat(100)}x`;
      await refusedEntry([{ name: 'x', type: 'L', body: `${deep}\0` }, { name: 'y' }], /folders within/);
      await refusedEntry(
        [{ name: 'x', type: 'x', body: 'z'.repeat(70_000) }, { name: 'y' }],
        /extended names/,
      );
    });

    it('refuses damaged and cut archives', async () => {
      const good = gzipSync(tarOf([{ name: 'a.txt', body: 'x'.repeat(5_000) }]));
      await refused(good.subarray(0, good.length - 20), 'E_ARCHIVE_INVALID', /too early/);
      await refused(Buffer.from('no gzip at all'), 'E_ARCHIVE_INVALID', /no valid gzip/);
      await refused(gzipSync(Buffer.from('x'.repeat(2_000))), 'E_ARCHIVE_INVALID', /damaged header/);
      await refused(
        gzipSync(tarOf([{ name: 'a.txt', body: 'x'.repeat(5_000) }]).subarray(0, 2_000)),
        'E_ARCHIVE_INVALID',
        /too early.*a\.txt/,
      );
      await refused(gzipSync(Buffer.alloc(0)), 'E_ARCHIVE_INVALID', /too early/);
      await refused(Buffer.alloc(0), 'E_ARCHIVE_INVALID', /too early/);
    });

    it('stops bombs at their limits', async () => {
      const zeros = gzipSync(tarOf([{ name: 'bomb', body: Buffer.alloc(40 * 1024 * 1024) }]));
      assert.ok(zeros.length < 100_000);
      await refused(zeros, 'E_ARCHIVE_TOO_LARGE', /200 times its size at `bomb`/);
      const limits = { archiveBytesMax: 1_000, unpackedBytesMax: 2_000, entriesMax: 3 };
      const many = gzipSync(tarOf(['a', 'b', 'c', 'd'].map((name) => ({ name }))));
      await assert.rejects(unpackArchive(inPieces(many), target, limits), /more than 3 entries at `d`/);
      const large = gzipSync(tarOf([{ name: 'big', body: 'x'.repeat(2_001) }]));
      await assert.rejects(unpackArchive(inPieces(large), target, limits), { code: 'E_ARCHIVE_TOO_LARGE' });
      const random = Buffer.from(Array.from({ length: 3_000 }, (_, at) => (at * 7919 * (at + 13)) % 251));
      await assert.rejects(
        unpackArchive(inPieces(gzipSync(random, { level: 0 })), target, limits),
        /larger than 1000 bytes/,
      );
      assert.deepEqual(await readdir(dirname(target)), []);
    });

    it('passes on what the sender does wrong', async () => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield gzipSync(tarOf([{ name: 'a' }])).subarray(0, 30);
        throw new Error('the connection broke');
      }
      await assert.rejects(unpackArchive(broken(), target), /the connection broke/);
      assert.deepEqual(await readdir(dirname(target)), []);
    });
  });

  describe('packApp', () => {
    it('packs a folder so that it unpacks to the same', async () => {
      const long = `${'deep/'.repeat(30)}file-ü.txt`;
      const folder = await appOf({
        'index.ts': 'export {}',
        'run.sh': '#!/bin/sh',
        [long]: 'long',
        'e.txt': '',
      });
      await chmod(join(folder, 'run.sh'), 0o755);
      const archive = await collect(packApp(folder));
      await unpackArchive(inPieces(archive), target);
      assert.equal(await readFile(join(target, long), 'utf8'), 'long');
      assert.equal(await readFile(join(target, 'e.txt'), 'utf8'), '');
      assert.equal(await readFile(join(target, '.lambent/folder-name'), 'utf8'), 'My App');
      assert.equal((await stat(join(target, 'run.sh'))).mode & 0o777, 0o755);
      assert.deepEqual(archive, await collect(packApp(folder)));
      const other = join(dirname(target), 'other');
      await mkdir(other);
      await collect(inPieces(archive)).then((bytes) => writeFile(join(dirname(target), 'a.tgz'), bytes));
      await extract({ file: join(dirname(target), 'a.tgz'), cwd: other });
      assert.equal(await readFile(join(other, long), 'utf8'), 'long');
    });

    it('leaves out what does not belong to the app', async () => {
      const folder = await appOf({
        'index.ts': '',
        '.git/config': '',
        '.lambent/store.db': '',
        'node_modules/x/index.js': '',
        'package.json': '{"dependencies":{"x":"1"}}',
        'package-lock.json': '{}',
        '.env': 'SECRET=1',
        'debug.log': '',
        'data/keep.csv': '',
        'data/drop.csv': '',
        'sub/data/drop.csv': '',
        'build/out.js': '',
        '.env.example': '',
        '.lambentignore': '# remark\n/data/*\n!/data/keep.csv\nbuild/\n!.env.example\n',
      });
      await unpackArchive(packApp(folder), target);
      assert.deepEqual(
        (await readdir(target, { recursive: true, withFileTypes: true }))
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name).slice(target.length + 1))
          .toSorted(),
        [
          '.env.example',
          '.lambent/folder-name',
          '.lambentignore',
          'data/keep.csv',
          'index.ts',
          'package-lock.json',
          'package.json',
          'sub/data/drop.csv',
        ],
      );
    });

    it('takes the packages of a folder in the app along only where they are asked for', async () => {
      const folder = await appOf({
        'site/server.js': '',
        'site/node_modules/a/index.js': 'a',
        'site/node_modules/a/node_modules/b/run.log': 'b',
        'tool/node_modules/c/index.js': 'c',
        'node_modules/d/index.js': 'd',
        '.lambentignore': '!site/node_modules\n',
      });
      await symlink('../node_modules', join(folder, 'tool/node_modules/linked'));
      await unpackArchive(packApp(folder), target);
      const files = await readdir(target, { recursive: true });
      assert.deepEqual(
        files.filter((path) => path.includes('node_modules') && /\.\w+$/.test(path)).toSorted(),
        ['site/node_modules/a/index.js', 'site/node_modules/a/node_modules/b/run.log'],
      );
    });

    it('takes production dependencies along where no lock file of npm is, links resolved', async () => {
      const folder = await appOf({
        'index.ts': '',
        'package.json': '{"dependencies":{"a":"1"},"devDependencies":{"dev":"1"}}',
        'node_modules/.pnpm/a@1/node_modules/a/package.json': '{"name":"a","dependencies":{"b":"1"}}',
        'node_modules/.pnpm/a@1/node_modules/a/index.js': 'a',
        'node_modules/.pnpm/b@1/node_modules/b/package.json': '{"name":"b"}',
        'node_modules/.pnpm/b@1/node_modules/b/index.js': 'b',
        'node_modules/dev/package.json': '{"name":"dev"}',
      });
      await symlink('../../b@1/node_modules/b', join(folder, 'node_modules/.pnpm/a@1/node_modules/b'));
      await symlink('.pnpm/a@1/node_modules/a', join(folder, 'node_modules/a'));
      await unpackArchive(packApp(folder), target);
      assert.deepEqual((await readdir(join(target, 'node_modules'))).toSorted(), ['a', 'b']);
      assert.equal(await readFile(join(target, 'node_modules/b/index.js'), 'utf8'), 'b');
    });

    it('follows links inside the app and refuses those that leave it', async () => {
      const folder = await appOf({ 'index.ts': 'text' });
      await symlink('index.ts', join(folder, 'same.ts'));
      await unpackArchive(packApp(folder), target);
      assert.equal(await readFile(join(target, 'same.ts'), 'utf8'), 'text');
      await symlink('/etc/hostname', join(folder, 'out.txt'));
      await assert.rejects(
        collect(packApp(folder)),
        /the link `out\.txt` does not lead to a file of the app/,
      );
    });
  });
});
