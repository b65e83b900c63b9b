import assert from 'node:assert/strict';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { type CliOutcome, runForTest } from '../src/cli/test-terminal.ts';
import { startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';

/** What triggers make in databases: told before, shown while it is there, and dropped at the place where it was made. */

const programs = await findPostgres();
const skip = programs === undefined && 'there is no PostgreSQL: apt-get install postgresql';
const NAME = /lambent_shop_copy_postgres_([0-9a-f]{8}|XXXXXXXX)/g;

describe('what a trigger makes in a database', { timeout: 90_000, skip }, () => {
  let cluster: PostgresCluster;
  let lambent: TestPlatform;
  let folder = '';

  before(async () => {
    cluster = await PostgresCluster.start(programs!);
    await cluster.sql('CREATE TABLE rows (id int PRIMARY KEY)');
    await cluster.sql('CREATE DATABASE other');
    await inOther('CREATE TABLE rows (id int PRIMARY KEY)');
    lambent = await startTestPlatform();
    folder = join(lambent.folder, 'shop');
    await mkdir(join(lambent.folder, 'b'));
    for (const name of ['first.db', 'b/second.db']) {
      const file = new DatabaseSync(join(lambent.folder, name));
      file.exec('PRAGMA journal_mode = WAL; CREATE TABLE parcels (id INTEGER PRIMARY KEY, name TEXT)');
      file.close();
    }
  });
  after(async () => {
    await lambent?.close();
    await cluster?.remove();
  });

  const cli = (...args: string[]): Promise<CliOutcome> =>
    runForTest([...args, ...(args[0] === 'triggers' ? ['--server'] : ['--to']), lambent.url], {
      cwd: lambent.folder,
    });
  const inOther = async (text: string) => {
    const client = await cluster.client('other');
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  };
  const slots = async (): Promise<string[]> =>
    (await cluster.sql('SELECT database FROM pg_replication_slots')).map(({ database }) => String(database));
  const tablesIn = (name: string): unknown[] => {
    const file = new DatabaseSync(join(lambent.folder, name), { timeout: 5_000 });
    try {
      return file.prepare(`SELECT name FROM sqlite_schema WHERE name LIKE 'lambent_%'`).all();
    } finally {
      file.close();
    }
  };

  /** `database`: of PostgreSQL's; `file`: of SQLite's. */
  async function write(database: string | undefined, file = 'first.db', actions = 'insert'): Promise<void> {
    await writeApp(folder, {
      'lambent.yaml': `
app: shop
env: { DB: "${cluster.url}", OTHER: "${cluster.url.replace('/postgres?', '/other?')}" }
connections:
  ${database ?? 'unused'}: { kind: postgres, url: ${database ?? 'DB'} }
functions:
  copy:
    env: { FILE_A: "sqlite://${join(lambent.folder, 'first.db')}", FILE_B: "sqlite://${join(lambent.folder, 'b/second.db')}" }
    on:
      - schedule: every 1h
${database === undefined ? '' : `      - { postgres: { connection: ${database}, table: rows, actions: [${actions}] } }\n      - { sqlite: { url: ${file === 'first.db' ? 'FILE_A' : 'FILE_B'}, table: parcels } }`}
`,
      'functions/copy.js': 'export const handler = async () => {};',
    });
  }

  it('is told beforehand, and nothing is done', async () => {
    await write('DB');
    const { code, out } = await cli('deploy', 'shop', '--plan');
    assert.equal(code, 0);
    assert.match(
      out,
      /makes in DB, for shop\/copy-postgres\n {2}CREATE PUBLICATION "lambent_shop_copy_postgres_XXXXXXXX" FOR TABLE ONLY "public"\."rows"/,
    );
    assert.match(
      out,
      /SELECT pg_create_logical_replication_slot\('lambent_shop_copy_postgres_XXXXXXXX', 'pgoutput'\);/,
    );
    assert.match(out, /makes in FILE_A, for shop\/copy-sqlite\n {2}CREATE TABLE/);
    assert.match(out, /drawn by lot/);
    const { changes } = JSON.parse((await cli('deploy', 'shop', '--plan', '--json')).out);
    assert.deepEqual(
      changes.map(({ trigger, kind, place }: Record<string, string>) => [trigger, kind, place]),
      [
        ['shop/copy-postgres', 'make', 'DB'],
        ['shop/copy-sqlite', 'make', 'FILE_A'],
      ],
    );
    assert.deepEqual((await lambent.api('GET', '/apps')).json, { items: [] });
    assert.deepEqual([await slots(), tablesIn('first.db')], [[], []]);
  });

  it('is told by the deploy that does it, and shown with how to drop it by hand', async () => {
    const { err, out } = await cli('deploy', 'shop', '--json');
    assert.match(err, /plan +shop\/copy-postgres makes in DB: CREATE PUBLICATION/);
    assert.equal(JSON.parse(out).changes.length, 2);
    await poll(async () => (await slots()).length === 1 && tablesIn('first.db').length > 0);
    const shown = (await cli('triggers', 'show', 'copy-postgres')).out;
    assert.match(shown, /In DB it has made:\n {2}CREATE PUBLICATION/);
    const [made] = await cluster.sql('SELECT slot_name AS name FROM pg_replication_slots');
    assert.deepEqual([...new Set(shown.match(NAME))], [made!.name]);
    assert.match(
      shown,
      /It drops that when it is deployed no more, by:\n {2}SELECT pg_drop_replication_slot\(/,
    );
  });

  it('is not made again by a deploy that changes nothing, and of what changes the rest stays', async () => {
    assert.match((await cli('deploy', 'shop', '--plan')).out, /makes and drops nothing outside of Lambent/);
    await write('DB', 'first.db', 'insert, delete');
    const { changes } = JSON.parse((await cli('deploy', 'shop', '--plan', '--json')).out);
    assert.equal(changes.length, 1);
    assert.match(changes[0].statements.join(), /^CREATE PUBLICATION .* \(publish = 'insert, delete'\)$/);
  });

  it('is dropped where it was when the trigger reads somewhere else', async () => {
    await write('OTHER', 'b/second.db');
    const { out } = await cli('deploy', 'shop', '--plan');
    assert.match(
      out,
      /drops in DB, for shop\/copy-postgres\n {2}SELECT pg_drop_replication_slot\('lambent_shop_copy_postgres_[0-9a-f]{8}'\);/,
    );
    assert.match(out, /drops in FILE_A, for shop\/copy-sqlite\n/);
    await cli('deploy', 'shop');
    await poll(async () => (await slots()).join() === 'other' && tablesIn('b/second.db').length > 0);
    await poll(() => tablesIn('first.db').length === 0);
    assert.deepEqual(await cluster.sql('SELECT 1 FROM pg_publication'), []);
    assert.doesNotMatch((await cli('triggers')).out, /left something behind/);
  });

  it('is told for as long as it could not be dropped, and dropped when its place is back', async () => {
    await rename(join(lambent.folder, 'b'), join(lambent.folder, 'away'));
    await write('OTHER', 'first.db');
    await cli('deploy', 'shop');
    // What is left is tried to be dropped before the new table is made.
    await poll(() => tablesIn('first.db').length > 0);
    assert.match(
      (await cli('triggers')).out,
      /copy-sqlite has left something behind in FILE_B; drop it there by: DROP TRIGGER/,
    );
    assert.ok(tablesIn('away/second.db').length > 0);
    await rename(join(lambent.folder, 'away'), join(lambent.folder, 'b'));
    // With the trigger gone, all of it goes.
    await write(undefined);
    const { out } = await cli('deploy', 'shop', '--plan');
    assert.match(out, /drops in FILE_B, for shop\/copy-sqlite\n/);
    await cli('deploy', 'shop');
    await poll(async () => (await slots()).length === 0);
    await poll(() => [...tablesIn('first.db'), ...tablesIn('b/second.db')].length === 0);
    assert.deepEqual(await inOther('SELECT 1 FROM pg_publication'), []);
  });

  it('is told of a trigger that is gone, too', async () => {
    await write('OTHER', 'b/second.db');
    await cli('deploy', 'shop');
    await poll(() => tablesIn('b/second.db').length > 0);
    await rename(join(lambent.folder, 'b'), join(lambent.folder, 'away'));
    await write(undefined);
    await cli('deploy', 'shop');
    const told =
      /copy-sqlite has left something behind in FILE_B; drop it there by: (DROP TRIGGER [^\n]*;)\n/;
    await poll(async () => told.test((await cli('triggers')).out));
    const statements = told.exec((await cli('triggers')).out)![1]!;
    const { json } = await lambent.api('GET', '/apps/shop/triggers/copy-sqlite');
    assert.equal((json as { left: readonly { place: string }[] }).left[0]?.place, 'FILE_B');
    await rename(join(lambent.folder, 'away'), join(lambent.folder, 'b'));
    const file = new DatabaseSync(join(lambent.folder, 'b/second.db'));
    file.exec(statements);
    file.close();
    assert.deepEqual(tablesIn('b/second.db'), []);
  });
});
