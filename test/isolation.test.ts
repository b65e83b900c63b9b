/**
 * Hostile functions against a real platform. After each attempt: it was denied, a neighbour still answers, the host is
 * as it was, and there is a record of it. Where an attempt does no harm, the same one is shown to succeed without a
 * sandbox. The layers one by one: src/sandbox-namespaces/layers.test.ts.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NEWEST_CALL, REFUSED } from '../src/sandbox-namespaces/system-calls.ts';
import { ATTACKER, BREACHES, SYSTEM_CALLS } from './hostile-sandbox.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll, processesWith } from './process-table.ts';

const FILES: AppFiles = {
  'lambent.yaml': `
app: arena
functions:
  attacker: { memory: 128mb, timeout: 20s, concurrency: 1, maxInstances: 1 }
  spinner: { timeout: 3s, concurrency: 1, maxInstances: 2 }
  latespinner: { timeout: 1s, maxInstances: 1 }
  listed: { network: ['*.example.com', '127.0.0.1:GRANTED'] }
  offline: { network: none }
  endless: { maxResponseMb: 1 }
  neighbour: { concurrency: 1 }
`,
  'functions/attacker.js': ATTACKER,
  'functions/listed.js': ATTACKER,
  'functions/offline.js': ATTACKER,
  'functions/latespinner.js':
    'export default { fetch() { setTimeout(() => { for (;;); }, 20); return new Response("replied"); } };',
  'functions/spinner.js': 'export default { fetch() { for (;;); } };',
  'functions/endless.js': `
export default { fetch() {
  return new Response(new ReadableStream({ pull(controller) { controller.enqueue(new Uint8Array(65_536)); } }));
} };`,
  'functions/neighbour.js': 'export default () => "undisturbed";',
};

interface Outcome {
  readonly status: number;
  readonly denied?: string;
  readonly got?: unknown;
  readonly error?: { code: string; message: string };
}

const skip = process.platform !== 'linux' && 'sandboxes need Linux';
let lambent: TestPlatform;
let plain: TestPlatform;
let granted: Server;
let forbidden: Server;
let canary = '';

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

before(async () => {
  if (skip !== false) return;
  granted = createServer((request, response) => {
    const to = new URL(request.url!, 'http://granted').searchParams.get('to');
    if (to !== null) response.writeHead(302, { location: to });
    response.end('granted');
  }).listen(0, '127.0.0.1');
  forbidden = createServer((_request, response) => response.end('forbidden')).listen(0, '0.0.0.0');
  await Promise.all([once(granted, 'listening'), once(forbidden, 'listening')]);
  const files = {
    ...FILES,
    'lambent.yaml': FILES['lambent.yaml']!.replace('GRANTED', String(portOf(granted))),
  };
  lambent = await startTestPlatform({ arena: files }, { isolation: 'best' });
  plain = await startTestPlatform({ arena: files }, { isolation: 'process' });
  canary = join(lambent.folder, 'canary');
  await writeFile(canary, 'alive', { mode: 0o644 });
  facts = HOST_FACTS();
});
after(async () => {
  granted?.close();
  forbidden?.close();
  await lambent?.close();
  await plain?.close();
});

async function attack(
  name: string,
  what: object = {},
  from: { platform?: TestPlatform; as?: string } = {},
): Promise<Outcome> {
  const { platform = lambent, as = 'attacker' } = from;
  const query = new URLSearchParams({ attack: name, with: JSON.stringify(what) });
  const answer = await platform.fetch(`/${as}?${query}`);
  const outcome = { status: answer.status, ...((await answer.json()) as object) };
  const id = answer.headers.get('x-request-id');
  const record = await platform.waitForInvocation((each) => each.id === id);
  assert.equal(record.function, as);
  return outcome;
}

const HOST_FACTS = () => ({
  name: hostname(),
  corePattern: readFileSync('/proc/sys/kernel/core_pattern', 'utf8'),
  // Another test has a small disk of its own for a while.
  mounts: readFileSync('/proc/self/mountinfo', 'utf8').replaceAll(/^.*lambent-e2e-full-.*\n/gm, ''),
  canary: readFileSync(canary, 'utf8'),
});
let facts: ReturnType<typeof HOST_FACTS>;

async function assertUnharmed(): Promise<void> {
  const answer = await lambent.fetch('/neighbour');
  assert.equal(await answer.text(), 'undisturbed');
  assert.deepEqual(HOST_FACTS(), facts);
}

/** Denied with an error inside. `how`: the codes that are right. */
async function assertDenied(how: RegExp, name: string, what: object = {}, as?: string): Promise<void> {
  const outcome = await attack(name, what, as === undefined ? {} : { as });
  assert.match(String(outcome.denied), how, JSON.stringify(outcome));
  await assertUnharmed();
}

/** What is seen of the process that made the sandbox: nothing at all where Landlock keeps the two apart. */
async function seenOfFirst(name: string, what: object = {}): Promise<unknown> {
  const { protections } = lambent.platform.isolation;
  const isApart = protections.find((each) => each.name === 'Landlock')?.enforced === true;
  const { got, denied } = await attack(name, what);
  if (!isApart) return got;
  for (const each of [denied ?? got].flat()) assert.match(String(each), /^(EACCES|EPERM)$/);
  return [];
}

describe('the level', { skip }, () => {
  it('is proved, and good enough to be tested', () => {
    const { level, summary, advice } = lambent.platform.isolation;
    assert.ok(level <= (process.getuid?.() === 0 ? 'B' : 'D'), `${level}: ${summary} ${advice}`);
    assert.equal(plain.platform.isolation.level, 'E');
  });
});

describe('a function that looks for files', { skip, timeout: 60_000 }, () => {
  it('finds none of the machine', async () => {
    for (const path of [
      canary,
      join(lambent.folder, 'data', 'lambent.db'),
      '/etc/shadow',
      '/proc/1/root/etc/shadow',
    ])
      await assertDenied(/^(ENOENT|EACCES)$/, 'read', { path });
    for (const path of ['/root', '/home', '/var', '/sys'])
      await assertDenied(/^(ENOENT|EACCES)$/, 'list', { path });
    assert.deepEqual((await attack('read', { path: canary }, { platform: plain })).got, 'alive');
  });

  it('finds no code but its own', async () => {
    const blobs = join(lambent.folder, 'data', 'blobs');
    assert.equal(((await attack('list', { path: blobs })).got as string[]).length, 1);
    const seen = (await attack('list', { path: join(plain.folder, 'data', 'blobs') }, { platform: plain }))
      .got;
    assert.ok((seen as string[]).length > 1);
  });

  it('gets nowhere by a link in its folder', async () => {
    await assertDenied(/^ENOENT$/, 'link', { path: canary });
    await assertDenied(/^ENOENT$/, 'link', { path: `/oldroot${canary}` });
    assert.equal((await attack('link', { path: canary }, { platform: plain })).got, 'alive');
  });

  it('writes nowhere but to /tmp', async () => {
    const [code] = (await attack('list', { path: join(lambent.folder, 'data', 'blobs') })).got as string[];
    for (const path of [
      '/x',
      '/usr/x',
      '/etc/passwd',
      '/dev/x',
      '/proc/sys/kernel/core_pattern',
      process.execPath,
      join(lambent.folder, 'data', 'blobs', code!, 'x'),
    ])
      await assertDenied(/^(EROFS|EACCES|EPERM|ENOENT)$/, 'write', { path });
    assert.equal((await attack('write', { path: '/tmp/x' })).got, 'written');
  });

  it('finds nothing of the instance before it', async () => {
    assert.equal((await attack('leave')).got, 'left');
    assert.equal((await attack('read', { path: '/tmp/secret' })).got, 'of the tenant before');
    assert.equal((await attack('exit')).error?.code, 'E_FUNCTION_EXITED');
    await assertDenied(/^ENOENT$/, 'read', { path: '/tmp/secret' });
  });

  it('finds no environment, arguments, descriptors or processes of others', async () => {
    assert.deepEqual(await seenOfFirst('environ'), []);
    assert.doesNotMatch(String((await attack('arguments')).got), /secret|token|--args .*\//);
    assert.deepEqual((await attack('descriptors')).got, []);
    const reaper = (await seenOfFirst('links', { path: '/proc/1/fd' })) as string[];
    for (const link of reaper)
      assert.match(link, /^(\/dev\/null|(socket|pipe):\[\d+\]|anon_inode:\[eventfd\])$/);
    const inside = (await attack('list', { path: '/' })).got as string[];
    for (const name of (await seenOfFirst('list', { path: '/proc/1/root' })) as string[])
      assert.ok(inside.includes(name), name);
    assert.ok(Number((await attack('processes')).got) <= 4);
    await assertDenied(/^ESRCH$/, 'kill', { pid: process.pid });
    assert.equal((await attack('kill', { pid: process.pid }, { platform: plain })).got, true);
    assert.ok(Number((await attack('processes', {}, { platform: plain })).got) > 4);
  });
});

describe('a function that looks for the machine behind its files', { skip, timeout: 60_000 }, () => {
  it('reads no memory, no log and no device of it', async () => {
    const usual = /^(console|core|fd|full|null|ptmx|pts|random|shm|stderr|stdin|stdout|tty|urandom|zero)$/;
    for (const name of (await attack('list', { path: '/dev' })).got as string[]) assert.match(name, usual);
    for (const path of ['/proc/kcore', '/proc/kmsg', '/proc/1/mem', '/proc/sysrq-trigger'])
      await assertDenied(/^(ENOENT|EACCES|EPERM|EIO)$/, 'read', { path });
    await assertDenied(/^ENOENT$/, 'list', { path: '/sys/fs/cgroup' });
    assert.ok(Array.isArray((await attack('list', { path: '/sys/fs/cgroup' }, { platform: plain })).got));
  });

  it('changes no setting of it, nor of its own that would set it free', async () => {
    for (const [path, text] of [
      ['/proc/sysrq-trigger', 'h'],
      ['/proc/sys/kernel/hostname', 'taken'],
      ['/proc/sys/vm/drop_caches', '1'],
      ['/proc/sys/net/ipv4/ip_forward', '1'],
      ['/proc/self/oom_score_adj', '-1000'],
      ['/proc/self/uid_map', '0 0 1'],
      ['/proc/self/setgroups', 'allow'],
    ] as const)
      await assertDenied(/^(ENOENT|EACCES|EPERM|EROFS)$/, 'write', { path, text });
  });

  it('makes no device, and gives no file away', async () => {
    await assertDenied(/^(EPERM|EACCES)$/, 'device');
    // The user 0 does not even exist inside.
    await assertDenied(/^(EINVAL|EPERM)$/, 'give');
    // Root, without a sandbox, may.
    if (process.getuid?.() === 0) assert.equal((await attack('give', {}, { platform: plain })).got, 'given');
  });
});

describe('a function that calls the kernel by itself', {
  skip: skip || (process.arch !== 'x64' && 'numbers of x64'),
  timeout: 60_000,
}, () => {
  for (const [what, args] of Object.entries(SYSTEM_CALLS))
    it(`cannot ${what}`, () => assertDenied(/^(EPERM|EACCES|ENOSYS|EAFNOSUPPORT)$/, 'call', { args }));

  it('cannot use anything that the filter names, or that is newer than the filter', async () => {
    const numbers = Object.values(REFUSED).map(([x64]) => x64);
    const newer = Array.from({ length: 64 }, (_, more) => NEWEST_CALL + 1 + more);
    const { got } = await attack('calls', { calls: [...numbers, ...newer].map((number) => [number]) });
    assert.deepEqual(got, [...numbers.map(() => 'EPERM'), ...newer.map(() => 'ENOSYS')]);
    await assertUnharmed();
  });

  it('cannot raise its limits or its standing', async () => {
    const [core, files] = [4, 7];
    await assertDenied(/^EPERM$/, 'raise', { limit: core, to: 2 ** 30 });
    await assertDenied(/^EPERM$/, 'raise', { limit: files, to: 1 << 19 });
    await assertDenied(/^(EACCES|EPERM)$/, 'hurry');
    await assertDenied(/^EPERM$/, 'realtime');
  });

  it('cannot become root', () => assertDenied(/^(EINVAL|EPERM)$/, 'become', { uid: 0 }));

  it('gains nothing by a program that takes its owner’s rights', async () => {
    const outcome = await attack('setuid');
    const status = await attack('read', { path: '/proc/self/status' });
    assert.match(String(status.got), /^NoNewPrivs:\t1$/m, 'whoever owns the program');
    if (outcome.denied === undefined) {
      const { euid, own } = outcome.got as { euid: number; own: number };
      assert.equal(euid, own);
    }
    await assertUnharmed();
  });
  it('cannot use another instruction set’s calls', async () => {
    await assertDenied(/^SIGSYS$/, 'x32');
    // A kernel that has no such programs denies in its own way.
    await assertDenied(/^(SIGSYS|ENOEXEC|SIGSEGV)$/, 'i386');
  });
});

describe('a function that connects', { skip, timeout: 60_000 }, () => {
  it('does not reach the machine, the platform, private networks or metadata', async () => {
    const own = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4');
    const urls = [
      `http://127.0.0.1:${portOf(forbidden)}/`,
      `http://localhost:${portOf(forbidden)}/`,
      `http://[::1]:${portOf(forbidden)}/`,
      `http://[::ffff:127.0.0.1]:${portOf(forbidden)}/`,
      `http://2130706433:${portOf(forbidden)}/`,
      `http://localhost.:${portOf(forbidden)}/`,
      `${lambent.url}/_lambent/api/v1/health`,
      'http://169.254.169.254/latest/meta-data/',
      'http://[fd00:ec2::254]/latest/meta-data/',
      'http://10.0.0.1/',
      ...(own === undefined ? [] : [`http://${own.address}:${portOf(forbidden)}/`]),
    ];
    for (const url of urls) await assertDenied(/^(ECONNREFUSED|E_NETWORK_DENIED)$/, 'fetch', { url });
    await lambent.waitForLog(({ text }) => text.includes('a connection to 169.254.169.254:80 was refused'));
    const open = await attack('fetch', { url: urls[0] }, { platform: plain });
    assert.equal(open.got, 200);
  });

  it('does not get there by a redirect', async () => {
    const to = (url: string): object => ({
      url: `http://127.0.0.1:${portOf(granted)}/?${new URLSearchParams({ to: url })}`,
    });
    for (const url of [
      'http://169.254.169.254/latest/meta-data/',
      `http://localhost:${portOf(forbidden)}/`,
      `http://[::ffff:127.0.0.1]:${portOf(forbidden)}/`,
      `${lambent.url}/_lambent/api/v1/health`,
    ])
      await assertDenied(/^(ECONNREFUSED|E_NETWORK_DENIED)$/, 'fetch', to(url), 'listed');
    const forbiddenUrl = `http://127.0.0.1:${portOf(forbidden)}/`;
    assert.equal((await attack('fetch', to(forbiddenUrl), { platform: plain, as: 'listed' })).got, 200);
  });

  it('does not get there by a second request in the first', async () => {
    const own = `127.0.0.1:${portOf(granted)}`;
    const hidden = `http://127.0.0.1:${portOf(forbidden)}/`;
    for (const bytes of [
      `GET http://${own}/ HTTP/1.1\r\nHost: ${own}\r\n\r\nGET ${hidden} HTTP/1.1\r\nHost: ${own}\r\n\r\n`,
      `CONNECT ${own} HTTP/1.1\r\n\r\nCONNECT 127.0.0.1:${portOf(forbidden)} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n`,
    ]) {
      const { got } = await attack('raw', { bytes }, { as: 'listed' });
      assert.doesNotMatch(String(got), /forbidden/);
    }
    const bytes = `GET http://${own}/ HTTP/1.1\r\nHost: ${own}\r\n\r\n`;
    assert.match(String((await attack('raw', { bytes }, { as: 'listed' })).got), /granted/);
  });

  it('carries nothing out by asking for names, or by datagrams', async () => {
    const heard: string[] = [];
    const ear = createSocket('udp4').on('message', (message) => heard.push(message.toString('latin1')));
    ear.bind(0, '127.0.0.1');
    await once(ear, 'listening');
    const { port } = ear.address();
    await assertDenied(/^(ENETUNREACH|EPERM|EACCES)$/, 'udp', { host: '8.8.8.8', port: 53 });
    await assertDenied(/^(ENOTFOUND|EAI_AGAIN)$/, 'lookup', { host: 'secret.evil.example' });
    await assertDenied(/^(ECONNREFUSED|ETIMEOUT)$/, 'ask', {
      host: 'secret.evil.example',
      server: `127.0.0.1:${port}`,
    });
    // It may leave for the loopback of its own, where nobody is.
    await attack('udp', { host: '127.0.0.1', port });
    assert.equal((await attack('udp', { host: '127.0.0.1', port }, { platform: plain })).got, 'sent');
    await poll(() => heard.length > 0);
    assert.deepEqual(heard, ['secret'], 'what the sandboxed one sent would have come first');
    ear.close();
  });

  it('keeps nobody else from connecting by connections that never end', async () => {
    assert.equal((await attack('hold', { count: 270 })).got, 'held');
    const there = { url: `http://127.0.0.1:${portOf(granted)}/` };
    const elsewhere = { url: 'http://192.0.2.1/' };
    assert.equal((await attack('fetch', elsewhere)).denied, 'E_TOO_MANY_CONNECTIONS');
    assert.equal((await attack('fetch', there, { as: 'listed' })).got, 200);
    assert.equal((await attack('exit')).error?.code, 'E_FUNCTION_EXITED');
    await assertUnharmed();
  });

  it('does not reach sockets without a file', async () => {
    const name = `\0lambent-isolation-${process.pid}`;
    const server = createTcpServer((socket) => socket.end()).listen(name);
    await once(server, 'listening');
    await assertDenied(/^ECONNREFUSED$/, 'connect', { where: { path: name } });
    assert.equal((await attack('connect', { where: { path: name } }, { platform: plain })).got, 'connected');
    server.close();
  });

  it('reaches what is granted, and nothing beside it', async () => {
    const as = 'listed';
    assert.equal((await attack('fetch', { url: `http://127.0.0.1:${portOf(granted)}/` }, { as })).got, 200);
    await assertDenied(
      /^(ECONNREFUSED|E_NETWORK_DENIED)$/,
      'fetch',
      { url: `http://127.0.0.1:${portOf(forbidden)}/` },
      as,
    );
    await assertDenied(/^E_NETWORK_DENIED$/, 'fetch', { url: 'http://stolen.attacker.example/' }, as);
    await assertDenied(/^(ENOTFOUND|EAI_AGAIN)$/, 'fetch', { url: 'http://a.example.com/' }, 'offline');
  });
});

describe('a function that takes all it can', { skip, timeout: 120_000 }, () => {
  const ended = async (codes: RegExp, name: string, what: object = {}): Promise<void> => {
    const outcome = await attack(name, what);
    assert.match(String(outcome.error?.code), codes, JSON.stringify(outcome));
    await assertUnharmed();
  };
  it('of processes', () => ended(/^E_TOO_MANY_PROCESSES$/, 'forks'));
  it('of threads', () => ended(/^(E_TOO_MANY_PROCESSES|E_OUT_OF_MEMORY)$/, 'threads'));
  it('of its heap', () => ended(/^E_OUT_OF_MEMORY$/, 'heap'));
  it('of memory outside of it', () => ended(/^E_OUT_OF_MEMORY$/, 'buffers'));
  it('of /tmp', () => ended(/^E_OUT_OF_MEMORY$/, 'fill', { path: '/tmp/large' }));
  it('of shared memory', () => ended(/^E_OUT_OF_MEMORY$/, 'fill', { path: '/dev/shm/large' }));
  it('of memory behind descriptors', { skip: process.arch !== 'x64' }, () =>
    ended(/^E_OUT_OF_MEMORY$/, 'memfd'),
  );
  it('of names of files', () => ended(/^E_OUT_OF_MEMORY$/, 'inodes'));
  it('of descriptors', () => assertDenied(/^EMFILE$/, 'descriptorsBomb'));
  it('of its output', async () => {
    const outcome = await attack('flood');
    assert.ok(outcome.got === 'flooded' || outcome.denied === 'EAGAIN', JSON.stringify(outcome));
    await assertUnharmed();
  });
  it('of its response', async () => {
    const answer = await lambent.fetch('/endless');
    await assert.rejects(answer.arrayBuffer());
    const id = answer.headers.get('x-request-id');
    const record = await lambent.waitForInvocation((each) => each.id === id);
    assert.equal(record.error?.code, 'E_RESPONSE_TOO_LARGE');
    await assertUnharmed();
  });
  it('of the processor: neighbours answer meanwhile', async () => {
    const spinning = [lambent.fetch('/spinner'), lambent.fetch('/spinner')];
    for (let calls = 0; calls < 20; calls++) await assertUnharmed();
    for (const answer of await Promise.all(spinning)) assert.equal(answer.status, 504);
  });
});

describe('a function that spins once it has replied', { skip, timeout: 30_000 }, () => {
  it('keeps nobody else from answering, and is ended by the time limit of its next call', async () => {
    const replied = async (): Promise<string> => (await lambent.fetch('/latespinner')).text();
    assert.equal(await replied(), 'replied');
    for (let calls = 0; calls < 20; calls++) await assertUnharmed();
    // A call that comes before the spinning has begun is still answered.
    let status = 200;
    for (let calls = 0; calls < 1_000 && status === 200; calls++)
      ({ status } = await lambent.fetch('/latespinner'));
    assert.equal(status, 504);
    assert.equal(await replied(), 'replied', 'a new process');
  });
});

describe('a function that crashes', { skip, timeout: 30_000 }, () => {
  it('leaves no image of its memory', async () => {
    const limits = await attack('read', { path: '/proc/self/limits' });
    assert.match(String(limits.got), /^Max core file size +0 +0 /m);
    assert.equal((await attack('abort')).error?.code, 'E_FUNCTION_EXITED');
    await assertUnharmed();
  });
});

describe('a function that writes to its channel', { skip, timeout: 30_000 }, () => {
  it('breaks the protocol for itself alone', async () => {
    for (const [what, hex] of Object.entries(BREACHES)) {
      assert.equal((await attack('breach', { hex })).error?.code, 'E_PROTOCOL', what);
      await assertUnharmed();
    }
  });
});

describe('a function that ends everything it can reach', { skip, timeout: 30_000 }, () => {
  it('reaches itself alone', async () => {
    const { got, denied, error } = await attack('killAll');
    assert.ok(got === true || denied === 'ESRCH' || error?.code === 'E_FUNCTION_EXITED');
    await assertUnharmed();
  });
});

describe('a function that will not go', { skip, timeout: 60_000 }, () => {
  it('goes, with what it hid from its instance', async () => {
    const marker = `lambent-stays-${process.pid}`;
    const from = { as: 'attacker' };
    const stays = await attack('stays', { marker }, from);
    assert.equal(stays.got, 'spawned', JSON.stringify(stays));
    await poll(() => processesWith(marker).length > 0);
    assert.equal((await attack('exit')).error?.code, 'E_FUNCTION_EXITED');
    await poll(() => processesWith(marker).length === 0);
    await assertUnharmed();
    assert.equal(await readFile(canary, 'utf8'), 'alive');
  });
});

describe('a platform whose user keeps files to itself', { skip, timeout: 30_000 }, () => {
  it('runs functions all the same, and lets nobody into its data', async () => {
    const umask = process.umask(0o077);
    try {
      const app = { 'functions/index.js': 'export default () => "here";' };
      const strict = await startTestPlatform({ strict: app }, { isolation: 'best' });
      assert.equal(strict.platform.isolation.level, lambent.platform.isolation.level);
      assert.equal(await (await strict.fetch('/')).text(), 'here');
      assert.equal((await stat(join(strict.folder, 'data'))).mode & 0o777, 0o700);
      await strict.close();
    } finally {
      process.umask(umask);
    }
  });
});
