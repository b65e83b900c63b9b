import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { ManualClock } from '../src/base/manual-clock.ts';
import { postgresSources } from '../src/sources/postgres/postgres-source.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';
import { SourceLog } from './source-log.ts';

/** When a change is confirmed to a real PostgreSQL, and when it is not: the test owns the log and the clock. */

const programs = await findPostgres();
const skip = programs === undefined && 'there is no PostgreSQL: apt-get install postgresql';
const LOOK_MS = 10_000;

describe('what is confirmed to PostgreSQL', { timeout: 60_000, skip }, () => {
  let cluster: PostgresCluster;
  let clock: ManualClock;
  let log: SourceLog;

  before(async () => {
    cluster = await PostgresCluster.start(programs!);
  });
  after(() => cluster?.remove());
  beforeEach(async () => {
    await cluster.sql('CREATE TABLE rows (id int PRIMARY KEY); CREATE TABLE others (id int)');
    clock = new ManualClock(Date.now());
    log = new SourceLog(postgresSources, clock, () => cluster.url, {
      ...{ schema: 'public', table: 'rows', actions: ['insert'] },
    });
    log.open();
    await poll(isStreaming);
  });
  afterEach(async () => {
    await log.source?.remove?.();
    await cluster.sql('DROP TABLE rows, others');
  });

  const isStreaming = async (): Promise<boolean> =>
    (await cluster.sql(`SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`)).length === 1;
  /** Whether the server may forget everything up to a place in its log. */
  const isConfirmed = async (lsn: unknown): Promise<boolean> =>
    (await cluster.sql(`SELECT confirmed_flush_lsn >= '${lsn}' AS is FROM pg_replication_slots`))[0]!.is ===
    true;
  const place = async (): Promise<unknown> =>
    (await cluster.sql('SELECT pg_current_wal_lsn() AS lsn'))[0]!.lsn;

  it('is what is stored, and nothing before, however often the server asks', async () => {
    const { promise, resolve: release } = Promise.withResolvers<void>();
    log.beforeStore = () => promise;
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
    assert.deepEqual(log.stored, []);
    release();
    await poll(() => isConfirmed(lsn));
    assert.equal(log.stored.length, 1);
  });

  it('moves while only other tables change, so that the server keeps nothing for a quiet one', async () => {
    await cluster.sql('INSERT INTO others SELECT generate_series(1, 10000)');
    const lsn = await place();
    await poll(async () => {
      clock.advance(LOOK_MS);
      return isConfirmed(lsn);
    });
    assert.deepEqual(log.stored, []);
    await cluster.sql('INSERT INTO rows VALUES (1)');
    await poll(() => log.stored.length === 1);
  });

  it('is given up beyond the limit that the trigger sets, for the sake of the disk', async () => {
    await log.source!.close();
    log.settings = { ...log.settings, maxLagMb: 1 };
    log.open();
    log.beforeStore = () => Promise.reject(new Error('the disk is full'));
    await cluster.sql(`INSERT INTO rows VALUES (1); INSERT INTO others SELECT generate_series(1, 30000)`);
    await poll(() => {
      clock.advance(1_000);
      return /held \d+ MB, more than `maxLag`, and is dropped/.test(log.source!.status().trouble ?? '');
    });
    await poll(async () => {
      clock.advance(1_000);
      return (await cluster.sql('SELECT 1 FROM pg_replication_slots')).length === 0;
    });
  });

  it('comes again under the same ids when storing failed', async () => {
    log.beforeStore = () => Promise.reject(new Error('the disk is full'));
    await cluster.sql('INSERT INTO rows VALUES (1), (2)');
    await poll(() => log.source!.status().trouble === 'the disk is full');
    log.beforeStore = async () => {};
    await poll(() => {
      clock.advance(1_000);
      return log.stored.length === 2;
    });
    assert.equal(log.attempted.size, 2);
    assert.deepEqual(
      log.stored.map(({ id }) => id),
      [...log.attempted],
    );
  });

  it('stands still and says so when somebody else has read from the slot', async () => {
    await log.source!.close();
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
    log.open();
    await poll(() => /Somebody else has read from the slot/.test(log.source!.status().trouble ?? ''));
  });
});
