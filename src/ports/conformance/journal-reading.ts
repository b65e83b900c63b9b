import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppName } from '../../model/function.ts';
import type { ExecutionQuery, JournalStore } from '../journal-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';
import { claimOne, endNext, executionId, noted, start, startMs, transition } from './journal-samples.ts';

export function exerciseJournalReading(open: OpenFresh<JournalStore>): void {
  describe('JournalStore: reading', () => {
    it('pages through a history from any place', () =>
      withFresh(open, async (store) => {
        await start(store, 1);
        const claimed = await claimOne(store);
        for (const seq of [1, 4, 7])
          await store.append(
            transition(claimed, seq, [noted(seq), noted(seq + 1), noted(seq + 2)], { status: 'running' }),
          );
        const notes = async (from: number, limit: number): Promise<unknown[]> =>
          (await store.history(executionId(1), from, limit)).map((entry) =>
            entry.kind === 'noted' ? entry.note : entry.kind,
          );
        assert.deepEqual(await notes(0, 3), ['started', 1, 2]);
        assert.deepEqual(await notes(5, 3), [5, 6, 7]);
        assert.deepEqual(await notes(9, 9), [9]);
        assert.deepEqual(await notes(10, 9), []);
        assert.deepEqual(await store.history(executionId(2), 0, 9), []);
      }));

    it('lists newest first, by app, workflow, status and parent', () =>
      withFresh(open, async (store) => {
        await start(store, 1);
        await endNext(store);
        await start(store, 2, { workflow: 'other' });
        await start(store, 3, { app: 'blog' as AppName });
        await start(store, 4, { parent: { execution: executionId(2), op: 5 } });
        const places = async (query: Partial<ExecutionQuery>): Promise<number[]> =>
          (await store.list({ limit: 10, ...query })).map((each) => Number.parseInt(each.id.slice(-2), 16));
        assert.deepEqual(await places({}), [4, 3, 2, 1]);
        assert.deepEqual(await places({ limit: 2, before: executionId(4) }), [3, 2]);
        assert.deepEqual(await places({ app: 'shop' as AppName }), [4, 2, 1]);
        assert.deepEqual(await places({ app: 'shop' as AppName, workflow: 'order' }), [4, 1]);
        assert.deepEqual(await places({ status: 'succeeded' }), [1]);
        assert.deepEqual(await places({ parent: executionId(2) }), [4]);
      }));

    it('knows which large payloads executions refer to, until they are pruned', () =>
      withFresh(open, async (store) => {
        const large = (digit: string) => ({ blob: digit.repeat(64), bytes: 7_000_000 });
        const seed = '00'.repeat(16);
        await start(store, 1, { entries: [{ kind: 'started', atMs: startMs, seed, input: large('a') }] });
        const claimed = await claimOne(store);
        assert.deepEqual(claimed.entries[0]?.kind === 'started' && claimed.entries[0].input, large('a'));
        await start(store, 2);
        const input = { kind: 'signal', name: 'go', input: large('b') } as const;
        assert.equal((await store.deliver(executionId(2), input, startMs)).status, 'delivered');
        const output = { kind: 'completed', atMs: startMs, op: 1, output: large('c') } as const;
        const message = {
          to: executionId(2),
          input: { kind: 'completed', op: 3, output: large('d') } as const,
        };
        const end = {
          kind: 'ended',
          atMs: startMs,
          outcome: { status: 'succeeded', output: large('a') },
        } as const;
        await store.append(
          transition(claimed, 1, [output, end], { status: 'ended' }, { messages: [message] }),
        );
        const all = [...'abcde'].map((digit) => digit.repeat(64));
        assert.deepEqual([...(await store.referencedPayloads(all))].sort(), all.slice(0, 4));
        assert.equal(await store.refersTo(executionId(1), all[2]!), true);
        assert.equal(await store.refersTo(executionId(2), all[2]!), false);
        assert.equal(await store.prune(startMs + 2, 10, 10), 1);
        assert.deepEqual([...(await store.referencedPayloads(all))].sort(), [all[1], all[3]]);
      }));

    it('prunes what ended long ago', () =>
      withFresh(open, async (store) => {
        const idempotency = { key: 'k', fingerprint: 'a' };
        for (const place of [1, 2, 3]) {
          await start(store, place, place === 1 ? { idempotency } : {}, startMs + place);
          if (place < 3) await endNext(store, startMs + place);
        }
        assert.equal(await store.prune(startMs + 2, 10, 10), 1);
        assert.equal(await store.find(executionId(1)), undefined);
        assert.deepEqual(await store.history(executionId(1), 0, 10), []);
        const { ready, succeeded } = await store.counts();
        assert.deepEqual([ready, succeeded], [1, 1]);
        await start(store, 4, { idempotency });
      }));

    it('prunes the oldest of too many, a few at a time, and none that goes on', () =>
      withFresh(open, async (store) => {
        for (const place of [1, 2, 3, 4]) {
          await start(store, place, {}, startMs + place);
          await endNext(store, startMs + place);
        }
        await start(store, 5, {}, startMs);
        assert.equal(await store.prune(startMs, 1, 2), 2);
        assert.equal(await store.prune(startMs, 1, 2), 1);
        assert.equal(await store.prune(startMs, 1, 2), 0);
        assert.notEqual(await store.find(executionId(4)), undefined);
        assert.equal(await store.prune(startMs, 0, 2), 1);
        assert.notEqual(await store.find(executionId(5)), undefined);
      }));
  });
}
