import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INVOCATION_STATUSES, type InvocationRecord, TRIGGER_KINDS } from '../model/invocation.ts';
import { RecordBuffer } from './record-buffer.ts';
import { sampleRecord } from './telemetry-harness.test.ts';

const error = { code: 'E_FUNCTION_ERROR', errorType: 'TypeError', errorMessage: 'no', stackTrace: ['at x'] };

/** A record that differs from its neighbours in everything that a record has. */
function varied(number: number): InvocationRecord {
  const digits = String(number).padStart(12, '0');
  return sampleRecord({
    id: `0199f3a0-5b7e-7c11-8a52-${digits}`,
    app: `app-${number % 3}`,
    function: `f${number % 5}`,
    version: `fv_${number % 7}`,
    deployment: number % 4,
    trigger: TRIGGER_KINDS[number % TRIGGER_KINDS.length],
    status: INVOCATION_STATUSES[number % INVOCATION_STATUSES.length],
    cold: number % 2 === 1,
    instance: number % 5 === 0 ? undefined : `i${number % 6}`,
    arrivedMs: 1_800_000_000_000 + number,
    queueUs: number,
    startUs: number * 2,
    runUs: number * 3,
    billedMs: number + 1,
    memoryMb: 128 + number,
    memoryPeakMb: number % 90,
    httpStatus: 200 + (number % 300),
    summary: `GET /${number % 11}`,
    callerRequestId: number % 3 === 0 ? `r${number}` : undefined,
    attempt: number % 3,
    error: number % 4 === 0 ? error : undefined,
  });
}

test('gives back what it was given, oldest first', () => {
  const buffer = new RecordBuffer(5_000);
  const records = Array.from({ length: 3_000 }, (_, number) => varied(number));
  for (const record of records) assert.equal(buffer.push(record), false);
  assert.equal(buffer.size, 3_000);
  const first = buffer.take(1_000);
  assert.equal(first.length, 1_000);
  assert.deepEqual([...first], records.slice(0, 1_000));
  assert.deepEqual([...buffer.take(10_000)], records.slice(1_000));
  assert.equal(buffer.size, 0);
});

test('when full the oldest gives way', () => {
  const buffer = new RecordBuffer(3);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((number) => buffer.push(varied(number))),
    [false, false, false, true, true],
  );
  assert.deepEqual([...buffer.take(3)], [3, 4, 5].map(varied));
});

test('what was taken does not change when more comes', () => {
  const buffer = new RecordBuffer(4);
  buffer.push(varied(1));
  const taken = buffer.take(1);
  for (let number = 2; number < 9; number += 1) buffer.push(varied(number));
  assert.deepEqual([...taken], [varied(1)]);
  assert.deepEqual([...taken], [varied(1)], 'and can be read again, for another attempt');
});

test('agrees with a plain array over many turns around its end', () => {
  const buffer = new RecordBuffer(1_500);
  const model: InvocationRecord[] = [];
  for (let step = 0; step < 20_000; step += 1) {
    const record = varied(step);
    model.push(record);
    assert.equal(buffer.push(record), model.length > 1_500);
    if (model.length > 1_500) model.shift();
    if (step % 997 === 0) assert.deepEqual([...buffer.take(400)], model.splice(0, 400));
    assert.equal(buffer.size, model.length);
  }
  assert.deepEqual([...buffer.take(2_000)], model);
});

test('refuses a limit below one', () => {
  assert.throws(() => new RecordBuffer(0), RangeError);
});
