/** After many starts and kills, and after the platform was killed with all that could clean up, nothing is left. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { delay, systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { makeSandboxFolder, nodeSpec, processesWith, startIn } from '../ports/conformance/sandbox.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { openNamespacesSandbox } from './sandbox-namespaces.ts';

/**
 * Promised are 10,000 starts and kills: `LAMBENT_TEST_STARTS=10000 node --test src/sandbox-namespaces/nothing-left.test.ts`.
 * Without that, as many as the time of a usual run has room for, however fast the machine is.
 */
const STARTS = Number(process.env.LAMBENT_TEST_STARTS ?? Number.POSITIVE_INFINITY);
const STARTS_MIN = 100;
const USUAL_MS = 40_000;
const AT_ONCE = 8;

async function open(folder: string): Promise<Sandbox> {
  const [runDir, codeRoot] = [join(folder, 'run'), join(folder, 'code')];
  const sandbox = await openNamespacesSandbox({ runDir, codeRoot, clock: systemClock, log: silentLog });
  assert.ok(!('reason' in sandbox), 'reason' in sandbox ? sandbox.reason : '');
  return sandbox;
}

/** Folders of control groups of every platform of this machine. */
const groups = (): string[] => globSync('/sys/fs/cgroup/**/lambent-*/*/');

function spawnerOf(folder: string): number {
  const [pid] = processesWith('spawner.ts').filter((each) =>
    readFileSync(`/proc/${each}/mountinfo`, 'utf8').includes(folder),
  );
  assert.ok(pid !== undefined, 'there is a spawner with mounts of this folder');
  return pid;
}

const skip = process.platform !== 'linux' && 'needs Linux';

describe('a sandbox leaves nothing behind', {
  skip,
  timeout: STARTS < Number.POSITIVE_INFINITY ? 3_600_000 : 300_000,
}, () => {
  it(`after ${STARTS === Number.POSITIVE_INFINITY ? 'many' : STARTS} starts and kills`, {
    skip: process.getuid?.() !== 0 && 'mounts are looked at as root',
  }, async (context) => {
    const folder = await makeSandboxFolder();
    const sandbox = await open(folder);
    const random = createSeededRandom(7);
    const marker = `marker-left-${process.pid}`;
    const name = `left-${process.pid}`;
    // Other tests run beside this one, with sandboxes of their own.
    const ownGroups = (): string[] => groups().filter((path) => path.includes(`/${name}-`));
    const ownMounts = (pid: number | 'self'): string[] =>
      readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
        .split('\n')
        .filter((line) => line.includes(folder));
    const startOne = async (): Promise<void> => {
      const spec = nodeSpec(folder, '', {
        command: ['/bin/sh', '-c', `(read x <&3) & read x <&3 # ${marker}`],
        network: 'internet',
      });
      const started = await startIn(sandbox, spec, name);
      await delay(systemClock, random.fraction() * 12);
      started.process.kill();
      await started.exit;
    };
    await startOne();
    const spawner = spawnerOf(folder);
    const facts = () => ({
      descriptors: readdirSync(`/proc/${spawner}/fd`).length,
      own: readdirSync('/proc/self/fd').length,
      mounts: ownMounts(spawner),
      hostMounts: ownMounts('self'),
      children: readFileSync(`/proc/${spawner}/task/${spawner}/children`, 'latin1'),
      files: readdirSync(join(folder, 'run')).sort(),
    });
    const before = facts();
    let begun = 1;
    const startedMs = performance.now();
    const goesOn = (): boolean =>
      begun < STARTS &&
      (STARTS < Number.POSITIVE_INFINITY || begun < STARTS_MIN || performance.now() - startedMs < USUAL_MS);
    const work = async (): Promise<void> => {
      while (goesOn()) {
        begun += 1;
        await startOne();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    context.diagnostic(`${begun} starts and kills in ${Math.round(performance.now() - startedMs)} ms`);
    assert.deepEqual(processesWith(marker), []);
    // The kernel lets go of a control group, and Node.js of a socket, a moment after the end was reported.
    for (let tries = 0; tries < 200 && (ownGroups().length > 0 || facts().own > before.own); tries++)
      await delay(systemClock, 20);
    assert.deepEqual(ownGroups(), []);
    const after = facts();
    assert.ok(after.own <= before.own, `${after.own} descriptors, ${before.own} before`);
    assert.deepEqual({ ...after, own: 0 }, { ...before, own: 0 });
    await sandbox.close();
    assert.deepEqual(await readdir(folder), ['code']);
    await rm(folder, { recursive: true });
  });

  it('when the platform and its spawner are killed: the next one takes away what they could not', async () => {
    const folder = await makeSandboxFolder();
    const program = join(folder, 'platform.ts');
    const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const marker = `marker-both-${process.pid}`;
    await writeFile(
      program,
      `import { systemClock } from ${url('../base/clock.ts')};
       import { silentLog } from ${url('../base/log.ts')};
       import { openNamespacesSandbox } from ${url('./sandbox-namespaces.ts')};
       const sandbox = await openNamespacesSandbox({ runDir: ${JSON.stringify(join(folder, 'run'))}, codeRoot: ${JSON.stringify(join(folder, 'code'))}, clock: systemClock, log: silentLog });
       const scriptOf = (kind) => 'require("node:fs").writeSync(3, "up"); setInterval(() => {}, 1000) // ${marker}-' + kind;
       const specOf = (kind) => ({ command: [process.execPath, '-e', scriptOf(kind)], env: {}, codeDir: ${JSON.stringify(join(folder, 'code', 'one'))}, readDirs: [], memoryMb: 256, filesMax: 64, network: 'internet' });
       const start = async (kind) => {
         const up = Promise.withResolvers();
         const started = await sandbox.start('doomed-' + kind + '-${process.pid}', specOf(kind), { onData: up.resolve, onOutput() {}, onExit() {} });
         started.setPace('serving');
         await up.promise;
         return started;
       };
       (await start('frozen')).setPace('frozen');
       console.log((await start('running')).pid);
       setInterval(() => {}, 1000);`,
    );
    const platform = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface({ input: platform.stdout! }), 'line')) as [string];
    const stat = readFileSync(`/proc/${line}/stat`, 'latin1');
    const spawner = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    process.kill(spawner, 'SIGSTOP');
    platform.kill('SIGKILL');
    process.kill(spawner, 'SIGKILL');
    for (let tries = 0; tries < 500 && processesWith(`${marker}-running`).length > 0; tries++)
      await delay(systemClock, 10);
    assert.deepEqual(processesWith(`${marker}-running`), [], 'the kernel ends what nobody can end any more');
    // What is frozen takes no signals in version 1 of control groups.
    const sandbox = await open(folder);
    assert.deepEqual(processesWith(marker), []);
    assert.deepEqual(
      groups().filter((path) => new RegExp(`/doomed-\\w+-${process.pid}/?$`).test(path)),
      [],
    );
    assert.deepEqual(
      (await readdir(join(folder, 'run'))).filter((name) => name.startsWith('doomed')),
      [],
    );
    await sandbox.close();
    await rm(folder, { recursive: true });
  });
});
