import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ExecutionId, NodeId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import type { AppName } from '../model/function.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import { openPayloadStore } from '../store-files/payload-store.ts';
import { openStore } from '../store-sqlite/store.ts';
import { createExecutionRetention } from './retention.ts';

const node = '01a3d0b2-2222-7000-8000-0000000000ff' as NodeId;
const idOf = (place: number): ExecutionId =>
  `01a3d0b2-2222-7000-8000-${place.toString(16).padStart(12, '0')}` as ExecutionId;

describe('retention of executions', () => {
  it('removes what ended long ago and what is too much, round by round, and nothing that goes on', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-retention-'));
    const clock = new ManualClock();
    const store = await openStore({ folder, clock, log: silentLog });
    try {
      const { journal } = store;
      const payloads = await openPayloadStore({ folder: join(folder, 'payloads') });
      const count = 230;
      await Promise.all(Array.from({ length: count - 1 }, (_, at) => end(journal, at + 1, clock.nowMs())));
      // The last goes on.
      await begin(journal, count, clock.nowMs());
      const left = async (): Promise<number> => (await journal.list({ limit: 1_000 })).length;
      const few = createExecutionRetention({ store: journal, payloads, clock, log: silentLog, endedMax: 20 });
      clock.advance(60_000);
      await few.close();
      assert.equal(await left(), 130, 'closing ends a round after the step under way');
      const again = createExecutionRetention({
        store: journal,
        payloads,
        clock,
        log: silentLog,
        endedMax: 20,
      });
      clock.advance(60_000);
      for (let tries = 0; (await left()) > 21 && tries < 1_000; tries += 1);
      await again.close();
      assert.equal(await left(), 21);
      const old = createExecutionRetention({
        store: journal,
        payloads,
        clock,
        log: silentLog,
        ageMaxMs: 1_000,
      });
      clock.advance(60_000);
      await old.close();
      assert.deepEqual(
        (await journal.list({ limit: 10 })).map(({ id }) => id),
        [idOf(count)],
      );
      assert.equal(clock.pending, 0);
    } finally {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("removes what the API of state machines kept of them, and no name that is another one's by now", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-retention-'));
    const clock = new ManualClock();
    const store = await openStore({ folder, clock, log: silentLog });
    try {
      const { journal, stateMachines } = store;
      for (const place of [1, 2]) {
        await end(journal, place, clock.nowMs());
        await stateMachines.create([
          { kind: 'executionName', key: `m:n${place}`, value: { id: idOf(place === 1 ? 1 : 9) } },
          {
            kind: 'execution',
            key: idOf(place),
            value: { id: idOf(place), machine: 'm', name: `n${place}` },
          },
        ]);
      }
      assert.equal(await journal.prune(clock.nowMs() + 1, 10, 10), 2);
      assert.deepEqual(await stateMachines.list('execution', '', '', 10), []);
      const names = await stateMachines.list('executionName', '', '', 10);
      assert.deepEqual(
        names.map(({ key }) => key),
        ['m:n2'],
      );
    } finally {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** Starts an execution that is claimed at once. Gives its fence. */
async function begin(journal: JournalStore, place: number, nowMs: number): Promise<number> {
  const started = { kind: 'started', atMs: nowMs, input: { json: null }, seed: '0'.repeat(32) } as const;
  const created = await journal.create(
    {
      ...{ id: idOf(place), app: 'shop' as AppName, workflow: 'order', kind: 'code', version: 'v' },
      ...{ deployment: 1, entries: [started], priority: 0, parent: undefined, expiresMs: undefined },
      claimBy: node,
    },
    nowMs,
  );
  assert.ok(created.status === 'created' && created.fence !== undefined);
  return created.fence;
}

async function end(journal: JournalStore, place: number, nowMs: number): Promise<void> {
  const fence = await begin(journal, place, nowMs);
  const outcome = { status: 'succeeded', output: { json: place } } as const;
  await journal.append({
    ...{ id: idOf(place), fence, seq: 1, next: { status: 'ended' }, nowMs },
    entries: [{ kind: 'ended', atMs: nowMs, outcome }],
    ...{ consumed: [], awaits: [], awaitsNoMore: [], messages: [], starts: [] },
  });
}
