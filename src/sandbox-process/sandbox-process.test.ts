import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { delay, systemClock } from '../base/clock.ts';
import type { InstanceId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import type { Sandbox, SandboxExit, SandboxProcess, SandboxSpec } from '../ports/sandbox.ts';
import { createProcessSandbox } from './sandbox-process.ts';

const spec = (script: string, more: Partial<SandboxSpec> = {}): SandboxSpec => ({
  command: [process.execPath, '-e', script],
  env: { ONLY: 'this' },
  codeDir: '/',
  readDirs: [],
  memoryMb: 512,
  filesMax: 256,
  ...more,
});

const ECHO = `const s = new (require('node:net').Socket)({ fd: 3 }); s.pipe(s); s.on('close', () => process.exit(3));`;

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilGone(pids: readonly number[]): Promise<void> {
  for (let tries = 0; pids.some(alive); tries++) {
    assert.ok(tries < 500, `still alive: ${pids.filter(alive)}`);
    await delay(systemClock, 10);
  }
}

describe('process sandbox', () => {
  let folder = '';
  let sandbox: Sandbox;
  let ids = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-sandbox-'));
    sandbox = await createProcessSandbox({ runDir: join(folder, 'run'), log: silentLog });
  });
  after(async () => {
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  interface Started {
    process: SandboxProcess;
    data: () => string;
    output: () => string;
    exit: Promise<SandboxExit>;
    /** Resolves once the channel has brought at least this text. */
    until(text: string): Promise<void>;
  }

  async function start(what: SandboxSpec): Promise<Started> {
    let data = '';
    let output = '';
    let onExit: (exit: SandboxExit) => void;
    let check = (): void => {};
    const exit = new Promise<SandboxExit>((resolve) => {
      onExit = resolve;
    });
    ids += 1;
    const process = await sandbox.start(`instance-${ids}` as InstanceId, what, {
      onData(chunk) {
        data += chunk.toString();
        check();
      },
      onOutput(stream, chunk) {
        output += `${stream}:${chunk}`;
      },
      onExit: (how) => onExit(how),
    });
    const until = (text: string): Promise<void> =>
      new Promise((resolve) => {
        check = () => data.includes(text) && resolve();
        check();
      });
    return { process, data: () => data, output: () => output, exit, until };
  }

  it('connects both ways over the channel and reports the end', async () => {
    const started = await start(spec(ECHO));
    started.process.write(Buffer.from('hello'));
    await started.until('hello');
    started.process.kill();
    const exit = await started.exit;
    assert.deepEqual(exit, { code: null, signal: 'SIGKILL', exceeded: undefined });
    await untilGone([started.process.pid]);
  });

  it('gives only the environment of the spec, a scratch folder, and no inherited descriptors', async () => {
    const script = `${ECHO} const fs = require('node:fs'); s.write(JSON.stringify({ env: process.env, cwd: process.cwd(), tmp: require('node:os').tmpdir(), stdin: fs.readFileSync(0, 'utf8') }) + '\\nend')`;
    const started = await start(spec(script));
    await started.until('end');
    const told = JSON.parse(started.data().split('\n')[0]!);
    assert.deepEqual(
      Object.keys(told.env)
        .filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name))
        .sort(),
      ['ONLY', 'TMPDIR'],
    );
    assert.equal(told.cwd, told.env.TMPDIR);
    assert.equal(told.tmp, told.cwd);
    assert.ok(told.cwd.startsWith(join(folder, 'run')));
    assert.equal(told.stdin, '');
    started.process.kill();
    await started.exit;
    assert.equal(existsSync(told.cwd), false);
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

  it('ends what a process left behind', async () => {
    const script = `${ECHO} const c = require('node:child_process').spawn('/bin/sleep', ['1000'], { stdio: 'ignore' }); s.write(c.pid + ' end');`;
    const started = await start(spec(script));
    await started.until('end');
    const child = Number(started.data().split(' ')[0]);
    assert.ok(alive(child));
    started.process.kill();
    await started.exit;
    await untilGone([child, started.process.pid]);
  });

  it('refuses a program that is not there', async () => {
    const started = await start(spec('', { command: ['/no/such/program'] }));
    assert.notEqual((await started.exit).code, 0);
  });

  it('says that it does not isolate', async () => {
    const description = await sandbox.describe();
    assert.equal(description.level, 'E');
    assert.match(description.summary, /not isolated/);
    assert.ok(description.protections.some(({ name, enforced }) => name === 'files' && !enforced));
  });

  it('goes on with a new spawner when the old one is killed, and leaves none of its instances', async () => {
    const started = await start(spec(ECHO));
    const spawner = Number((await readProc(started.process.pid)).parent);
    process.kill(spawner, 'SIGKILL');
    assert.equal((await started.exit).signal, 'SIGKILL');
    await untilGone([started.process.pid]);
    const again = await start(spec(ECHO));
    again.process.write(Buffer.from('still here'));
    await again.until('still here');
    again.process.kill();
    await again.exit;
  });

  it('leaves nothing when the platform is killed', { timeout: 30_000 }, async () => {
    const program = join(folder, 'platform.ts');
    const own = new URL('./sandbox-process.ts', import.meta.url).href;
    await writeFile(
      program,
      `import { createProcessSandbox } from ${JSON.stringify(own)};
       const log = { debug() {}, info() {}, warn() {}, error() {} };
       const sandbox = await createProcessSandbox({ runDir: ${JSON.stringify(join(folder, 'doomed'))}, log });
       const pids = [];
       for (let index = 0; index < 3; index++) {
         const started = await sandbox.start('i' + index, { command: [process.execPath, '-e', 'for (;;);'], env: {}, codeDir: '/', readDirs: [], memoryMb: 512, filesMax: 64 }, { onData() {}, onOutput() {}, onExit() {} });
         pids.push(started.pid);
       }
       console.log(JSON.stringify(pids));
       setInterval(() => {}, 1000);`,
    );
    const platform: ChildProcess = spawn(process.execPath, [program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface({ input: platform.stdout! }), 'line')) as [string];
    const pids: number[] = JSON.parse(line);
    assert.ok(pids.every(alive));
    const spawner = Number((await readProc(pids[0]!)).parent);
    platform.kill('SIGKILL');
    await untilGone([...pids, spawner]);
    assert.deepEqual(await readdir(join(folder, 'doomed')), []);
  });

  it('leaves nothing when the platform is killed before it took over an instance', {
    skip: process.platform !== 'linux' && 'the process tree is read from /proc',
    timeout: 30_000,
  }, async () => {
    const program = join(folder, 'platform-stuck.ts');
    const own = new URL('./sandbox-process.ts', import.meta.url).href;
    // It never acknowledges the second instance's channel, because its event loop stands still by then.
    await writeFile(
      program,
      `import { createProcessSandbox } from ${JSON.stringify(own)};
       const log = { debug() {}, info() {}, warn() {}, error() {} };
       const sandbox = await createProcessSandbox({ runDir: ${JSON.stringify(join(folder, 'stuck'))}, log });
       const spec = { command: [process.execPath, '-e', 'setInterval(() => {}, 1000)'], env: {}, codeDir: '/', readDirs: [], memoryMb: 512, filesMax: 64 };
       const listener = { onData() {}, onOutput() {}, onExit() {} };
       const first = await sandbox.start('first', spec, listener);
       void sandbox.start('second', spec, listener);
       process.getBuiltinModule('node:fs').writeSync(1, first.pid + '\\n');
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`,
    );
    const platform = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    after(() => platform.kill('SIGKILL'));
    const [line] = (await once(createInterface({ input: platform.stdout! }), 'line')) as [string];
    const first = Number(line);
    const spawner = Number((await readProc(first)).parent);
    const childrenOf = async (): Promise<number[]> =>
      (await readFile(`/proc/${spawner}/task/${spawner}/children`, 'latin1'))
        .split(' ')
        .filter(Boolean)
        .map(Number);
    while ((await childrenOf()).length < 2) await delay(systemClock, 5);
    const pids = await childrenOf();
    platform.kill('SIGKILL');
    await untilGone([...pids, spawner]);
    assert.deepEqual(await readdir(join(folder, 'stuck')), []);
  });
});

async function readProc(pid: number): Promise<{ parent: string }> {
  const { readFile } = await import('node:fs/promises');
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  return { parent: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]! };
}
