import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../src/base/clock.ts';
import { postgresSources } from '../src/sources/postgres/postgres-source.ts';
import { isVisible } from '../src/sources/postgres/unchanged-values.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';
import { SourceLog } from './source-log.ts';

/** Large values of a real PostgreSQL that an update did not change, and that its log therefore does not have. */

const programs = await findPostgres();
const skip = programs === undefined && 'there is no PostgreSQL: apt-get install postgresql';
const LARGE = 'x'.repeat(5_000);
const STREAMS = `SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`;

interface RowData {
  readonly action: string;
  readonly key: Record<string, unknown>;
  readonly new: { readonly id: number; readonly note?: string };
  readonly omitted?: string[];
  readonly maybeNewer?: string[];
}

describe('a large value that did not change', { timeout: 60_000, skip }, () => {
  let cluster: PostgresCluster;
  let log: SourceLog;
  /** Holds back whatever is read. */
  let hold: { readonly released: Promise<void>; release(): void } | undefined;

  before(async () => {
    cluster = await PostgresCluster.start(programs!);
  });
  after(() => cluster?.remove());
  beforeEach(async () => {
    await cluster.sql(`CREATE TABLE rows (id int PRIMARY KEY, total int, note text);
      ALTER TABLE rows ALTER note SET STORAGE EXTERNAL;
      INSERT INTO rows SELECT each, 0, '${LARGE}' FROM generate_series(1, 9) AS each`);
    log = new SourceLog(postgresSources, systemClock, () => cluster.url, {
      ...{ schema: 'public', table: 'rows', actions: ['insert', 'update', 'delete'] },
    });
    log.beforeStore = () => hold?.released ?? Promise.resolve();
  });
  afterEach(async () => {
    hold?.release();
    await log.source?.remove?.();
    await cluster.sql('DROP TABLE rows');
  });

  async function open(): Promise<void> {
    log.open();
    await poll(async () => (await cluster.sql(STREAMS)).length === 1);
  }
  /** An event is on its way into the store and stays there: what follows it is read later. */
  async function holdStore(): Promise<void> {
    const before = log.attempted.size;
    const { promise, resolve } = Promise.withResolvers<void>();
    hold = { released: promise, release: resolve };
    await cluster.sql('UPDATE rows SET total = total + 1 WHERE id = 9');
    await poll(() => log.attempted.size === before + 1);
  }
  async function told(count: number): Promise<RowData[]> {
    hold?.release();
    await poll(() => log.stored.length >= count);
    return log.stored.map(({ data }) => data as RowData);
  }

  it('is read from the row, and is the change’s own where nobody changed the row since', async () => {
    await open();
    await cluster.sql('UPDATE rows SET total = 1 WHERE id < 3');
    const rows = await told(2);
    assert.deepEqual(
      rows.map((row) => [row.new, row.omitted, row.maybeNewer]),
      [1, 2].map((id) => [{ id, total: 1, note: LARGE }, undefined, undefined]),
    );
  });

  it('is said to be newer perhaps where the row was changed since, also by the same transaction', async () => {
    await open();
    await holdStore();
    await cluster.sql('UPDATE rows SET total = 1 WHERE id = 1');
    await cluster.sql(`UPDATE rows SET note = 'short' WHERE id = 1`);
    await cluster.sql(`BEGIN; UPDATE rows SET total = 1 WHERE id = 2;
      UPDATE rows SET note = 'short' WHERE id = 2; COMMIT`);
    const [, ...rows] = await told(5);
    assert.deepEqual(
      rows.map((row) => [row.new, row.maybeNewer]),
      [
        [{ id: 1, total: 1, note: 'short' }, ['note']],
        [{ id: 1, total: 1, note: 'short' }, undefined],
        [{ id: 2, total: 1, note: 'short' }, ['note']],
        [{ id: 2, total: 1, note: 'short' }, undefined],
      ],
    );
  });

  it('is said to be newer perhaps where changes of the row are not all told', async () => {
    log.settings = { ...log.settings, where: 'id > 0' };
    await open();
    await cluster.sql('UPDATE rows SET total = 1 WHERE id = 1');
    const [row] = await told(1);
    assert.deepEqual([row!.new.note, row!.maybeNewer], [LARGE, ['note']]);
  });

  it('is omitted where the row is gone, has another key, or the value is larger than an event', async () => {
    await cluster.sql(`UPDATE rows SET note = repeat('y', 2000000) WHERE id = 3`);
    await open();
    await holdStore();
    await cluster.sql('UPDATE rows SET total = 1 WHERE id IN (1, 2, 3)');
    await cluster.sql('DELETE FROM rows WHERE id = 1; UPDATE rows SET id = 12 WHERE id = 2');
    const rows = await told(6);
    assert.deepEqual(
      rows.slice(1, 4).map((row) => [row.new, row.omitted, row.maybeNewer]),
      [1, 2, 3].map((id) => [{ id, total: 1 }, ['note'], undefined]),
    );
    assert.deepEqual(rows[5]!.new, { id: 12, total: 1, note: LARGE });
  });

  it('is omitted where the column is gone or somebody keeps the table locked, and the stream goes on', async () => {
    await open();
    await holdStore();
    await cluster.sql('UPDATE rows SET total = 1 WHERE id = 1');
    const locker = await cluster.client();
    await locker.query('BEGIN; LOCK TABLE rows');
    const [, row] = await told(2);
    assert.deepEqual(row!.omitted, ['note']);
    await locker.query('ROLLBACK');
    await locker.end();
    await holdStore();
    await cluster.sql('UPDATE rows SET total = 1 WHERE id = 2');
    await cluster.sql('ALTER TABLE rows DROP COLUMN note');
    const last = (await told(4)).at(-1);
    assert.deepEqual(last!.omitted, ['note']);
  });
});

describe('whether others see what a transaction did', () => {
  it('is read from a snapshot, whose numbers go on where the stream’s go round', () => {
    const isSeen = [9, 14, 15, 19, 20, 21].map((xid) => isVisible(xid, '10:20:14,15'));
    assert.deepEqual(isSeen, [true, false, false, true, false, false]);
    const turn = 2 ** 32;
    const after = [turn - 3, turn - 2, 1, 4].map((xid) =>
      isVisible(xid, `${turn - 2}:${turn + 3}:${turn - 2}`),
    );
    assert.deepEqual(after, [true, false, true, false]);
  });
});
