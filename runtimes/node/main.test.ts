import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CANCEL_REASON } from '../../src/model/frames.ts';
import { LINE_BYTES_MAX, LOG_LINES_PER_S } from './console.ts';
import { TestInstance } from '../conformance/test-instance.ts';

describe('what the code prints', () => {
  it('comes as lines with the severity of the method', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const answer = await instance.request({ target: '/methods' });
    const lines = instance.logs.filter((entry) => entry.stream === answer.stream);
    assert.deepEqual(
      lines.map((entry) => `${entry.from} ${entry.severity} ${entry.text}`),
      [
        'stdout info log a 1 { b: [ 1, 2 ] }',
        'stdout debug debug',
        'stdout info info',
        'stderr warn warn',
        'stderr error error',
        'stdout info group',
        'stdout info   two',
        'stdout info   lines',
        'stdout info ┌─────────┬───┐',
        'stdout info │ (index) │ a │',
        'stdout info ├─────────┼───┤',
        'stdout info │ 0       │ 1 │',
        'stdout info └─────────┴───┘',
        'stdout info partial',
        'stdout info rest{"level":"warning","msg":"structured"}',
        'stdout error {"level":50,"msg":"pino"}',
        'stderr warn Warning: take care',
      ],
    );
    assert.equal(instance.rawOutput, '');
  });

  it('outside of any invocation belongs to the instance', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    await instance.until(() => instance.logText(0) === 'loading\noutside');
  });

  it('does not mix between invocations that run at once', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const both = [instance.open({ target: '/mixed?name=one' }), instance.open({ target: '/mixed?name=two' })];
    await Promise.all(both.map((exchange) => exchange.end()));
    for (const [index, name] of ['one', 'two'].entries())
      assert.equal(
        instance.logText(both[index]!.stream),
        [0, 1, 2, 3, 4].map((i) => `${name} ${i}`).join('\n'),
      );
  });

  it('is dropped past the limit, and the loss is told once a second', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const startMs = performance.now();
    await instance.request({ target: '/flood' });
    const told = (): number[] =>
      instance.logs
        .filter(({ text }) => text.includes('dropped'))
        .map(({ text }) => Number.parseInt(text, 10));
    const kept = (): number => instance.logs.filter(({ text }) => text.startsWith('line ')).length;
    const sum = (): number => told().reduce((total, lost) => total + lost, kept());
    await instance.until(() => sum() === 20_000);
    // A slow machine takes more than a second for the flood, and then may log in each.
    const seconds = Math.ceil((performance.now() - startMs) / 1_000);
    assert.ok(kept() <= LOG_LINES_PER_S * seconds);
    assert.ok(told().length >= 1 && told().length <= seconds, `${told()} in ${seconds} s`);
  });

  it('is cut at the longest line', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    await instance.request({ target: '/long' });
    const line = instance.logs.find((entry) => entry.text.startsWith('é'))!.text;
    assert.ok(Buffer.byteLength(line) <= LINE_BYTES_MAX);
    assert.match(line, /é … \[cut: the line has 200000 bytes\]$/);
  });

  it('arrives even when an endless loop follows', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const exchange = instance.open({ target: '/loop' });
    await instance.until(() => instance.logText(exchange.stream) === 'before the loop');
  });
});

describe('errors that nobody caught', () => {
  it('end the invocation in whose promises they arose', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const other = instance.open({ target: '/never' });
    const answer = await instance.request({ target: '/reject' });
    assert.equal(answer.failure?.code, 'E_FUNCTION_ERROR');
    assert.equal(answer.failure?.errorMessage, 'missing is not defined');
    assert.match(instance.logText(answer.stream), /^logs\.mjs:\d+\n {6}missing\.value = 1;\n {6}\^/);
    assert.equal(other.ended, false);
    const text = await instance.request({ target: '/string' });
    assert.match(text.failure?.errorMessage ?? '', /not an Error: 'only text'/);
  });

  it('show the lines of the author, and nothing of what called them', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const stack = await instance.request({ target: '/stack' });
    const at = String.raw`at \S+ \(logs\.mjs:\d+:\d+\)`;
    const frames = stack.failure!.stackTrace;
    assert.ok(frames.length >= 2);
    for (const frame of frames) assert.match(frame, new RegExp(`^${at}$`));
    const text = instance.logText(stack.stream);
    assert.match(text, new RegExp(`Error: outer(\n {4}${at})+ \\{\n {2}order: 7,\n`));
    assert.match(text, new RegExp(`\\[cause\\]: TypeError: inner(\n {6}${at})+\n\\}$`));
    const timer = await instance.request({ target: '/timer' });
    assert.match(timer.failure!.stackTrace.join('\n'), /^at Timeout\.\S+ \(logs\.mjs:\d+:\d+\)$/);
  });

  it('after the answer are a line in its log', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const answer = await instance.request({ target: '/after' });
    assert.equal(answer.text, 'ok');
    await instance.until(() => instance.logText(answer.stream).includes('Error: too late'));
  });

  it('may be hostile values', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const answer = await instance.request({ target: '/hostile' });
    assert.equal(answer.failure?.code, 'E_FUNCTION_ERROR');
    assert.equal((await instance.request({ target: '/methods' })).text, 'ok');
  });
});

describe('the life of an instance', () => {
  it('flushes what was logged before process.exit', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const exchange = instance.open({ target: '/exit' });
    await instance.until(() => instance.exitCode !== undefined);
    assert.equal(instance.exitCode, 3);
    assert.equal(instance.logText(exchange.stream), 'last words\nexit listener');
  });

  it('drains: running work, then SIGTERM listeners, then the end', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    await instance.request({ target: '/hang-on' });
    const exchange = instance.open({ target: '/mixed?name=x' });
    instance.drain();
    await exchange.end();
    assert.equal(exchange.text, 'ok');
    await instance.until(() => instance.exitCode !== undefined);
    assert.equal(instance.exitCode, 0);
    assert.match(instance.logText(0), /cleaning up/);
  });

  it('ends at once when the platform is gone', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    await instance.request({ target: '/hang-on' });
    instance.closeChannel();
    await instance.until(() => instance.exitCode !== undefined);
  });

  it('answers PING', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    instance.ping();
    await instance.until(() => instance.pongs === 1);
  });

  it('drops the answer of a handler that ignores its cancellation, and ends the stream then', async () => {
    await using instance = await TestInstance.start('logs.mjs');
    const exchange = instance.open({ target: '/mixed?name=late' });
    exchange.cancel(CANCEL_REASON.timeout);
    await exchange.end();
    assert.deepEqual([exchange.status, exchange.text, exchange.failure], [0, '', undefined]);
    assert.match(instance.logText(exchange.stream), /late 4$/);
  });
});

describe('code that cannot be called', () => {
  const failed = async (entry: string, handler?: string): Promise<TestInstance> => {
    const instance = new TestInstance(handler === undefined ? { entry } : { entry, handler });
    await instance.until(() => instance.exitCode !== undefined);
    assert.equal(instance.ready, undefined);
    assert.equal(instance.exitCode, 1);
    return instance;
  };

  it('says what the module exports', async () => {
    const { bootFailure } = await failed('exports-nothing.mjs');
    assert.equal(bootFailure?.code, 'E_HANDLER_MISSING');
    assert.match(bootFailure?.errorMessage ?? '', /the module exports answer, config\. Export `default/);
    const named = await failed('exports-nothing.mjs', 'main');
    assert.match(
      named.bootFailure?.errorMessage ?? '',
      /no export named main; the module exports answer, config/,
    );
  });

  it('says what was thrown while loading, with its source line', async () => {
    const instance = await failed('throws-at-load.mjs');
    assert.equal(instance.bootFailure?.code, 'E_BOOT_FAILED');
    assert.equal(instance.bootFailure?.errorType, 'TypeError');
    assert.match(instance.bootFailure?.stackTrace[0] ?? '', /^at throws-at-load\.mjs:2:\d+/);
    assert.match(instance.logText(0), /throws-at-load\.mjs:2\nsettings\.port\.toString\(\);\n {14}\^/);
  });

  it('says when loading never ends', async () => {
    const { bootFailure } = await failed('never-loads.mjs');
    assert.match(bootFailure?.errorMessage ?? '', /never happens/);
  });

  it('says when a module is missing', async () => {
    const { bootFailure } = await failed('no-such-file.mjs');
    assert.equal(bootFailure?.code, 'E_BOOT_FAILED');
  });

  it('calls the export that the manifest names', async () => {
    await using instance = await TestInstance.start('exports-nothing.mjs', { handler: 'answer' });
    assert.equal((await instance.event({}).end()).text, '42');
  });
});
