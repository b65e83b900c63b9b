import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '../src/base/clock.ts';
import { postgresSources } from '../src/sources/postgres/postgres-source.ts';
import { writeApp } from './platform-harness.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';
import { type Server, startServer } from './server-process.ts';
import { type RowData, replay, SourceLog } from './source-log.ts';

/** Rows that a table of a real PostgreSQL has before its trigger begins, while others write it, and when all is broken off. */

const programs = await findPostgres();
const skip = programs === undefined && 'there is no PostgreSQL: apt-get install postgresql';

describe('rows that a table has', { timeout: 60_000, skip }, () => {
  const ROWS = 1_500;
  let cluster: PostgresCluster;
  let log: SourceLog;
  /** What happens before a chunk of rows is stored. */
  let beforeChunk: (chunk: number) => Promise<void>;

  before(async () => {
    cluster = await PostgresCluster.start(programs!);
  });
  after(() => cluster?.remove());
  beforeEach(async () => {
    // The key's order is not that of the columns, and `text` would write `flag` and `code` otherwise than the stream.
    await cluster.sql(`
      CREATE TABLE rows (n int, region text, flag bool DEFAULT true, code char(3) DEFAULT 'a', note text,
        twice int GENERATED ALWAYS AS (n * 2) STORED, PRIMARY KEY (region, n) INCLUDE (note));
      INSERT INTO rows (n, region) SELECT each, CASE each % 2 WHEN 0 THEN 'north' ELSE 'so''uth' END
        FROM generate_series(1, ${ROWS}) AS each`);
    beforeChunk = async () => {};
    log = new SourceLog(postgresSources, systemClock, () => cluster.url, {
      ...{ schema: 'public', table: 'rows', actions: ['insert', 'update', 'delete'], backfill: true },
    });
  });
  afterEach(async () => {
    await log.source?.remove?.();
    await cluster.sql('DROP TABLE rows');
  });

  function open(): void {
    let chunks = 0;
    log.beforeStore = async (events) => {
      if (events.some(({ type }) => type === 'lambent.postgres.existing')) await beforeChunk(chunks++);
    };
    log.open();
  }

  const told = (): RowData[] => log.stored.map(({ data }) => data as RowData);
  const existing = (): RowData[] => told().filter(({ action }) => action === 'existing');
  const rowsNow = async (where = 'true'): Promise<Map<string, unknown>> => {
    const rows = await cluster.sql(`SELECT n, region, flag, code, note FROM rows WHERE ${where}`);
    return new Map(rows.map((row) => [JSON.stringify({ n: row.n, region: row.region }), row]));
  };
  const isStreaming = async (): Promise<boolean> =>
    (await cluster.sql(`SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`)).length === 1;
  /** One row that is told by then, one that is not, each changed; one that goes, one that comes. */
  const change = () =>
    cluster.sql(`UPDATE rows SET note = 'changed' WHERE (region, n) IN (('north', 2), ('so''uth', 1499));
      DELETE FROM rows WHERE region = 'so''uth' AND n = 1497;
      INSERT INTO rows (n, region) VALUES (1, 'west')`);

  it('are told as they were when the slot was made, and what changes meanwhile comes after', async () => {
    const former = await rowsNow();
    beforeChunk = async (chunk) => {
      if (chunk === 1) await change();
    };
    open();
    await poll(() => log.stored.length >= ROWS + 4);
    assert.deepEqual(replay(told().slice(0, ROWS)), former);
    assert.deepEqual(
      told()
        .slice(ROWS)
        .map(({ action, key }) => `${action} ${key.n}`)
        .toSorted(),
      ['delete 1497', 'insert 1', 'update 1499', 'update 2'],
    );
    assert.deepEqual(replay(told()), await rowsNow());
    assert.equal(new Set(log.stored.map(({ id }) => id)).size, ROWS + 4);
    assert.deepEqual(
      [log.stored[0]!.type, log.stored[0]!.subject],
      ['lambent.postgres.existing', 'public.rows/2,north'],
    );
  });

  it('are told on from the last stored one when reading them is broken off, and no change is missed', async () => {
    beforeChunk = async (chunk) => {
      if (chunk !== 2) return;
      await change();
      throw new Error('the disk is full');
    };
    open();
    await poll(async () => log.stored.length > 0 && (await isStreaming()));
    await log.source!.close();
    // And once more, in the next life of the platform: nothing is told again.
    open();
    await poll(isStreaming);
    await cluster.sql(`INSERT INTO rows (n, region) VALUES (2, 'west')`);
    await poll(async () => replay(told()).size === (await rowsNow()).size);
    assert.deepEqual(replay(told()), await rowsNow());
    const keys = existing().map(({ key }) => JSON.stringify(key));
    assert.equal(new Set(keys).size, keys.length);
  });

  it('are told on by the next life of the platform', async () => {
    const second = new Promise<void>((resolve) => {
      beforeChunk = async (chunk) => {
        if (chunk === 1) resolve();
      };
      open();
    });
    await second;
    await log.source!.close();
    const before = existing().length;
    assert.ok(before > 0 && before < ROWS, `${before} were told`);
    await change();
    beforeChunk = async () => {};
    open();
    await poll(isStreaming);
    await poll(async () => replay(told()).size === (await rowsNow()).size);
    await poll(() => told().some(({ action }) => action === 'delete'));
    assert.deepEqual(replay(told()), await rowsNow());
  });

  it('are those that `where` and `columns` leave', async () => {
    log.settings = { ...log.settings, columns: ['region', 'n'], where: `n > 1000 AND region = 'north'` };
    open();
    await poll(isStreaming);
    assert.equal(existing().length, 250);
    assert.deepEqual(Object.keys(existing()[0]!.new!).toSorted(), ['n', 'region']);
  });

  it('are not told without a primary key, and nothing is made then', async () => {
    await cluster.sql('ALTER TABLE rows DROP CONSTRAINT rows_pkey; ALTER TABLE rows REPLICA IDENTITY FULL');
    open();
    await poll(() =>
      /`backfill` reads public\.rows by its primary key/.test(log.source!.status().trouble ?? ''),
    );
    assert.deepEqual(await cluster.sql('SELECT 1 FROM pg_publication'), []);
  });
});

describe('rows that a table has, when the platform is killed', { timeout: 120_000, skip }, () => {
  const ROWS = 5_000;
  let folder = '';
  let cluster: PostgresCluster;
  let server: Server;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-existing-'));
    cluster = await PostgresCluster.start(programs!);
    await cluster.sql(`CREATE TABLE rows (id int PRIMARY KEY, note text);
      INSERT INTO rows SELECT generate_series(1, ${ROWS}), 'first'`);
  });
  after(async () => {
    server?.child.kill('SIGKILL');
    await cluster?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  /** The database's process that reads the rows, held still. */
  async function holdReader(): Promise<number> {
    const client = await cluster.client();
    try {
      let pid: number | undefined;
      const reader = `SELECT pid FROM pg_stat_activity WHERE query LIKE '%FROM ONLY%LIMIT%' AND pid <> pg_backend_pid()`;
      await poll(async () => {
        pid = (await client.query<{ pid: number }>(reader)).rows[0]?.pid;
        return pid !== undefined;
      });
      process.kill(pid!, 'SIGSTOP');
      return pid!;
    } finally {
      await client.end();
    }
  }

  it('are all told, and every change that was made while it was down', async () => {
    const seen = join(folder, 'seen');
    const app = await writeApp(join(folder, 'shop'), {
      'lambent.yaml': `
app: shop
functions:
  copy:
    env: { DB: "${cluster.url}", SEEN: "${seen}" }
    on:
      - postgres: { url: DB, table: rows, backfill: true }
        retryFirst: 10ms
`,
      'functions/copy.js': `
import { appendFileSync } from 'node:fs';
export const handler = async ({ data }) => {
  appendFileSync(process.env.SEEN, JSON.stringify(data) + '\\n');
};`,
    });
    const DONE = 'all rows that a table had are told';
    const starting = startServer(join(folder, 'data'), [app], ['--log', 'json']);
    const pid = await holdReader();
    server = await starting;
    const ended = once(server.child, 'exit');
    server.child.kill('SIGKILL');
    await ended;
    process.kill(pid, 'SIGCONT');
    assert.ok(!server.output().includes(DONE), 'it was killed in the middle');
    await cluster.sql(`UPDATE rows SET note = 'second' WHERE id IN (1, ${ROWS});
      DELETE FROM rows WHERE id IN (2, ${ROWS - 1}); INSERT INTO rows VALUES (${ROWS + 1}, 'second')`);
    server = await startServer(join(folder, 'data'), [], ['--log', 'json']);

    const rows = await cluster.sql('SELECT id, note FROM rows');
    const wanted = new Map(rows.map((row) => [JSON.stringify({ id: row.id }), row]));
    await poll(async () => {
      const lines = (await readFile(seen, 'utf8').catch(() => '')).split('\n').slice(0, -1);
      return isDeepStrictEqual(replay(lines.map((line) => JSON.parse(line) as RowData)), wanted);
    });
    assert.ok(server.output().includes(DONE));
  });
});
