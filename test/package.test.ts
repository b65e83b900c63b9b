import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The package as a stranger gets it: packed, installed into an empty folder, and run from there. */
const ROOT = fileURLToPath(new URL('../', import.meta.url));
const run = promisify(execFile);

let work = '';
let tarball = '';
let files: string[] = [];

before(
  async () => {
    work = await mkdtemp(join(tmpdir(), 'lambent-package-'));
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', work], {
      cwd: ROOT,
      env: cleanEnv(),
      maxBuffer: 16 * 1024 * 1024,
    });
    files = packedFiles(JSON.parse(stdout.slice(stdout.search(/^[[{]/m))));
    tarball = join(work, (await readdir(work)).find((name) => name.endsWith('.tgz'))!);
  },
  { timeout: 120_000 },
);
after(() => rm(work, { recursive: true, force: true }));

/** npm 11 prints a list, npm 12 an object by name. */
function packedFiles(report: unknown): string[] {
  const [entry] = Object.values(report as Record<string, { files: { path: string }[] }>);
  return entry!.files.map((file) => file.path);
}

/** As in a shell of one's own: without what `npm test` adds, above all the pinned Node.js at the head of PATH. */
function cleanEnv(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    const keep = !/^(npm_|NODE_|INIT_CWD$|LAMBENT_)/i.test(name);
    if (keep || /^npm_config_(registry|cache|userconfig)$/i.test(name)) env[name] = value;
  }
  const folders = (process.env.PATH ?? '').split(delimiter);
  env.PATH = folders
    .filter((folder) => !/node_modules[\\/]\.bin$|node-gyp-bin$/.test(folder))
    .join(delimiter);
  return env;
}

/** A program that is in devDependencies, under the Node.js of this test. */
async function tool(program: string, args: string[]): Promise<void> {
  try {
    await run(join(ROOT, 'node_modules/.bin', program), args, { cwd: work });
  } catch (thrown) {
    const { stdout, stderr } = thrown as { stdout: string; stderr: string };
    assert.fail(`${program} found faults:\n${stdout}${stderr}`);
  }
}

/** Resolves with the first match in what the program prints; rejects when it ends before. */
function printed(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = '';
    const read = (chunk: Buffer): void => {
      text += chunk;
      const match = pattern.exec(text);
      if (match !== null) resolve(match);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('close', () => reject(new Error(`ended before it printed ${pattern}:\n${text}`)));
  });
}

describe('the package', { timeout: 240_000 }, () => {
  it('carries the emitted code, templates, schema and licence, and no sources or tests', () => {
    for (const needed of [
      'LICENSE',
      'README.md',
      'bin/lambent.js',
      'dist/src/cli/main.js',
      'dist/runtimes/node/main.js',
      'dist/runtimes/python/main.py',
      'dist/sdk/node/lambent.js',
      'dist/sdk/node/lambent.d.ts',
      'dist/schema/lambent.schema.json',
      'dist/src/store-sqlite/migrations/0001-initial.sql',
      'dist/templates/api/lambent.yaml',
      'dist/templates/api/gitignore',
    ]) {
      assert.ok(files.includes(needed), `${needed} is missing`);
    }
    const sources = files.filter((path) => /\.ts$/.test(path) && !/\.d\.ts$|^dist\/templates\//.test(path));
    assert.deepEqual(sources, []);
    assert.deepEqual(
      files.filter((path) => /\.test\.|fixtures|conformance|node_modules/.test(path)),
      [],
    );
  });

  it('is clean for publint', () => tool('publint', ['run', tarball, '--strict']));

  it('has types that resolve (attw)', () =>
    tool('attw', [tarball, '--profile', 'esm-only', '--no-emoji', '--no-color']));

  it('installs into an empty folder and serves a new app', async () => {
    const folder = join(work, 'empty');
    await mkdir(folder);
    const options = { cwd: folder, env: cleanEnv(), maxBuffer: 16 * 1024 * 1024 };
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball], options);
    const { stdout } = await run('npx', ['--no-install', 'lambent', 'init', 'app'], options);
    assert.match(stdout, /npx lambent dev app/);

    const dev = spawn('npx', ['--no-install', 'lambent', 'dev', 'app', '--port', '0'], {
      ...options,
      detached: true,
    });
    try {
      const [, url] = await printed(dev, /App\s+(http:\/\/localhost:\d+)[\s\S]*Ready in/);
      const hello = await fetch(`${url}/hello/you`);
      assert.equal(hello.status, 200);
      assert.deepEqual(await hello.json(), { message: 'Hello, you!' });
      const sum = await fetch(`${url}/add`, { method: 'POST', body: '{"a": 1, "b": 2}' });
      assert.deepEqual(await sum.json(), { sum: 3 });
      const { stdout: listed } = await run(
        'npx',
        ['--no-install', 'lambent', 'ls', '--json', '--to', url!],
        options,
      );
      assert.deepEqual(
        JSON.parse(listed)
          .functions.map((item: { name: string }) => item.name)
          .sort(),
        ['add', 'hello'],
      );
      // As a terminal does it: to the whole group, npm and all.
      process.kill(-dev.pid!, 'SIGINT');
      await once(dev, 'close');
      await assert.rejects(fetch(url!));
    } finally {
      if (dev.exitCode === null && dev.signalCode === null) process.kill(-dev.pid!, 'SIGKILL');
    }
  });
});
