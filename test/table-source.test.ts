import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { silentLog } from '../src/base/log.ts';
import { ManualClock } from '../src/base/manual-clock.ts';
import { systemRandom } from '../src/base/random.ts';
import type { CloudEvent } from '../src/model/cloud-event.ts';
import { connectionByUrl } from '../src/model/connection.ts';
import { DELIVERY_DEFAULTS, type Trigger, type TriggerId } from '../src/model/trigger.ts';
import type { Published } from '../src/ports/event-bus.ts';
import type { Source } from '../src/ports/source.ts';
import { postgresSources } from '../src/sources/postgres/postgres-source.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';

/** When a change is confirmed to a real PostgreSQL, and when it is not: the test owns the log and the clock. */

const programs = await findPostgres();
const skip = programs === undefined && 'there is no PostgreSQL: apt-get install postgresql';
const LOOK_MS = 10_000;

describe('what is confirmed to PostgreSQL', { timeout: 60_000, skip }, () => {
  let cluster: PostgresCluster;
  let source: Source | undefined;
  let clock: ManualClock;
  let stored: CloudEvent[];
  let maxLagMb: number | undefined;
  /** Ids of all that was to be stored, in their order. */
  let attempted: Set<string>;
  let position: string | undefined;
  /** What storing waits for, where there are events. */
  let gate: Promise<void>;

  before(async () => {
    cluster = await PostgresCluster.start(programs!);
  });
  after(() => cluster?.remove());
  beforeEach(async () => {
    await cluster.sql('CREATE TABLE rows (id int PRIMARY KEY); CREATE TABLE others (id int)');
    clock = new ManualClock(Date.now());
    maxLagMb = undefined;
    [stored, attempted, position, gate] = [[], new Set(), undefined, Promise.resolve()];
    open();
    await poll(isStreaming);
  });
  afterEach(async () => {
    await source?.remove?.();
    await cluster.sql('DROP TABLE rows, others');
  });

  function open(): void {
    source = postgresSources.open({
      ...{ id: 'shop/rows' as TriggerId, app: 'shop' as never, position, clock },
      ...{ random: systemRandom, log: silentLog, secret: async () => undefined, isBusy: async () => false },
      alert: async () => {},
      address: async () => ({ label: 'DB', url: cluster.url, tls: undefined }),
      trigger: {
        source: {
          ...{
            kind: 'postgres',
            connection: connectionByUrl('postgres', 'DB'),
            schema: 'public',
            table: 'rows',
            actions: ['insert'],
          },
          ...{ columns: undefined, where: undefined, maxLagMb },
        },
        delivery: DELIVERY_DEFAULTS,
      } as unknown as Trigger,
      async publish(events, next): Promise<Published[]> {
        for (const { id } of events) attempted.add(id);
        if (events.length > 0) await gate;
        stored.push(...events);
        position = next ?? position;
        return [];
      },
    });
  }

  const isStreaming = async (): Promise<boolean> =>
    (await cluster.sql(`SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`)).length === 1;
  /** Whether the server may forget everything up to a place in its log. */
  const isConfirmed = async (lsn: unknown): Promise<boolean> =>
    (await cluster.sql(`SELECT confirmed_flush_lsn >= '${lsn}' AS is FROM pg_replication_slots`))[0]!.is ===
    true;
  const place = async (): Promise<unknown> =>
    (await cluster.sql('SELECT pg_current_wal_lsn() AS lsn'))[0]!.lsn;

  it('is what is stored, and nothing before, however often the server asks', async () => {
    let release: () => void = () => {};
    gate = new Promise((resolve) => {
      release = resolve;
    });
    await cluster.sql('INSERT INTO rows VALUES (1)');
    const lsn = await place();
    const sent = `SELECT sent_lsn >= '${lsn}' AS is FROM pg_stat_replication`;
    await poll(async () => (await cluster.sql(sent))[0]?.is === true);
    // The clock's status and the server's answer to it have come and gone when its time of reply moves.
    const replies = async () =>
      String((await cluster.sql('SELECT reply_time AS at FROM pg_stat_replication'))[0]?.at);
    for (let round = 0; round < 3; round += 1) {
      const former = await replies();
      await poll(async () => {
        clock.advance(LOOK_MS);
        return (await replies()) !== former;
      });
    }
    assert.equal(await isConfirmed(lsn), false);
    assert.deepEqual(stored, []);
    release();
    await poll(() => isConfirmed(lsn));
    assert.equal(stored.length, 1);
  });

  it('moves while only other tables change, so that the server keeps nothing for a quiet one', async () => {
    await cluster.sql('INSERT INTO others SELECT generate_series(1, 10000)');
    const lsn = await place();
    await poll(async () => {
      clock.advance(LOOK_MS);
      return isConfirmed(lsn);
    });
    assert.deepEqual(stored, []);
    await cluster.sql('INSERT INTO rows VALUES (1)');
    await poll(() => stored.length === 1);
  });

  it('is given up beyond the limit that the trigger sets, for the sake of the disk', async () => {
    await source!.close();
    maxLagMb = 1;
    open();
    gate = Promise.reject(new Error('the disk is full'));
    gate.catch(() => {});
    await cluster.sql(`INSERT INTO rows VALUES (1); INSERT INTO others SELECT generate_series(1, 30000)`);
    await poll(() => {
      clock.advance(1_000);
      return /held \d+ MB, more than `maxLag`, and is dropped/.test(source!.status().trouble ?? '');
    });
    await poll(async () => {
      clock.advance(1_000);
      return (await cluster.sql('SELECT 1 FROM pg_replication_slots')).length === 0;
    });
  });

  it('comes again under the same ids when storing failed', async () => {
    gate = Promise.reject(new Error('the disk is full'));
    gate.catch(() => {});
    await cluster.sql('INSERT INTO rows VALUES (1), (2)');
    await poll(() => source!.status().trouble === 'the disk is full');
    gate = Promise.resolve();
    await poll(() => {
      clock.advance(1_000);
      return stored.length === 2;
    });
    assert.equal(attempted.size, 2);
    assert.deepEqual(
      stored.map(({ id }) => id),
      [...attempted],
    );
  });

  it('stands still and says so when somebody else has read from the slot', async () => {
    await source!.close();
    await poll(async () => !(await isStreaming()));
    await cluster.sql('INSERT INTO rows VALUES (1)');
    await poll(() =>
      cluster
        .sql(`SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots`)
        .then(
          () => true,
          () => false,
        ),
    );
    open();
    await poll(() => /Somebody else has read from the slot/.test(source!.status().trouble ?? ''));
  });
});
