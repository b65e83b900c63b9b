/**
 * Each layer of the sandbox by itself: what it refuses, and that the same attempt succeeds once the layer is left
 * out. So a check that could not fail is noticed, and so is a probe that sees what is not there.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { makeSandboxFolder, nodeSpec, startIn } from '../ports/conformance/sandbox.ts';
import type { Sandbox, SandboxSpec } from '../ports/sandbox.ts';
import { findLandlockLauncher } from './landlock-launcher.ts';
import { type Layer, openNamespacesSandbox } from './sandbox-namespaces.ts';

const SAY = `const say = (value) => require('node:fs').writeSync(3, JSON.stringify(value) + '\\n');`;
/** \`call(number, …)\`: a system call past everything that Node.js has to say about it; its result, or minus the error. */
const CALL = `
const { dlopen, getInt32 } = require('node:ffi');
const { functions } = dlopen(null, { syscall: { arguments: Array(7).fill('i64'), return: 'i64' }, __errno_location: { arguments: [], return: 'pointer' } });
const errno = functions.__errno_location();
const call = (number, ...args) => {
  const result = Number(functions.syscall(BigInt(number), ...[0, 1, 2, 3, 4, 5].map((at) => BigInt(args[at] ?? 0))));
  return result < 0 ? -getInt32(errno) : result;
};`;

const EPERM = -1;
const EACCES = -13;
const EAFNOSUPPORT = -97;

const skip =
  (process.platform !== 'linux' && 'needs Linux') ||
  (process.getuid?.() !== 0 && 'an ordinary user has no layers of root to leave out');

describe('a layer of the namespaces sandbox', { skip, timeout: 60_000 }, () => {
  let folder = '';
  const open: Sandbox[] = [];
  let hasLandlock = false;
  before(async () => {
    folder = await makeSandboxFolder();
  });
  after(async () => {
    for (const sandbox of open) await sandbox.close();
    await rm(folder, { recursive: true });
  });

  async function openWithout(...leaveOut: Layer[]): Promise<Sandbox> {
    const sandbox = await openNamespacesSandbox({
      runDir: join(folder, `run-${leaveOut.join('-')}`),
      codeRoot: join(folder, 'code'),
      clock: systemClock,
      log: silentLog,
      leaveOut,
    });
    assert.ok(!('reason' in sandbox), 'reason' in sandbox ? sandbox.reason : '');
    open.push(sandbox);
    return sandbox;
  }

  /** What a script says on the channel. */
  async function ask(sandbox: Sandbox, script: string, more: Partial<SandboxSpec> = {}): Promise<unknown> {
    const started = await startIn(sandbox, nodeSpec(folder, `${SAY}${script}`, more));
    await started.until('\n');
    started.process.kill();
    await started.exit;
    return JSON.parse(started.data());
  }

  async function isEnforced(sandbox: Sandbox, name: string): Promise<boolean> {
    const { protections } = await sandbox.describe();
    return protections.find((protection) => protection.name === name)!.enforced;
  }

  it('the whole of it is level A, or B where the kernel has no Landlock', async () => {
    hasLandlock = (await findLandlockLauncher(folder)) !== undefined;
    assert.equal((await (await openWithout()).describe()).level, hasLandlock ? 'A' : 'B');
  });

  it('Landlock', async (t) => {
    if (!hasLandlock) return t.skip('this kernel does not have it');
    const script = `
      const fs = require('node:fs');
      const attempt = (act) => { try { act(); return 'done'; } catch (error) { return error.code; } };
      const program = '/tmp/program';
      say([
        attempt(() => fs.writeFileSync('/proc/self/comm', 'renamed')),
        attempt(() => { fs.writeFileSync(program, '#!/bin/sh\\nexit 7', { mode: 0o755 }); fs.truncateSync(program, 17); fs.renameSync(program, program + '2'); }),
        require('node:child_process').spawnSync(program + '2').status,
        attempt(() => { fs.writeFileSync('/dev/null', 'x'); fs.writeFileSync('/dev/shm/x', 'x'); fs.mkdirSync('/tmp/a/b', { recursive: true }); fs.symlinkSync('x', '/tmp/a/l'); }),
      ])`;
    assert.deepEqual(await ask(open[0]!, script), ['EACCES', 'done', 7, 'done']);
    const without = await openWithout('landlock');
    assert.deepEqual(await ask(without, script), ['done', 'done', 7, 'done']);
    assert.equal((await without.describe()).level, 'B');
    assert.equal(await isEnforced(without, 'Landlock'), false);
  });

  it('the filter on system calls', { skip: process.arch !== 'x64' && 'numbers of x64' }, async () => {
    // keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING), io_uring_setup, socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT), ioctl(TIOCSTI with a high bit),
    // socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), socketpair(AF_INET, SOCK_STREAM): the kernel made two sockets, then says that it cannot join them
    const script = `${CALL} say([call(250, 0, -3), call(425, 1, 0), call(41, 16, 3, 15), call(16, 0, 0x100005412n), call(41, 2, 2, 136), call(53, 2, 1, 0)])`;
    assert.deepEqual(await ask(open[0]!, script), [EPERM, EPERM, EACCES, EPERM, EACCES, EAFNOSUPPORT]);
    const without = await openWithout('filter');
    const results = (await ask(without, script)) as number[];
    assert.ok(results[0]! > 0, 'keyctl works without the filter');
    assert.ok(
      results.slice(1).every((result) => ![EPERM, EACCES, EAFNOSUPPORT].includes(result)),
      String(results),
    );
    assert.equal((await without.describe()).level, 'E');
    assert.equal(await isEnforced(without, 'system calls'), false);
  });

  it('the network namespace', async () => {
    const listener = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    const abstract = createServer((socket) => socket.end()).listen('\0lambent-layers-test');
    await Promise.all([once(listener, 'listening'), once(abstract, 'listening')]);
    after(() => {
      listener.close();
      abstract.close();
    });
    const { port } = listener.address() as AddressInfo;
    const script = `
      const tries = [{ host: '127.0.0.1', port: ${port} }, { path: '\\0lambent-layers-test' }].map((where) => new Promise((resolve) =>
        require('node:net').connect(where).once('connect', () => resolve('connected')).once('error', (error) => resolve(error.code))));
      Promise.all(tries).then(say);`;
    assert.deepEqual(await ask(open[0]!, script), ['ECONNREFUSED', 'ECONNREFUSED']);
    // Landlock, too, refuses abstract sockets.
    const without = await openWithout('network', 'landlock');
    assert.deepEqual(await ask(without, script), ['connected', 'connected']);
    assert.equal((await without.describe()).level, 'E');
    assert.equal(await isEnforced(without, 'network'), false);
  });

  it('the user of its own', async () => {
    const secrets = join(folder, 'secrets');
    await mkdir(secrets);
    await chmod(secrets, 0o755);
    await writeFile(join(secrets, 'of-root'), 'seen', { mode: 0o600 });
    const script = `let got; try { got = require('node:fs').readFileSync(${JSON.stringify(join(secrets, 'of-root'))}, 'utf8') } catch (error) { got = error.code } say(got)`;
    assert.equal(await ask(open[0]!, script), 'ENOENT', 'what is not bound is not there');
    assert.equal(await ask(open[0]!, script, { readDirs: [secrets] }), 'EACCES');
    const without = await openWithout('user');
    assert.equal(await ask(without, script, { readDirs: [secrets] }), 'seen');
    assert.equal(await isEnforced(without, 'identity'), false);
  });

  it('the control groups', async () => {
    const without = await openWithout('groups');
    const { level, advice } = await without.describe();
    assert.equal(level, 'D');
    assert.match(advice!, /control groups/);
    assert.equal(await isEnforced(without, 'memory'), false);
    // Watched all the same.
    const eat = 'const kept = []; setInterval(() => kept.push(Buffer.alloc(16e6, 1)), 5)';
    const started = await startIn(without, nodeSpec(folder, eat, { memoryMb: 200 }));
    assert.equal((await started.exit).exceeded, 'memory');
  });
});
