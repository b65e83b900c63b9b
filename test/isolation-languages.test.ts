/** What test/isolation.test.ts asks of functions in Node.js, of those in Python and Go: the sandbox is the same for all. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WITHOUT_GO } from '../sdk/go/test-go.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';

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
	"io"
	"net/http"
	"os"
	"strconv"
	"syscall"

	lambent "lambent.dev/go"
)

type attempt struct {
	Attack string
	With   any
}

type outcome struct {
	Got    string \`json:"got,omitempty"\`
	Denied string \`json:"denied,omitempty"\`
}

var kept [][]byte

func try(what attempt) (string, error) {
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
		var arguments [4]uintptr
		for at, each := range what.With.([]any) {
			arguments[at] = uintptr(int64(each.(float64)))
		}
		result, _, number := syscall.RawSyscall(arguments[0], arguments[1], arguments[2], arguments[3])
		if number != 0 {
			return "", number
		}
		return strconv.Itoa(int(result)), nil
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
  granted = createServer((_request, response) => response.end('granted')).listen(0, '127.0.0.1');
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

function exercise(name: string, clients: readonly string[]): void {
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

  it('ends when it takes too much memory', async () => {
    assert.equal((await attack(name, 'bomb', '')).code, 'E_OUT_OF_MEMORY');
  });
}

describe(
  'a hostile function in Python',
  { skip: notHere || (!hasPython && 'needs Python'), timeout: 60_000 },
  () => exercise('python', ['urllib', 'aio']),
);

describe('a hostile function in Go', { skip: notHere || WITHOUT_GO, timeout: 240_000 }, () =>
  exercise('go', ['http']),
);
