import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventStore, NewDelivery, NewEvent } from '../event-store.ts';
import {
  append,
  begin,
  bill,
  delivery,
  event,
  failure,
  idsOf,
  laterMs,
  mail,
  nodeB,
  pruneAll,
  startMs,
} from './event-samples.ts';
import { type OpenFresh, withFresh } from './harness.ts';

/** Events that follow on one another, all owed to one trigger alike. */
function many(from: number, to: number, trigger: number, more: Partial<NewDelivery> = {}): NewEvent[] {
  return Array.from({ length: to - from + 1 }, (_, at) => {
    const { receivedMs } = event(from + at);
    return event(from + at, [delivery(trigger, { dueMs: receivedMs, claimed: true, ...more })]);
  });
}

/** Of each event what it is ordered by: its own subject. */
function bySubject(events: readonly NewEvent[]): NewEvent[] {
  return events.map((each) => ({
    ...each,
    deliveries: each.deliveries.map((own) => ({ ...own, ordering: each.subject })),
  }));
}

/** Deliveries by the thousand are alike, and a store may keep them together: none of it may show. */
export function exerciseManyAlike(open: OpenFresh<EventStore>): void {
  describe('EventStore: many deliveries that are alike', () => {
    it('keeps the attempt of one of them beside its own event', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const stored = await store.append(append(session, many(1, 9, mailKey, { claimed: true })));
        const { seq, deliveries } = stored[3]!;
        const attempt = { startedMs: startMs, tookMs: 2, invocation: undefined, error: undefined };
        const noted = { ...attempt, nextMs: undefined };
        await store.settle(
          [
            { kind: 'attempted', key: deliveries[0]!, attempt: noted },
            { kind: 'delivered', keys: stored.map((each) => each.deliveries[0]!) },
          ],
          append(session, []),
        );
        assert.deepEqual((await store.findEvent(seq))!.attempts, [
          { ...noted, trigger: mail, delivery: deliveries[0], attempt: 1 },
        ]);
        assert.deepEqual((await store.findEvent(stored[4]!.seq))!.attempts, []);
      }));

    it('ends any of them in any order, and leaves the others as they were', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const stored = await store.append(append(session, bySubject(many(1, 9, mailKey))));
        const keys = stored.map(({ deliveries }) => deliveries[0]!);
        await store.settle(
          [
            { kind: 'delivered', keys: [keys[8]!, keys[3]!, keys[2]!] },
            { kind: 'retry', key: keys[5]!, dueMs: startMs + 50 },
            { kind: 'dead', key: keys[0]!, error: failure, diedMs: startMs },
            { kind: 'released', key: keys[6]!, parked: true },
          ],
          append(session, []),
        );
        assert.deepEqual(await store.claim(session, mailKey, startMs + 49, 9), []);
        const counts = (await store.triggerTotals()).find(({ id }) => id === mail)!;
        assert.deepEqual([counts.owed, counts.delivered, counts.dead], [5, 3, 1]);
        const { session: newer, failed } = await store.openSession(nodeB);
        assert.deepEqual(failed, [{ trigger: mailKey, ordering: 's6', key: keys[5] }]);
        const claimed = await store.claim(newer, mailKey, laterMs, 9);
        assert.deepEqual(
          claimed.map(({ id, key, ordering, attempts }) => [id, key, ordering, attempts]),
          [
            ['e2', keys[1], 's2', 0],
            ['e5', keys[4], 's5', 0],
            ['e7', keys[6], 's7', 0],
            ['e8', keys[7], 's8', 0],
            ['e6', keys[5], 's6', 1],
          ],
        );
      }));

    it('gives them in parts, and each part to one session', () =>
      withFresh(open, async (store, fresh) => {
        const { session, mailKey, billKey } = await begin(store);
        const waiting = { claimed: false };
        await store.append(append(session, many(1, 7, mailKey, waiting)));
        await store.append(
          append(session, [event(20, [delivery(billKey)]), ...many(8, 9, mailKey, waiting)]),
        );
        assert.deepEqual(idsOf(await store.claim(session, mailKey, laterMs, 3)), ['e1', 'e2', 'e3']);
        const next = await store.claim(session, mailKey, laterMs, 5);
        assert.deepEqual(idsOf(next), ['e4', 'e5', 'e6', 'e7', 'e8']);
        await store.settle([{ kind: 'delivered', keys: next.map(({ key }) => key) }], append(session, []));
        const again = await fresh.reopen();
        const { session: newer } = await again.openSession(nodeB);
        await again.settle([{ kind: 'delivered', keys: [next[0]!.key - 1] }], append(session, []));
        assert.deepEqual(idsOf(await again.claim(newer, mailKey, laterMs, 9)), ['e1', 'e2', 'e3', 'e9']);
        assert.deepEqual(idsOf(await again.claim(newer, billKey, laterMs, 9)), ['e20']);
        assert.equal((await again.totals()).owed, 5);
      }));

    it('keeps apart what lies between them: repetitions, other triggers, other orders', () =>
      withFresh(open, async (store) => {
        const { session, mailKey, billKey } = await begin(store);
        await store.append(append(session, [event(3)]));
        const own = delivery(billKey, { dueMs: startMs + 4, claimed: true });
        const events = bySubject(many(1, 6, mailKey)).map((each, at) =>
          at === 3 ? { ...each, deliveries: [...each.deliveries, own] } : each,
        );
        const stored = await store.append(append(session, events));
        assert.deepEqual(
          stored.map(({ deliveries }) => deliveries.length),
          [1, 1, 0, 2, 1, 1],
        );
        const keys = stored.flatMap(({ deliveries }) => deliveries.map((key) => key!));
        assert.equal(new Set(keys).size, 6);
        const found = await store.findEvent(stored[3]!.seq);
        assert.deepEqual(found!.owedTo.toSorted(), [bill, mail]);
        await store.settle([{ kind: 'delivered', keys }], append(session, []));
        const totals = await store.triggerTotals();
        const counts = totals.map(({ id, owed, delivered }) => [id, owed, delivered]);
        assert.deepEqual(counts, [
          [bill, 0, 1],
          [mail, 0, 5],
        ]);
      }));

    it('tells by its place what was there already, in a call of many that have all else in common', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const alike = (...places: number[]): NewEvent[] =>
          places.map((place) => event(place, [delivery(mailKey)], { type: 'row', receivedMs: startMs }));
        const former = await store.append(append(session, alike(5, 20)));
        const places = Array.from({ length: 60 }, (_, place) => (place === 40 ? 39 : place));
        const stored = await store.append(append(session, alike(...places)));
        const repeated = stored.flatMap((each, at) => (each.stored ? [] : [[at, each.seq]]));
        assert.deepEqual(repeated, [
          [5, former[0]!.seq],
          [20, former[1]!.seq],
          [40, stored[39]!.seq],
        ]);
        const claimed = await store.claim(session, mailKey, laterMs, 99);
        const owed = new Map([...former, ...stored].map(({ seq }, at) => [seq, [5, 20, ...places][at]!]));
        assert.equal(claimed.length, 59);
        for (const { seq, id, event: text } of claimed) {
          assert.equal(id, `e${owed.get(seq)}`);
          assert.equal((JSON.parse(Buffer.from(text).toString()) as { id: string }).id, id);
        }
      }));

    it('stores each once, wherever repetitions stand among many', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const first = await store.append(append(session, [event(7), event(30)]));
        const events = many(1, 40, mailKey);
        events.splice(12, 0, events[4]!, events[11]!);
        events.push(events[0]!);
        const stored = await store.append(append(session, events));
        const repeated = stored.flatMap((each, at) => (each.stored ? [] : [at]));
        assert.deepEqual(repeated, [6, 12, 13, 31, 42]);
        const places = [6, 12, 13, 31, 42].map((at) => stored[at]!.seq);
        const [seven, thirty] = [first[0]!.seq, first[1]!.seq];
        assert.deepEqual(places, [seven, stored[4]!.seq, stored[11]!.seq, thirty, stored[0]!.seq]);
        const { items } = await store.readEvents({}, 100, 0);
        assert.equal(items.length, 40);
        for (const { seq, stored: isNew } of stored)
          if (isNew) assert.ok(items.some((each) => each.seq === seq));
        const claimed = stored.flatMap(({ deliveries }) => deliveries);
        assert.equal(new Set(claimed).size, 38);
        await store.settle([{ kind: 'delivered', keys: claimed.map((key) => key!) }], append(session, []));
        assert.equal((await store.totals()).owed, 0);
      }));

    it('never gives a key twice', () =>
      withFresh(open, async (store, fresh) => {
        const { session, mailKey } = await begin(store);
        const keysOf = async (on: EventStore, from: number): Promise<number[]> =>
          (await on.append(append(session, many(from, from + 2, mailKey)))).map(
            ({ deliveries }) => deliveries[0]!,
          );
        const first = await keysOf(store, 1);
        await store.settle([{ kind: 'delivered', keys: first }], append(session, []));
        const again = await fresh.reopen();
        const second = await keysOf(again, 11);
        assert.ok(second[0]! > first[2]!, `${second[0]} after ${first[2]}`);
      }));

    it('keeps their events, and removes those around them', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const owed = many(3, 6, mailKey);
        const stored = await store.append(append(session, [event(1), event(2), ...owed, event(7)]));
        const key = stored[3]!.deliveries[0]!;
        await store.settle([{ kind: 'delivered', keys: [key] }], append(session, []));
        assert.equal(await pruneAll(store, { beforeMs: laterMs }), 4);
        const { items } = await store.listEvents({}, 9);
        assert.deepEqual(
          items.map(({ id }) => id),
          ['e6', 'e5', 'e3'],
        );
      }));
  });
}
