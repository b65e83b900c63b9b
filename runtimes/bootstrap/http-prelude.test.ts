import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasPrelude, PRELUDE_BYTES_MAX, parsePrelude } from './http-prelude.ts';
import { parseErrorReport } from './error-report.ts';
import { xrayTraceId } from '../node/trace-id.ts';

const bytesOf = (head: unknown, body = ''): Buffer =>
  Buffer.concat([
    Buffer.from(typeof head === 'string' ? head : JSON.stringify(head)),
    Buffer.alloc(8),
    Buffer.from(body),
  ]);

describe('the head in front of an answer', () => {
  it('is announced by the type alone', () => {
    assert.equal(hasPrelude('application/vnd.awslambda.http-integration-response'), true);
    assert.equal(hasPrelude('Application/vnd.AWSLambda.http-integration-response; charset=utf-8'), true);
    assert.equal(hasPrelude('application/json'), false);
    assert.equal(hasPrelude(undefined), false);
  });

  it('is complete with its last zero byte, and not before', () => {
    const bytes = bytesOf({ statusCode: 418, headers: { 'x-a': 'ü' }, cookies: ['c=1'] }, 'body');
    const whole = bytes.length - 'body'.length;
    for (let length = 0; length < whole; length += 1)
      assert.equal(parsePrelude(bytes.subarray(0, length)), undefined, `${length} bytes`);
    const { status, block, bodyAt } = parsePrelude(bytes)!;
    assert.deepEqual([status, bodyAt], [418, whole]);
    assert.match(block, /set-cookie: c=1\r\ncontent-type: application\/octet-stream\r\n$/);
  });

  it('may say nothing', () => {
    assert.equal(parsePrelude(bytesOf(''))?.status, 200);
    assert.equal(parsePrelude(bytesOf({}))?.status, 200);
    assert.doesNotMatch(parsePrelude(bytesOf({ headers: { 'Content-Type': 'a/b' } }))!.block, /octet-stream/);
  });

  it('is refused when it is none', () => {
    const refused = (head: unknown): void => void parsePrelude(bytesOf(head));
    assert.throws(() => refused('{"statusCode":'), /not JSON/);
    for (const head of [[], 'null', '"text"', 7]) assert.throws(() => refused(head), /not an object/);
    for (const statusCode of ['200', 99, 101, 600, 200.5, null])
      assert.throws(() => refused({ statusCode: statusCode ?? 0 }), /statusCode/);
    assert.throws(() => refused({ headers: { 'x-a': 'line\r\nset-cookie: evil=1' } }), /not valid/);
    assert.throws(() => parsePrelude(Buffer.alloc(PRELUDE_BYTES_MAX + 1, 0x20)), /more than/);
  });
});

describe('a report of an error', () => {
  const report = (body: string, type?: string) =>
    parseErrorReport(Buffer.from(body), { 'lambda-runtime-function-error-type': type });

  it('is taken from the body, then from the header, then as it is', () => {
    assert.deepEqual(report('{"errorType":"A","errorMessage":"b","stackTrace":["c","d"]}', 'X'), {
      errorType: 'A',
      errorMessage: 'b',
      stackTrace: ['c', 'd'],
    });
    assert.deepEqual(
      report('{"errorMessage":"b","trace":["T: b","at c"]}', 'Function.X').errorType,
      'Function.X',
    );
    assert.deepEqual(report('no JSON').errorMessage, 'no JSON');
    assert.equal(report('').errorType, 'Runtime.UnknownReason');
    assert.deepEqual(report('{"stackTrace":[["f.py",3,"go"],{"a":1}]}').stackTrace, [
      '["f.py",3,"go"]',
      '{"a":1}',
    ]);
    assert.deepEqual(report('[1,2]').errorMessage, '[1,2]');
    assert.equal(report('{"retryable":false}').retryable, false);
    assert.ok(!('retryable' in report('{"retryable":true}')));
  });

  it('has a limit', () => {
    const { errorType, errorMessage, stackTrace } = report(
      JSON.stringify({
        errorType: 'T'.repeat(9_999),
        errorMessage: 'm'.repeat(99_999),
        stackTrace: Array(999).fill('s'),
      }),
    );
    assert.deepEqual([errorType.length, errorMessage.length, stackTrace.length], [256, 16_384, 50]);
  });
});

describe('the id of a trace', () => {
  it('is that of the trace context, or begins with the invocation', () => {
    const id = '01a21e8f-660e-719c-a258-e1ff1efdca28';
    assert.equal(
      xrayTraceId(id, undefined),
      'Root=1-01a21e8f-660e719ca258e1ff1efdca28;Parent=a258e1ff1efdca28;Sampled=1',
    );
    assert.equal(
      xrayTraceId(id, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00'),
      'Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=0',
    );
    assert.match(xrayTraceId(id, 'nonsense'), /^Root=1-01a21e8f-/);
  });
});
