import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestInstance } from '../../runtimes/conformance/test-instance.ts';
import { type BootMessage, CANCEL_REASON, FRAME, WINDOW_BYTES } from '../../src/model/frames.ts';
import * as frames from '../../src/model/frames.ts';
import { MODULE_DIR, runGo, WITHOUT_GO } from './test-go.ts';

/** Lines of a program that the limits let through in a second. */
const LOG_LINES_PER_S = 5_000;

describe('the Go module', { skip: WITHOUT_GO, timeout: 240_000 }, () => {
  let folder: string;
  let program: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-go-'));
    program = join(folder, 'instance');
    await runGo(['build', '-trimpath', '-o', program, './fixtures/instance']);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const command = (): [string, ...string[]] => ['/usr/bin/env', 'LAMBENT_APP=test', program];
  const bootOf = (mode: string): Partial<BootMessage> => ({ codeDir: folder, env: { MODE: mode } });
  const start = (mode: string): Promise<TestInstance> =>
    TestInstance.start('instance', bootOf(mode), command());
  /** One that never becomes ready. */
  const failed = async (mode: string): Promise<TestInstance> => {
    const instance = new TestInstance(bootOf(mode), command());
    await instance.until(() => instance.exitCode !== undefined);
    assert.equal(instance.ready, undefined);
    return instance;
  };

  it('passes its own tests and those of `go vet`', async () => {
    await runGo(['vet', './...']);
    await runGo(['test', './...']);
  });

  it('names the protocol as the platform does', async () => {
    const text = await readFile(join(MODULE_DIR, 'internal/instance/frames.go'), 'utf8');
    const known = new Map<string, number>(Object.entries(frames.FRAME).map(([name, value]) => [name, value]));
    const found = [...text.matchAll(/^\tframe([A-Z]\w+)\s+= (0x\w+)$/gm)];
    assert.ok(found.length >= 15);
    for (const [, name, value] of found) {
      const upper = name!.replace(/([a-z])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3_$2$4').toUpperCase();
      assert.equal(Number(value), known.get(upper), upper);
    }
    const number = (name: string): string | undefined => new RegExp(`\\t${name}\\s+= (.+)`).exec(text)?.[1];
    assert.equal(number('frameHeaderBytes'), String(frames.FRAME_HEADER_BYTES));
    assert.equal(number('framePayloadMax'), '1 << 20');
    assert.equal(frames.FRAME_PAYLOAD_MAX, 1 << 20);
    assert.equal(number('windowBytes'), `${WINDOW_BYTES / 1024} * 1024`);
    assert.equal(number('bodyChunkBytes'), `${frames.BODY_CHUNK_BYTES / 1024} * 1024`);
    assert.equal(number('protocolVersion'), String(frames.PROTOCOL_VERSION));
    assert.deepEqual([...frames.SEVERITIES], ['trace', 'debug', 'info', 'warn', 'error', 'fatal']);
  });

  describe('typed handlers', () => {
    it('take and give JSON', async () => {
      await using instance = await start('typed');
      assert.deepEqual(instance.ready, { protocol: 1, handlerKind: 'plain' });
      assert.equal((await instance.event({ item: 'tea & <milk>' }).end()).text, '{"sold":"tea & <milk>"}');
      const large = await instance.event({ do: '300 KiB' }).end();
      assert.equal(large.bytes.length, 300 * 1024 + 2);
    });

    it('find what is known of their call', async () => {
      await using instance = await start('typed');
      const head = { traceparent: '00-a-b-01', attempt: 2, trigger: 'async', clientContext: { custom: 1 } };
      const answer = await instance.event({ do: 'call' }, head).end();
      const { call } = JSON.parse(answer.text) as { call: Record<string, unknown> };
      assert.deepEqual(
        [
          call.RequestID,
          call.App,
          call.Function,
          call.Trigger,
          call.Attempt,
          call.Traceparent,
          call.ClientContext,
        ],
        ['req_1', 'test', 'fn', 'async', 2, '00-a-b-01', { custom: 1 }],
      );
    });

    it('fail with their error, or with the place of their panic', async () => {
      await using instance = await start('typed');
      const failure = async (event: object) => (await instance.event(event).end()).failure;
      assert.deepEqual(await failure({ do: 'error', item: 'tea' }), {
        code: 'E_FUNCTION_ERROR',
        errorType: 'outOfStock',
        errorMessage: 'out of tea',
        stackTrace: [],
      });
      assert.equal((await failure({ do: 'wrapped', item: 'tea' }))?.errorType, 'wrapError');
      const panicked = await failure({ do: 'panic', item: 'no milk' });
      assert.deepEqual([panicked?.errorType, panicked?.errorMessage], ['string', 'no milk']);
      assert.match(panicked?.stackTrace[0] ?? '', /^at main\.boom \(fixtures\/instance\/main\.go:\d+\)$/);
      assert.match(panicked?.stackTrace[1] ?? '', /^at main\.sell /);
      const nil = await failure({ do: 'nil map' });
      assert.deepEqual(
        [nil?.errorType, nil?.errorMessage],
        ['RuntimeError', 'assignment to entry in nil map'],
      );
      assert.match(nil?.stackTrace[0] ?? '', /^at main\.sell /);
      assert.match((await failure([1]))?.errorMessage ?? '', /^the event does not fit main\.order: json: /);
      assert.equal((await failure({ do: 'not JSON' }))?.code, 'E_FUNCTION_RESPONSE_INVALID');
      assert.equal((await failure({ do: 'large' }))?.code, 'E_RESPONSE_TOO_LARGE');
      assert.ok(
        Buffer.byteLength((await failure({ do: 'recursion limit' }))?.errorMessage ?? '') <= 16 * 1024,
      );
      assert.equal((await instance.event({ item: 'tea' }).end()).text, '{"sold":"tea"}');
      assert.match(instance.logText(), /error: |string: no milk\n {4}at main\.boom/);
    });

    it('answer HTTP by the rules of API Gateway', async () => {
      await using instance = await start('typed');
      const ask = (what: string) =>
        instance.request({ method: 'POST', headers: { 'content-type': 'application/json' }, body: what });
      // The event of a request has no `do`: its body is text in it.
      const plain = await ask('x');
      assert.deepEqual([plain.status, plain.headers.get('content-type')], [200, 'application/json']);
    });

    it('stream what they return as a reader', async () => {
      await using instance = await start('typed');
      assert.equal((await instance.event({ do: 'reader', item: 'tea' }).end()).text, 'read tea');
    });

    it('are cancelled, and may run on after their answer', async () => {
      await using instance = await start('typed');
      const waiting = instance.event({ do: 'wait' });
      instance.ping();
      await instance.until(() => instance.pongs === 1);
      waiting.cancel(CANCEL_REASON.timeout);
      await waiting.end();
      assert.deepEqual([waiting.text, waiting.failure], ['', undefined]);
      const late = 'context deadline exceeded';
      assert.equal(instance.logText(waiting.stream), `over: ${late}, ${late}, ${late}`);
      const unwanted = instance.event({ do: 'wait' });
      instance.ping();
      await instance.until(() => instance.pongs === 2);
      unwanted.cancel(CANCEL_REASON.callerGone);
      await unwanted.end();
      assert.match(instance.logText(unwanted.stream), /^over: context canceled, context canceled, /);
      const answered = await instance.event({ do: 'background', item: 'x' }).end();
      assert.equal(answered.text, '{"sold":"x"}');
      await instance.until(() => instance.logText(answered.stream).includes('in the background'));
      assert.match(instance.logText(answered.stream), /^done later\nstring: in the background/);
      assert.equal(instance.exitCode, undefined);
    });
  });

  describe('net/http handlers', () => {
    it('answer as with a server of their own', async () => {
      await using instance = await start('web');
      assert.deepEqual(instance.ready, { protocol: 1, handlerKind: 'server' });
      const hello = await instance.request({ target: '/hello' });
      assert.equal(hello.text, 'hello example.test');
      assert.deepEqual(hello.kinds, [FRAME.HTTP_RESPONSE]);
      assert.equal(hello.block, 'Content-Type: text/plain; charset=utf-8\r\nContent-Length: 18\r\n');
      assert.match((await instance.request({ target: '/html' })).block, /^Content-Type: text\/html/);
      const none = await instance.request({ target: '/none' });
      assert.deepEqual([none.status, none.block, none.text], [204, '', '']);
      const head = await instance.request({ method: 'HEAD', target: '/hello' });
      assert.deepEqual([head.headers.get('Content-Length'), head.text], ['18', '']);
      assert.equal((await instance.request({ target: '/late' })).status, 201);
    });

    it('see headers, addresses and parameters', async () => {
      await using instance = await start('web');
      const answer = await instance.request({
        target: '/headers?q=a%20b&q=c',
        lines: ['x-two: 1', 'x-two: 2'],
        params: 'id=4%2F2',
      });
      assert.equal(answer.text, '[1 2]192.0.2.7:0false4/2map[q:[a b c]]');
      assert.equal(
        answer.block,
        'Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Broken: a  b: c\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 38\r\n',
      );
    });

    it('stream both ways', async () => {
      await using instance = await start('web');
      const exchange = instance.open({ method: 'POST', target: '/stream', complete: false });
      await exchange.until(() => exchange.text === 'tick 0\n');
      exchange.send('x', false);
      await exchange.end();
      assert.equal(exchange.text, 'tick 0\ntick 1\ntick 2\n');
      const body = 'y'.repeat(WINDOW_BYTES);
      const echo = instance.open({ method: 'POST', target: '/echo', complete: false });
      for (let at = 0; at < body.length; at += 64 * 1024) echo.send(body.slice(at, at + 64 * 1024), false);
      await echo.until(() => echo.creditGot >= WINDOW_BYTES / 2);
      echo.send('end', true);
      await echo.end();
      assert.equal(echo.text, `${body}end`);
      assert.equal(echo.headers.get('X-Length'), '-1');
    });

    it('wait for a slow reader, and for no other', async () => {
      await using instance = await start('web');
      const slow = instance.open({ target: '/large', autoCredit: false });
      await slow.until(() => slow.bytes.length >= slow.firstWindowBytes);
      assert.equal((await instance.request({ target: '/hello' })).status, 200);
      assert.equal(slow.bytes.length, slow.firstWindowBytes);
      for (let left = 2_000_000 - slow.bytes.length; left > 0; left -= 100_000) slow.credit(100_000);
      await slow.end();
      assert.equal(slow.bytes.length, 2_000_000);
    });

    it('hear that the caller is gone', async () => {
      await using instance = await start('web');
      for (const target of ['/wait', '/large']) {
        const exchange = instance.open({ target, autoCredit: false });
        instance.ping();
        if (target === '/large') await exchange.until(() => exchange.status === 200);
        exchange.cancel(CANCEL_REASON.callerGone);
        await exchange.end();
        assert.match(instance.logText(exchange.stream), /the answer is no longer wanted/);
      }
    });

    it('end their own request when they fail', async () => {
      await using instance = await start('web');
      const panicked = await instance.request({ target: '/panic' });
      assert.equal(panicked.failure?.errorMessage, 'in the handler');
      assert.match(panicked.failure?.stackTrace[0] ?? '', /^at main\.boom/);
      const aborted = await instance.request({ target: '/abort' });
      assert.deepEqual([aborted.status, aborted.failure?.errorType], [200, 'AbortHandler']);
      assert.equal(instance.logText(aborted.stream), '');
      const short = await instance.request({ target: '/short' });
      assert.equal(short.text, 'abc');
      assert.match(instance.logText(short.stream), /wrote more than the declared Content-Length/);
    });

    it('take over an upgraded connection', async () => {
      await using instance = await start('web');
      const open = (target: string) =>
        instance.open({ target, headers: { connection: 'Upgrade', upgrade: 'echo' }, complete: false });
      const exchange = open('/upgrade');
      await exchange.until(() => exchange.status === 101);
      assert.equal(exchange.block, 'Upgrade: echo\r\n');
      exchange.send('one\ntwo\n', false);
      await exchange.until(() => exchange.text === 'got one\ngot two\n');
      exchange.send('bye\n', false);
      await exchange.end();
      const refused = await open('/upgrade?refuse=1').end();
      assert.equal(refused.failure?.code, 'E_UPGRADE_REFUSED');
      const gone = open('/upgrade');
      await gone.until(() => gone.status === 101);
      gone.cancel(CANCEL_REASON.callerGone);
      await gone.end();
    });

    it('get events as requests', async () => {
      await using instance = await start('web');
      assert.equal((await instance.event({ a: 1 }).end()).text, '{"method":"POST","event":{"a":1}}');
      const failed = await instance.event('"teapot"').end();
      assert.match(failed.failure?.errorMessage ?? '', /^the handler answered the event with status 418: \{/);
    });
  });

  describe('what the code prints', () => {
    it('comes as lines with their severity, before the answer', async () => {
      await using instance = await start('web');
      const answer = await instance.request({ target: '/logs?kind=all' });
      const lines = instance.logs.filter((entry) => entry.stream === answer.stream);
      assert.deepEqual(
        lines
          .filter(({ from }) => from === 'stdout')
          .map(({ severity, text }) => `${severity} ${text.replace(/"time":"[^"]+",/, '')}`),
        ['info printed', 'error {"level":"ERROR","msg":"structured"}', 'info without end'],
      );
      assert.deepEqual(
        lines
          .filter(({ from }) => from === 'stderr')
          .map(({ severity, text }) => `${severity} ${text.replace(/^time=\S+ /, '')}`),
        [
          'error to stderr',
          'info logged',
          'info twice',
          'warn WARN careful n=1',
          'debug level=DEBUG msg=text',
        ],
      );
      assert.equal(instance.rawOutput, '');
    });

    it('of package log belongs to its call, though several run', async () => {
      await using instance = await start('web');
      const both = ['one', 'two'].map((name) => instance.open({ target: `/logs?name=${name}` }));
      await Promise.all(both.map((exchange) => exchange.end()));
      for (const [at, name] of ['one', 'two'].entries())
        assert.equal(instance.logText(both[at]!.stream), `${name} 0\n${name} 1\n${name} 2`);
    });

    it('may be no UTF-8, too long and too much', async () => {
      await using instance = await start('web');
      const bytes = await instance.request({ target: '/logs?kind=bytes' });
      assert.equal(instance.logText(bytes.stream), 'bad \uFFFD utf-8');
      const long = await instance.request({ target: '/logs?kind=long' });
      assert.match(instance.logText(long.stream), /cut: the line has \d+ bytes\]/);
      const flood = await instance.request({ target: '/flood' });
      await instance.until(() => instance.logText(0).includes('dropped'));
      const kept = instance.logs.filter((entry) => entry.text.startsWith('line ')).length;
      assert.ok(kept <= LOG_LINES_PER_S, `${kept}`);
      const told = instance.logs.find((entry) => entry.text.includes('dropped'))!;
      assert.ok(Number.parseInt(told.text, 10) > 10_000);
      assert.equal(flood.status, 200);
    });
  });

  describe('the life of an instance', () => {
    it('drains: running work, clean-up, the end', async () => {
      await using instance = await start('typed');
      const waiting = instance.event({ do: 'wait' });
      instance.drain();
      instance.ping();
      await instance.until(() => instance.pongs === 1);
      assert.equal(instance.exitCode, undefined);
      waiting.cancel(CANCEL_REASON.callerGone);
      await instance.until(() => instance.exitCode !== undefined);
      // By SIGTERM, for which nothing in this program listens.
      assert.equal(instance.child.signalCode, 'SIGTERM');
      assert.match(instance.logText(0), /cleaning up/);
    });

    it('gets SIGTERM after the clean-up, and may end by itself', async () => {
      await using instance = await start('listens');
      instance.drain();
      await instance.until(() => instance.exitCode !== undefined);
      assert.equal(instance.exitCode, 5);
      assert.match(instance.logText(0), /cleaning up/);
    });

    it('does not wait for a call that ran out of time and never returns', async () => {
      await using instance = await start('typed');
      const stuck = instance.event({ do: 'deadlock' });
      instance.ping();
      await instance.until(() => instance.pongs === 1);
      stuck.cancel(CANCEL_REASON.timeout);
      instance.drain();
      await instance.until(() => instance.exitCode !== undefined);
      assert.equal(instance.child.signalCode, 'SIGTERM');
    });

    it('ends with the platform, and by os.Exit', async () => {
      await using left = await start('typed');
      left.event({ do: 'deadlock' });
      left.closeChannel();
      await left.until(() => left.exitCode !== undefined);
      await using instance = await start('typed');
      instance.event({ do: 'exit' });
      await instance.until(() => instance.exitCode !== undefined);
      assert.equal(instance.exitCode, 7);
    });

    it('ends by a panic in a goroutine, whose text reaches the platform', async () => {
      await using instance = await start('typed');
      instance.event({ do: 'goroutine' });
      await instance.until(() => instance.exitCode !== undefined);
      assert.equal(instance.exitCode, 2);
      assert.match(instance.rawOutput, /^panic: in a goroutine\n\ngoroutine \d+ [\s\S]*main\.boom/);
    });

    it('does not begin without a handler', async () => {
      const none = await failed('no handler');
      assert.equal(none.bootFailure?.code, 'E_HANDLER_MISSING');
      assert.match(
        none.bootFailure?.errorMessage ?? '',
        /func\(int, int, int\), which takes too many arguments/,
      );
      assert.match((await failed('panics at start')).rawOutput, /^panic: at start/);
      assert.equal((await failed('returns')).exitCode, 0);
    });
  });

  it('says how to start a program that was started by hand', async () => {
    await assert.rejects(runGo(['run', './fixtures/instance']), /run `lambent dev` in the app's folder/);
  });
});
