import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { writeApp } from './platform-harness.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';
import { type Server, startServer } from './server-process.ts';

/** The platform dies between a deploy that takes triggers away and the drop of what they had: the next start drops it. */

const programs = await findPostgres();
const skip = programs === undefined && 'there is no PostgreSQL: apt-get install postgresql';
/** `stays` is of both deployments; `becomes` is a schedule in the second. */
const FIRST = ['early', 'amid', 'becomes', 'stays'];

describe('what triggers left when the platform died', { timeout: 90_000, skip }, () => {
  let folder = '';
  let cluster: PostgresCluster;
  let server: Server | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-left-'));
    cluster = await PostgresCluster.start(programs!);
    await cluster.sql('CREATE TABLE rows (id int PRIMARY KEY)');
  });
  after(async () => {
    await kill();
    await cluster?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const data = (): string => join(folder, 'data');
  const start = async (...folders: string[]): Promise<void> => {
    server = await startServer(data(), folders, ['--log', 'json']);
  };
  async function kill(): Promise<void> {
    if (server === undefined) return;
    const ended = once(server.child, 'exit');
    server.child.kill('SIGKILL');
    await ended;
    server = undefined;
  }

  async function app(name: string, tables: readonly string[], schedules: readonly string[]): Promise<string> {
    return writeApp(join(folder, name), {
      'lambent.yaml': `
app: shop
functions:
  copy:
    env: { DB: "${cluster.url}" }
    on:
${tables.map((each) => `      - { name: ${each}, postgres: { url: DB, table: rows } }`).join('\n')}
${schedules.map((each) => `      - { name: ${each}, schedule: every 1h }`).join('\n')}
`,
      'functions/copy.js': 'export const handler = async () => {};',
    });
  }

  const made = async (): Promise<string> => {
    const names = await cluster.sql(
      'SELECT slot_name AS name FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication ORDER BY 1',
    );
    return names.map(({ name }) => String(name).replace(/^lambent_shop_(.*)_[0-9a-f]{8}$/, '$1')).join();
  };
  const withPositions = <T>(act: (db: DatabaseSync) => T): T => {
    const db = new DatabaseSync(join(data(), 'lambent.db'));
    try {
      return act(db);
    } finally {
      db.close();
    }
  };

  it('is dropped at the next start, and what is live stays', async () => {
    await start(await app('first', FIRST, []));
    const all = FIRST.flatMap((name) => [name, name])
      .toSorted()
      .join();
    await poll(async () => (await made()) === all);
    const streaming = `SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`;
    await poll(async () => (await cluster.sql(streaming)).length === FIRST.length);
    await kill();
    const positions = withPositions((db) =>
      db.prepare(`SELECT source, position FROM source_positions WHERE source LIKE 'shop/%'`).all(),
    );
    assert.equal(positions.length, FIRST.length);

    // Nothing can be dropped meanwhile: the death comes before that.
    await cluster.kill();
    await start(await app('second', ['stays'], ['becomes']));
    await poll(() => server!.output().split('could not be dropped').length > 3);
    await kill();
    withPositions((db) => {
      // As a death before anything of theirs was remembered as left behind leaves them.
      const restore = db.prepare('UPDATE source_positions SET position = ? WHERE source = ?');
      for (const { source, position } of positions)
        if (source === 'shop/early' || source === 'shop/becomes') restore.run(position!, source!);
    });
    await cluster.open();
    assert.equal(await made(), all);

    await start();
    await poll(async () => (await made()) === 'stays,stays');
    await poll(() => server!.output().split('what a trigger had in a database was dropped').length === 4);
    await poll(async () => (await cluster.sql(streaming)).length === 1);
    await kill();
    const left = withPositions((db) =>
      db.prepare(`SELECT source FROM source_positions WHERE position LIKE '%lambent_shop_%'`).all(),
    );
    assert.deepEqual(
      left.map(({ source }) => source),
      ['shop/stays'],
    );
  });
});
