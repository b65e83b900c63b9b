import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InvocationId } from '../../base/ids.ts';
import { EVERYBODY, scopeOfApp } from '../../model/event-scope.ts';
import type { AppName } from '../../model/function.ts';
import { type Appended, ATTEMPTS_KEPT_MAX, type EventStore, type Session } from '../event-store.ts';
import { exerciseManyAlike } from './event-many-alike.ts';
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

function exerciseLog(open: OpenFresh<EventStore>): void {
  describe('EventStore: the log', () => {
    it('keeps events byte for byte, newest first, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        const { session, mailKey } = await begin(store);
        const [one, two] = await store.append(append(session, [event(1, [delivery(mailKey)]), event(2)]));
        assert.deepEqual([one!.stored, one!.deliveries.length, two!.deliveries.length], [true, 1, 0]);
        const again = await fresh.reopen();
        const { items, next } = await again.listEvents({}, 10);
        assert.deepEqual([items.map(({ id }) => id), next], [['e2', 'e1'], undefined]);
        const found = await again.findEvent(one!.seq);
        const { event: text, ...rest } = found!;
        assert.equal(Buffer.from(text).toString(), '{"id":"e1","data":"grüße"}');
        const { scope, source, id, type, subject, receivedMs, depth } = event(1);
        const bytes = text.byteLength;
        const summary = { seq: one!.seq, scope, source, id, type, subject, receivedMs, depth, bytes };
        assert.deepEqual(rest, { ...summary, owedTo: [mail], deadAt: [], attempts: [] });
        assert.deepEqual(await again.totals(), { events: 2, bytes: bytes * 2, owed: 1, dead: 0 });
      }));

    it('stores the same source and id once, whatever else comes with it', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const [first] = await store.append(append(session, [event(1, [delivery(mailKey)])]));
        const repeated = event(1, [delivery(mailKey)], { type: 'other' });
        const outcomes = await store.append(append(session, [repeated, event(1, [], { source: '/else' })]));
        assert.deepEqual(outcomes[0], { seq: first!.seq, stored: false, deliveries: [] });
        assert.equal(outcomes[1]!.stored, true);
        assert.equal((await store.totals()).owed, 1);
      }));

    it('keeps scopes apart: nobody takes the place of an event of another app', () =>
      withFresh(open, async (store) => {
        const { session } = await begin(store);
        const scope = scopeOfApp('other' as AppName);
        const outcomes = await store.append(append(session, [event(1), event(1, [], { scope })]));
        assert.deepEqual(
          outcomes.map(({ stored }) => stored),
          [true, true],
        );
        const { items } = await store.readEvents({}, 10, 0);
        assert.deepEqual(
          items.map((each) => each.scope),
          [EVERYBODY, scope],
        );
      }));

    it('finds by each attribute and time, in pages', () =>
      withFresh(open, async (store) => {
        const { session } = await begin(store);
        await store.append(
          append(
            session,
            [0, 1, 2, 3, 4].map((place) => event(place)),
          ),
        );
        const ids = async (filter: Parameters<EventStore['listEvents']>[0]): Promise<string[]> =>
          (await store.listEvents(filter, 10)).items.map(({ id }) => id);
        assert.deepEqual(await ids({ type: 'odd' }), ['e3', 'e1']);
        assert.deepEqual(await ids({ source: '/shop', subject: 's2' }), ['e2']);
        assert.deepEqual(await ids({ id: 'e4' }), ['e4']);
        assert.deepEqual(await ids({ text: '"e2","data":"grü' }), ['e2']);
        assert.deepEqual(await ids({ text: 'GR' }), []);
        assert.deepEqual(await ids({ sinceMs: startMs + 1, untilMs: startMs + 3 }), ['e2', 'e1']);
        const first = await store.listEvents({}, 2);
        assert.deepEqual(
          first.items.map(({ id }) => id),
          ['e4', 'e3'],
        );
        const rest = await store.listEvents({}, 10, first.next);
        assert.deepEqual(
          rest.items.map(({ id }) => id),
          ['e2', 'e1', 'e0'],
        );
        const forward = await store.readEvents({ type: 'even' }, 2, 0);
        const further = await store.readEvents({ type: 'even' }, 2, forward.next!);
        assert.deepEqual([forward.items.length, further.items.length, further.next], [2, 1, undefined]);
        assert.match(Buffer.from(further.items[0]!.event).toString(), /e4/);
      }));

    it('moves a position with the events or not at all', () =>
      withFresh(open, async (store, fresh) => {
        const { session } = await begin(store);
        assert.equal(await store.findPosition(mail), undefined);
        const positions = [{ source: mail, position: '7' }];
        await store.append(append(session, [event(1)], { positions }));
        await store.append(append(session, [], { positions: [{ source: mail, position: '8' }] }));
        const broken = event(2, [], { depth: 'no' as unknown as number });
        await assert.rejects(
          store.append(append(session, [event(3), broken], { positions: [{ source: mail, position: '9' }] })),
        );
        const again = await fresh.reopen();
        assert.equal(await again.findPosition(mail), '8');
        assert.equal((await again.listEvents({ id: 'e3' }, 1)).items.length, 0);
      }));

    it('lists the positions that say anything, in pages', () =>
      withFresh(open, async (store) => {
        const { session } = await begin(store);
        const at = (name: string, position: string) => ({ source: `shop/${name}` as typeof mail, position });
        const positions = [at('c', '3'), at('a', '1'), at('b', ''), at('d', '4')];
        await store.append(append(session, [], { positions }));
        assert.deepEqual(await store.listPositions('', 2), [at('a', '1'), at('c', '3')]);
        assert.deepEqual(await store.listPositions('shop/c', 2), [at('d', '4')]);
        assert.deepEqual(await store.listPositions('shop/d', 2), []);
      }));

    it('owes nothing for a value that was seen within its time', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const once = (untilMs: number) => [delivery(mailKey, { once: { value: 'v', untilMs } })];
        const [first, second] = await store.append(
          append(session, [event(1, once(startMs + 10)), event(2, once(startMs + 10))]),
        );
        assert.deepEqual([typeof first!.deliveries[0], second!.deliveries[0]], ['number', undefined]);
        const later = append(session, [event(3, once(startMs + 20))], { nowMs: startMs + 10 });
        assert.equal(typeof (await store.append(later))[0]!.deliveries[0], 'number');
        assert.equal((await store.totals()).owed, 2);
      }));
  });
}

function exerciseDeliveries(open: OpenFresh<EventStore>): void {
  describe('EventStore: deliveries', () => {
    it('gives what is due, oldest first, up to the limit, each once', () =>
      withFresh(open, async (store) => {
        const { session, mailKey, billKey } = await begin(store);
        const due = (trigger: number, afterMs: number) => [delivery(trigger, { dueMs: startMs + afterMs })];
        await store.append(
          append(session, [
            event(1, due(mailKey, 5)),
            event(2, due(mailKey, 0)),
            event(3, due(mailKey, 0)),
            event(4, due(billKey, 0)),
            event(5, due(mailKey, 50)),
          ]),
        );
        assert.deepEqual(idsOf(await store.claim(session, mailKey, startMs + 9, 2)), ['e2', 'e3']);
        assert.deepEqual(idsOf(await store.claim(session, mailKey, startMs + 9, 9)), ['e1']);
        assert.deepEqual(await store.claim(session, mailKey, startMs + 9, 9), []);
        assert.equal(await store.nextDueMs(mailKey), startMs + 50);
        const [claimed] = await store.claim(session, billKey, startMs, 1);
        assert.deepEqual(
          { ...claimed, event: Buffer.from(claimed!.event).toString() },
          {
            ...{ key: claimed!.key, seq: claimed!.seq, id: 'e4', source: '/shop', type: 'even' },
            ...{ receivedMs: startMs + 4, depth: 0, ordering: undefined, attempts: 0, owedMs: startMs },
            event: '{"id":"e4","data":"grüße"}',
          },
        );
        assert.equal(await store.nextDueMs(billKey), undefined);
      }));

    it('ends them: delivered, to be tried again, given back, dead; with the sums kept', () =>
      withFresh(open, async (store, fresh) => {
        const { session, mailKey } = await begin(store);
        const events = [1, 2, 3, 4].map((place) => event(place, [delivery(mailKey, { claimed: true })]));
        const keys = (await store.append(append(session, events))).map(({ deliveries }) => deliveries[0]!);
        assert.deepEqual(await store.claim(session, mailKey, laterMs, 9), []);
        const emitted = await store.settle(
          [
            { kind: 'delivered', keys: [keys[0]!] },
            { kind: 'retry', key: keys[1]!, dueMs: startMs + 77 },
            { kind: 'released', key: keys[2]!, parked: false },
            { kind: 'dead', key: keys[3]!, error: failure, diedMs: startMs + 9 },
          ],
          append(session, [event(9, [delivery(mailKey, { claimed: true })])]),
        );
        assert.equal(emitted[0]!.stored, true);
        const again = await fresh.reopen();
        assert.deepEqual(await again.totals(), { ...(await again.totals()), events: 5, owed: 3, dead: 1 });
        const totals = (await again.triggerTotals()).find(({ id }) => id === mail);
        const counts = { owed: 3, delivered: 1, dead: 1 };
        assert.deepEqual(totals, { key: mailKey, id: mail, paused: false, oldestMs: startMs, ...counts });
        const claimed = await again.claim(session, mailKey, startMs + 77, 9);
        assert.deepEqual(
          claimed.map(({ id, attempts }) => [id, attempts]),
          [
            ['e3', 0],
            ['e2', 1],
          ],
        );
      }));

    it('keeps the latest attempts beside their event, and with it', () =>
      withFresh(open, async (store, fresh) => {
        const { session, mailKey } = await begin(store);
        const [{ seq, deliveries }] = (await store.append(
          append(session, [event(1, [delivery(mailKey, { claimed: true })])]),
        )) as [Appended];
        const key = deliveries[0]!;
        const attempt = { startedMs: startMs, tookMs: 3, invocation: undefined, error: failure };
        const made = ATTEMPTS_KEPT_MAX + 2;
        for (let place = 1; place <= made; place += 1) {
          await store.settle(
            [
              { kind: 'attempted', key, attempt: { ...attempt, nextMs: startMs + place } },
              { kind: 'retry', key, dueMs: startMs },
            ],
            append(session, []),
          );
          await store.claim(session, mailKey, laterMs, 1);
        }
        const last = { ...attempt, invocation: 'call' as InvocationId, error: undefined, nextMs: undefined };
        await store.settle(
          [
            { kind: 'attempted', key, attempt: last },
            { kind: 'delivered', keys: [key] },
          ],
          append(session, []),
        );
        await store.settle([{ kind: 'attempted', key, attempt: last }], append(session, []));
        const again = await fresh.reopen();
        const { attempts } = (await again.findEvent(seq))!;
        assert.equal(attempts.length, ATTEMPTS_KEPT_MAX);
        assert.deepEqual(attempts.at(-1), { ...last, trigger: mail, delivery: key, attempt: made + 1 });
        const { error, nextMs } = attempts.at(-2)!;
        assert.deepEqual([error, nextMs], [failure, startMs + made]);
      }));

    it('lists attempts of one trigger over all events, the latest first, in pages', () =>
      withFresh(open, async (store) => {
        const { session, mailKey, billKey } = await begin(store);
        const claimed = { claimed: true };
        const stored = await store.append(
          append(session, [
            event(1, [delivery(mailKey, claimed), delivery(billKey, claimed)]),
            event(2, [delivery(mailKey, claimed)]),
          ]),
        );
        const [first, other, second] = stored.flatMap(({ deliveries }) => deliveries);
        const note = (key: number, startedMs: number) =>
          ({
            kind: 'attempted',
            key,
            attempt: { startedMs, tookMs: 1, invocation: undefined, error: failure, nextMs: laterMs },
          }) as const;
        await store.settle(
          [note(first!, startMs + 5), note(other!, startMs + 6), note(second!, startMs + 5)],
          append(session, []),
        );
        const found = async (limit: number, cursor?: string) => {
          const { items, next } = await store.listAttempts(mail, limit, cursor);
          return { ids: items.map(({ id, type, attempt }) => [id, type, attempt]), next };
        };
        const two = [
          ['e2', 'even', 1],
          ['e1', 'odd', 1],
        ];
        assert.deepEqual(await found(9), { ids: two, next: undefined });
        const page = await found(1);
        assert.deepEqual(page.ids, two.slice(0, 1));
        assert.deepEqual(await found(1, page.next), { ids: two.slice(1), next: undefined });
        assert.deepEqual((await store.listAttempts('shop/nobody' as typeof mail, 9)).items, []);
        await assert.rejects(store.listAttempts(mail, 9, 'nonsense'), { code: 'E_BAD_REQUEST' });
      }));

    it('gives back what an earlier session held, and lets it change nothing more', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        await store.append(append(session, [event(1, [delivery(mailKey, { claimed: true })])]));
        const { session: newer } = await store.openSession(nodeB);
        const [claimed] = await store.claim(newer, mailKey, laterMs, 9);
        assert.equal(claimed?.id, 'e1');
        const { key } = claimed!;
        const stale = append(session, []);
        await store.settle([{ kind: 'delivered', keys: [key] }], stale);
        await store.settle([{ kind: 'retry', key, dueMs: startMs }], stale);
        await store.settle([{ kind: 'released', key, parked: false }], stale);
        await store.settle([{ kind: 'dead', key, error: failure, diedMs: startMs }], stale);
        assert.deepEqual(await store.claim(newer, mailKey, laterMs, 9), []);
        await store.settle([{ kind: 'delivered', keys: [key] }], append(newer, []));
        assert.deepEqual(await store.totals(), { ...(await store.totals()), owed: 0, dead: 0 });
      }));

    it('holds parked ones until their ordering is let go', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const parked = delivery(mailKey, { parked: true, ordering: 'k' });
        await store.append(append(session, [event(1, [parked]), event(2, [delivery(mailKey)])]));
        assert.deepEqual(idsOf(await store.claim(session, mailKey, laterMs, 9)), ['e2']);
        assert.equal(await store.nextDueMs(mailKey), undefined);
        assert.equal(await store.unpark(mailKey, 'other'), 0);
        assert.equal(await store.unpark(mailKey, 'k'), 1);
        assert.deepEqual(idsOf(await store.claim(session, mailKey, laterMs, 9)), ['e1']);
      }));

    it('tells a new session of failed orderings, and gives back what was parked', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const ordering = 'k';
        const head = delivery(mailKey, { claimed: true, ordering });
        const [first] = await store.append(append(session, [event(1, [head])]));
        const key = first!.deliveries[0]!;
        await store.settle(
          [{ kind: 'retry', key, dueMs: startMs + 5 }],
          append(session, [event(2, [delivery(mailKey, { parked: true, ordering })])]),
        );
        const { session: newer, failed } = await store.openSession(nodeB);
        assert.deepEqual(failed, [{ trigger: mailKey, ordering, key }]);
        assert.deepEqual(idsOf(await store.claim(newer, mailKey, laterMs, 9)), ['e2', 'e1']);
      }));

    it('keeps what a trigger is, also that it is paused', () =>
      withFresh(open, async (store, fresh) => {
        const { mailKey } = await begin(store);
        await store.setPaused(mailKey, true);
        const again = await fresh.reopen();
        const [second, first] = await again.registerTriggers([bill, mail]);
        assert.deepEqual([first!.key, first!.paused, second!.paused], [mailKey, true, false]);
      }));
  });
}

/** One dead letter; its key. */
async function die(store: EventStore, session: Session, trigger: number, place: number): Promise<number> {
  const [stored] = await store.append(
    append(session, [event(place, [delivery(trigger, { claimed: true, ordering: 'k' })])]),
  );
  const key = stored!.deliveries[0]!;
  await store.settle([{ kind: 'dead', key, error: failure, diedMs: startMs + place }], append(session, []));
  return key;
}

function exerciseRevival(open: OpenFresh<EventStore>): void {
  describe('EventStore: dead letters and replay', () => {
    it('shows, edits, redrives and removes the dead', () =>
      withFresh(open, async (store) => {
        const { session, mailKey, billKey } = await begin(store);
        const keys = [await die(store, session, mailKey, 1), await die(store, session, billKey, 2)];
        keys.push(await die(store, session, mailKey, 3));
        assert.deepEqual(
          (await store.listDead({ trigger: mail }, 9)).map(({ key }) => key),
          [keys[0], keys[2]],
        );
        const [listed] = await store.listDead({ after: keys[1]! }, 9);
        const { seq, ...rest } = listed!;
        const identity = { key: keys[2], trigger: mail, id: 'e3', source: '/shop', type: 'odd' };
        assert.deepEqual(rest, { ...identity, attempts: 1, diedMs: startMs + 3, error: failure });
        assert.deepEqual((await store.findEvent(seq))!.deadAt, [mail]);
        assert.equal(await store.editDead(keys[0]!, Buffer.from('{"edited":1}')), true);
        assert.equal(await store.editDead(999, Buffer.from('{}')), false);
        assert.equal(Buffer.from((await store.findDead(keys[0]!))!.event).toString(), '{"edited":1}');
        assert.equal(await store.redriveDead([keys[0]!, 999], startMs), 1);
        assert.equal(await store.removeDead([keys[1]!, keys[0]!]), 1);
        assert.equal(await store.findDead(keys[0]!), undefined);
        const [claimed] = await store.claim(session, mailKey, startMs, 9);
        assert.deepEqual([claimed!.id, claimed!.attempts, claimed!.ordering], ['e1', 0, 'k']);
        assert.equal(Buffer.from(claimed!.event).toString(), '{"edited":1}');
        assert.deepEqual(await store.totals(), { ...(await store.totals()), owed: 1, dead: 1 });
      }));

    it('owes stored events once more', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const [one] = await store.append(append(session, [event(1)]));
        const item = { seq: one!.seq, trigger: mailKey, ordering: 'k' };
        assert.equal(await store.replay([item, { ...item, seq: 999 }], startMs), 1);
        const claimed = await store.claim(session, mailKey, startMs, 9);
        assert.deepEqual([idsOf(claimed), claimed[0]!.ordering], [['e1'], 'k']);
        assert.equal((await store.triggerTotals()).find(({ id }) => id === mail)!.owed, 1);
      }));
  });
}

function exercisePruning(open: OpenFresh<EventStore>): void {
  describe('EventStore: pruning', () => {
    it('removes by age and by size, oldest first, and nothing that is owed or dead', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        const owed = event(0, [delivery(mailKey)]);
        await store.append(append(session, [owed, ...[1, 2, 3, 4, 5].map((place) => event(place))]));
        await die(store, session, mailKey, 6);
        assert.equal(await pruneAll(store, { beforeMs: startMs + 3 }), 2);
        const ids = async (): Promise<string[]> =>
          (await store.listEvents({}, 10)).items.map(({ id }) => id).reverse();
        assert.deepEqual(await ids(), ['e0', 'e3', 'e4', 'e5', 'e6']);
        const { bytes } = await store.totals();
        assert.equal(await pruneAll(store, { bytesMax: bytes - 1 }), 1);
        assert.equal(await pruneAll(store, { bytesMax: 0 }), 2);
        assert.deepEqual(await ids(), ['e0', 'e6']);
        assert.equal((await store.totals()).events, 2);
      }));

    it('removes the dead by age and number', () =>
      withFresh(open, async (store) => {
        const { session, mailKey } = await begin(store);
        for (const place of [1, 2, 3, 4, 5]) await die(store, session, mailKey, place);
        assert.equal(await pruneAll(store, { deadBeforeMs: startMs + 3 }), 2);
        assert.equal(await pruneAll(store, { deadMax: 1 }), 2);
        assert.deepEqual(
          (await store.listDead({}, 9)).map(({ id }) => id),
          ['e5'],
        );
        const { dead } = (await store.triggerTotals()).find(({ id }) => id === mail)!;
        assert.deepEqual([dead, (await store.totals()).dead], [1, 1]);
      }));
  });
}

/** Holds an adapter to every sentence of `EventStore`. */
export function exerciseEventStore(open: OpenFresh<EventStore>): void {
  exerciseLog(open);
  exerciseDeliveries(open);
  exerciseManyAlike(open);
  exerciseRevival(open);
  exercisePruning(open);
}
