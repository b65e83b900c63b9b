import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { delay, systemClock } from '../../base/clock.ts';
import type { InstanceId } from '../../base/ids.ts';
import type { Sandbox, SandboxExit, SandboxProcess, SandboxSpec } from '../sandbox.ts';

export interface SandboxUnderTest {
  /** Opens the driver; `folder` holds `run` for it, and `code` with folders of code. */
  open(folder: string): Promise<Sandbox>;
  /** Statements of a program that does the same and names the result `sandbox`. */
  source(folder: string): string;
}

export interface Started {
  readonly process: SandboxProcess;
  data(): string;
  output(): string;
  readonly exit: Promise<SandboxExit>;
  /** Resolves once the channel has brought at least this text; rejects when the process ends without it. */
  until(text: string): Promise<void>;
}

/** Joins the channel to a program's script: `s` is its socket, and what comes in goes out again. */
export const ECHO = `const s = new (require('node:net').Socket)({ fd: 3 }); s.pipe(s); s.on('close', () => process.exit(3));`;

let ids = 0;

export function nodeSpec(folder: string, script: string, more: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    command: [process.execPath, '-e', script],
    env: { ONLY: 'this' },
    codeDir: join(folder, 'code', 'one'),
    readDirs: [],
    memoryMb: 512,
    filesMax: 256,
    network: 'none',
    ...more,
  };
}

/** `name` begins the instance's id: where a test looks for what is left of its own, other tests must not have the same. */
export async function startIn(sandbox: Sandbox, spec: SandboxSpec, name = 'instance'): Promise<Started> {
  let data = '';
  let output = '';
  let check = (): void => {};
  const exit = Promise.withResolvers<SandboxExit>();
  ids += 1;
  const process = await sandbox.start(`${name}-${ids}` as InstanceId, spec, {
    onData(chunk) {
      data += chunk.toString();
      check();
    },
    onOutput(stream, chunk) {
      output += `${stream}:${chunk}`;
    },
    onExit: exit.resolve,
  });
  // What a test waits for is not to wait for whatever else the machine does.
  process.setPace('serving');
  const until = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      check = () => data.includes(text) && resolve();
      check();
      void exit.promise.then(() => reject(new Error(`it ended and said only: ${data} ${output}`)));
    });
  return { process, data: () => data, output: () => output, exit: exit.promise, until };
}

/** Makes what drivers are opened in. */
export async function makeSandboxFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-sandbox-'));
  await chmod(folder, 0o711);
  await mkdir(join(folder, 'code', 'one'), { recursive: true });
  return folder;
}

/** Processes whose command line holds this text, wherever they run. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && commandOf(pid).includes(text));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

/** State and parent of a process, and what follows. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function parentOf(pid: number): number {
  return Number(statOf(pid)[1]);
}

/** A zombie, which only waits to be noticed by its parent, counts as gone. */
function isAlive(pid: number): boolean {
  try {
    return statOf(pid)[0] !== 'Z';
  } catch {
    return false;
  }
}

async function until(isSo: () => boolean, what: () => string): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    assert.ok(tries < 500, what());
    await delay(systemClock, 10);
  }
}

const untilGone = (text: string): Promise<void> =>
  until(
    () => processesWith(text).length === 0,
    () => `still there: ${processesWith(text)}`,
  );

/** Holds a driver to every sentence of `Sandbox`. How well it isolates is not asked here. */
export function exerciseSandbox(driver: SandboxUnderTest): void {
  let folder = '';
  let sandbox: Sandbox;
  const spec = (script: string, more?: Partial<SandboxSpec>): SandboxSpec => nodeSpec(folder, script, more);
  const start = (what: SandboxSpec): Promise<Started> => startIn(sandbox, what);

  before(async () => {
    folder = await makeSandboxFolder();
    sandbox = await driver.open(folder);
  });
  after(async () => {
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe('Sandbox', () => {
    exerciseStart(spec, start);
    exercisePlaceCode(() => folder, start);
    exerciseLimits(spec, start);
    exercisePace(spec, start);
    exerciseEnd(spec, start);

    it('goes on with a new spawner when the old one is killed, and leaves none of its instances', async () => {
      const started = await start(spec(`${ECHO} // marker-spawner-killed`));
      started.process.write(Buffer.from('there'));
      await started.until('there');
      process.kill(parentOf(started.process.pid), 'SIGKILL');
      assert.equal((await started.exit).signal, 'SIGKILL');
      await untilGone('marker-spawner-killed');
      const again = await start(spec(ECHO));
      again.process.write(Buffer.from('still here'));
      await again.until('still here');
      again.process.kill();
      await again.exit;
    });
  });

  describe('Sandbox whose platform is killed', { timeout: 30_000 }, () => exercisePlatformDeath(driver));
}

type ToSpec = (script: string, more?: Partial<SandboxSpec>) => SandboxSpec;
type Start = (spec: SandboxSpec) => Promise<Started>;

/** Reads the path that comes in, says what it found there, and whether it could write. */
const READER = `
  const fs = require('node:fs');
  s.removeAllListeners('data');
  const tell = (text) => s.write(text + ';');
  s.on('data', (chunk) => {
    const at = chunk.toString();
    try { tell(fs.readdirSync(at, { recursive: true }).sort().join() + ' ' + fs.readFileSync(at + '/main.txt')); } catch (error) { tell(error.code); }
    try { fs.writeFileSync(at + '/main.txt', 'mine'); tell('written'); } catch (error) { tell(error.code); }
  });`;

function exercisePlaceCode(folder: () => string, start: Start): void {
  const waiting = (): Promise<Started> =>
    start({ ...nodeSpec(folder(), ECHO.replace('s.pipe(s); ', '') + READER), codeDir: undefined });

  it('gives a process that waits its code, and to no other', async () => {
    const code = join(folder(), 'code', 'placed');
    await mkdir(join(code, 'lib'), { recursive: true });
    await writeFile(join(code, 'main.txt'), 'placed code', { mode: 0o444 });
    await writeFile(join(code, 'lib', 'part.txt'), '', { mode: 0o444 });
    const [one, other] = await Promise.all([waiting(), waiting()]);
    const inside = await one.process.placeCode(code);
    assert.ok(inside !== undefined);
    one.process.write(Buffer.from(inside));
    await one.until('lib,lib/part.txt,main.txt placed code;');
    // Drivers that isolate show a process nothing but its own code, and that read-only.
    if (inside !== code) {
      await one.until('EROFS;');
      other.process.write(Buffer.from(inside));
      await other.until('ENOENT;');
    }
    for (const each of [one, other]) {
      each.process.kill();
      await each.exit;
    }
    if (inside !== code) assert.equal(await readFile(join(code, 'main.txt'), 'utf8'), 'placed code');
  });

  it('says so when code is too much to be placed', async () => {
    const code = join(folder(), 'code', 'large');
    await mkdir(code);
    for (let file = 0; file < 2_000; file += 1) await writeFile(join(code, String(file)), '');
    const started = await waiting();
    const inside = await started.process.placeCode(code);
    assert.ok(inside === undefined || inside === code);
    started.process.kill();
    await started.exit;
  });
}

function exerciseStart(spec: ToSpec, start: Start): void {
  it('connects both ways over the channel and reports the end', async () => {
    const started = await start(spec(ECHO));
    started.process.write(Buffer.from('hello'));
    await started.until('hello');
    started.process.kill();
    assert.deepEqual(await started.exit, { code: null, signal: 'SIGKILL', exceeded: undefined });
    assert.equal(isAlive(started.process.pid), false);
  });

  it('gives only the environment of the spec, a scratch folder, and no inherited descriptors', async () => {
    const script = `${ECHO} const fs = require('node:fs'); fs.writeFileSync(require('node:path').join(process.env.TMPDIR, 'own'), 'x'); s.write(JSON.stringify({ env: process.env, cwd: process.cwd(), tmp: require('node:os').tmpdir(), stdin: fs.readFileSync(0, 'utf8') }) + '\\nend')`;
    const started = await start(spec(script));
    await started.until('end');
    const told = JSON.parse(started.data().split('\n')[0]!);
    const common = ['PWD', 'SHLVL', '_', 'OLDPWD', 'HOME', 'PATH', 'LANG'];
    assert.deepEqual(
      Object.keys(told.env)
        .filter((name) => !common.includes(name))
        .sort(),
      ['ONLY', 'TMPDIR'],
    );
    assert.equal(told.cwd, told.env.TMPDIR);
    assert.equal(told.tmp, told.cwd);
    assert.equal(told.stdin, '');
    started.process.kill();
    await started.exit;
  });

  it('brings raw output, the last words included', async () => {
    const started = await start(
      spec(`console.log('to stdout'); process.stderr.write('last words'); process.exit(5)`),
    );
    const exit = await started.exit;
    assert.equal(exit.code, 5);
    assert.match(started.output(), /stdout:to stdout\n/);
    assert.match(started.output(), /stderr:last words/);
  });

  it('refuses a program that is not there', async () => {
    const started = await start(
      spec('', { command: [process.execPath.replace(/node$/, 'no-such-program')] }),
    ).catch(() => undefined);
    assert.notEqual((await started?.exit)?.code, 0);
  });
}

function exerciseLimits(spec: ToSpec, start: Start): void {
  it('forwards a flood of output only up to its limit', async () => {
    const started = await start(
      spec(`process.stdout.write('x'.repeat(8 * 1024 * 1024), () => process.exit(0))`),
    );
    assert.equal((await started.exit).code, 0);
    assert.ok(started.output().length < 1024 * 1024, `${started.output().length} characters`);
  });

  it('limits open files', async () => {
    const script = `${ECHO} const fs = require('node:fs'); let n = 0; try { for (;;) { fs.openSync('/dev/null'); n++; } } catch (e) { s.write(e.code + ' ' + n + ' end') }`;
    const started = await start(spec(script, { filesMax: 100 }));
    await started.until('end');
    const [code, count] = started.data().split(' ');
    assert.equal(code, 'EMFILE');
    assert.ok(Number(count) < 100);
    started.process.kill();
    await started.exit;
  });

  it('ends a process over its memory, its children counted', {
    skip: process.platform === 'linux' ? false : 'needs /proc',
  }, async () => {
    const eat = `const kept = []; setInterval(() => kept.push(Buffer.alloc(16e6, 1)), 5)`;
    const started = await start(
      spec(
        `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(eat)}]); setInterval(() => {}, 1000)`,
        { memoryMb: 300 },
      ),
    );
    assert.equal((await started.exit).exceeded, 'memory');
  });
}

function exercisePace(spec: ToSpec, start: Start): void {
  it('gives a frozen process nothing, until it serves again', async () => {
    const [frozen, other] = await Promise.all([start(spec(ECHO)), start(spec(ECHO))]);
    for (const each of [frozen, other]) {
      each.process.write(Buffer.from('up;'));
      await each.until('up;');
    }
    frozen.process.setPace('frozen');
    frozen.process.write(Buffer.from('frozen;'));
    // Long enough for an answer, if there could be one.
    for (let turn = 0; turn < 50; turn++) {
      other.process.write(Buffer.from(`turn ${turn};`));
      await other.until(`turn ${turn};`);
    }
    assert.equal(frozen.data(), 'up;');
    frozen.process.setPace('serving');
    await frozen.until('frozen;');
    frozen.process.setPace('frozen');
    for (const each of [frozen, other]) {
      each.process.kill();
      assert.equal((await each.exit).signal, 'SIGKILL');
    }
  });
}

function exerciseEnd(spec: ToSpec, start: Start): void {
  it('ends what a process left behind', async () => {
    const left = `setInterval(() => {}, 1000) // marker-left-behind`;
    const script = `${ECHO} require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(left)}], { stdio: 'ignore', detached: true }); s.write('end');`;
    const started = await start(spec(script));
    await started.until('end');
    await until(
      () => processesWith('marker-left-behind').length > 0,
      () => 'the child never came up',
    );
    started.process.kill();
    await started.exit;
    await untilGone('marker-left-behind');
  });

  it('can be killed at any moment of a start', async () => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const started = await start(spec(`setInterval(() => {}, 1000) // marker-killed-early`));
        await delay(systemClock, index * 3);
        started.process.kill();
        await started.exit;
      }),
    );
    await untilGone('marker-killed-early');
  });
}

const LISTENER = '{ onData() {}, onOutput() {}, onExit() {} }';

function exercisePlatformDeath({ source }: SandboxUnderTest): void {
  /** Starts a platform that runs these statements with `sandbox` and `specOf(script)`, and waits for a line of it. */
  async function startPlatform(folder: string, statements: string) {
    const program = join(folder, 'platform.ts');
    await writeFile(
      program,
      `const log = { debug() {}, info() {}, warn() {}, error() {} };
       ${source(folder)}
       const specOf = (script) => ({ command: [process.execPath, '-e', script], env: {}, codeDir: ${JSON.stringify(join(folder, 'code', 'one'))}, readDirs: [], memoryMb: 512, filesMax: 64, network: 'none' });
       ${statements}`,
    );
    const platform = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    after(() => platform.kill('SIGKILL'));
    const [line] = (await once(createInterface({ input: platform.stdout! }), 'line')) as [string];
    return { platform, line };
  }

  it('leaves nothing behind', async () => {
    const folder = await makeSandboxFolder();
    const { platform, line } = await startPlatform(
      folder,
      `const pids = [];
       let frozen;
       for (let index = 0; index < 3; index++) {
         frozen = await sandbox.start('i' + index, specOf('for (;;); // marker-doomed'), ${LISTENER});
         frozen.setPace('serving');
         pids.push(frozen.pid);
       }
       frozen.setPace('frozen');
       console.log(JSON.stringify(pids));
       setInterval(() => {}, 1000);`,
    );
    const pids: number[] = JSON.parse(line);
    assert.ok(pids.every(isAlive));
    const spawner = parentOf(pids[0]!);
    platform.kill('SIGKILL');
    await untilGone('marker-doomed');
    await until(
      () => !isAlive(spawner),
      () => `the spawner ${spawner} is still there`,
    );
    assert.deepEqual(
      (await readdir(join(folder, 'run'))).filter((name) => /^i\d$/.test(name)),
      [],
    );
    await rm(folder, { recursive: true });
  });

  it('leaves nothing behind, also before it took over an instance', async () => {
    const folder = await makeSandboxFolder();
    // It never acknowledges the second instance's channel, because its event loop stands still by then.
    const { platform, line } = await startPlatform(
      folder,
      `const first = await sandbox.start('i1', specOf('setInterval(() => {}, 1000) // marker-stuck'), ${LISTENER});
       void sandbox.start('i2', specOf('setInterval(() => {}, 1000) // marker-stuck'), ${LISTENER});
       for (let turn = 0; turn < 20; turn++) await undefined;
       process.getBuiltinModule('node:fs').writeSync(1, first.pid + '\\n');
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`,
    );
    const spawner = parentOf(Number(line));
    const children = (): string[] =>
      readFileSync(`/proc/${spawner}/task/${spawner}/children`, 'latin1').split(' ').filter(Boolean);
    await until(
      () => children().length >= 2,
      () => 'the second instance never came up',
    );
    platform.kill('SIGKILL');
    await untilGone('marker-stuck');
    await until(
      () => !isAlive(spawner),
      () => `the spawner ${spawner} is still there`,
    );
    await rm(folder, { recursive: true });
  });
}
