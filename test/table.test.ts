import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';

/** Changed rows of a real PostgreSQL, through a whole platform, to functions. */

const programs = await findPostgres();
const STREAMS = `SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`;
const skip = programs === undefined && 'there is no PostgreSQL: apt-get install postgresql';

interface RowData {
  readonly action: string;
  readonly key: Record<string, unknown>;
  readonly new?: Record<string, unknown>;
  readonly old?: Record<string, unknown>;
  readonly omitted?: string[];
}
interface RowEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly data: RowData;
}

const TYPES = `
  CREATE TYPE mood AS ENUM ('sad', 'happy');
  CREATE TABLE typed (
    id int8 PRIMARY KEY, flag bool, small int2, whole int4, real4 float4, real8 float8, exact numeric, cash money,
    name text, code char(3), doc json, docb jsonb, raw bytea, day date, at timestamp, atz timestamptz, span interval,
    uid uuid, tags text[], grid int4[], feel mood, feels mood[], never timestamptz, nothing text);`;

describe('a table of PostgreSQL', { timeout: 120_000, skip }, () => {
  let cluster: PostgresCluster;
  let lambent: TestPlatform;

  before(async () => {
    cluster = await PostgresCluster.start(programs!);
    await cluster.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric, note text);
      ALTER TABLE orders ALTER note SET STORAGE EXTERNAL;
      CREATE TABLE whole (id int PRIMARY KEY, note text);
      ALTER TABLE whole REPLICA IDENTITY FULL;
      ALTER TABLE whole ALTER note SET STORAGE EXTERNAL;
      CREATE TABLE listed (id int PRIMARY KEY, total int, hidden text);
      CREATE TABLE loops (id serial PRIMARY KEY, times int);
      CREATE TABLE keyless (a int);
      ${TYPES}`);
    lambent = await startTestPlatform({
      shop: {
        'lambent.yaml': `
app: shop
env: { DB: "${cluster.url}" }
connections: { rows: { kind: postgres, url: DB } }
functions:
  order:
    on:
      - postgres: { connection: rows, table: orders, actions: [insert, update, delete, truncate] }
      - postgres: { url: DB, table: public.whole }
      - postgres: { url: DB, table: listed, columns: [id, total], where: "total > 100", actions: [insert] }
      - postgres: { url: DB, table: typed }
  loop:
    on:
      - postgres: { url: DB, table: loops }
  none:
    on:
      - { name: keyless, postgres: { url: DB, table: keyless } }
      - { name: missing, postgres: { url: DB, table: missing } }
      - { name: unset, postgres: { url: OTHER_DB, table: orders } }
`,
        'functions/order.js':
          'export const handler = async (event) => { console.log("row " + JSON.stringify(event)); };',
        'functions/none.js': 'export const handler = async () => {};',
        // As a function does: it says which event led to its transaction.
        'functions/loop.js': `
import { execFileSync } from 'node:child_process';
import { writeMark } from 'lambent';
export const handler = async (event) => {
  const sql = "BEGIN; " + writeMark(event).postgres + ";"
    + "INSERT INTO loops (times) VALUES (" + (event.data.new.times + 1) + "); COMMIT";
  execFileSync(${JSON.stringify(`${programs}/psql`)}, [process.env.DB, '-q', '-v', 'ON_ERROR_STOP=1', '-c', sql]);
};`,
      },
    });
    await poll(async () => (await slots()).length === 5);
    await poll(async () => (await cluster.sql(STREAMS)).length === 5);
  });
  after(async () => {
    await lambent?.close();
    await cluster?.remove();
  });

  const slots = () => cluster.sql(`SELECT slot_name AS name FROM pg_replication_slots`);
  const rowsOf = (table: string): RowEvent[] =>
    lambent.events.flatMap((event) =>
      event.kind === 'log' && event.line.text.startsWith('row ')
        ? [JSON.parse(event.line.text.slice(4)) as RowEvent].filter(({ subject }) =>
            subject.startsWith(`public.${table}`),
          )
        : [],
    );
  async function waitForRows(table: string, count: number): Promise<RowEvent[]> {
    await poll(() => rowsOf(table).length >= count);
    return rowsOf(table);
  }
  const stateOf = async (
    name: string,
  ): Promise<{ trouble?: string; lagBytes?: number; position?: string }> => {
    const { json } = await lambent.api('GET', '/triggers');
    return (json as { items: { id: string }[] }).items.find(({ id }) => id === `shop/${name}`) as object;
  };

  it('runs a function for every kind of change, in order for each row', async () => {
    await cluster.sql(`INSERT INTO orders VALUES (1, 'ada', 12.50, repeat('x', 5000))`);
    await cluster.sql(`UPDATE orders SET total = 13 WHERE id = 1`);
    // Its large value is read from the row, as long as that is there.
    await waitForRows('orders', 2);
    await cluster.sql(`UPDATE orders SET id = 2, note = 'short' WHERE id = 1`);
    await cluster.sql(`DELETE FROM orders WHERE id = 2`);
    await cluster.sql(`TRUNCATE orders`);
    const rows = await waitForRows('orders', 5);
    const byAction = (action: string) => rows.filter(({ data }) => data.action === action);
    assert.deepEqual(byAction('insert')[0]!.data.new, {
      id: 1,
      customer: 'ada',
      total: '12.50',
      note: 'x'.repeat(5000),
    });
    const [first, second] = byAction('update');
    assert.deepEqual(first!.data.new, { id: 1, customer: 'ada', total: '13', note: 'x'.repeat(5000) });
    assert.equal(first!.data.omitted, undefined);
    assert.deepEqual(
      [second!.data.key, second!.data.old, second!.subject],
      [{ id: 1 }, { id: 1 }, 'public.orders/1'],
    );
    assert.deepEqual(byAction('delete')[0]!.data.old, { id: 2 });
    assert.equal(byAction('truncate')[0]!.subject, 'public.orders');
    assert.equal(new Set(rows.map(({ id }) => id)).size, 5);
    assert.match(rows[0]!.id, /^lambent_shop_order_postgres_[0-9a-f]{8}\/[0-9A-F]+\/[0-9A-F]+\/0$/);
    assert.equal(rows[0]!.type, 'lambent.postgres.insert');
  });

  it('gives the whole old row, and large values that did not change, with REPLICA IDENTITY FULL', async () => {
    await cluster.sql(`INSERT INTO whole VALUES (1, repeat('y', 5000)); `);
    await cluster.sql(`UPDATE whole SET id = 5`);
    const [, update] = await waitForRows('whole', 2);
    const note = 'y'.repeat(5000);
    assert.deepEqual(
      [update!.data.old, update!.data.new],
      [
        { id: 1, note },
        { id: 5, note },
      ],
    );
    assert.equal(update!.data.omitted, undefined);
  });

  it('gives the columns and rows that were asked for, and no others', async () => {
    await cluster.sql(`INSERT INTO listed VALUES (1, 100, 'a'), (2, 101, 'b')`);
    const rows = await waitForRows('listed', 1);
    assert.deepEqual(
      rows.map(({ data }) => data.new),
      [{ id: 2, total: 101 }],
    );
  });

  it('gives every type in its documented form', async () => {
    await cluster.sql(`INSERT INTO typed VALUES (9007199254740993, true, -2, 3, 0.5, 'NaN', 1.10, 2.5, 'ü"\\', 'ab',
      '{"a": 1}', '[1, null]', '\\x00ff', '2026-02-03', '2026-02-03 04:05:06.7', '2026-02-03 04:05:06+02',
      '1 day 2 hours', '00000000-0000-0000-0000-00000000000a', '{a,NULL,"b \\"c\\",d"}', '{{1,2},{3,4}}', 'happy', '{sad,happy}', 'infinity', NULL)`);
    const [row] = await waitForRows('typed', 1);
    assert.deepEqual(row!.data.new, {
      ...{ id: '9007199254740993', flag: true, small: -2, whole: 3, real4: 0.5, real8: 'NaN', exact: '1.10' },
      ...{ cash: '$2.50', name: 'ü"\\', code: 'ab ', doc: { a: 1 }, docb: [1, null], raw: 'AP8=' },
      ...{ day: '2026-02-03', at: '2026-02-03T04:05:06.7', atz: '2026-02-03T02:05:06Z', span: 'P1DT2H' },
      ...{ uid: '00000000-0000-0000-0000-00000000000a', tags: ['a', null, 'b "c",d'] },
      ...{
        grid: [
          [1, 2],
          [3, 4],
        ],
        feel: 'happy',
        feels: ['sad', 'happy'],
        never: 'infinity',
        nothing: null,
      },
    });
  });

  it('stops a function that causes what triggers it', async () => {
    await cluster.sql(`INSERT INTO loops (times) VALUES (0)`);
    await lambent.waitForInvocation(({ function: name }) => name === 'loop');
    const depths = async () => Number((await cluster.sql('SELECT max(times) AS times FROM loops'))[0]!.times);
    const { DEPTH_MAX } = await import('../src/events/dispatch.ts');
    await poll(async () => (await depths()) === DEPTH_MAX + 1);
    // The next change of an outsider is told as ever, and begins a chain of its own.
    await cluster.sql(`INSERT INTO loops (times) VALUES (${DEPTH_MAX + 100})`);
    await poll(async () => (await depths()) >= DEPTH_MAX + 101);
    assert.equal(
      Number((await cluster.sql(`SELECT count(*) AS n FROM loops WHERE times = ${DEPTH_MAX + 2}`))[0]!.n),
      0,
    );
  });

  it('has the lag of each slot in the list of triggers and in the metrics', async () => {
    await poll(async () => (await stateOf('order-postgres')).lagBytes !== undefined);
    const text = await (await lambent.fetch('/_lambent/metrics')).text();
    assert.match(text, /^lambent_source_lag_bytes\{trigger="shop\/order-postgres"\} \d+$/m);
  });

  it('says what is missing, with the statement that mends it, and changes nothing', async () => {
    for (const [name, pattern] of [
      ['keyless', /refuse updates or deletes.*REPLICA IDENTITY FULL/],
      ['missing', /There is no table public\.missing/],
      ['unset', /There is no secret OTHER_DB of the app/],
    ] as const) {
      await poll(async () => pattern.test((await stateOf(name)).trouble ?? ''));
    }
    await cluster.sql(`INSERT INTO keyless VALUES (1); UPDATE keyless SET a = 2; DELETE FROM keyless`);
    await cluster.sql(`CREATE TABLE missing (id int PRIMARY KEY)`);
    await poll(async () => (await stateOf('missing')).trouble === undefined);
  });

  it('says loudly that its slot is lost, and makes no other', async () => {
    const [mine] = await cluster.sql(
      `SELECT slot_name AS name, active_pid AS pid FROM pg_replication_slots WHERE slot_name LIKE '%missing%'`,
    );
    assert.ok(mine !== undefined);
    await cluster.sql(`SELECT pg_terminate_backend(${mine.pid}); `);
    await poll(() =>
      cluster.sql(`SELECT pg_drop_replication_slot('${mine.name}')`).then(
        () => true,
        () => false,
      ),
    );
    await poll(async () =>
      /is gone: changes since then do not come/.test((await stateOf('missing')).trouble ?? ''),
    );
    assert.deepEqual(
      await cluster.sql(`SELECT 1 FROM pg_replication_slots WHERE slot_name LIKE '%missing%'`),
      [],
    );
  });

  it('drops its slots and publications when its triggers are deployed no more', async () => {
    await lambent.api('DELETE', '/apps/shop');
    await poll(async () => (await slots()).length === 0);
    await poll(async () => (await cluster.sql('SELECT 1 FROM pg_publication')).length === 0);
  });
});
