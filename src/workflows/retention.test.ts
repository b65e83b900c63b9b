import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ExecutionId, NodeId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import type { AppName } from '../model/function.ts';
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
      const seed = '0'.repeat(32);
      const count = 230;
      const run = async (place: number): Promise<void> => {
        const nowMs = clock.nowMs();
        const started = { kind: 'started', atMs: nowMs, input: { json: null }, seed } as const;
        const created = await journal.create(
          {
            ...{ id: idOf(place), app: 'shop' as AppName, workflow: 'order', kind: 'code', version: 'v' },
            ...{ deployment: 1, entries: [started], priority: 0, parent: undefined, expiresMs: undefined },
            claimBy: node,
          },
          nowMs,
        );
        // The last goes on.
        if (place === count || created.status !== 'created') return;
        const outcome = { status: 'succeeded', output: { json: place } } as const;
        await journal.append({
          ...{ id: idOf(place), fence: created.fence!, seq: 1, next: { status: 'ended' }, nowMs },
          entries: [{ kind: 'ended', atMs: nowMs, outcome }],
          ...{ consumed: [], awaits: [], awaitsNoMore: [], messages: [], starts: [] },
        });
      };
      await Promise.all(Array.from({ length: count }, (_, at) => run(at + 1)));
      const left = async (): Promise<number> => (await journal.list({ limit: 1_000 })).length;
      const few = createExecutionRetention({ store: journal, clock, log: silentLog, endedMax: 20 });
      clock.advance(60_000);
      await few.close();
      assert.equal(await left(), 130, 'closing ends a round after the step under way');
      const again = createExecutionRetention({ store: journal, clock, log: silentLog, endedMax: 20 });
      clock.advance(60_000);
      for (let tries = 0; (await left()) > 21 && tries < 1_000; tries += 1);
      await again.close();
      assert.equal(await left(), 21);
      const old = createExecutionRetention({ store: journal, clock, log: silentLog, ageMaxMs: 1_000 });
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
});
