import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';

/** Custom runtimes: programs that speak the AWS Lambda Runtime API, unmodified, and what happens when they misbehave. */

/** The loop of AWS' own tutorial for custom runtimes, in bash with curl. */
const BASH_LOOP = `#!/bin/bash
set -euo pipefail
source "$LAMBDA_TASK_ROOT/$(echo "$_HANDLER" | cut -d. -f1).sh"
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
  HEADERS="$(mktemp)"
  EVENT_DATA=$(curl -sS -LD "$HEADERS" "$API/invocation/next")
  REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  RESPONSE=$($(echo "$_HANDLER" | cut -d. -f2) "$EVENT_DATA")
  curl -sS -o /dev/null "$API/invocation/$REQUEST_ID/response" -d "$RESPONSE"
  rm -f "$HEADERS"
done
`;

/** A client of the Runtime API that does what its event says. It runs on the Node.js that is on its PATH. */
const SCRIPTED = `#!/usr/bin/env node
const http = require('node:http');
const { readFileSync } = require('node:fs');
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true });
function call(method, path, { headers = {}, pieces = [], trailers, abort = false } = {}) {
  return new Promise((resolve) => {
    const request = http.request({ host, port, agent, method, path: path.startsWith('/lambent') ? path : '/2018-06-01/runtime/' + path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) }));
    });
    request.on('error', (error) => resolve({ error }));
    for (const piece of pieces) request.write(piece);
    if (trailers) request.addTrailers(trailers);
    if (abort) setTimeout(() => request.destroy(), 50);
    else request.end();
  });
}
const stream = { 'lambda-runtime-function-response-mode': 'streaming', 'transfer-encoding': 'chunked' };
const integration = { ...stream, 'content-type': 'application/vnd.awslambda.http-integration-response' };
const seen = [];
const note = async (promise) => { const { status, text } = await promise; seen.push([status, JSON.parse(text).errorType ?? 'ok']); };
const answer = (id, value) => call('POST', 'invocation/' + id + '/response', { pieces: [JSON.stringify(value)] });
const deeds = {
  facts: (id, headers) => answer(id, { headers, env: { ...process.env }, cwd: process.cwd(), code: readFileSync('data.txt', 'utf8') }),
  seen: (id) => answer(id, seen.splice(0)),
  async unknown(id) { await note(answer('00000000-0000-0000-0000-000000000000', 1)); await answer(id, 'mine'); },
  async twice(id) { await answer(id, 'first'); await note(answer(id, 'second')); },
  async hungry(id) { await note(call('GET', 'invocation/next')); await answer(id, 'full'); },
  async large(id) { await note(call('POST', 'invocation/' + id + '/response', { pieces: ['"' + 'x'.repeat(6291555) + '"'] })); },
  async mode(id) { await note(call('POST', 'invocation/' + id + '/response', { headers: { 'lambda-runtime-function-response-mode': 'sideways' }, pieces: ['1'] })); },
  invalid: (id) => call('POST', 'invocation/' + id + '/response', { pieces: ['{"statusCode":'] }),
  cutOff: (id) => call('POST', 'invocation/' + id + '/response', { headers: { 'content-length': 100 }, pieces: ['"half'], abort: true }),
  never: () => new Promise(() => setInterval(() => {}, 1000)),
  exit: () => process.exit(3),
  signal: () => { process.kill(process.pid, 'SIGKILL'); return new Promise(() => setInterval(() => {}, 1000)); },
  error: (id) => call('POST', 'invocation/' + id + '/error', { headers: { 'lambda-runtime-function-error-type': 'Function.Oops' }, pieces: [JSON.stringify({ errorType: 'OopsError', errorMessage: 'it went wrong', stackTrace: ['handler.rb:3:in boom'] })] }),
  errorText: (id) => call('POST', 'invocation/' + id + '/error', { headers: { 'lambda-runtime-function-error-type': 'Function.Text' }, pieces: ['no JSON here'] }),
  async lateInitError(id) { await note(call('POST', 'init/error', { pieces: ['{}'] })); await answer(id, 'on'); },
  async nowhere(id) { await note(call('GET', 'invocation/elsewhere')); await note(call('POST', 'invocation/next')); await answer(id, 'on'); },
  stream: (id) => call('POST', 'invocation/' + id + '/response', { headers: integration, pieces: [JSON.stringify({ statusCode: 201, headers: { 'X-Kind': 'streamed', 'content-type': 'text/plain' }, cookies: ['a=1', 'b=2'] }) + '\\0\\0\\0\\0', '\\0\\0\\0\\0one', ' two'] }),
  plainStream: (id) => call('POST', 'invocation/' + id + '/response', { headers: { ...stream, 'content-type': 'text/css' }, pieces: ['body', ' {}'] }),
  bigStream: async (id) => call('POST', 'invocation/' + id + '/response', { headers: stream, pieces: Array.from({ length: 160 }, () => Buffer.alloc(65536, 120)) }),
  badPrelude: (id) => call('POST', 'invocation/' + id + '/response', { headers: integration, pieces: ['not json\\0\\0\\0\\0\\0\\0\\0\\0body'] }),
  noPrelude: (id) => call('POST', 'invocation/' + id + '/response', { headers: integration, pieces: ['{"statusCode":200}'] }),
  trailers: (id) => call('POST', 'invocation/' + id + '/response', { headers: { ...stream, trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body' }, pieces: ['begun'], trailers: { 'Lambda-Runtime-Function-Error-Type': 'Function.Midway', 'Lambda-Runtime-Function-Error-Body': Buffer.from('{"errorMessage":"broke in the middle"}').toString('base64') } }),
  async print(id, headers, { text }) { process.stdout.write(text + '\\n'); process.stderr.write(Buffer.from([0x62, 0xff, 0x0a])); await answer(id, 'printed'); },
  async call(id) { await answer(id, (await call('POST', '/lambent/calls/invoke?function=shell', { pieces: ['{"from":"scripted"}'] })).text); },
  async callOther(id) { await answer(id, (await call('POST', '/lambent/calls/invoke?function=other', { pieces: ['{"do":"facts"}'] })).text); },
  async callWrong(id) { const { status, text } = await call('POST', '/lambent/calls/invoke?function=nothing', { pieces: ['1'] }); await answer(id, { status, ...JSON.parse(text) }); },
  http: (id, headers, event) => answer(id, { statusCode: 202, headers: { 'x-path': event.rawPath }, cookies: ['c=3'], body: event.body === undefined ? 'none' : event.isBase64Encoded ? 'base64 ' + event.body : event.body }),
};
(async () => {
  for (;;) {
    const next = await call('GET', 'invocation/next');
    const event = next.json();
    const deed = event.version === '2.0' ? (event.queryStringParameters?.do ?? 'http') : event.do;
    await deeds[deed](next.headers['lambda-runtime-aws-request-id'], next.headers, event);
  }
})();
`;

const FILES: AppFiles = {
  'lambent.yaml': `
app: custom
functions:
  shell: { handler: function.handler }
  scripted: { entry: scripted/bootstrap, handler: "my.handler[0]", timeout: 10s, env: { MINE: "1" } }
  other: { entry: other/bootstrap, timeout: 10s }
  slow: { entry: slow/bootstrap, timeout: 500ms }
  refuses: {}
  quits: {}
  wide: { entry: wide/bootstrap, concurrency: 4 }
`,
  'functions/shell/bootstrap': BASH_LOOP,
  'functions/shell/function.sh':
    'function handler () { echo "handling" >&2; echo "Echoing request: \'$1\'"; }\n',
  'scripted/bootstrap': SCRIPTED,
  'scripted/data.txt': 'beside it',
  'other/bootstrap': SCRIPTED,
  'other/data.txt': '',
  'slow/bootstrap': SCRIPTED,
  'functions/refuses/bootstrap': `#!/bin/sh
curl -s "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/init/error" -d '{"errorType":"NoDatabase","errorMessage":"cannot connect","stackTrace":["init.rb:7"]}'
sleep 5
`,
  'functions/quits/bootstrap': `#!/bin/sh
echo "sockets: $(readlink /proc/$$/fd/* | grep -c socket)" >&2
echo "no module named foo" >&2
exit 4
`,
  'wide/bootstrap': `#!/usr/bin/env node
const api = 'http://' + process.env.AWS_LAMBDA_RUNTIME_API + '/2018-06-01/runtime/invocation/';
const waiting = [];
for (let index = 0; index < Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY); index++) (async () => {
  for (;;) {
    const next = await fetch(api + 'next');
    await next.text();
    const id = next.headers.get('lambda-runtime-aws-request-id');
    // Answers when all are here.
    await new Promise((resolve) => { waiting.push(resolve); if (waiting.length === 4) for (const go of waiting.splice(0)) go(); });
    await fetch(api + id + '/response', { method: 'POST', body: String(process.pid) });
  }
})();
`,
};

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({ custom: FILES });
});
after(() => lambent.close());

/** What the deed `facts` gives. */
interface Facts {
  headers: Record<string, string>;
  env: Record<string, string>;
  cwd: string;
  code: string;
}

interface Outcome {
  id: string;
  status: 'ok' | 'failed';
  result?: unknown;
  error?: { code: string; errorType: string; errorMessage: string; stackTrace: string[] };
}

async function invoke(name: string, event: object): Promise<Outcome> {
  const { json } = await lambent.api('POST', `/apps/custom/functions/${name}/invocations`, event);
  return json;
}

const scripted = async (what: string, more: object = {}): Promise<Outcome> =>
  invoke('scripted', { do: what, ...more });

describe('a bootstrap in bash', { timeout: 60_000 }, () => {
  it('answers events, and its lines belong to them', async () => {
    const outcome = await invoke('shell', { hello: 'world' });
    assert.equal(outcome.result, 'Echoing request: \'{"hello":"world"}\'');
    const line = await lambent.waitForLog(({ text }) => text === 'handling');
    assert.deepEqual([line.invocation, line.stream, line.severity], [outcome.id, 'stderr', 'info']);
    assert.match(String((await invoke('shell', { again: 1 })).result), /again/);
  });

  it('that answers HTTP with what is no JSON gets a clear error', async () => {
    const response = await lambent.fetch('/shell');
    assert.equal(response.status, 502);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, 'E_FUNCTION_RESPONSE_INVALID');
    assert.match(error.message, /not JSON/);
  });
});

describe('the Runtime API', { timeout: 60_000 }, () => {
  it('gives headers, variables and the folder as AWS does', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const response = await fetch(
      `${lambent.url}/_lambent/api/v1/apps/custom/functions/scripted/invocations`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', traceparent },
        body: '{"do":"facts"}',
      },
    );
    const { id, result } = (await response.json()) as Outcome;
    const { headers, env, cwd, code } = result as Facts;
    assert.equal(headers['lambda-runtime-aws-request-id'], id);
    assert.ok(Math.abs(Number(headers['lambda-runtime-deadline-ms']) - Date.now() - 10_000) < 5_000);
    assert.equal(
      headers['lambda-runtime-invoked-function-arn'],
      'arn:aws:lambda:local:000000000000:function:scripted',
    );
    assert.equal(
      headers['lambda-runtime-trace-id'],
      'Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1',
    );
    assert.equal(env.AWS_LAMBDA_FUNCTION_NAME, 'scripted');
    assert.equal(env._HANDLER, 'my.handler[0]');
    assert.equal(env.MINE, '1');
    assert.equal(env.LAMBDA_TASK_ROOT, cwd);
    assert.equal(code, 'beside it');
  });

  it('refuses what does not fit the state, and the right answer still counts', async () => {
    assert.equal((await scripted('unknown')).result, 'mine');
    assert.equal((await scripted('twice')).result, 'first');
    assert.equal((await scripted('hungry')).result, 'full');
    assert.equal((await scripted('lateInitError')).result, 'on');
    assert.equal((await scripted('nowhere')).result, 'on');
    assert.deepEqual((await scripted('seen')).result, [
      [400, 'InvalidRequestID'],
      [403, 'InvalidStateTransition'],
      [403, 'InvalidStateTransition'],
      [403, 'InvalidStateTransition'],
      [404, 'NotFound'],
      [405, 'MethodNotAllowed'],
    ]);
  });

  it('refuses an answer that is too large or of an unknown mode, and says so to the caller too', async () => {
    assert.equal((await scripted('large')).error?.code, 'E_RESPONSE_TOO_LARGE');
    assert.equal((await scripted('mode')).error?.code, 'E_FUNCTION_RESPONSE_INVALID');
    assert.deepEqual((await scripted('seen')).result, [
      [413, 'RequestEntityTooLarge'],
      [400, 'InvalidFunctionResponseMode'],
    ]);
  });

  it('takes errors with type, message and stack', async () => {
    const { error } = await scripted('error');
    assert.deepEqual(error, {
      code: 'E_FUNCTION_ERROR',
      errorType: 'OopsError',
      errorMessage: 'it went wrong',
      stackTrace: ['handler.rb:3:in boom'],
    });
    const plain = (await scripted('errorText')).error;
    assert.deepEqual([plain?.errorType, plain?.errorMessage], ['Function.Text', 'no JSON here']);
  });

  it('keeps printed lines with their invocation, whatever bytes they are', async () => {
    const { id } = await scripted('print', { text: 'a line' });
    const line = await lambent.waitForLog(({ text }) => text === 'a line');
    const odd = await lambent.waitForLog(({ text }) => text === 'b\ufffd');
    assert.deepEqual([line.invocation, odd.invocation], [id, id]);
  });

  it('carries calls of other functions', async () => {
    assert.equal((await scripted('call')).result, 'Echoing request: \'{"from":"scripted"}\'');
    const wrong = (await scripted('callWrong')).result as Record<string, unknown>;
    assert.deepEqual([wrong.status, wrong.code], [422, 'E_NOT_FOUND']);
  });

  it('says which function called', async () => {
    const { headers } = JSON.parse(String((await scripted('callOther')).result)) as Facts;
    assert.equal(headers['x-lambent-caller'], 'custom/scripted');
  });

  it('hands out as many invocations at once as the manifest says', async () => {
    const outcomes = await Promise.all([1, 2, 3, 4].map((index) => invoke('wide', { index })));
    assert.equal(new Set(outcomes.map(({ result }) => result)).size, 1);
    assert.equal(typeof outcomes[0]!.result, 'number');
  });
});

describe('HTTP through the Runtime API', { timeout: 60_000 }, () => {
  it('arrives and leaves in the payload format 2.0', async () => {
    const response = await lambent.fetch('/scripted/a?x=1', {
      method: 'POST',
      body: 'text',
      headers: { 'content-type': 'text/plain' },
    });
    assert.equal(response.status, 202);
    assert.equal(response.headers.get('x-path'), '/scripted/a');
    assert.deepEqual(response.headers.getSetCookie(), ['c=3']);
    assert.equal(await response.text(), 'text');
  });

  it('streams, with a head in front or without', async () => {
    const streamed = await lambent.fetch('/scripted?do=stream');
    assert.deepEqual(
      [
        streamed.status,
        streamed.headers.get('x-kind'),
        streamed.headers.getSetCookie(),
        await streamed.text(),
      ],
      [201, 'streamed', ['a=1', 'b=2'], 'one two'],
    );
    const plain = await lambent.fetch('/scripted?do=plainStream');
    assert.deepEqual([plain.headers.get('content-type'), await plain.text()], ['text/css', 'body {}']);
    const big = await lambent.fetch('/scripted?do=bigStream');
    assert.equal((await big.arrayBuffer()).byteLength, 160 * 65_536);
  });

  it('says what is wrong with an answer', async () => {
    for (const [what, message] of [
      ['badPrelude', /head of the answer is not JSON/],
      ['noPrelude', /before its head was complete/],
      ['invalid', /not JSON/],
      ['cutOff', /broke off/],
    ] as const) {
      const response = await lambent.fetch(`/scripted?do=${what}`);
      const { error } = (await response.json()) as { error: { code: string; message: string } };
      assert.deepEqual([response.status, error.code], [502, 'E_FUNCTION_RESPONSE_INVALID'], what);
      assert.match(error.message, message);
    }
  });

  it('breaks an answer off when its trailers tell of an error', async () => {
    await assert.rejects(async () => (await lambent.fetch('/scripted?do=trailers')).text());
    const record = await lambent.waitForInvocation((each) => each.error?.errorType === 'Function.Midway');
    assert.equal(record.error?.errorMessage, 'broke in the middle');
  });
});

describe('a bootstrap that does not work', { timeout: 60_000 }, () => {
  it('reports an error of its start, with its message', async () => {
    const { error } = await invoke('refuses', {});
    assert.equal(error?.code, 'E_BOOT_FAILED');
    assert.match(error!.errorMessage, /NoDatabase: cannot connect/);
    assert.deepEqual(error!.stackTrace, ['at init.rb:7']);
  });

  it('exits before it is ready: its last words are in the message', async () => {
    const { error } = await invoke('quits', {});
    assert.equal(error?.code, 'E_BOOT_FAILED');
    assert.match(error!.errorMessage, /exit code 4 .*no module named foo/);
    // Its standard output and error, and no descriptor of the platform's.
    assert.match(error!.errorMessage, /sockets: 2/);
  });

  it('exits or is killed while it works: that call fails, others and later ones do not', async () => {
    const neighbour = (await invoke('other', { do: 'facts' })).status;
    assert.equal(neighbour, 'ok');
    const exited = (await scripted('exit')).error;
    assert.deepEqual([exited?.code, /exit code 3/.test(exited!.errorMessage)], ['E_FUNCTION_EXITED', true]);
    const killed = (await scripted('signal')).error;
    assert.deepEqual([killed?.code, /SIGKILL/.test(killed!.errorMessage)], ['E_FUNCTION_EXITED', true]);
    assert.deepEqual((await scripted('seen')).result, []);
    assert.deepEqual((await invoke('other', { do: 'seen' })).result, []);
  });

  it('never answers: its time ends, and with it its process', async () => {
    const { error } = await invoke('slow', { do: 'never' });
    assert.equal(error?.code, 'E_FUNCTION_TIMEOUT');
    assert.equal((await invoke('slow', { do: 'seen' })).status, 'ok');
  });
});

describe('the port of an instance', { timeout: 30_000 }, () => {
  it('is closed when the platform stops', async (context) => {
    if (lambent.platform.isolation.level !== 'E') {
      context.skip('it is out of reach from here at any time');
      return;
    }
    const { result } = await invoke('other', { do: 'facts' });
    const [host, port] = (result as Facts).env.AWS_LAMBDA_RUNTIME_API!.split(':');
    const reach = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = connect(Number(port), host!, () => {
          socket.destroy();
          resolve(true);
        });
        socket.on('error', () => resolve(false));
      });
    assert.equal(await reach(), true);
    await lambent.platform.close();
    assert.equal(await reach(), false);
  });
});
