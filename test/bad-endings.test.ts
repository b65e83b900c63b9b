/**
 * What functions do to themselves, in every language alike: each ends its own call with a clear error, the next call is
 * answered, and a neighbour notices nothing.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WITHOUT_GO } from '../sdk/go/test-go.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';

const NODE = `import { writeSync } from 'node:fs';
export const handler = async ({ how }) => {
  if (how === 'raise') throw new RangeError('too far');
  if (how === 'exit') process.exit(7);
  if (how === 'segfault') process.kill(process.pid, 'SIGSEGV');
  if (how === 'deadlock') await new Promise(() => {});
  if (how === 'bytes') writeSync(1, Buffer.from([0x6f, 0x6e, 0x65, 0xff, 0xfe, 0x0a]));
  if (how === 'unfit') return BigInt(1);
  return 'fine';
};
`;
const PYTHON = `import ctypes, os, sys, threading
def handler(event, context):
    how = event["how"]
    if how == "raise": raise ValueError("too far")
    if how == "exit": os._exit(7)
    if how == "segfault": ctypes.string_at(0)
    if how == "deadlock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    if how == "bytes": os.write(1, b"one\\xff\\xfe\\n")
    if how == "unfit": return {1, 2}
    return "fine"
`;
const GO = `package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"

	lambent "lambent.dev/go"
)

type order struct{ How string }

func main() {
	lambent.Start(func(ctx context.Context, in order) (any, error) {
		switch in.How {
		case "raise":
			return nil, errors.New("too far")
		case "exit":
			os.Exit(7)
		case "segfault":
			syscall.Kill(os.Getpid(), syscall.SIGSEGV)
			select {}
		case "deadlock":
			var lock sync.Mutex
			lock.Lock()
			lock.Lock()
		case "bytes":
			os.Stdout.Write([]byte("one\\xff\\xfe\\n"))
		case "unfit":
			return make(chan int), nil
		}
		return "fine", nil
	})
}
`;
const BASH = `#!/bin/bash
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  EVENT=$(curl -sS -D /dev/stderr "$API/next" 2> >(tr -d '\\r' > "$TMPDIR/head"))
  while ! grep -qi '^lambda-runtime-aws-request-id' "$TMPDIR/head"; do :; done
  ID=$(grep -i '^lambda-runtime-aws-request-id' "$TMPDIR/head" | cut -d' ' -f2)
  ANSWER='"fine"'
  case "$EVENT" in
    *raise*) curl -sS -o /dev/null "$API/$ID/error" -d '{"errorType":"Far","errorMessage":"too far","stackTrace":[]}'; continue ;;
    *exit*) exit 7 ;;
    *segfault*) kill -SEGV $$ ;;
    *deadlock*) while true; do read -r -t 1000 < <(tail -f /dev/null); done ;;
    *bytes*) printf 'one\\xff\\xfe\\n' ;;
  esac
  curl -sS -o /dev/null "$API/$ID/response" -d "$ANSWER"
done
`;
/** A web server gets the event as a POST. */
const COMMAND = `import ctypes, json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self):
        how = json.loads(self.rfile.read(int(self.headers["content-length"])))["how"]
        status, text = 200, '"fine"'
        if how == "raise": status, text = 500, "too far"
        if how == "exit": os._exit(7)
        if how == "segfault": os.kill(os.getpid(), 11)
        # The signal may come to another thread, and a moment later: this one must not answer meanwhile.
        if how in ("segfault", "deadlock"): threading.Event().wait()
        if how == "bytes": os.write(1, b"one\\xff\\xfe\\n")
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`;

const HAS_GO = WITHOUT_GO === false;
const LANGUAGES = ['node', 'python', ...(HAS_GO ? ['go'] : []), 'bash', 'command'] as const;

const APP: AppFiles = {
  'lambent.yaml': `
app: endings
functions:
  node: { entry: functions/node.js, timeout: 1s, routes: [] }
  python: { entry: functions/python.py, timeout: 1s, routes: [] }
${HAS_GO ? '  go: { entry: functions/go/main.go, timeout: 1s, routes: [] }' : ''}
  bash: { entry: functions/bash/bootstrap, timeout: 1s, routes: [] }
  command: { entry: command, command: python3 server.py, timeout: 1s, routes: [] }
  neighbour: { entry: functions/neighbour.js, routes: [] }
`,
  'functions/node.js': NODE,
  'functions/python.py': PYTHON,
  ...(HAS_GO ? { 'functions/go/main.go': GO, 'go.mod': 'module endings\n\ngo 1.22\n' } : {}),
  'functions/bash/bootstrap': BASH,
  'command/server.py': COMMAND,
  'functions/neighbour.js': 'export default () => process.pid;\n',
};

interface Called {
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly errorType: string; readonly errorMessage: string };
}

/** What each ending is told as: the code, and what the message must hold. */
const ENDINGS = {
  raise: ['E_FUNCTION_ERROR', /too far/],
  exit: ['E_FUNCTION_EXITED', /exit code 7 before it had answered/],
  segfault: ['E_FUNCTION_EXITED', /SIGSEGV|Segmentation fault|exit code 2 before it had answered/],
  deadlock: ['E_FUNCTION_TIMEOUT', /1 s/],
} as const;

describe('a function that ends badly', { timeout: 120_000 }, () => {
  let lambent: TestPlatform;
  const call = async (name: string, how: string): Promise<Called> =>
    (await lambent.api('POST', `/apps/endings/functions/${name}/invocations`, { how })).json;

  before(async () => {
    lambent = await startTestPlatform({ endings: APP });
  });
  after(() => lambent?.close());

  for (const language of LANGUAGES) {
    it(`does so for itself alone: ${language}`, async () => {
      const { result: pid } = await call('neighbour', 'nothing');
      for (const [how, [code, says]] of Object.entries(ENDINGS)) {
        const [ended, beside] = await Promise.all([call(language, how), call('neighbour', 'nothing')]);
        assert.equal(ended.error?.code, code, `${how}: ${JSON.stringify(ended)}`);
        assert.match(ended.error?.errorMessage ?? '', says, how);
        assert.equal(beside.result, pid, how);
        assert.equal((await call(language, 'nothing')).result, 'fine', `after ${how}`);
      }
    });

    it(`may print what is no UTF-8: ${language}`, async () => {
      assert.equal((await call(language, 'bytes')).result, 'fine');
      const line = await lambent.waitForLog(
        (each) => each.function === language && each.text.startsWith('one'),
      );
      assert.match(line.text, /^one\uFFFD{1,2}$/);
    });

    // What a program of its own answers to an event may be any text.
    if (language !== 'command' && language !== 'bash')
      it(`is told that its result is no JSON: ${language}`, async () => {
        const { error } = await call(language, 'unfit');
        assert.equal(
          error?.code,
          'E_FUNCTION_RESPONSE_INVALID',
          JSON.stringify(await call(language, 'unfit')),
        );
        assert.equal((await call(language, 'nothing')).result, 'fine');
      });
  }
});
