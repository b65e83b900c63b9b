import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JournalStore } from '../journal-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';
import { claimOne, endNext, executionId, newExecution, nodeA, start, startMs } from './journal-samples.ts';

export function exerciseJournalStarts(open: OpenFresh<JournalStore>): void {
  describe('JournalStore: starting', () => {
    it('keeps what was started, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        const origin = { depth: 3, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
        await start(store, 1, { priority: 5, expiresMs: startMs + 9, origin, rules: 7 });
        const again = await fresh.reopen();
        const { record, entries, inbox, fence } = await claimOne(again, startMs + 1);
        const { id, app, workflow, kind, version, deployment, priority, expiresMs } = newExecution(1);
        assert.deepEqual(
          { ...record, bytes: 0 },
          {
            ...{ id, app, workflow, kind, version, deployment, priority, expiresMs },
            ...{
              priority: 5,
              expiresMs: startMs + 9,
              status: 'running',
              parent: undefined,
              origin,
              rules: 7,
            },
            node: nodeA,
            ...{ createdMs: startMs, endedMs: undefined, dueMs: startMs, entries: 1, bytes: 0 },
          },
        );
        assert.deepEqual(entries, newExecution(1).entries);
        assert.deepEqual(inbox, []);
        assert.ok(fence > 0);
      }));

    it('claims at once for the one who starts', () =>
      withFresh(open, async (store) => {
        const outcome = await store.create(newExecution(1, { claimBy: nodeA }), startMs);
        assert.ok(outcome.status === 'created' && outcome.fence !== undefined && outcome.fence > 0);
        assert.deepEqual(await store.claim(nodeA, startMs, 10), []);
        assert.equal((await store.find(executionId(1)))?.node, nodeA);
      }));

    it('starts once for an idempotency key and an input', () =>
      withFresh(open, async (store) => {
        const idempotency = { key: 'k', fingerprint: 'a' };
        await Promise.all(
          [1, 2, 3].map((place) => store.create(newExecution(place, { idempotency }), startMs)),
        );
        const again = await store.create(newExecution(4, { idempotency }), startMs);
        assert.ok(again.status === 'exists' && again.sameInput);
        const other = { idempotency: { key: 'k', fingerprint: 'b' } };
        const conflict = await store.create(newExecution(5, other), startMs);
        assert.deepEqual(conflict, { status: 'exists', id: again.id, sameInput: false });
        assert.equal((await store.counts()).ready, 1);
        // Another workflow's keys are its own.
        await start(store, 6, { idempotency, workflow: 'other' });
      }));

    it('waits for the moment it is not to begin before', () =>
      withFresh(open, async (store) => {
        await start(store, 1, { notBeforeMs: startMs + 5, claimBy: nodeA });
        assert.deepEqual(await store.claim(nodeA, startMs + 4, 1), []);
        assert.equal(await store.nextDueMs(), startMs + 5);
        assert.equal((await claimOne(store, startMs + 5)).record.id, executionId(1));
      }));

    it('queues what a concurrency key holds back, and lets it in by priority', () =>
      withFresh(open, async (store) => {
        const concurrency = { key: 'customer-1', limit: 2 };
        for (const place of [1, 2, 3, 4]) await start(store, place, { concurrency });
        await start(store, 5, { concurrency, priority: 1 });
        await start(store, 6, { concurrency: { key: 'customer-2', limit: 2 } });
        const { ready, queued } = await store.counts();
        assert.deepEqual([ready, queued], [3, 3]);
        assert.equal(await endNext(store), executionId(1));
        // The one with the higher priority is let in, and goes first.
        assert.equal(await endNext(store), executionId(5));
        for (const place of [2, 3, 4, 6]) assert.equal(await endNext(store), executionId(place));
        assert.equal((await store.counts()).succeeded, 6);
        // Nothing is left that holds anybody back.
        await start(store, 7, { concurrency });
        assert.equal(await endNext(store), executionId(7));
      }));

    it('spreads starts over time', () =>
      withFresh(open, async (store) => {
        const rate = { key: 'mail', limit: 2, perMs: 1_000 };
        for (const place of [1, 2, 3, 4]) await start(store, place, { rate });
        assert.equal((await store.claim(nodeA, startMs, 10)).length, 2);
        assert.equal((await store.claim(nodeA, startMs + 500, 10)).length, 1);
        assert.equal(await store.nextDueMs(), startMs + 1_000);
        assert.equal((await store.claim(nodeA, startMs + 1_000, 10)).length, 1);
      }));

    it('replaces what waits for a pause, until it has begun', () =>
      withFresh(open, async (store) => {
        const debounce = { key: 'search', waitMs: 100 };
        await start(store, 1, { debounce });
        const second = newExecution(2, { debounce });
        assert.deepEqual(await store.create(second, startMs + 50), {
          status: 'replaced',
          id: executionId(1),
        });
        assert.deepEqual(await store.claim(nodeA, startMs + 149, 1), []);
        const claimed = await claimOne(store, startMs + 150);
        assert.deepEqual(claimed.entries, second.entries);
        await start(store, 3, { debounce });
      }));
  });
}
