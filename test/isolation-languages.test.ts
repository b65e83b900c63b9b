/** What test/isolation.test.ts asks of functions in Node.js, of those in Python and Go: the sandbox is the same for all. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WITHOUT_GO } from '../sdk/go/test-go.ts';
import { GO } from './hostile-go.ts';
import { PYTHON, PYTHON_ENDLESS } from './hostile-python.ts';
import { BREACHES, SYSTEM_CALLS } from './hostile-sandbox.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll, processesWith } from './process-table.ts';

const hasPython = ((): boolean => {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
const notHere = process.platform !== 'linux' && 'sandboxes need Linux';

const PYTHONS = `  python: SETTINGS
  pythonspins: { timeout: 2s, maxInstances: 1 }
  pythonendless: { maxResponseMb: 1 }
`;

let lambent: TestPlatform;
let granted: Server;
let forbidden: Server;
const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

before(async () => {
  if (notHere !== false) return;
  granted = createServer((request, response) => {
    const to = new URL(request.url!, 'http://granted').searchParams.get('to');
    if (to !== null) response.writeHead(302, { location: to });
    response.end('granted');
  }).listen(0, '127.0.0.1');
  forbidden = createServer((_request, response) => response.end('forbidden')).listen(0, '127.0.0.1');
  await Promise.all([once(granted, 'listening'), once(forbidden, 'listening')]);
  const settings = `{ memory: 64mb, network: ['${new URL(urlOf(granted)).host}'] }`;
  const files: AppFiles = {
    'lambent.yaml': `app: arena\nfunctions:\n  neighbour: {}\n${hasPython ? PYTHONS.replace('SETTINGS', settings) : ''}${WITHOUT_GO === false ? `  go: ${settings}\n` : ''}`,
    'functions/neighbour.js': 'export default () => "undisturbed";',
    ...(hasPython
      ? {
          'functions/python.py': PYTHON,
          'functions/pythonspins.py': PYTHON,
          'functions/pythonendless.py': PYTHON_ENDLESS,
        }
      : {}),
    ...(WITHOUT_GO === false
      ? { 'go.mod': 'module example.com/arena\n\ngo 1.22\n', 'functions/go/main.go': GO }
      : {}),
  };
  lambent = await startTestPlatform({ arena: files }, { isolation: 'best' });
  await writeFile(join(lambent.folder, 'canary'), 'alive');
});
after(async () => {
  granted?.close();
  forbidden?.close();
  await lambent?.close();
});

interface Outcome {
  readonly got?: unknown;
  readonly denied?: string;
  readonly code?: string;
}

async function attack(name: string, what: string, given: unknown): Promise<Outcome> {
  const { json } = await lambent.api('POST', `/apps/arena/functions/${name}/invocations`, {
    attack: what,
    with: given,
  });
  const { result, error } = json as { result?: Outcome; error?: { code: string } };
  assert.equal(await (await lambent.fetch('/neighbour')).text(), 'undisturbed');
  return result ?? { code: error!.code };
}

const DENIED = /no such file|denied|not permitted|input.output error|read-only/i;

function exercise(name: string): void {
  it('reads and writes nothing of the machine', async () => {
    for (const path of [
      join(lambent.folder, 'canary'),
      '/etc/shadow',
      join(lambent.folder, 'data', 'lambent.db'),
    ])
      assert.match((await attack(name, 'read', path)).denied ?? '', /no such file/i, path);
    for (const path of ['/etc/passwd', '/x', '/usr/x'])
      assert.match((await attack(name, 'write', path)).denied ?? '', /read-only|denied/i, path);
  });

  it('finds no memory, log or device of the machine, and cannot change its settings', async () => {
    for (const path of ['/dev/mem', '/dev/kmsg', '/proc/kcore', '/proc/1/mem', '/sys/fs/cgroup/cgroup.procs'])
      assert.match((await attack(name, 'read', path)).denied ?? '', DENIED, path);
    for (const path of ['/proc/sysrq-trigger', '/proc/sys/kernel/hostname', '/proc/self/uid_map'])
      assert.match((await attack(name, 'write', path)).denied ?? '', DENIED, path);
  });

  it('finds no code but its own, and cannot change that', async () => {
    const blobs = join(lambent.folder, 'data', 'blobs');
    const codes = (await attack(name, 'list_names', blobs)).got as string[];
    assert.equal(codes.length, 1);
    const path = join(blobs, codes[0]!, 'x');
    assert.match((await attack(name, 'write', path)).denied ?? '', /read-only|denied/i);
  });

  it('finds nothing of others, nor of the instance before it', async () => {
    const { got, denied } = await attack(name, 'environ', '');
    assert.ok(denied !== undefined || (got as string[]).length === 0, JSON.stringify({ got, denied }));
    assert.ok(Number((await attack(name, 'processes', '')).got) <= 8);
    assert.match((await attack(name, 'link', join(lambent.folder, 'canary'))).denied ?? '', /no such file/i);
    assert.equal((await attack(name, 'leave', '')).got, 'left');
    assert.equal((await attack(name, 'read', '/tmp/secret')).got, 'written');
    assert.equal((await attack(name, 'end', '')).code, 'E_FUNCTION_EXITED');
    assert.match((await attack(name, 'read', '/tmp/secret')).denied ?? '', /no such file/i);
  });

  it('becomes nobody else, gets no more than it has, and ends nothing but itself', async () => {
    assert.match((await attack(name, 'become', 0)).denied ?? '', /invalid argument|not permitted/i);
    assert.match(
      (await attack(name, 'open_files', 1 << 19)).denied ?? '',
      /not permitted|exceed|not allowed/i,
    );
    const { got, denied, code } = await attack(name, 'kill_all', '');
    assert.ok(got === 'killed' || /no such process/i.test(denied ?? '') || code === 'E_FUNCTION_EXITED');
  });

  it('makes no device, gives no file away, and does not go before others', async () => {
    assert.match((await attack(name, 'device', '/tmp/device')).denied ?? '', DENIED);
    assert.match((await attack(name, 'give', '/tmp/given')).denied ?? '', /not permitted|invalid argument/i);
    assert.match((await attack(name, 'priority', '')).denied ?? '', DENIED);
  });

  it('takes with it what it hid, when it ends', async () => {
    const marker = `lambent-hidden-${name}-${process.pid}`;
    assert.equal((await attack(name, 'leave_process', marker)).got, 'left');
    await poll(() => processesWith(marker).length > 0);
    assert.equal((await attack(name, 'end', '')).code, 'E_FUNCTION_EXITED');
    await poll(() => processesWith(marker).length === 0);
  });

  it('reaches no process and no socket outside', async () => {
    assert.match((await attack(name, 'kill', process.pid)).denied ?? '', /no such process/i);
    const socket = `lambent-languages-${process.pid}`;
    const server = createTcpServer().listen(`\0${socket}`);
    await once(server, 'listening');
    assert.match((await attack(name, 'abstract', socket)).denied ?? '', /refused|not permitted/i);
    server.close();
    assert.match((await attack(name, 'udp', '8.8.8.8:53')).denied ?? '', /unreachable/i);
  });

  it('is refused all that no function needs of the kernel', {
    skip: process.arch !== 'x64' && 'numbers of x64',
  }, async () => {
    const named = Object.entries(SYSTEM_CALLS).filter(([, numbers]) =>
      numbers.every((each) => typeof each === 'number'),
    );
    const { got } = await attack(
      name,
      'calls',
      named.map(([, numbers]) => numbers),
    );
    const { EPERM, EACCES, ENOSYS, EAFNOSUPPORT } = constants.errno;
    for (const [at, [what]] of named.entries())
      assert.ok(
        [EPERM, EACCES, ENOSYS, EAFNOSUPPORT].includes(-(got as number[])[at]!),
        `${what}: ${(got as number[])[at]}`,
      );
  });

  it('is refused system calls', { skip: process.arch !== 'x64' && 'numbers of x64' }, async () => {
    for (const call of [
      [250, 0, -3, 0],
      [425, 1, 0, 0],
      [272, 0x1000_0000, 0, 0],
      [41, 16, 3, 12],
    ])
      assert.match(
        (await attack(name, 'call', call)).denied ?? '',
        /not permitted|permission denied/i,
        String(call),
      );
  });
}

/** What it says and leaves, and how it ends. */
function exerciseWords(name: string): void {
  it('floods its output for nothing: it is cut, and counted', async () => {
    const dropped = lambent.waitForLog(
      (line) => line.function === name && /\d+ (log lines|bytes of output) were dropped/.test(line.text),
    );
    assert.deepEqual(await attack(name, 'flood', ''), { got: 'flooded' });
    await dropped;
  });

  it('leaves no image of its memory', async () => {
    assert.match(
      String((await attack(name, 'read', '/proc/self/limits')).got),
      /^Max core file size +0 +0 /m,
    );
    assert.equal((await attack(name, 'abort', '')).code, 'E_FUNCTION_EXITED');
  });

  it('breaks the protocol for itself alone', async () => {
    for (const [what, hex] of Object.entries(BREACHES))
      assert.equal((await attack(name, 'breach', hex)).code, 'E_PROTOCOL', what);
  });

  it('is ended by a call of another instruction set', {
    skip: process.arch !== 'x64' && 'numbers of x64',
  }, async () => {
    const X32 = 0x4000_0000;
    assert.equal((await attack(name, 'call', [X32 + 39])).code, 'E_FUNCTION_EXITED');
  });
}

/** Where it may connect to, and how much it may take. */
function exerciseNetworkAndLimits(name: string, clients: readonly string[]): void {
  it('connects to what is granted, and to nothing else', async () => {
    for (const client of clients) {
      assert.deepEqual(await attack(name, client, urlOf(granted)), { got: 'granted' }, client);
      assert.match((await attack(name, client, urlOf(forbidden))).denied ?? '', /refused/i, client);
      assert.match(
        (await attack(name, client, 'http://169.254.169.254:80/')).denied ?? '',
        /E_NETWORK_DENIED/,
        client,
      );
      assert.match(
        (await attack(name, client, 'http://unlisted.example:80/')).denied ?? '',
        /E_NETWORK_DENIED/,
        client,
      );
    }
  });

  it('gets no address by a redirect that it may not connect to', async () => {
    const [client] = clients;
    for (const url of ['http://169.254.169.254:80/', urlOf(forbidden)]) {
      const { denied } = await attack(name, client!, `${urlOf(granted)}?${new URLSearchParams({ to: url })}`);
      assert.match(denied ?? '', /E_NETWORK_DENIED|refused/i, url);
    }
  });

  it('runs out of descriptors by itself', async () => {
    assert.match((await attack(name, 'descriptors', '')).denied ?? '', /too many open files/i);
  });

  it('ends when it takes too much memory', async () => {
    assert.equal((await attack(name, 'bomb', '')).code, 'E_OUT_OF_MEMORY');
    for (const path of ['/dev/shm/large', '/tmp/large'])
      assert.equal((await attack(name, 'fill', path)).code, 'E_OUT_OF_MEMORY', path);
    for (const what of ['memfd', 'inodes'])
      assert.equal((await attack(name, what, '')).code, 'E_OUT_OF_MEMORY', what);
  });

  it('ends when it starts too many processes or threads', async () => {
    assert.match((await attack(name, 'tasks', '')).code ?? '', /^E_(TOO_MANY_PROCESSES|OUT_OF_MEMORY)$/);
  });
}

describe('a hostile function in Python', {
  skip: notHere || (!hasPython && 'needs Python'),
  timeout: 60_000,
}, () => {
  exercise('python');
  exerciseWords('python');
  exerciseNetworkAndLimits('python', ['urllib', 'aio']);

  it('keeps nobody else from answering, and is ended by the time limit of its next call', async () => {
    const replied = (): Promise<Outcome> => attack('pythonspins', 'spin_later', '');
    assert.deepEqual(await replied(), { got: 'replied' });
    // A call that comes before the spinning has begun is still answered.
    let outcome: Outcome = {};
    for (let calls = 0; calls < 1_000 && outcome.code === undefined; calls++) outcome = await replied();
    assert.equal(outcome.code, 'E_FUNCTION_TIMEOUT');
    assert.deepEqual(await replied(), { got: 'replied' }, 'a new process');
  });

  it('answers no more than it may', async () => {
    const answer = await lambent.fetch('/pythonendless');
    await assert.rejects(answer.arrayBuffer());
    const id = answer.headers.get('x-request-id');
    const record = await lambent.waitForInvocation((each) => each.id === id);
    assert.equal(record.error?.code, 'E_RESPONSE_TOO_LARGE');
  });

  it('cannot make the platform hold open files for it', async () => {
    const held = (): number => readdirSync('/proc/self/fd').length;
    const before = held();
    const outcome = await attack('python', 'pass_on', '');
    assert.equal(outcome.got, 'sent', JSON.stringify(outcome));
    assert.ok(held() < before + 100, `${before} descriptors became ${held()}`);
  });
});

describe('a hostile function in Go', { skip: notHere || WITHOUT_GO, timeout: 240_000 }, () => {
  exercise('go');
  exerciseWords('go');
  exerciseNetworkAndLimits('go', ['http']);

  it('keeps nobody else from answering when it has answered and spins', async () => {
    assert.deepEqual(await attack('go', 'spin_later', ''), { got: 'replied' });
    for (let calls = 0; calls < 10; calls++)
      assert.equal(await (await lambent.fetch('/neighbour')).text(), 'undisturbed');
    // Go's own scheduler leaves even the function its turn.
    assert.equal((await attack('go', 'end', '')).code, 'E_FUNCTION_EXITED');
  });
});
