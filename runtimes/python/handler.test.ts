import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CANCEL_REASON, FRAME } from '../../src/model/frames.ts';
import { checkHttpEvents } from '../conformance/http-event-vectors.ts';
import type { TestInstance } from '../conformance/test-instance.ts';
import { startPython } from '../conformance/python-instance.ts';

describe('a handler in Python', { timeout: 30_000 }, () => {
  let instance: TestInstance;
  before(async () => {
    instance = await startPython('basic.py');
  });
  after(() => instance[Symbol.asyncDispose]());

  it('says that it is one', () => {
    assert.deepEqual(instance.ready, { protocol: 1, handlerKind: 'lambda', concurrency: 1 });
  });

  it('gets HTTP as the event that other languages get', async () => {
    await checkHttpEvents(instance);
  });

  it('answers by the rules of the payload format', async () => {
    const text = await instance.request({ target: '/string' });
    assert.deepEqual(
      [text.status, text.text, text.headers.get('content-type')],
      [200, 'Hello from Lambda!', 'application/json'],
    );
    assert.equal((await instance.request({ target: '/object' })).text, '{"hello":"wörld"}');
    const made = await instance.request({ target: '/cookies' });
    assert.equal(made.status, 201);
    assert.equal(
      made.block,
      'x-number: 5\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 4\r\n',
    );
    assert.deepEqual([...(await instance.request({ target: '/binary' })).bytes], [0, 1, 2]);
    assert.equal((await instance.request({ target: '/nothing' })).text, 'null');
    const head = await instance.request({ method: 'HEAD', target: '/string' });
    assert.deepEqual([head.headers.get('content-length'), head.text], ['18', '']);
  });

  it('says what was wrong with an answer', async () => {
    for (const [target, pattern] of [
      ['/badStatus', /statusCode 'many'/],
      ['/badBody', /body of type dict .*json\.dumps/],
      ['/badHeader', /header that is not valid: x has the value/],
      ['/set', /cannot be written as JSON: Object of type set/],
    ] as const) {
      const { failure } = await instance.request({ target });
      assert.equal(failure?.code, 'E_FUNCTION_RESPONSE_INVALID');
      assert.match(failure?.errorMessage ?? '', pattern);
    }
  });

  it('fails with what was raised, the own lines first, innermost first', async () => {
    const { failure, stream } = await instance.request({ target: '/raises' });
    assert.deepEqual(
      [failure?.code, failure?.errorType, failure?.errorMessage],
      ['E_FUNCTION_ERROR', 'ZeroDivisionError', 'division by zero'],
    );
    assert.match(failure?.stackTrace[0] ?? '', /^basic\.py:\d+ in divide: return a \/ b$/);
    assert.match(failure?.stackTrace[1] ?? '', /^basic\.py:\d+ in handler: return divide\(1, 0\)$/);
    assert.equal(failure?.stackTrace.length, 2);
    assert.match(
      instance.logText(stream),
      /^Traceback \(most recent call last\):\n {2}File "basic\.py", line \d+, in handler/,
    );
  });

  it('outlives sys.exit, which ends the invocation', async () => {
    const { failure } = await instance.request({ target: '/exits' });
    assert.deepEqual(
      [failure?.errorType, failure?.errorMessage],
      ['SystemExit', 'the function called sys.exit(3)'],
    );
    assert.equal((await instance.request({ target: '/string' })).status, 200);
  });

  it('gets events as they are, and answers JSON', async () => {
    const result = await instance.event({ name: 'identity', value: { ü: [1, 2.5, null, true] } }).end();
    assert.equal(result.text, '{"ü":[1,2.5,null,true]}');
    assert.deepEqual(result.kinds, [FRAME.RESULT]);
  });

  it('gets the full context', async () => {
    const deadlineMs = Date.now() + 60_000;
    const head = { deadlineMs, clientContext: { custom: { a: 1 } }, traceparent: '00-1-2-01' };
    const context = JSON.parse((await instance.event({ name: 'context' }, head).end()).text);
    assert.ok(context.remaining > 50_000 && context.remaining <= 60_000);
    const { remaining: _, awsRequestId: id, ...rest } = context;
    assert.match(id, /^req_\d+$/);
    assert.deepEqual(rest, {
      memoryLimitInMB: '128',
      logGroupName: '/aws/lambda/fn',
      functionName: 'fn',
      arn: 'arn:aws:lambda:local:000000000000:function:fn',
      custom: { a: 1 },
      trace: '00-1-2-01',
    });
  });

  it('refuses a result over 6 MiB and says so', async () => {
    const { failure } = await instance.event({ name: 'large' }).end();
    assert.equal(failure?.code, 'E_RESPONSE_TOO_LARGE');
    assert.match(failure?.errorMessage ?? '', /6 MiB/);
  });

  it('takes a large body and gives a large answer within the window', async () => {
    const body = 'ü'.repeat(400_000);
    const echoed = instance.open({
      method: 'POST',
      target: '/echo',
      headers: { 'content-type': 'text/plain' },
      complete: false,
      autoCredit: false,
    });
    const bytes = Buffer.from(body);
    for (let at = 0; at < bytes.length; at += 50_000)
      echoed.send(bytes.subarray(at, at + 50_000), at + 50_000 >= bytes.length);
    await echoed.until((exchange) => exchange.bytes.length > 0);
    await echoed.until((exchange) => exchange.bytes.length === exchange.firstWindowBytes);
    assert.ok(echoed.creditGot > 0);
    echoed.credit(1_000_000);
    await echoed.end();
    assert.equal(echoed.text, body);
  });

  it('answers PING, and ends with 0 when drained', async () => {
    await using other = await startPython('basic.py');
    other.ping();
    await other.until(() => other.pongs === 1);
    other.drain();
    await other.until(() => other.exitCode !== undefined);
    assert.equal(other.exitCode, 0);
    assert.ok(other.peakKb > 1_000);
  });
});

describe('a generator in Python', { timeout: 30_000 }, () => {
  let instance: TestInstance;
  before(async () => {
    instance = await startPython('stream.py');
  });
  after(() => instance[Symbol.asyncDispose]());

  it('streams its answer, after a head of its own', async () => {
    const answer = await instance.request({ target: '/head' });
    assert.deepEqual(
      [answer.status, answer.block, answer.text],
      [206, 'content-type: text/x\r\nset-cookie: s=1\r\n', 'one two'],
    );
    assert.equal((await instance.event({ name: 'plain' }).end()).text, '{"whole": "plain"}');
  });

  it('waits for a slow reader', async () => {
    const answer = instance.open({ target: '/big', autoCredit: false });
    await answer.until(
      (exchange) => exchange.status === 200 && exchange.bytes.length === exchange.firstWindowBytes,
    );
    answer.credit(3_000_000);
    await answer.end();
    assert.equal(answer.bytes.length, 2_000_000);
  });

  it('stops when the caller leaves', async () => {
    const answer = instance.open({ target: '/endless' });
    await answer.until((exchange) => exchange.bytes.length > 1_000_000);
    answer.cancel(CANCEL_REASON.callerGone);
    await answer.end();
    assert.match(instance.logText(answer.stream), /closed/);
  });

  it('breaks off with what was raised, and refuses odd values', async () => {
    const late = await instance.request({ target: '/late' });
    assert.deepEqual([late.status, late.text, late.failure?.errorMessage], [200, 'first', 'in the middle']);
    const odd = await instance.request({ target: '/odd' });
    assert.equal(odd.failure?.code, 'E_FUNCTION_RESPONSE_INVALID');
  });

  it('may be asynchronous', async () => {
    await using other = await startPython('async_stream.py');
    const answer = await other.request();
    assert.deepEqual([answer.status, answer.text], [201, '0 1 2 ']);
  });
});

describe('several invocations in one instance of Python', { timeout: 30_000 }, () => {
  it('run at once where the handler is async, each with its own log', async () => {
    await using instance = await startPython('async_basic.py');
    assert.equal(instance.ready?.concurrency, 100);
    const waiting = ['a', 'b', 'c'].map((id) => instance.event({ name: 'wait', id }));
    await instance.until(() => ['a', 'b', 'c'].every((id) => instance.logText().includes(`waits ${id}`)));
    for (const id of ['c', 'a', 'b'])
      assert.equal((await instance.event({ name: 'go', id }).end()).text, '"gone"');
    for (const [at, id] of ['a', 'b', 'c'].entries()) {
      const { stream, text } = await waiting[at]!.end();
      assert.equal(text, `"${id}"`);
      assert.equal(instance.logText(stream), `waits ${id}\nwent on ${id}\nthread of ${id}`);
    }
  });

  it('are stopped one by one', async () => {
    await using instance = await startPython('async_basic.py');
    const forever = instance.event({ name: 'forever' });
    assert.equal((await instance.event({}).end()).text, '{"echo":{}}');
    forever.cancel(CANCEL_REASON.timeout);
    await forever.end();
    assert.equal(instance.logText(forever.stream), 'was stopped');
    const { failure } = await instance.event({ name: 'raises' }).end();
    assert.deepEqual([failure?.errorType, failure?.errorMessage], ['LookupError', 'not here']);
    instance.drain();
    await instance.until(() => instance.exitCode === 0);
  });

  it('run in a thread each where the manifest allows it', async () => {
    await using instance = await startPython('threads.py', { concurrency: 4 });
    const [left, right] = ['l', 'r'].map((id) => instance.event({ name: 'meet', id }));
    await Promise.all([left!.end(), right!.end()]);
    assert.equal(instance.logText(left!.stream), 'arrived l');
    assert.equal(instance.logText(right!.stream), 'arrived r');
    const large = await instance.request({ target: '/', body: '' });
    assert.equal(large.text, 'ok');
  });

  it('are stopped in their thread, while others go on', async () => {
    await using instance = await startPython('threads.py', { concurrency: 4 });
    const spinning = instance.event({ name: 'spin' });
    await instance.until(() => instance.logText().includes('spins'));
    spinning.cancel(CANCEL_REASON.timeout);
    instance.ping();
    await instance.until(() => instance.pongs === 1);
    await spinning.end();
    assert.equal((await instance.event({}).end()).text, '"ok"');
  });

  it('work behind a decorator that hides `async`', async () => {
    await using instance = await startPython('hides_async.py');
    assert.equal((await instance.event({}).end()).text, '{"hidden":true}');
  });
});
