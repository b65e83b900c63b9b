import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExecutionInput } from '../../model/execution.ts';
import { INBOX_MAX, type JournalStore } from '../journal-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';
import { claimOne, endNext, executionId, nodeA, start, startMs, transition } from './journal-samples.ts';

const signal = (name: string): ExecutionInput => ({ kind: 'signal', name, input: { json: name } });
const rest = { status: 'waiting', dueMs: undefined } as const;

export function exerciseJournalInputs(open: OpenFresh<JournalStore>): void {
  describe('JournalStore: inputs', () => {
    it('wakes a waiting execution and keeps the order', () =>
      withFresh(open, async (store, fresh) => {
        await start(store, 1);
        await store.append(transition(await claimOne(store), 1, [], rest));
        for (const name of ['a', 'b'])
          assert.deepEqual(await store.deliver(executionId(1), signal(name), startMs), {
            status: 'delivered',
            held: false,
          });
        const again = await fresh.reopen();
        const claimed = await claimOne(again);
        assert.deepEqual(
          claimed.inbox.map((item) => item.input),
          [signal('a'), signal('b')],
        );
        // What is not taken in stays, and what is goes.
        const consumed = [claimed.inbox[0]!.position];
        assert.equal(await again.append(transition(claimed, 1, [], rest, { consumed })), true);
        const next = await claimOne(again);
        assert.deepEqual(next.inbox, [claimed.inbox[1]]);
      }));

    it('tells when the execution is held, and shows its inbox then', () =>
      withFresh(open, async (store) => {
        await start(store, 1);
        const claimed = await claimOne(store);
        const outcome = await store.deliver(executionId(1), signal('a'), startMs);
        assert.deepEqual(outcome, { status: 'delivered', held: true });
        const [item] = await store.inbox(executionId(1));
        assert.deepEqual(item?.input, signal('a'));
        // A claim that is given back with something in the inbox is ready at once.
        await store.append(transition(claimed, 1, [], rest));
        assert.equal((await store.find(executionId(1)))?.status, 'ready');
      }));

    it('refuses executions that ended or never were, and inboxes that are full', () =>
      withFresh(open, async (store) => {
        assert.deepEqual(await store.deliver(executionId(9), signal('a'), startMs), { status: 'unknown' });
        await start(store, 1);
        await endNext(store);
        assert.deepEqual(await store.deliver(executionId(1), signal('a'), startMs), {
          status: 'ended',
          as: 'succeeded',
        });
        await start(store, 2);
        const outcomes = await Promise.all(
          Array.from({ length: INBOX_MAX + 1 }, () => store.deliver(executionId(2), signal('a'), startMs)),
        );
        assert.equal(outcomes.filter((outcome) => outcome.status === 'delivered').length, INBOX_MAX);
        assert.equal(outcomes.at(-1)?.status, 'full');
      }));

    it('lets a queued execution be cancelled', () =>
      withFresh(open, async (store) => {
        const concurrency = { key: 'k', limit: 1 };
        for (const place of [1, 2, 3]) await start(store, place, { concurrency });
        await store.deliver(executionId(2), { kind: 'cancel', reason: 'no' }, startMs);
        const { ready, queued } = await store.counts();
        assert.deepEqual([ready, queued], [2, 1]);
        await endNext(store);
        await endNext(store);
        assert.equal(await endNext(store), executionId(3));
      }));
  });

  describe('JournalStore: awaiting', () => {
    it('finds who waits for a key, and settles each once', () =>
      withFresh(open, async (store) => {
        for (const place of [1, 2]) {
          await start(store, place);
          const awaits = [
            { op: 1, key: 'event:paid', detail: { order: place } },
            { op: 2, key: `callback:${place}` },
          ];
          await store.append(transition(await claimOne(store), 1, [], rest, { awaits }));
        }
        const found = await store.findAwaiting('event:paid', 10);
        assert.deepEqual(
          found.map(({ execution, op, detail }) => [execution, op, detail]),
          [1, 2].map((place) => [executionId(place), 1, { order: place }]),
        );
        assert.equal((await store.findAwaiting('event:paid', 10, found[0]!.position)).length, 1);
        const input = { kind: 'completed', op: 1, output: { json: 'yes' } } as const;
        const settled = await Promise.all(
          [1, 1].map((op) => store.settleAwaiting(executionId(1), op, input, startMs)),
        );
        assert.deepEqual(settled.sort(), [false, true]);
        const claimed = await claimOne(store);
        assert.deepEqual(
          [claimed.record.id, claimed.inbox.map((item) => item.input)],
          [executionId(1), [input]],
        );
        const consumed = claimed.inbox.map((item) => item.position);
        await store.append(transition(claimed, 1, [], rest, { consumed, awaitsNoMore: [2] }));
        assert.deepEqual(await store.findAwaiting('callback:1', 10), []);
        assert.equal((await store.findAwaiting('callback:2', 10)).length, 1);
        assert.deepEqual(await store.claim(nodeA, startMs, 10), []);
      }));

    it('forgets what an execution waits for when it ends', () =>
      withFresh(open, async (store) => {
        await start(store, 1);
        const awaits = [{ op: 1, key: 'k' }];
        await store.append(transition(await claimOne(store), 1, [], { status: 'ready' }, { awaits }));
        await endNext(store);
        assert.deepEqual(await store.findAwaiting('k', 10), []);
      }));
  });
}
