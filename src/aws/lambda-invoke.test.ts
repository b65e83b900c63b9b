import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Bench, openBench, sampleLine, withToken } from '../admin/admin-harness.test.ts';
import { LambentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import type { InvocationError } from '../model/invocation.ts';
import { EVENT_BYTES_MAX, type EventOutcome } from '../ports/invoker.ts';
import { createLambdaApi, type LambdaApi } from './lambda-invoke.ts';
import { authorizeSigned } from './signature.ts';

let bench: Bench;
let lambda: LambdaApi;

function lambdaOf({ deps, api }: Bench): LambdaApi {
  return createLambdaApi({
    ...deps,
    authorize: authorizeSigned(api.authorize, deps.accessKeys, deps.clock),
    random: createSeededRandom(2),
    log: silentLog,
  });
}

before(async () => {
  bench = await openBench();
  await bench.deploy('shop', 'hello', 'pay');
  await bench.deploy('blog', 'hello');
  lambda = lambdaOf(bench);
});

const echo = (call: { payload: Uint8Array }): EventOutcome => ({
  status: 'ok',
  payload: Buffer.from(call.payload),
  billedMs: 1,
});

beforeEach(() => {
  bench.invoker.answer = echo;
});

after(() => bench.close());

interface Options {
  body?: BodyInit;
  headers?: Record<string, string>;
  remoteAddress?: string;
  api?: LambdaApi;
}

async function invoke(name: string, options: Options = {}) {
  const headers = new Headers({ host: 'localhost:5262', ...options.headers });
  const init: RequestInit = { method: 'POST', headers };
  if (options.body !== undefined) init.body = options.body;
  const request = new Request(`http://localhost:5262/2015-03-31/functions/${name}`, init);
  const response = await (options.api ?? lambda).fetch(request, options.remoteAddress ?? '127.0.0.1');
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

async function errorOf(name: string, options: Options = {}) {
  const { status, headers, text } = await invoke(name, options);
  const body = JSON.parse(text);
  assert.equal(typeof body.Message, 'string');
  assert.ok(headers.get('x-amzn-requestid'));
  return { status, type: headers.get('x-amzn-errortype'), message: body.Message as string, headers };
}

test('recognises its own requests and no others', () => {
  assert.ok(lambda.matches('POST', '/2015-03-31/functions/hello/invocations'));
  assert.ok(lambda.matches('POST', '/2015-03-31/functions/arn%3Aaws%3A1/invocations'));
  assert.ok(!lambda.matches('GET', '/2015-03-31/functions/hello/invocations'));
  assert.ok(!lambda.matches('POST', '/2015-03-31/functions/a/b/invocations'));
  assert.ok(!lambda.matches('POST', '/functions/hello/invocations'));
});

describe('RequestResponse', () => {
  test('gives the result as it is', async () => {
    const { status, headers, text } = await invoke('pay/invocations', { body: '{"n":12345678901234567890}' });
    assert.equal(status, 200);
    assert.equal(text, '{"n":12345678901234567890}');
    assert.equal(headers.get('x-amz-executed-version'), '$LATEST');
    assert.equal(headers.get('x-amz-function-error'), null);
    assert.equal(headers.get('x-amzn-requestid'), bench.invoker.calls.at(-1)?.id);
  });

  test('names functions by name, app, ARN and qualifier', async () => {
    const arn = 'arn:aws:lambda:eu-central-1:123456789012:function:shop--hello';
    for (const name of [
      'pay',
      'shop--hello',
      'blog--hello',
      encodeURIComponent(arn),
      encodeURIComponent(`${arn}:$LATEST`),
      encodeURIComponent('123456789012:function:pay'),
      encodeURIComponent('pay:$LATEST'),
    ]) {
      assert.equal((await invoke(`${name}/invocations`)).status, 200, name);
    }
    assert.equal((await invoke('pay/invocations?Qualifier=$LATEST')).status, 200);
    const { version } = bench.invoker.calls.at(-1)!;
    assert.deepEqual([version.app, version.name], ['shop', 'pay']);
  });

  test('says what it does not find', async () => {
    const cases: [string, number, string][] = [
      ['none/invocations', 404, 'ResourceNotFoundException'],
      ['none--hello/invocations', 404, 'ResourceNotFoundException'],
      ['pay/invocations?Qualifier=7', 404, 'ResourceNotFoundException'],
      ['hello/invocations', 400, 'InvalidParameterValueException'],
      ['a%2Fb/invocations', 400, 'InvalidParameterValueException'],
      ['%zz/invocations', 400, 'InvalidParameterValueException'],
      ['pay%3A%24LATEST/invocations?Qualifier=7', 400, 'InvalidParameterValueException'],
    ];
    for (const [name, status, type] of cases) {
      const error = await errorOf(name);
      assert.deepEqual([error.status, error.type], [status, type], name);
    }
    assert.match((await errorOf('hello/invocations')).message, /--hello/);
  });

  test('an error of the function is an answer with 200', async () => {
    const failing = async (error: InvocationError) => {
      bench.invoker.answer = () => ({ status: 'failed', error, retryable: true, billedMs: 1 });
      const { status, headers, text } = await invoke('pay/invocations');
      assert.equal(status, 200);
      assert.equal(headers.get('x-amz-function-error'), 'Unhandled');
      return JSON.parse(text);
    };
    assert.deepEqual(
      await failing({
        code: 'E_FUNCTION_ERROR',
        errorType: 'TypeError',
        errorMessage: 'no',
        stackTrace: ['TypeError: no', 'at a'],
      }),
      { errorType: 'TypeError', errorMessage: 'no', trace: ['TypeError: no', 'at a'] },
    );
    const timeout = await failing({
      code: 'E_FUNCTION_TIMEOUT',
      errorType: 'E_FUNCTION_TIMEOUT',
      errorMessage: 'stopped after 3 s',
      stackTrace: [],
    });
    assert.equal(timeout.errorType, 'Sandbox.Timedout');
    assert.match(timeout.errorMessage, /stopped after 3 s/);
  });

  test('what never reached the function is an error of the service', async () => {
    const refused = (code: InvocationError['code']) => {
      bench.invoker.answer = () => ({
        status: 'failed',
        error: { code, errorType: code, errorMessage: 'no room', stackTrace: [] },
        retryable: true,
        billedMs: 0,
      });
      return errorOf('pay/invocations');
    };
    const throttled = await refused('E_CONCURRENCY_LIMIT');
    assert.deepEqual([throttled.status, throttled.type], [429, 'TooManyRequestsException']);
    assert.deepEqual((await refused('E_START_FAILED')).type, 'ServiceException');
    bench.invoker.answer = () => {
      throw new LambentError('E_OVERLOADED', 'full', { retryAfterS: 3 });
    };
    const overloaded = await errorOf('pay/invocations');
    assert.deepEqual([overloaded.status, overloaded.headers.get('retry-after')], [429, '3']);
    bench.invoker.answer = () => {
      throw new Error('secret path');
    };
    const defect = await errorOf('pay/invocations');
    assert.equal(defect.status, 500);
    assert.ok(!defect.message.includes('secret'));
  });

  test('refuses what is no JSON or too large', async () => {
    const malformed = await errorOf('pay/invocations', { body: '{' });
    assert.deepEqual([malformed.status, malformed.type], [400, 'InvalidRequestContentException']);
    const large = await errorOf('pay/invocations', { body: `"${'x'.repeat(EVENT_BYTES_MAX)}"` });
    assert.deepEqual([large.status, large.type], [413, 'RequestTooLargeException']);
    const type = await errorOf('pay/invocations', { headers: { 'x-amz-invocation-type': 'Maybe' } });
    assert.deepEqual([type.status, type.type], [400, 'InvalidParameterValueException']);
  });

  test('passes the client context on', async () => {
    const encoded = Buffer.from('{"custom":{"a":"b"}}').toString('base64');
    await invoke('pay/invocations', { headers: { 'x-amz-client-context': encoded } });
    assert.deepEqual(bench.invoker.calls.at(-1)?.clientContext, { custom: { a: 'b' } });
    const broken = Buffer.from('{').toString('base64');
    const error = await errorOf('pay/invocations', { headers: { 'x-amz-client-context': broken } });
    assert.equal(error.type, 'InvalidRequestContentException');
  });

  test('brings the end of the log of this very call', async () => {
    bench.invoker.answer = (call) => {
      bench.recorder.log(sampleLine('of another call'));
      bench.recorder.log(sampleLine('x'.repeat(5_000), { invocation: call.id }));
      bench.recorder.log(sampleLine('the end', { invocation: call.id }));
      return echo(call);
    };
    const { headers } = await invoke('pay/invocations', { headers: { 'x-amz-log-type': 'Tail' } });
    const log = Buffer.from(headers.get('x-amz-log-result')!, 'base64').toString();
    assert.equal(log.length, 4_096);
    assert.ok(log.endsWith('xx\nthe end\n'));
    assert.equal((await invoke('pay/invocations')).headers.get('x-amz-log-result'), null);
  });
});

test('Event is durable before its 202', async () => {
  const calls = bench.invoker.calls.length;
  const { status, text, headers } = await invoke('shop--hello/invocations', {
    body: '{"later":true}',
    headers: { 'x-amz-invocation-type': 'Event' },
  });
  assert.deepEqual([status, text], [202, '']);
  const [claimed] = await bench.store.asyncQueue.claim('n' as never, bench.clock.nowMs(), 10);
  assert.deepEqual(
    [claimed?.id, claimed?.app, claimed?.function],
    [headers.get('x-amzn-requestid'), 'shop', 'hello'],
  );
  assert.equal(Buffer.from(claimed!.payload).toString(), '{"later":true}');
  assert.equal(bench.invoker.calls.length, calls);
});

test('DryRun checks and does nothing', async () => {
  const headers = { 'x-amz-invocation-type': 'DryRun' };
  const calls = bench.invoker.calls.length;
  assert.equal((await invoke('pay/invocations', { headers })).status, 204);
  assert.equal((await errorOf('none/invocations', { headers })).status, 404);
  assert.equal(bench.invoker.calls.length, calls);
});

describe('access', () => {
  const signed = {
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20270101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00',
  };

  test('dev takes signed calls from this machine, and no foreign host or origin', async () => {
    assert.equal((await invoke('pay/invocations', { headers: signed })).status, 200);
    const rebound = await errorOf('pay/invocations', { headers: { host: 'evil.example' } });
    assert.deepEqual([rebound.status, rebound.type], [403, 'AccessDeniedException']);
    const page = await errorOf('pay/invocations', { headers: { origin: 'https://evil.example' } });
    assert.equal(page.type, 'AccessDeniedException');
    const far = await errorOf('pay/invocations', { remoteAddress: '192.168.1.9' });
    assert.equal(far.type, 'MissingAuthenticationTokenException');
  });

  test('start wants the bearer token or a signature, and says why one does not do', async () => {
    const guarded = await openBench({ mode: 'start' });
    try {
      await guarded.deploy('shop', 'pay');
      const api = lambdaOf(guarded);
      const bare = await errorOf('pay/invocations', { api });
      assert.deepEqual([bare.status, bare.type], [403, 'MissingAuthenticationTokenException']);
      const refused = await errorOf('pay/invocations', { api, headers: signed });
      assert.deepEqual([refused.status, refused.type], [403, 'UnrecognizedClientException']);
      assert.match(refused.message, /lambent keys create/);
      assert.equal((await invoke('pay/invocations', { api, ...withToken })).status, 200);
    } finally {
      await guarded.close();
    }
  });
});
