import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** Changed rows of files of SQLite's, written by others, through a whole platform, to functions. */

interface RowEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly data: {
    readonly action: string;
    readonly key: Record<string, unknown>;
    readonly new?: Record<string, unknown>;
    readonly old?: Record<string, unknown>;
  };
}

const WRITER = `
const { DatabaseSync } = require('node:sqlite');
const db = new DatabaseSync(process.argv[1], { timeout: 20000 });
db.exec('PRAGMA synchronous = NORMAL');
for (let i = 0; i < 100; i += 1) {
  db.exec('BEGIN IMMEDIATE');
  db.prepare('INSERT INTO counts (writer) VALUES (?)').run(process.argv[2]);
  db.exec(i % 10 === 9 ? 'ROLLBACK' : 'COMMIT');
}`;

describe('a table of a file of SQLite', { timeout: 90_000 }, () => {
  let folder = '';
  let file = '';
  let database: DatabaseSync;
  let lambent: TestPlatform;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-sqlite-'));
    file = join(folder, 'shop #1.db');
    database = new DatabaseSync(file, { timeout: 10_000 });
    database.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total NUMERIC, note BLOB, twice AS (total * 2));
      CREATE TABLE listed (id INTEGER PRIMARY KEY, total INT, hidden TEXT);
      CREATE TABLE keyless (a);
      CREATE TABLE "odd ""name" (a TEXT, "b.c" TEXT, PRIMARY KEY ("b.c", a)) WITHOUT ROWID;
      CREATE TABLE counts (id INTEGER PRIMARY KEY, writer TEXT);
      CREATE TABLE later (id INTEGER PRIMARY KEY)`);
    const journal = new DatabaseSync(join(folder, 'journal.db'));
    journal.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY)');
    journal.close();
    const address = (name: string) => `sqlite://${encodeURI(join(folder, name)).replaceAll('#', '%23')}`;
    lambent = await startTestPlatform({
      shop: {
        'lambent.yaml': `
app: shop
env: { DB: "${address('shop #1.db')}", JOURNAL: "${address('journal.db')}", NONE: "${address('none.db')}" }
connections: { rows: { kind: sqlite, url: DB }, journal: { kind: sqlite, url: JOURNAL } }
functions:
  order:
    on:
      - sqlite: { connection: rows, table: orders }
      - sqlite: { url: DB, table: listed, columns: [id, total], where: "total > 100 AND hidden IS NOT NULL" }
      - sqlite: { url: DB, table: keyless }
      - sqlite: { url: DB, table: 'odd "name' }
      - { name: later, sqlite: { url: DB, table: later, actions: [insert] } }
  count:
    on:
      - sqlite: { url: DB, table: counts }
  none:
    on:
      - { name: journal, sqlite: { connection: journal, table: orders } }
      - { name: missing, sqlite: { url: DB, table: missing } }
      - { name: nofile, sqlite: { url: NONE, table: orders } }
`,
        'functions/order.js':
          'export const handler = async (event) => { console.log("row " + JSON.stringify(event)); };',
        'functions/count.js':
          'export const handler = async ({ id, data }) => { console.log("count " + id + " " + data.new.writer); };',
        'functions/none.js': 'export const handler = async () => {};',
      },
    });
    for (const name of ['order-sqlite', 'order-sqlite-4', 'later', 'count-sqlite'])
      await poll(async () => (await troubleOf(name)) === undefined);
  });
  after(async () => {
    database?.close();
    await lambent?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const logs = (prefix: string): string[] =>
    lambent.events.flatMap((event) =>
      event.kind === 'log' && event.line.text.startsWith(prefix)
        ? [event.line.text.slice(prefix.length)]
        : [],
    );
  const rowsOf = (table: string): RowEvent[] =>
    logs('row ')
      .map((text) => JSON.parse(text) as RowEvent)
      .filter(({ subject }) => subject.split('/')[0] === `main.${encodeURIComponent(table)}`);
  async function waitForRows(table: string, count: number): Promise<RowEvent[]> {
    await poll(() => rowsOf(table).length >= count);
    return rowsOf(table);
  }
  const troubleOf = async (name: string): Promise<string | undefined> => {
    const { json } = await lambent.api('GET', '/triggers');
    return (json as { items: { id: string; trouble?: string }[] }).items.find(
      ({ id }) => id === `shop/${name}`,
    )!.trouble;
  };
  const ourTables = () =>
    database.prepare(`SELECT name FROM sqlite_schema WHERE name LIKE 'lambent%'`).all().length;

  it('says what is missing, with what mends it', async () => {
    for (const [name, pattern] of [
      ['journal', /journal_mode is delete.*PRAGMA journal_mode = WAL/],
      ['missing', /There is no table missing/],
      ['nofile', /There is no such file/],
    ] as const)
      await poll(async () => pattern.test((await troubleOf(name)) ?? ''));
    const test = async (name: string) =>
      (await lambent.api('POST', `/apps/shop/connections/${name}/test`)).json as {
        ok: boolean;
        checks: { name: string; ok: boolean; fix?: string }[];
      };
    assert.equal((await test('rows')).ok, true, JSON.stringify(await test('rows')));
    const failed = (await test('journal')).checks.filter(({ ok }) => !ok);
    assert.deepEqual(
      failed.map(({ name }) => name),
      ['journal_mode'],
    );
    const journal = new DatabaseSync(join(folder, 'journal.db'));
    journal.exec(/PRAGMA [^;]+/.exec(failed[0]!.fix!)![0]);
    journal.close();
    await poll(async () => (await troubleOf('journal')) === undefined);
  });

  it('runs a function for every kind of change, with the row before and after', async () => {
    database.exec(`INSERT INTO orders VALUES (1, 'ada', 12.5, x'00ff')`);
    database.exec(`UPDATE orders SET id = 9223372036854775807, note = NULL WHERE id = 1`);
    database.exec(`DELETE FROM orders`);
    const rows = await waitForRows('orders', 3);
    const byAction = (action: string) => rows.find(({ data }) => data.action === action)!;
    const first = { id: 1, customer: 'ada', total: 12.5, note: 'AP8=', twice: 25 };
    const second = { ...first, id: '9223372036854775807', note: null };
    assert.deepEqual(byAction('insert').data.new, first);
    assert.deepEqual([byAction('update').data.old, byAction('update').data.new], [first, second]);
    assert.deepEqual([byAction('update').data.key, byAction('update').subject], [{ id: 1 }, 'main.orders/1']);
    assert.deepEqual([byAction('delete').data.old, byAction('delete').data.new], [second, undefined]);
    assert.match(byAction('insert').id, /^lambent_shop_order_sqlite_[0-9a-f]{8}\/1$/);
    assert.equal(byAction('delete').type, 'lambent.sqlite.delete');
  });

  it('tells nothing of what is rolled back, and forgets what it told', async () => {
    database.exec(`BEGIN; INSERT INTO keyless VALUES (1); ROLLBACK; INSERT INTO keyless VALUES ('x')`);
    const [row] = await waitForRows('keyless', 1);
    assert.deepEqual([row!.data.new, row!.data.key], [{ a: 'x' }, { rowid: 1 }]);
    const [{ name }] = database
      .prepare(
        `SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'lambent_shop_order_sqlite_3%'`,
      )
      .all() as [{ name: string }];
    await poll(() => database.prepare(`SELECT count(*) AS n FROM "${name}"`).get()!.n === 0);
  });

  it('gives the columns and rows that were asked for, and no others', async () => {
    database.exec(`INSERT INTO listed VALUES (1, 100, 'a'), (2, 101, 'b'), (3, 102, NULL);
      UPDATE listed SET total = 99 WHERE id = 2`);
    const rows = await waitForRows('listed', 2);
    assert.deepEqual(
      rows.map(({ data }) => data.new),
      [
        { id: 2, total: 101 },
        { id: 2, total: 99 },
      ],
    );
  });

  it('reads tables with odd names and keys', async () => {
    database.exec(`INSERT INTO "odd ""name" VALUES ('1', '2')`);
    const [row] = await waitForRows('odd "name', 1);
    assert.deepEqual(
      [row!.data.new, row!.data.key],
      [
        { a: '1', 'b.c': '2' },
        { 'b.c': '2', a: '1' },
      ],
    );
  });

  it('takes in columns that come later', async () => {
    database.exec(`ALTER TABLE later ADD COLUMN added TEXT DEFAULT 'x'`);
    let id = 0;
    await poll(() => {
      id += 1;
      database.exec(`INSERT INTO later (id) VALUES (${id})`);
      return rowsOf('later').some(({ data }) => data.new!.added === 'x');
    });
  });

  it('hears every change of writers that write at the same time', async () => {
    const writers = ['a', 'b', 'c'].map((name) => spawn(process.execPath, ['-e', WRITER, file, name]));
    // Whichever ends first.
    const ends = await Promise.all(writers.map((writer) => once(writer, 'exit')));
    for (const end of ends) assert.deepEqual(end, [0, null]);
    await poll(() => new Set(logs('count ')).size === 3 * 90);
    assert.equal(logs('count ').length, 3 * 90);
  });

  it('says loudly that its table of changes is gone, and makes no other', async () => {
    const journal = new DatabaseSync(join(folder, 'journal.db'), { timeout: 10_000 });
    for (const { name, type } of journal
      .prepare(`SELECT name, type FROM sqlite_schema WHERE name LIKE 'lambent%' ORDER BY type DESC`)
      .all())
      journal.exec(`DROP ${type} "${name}"`);
    journal.close();
    await poll(async () => /gone from the file.*another `name`/.test((await troubleOf('journal')) ?? ''));
  });

  it('drops its tables when its triggers are deployed no more', async () => {
    assert.ok(ourTables() > 0);
    await lambent.api('DELETE', '/apps/shop');
    await poll(() => ourTables() === 0);
  });
});
