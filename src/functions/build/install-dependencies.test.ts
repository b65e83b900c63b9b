import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { systemClock } from '../../base/clock.ts';
import type { LambentError } from '../../base/errors.ts';
import type { AppName } from '../../model/function.ts';
import { encodeTarHeader, tarPadding } from '../archive/tar-headers.ts';
import { installDependencies } from './install-dependencies.ts';

/** A package as the registry would send it, so that the tests need no network. */
function packageOf(name: string, index: string): Buffer {
  const manifest = JSON.stringify({
    name,
    version: '1.0.0',
    scripts: { install: 'touch "$HOME/script-ran"' },
  });
  const parts = [
    ['package/package.json', manifest],
    ['package/index.js', index],
  ].flatMap(([path, text]) => {
    const body = Buffer.from(text!);
    return [encodeTarHeader(path!, body.length, false), body, Buffer.alloc(tarPadding(body.length))];
  });
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(1024)]));
}

/** Whether a process ends within ten seconds. One that nobody has waited for yet counts as ended. */
async function hasEnded(pid: number): Promise<boolean> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
    try {
      process.kill(pid, 0);
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      if (/\) Z /.test(stat)) return true;
    } catch {
      return true;
    }
  }
  return false;
}

describe('installDependencies', { timeout: 120_000 }, () => {
  let root: string;
  let cacheDir: string;
  let apps = 0;
  const original = { PATH: process.env.PATH, HOME: process.env.HOME };

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'lambent-install-')));
    cacheDir = join(root, 'packages');
    process.env.HOME = root;
  });
  after(async () => {
    Object.assign(process.env, original);
    await rm(root, { recursive: true, force: true });
  });

  async function appOf(files: Record<string, string | Buffer>): Promise<string> {
    apps += 1;
    const folder = join(root, `app${apps}`);
    await mkdir(folder);
    for (const [path, data] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), data);
    }
    return folder;
  }

  /** An app with one package from an archive beside it, locked. */
  function lockedApp(index = 'module.exports = 42;'): Promise<string> {
    const archive = packageOf('dep', index);
    const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
    const dependencies = { dep: 'file:dep.tgz' };
    const lock = {
      name: 'app',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { name: 'app', dependencies },
        'node_modules/dep': {
          version: '1.0.0',
          resolved: 'file:dep.tgz',
          integrity,
          hasInstallScript: true,
        },
      },
    };
    return appOf({
      'package.json': JSON.stringify({ name: 'app', dependencies }),
      'package-lock.json': JSON.stringify(lock),
      'dep.tgz': archive,
    });
  }

  async function install(
    folder: string,
    over = {},
  ): Promise<{ modulesDir: string | undefined; lines: string[] }> {
    const lines: string[] = [];
    const modulesDir = await installDependencies({
      app: 'shop' as AppName,
      bench: undefined,
      folder,
      cacheDir,
      clock: systemClock,
      allowScripts: [],
      onLine: (line) => lines.push(line),
      ...over,
    });
    return { modulesDir, lines };
  }

  it('installs into a copy, runs no scripts, and does so once', async () => {
    const folder = await lockedApp();
    const [first, twin] = await Promise.all([install(folder), install(folder)]);
    assert.equal(await readFile(join(first.modulesDir!, 'dep/index.js'), 'utf8'), 'module.exports = 42;');
    assert.equal(twin.modulesDir, first.modulesDir);
    assert.equal([...first.lines, ...twin.lines].filter((line) => line.startsWith('npm ci')).length, 1);
    assert.deepEqual((await readdir(folder)).toSorted(), ['dep.tgz', 'package-lock.json', 'package.json']);
    assert.equal((await readdir(root)).includes('script-ran'), false);
    const startedMs = performance.now();
    const again = await install(folder);
    assert.ok(performance.now() - startedMs < 200);
    assert.deepEqual(again.lines, ['the packages of this lock file are installed already']);
    const other = await install(await lockedApp('module.exports = 43;'));
    assert.notEqual(other.modulesDir, first.modulesDir);
    assert.equal((await readdir(cacheDir)).length, 2);
  });

  it('runs the scripts of packages that are allowed to by name', async () => {
    const folder = await lockedApp('module.exports = "scripts";');
    const { lines } = await install(folder, { allowScripts: ['dep', 'not-there'] });
    assert.ok(lines.includes('npm rebuild dep'));
    assert.equal((await readdir(root)).includes('script-ran'), true);
    await rm(join(root, 'script-ran'));
  });

  it('has nothing to do without a lock file, with node_modules, or with an empty lock', async () => {
    const lock = '{"lockfileVersion":3,"packages":{"":{}}}';
    for (const files of [
      { 'package.json': '{}' },
      { 'package.json': '{}', 'package-lock.json': lock },
      { 'package.json': '{}', 'package-lock.json': '{broken', 'node_modules/x/package.json': '{}' },
    ])
      assert.deepEqual(await install(await appOf(files)), { modulesDir: undefined, lines: [] });
  });

  it('refuses lock files that it cannot use', async () => {
    const outside = '{"packages":{"":{},"node_modules/x":{"link":true,"resolved":"../x"}}}';
    const cases: [string, RegExp][] = [
      ['{broken', /is not JSON/],
      ['{"lockfileVersion":1,"dependencies":{}}', /too old/],
      [outside, /`\.\.\/x` lies outside/],
    ];
    for (const [lock, pattern] of cases) {
      const folder = await appOf({ 'package.json': '{}', 'package-lock.json': lock });
      await assert.rejects(install(folder), (error: LambentError) => {
        assert.equal(error.code, 'E_DEPENDENCIES_FAILED');
        assert.match(error.message, pattern);
        return true;
      });
    }
  });

  it("tells npm's last words when it fails, and leaves nothing behind", async () => {
    const folder = await lockedApp('module.exports = 1;');
    await writeFile(join(folder, 'dep.tgz'), packageOf('dep', 'tampered'));
    const kept = await readdir(cacheDir);
    await assert.rejects(install(folder), (error: LambentError) => {
      assert.equal(error.code, 'E_DEPENDENCIES_FAILED');
      assert.match(error.message, /EINTEGRITY/);
      assert.match(error.hint, /npm ci/);
      return true;
    });
    assert.deepEqual(await readdir(cacheDir), kept);
  });

  it('stops an installation that takes too long, with everything that it started', async () => {
    const bin = join(root, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'npm'), '#!/bin/sh\necho working; sleep 600 & echo $! > "$HOME/child"; wait\n');
    await chmod(join(bin, 'npm'), 0o755);
    process.env.PATH = `${bin}:${original.PATH}`;
    try {
      const folder = await lockedApp('module.exports = "slow";');
      await assert.rejects(install(folder, { installMsMax: 500 }), /working\nstopped after 500 ms/);
      const pid = Number(await readFile(join(root, 'child'), 'utf8'));
      assert.equal(await hasEnded(pid), true);
    } finally {
      process.env.PATH = original.PATH;
    }
  });

  it('says so when there is no npm', async () => {
    process.env.PATH = join(root, 'nowhere');
    try {
      await assert.rejects(install(await lockedApp('module.exports = "none";')), /there is no `npm`/);
    } finally {
      process.env.PATH = original.PATH;
    }
  });
});
