import { readSealedEvent } from '../model/sealed-event.ts';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ExecutionId, NodeId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { EVERYBODY } from '../model/event-scope.ts';
import type { AppName } from '../model/function.ts';
import { openStore } from '../store-sqlite/store.ts';
import { type EventWait, WaitingTeller } from './tell-waiting.ts';

const node = '01a3d0b2-2222-7000-8000-0000000000ff' as NodeId;
const [early, late] = ['1', '2'].map(
  (place) => `01a3d0b2-2222-7000-8000-00000000000${place}` as ExecutionId,
) as [ExecutionId, ExecutionId];

function newEvent(id: string, sum: number, receivedMs: number) {
  const event = { specversion: '1.0', id, source: '/shop', type: 'paid', data: { sum } };
  const facts = { scope: EVERYBODY, subject: undefined, receivedMs, depth: 0, deliveries: [] };
  return { ...facts, source: '/shop', id, type: 'paid', event: Buffer.from(JSON.stringify(event)) };
}

describe('events and who waits for them', () => {
  it('are told after a death between storing and telling, to those who waited by then, and once', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-waiting-'));
    const clock = new ManualClock();
    const store = await openStore({ folder, clock, log: silentLog });
    const poked: ExecutionId[] = [];
    const teller = () =>
      new WaitingTeller({
        ...{ store: store.journal, events: store.events, clock, log: silentLog },
        poke: (id) => poked.push(id),
      });
    const waitFor = async (id: ExecutionId): Promise<void> => {
      const nowMs = clock.nowMs();
      const started = { kind: 'started', atMs: nowMs, input: { json: null }, seed: '0'.repeat(32) } as const;
      const created = await store.journal.create(
        {
          ...{ id, app: 'shop' as AppName, workflow: 'paid', kind: 'code', version: 'v', deployment: 1 },
          ...{ entries: [started], priority: 0, parent: undefined, expiresMs: undefined, claimBy: node },
        },
        nowMs,
      );
      assert.equal(created.status, 'created');
      const detail: EventWait = { match: { data: { sum: [5] } }, sinceMs: nowMs };
      await store.journal.append({
        ...{ id, fence: 1, seq: 1, nowMs, next: { status: 'waiting', dueMs: undefined } },
        entries: [{ kind: 'noted', atMs: nowMs, note: null }],
        awaits: [{ op: 1, key: 'event:paid', detail }],
        ...{ consumed: [], awaitsNoMore: [], messages: [], starts: [] },
      });
    };
    try {
      await waitFor(early);
      clock.advance(10);
      const { session } = await store.events.openSession(node);
      const events = [newEvent('other', 4, clock.nowMs()), newEvent('mine', 5, clock.nowMs())];
      await store.events.append({ session, nowMs: clock.nowMs(), events, positions: [] });
      // Here it dies. Somebody else begins to wait before the log is read again.
      clock.advance(10);
      await waitFor(late);
      const second = teller();
      await second.start();
      await second.close();
      assert.deepEqual(poked, [early]);
      const [item] = await store.journal.inbox(early);
      assert.ok(item?.input.kind === 'completed' && 'json' in item.input.output);
      assert.equal((item.input.output.json as { id: string }).id, 'mine');
      assert.deepEqual(await store.journal.inbox(late), []);

      const third = teller();
      await third.start();
      assert.deepEqual(poked, [early], 'what was told is not told again');
      const again = [newEvent('again', 5, clock.nowMs())];
      const [stored] = await store.events.append({
        session,
        nowMs: clock.nowMs(),
        events: again,
        positions: [],
      });
      const event = readSealedEvent(again[0]!.event);
      await third.tell([{ seq: stored!.seq, receivedMs: clock.nowMs(), scope: EVERYBODY, event }]);
      assert.deepEqual(poked, [early, late]);
      await third.close();
      assert.equal(clock.pending, 0);
    } finally {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
