import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { delay, systemClock } from '../src/base/clock.ts';
import { createSeededRandom } from '../src/base/random.ts';
import { writeApp } from './platform-harness.ts';
import { BINARY_LOG, MariaDbServer, mariaDbMissing } from './mariadb-server.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';
import { type Server, startServer } from './server-process.ts';

/** A database and the platform are killed while rows change: every change reaches the function, in order for each row. */

const ROWS = 5;
const CHANGES = 600;
const SEED = 20_261_127;

/** Seconds of MariaDB's recovery are a start each: it dies less often. */
interface Database {
  readonly kind: 'postgres' | 'mysql';
  readonly streams: string;
  readonly skip: string | false;
  readonly kills: number;
  start(): Promise<PostgresCluster | MariaDbServer>;
}

const programs = await findPostgres();
const DATABASES: readonly Database[] = [
  {
    ...{
      kind: 'postgres',
      kills: 6,
      skip: programs === undefined && 'there is no PostgreSQL: apt-get install postgresql',
    },
    streams: `SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`,
    start: () => PostgresCluster.start(programs!),
  },
  {
    ...{ kind: 'mysql', kills: 4, skip: await mariaDbMissing() },
    streams: `SELECT 1 FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'`,
    start: () => MariaDbServer.start(BINARY_LOG),
  },
];

for (const { kind, streams, skip, kills: killCount, start } of DATABASES)
  describe(`a stream of changed rows of ${kind}`, { timeout: 150_000, skip }, () => {
    let folder = '';
    let cluster: PostgresCluster | MariaDbServer;
    let server: Server;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'lambent-table-'));
      cluster = await start();
      const rows = Array.from({ length: ROWS }, (_, at) => `(${at + 1}, 0)`).join(', ');
      await cluster.query('CREATE TABLE counters (id int PRIMARY KEY, n int)');
      await cluster.query(`INSERT INTO counters VALUES ${rows}`);
    });
    after(async () => {
      server?.child.kill('SIGKILL');
      await cluster?.remove();
      await rm(folder, { recursive: true, force: true });
    });

    it('survives SIGKILL of both ends', async () => {
      const seen = join(folder, 'seen');
      const app = await writeApp(join(folder, 'shop'), {
        'lambent.yaml': `
app: shop
functions:
  count:
    env: { DB: "${cluster.url}", SEEN: "${seen}" }
    on:
      - ${kind}: { url: DB, table: counters, actions: [update] }
        retryFirst: 10ms
`,
        'functions/count.js': `
import { appendFileSync } from 'node:fs';
export const handler = async ({ data }) => {
  appendFileSync(process.env.SEEN, data.new.id + ' ' + data.new.n + '\\n');
};`,
      });
      const restart = async (folders: string[]) => {
        server = await startServer(join(folder, 'data'), folders);
      };
      await restart([app]);
      await poll(async () => (await cluster.query(streams)).length === 1);

      const random = createSeededRandom(SEED);
      const kills = Array.from({ length: killCount }, () => 1 + Math.floor(random.fraction() * CHANGES));
      let killed = 0;
      for (let change = 1; change <= CHANGES; change += 20) {
        // Kills come in the middle of what is being written and delivered: nobody waits for the one before.
        await write(change, 20);
        const due = kills.filter((at) => at >= change && at < change + 20).length;
        for (let each = 0; each < due; each += 1)
          if (killed++ % 2 === 0) {
            await cluster.kill();
            await cluster.open();
          } else {
            const ended = once(server.child, 'exit');
            server.child.kill('SIGKILL');
            await ended;
            await restart([]);
          }
      }
      assert.equal(killed, kills.length);
      await check(seen);
    });

    /** Some changes on one connection; tries again from where the table is when that is lost. */
    async function write(first: number, count: number): Promise<void> {
      const client = await cluster.writer();
      try {
        for (let at = first; at < first + count; at += 1)
          await client.write(`UPDATE counters SET n = n + 1 WHERE id = ${1 + (at % ROWS)}`);
      } finally {
        await client.end();
      }
    }

    async function check(seen: string): Promise<void> {
      const rows = await cluster.query('SELECT id, n FROM counters');
      const wanted = rows.reduce((sum, { n }) => sum + Number(n), 0);
      assert.equal(wanted, CHANGES);
      const read = async () =>
        (await readFile(seen, 'utf8').catch(() => ''))
          .split('\n')
          .filter(Boolean)
          .map((line) => line.split(' '));
      for (let tries = 0; new Set((await read()).map(String)).size < wanted; tries += 1) {
        assert.ok(
          tries < 600,
          `${new Set((await read()).map(String)).size} of ${wanted} changes came: ${server.output()}`,
        );
        await delay(systemClock, 100);
      }
      const firsts = new Map<string, number>();
      for (const [id = '', n] of await read()) {
        const last = firsts.get(id) ?? 0;
        // A later one than the next would mean that one came out of order, or not at all.
        assert.ok(Number(n) <= last + 1, `row ${id}: ${n} came after ${last}`);
        firsts.set(id, Math.max(last, Number(n)));
      }
      assert.deepEqual([...firsts].toSorted(), rows.map(({ id, n }) => [String(id), Number(n)]).toSorted());
    }
  });
