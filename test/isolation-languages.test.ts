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
import { SYSTEM_CALLS } from './hostile-sandbox.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll, processesWith } from './process-table.ts';

const PYTHON = `
import os


def read(path):
    with open(path) as file:
        return file.read()


def write(path):
    with open(path, "w") as file:
        file.write("written")


def urllib(url):
    from urllib.request import urlopen

    with urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def aio(url):
    import asyncio
    from urllib.parse import urlsplit

    parts = urlsplit(url)

    async def get():
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
        return (await reader.read()).decode().split("\\r\\n\\r\\n")[1]

    return asyncio.run(get())


def call(arguments):
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(*(ctypes.c_long(each) for each in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def calls(many):
    def outcome(arguments):
        try:
            return call(arguments)
        except OSError as error:
            return -error.errno

    return [outcome(each) for each in many]


def kill(pid):
    os.kill(pid, 0)
    return "there"


def environ(_):
    return [entry for entry in read("/proc/1/environ").split("\\0") if "=" in entry and not entry.startswith("PWD=")]


def processes(_):
    return len([name for name in os.listdir("/proc") if name.isdigit()])


def link(path):
    os.symlink(path, "/tmp/link")
    try:
        return read("/tmp/link")
    finally:
        os.unlink("/tmp/link")


def become(uid):
    os.setuid(uid)
    return "became"


def kill_all(_):
    os.kill(-1, 9)
    return "killed"


def open_files(most):
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except ValueError as error:
        raise PermissionError(str(error))
    return "raised"


def leave(_):
    write("/tmp/secret")
    return "left"


def leave_process(marker):
    """Leaves a process that is no child of anybody it could be found by, in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/bin/sh", ["/bin/sh", "-c", "trap : TERM HUP; while :; do read x < /dev/zero; done # " + marker])
        os._exit(0)
    return "left"


def end(_):
    os._exit(7)


def abstract(name):
    import socket

    socket.socket(socket.AF_UNIX).connect("\\0" + name)
    return "connected"


def udp(address):
    import socket

    host, port = address.split(":")
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"secret", (host, int(port)))
    return "sent"


def descriptors(_):
    kept = []
    try:
        while True:
            kept.append(open("/dev/null"))
    finally:
        for file in kept:
            file.close()


def fill(path):
    with open(path, "wb") as file:
        while True:
            file.write(bytes(1 << 20))
            file.flush()


def tasks(_):
    import signal

    while True:
        try:
            if os.fork() == 0:
                signal.pause()
        except OSError:
            signal.pause()


def pass_on(_):
    """Gives open files to whoever reads the channel: a read takes the frame, and must drop them."""
    import array
    import socket
    import struct

    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]
    line = struct.pack("<BBd", 0, 2, 0.0) + b"with files"
    frame = struct.pack("<IIBBH", len(line), 0, 0x47, 0, 0) + line
    channel = socket.socket(fileno=os.dup(3))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
    for _ in range(5):
        channel.sendmsg([frame], rights)
    return "sent"


def bomb(_):
    kept = []
    while True:
        kept.append(bytearray(8 << 20))


def handler(event, context):
    try:
        return {"got": globals()[event["attack"]](event["with"])}
    except OSError as error:
        return {"denied": f"{type(error).__name__} {error}"}
`;

const GO = `package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	lambent "lambent.dev/go"
)

type attempt struct {
	Attack string
	With   any
}

type outcome struct {
	Got    any    \`json:"got,omitempty"\`
	Denied string \`json:"denied,omitempty"\`
}

var kept [][]byte
var files []*os.File

func call(with any) (int, error) {
	var arguments [7]uintptr
	for at, each := range with.([]any) {
		arguments[at] = uintptr(int64(each.(float64)))
	}
	result, _, number := syscall.RawSyscall6(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6])
	if number != 0 {
		return -int(number), number
	}
	return int(result), nil
}

func try(what attempt) (any, error) {
	text, _ := what.With.(string)
	switch what.Attack {
	case "read":
		bytes, err := os.ReadFile(text)
		return string(bytes), err
	case "write":
		return "written", os.WriteFile(text, []byte("written"), 0o600)
	case "http":
		answer, err := http.Get(text)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		bytes, err := io.ReadAll(answer.Body)
		return string(bytes), err
	case "call":
		result, err := call(what.With)
		return strconv.Itoa(result), err
	case "calls":
		results := []int{}
		for _, each := range what.With.([]any) {
			result, _ := call(each)
			results = append(results, result)
		}
		return results, nil
	case "kill":
		return "there", syscall.Kill(int(what.With.(float64)), 0)
	case "abstract":
		connection, err := net.Dial("unix", "@"+text)
		if err == nil {
			connection.Close()
		}
		return "connected", err
	case "udp":
		connection, err := net.Dial("udp", text)
		if err != nil {
			return "", err
		}
		defer connection.Close()
		_, err = connection.Write([]byte("secret"))
		return "sent", err
	case "environ":
		bytes, err := os.ReadFile("/proc/1/environ")
		entries := []string{}
		for _, entry := range strings.Split(string(bytes), "\\x00") {
			if strings.Contains(entry, "=") && !strings.HasPrefix(entry, "PWD=") {
				entries = append(entries, entry)
			}
		}
		return entries, err
	case "processes":
		entries, err := os.ReadDir("/proc")
		count := 0
		for _, entry := range entries {
			if _, failed := strconv.Atoi(entry.Name()); failed == nil {
				count++
			}
		}
		return count, err
	case "link":
		if err := os.Symlink(text, "/tmp/link"); err != nil {
			return "", err
		}
		defer os.Remove("/tmp/link")
		bytes, err := os.ReadFile("/tmp/link")
		return string(bytes), err
	case "become":
		return "became", syscall.Setuid(int(what.With.(float64)))
	case "kill_all":
		return "killed", syscall.Kill(-1, syscall.SIGKILL)
	case "open_files":
		most := uint64(what.With.(float64))
		return "raised", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most})
	case "leave":
		return "left", os.WriteFile("/tmp/secret", []byte("written"), 0o600)
	case "leave_process":
		command := exec.Command("/bin/sh", "-c", "trap : TERM HUP; while :; do read x < /dev/zero; done # "+text)
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return "left", command.Start()
	case "end":
		os.Exit(7)
	case "descriptors":
		for {
			file, err := os.Open("/dev/null")
			if err != nil {
				for _, each := range files {
					each.Close()
				}
				return "", err
			}
			files = append(files, file)
		}
	case "fill":
		file, err := os.Create(text)
		for err == nil {
			_, err = file.Write(make([]byte, 1<<20))
		}
		return "", errors.Join(errors.New("not ended"), err)
	case "tasks":
		for {
			go func() {
				runtime.LockOSThread()
				syscall.Pause()
			}()
			runtime.Gosched()
		}
	}
	for {
		block := make([]byte, 8<<20)
		for at := range block {
			block[at] = 1
		}
		kept = append(kept, block)
	}
}

func main() {
	lambent.Start(func(_ context.Context, what attempt) (outcome, error) {
		got, err := try(what)
		if err != nil {
			return outcome{Denied: err.Error()}, nil
		}
		return outcome{Got: got}, nil
	})
}
`;

const hasPython = ((): boolean => {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
const notHere = process.platform !== 'linux' && 'sandboxes need Linux';

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
    'lambent.yaml': `app: arena\nfunctions:\n  neighbour: {}\n${hasPython ? `  python: ${settings}\n` : ''}${WITHOUT_GO === false ? `  go: ${settings}\n` : ''}`,
    'functions/neighbour.js': 'export default () => "undisturbed";',
    ...(hasPython ? { 'functions/python.py': PYTHON } : {}),
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
    assert.equal((await attack(name, 'fill', '/dev/shm/large')).code, 'E_OUT_OF_MEMORY');
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
  exerciseNetworkAndLimits('python', ['urllib', 'aio']);

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
  exerciseNetworkAndLimits('go', ['http']);
});
