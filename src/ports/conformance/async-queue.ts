import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InvocationId, NodeId } from '../../base/ids.ts';
import type { AppName, FunctionName } from '../../model/function.ts';
import type { InvocationError } from '../../model/invocation.ts';
import type { AsyncInvocation, AsyncQueue, ClaimedInvocation } from '../async-queue.ts';
import type { CalledBy } from '../platform-calls.ts';
import { type OpenFresh, withFresh } from './harness.ts';

const startMs = 1_800_000_000_000;
const nodeA = '01a3d0b2-0000-7000-8000-00000000000a' as NodeId;
const nodeB = '01a3d0b2-0000-7000-8000-00000000000b' as NodeId;
const failure: InvocationError = {
  code: 'E_FUNCTION_ERROR',
  errorType: 'TypeError',
  errorMessage: 'nope',
  stackTrace: ['at home (index.js:1:1)'],
};

const caller: CalledBy = {
  app: 'shop' as AppName,
  function: 'checkout' as FunctionName,
  invocation: '01a3d0b2-2222-7000-8000-000000000001' as InvocationId,
  chain: { depth: 3, waiting: [] },
};

function invocation(place: number, acceptedMs = startMs + place): Omit<AsyncInvocation, 'attempts'> {
  return {
    id: `01a3d0b2-1111-7000-8000-${place.toString(16).padStart(12, '0')}` as InvocationId,
    app: 'shop' as AppName,
    function: 'mail' as FunctionName,
    payload: Buffer.from(JSON.stringify({ place, text: 'grüße' })),
    traceparent: place % 2 === 0 ? undefined : '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    caller: place % 2 === 0 ? undefined : caller,
    acceptedMs,
  };
}

async function enqueueMany(queue: AsyncQueue, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, place) => queue.enqueue(invocation(place))));
}

async function claimOne(queue: AsyncQueue, nowMs = startMs + 1_000_000): Promise<ClaimedInvocation> {
  const [claimed] = await queue.claim(nodeA, nowMs, 1);
  assert.ok(claimed !== undefined, 'something is to be claimed');
  return claimed;
}

/** Holds an adapter to every sentence of `AsyncQueue`. */
export function exerciseAsyncQueue(open: OpenFresh<AsyncQueue>): void {
  describe('AsyncQueue: accepting', () => {
    it('gives back what was accepted, also after a restart, with its first attempt begun', () =>
      withFresh(open, async (queue, fresh) => {
        await enqueueMany(queue, 2);
        const again = await fresh.reopen();
        const claimed = await again.claim(nodeA, startMs + 10, 10);
        assert.deepEqual(
          claimed.map(({ fence: _fence, payload, ...rest }) => ({
            ...rest,
            payload: Buffer.from(payload).toString(),
          })),
          [0, 1].map((place) => {
            const { payload, ...rest } = invocation(place);
            return { ...rest, attempts: 1, payload: Buffer.from(payload).toString() };
          }),
        );
      }));

    it('keeps the bytes of the payload alone, and of the moment of the call', () =>
      withFresh(open, async (queue) => {
        const pool = Buffer.from('xx{"a":1}xx');
        const accepted = queue.enqueue({ ...invocation(1), payload: pool.subarray(2, 9) });
        pool.fill(0);
        await accepted;
        assert.equal(Buffer.from((await claimOne(queue)).payload).toString(), '{"a":1}');
        await queue.enqueue({ ...invocation(2), payload: new Uint8Array(0) });
        assert.equal((await claimOne(queue)).payload.byteLength, 0);
      }));

    it('stores the same id once', () =>
      withFresh(open, async (queue) => {
        await Promise.all([queue.enqueue(invocation(1)), queue.enqueue(invocation(1))]);
        await queue.enqueue({ ...invocation(1), payload: Buffer.from('"other"') });
        assert.deepEqual(await queue.counts(), { waiting: 1, claimed: 0, dead: 0 });
        const claimed = await claimOne(queue);
        assert.equal(Buffer.from(claimed.payload).toString(), Buffer.from(invocation(1).payload).toString());
        await queue.enqueue(invocation(1));
        assert.deepEqual(await queue.counts(), { waiting: 0, claimed: 1, dead: 0 });
      }));
  });

  describe('AsyncQueue: claiming', () => {
    it('takes the oldest due first, up to the limit, and none before it is due', () =>
      withFresh(open, async (queue) => {
        for (const place of [3, 1, 2, 9]) await queue.enqueue(invocation(place));
        assert.deepEqual(await queue.claim(nodeA, startMs, 10), []);
        const ids = (claimed: ClaimedInvocation[]): string[] => claimed.map((each) => each.id);
        assert.deepEqual(ids(await queue.claim(nodeA, startMs + 5, 2)), [invocation(1).id, invocation(2).id]);
        assert.deepEqual(ids(await queue.claim(nodeA, startMs + 5, 2)), [invocation(3).id]);
        assert.deepEqual(ids(await queue.claim(nodeA, startMs + 5, 2)), []);
        assert.deepEqual(await queue.claim(nodeA, startMs + 99, 0), []);
      }));

    it('gives each to one of those that claim at once', () =>
      withFresh(open, async (queue) => {
        await enqueueMany(queue, 50);
        const groups = await Promise.all(
          Array.from({ length: 10 }, (_, place) =>
            queue.claim(place % 2 === 0 ? nodeA : nodeB, startMs + 100, 7),
          ),
        );
        const ids = groups.flat().map((each) => each.id);
        assert.equal(ids.length, 50);
        assert.equal(new Set(ids).size, 50);
      }));

    it('says when the next is due', () =>
      withFresh(open, async (queue) => {
        assert.equal(await queue.nextDueMs(), undefined);
        await queue.enqueue(invocation(7));
        await queue.enqueue(invocation(4));
        assert.equal(await queue.nextDueMs(), startMs + 4);
        await queue.claim(nodeA, startMs + 100, 1);
        assert.equal(await queue.nextDueMs(), startMs + 7);
        await queue.claim(nodeA, startMs + 100, 1);
        assert.equal(await queue.nextDueMs(), undefined);
      }));
  });

  describe('AsyncQueue: ending', () => {
    it('forgets what is complete', () =>
      withFresh(open, async (queue) => {
        await queue.enqueue(invocation(1));
        const { id, fence } = await claimOne(queue);
        assert.equal(await queue.complete(id, fence), true);
        assert.equal(await queue.complete(id, fence), false);
        assert.deepEqual(await queue.counts(), { waiting: 0, claimed: 0, dead: 0 });
      }));

    it('tries again when it is due', () =>
      withFresh(open, async (queue) => {
        await queue.enqueue(invocation(1));
        const first = await claimOne(queue);
        assert.equal(await queue.fail(first.id, first.fence, failure, startMs + 5_000), true);
        assert.equal(await queue.nextDueMs(), startMs + 5_000);
        assert.deepEqual(await queue.claim(nodeA, startMs + 4_999, 1), []);
        const second = await claimOne(queue, startMs + 5_000);
        assert.equal(second.attempts, 2);
        assert.ok(second.fence > first.fence, 'the fence grows');
      }));

    it('keeps the dead with their errors, newest first', () =>
      withFresh(open, async (queue) => {
        await enqueueMany(queue, 3);
        for (let count = 0; count < 3; count += 1) {
          const { id, fence } = await claimOne(queue);
          const error = { ...failure, errorMessage: `nope ${count}` };
          assert.equal(await queue.fail(id, fence, error, undefined), true);
        }
        assert.deepEqual(await queue.counts(), { waiting: 0, claimed: 0, dead: 3 });
        const dead = await queue.listDead(2);
        assert.deepEqual(
          dead.map((each) => [each.id, each.error.errorMessage, each.attempts]),
          [
            [invocation(2).id, 'nope 2', 1],
            [invocation(1).id, 'nope 1', 1],
          ],
        );
        assert.deepEqual(dead[0]?.error.stackTrace, failure.stackTrace);
        assert.equal(typeof dead[0]?.diedMs, 'number');
        assert.equal(await queue.nextDueMs(), undefined);
        assert.deepEqual(await queue.claim(nodeA, startMs + 1_000_000_000, 10), []);
      }));
  });

  describe('AsyncQueue: lost claims', () => {
    it('changes nothing for a fence that was overtaken', () =>
      withFresh(open, async (queue) => {
        await queue.enqueue(invocation(1));
        const old = await claimOne(queue);
        assert.equal(await queue.recover(nodeB), 1);
        const [taken] = await queue.claim(nodeB, startMs + 100, 1);
        assert.equal(await queue.complete(old.id, old.fence), false);
        assert.equal(await queue.fail(old.id, old.fence, failure, startMs), false);
        assert.equal(await queue.fail(old.id, old.fence, failure, undefined), false);
        assert.deepEqual(await queue.counts(), { waiting: 0, claimed: 1, dead: 0 });
        assert.equal(await queue.complete(taken!.id, taken!.fence), true);
      }));

    it('does not mistake a fence of an id that ended for one of its next life', () =>
      withFresh(open, async (queue) => {
        await queue.enqueue(invocation(1));
        const old = await claimOne(queue);
        await queue.complete(old.id, old.fence);
        await queue.enqueue(invocation(1));
        const fresh = await claimOne(queue);
        assert.equal(await queue.complete(old.id, old.fence), false);
        assert.equal(await queue.complete(fresh.id, fresh.fence), true);
      }));

    it('gives back the claims of other nodes and keeps its own', () =>
      withFresh(open, async (queue, fresh) => {
        await enqueueMany(queue, 5);
        await queue.claim(nodeA, startMs + 100, 3);
        await queue.claim(nodeB, startMs + 100, 1);
        const again = await fresh.reopen();
        assert.equal(await again.recover(nodeB), 3);
        assert.deepEqual(await again.counts(), { waiting: 4, claimed: 1, dead: 0 });
        const back = await again.claim(nodeB, startMs + 100, 10);
        assert.deepEqual(
          back.map((each) => each.attempts),
          [2, 2, 2, 1],
        );
        assert.equal(await again.recover(nodeB), 0);
      }));
  });
}
