import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CANCEL_REASON, FRAME } from '../../src/model/frames.ts';
import { checkHttpEvents } from '../conformance/http-event-vectors.ts';
import { TestInstance } from '../conformance/test-instance.ts';

describe('a Lambda handler', () => {
  let instance: TestInstance;
  before(async () => {
    instance = await TestInstance.start('lambda.mjs');
  });
  after(() => instance[Symbol.asyncDispose]());

  it('says that it is one', () => {
    assert.deepEqual(instance.ready, { protocol: 1, handlerKind: 'lambda' });
  });

  it('gets HTTP as an event of payload format 2.0', async () => {
    await checkHttpEvents(instance);
  });

  it('answers by the rules of the payload format', async () => {
    const text = await instance.request({ target: '/string' });
    assert.deepEqual(
      [text.status, text.text, text.headers.get('content-type')],
      [200, 'Hello from Lambda!', 'application/json'],
    );
    const object = await instance.request({ target: '/object' });
    assert.deepEqual(
      [object.text, object.headers.get('content-type')],
      ['{"hello":"world"}', 'application/json'],
    );
    const made = await instance.request({ target: '/cookies' });
    assert.equal(made.status, 201);
    assert.equal(
      made.block,
      'x-number: 5\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 4\r\n',
    );
    const binary = await instance.request({ target: '/binary' });
    assert.deepEqual([...binary.bytes], [0, 1, 2]);
    assert.equal((await instance.request({ target: '/nothing' })).text, 'null');
  });

  it('sends a Response as such', async () => {
    const answer = await instance.request({ target: '/response' });
    assert.deepEqual([answer.status, answer.text], [202, 'as such']);
  });

  it('says what was wrong with an answer', async () => {
    for (const [target, pattern] of [
      ['/badStatus', /statusCode 'many'/],
      ['/badBody', /body of type object .*JSON\.stringify/],
      ['/circular', /cannot be written as JSON/],
    ] as const) {
      const answer = await instance.request({ target });
      assert.equal(answer.failure?.code, 'E_FUNCTION_RESPONSE_INVALID');
      assert.match(answer.failure?.errorMessage ?? '', pattern);
    }
  });

  it('fails with what was thrown', async () => {
    const failed = await instance.request({ target: '/throws' });
    assert.deepEqual(
      [failed.failure?.errorType, failed.failure?.errorMessage],
      ['RangeError', 'out of range'],
    );
    const odd = await instance.request({ target: '/throwsString' });
    assert.deepEqual(
      [odd.failure?.errorType, odd.failure?.errorMessage],
      ['string', "the function threw something that is not an Error: 'just text'"],
    );
  });

  it('gets events as they are, and answers JSON', async () => {
    const result = await instance.event('{"__proto__":{"a":1},"b":"ü"}').end();
    assert.equal(result.text, '{"__proto__":{"a":1},"b":"ü"}');
    assert.deepEqual(result.kinds, [FRAME.RESULT]);
    assert.equal((await instance.event({ name: 'nothing' }).end()).text, 'null');
  });

  it('gets the full context', async () => {
    const deadlineMs = Date.now() + 60_000;
    const result = await instance.event({ name: 'context' }, { deadlineMs, clientContext: { app: 1 } }).end();
    const context = JSON.parse(result.text);
    assert.ok(context.remaining > 50_000 && context.remaining <= 60_000);
    assert.equal(context.awsRequestId, `req_${result.stream}`);
    assert.equal(context.memoryLimitInMB, '128');
    assert.equal(context.logGroupName, '/aws/lambda/fn');
    assert.deepEqual(context.clientContext, { app: 1 });
    assert.equal(context.aborted, false);
  });

  it('refuses a result over 6 MiB and says so', async () => {
    const result = await instance.event({ name: 'large' }).end();
    assert.equal(result.failure?.code, 'E_RESPONSE_TOO_LARGE');
    assert.match(result.failure?.errorMessage ?? '', /6 MiB/);
  });

  it('takes a large event and gives a large result, in pieces', async () => {
    const payload = JSON.stringify({ text: 'y'.repeat(900_000) });
    const exchange = instance.event('', {});
    await exchange.end();
    const large = instance.open({ method: 'POST', target: '/echo', complete: false });
    large.cancel(CANCEL_REASON.callerGone);
    await large.end();
    assert.equal((await instance.event(payload).end()).text, payload);
  });
});

describe('other shapes of Lambda handlers', () => {
  it('answers through the callback or the context, once', async () => {
    await using instance = await TestInstance.start('lambda-callback.cjs');
    assert.equal((await instance.event({}).end()).text, '{"by":"callback"}');
    assert.equal((await instance.event({ how: 'succeed' }).end()).text, '{"by":"succeed"}');
    assert.equal((await instance.event({ how: 'twice' }).end()).text, '"first"');
    assert.equal((await instance.event({ how: 'error' }).end()).failure?.errorMessage, 'told by callback');
  });

  it('streams its answer', async () => {
    await using instance = await TestInstance.start('lambda-stream.mjs');
    const exchange = instance.open();
    await exchange.until(() => exchange.text === 'one ');
    await exchange.end();
    assert.deepEqual([exchange.status, exchange.text], [206, 'one two']);
    assert.equal(exchange.block, 'content-type: text/plain\r\nset-cookie: s=1\r\n');
    const result = await instance.event({ fail: true }).end();
    assert.equal(result.failure?.errorMessage, 'before the first byte');
  });

  it('calls a plain default function', async () => {
    await using instance = await TestInstance.start('plain.mjs');
    assert.equal(instance.ready?.handlerKind, 'plain');
    assert.equal(
      (await instance.event({ name: 'Ada' }, { requestId: 'r9' }).end()).text,
      '{"hello":"Ada","id":"r9"}',
    );
    assert.match((await instance.request({ target: '/?name=Bob' })).text, /"hello":"Bob"/);
  });
});
