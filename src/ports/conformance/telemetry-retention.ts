import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FunctionName } from '../../model/function.ts';
import type { InvocationRecord } from '../../model/invocation.ts';
import { latencyBucketOf } from '../../model/latency-buckets.ts';
import type { TelemetryStore, UsageRow } from '../telemetry-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';
import { cart, home, line, mixedRecords, record, shop, startMs } from './telemetry-samples.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const everythingMs = 10 * HOUR_MS;

/** Sums told by adding up every record. */
function sumOf(records: readonly InvocationRecord[], fromMs: number, toMs: number): UsageRow[] {
  const groups = Map.groupBy(
    records.filter((each) => each.arrivedMs >= fromMs && each.arrivedMs < toMs),
    (each) => `${each.app}/${each.function}/${String(each.memoryMb).padStart(6)}`,
  );
  return [...groups.keys()].sort().map((key) => {
    const group = groups.get(key)!;
    const billedMs = group.reduce((sum, each) => sum + each.billedMs, 0);
    const { app, function: name, memoryMb } = group[0]!;
    return {
      app,
      function: name,
      memoryMb,
      invocations: group.length,
      errors: group.filter(({ status }) => status !== 'ok' && status !== 'cancelled').length,
      coldStarts: group.filter((each) => each.cold).length,
      billedMs,
      billedMbMs: billedMs * memoryMb,
    };
  });
}

/** The part of the suite about sums and about what is kept. */
export function exerciseRetention(open: OpenFresh<TelemetryStore>): void {
  describe('TelemetryStore: usage', () => {
    it('sums by app, function and memory over spans of whole minutes', () =>
      withFresh(open, async (store, fresh) => {
        const records = mixedRecords(2_000, 3 * HOUR_MS, 2);
        for (let at = 0; at < records.length; at += 300) await store.append(records.slice(at, at + 300), []);
        const again = await fresh.reopen();
        const spans = [
          [0, everythingMs],
          [HOUR_MS, 2 * HOUR_MS],
          [17 * MINUTE_MS, 18 * MINUTE_MS],
          [17 * MINUTE_MS, 2 * HOUR_MS + 5 * MINUTE_MS],
          [59 * MINUTE_MS, HOUR_MS + MINUTE_MS],
          [HOUR_MS, HOUR_MS],
        ] as const;
        for (const [from, to] of spans)
          assert.deepEqual(
            await again.usage(startMs + from, startMs + to),
            sumOf(records, startMs + from, startMs + to),
            `${from} to ${to}`,
          );
        assert.deepEqual(await again.usage(0, startMs), []);
      }));

    it('widens a span to whole minutes', () =>
      withFresh(open, async (store) => {
        await store.append([record({ arrivedMs: startMs + 30_000 })], []);
        assert.equal((await store.usage(startMs + 40_000, startMs + 50_000))[0]?.invocations, 1);
        assert.deepEqual(await store.usage(startMs + MINUTE_MS, startMs + 2 * MINUTE_MS), []);
      }));

    it('keeps the sums when the invocations are pruned', () =>
      withFresh(open, async (store) => {
        const records = mixedRecords(500, HOUR_MS, 3);
        await store.append(records, []);
        await store.prune(startMs + 30 * MINUTE_MS, 10, 0);
        assert.deepEqual(
          await store.usage(startMs, startMs + everythingMs),
          sumOf(records, startMs, startMs + everythingMs),
        );
      }));

    it('knows days ago by the hour, with late-comers', () =>
      withFresh(open, async (store) => {
        const dayMs = 24 * HOUR_MS;
        const early = [record({ arrivedMs: startMs + 5 * MINUTE_MS })];
        const late = [record({ arrivedMs: startMs + 4 * dayMs })];
        await store.append([...early, ...late], []);
        await store.prune(0, 1_000, 1_000);
        const straggler = record({ arrivedMs: startMs + 40 * MINUTE_MS, function: cart });
        await store.append([straggler], []);
        const firstHour = sumOf([...early, straggler], startMs, startMs + HOUR_MS);
        const minutes = 20 * MINUTE_MS;
        assert.deepEqual(await store.usage(startMs + minutes, startMs + minutes + MINUTE_MS), firstHour);
        assert.deepEqual(
          await store.usage(startMs, startMs + 5 * dayMs),
          sumOf([...early, straggler, ...late], startMs, startMs + 5 * dayMs),
        );
      }));
  });

  describe('TelemetryStore: pruning', () => {
    it('deletes what is too old and nothing else', () =>
      withFresh(open, async (store) => {
        const records = mixedRecords(2_500, HOUR_MS, 4);
        for (let at = 0; at < records.length; at += 170) await store.append(records.slice(at, at + 170), []);
        const cutMs = startMs + 20 * MINUTE_MS + 1;
        const lines = [
          line('old', { timeMs: cutMs - 1 }),
          line('new', { timeMs: cutMs }),
          line('late', { timeMs: 0 }),
        ];
        await store.append([], lines);
        const kept = records.filter((each) => each.arrivedMs >= cutMs);
        assert.deepEqual(await store.prune(cutMs, 1_000_000, 1_000_000), {
          invocations: records.length - kept.length,
          lines: 2,
        });
        assert.equal((await store.listInvocations({ toMs: cutMs }, 1)).items.length, 0);
        assert.equal(await countAll(store), kept.length);
        for (const each of kept.slice(0, 20)) assert.deepEqual(await store.findInvocation(each.id), each);
        assert.deepEqual(
          (await store.tailLogs({}, 10)).map((each) => each.text),
          ['new'],
        );
        assert.deepEqual(await store.prune(cutMs, 1_000_000, 1_000_000), { invocations: 0, lines: 0 });
      }));

    it('deletes the oldest beyond the counts, to the last one', () =>
      withFresh(open, async (store) => {
        const records = mixedRecords(2_500, HOUR_MS, 5);
        for (let at = 0; at < records.length; at += 170) await store.append(records.slice(at, at + 170), []);
        await store.append(
          [],
          Array.from({ length: 50 }, (_, place) => line(`line ${place}`)),
        );
        assert.deepEqual(await store.prune(0, 777, 20), { invocations: 2_500 - 777, lines: 30 });
        assert.equal(await countAll(store), 777);
        const newest = records.toReversed().sort((a, b) => b.arrivedMs - a.arrivedMs);
        assert.deepEqual(await store.findInvocation(newest[776]!.id), newest[776]);
        assert.equal(await store.findInvocation(newest[777]!.id), undefined);
        assert.equal((await store.tailLogs({}, 100))[0]?.text, 'line 30');
        assert.deepEqual(await store.prune(0, 0, 0), { invocations: 777, lines: 20 });
        assert.equal(await countAll(store), 0);
      }));

    it('of those that arrived in one millisecond, deletes the first stored', () =>
      withFresh(open, async (store) => {
        const records = Array.from({ length: 100 }, () => record({ function: home }));
        for (let at = 0; at < 100; at += 9) await store.append(records.slice(at, at + 9), []);
        assert.deepEqual(await store.prune(0, 30, 0), { invocations: 70, lines: 0 });
        const left = (await store.listInvocations({ app: shop }, 100)).items;
        assert.deepEqual(
          left.map((each) => each.id),
          records
            .slice(70)
            .reverse()
            .map((each) => each.id),
        );
      }));

    it('counts how long calls took by minute and function, also when the calls themselves are gone', () =>
      withFresh(open, async (store, fresh) => {
        const at = (arrivedMs: number, name: FunctionName, runUs: number) =>
          record({ arrivedMs, function: name, queueUs: 1_000, startUs: 500, runUs });
        await store.append(
          [at(startMs, home, 500), at(startMs + 1, cart, 500), at(startMs + 2, home, 500)],
          [],
        );
        await store.append(
          [at(startMs + MINUTE_MS - 1, home, 8_500), at(startMs + MINUTE_MS, home, 500)],
          [],
        );
        await store.prune(startMs + HOUR_MS, 0, 0);
        const again = await fresh.reopen();
        const found = (await again.latencyMinutes(startMs)).map((each) => [
          (each.startMs - startMs) / MINUTE_MS,
          each.function,
          each.counts[latencyBucketOf(2_000)],
          each.counts[latencyBucketOf(10_000)],
        ]);
        assert.deepEqual(found.sort(), [
          [0, cart, 1, 0],
          [0, home, 2, 1],
          [1, home, 1, 0],
        ]);
        assert.equal((await again.latencyMinutes(startMs + MINUTE_MS)).length, 1);
        await again.append([at(startMs + 2 * HOUR_MS, home, 1)], []);
        await again.prune(0, 1_000, 1_000);
        assert.equal((await again.latencyMinutes(0)).length, 1, 'the hour before the newest is kept');
      }));

    it('never gives a sequence twice', () =>
      withFresh(open, async (store) => {
        assert.equal(await store.append([], [line('a'), line('b')]), 2);
        await store.prune(0, 0, 0);
        assert.equal(await store.append([], [line('c')]), 3);
      }));
  });
}

async function countAll(store: TelemetryStore): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await store.listInvocations({}, 1_000, cursor);
    count += page.items.length;
    cursor = page.next;
  } while (cursor !== undefined);
  return count;
}
