import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CallDetailLimits } from '../ports/call-details.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import {
  createRetention,
  PRUNE_BUSY_ROWS,
  PRUNE_PERIOD_BUSY_MS,
  PRUNE_PERIOD_MS,
  RETENTION_DEFAULTS,
} from './retention.ts';
import { HeldStore } from './telemetry-harness.test.ts';

function setUp(limits = {}) {
  const clock = new ManualClock();
  const store = new HeldStore();
  /** Rows that the steps of pruning find. */
  const detailSteps: number[] = [];
  const pruned: CallDetailLimits[] = [];
  const details = {
    append: () => Promise.resolve(),
    find: () => Promise.resolve(undefined),
    listTrace: () => Promise.resolve([]),
    prune: (asked: CallDetailLimits) => {
      pruned.push(asked);
      return Promise.resolve(detailSteps.shift() ?? 0);
    },
  };
  const retention = createRetention({
    ...{ telemetry: store.asStore(), details, clock, log: silentLog, limits },
  });
  return { clock, store, retention, detailSteps, details: pruned };
}

test('prunes by age and size, a period after the start and then every period', async () => {
  const { clock, store, retention } = setUp();
  clock.advance(PRUNE_PERIOD_MS - 1);
  assert.equal(store.pruned.length, 0);
  clock.advance(1);
  assert.deepEqual(store.pruned, [
    { beforeMs: clock.nowMs() - RETENTION_DEFAULTS.ageMs, invocationsMax: 1_000_000, linesMax: 1_000_000 },
  ]);
  await nextTurn();
  clock.advance(PRUNE_PERIOD_MS);
  assert.equal(store.pruned.length, 2);
  await retention.close();
  assert.equal(clock.pending, 0);
});

test('comes again soon when much was removed', async () => {
  const { clock, store } = setUp();
  store.pruneResult = async () => ({ invocations: PRUNE_BUSY_ROWS, lines: 0 });
  clock.advance(PRUNE_PERIOD_MS);
  await nextTurn();
  clock.advance(PRUNE_PERIOD_BUSY_MS);
  assert.equal(store.pruned.length, 2);
});

test('a failed round is no end', async () => {
  const { clock, store, retention } = setUp();
  store.pruneResult = async () => {
    throw new Error('busy');
  };
  assert.equal(await retention.prune(), 0);
  clock.advance(PRUNE_PERIOD_MS);
  assert.equal(store.pruned.length, 2);
});

test('prunes what is kept of calls in steps, until nothing more goes', async () => {
  const { clock, retention, detailSteps, details } = setUp({ detailsMax: 7, detailBytesMax: 9 });
  detailSteps.push(5, 2);
  assert.equal(await retention.prune(), 7);
  assert.equal(details.length, 3);
  const beforeMs = clock.nowMs() - RETENTION_DEFAULTS.ageMs;
  assert.deepEqual(details[0], { beforeMs, rowsMax: 7, bytesMax: 9 });
  await retention.close();
});

test('takes limits of its own, and one round at a time', async () => {
  const { store, retention } = setUp({ ageMs: 1_000, linesMax: 5 });
  await Promise.all([retention.prune(), retention.prune()]);
  assert.equal(store.pruned.length, 1);
  assert.equal(store.pruned[0]!.linesMax, 5);
  await retention.close();
});
