import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LambentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { ACTIVITY_LISTENERS_MAX } from '../ports/activity-feed.ts';
import {
  APPEND_ATTEMPTS_MAX,
  APPEND_RETRY_MS,
  CLOSE_WAIT_MS,
  createRecorder,
  FLUSH_PERIOD_MS,
  FLUSH_RECORDS,
  type RecorderOptions,
} from './recorder.ts';
import { HeldStore, sampleLine, sampleRecord } from './telemetry-harness.test.ts';

function setUp(options: Partial<RecorderOptions> = {}) {
  const clock = new ManualClock();
  const store = new HeldStore();
  const recorder = createRecorder({ telemetry: store.asStore(), clock, log: silentLog, ...options });
  return { clock, store, recorder };
}

const numbered = (number: number) => sampleRecord({ deployment: number });
const numbersOf = (records: readonly { deployment: number }[]) => records.map(({ deployment }) => deployment);

describe('batches', () => {
  test('what comes within a period is one write, in order', async () => {
    const { clock, store, recorder } = setUp();
    for (let number = 0; number < 10; number += 1) recorder.invocation(numbered(number));
    recorder.log(sampleLine('a'));
    recorder.log(sampleLine('b'));
    clock.advance(FLUSH_PERIOD_MS - 1);
    assert.equal(store.writesWaiting, 0);
    clock.advance(1);
    const write = await store.nextWrite();
    assert.deepEqual(numbersOf(write.invocations), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(
      write.lines.map(({ text }) => text),
      ['a', 'b'],
    );
    write.settle();
    await recorder.flush();
    assert.equal(clock.pending, 0, 'an idle recorder keeps no timer');
  });

  test('much at once is written at the end of the turn, without waiting for the period', async () => {
    const { store, recorder } = setUp();
    for (let number = 0; number < FLUSH_RECORDS; number += 1) recorder.invocation(numbered(number));
    assert.equal(store.writesWaiting, 0, 'the store is not called on the hot path');
    const write = await store.nextWrite();
    assert.equal(write.invocations.length, FLUSH_RECORDS);
  });

  test('one write at a time: what comes meanwhile waits for the next', async () => {
    const { clock, store, recorder } = setUp();
    recorder.invocation(numbered(1));
    clock.advance(FLUSH_PERIOD_MS);
    const first = await store.nextWrite();
    recorder.invocation(numbered(2));
    recorder.invocation(numbered(3));
    clock.advance(10 * FLUSH_PERIOD_MS);
    assert.equal(store.writesWaiting, 0);
    first.settle();
    await nextTurn();
    clock.advance(FLUSH_PERIOD_MS);
    const second = await store.nextWrite();
    assert.deepEqual(numbersOf(second.invocations), [2, 3]);
  });
});

describe('a slow or failing store', () => {
  test('the oldest give way and are counted', async () => {
    const { clock, store, recorder } = setUp({ invocationsBufferedMax: 3, linesBufferedMax: 2 });
    recorder.invocation(numbered(0));
    clock.advance(FLUSH_PERIOD_MS);
    const stuck = await store.nextWrite();
    for (let number = 1; number <= 5; number += 1) {
      recorder.invocation(numbered(number));
      recorder.log(sampleLine(`line ${number}`));
    }
    assert.deepEqual(recorder.dropped, {
      invocationsOverflow: 2,
      linesOverflow: 3,
      invocationsFailed: 0,
      linesFailed: 0,
    });
    store.acceptAtOnce = true;
    stuck.settle();
    await recorder.flush();
    assert.deepEqual(numbersOf(store.stored.invocations), [0, 3, 4, 5]);
    assert.deepEqual(
      store.stored.lines.map(({ text }) => text),
      ['line 4', 'line 5'],
    );
  });

  test('lines are bounded by their text too', async () => {
    const { store, recorder } = setUp({ lineCharsBufferedMax: 100 });
    store.acceptAtOnce = true;
    for (const name of ['a', 'b', 'c', 'd']) recorder.log(sampleLine(name.repeat(40)));
    assert.equal(recorder.dropped.linesOverflow, 2);
    recorder.log(sampleLine('e'.repeat(1_000)));
    await recorder.flush();
    assert.deepEqual(
      store.stored.lines.map(({ text }) => text[0]),
      ['e'],
      'a line beyond the limit alone is still kept: it is bounded by itself',
    );
  });

  test('a batch is tried again after pauses that double, and arrives', async () => {
    const { clock, store, recorder } = setUp();
    recorder.invocation(numbered(1));
    clock.advance(FLUSH_PERIOD_MS);
    (await store.nextWrite()).settle(new LambentError('E_DISK_FULL', 'full'));
    await nextTurn();
    clock.advance(APPEND_RETRY_MS - 1);
    await nextTurn();
    assert.equal(store.writesWaiting, 0);
    clock.advance(1);
    (await store.nextWrite()).settle(new LambentError('E_DISK_FULL', 'full'));
    await nextTurn();
    clock.advance(2 * APPEND_RETRY_MS);
    (await store.nextWrite()).settle();
    await recorder.flush();
    assert.deepEqual(numbersOf(store.stored.invocations), [1]);
    assert.equal(recorder.dropped.invocationsFailed, 0);
  });

  test('after the last attempt the batch is given up and counted, and later ones are written', async () => {
    const { clock, store, recorder } = setUp();
    recorder.invocation(numbered(1));
    recorder.log(sampleLine('x'));
    clock.advance(FLUSH_PERIOD_MS);
    for (let attempt = 1; attempt <= APPEND_ATTEMPTS_MAX; attempt += 1) {
      (await store.nextWrite()).settle(new LambentError('E_STORE_FAILED', 'no'));
      await nextTurn();
      clock.advance(APPEND_RETRY_MS * 2 ** attempt);
    }
    await recorder.flush();
    assert.equal(recorder.dropped.invocationsFailed, 1);
    assert.equal(recorder.dropped.linesFailed, 1);
    store.acceptAtOnce = true;
    recorder.invocation(numbered(2));
    await recorder.flush();
    assert.deepEqual(numbersOf(store.stored.invocations), [2]);
  });

  test('what retrying cannot mend is given up at once', async () => {
    const { clock, store, recorder } = setUp();
    recorder.invocation(numbered(1));
    clock.advance(FLUSH_PERIOD_MS);
    (await store.nextWrite()).settle(new TypeError('defect'));
    await recorder.flush();
    assert.equal(recorder.dropped.invocationsFailed, 1);
  });
});

describe('listeners', () => {
  test('hear each record and line at once, until they stop', () => {
    const { recorder } = setUp();
    const heard: unknown[] = [];
    const stop = recorder.onInvocation((record) => heard.push(record.deployment));
    recorder.onLine((line) => heard.push(line.text));
    recorder.invocation(numbered(1));
    recorder.log(sampleLine('x'));
    stop();
    recorder.invocation(numbered(2));
    assert.deepEqual(heard, [1, 'x']);
  });

  test('one that throws is removed and hurts nobody', () => {
    const { recorder } = setUp();
    const heard: number[] = [];
    let calls = 0;
    recorder.onInvocation(() => {
      calls += 1;
      throw new Error('mine');
    });
    recorder.onInvocation((record) => heard.push(record.deployment));
    recorder.invocation(numbered(1));
    recorder.invocation(numbered(2));
    assert.equal(calls, 1);
    assert.deepEqual(heard, [1, 2]);
  });

  test('may be so many and no more', () => {
    const { recorder } = setUp();
    for (let count = 0; count < ACTIVITY_LISTENERS_MAX; count += 1) recorder.onLine(() => {});
    assert.throws(() => recorder.onLine(() => {}), { code: 'E_OVERLOADED' });
  });

  test('are told what is stored', async () => {
    const { store, recorder } = setUp();
    store.acceptAtOnce = true;
    const sequences: number[] = [];
    recorder.onStored((last) => sequences.push(last));
    recorder.log(sampleLine('a'));
    recorder.log(sampleLine('b'));
    await recorder.flush();
    assert.deepEqual(sequences, [2]);
  });
});

describe('flush and close', () => {
  test('flush waits for what was reported before, over several writes, and not for what comes later', async () => {
    const { clock, store, recorder } = setUp();
    recorder.invocation(numbered(1));
    clock.advance(FLUSH_PERIOD_MS);
    const first = await store.nextWrite();
    recorder.invocation(numbered(2));
    const flushed = recorder.flush();
    first.settle();
    const second = await store.nextWrite();
    recorder.invocation(numbered(3));
    second.settle();
    await flushed;
    assert.deepEqual(numbersOf(store.stored.invocations), [1, 2]);
  });

  test('flush of a backlog beyond one batch stores all of it', async () => {
    const { store, recorder } = setUp();
    store.acceptAtOnce = true;
    for (let number = 0; number < 12_345; number += 1) recorder.invocation(numbered(number));
    await recorder.flush();
    assert.equal(store.stored.invocations.length, 12_345);
    assert.equal(store.stored.invocations.at(-1)?.deployment, 12_344);
  });

  test('close stores what waits and takes nothing more', async () => {
    const { store, recorder } = setUp();
    store.acceptAtOnce = true;
    recorder.invocation(numbered(1));
    recorder.log(sampleLine('x'));
    await recorder.close();
    recorder.invocation(numbered(2));
    recorder.log(sampleLine('y'));
    assert.deepEqual(numbersOf(store.stored.invocations), [1]);
    assert.equal(store.stored.lines.length, 1);
    assert.equal(recorder.dropped.invocationsOverflow, 1);
  });

  test('close does not wait for ever for a store that hangs', async () => {
    const { clock, store, recorder } = setUp();
    recorder.invocation(numbered(1));
    clock.advance(FLUSH_PERIOD_MS);
    await store.nextWrite();
    recorder.invocation(numbered(2));
    const closed = recorder.close();
    await nextTurn();
    clock.advance(CLOSE_WAIT_MS);
    await closed;
    assert.equal(recorder.dropped.invocationsFailed, 2);
  });

  test('close ends the pause between two attempts', async () => {
    const { clock, store, recorder } = setUp();
    recorder.invocation(numbered(1));
    clock.advance(FLUSH_PERIOD_MS);
    (await store.nextWrite()).settle(new LambentError('E_DISK_FULL', 'full'));
    await nextTurn();
    store.acceptAtOnce = true;
    await recorder.close();
    assert.deepEqual(numbersOf(store.stored.invocations), [1]);
  });
});

test('reporting is cheap enough for the hot path', () => {
  const { recorder } = setUp();
  const record = sampleRecord();
  const rounds = 200_000;
  for (let round = 0; round < rounds; round += 1) recorder.invocation(record);
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round += 1) recorder.invocation(record);
  const nsEach = ((performance.now() - startedMs) * 1e6) / rounds;
  // The true cost is some tens of nanoseconds; the bound leaves room for a busy machine.
  assert.ok(nsEach < 2_000, `${nsEach.toFixed(0)} ns`);
});
