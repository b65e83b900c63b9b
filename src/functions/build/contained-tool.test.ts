/**
 * Builds that are hostile, or broken: what each tries, and that the sandbox of builds denies it. Each has its control,
 * which shows that it would have succeeded without the layer that denies it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import type { AppName } from '../../model/function.ts';
import type { Sandbox } from '../../ports/sandbox.ts';
import { openNamespacesSandbox } from '../../sandbox-namespaces/sandbox-namespaces.ts';
import { BuildBench } from './build-bench.ts';
import type { ToolLimits } from './tool-run.ts';
import { refuseLinksOut } from './copy-files.ts';
import { runTool } from './run-tool.ts';

const skip = process.platform !== 'linux' && 'sandboxes need Linux';
const RUN_MS_MAX = 40_000;

describe('a tool of a build in its sandbox', { skip, timeout: 120_000 }, () => {
  let folder = '';
  let scratchDir = '';
  let sandbox: Sandbox;
  let listener: Server;
  let connections = 0;
  const secret = (): string => join(folder, 'data', 'secret');
  const portOf = (): number => (listener.address() as AddressInfo).port;

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'contained-tool-')));
    scratchDir = join(folder, 'data', 'scratch');
    for (const name of ['scratch/builds', 'blobs', 'run'])
      await mkdir(join(folder, 'data', name), { recursive: true });
    await writeFile(secret(), 'the data of others', { mode: 0o644 });
    const opened = await openNamespacesSandbox({
      ...{
        runDir: join(folder, 'data', 'run'),
        codeRoot: join(folder, 'data', 'blobs'),
        scratchRoot: scratchDir,
      },
      ...{ clock: systemClock, log: silentLog },
    });
    assert.ok(!('reason' in opened), 'reason' in opened ? opened.reason : '');
    sandbox = opened;
    listener = createServer((socket) => {
      connections += 1;
      socket.on('error', () => {});
      socket.end('the platform');
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
  });
  after(async () => {
    listener?.close();
    await sandbox?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const benchOf = (app: string, limits: Partial<ToolLimits> = {}): Promise<BuildBench> =>
    BuildBench.open({
      ...{ sandbox: sandbox.builds!, scratchDir, app: app as AppName, clock: systemClock, limits },
    });

  interface Run {
    readonly work: string;
    readonly lines: readonly string[];
    readonly error: LambentError | undefined;
  }

  /** Runs a script, contained where there is a bench; its working folder is its own. */
  async function run(bench: BuildBench | undefined, script: string, msMax = RUN_MS_MAX): Promise<Run> {
    const work = await mkdtemp(join(scratchDir, 'builds', 'work-'));
    const lines: string[] = [];
    const error = await runTool({
      command: ['/bin/sh', '-c', script],
      cwd: work,
      containing: bench?.forCode({ writeDirs: [work] }),
      clock: systemClock,
      msMax,
      onLine: (line) => lines.push(line),
      signal: undefined,
      failure: { code: 'E_BUILD_FAILED', title: 'the build', hint: 'Look.' },
    }).then(
      () => undefined,
      (thrown: unknown) => {
        assert.ok(thrown instanceof LambentError, String(thrown));
        return thrown;
      },
    );
    return { work, lines, error };
  }

  it('works in its folder, keeps its home, and what it made is the platform’s', async () => {
    const bench = await benchOf('fine');
    const first = await run(bench, 'echo made > made; echo kept > "$HOME/kept"; id -u; cat; echo done');
    assert.equal(first.error, undefined);
    assert.deepEqual(first.lines, ['1000', 'done']);
    assert.equal((await stat(join(first.work, 'made'))).uid, process.getuid!());
    assert.deepEqual((await run(await benchOf('fine'), 'cat "$HOME/kept"')).lines, ['kept']);
    assert.deepEqual((await run(await benchOf('other'), 'ls "$HOME"')).lines, []);
    assert.deepEqual(
      (await readdir(join(scratchDir, 'builds'))).filter((name) => name.startsWith('tmp-')),
      [],
    );
  });

  it('does not see the data folder, other apps’ homes or files of others', async () => {
    const script = `cat ${secret()} || ls ${join(folder, 'data')} ${folder} ${join(scratchDir, 'homes')}; exit 3`;
    const { error, lines } = await run(await benchOf('reader'), script);
    assert.equal(error?.code, 'E_BUILD_FAILED');
    assert.match(error.message, /exit code 3/);
    assert.match(error.hint ?? '', /It ran in a sandbox, where builds see the app, .* and nothing else/);
    assert.ok(lines.some((line) => /secret: No such file or directory/.test(line)));
    assert.ok(!lines.some((line) => line.includes('the data of others') || line.includes('blobs')));
    assert.ok(!lines.some((line) => line.includes('fine.code')), 'the home of another app shows');
    const control = await run(undefined, script);
    assert.ok(control.lines.includes('the data of others'));
  });

  it('cannot write but to its own, nor as root', async () => {
    const places = ['/etc/x', '/usr/x', '/x', join(folder, 'x')];
    const script = places.map((place) => `echo x > ${place} && echo "wrote ${place}"`).join('; ');
    const { lines } = await run(await benchOf('writer'), `${script}; true`);
    // What lies in its own /tmp is nothing of the machine.
    const wrote = lines.filter((line) => line.startsWith('wrote') && !line.includes(folder));
    assert.deepEqual(wrote, [], lines.join('\n'));
    assert.ok(!existsSync(join(folder, 'x')));
    const control = await run(undefined, `echo x > ${join(folder, 'x')} && echo wrote`);
    assert.ok(control.lines.includes('wrote'));
  });

  it('does not reach the platform’s own port, nor metadata, nor what it names otherwise', async () => {
    const node = JSON.stringify(process.execPath);
    const direct = `${node} -e 'require("net").connect(${portOf()}, "127.0.0.1").on("data", (d) => console.log("got " + d)).on("error", (e) => console.log(e.code))'`;
    const bench = await benchOf('caller');
    const { lines } = await run(bench, direct);
    assert.deepEqual([lines, connections], [['ECONNREFUSED'], 0]);
    for (const place of [
      `127.0.0.1:${portOf()}`,
      `2130706433:${portOf()}`,
      '169.254.169.254:80',
      '[::1]:80',
    ]) {
      const script = `${node} -e 'const [, port] = /:(\\d+)$/.exec(process.env.HTTPS_PROXY); const s = require("net").connect(port, "127.0.0.1", () => s.write("CONNECT ${place} HTTP/1.1\\r\\n\\r\\n")); s.on("data", (d) => { console.log(String(d).split("\\r\\n")[0]); s.destroy(); })'`;
      const asked = await run(bench, script);
      assert.ok(
        asked.lines.some((line) => /^HTTP\/1\.1 (403|400|502)/.test(line)),
        asked.lines.join('\n'),
      );
      assert.equal(connections, 0, place);
    }
    assert.ok((await run(undefined, direct)).lines.some((line) => line.startsWith('got')));
    assert.equal(connections, 1);
  });

  it('cannot fill the disk, with one file or with many', async () => {
    const fills = {
      one: 'head -c 200M /dev/zero > file',
      many: 'i=0; while [ $i -lt 400 ]; do head -c 500K /dev/zero > f$i || exit; i=$((i+1)); sleep 0.01; done; sleep 30',
    };
    for (const [name, script] of Object.entries(fills)) {
      const { error, work } = await run(await benchOf('filler', { diskMb: 64 }), script);
      assert.ok(error !== undefined, name);
      if (name === 'many') assert.equal(error.code, 'E_BUILD_LIMIT');
      if (name === 'many') assert.match(error.message, /wrote more than 64 MB/);
      else assert.ok((await stat(join(work, 'file'))).size <= 64 * 2 ** 20);
      await rm(work, { recursive: true });
    }
    assert.equal((await run(await benchOf('filler', { diskMb: 1_024 }), fills.one)).error, undefined);
  });

  it('cannot take all memory', async () => {
    const script = `${process.execPath} -e 'const all = []; for (let i = 0; i < 20; i++) all.push(Buffer.alloc(20e6, 1)); console.log("took it")'`;
    const { error } = await run(await benchOf('eater', { memoryMb: 192 }), script);
    assert.equal(error?.code, 'E_BUILD_LIMIT');
    assert.match(error.message, /it took more than 192 MB of memory/);
    assert.deepEqual((await run(await benchOf('eater', { memoryMb: 1_024 }), script)).lines, ['took it']);
  });

  it('cannot start processes without end', async () => {
    const script = 'i=0; while [ $i -lt 200 ]; do sleep 20 & i=$((i+1)); done; echo all; kill $(jobs -p)';
    const { error, lines } = await run(await benchOf('forker', { tasksMax: 64 }), script);
    assert.equal(error?.code, 'E_BUILD_LIMIT', lines.join('\n'));
    assert.match(error.message, /more than 64 processes and threads/);
    assert.ok((await run(await benchOf('forker', { tasksMax: 512 }), script)).lines.includes('all'));
  });

  it('leaves no process behind, when it ends or when its time is over', async () => {
    const alive = join(folder, 'alive');
    const daemon = (file: string): string =>
      `setsid sh -c 'while :; do echo x >> ${file}; sleep 0.05; done' > /dev/null 2>&1 < /dev/null &`;
    const ended = await run(await benchOf('daemon'), `${daemon('"$HOME/alive"')} sleep 0.3; echo started`);
    assert.deepEqual(ended.lines, ['started']);
    const kept = join(scratchDir, 'homes', 'daemon.code', 'alive');
    const size = (await stat(kept)).size;
    assert.ok(size > 0);
    const late = await run(await benchOf('daemon'), `${daemon('"$HOME/late"')} sleep 100`, 500);
    assert.match(late.error?.message ?? '', /stopped after 500 ms/);
    assert.equal((await stat(kept)).size, size, 'the first one still writes');
    // The control: without a sandbox such a process goes on, until it is ended from here.
    const control = await run(undefined, `${daemon(alive)} echo $!`);
    const before = existsSync(alive) ? (await stat(alive)).size : 0;
    try {
      for (const began = Date.now(); Date.now() - began < 10_000; await new Promise(setImmediate))
        if (existsSync(alive) && (await stat(alive)).size > before + 2) break;
      assert.ok((await stat(alive)).size > before + 2);
    } finally {
      process.kill(Number(control.lines[0]), 'SIGKILL');
    }
  });

  it('gets nothing of the platform’s environment', async () => {
    process.env.LAMBENT_TEST_TOKEN = 'not to be seen';
    try {
      const script = 'cat /proc/1/environ | tr "\\\\0" "\\\\n"; env';
      const { lines } = await run(await benchOf('environment'), script);
      assert.ok(!lines.some((line) => line.includes('not to be seen')));
      assert.ok(lines.some((line) => line.startsWith('HOME=')));
    } finally {
      delete process.env.LAMBENT_TEST_TOKEN;
    }
  });

  it('cannot have the platform fetch by a link what it may not read itself', async () => {
    const { work } = await run(
      await benchOf('linker'),
      `mkdir dist; ln -s ${secret()} dist/link; ln -s dist also`,
    );
    await assert.rejects(refuseLinksOut(work), {
      code: 'E_BUILD_FAILED',
      message: /leads out of it: dist\/link$/,
    });
    await rm(join(work, 'dist', 'link'));
    await symlink('..', join(work, 'dist', 'up'));
    await refuseLinksOut(work);
  });

  it('cannot leave a program that runs with the rights of its owner', async () => {
    const { work } = await run(await benchOf('setter'), 'cp /bin/true run; chmod 4755 run');
    if (process.getuid!() === 0) assert.equal((await stat(join(work, 'run'))).mode & 0o6000, 0);
  });
});
