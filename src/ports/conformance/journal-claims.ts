import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JournalStore } from '../journal-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';
import {
  claimOne,
  ended,
  executionId,
  newExecution,
  nodeA,
  nodeB,
  noted,
  start,
  startMs,
  transition,
} from './journal-samples.ts';

export function exerciseJournalClaims(open: OpenFresh<JournalStore>): void {
  describe('JournalStore: claiming', () => {
    it('takes ready ones by priority and age, then those whose time has come', () =>
      withFresh(open, async (store) => {
        await start(store, 1, { notBeforeMs: startMs + 10 });
        await start(store, 2);
        await start(store, 3, {}, startMs + 1);
        await start(store, 4, { priority: 9 }, startMs + 2);
        const ids = (await store.claim(nodeA, startMs + 20, 10)).map((each) => each.record.id);
        assert.deepEqual(ids, [4, 2, 3, 1].map(executionId));
        assert.deepEqual(await store.claim(nodeA, startMs + 20, 10), []);
      }));

    it('gives each to one of those that claim at once', () =>
      withFresh(open, async (store) => {
        await Promise.all(Array.from({ length: 40 }, (_, place) => start(store, place)));
        const groups = await Promise.all(
          Array.from({ length: 8 }, (_, place) => store.claim(place % 2 === 0 ? nodeA : nodeB, startMs, 7)),
        );
        const ids = groups.flat().map((each) => each.record.id);
        assert.equal(ids.length, 40);
        assert.equal(new Set(ids).size, 40);
      }));

    it('takes back what other nodes hold, under a higher fence', () =>
      withFresh(open, async (store, fresh) => {
        await start(store, 1);
        await start(store, 2);
        const lost = await claimOne(store);
        const kept = await claimOne(store, startMs, nodeB);
        const again = await fresh.reopen();
        assert.equal(await again.recover(nodeB, startMs + 5, 10), 1);
        const claimed = await claimOne(again, startMs + 5, nodeB);
        assert.equal(claimed.record.id, lost.record.id);
        assert.ok(claimed.fence > lost.fence);
        assert.equal(await again.append(transition(lost, 1, [noted(0)], { status: 'running' })), false);
        assert.equal(await again.append(transition(kept, 1, [noted(1)], { status: 'running' })), true);
        assert.equal(await again.append(transition(claimed, 1, [noted(2)], { status: 'running' })), true);
        assert.equal((await again.history(lost.record.id, 0, 10)).length, 2);
      }));

    it('takes back so many at a time', () =>
      withFresh(open, async (store, fresh) => {
        for (const place of [1, 2, 3]) await start(store, place);
        await store.claim(nodeA, startMs, 3);
        const again = await fresh.reopen();
        const taken = async () => await again.recover(nodeB, startMs, 2);
        assert.deepEqual([await taken(), await taken(), await taken()], [2, 1, 0]);
        assert.equal((await again.claim(nodeB, startMs, 10)).length, 3);
      }));
  });

  describe('JournalStore: releasing', () => {
    it('gives a claim back as it is, for now or for later', () =>
      withFresh(open, async (store) => {
        await start(store, 1);
        const first = await claimOne(store);
        assert.equal(await store.release(executionId(1), first.fence, startMs, startMs), true);
        assert.equal(await store.release(executionId(1), first.fence, startMs, startMs), false);
        const second = await claimOne(store);
        assert.equal(await store.release(executionId(1), first.fence, startMs, startMs), false);
        assert.equal(await store.release(executionId(1), second.fence, startMs + 5, startMs), true);
        assert.deepEqual(await store.claim(nodeA, startMs + 4, 1), []);
        assert.equal((await claimOne(store, startMs + 5)).entries.length, 1);
      }));
  });

  describe('JournalStore: appending', () => {
    it('keeps entries in order, and refuses one that does not follow', () =>
      withFresh(open, async (store, fresh) => {
        await start(store, 1);
        const claimed = await claimOne(store);
        const append = (seq: number, count: number): Promise<boolean> => {
          const entries = Array.from({ length: count }, (_, place) => noted(seq + place));
          return store.append(transition(claimed, seq, entries, { status: 'running' }));
        };
        assert.deepEqual(await Promise.all([append(1, 2), append(3, 1), append(3, 1)]), [true, true, false]);
        const again = await fresh.reopen();
        assert.deepEqual(await again.history(executionId(1), 1, 10), [noted(1), noted(2), noted(3)]);
        assert.equal((await again.find(executionId(1)))?.entries, 4);
      }));

    it('gives a claim back for a time, for ever, or for now', () =>
      withFresh(open, async (store) => {
        await start(store, 1);
        const next = async (seq: number, nowMs: number, dueMs: number | undefined): Promise<void> => {
          const claimed = await claimOne(store, nowMs);
          assert.equal(claimed.entries.length, seq);
          const waiting = transition(claimed, seq, [noted(seq)], { status: 'waiting', dueMs }, { nowMs });
          assert.equal(await store.append(waiting), true);
          assert.equal(
            await store.append(transition(claimed, seq + 1, [noted(9)], { status: 'running' })),
            false,
          );
        };
        await next(1, startMs, startMs + 50);
        assert.equal(await store.nextDueMs(), startMs + 50);
        assert.deepEqual(await store.claim(nodeA, startMs + 49, 1), []);
        await next(2, startMs + 50, startMs + 40);
        assert.equal(await store.nextDueMs(), 0);
        await next(3, startMs + 50, undefined);
        assert.equal(await store.nextDueMs(), undefined);
        assert.deepEqual(await store.claim(nodeA, startMs + 1e9, 1), []);
        assert.equal((await store.find(executionId(1)))?.status, 'waiting');
      }));

    it('starts others and writes to them in the same transition', () =>
      withFresh(open, async (store) => {
        await start(store, 1);
        await start(store, 2);
        const [one, two] = await store.claim(nodeA, startMs, 2);
        const rest = { status: 'waiting', dueMs: undefined } as const;
        assert.equal(await store.append(transition(two!, 1, [], rest)), true);
        const parent = { execution: executionId(1), op: 1 };
        const change = {
          starts: [newExecution(3, { parent }), newExecution(2)],
          messages: [2, 99].map((place) => ({
            to: executionId(place),
            input: { kind: 'signal', name: 'go', input: { json: place } } as const,
          })),
        };
        assert.equal(await store.append(transition(one!, 7, [], rest, change)), false);
        assert.equal((await store.counts()).ready, 0);
        assert.equal(await store.append(transition(one!, 1, [], rest, change)), true);
        const claims = await store.claim(nodeA, startMs, 10);
        assert.deepEqual(claims.map((each) => each.record.id).sort(), [2, 3].map(executionId));
        const signalled = claims.find((each) => each.record.id === executionId(2));
        assert.deepEqual(
          signalled?.inbox.map((item) => item.input),
          [change.messages[0]!.input],
        );
        assert.deepEqual(claims.find((each) => each.record.id === executionId(3))?.record.parent, parent);
      }));

    it('ends it, and nothing follows', () =>
      withFresh(open, async (store, fresh) => {
        await start(store, 1);
        const claimed = await claimOne(store);
        const error = { code: 'E_FUNCTION_ERROR', errorType: 'X', errorMessage: 'x', stackTrace: [] };
        const end = transition(claimed, 1, [ended({ status: 'failed', error })], { status: 'ended' });
        assert.equal(await store.append({ ...end, nowMs: startMs + 7 }), true);
        assert.equal(await store.append(transition(claimed, 2, [noted(1)], { status: 'running' })), false);
        const again = await fresh.reopen();
        const record = await again.find(executionId(1));
        assert.deepEqual([record?.status, record?.endedMs, record?.node], ['failed', startMs + 7, undefined]);
        assert.equal(await again.recover(nodeB, startMs, 10), 0);
        assert.deepEqual(await again.claim(nodeA, startMs + 1e9, 1), []);
      }));
  });
}
