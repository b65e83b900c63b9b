import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BINARY_LOG, MariaDbServer, mariaDbMissing } from './mariadb-server.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** Changed rows of a real MariaDB, through a whole platform, to functions. */

const skip = await mariaDbMissing();
const STREAMS = `SELECT 1 FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'`;

interface RowEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly data: {
    readonly action: string;
    readonly gtid: string;
    readonly key: Record<string, unknown>;
    readonly new?: Record<string, unknown>;
    readonly old?: Record<string, unknown>;
    readonly omitted?: string[];
  };
}

const TYPES = `
  CREATE TABLE typed (
    id bigint unsigned PRIMARY KEY, flag boolean, tiny tinyint unsigned, small smallint, medium mediumint,
    whole int unsigned, years year, after_year int unsigned, real4 float, real8 double, exact decimal(30, 10),
    small_exact decimal(4, 2), bits bit(10), name varchar(300) CHARACTER SET utf8mb4, latin varchar(10) CHARACTER SET latin1,
    wide varchar(10) CHARACTER SET ucs2, code char(5), long_code char(200) CHARACTER SET utf8mb4, raw varbinary(10), fixed binary(4),
    doc json, note text, blobs blob, day date, at datetime(3), atz timestamp(6), atz0 timestamp, span time(1), spans time,
    feel enum('sad', 'häppy'), tags set('a', 'b', 'c'), place point, packed varchar(500) COMPRESSED,
    packed_blob blob COMPRESSED, nothing text, last_bytes blob, last_text text) CHARACTER SET utf8mb4`;

describe('a table of MariaDB', { timeout: 120_000, skip }, () => {
  let server: MariaDbServer;
  let lambent: TestPlatform;

  before(async () => {
    server = await MariaDbServer.start(BINARY_LOG, 'shop');
    await server.query(`
      CREATE TABLE orders (id int PRIMARY KEY, customer varchar(20), total decimal(10, 2));
      CREATE TABLE listed (id int PRIMARY KEY, total int, hidden text);
      CREATE TABLE loops (id int AUTO_INCREMENT PRIMARY KEY, times int);
      CREATE TABLE shapes (id int PRIMARY KEY, first int, second int unsigned);
      CREATE TABLE keyless (a int);
      CREATE USER poor@127.0.0.1; GRANT SELECT ON shop.* TO poor@127.0.0.1;
      ${TYPES}`);
    lambent = await startTestPlatform({
      shop: {
        'lambent.yaml': `
app: shop
env: { DB: "${server.url}", POOR: "${server.urlOf('poor')}" }
functions:
  order:
    on:
      - mysql: { url: DB, table: orders, actions: [insert, update, delete, truncate] }
      - mysql: { url: DB, table: shop.listed, columns: [id, total], actions: [insert, update] }
      - mysql: { url: DB, table: typed }
      - mysql: { url: DB, table: shapes }
      - mysql: { url: DB, table: keyless }
  loop:
    on:
      - mysql: { url: DB, table: loops }
  none:
    on:
      - { name: poor, mysql: { url: POOR, table: orders } }
      - { name: missing, mysql: { url: DB, table: missing } }
      - { name: column, mysql: { url: DB, table: orders, columns: [nothing] } }
      - { name: unset, mysql: { url: OTHER_DB, table: orders } }
`,
        'functions/order.js':
          'export const handler = async (event) => { console.log("row " + JSON.stringify(event)); };',
        'functions/none.js': 'export const handler = async () => {};',
        // As a function does: its statement begins with the event that led to it.
        'functions/loop.js': `
import { execFileSync } from 'node:child_process';
import { writeMark } from 'lambent';
export const handler = async (event) => {
  const sql = writeMark(event).comment + ' INSERT INTO loops (times) VALUES (' + (event.data.new.times + 1) + ')';
  execFileSync('/usr/bin/mariadb', ['--no-defaults', '--comments', '-h127.0.0.1', '-P${server.port}', '-uroot', 'shop', '-e', sql]);
};`,
      },
    });
    await poll(async () => (await server.query(STREAMS)).length === 6);
  });
  after(async () => {
    await lambent?.close();
    await server?.remove();
  });

  const rowsOf = (table: string): RowEvent[] =>
    lambent.events.flatMap((event) =>
      event.kind === 'log' && event.line.text.startsWith('row ')
        ? [JSON.parse(event.line.text.slice(4)) as RowEvent].filter(
            ({ subject }) => subject.split('/')[0] === `shop.${table}`,
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

  it('runs a function for every kind of change, with the row before and after', async () => {
    await server.query(`INSERT INTO orders VALUES (1, 'ada', 12.5), (3, 'bob', 1)`);
    await server.query(`UPDATE orders SET total = 13 WHERE id = 1`);
    await server.query(`UPDATE orders SET id = 2 WHERE id = 1`);
    await server.query(`DELETE FROM orders WHERE id = 2`);
    await server.query(`/* all of it */ TRUNCATE TABLE \`orders\``);
    const rows = await waitForRows('orders', 6);
    const byAction = (action: string) => rows.filter(({ data }) => data.action === action);
    const [first] = byAction('insert');
    assert.deepEqual(first!.data.new, { id: 1, customer: 'ada', total: '12.50' });
    const [raised, moved] = byAction('update');
    assert.deepEqual(
      [raised!.data.old, raised!.data.new],
      [
        { id: 1, customer: 'ada', total: '12.50' },
        { id: 1, customer: 'ada', total: '13.00' },
      ],
    );
    assert.deepEqual([moved!.data.key, moved!.data.new!.id, moved!.subject], [{ id: 1 }, 2, 'shop.orders/1']);
    assert.deepEqual(byAction('delete')[0]!.data.old, { id: 2, customer: 'ada', total: '13.00' });
    assert.equal(byAction('truncate')[0]!.subject, 'shop.orders');
    assert.equal(new Set(rows.map(({ id }) => id)).size, 6);
    assert.match(first!.id, /^lambent_shop_order_mysql_[0-9a-f]{8}\/0-1-\d+\/0$/);
    assert.equal(byAction('insert')[1]!.id, first!.id.replace(/0$/, '1'));
    assert.equal(first!.type, 'lambent.mysql.insert');
  });

  it('gives the columns that were asked for, and no others', async () => {
    await server.query(`INSERT INTO listed VALUES (1, 100, 'a'); DELETE FROM listed`);
    await server.query(`INSERT INTO listed VALUES (2, 101, 'b')`);
    const rows = await waitForRows('listed', 2);
    assert.deepEqual(
      rows.map(({ data }) => data.new),
      [
        { id: 1, total: 100 },
        { id: 2, total: 101 },
      ],
    );
  });

  it('gives every type in its documented form', async () => {
    await server.query(`SET time_zone = '+02:00'; INSERT INTO typed VALUES (18446744073709551615, true, 255, -2, -8388608,
      4294967295, 2026, 4294967295, 0.1, 1e300, -12345678901234567890.0123456789, -0.05, b'1000000011', 'ü"\\\\',
      'ü', 'Ω', 'ab', 'ü', x'00ff', x'01', '{"a": [1]}', 'text', x'00', '2026-02-03', '2026-02-03 04:05:06.789',
      '2026-02-03 04:05:06.7', '2026-02-03 04:05:06', '-01:02:03.5', '838:59:59', 'häppy', 'a,c', POINT(1, 2),
      repeat('z', 400), repeat('y', 400), NULL, x'01', 'end')`);
    const [row] = await waitForRows('typed', 1);
    assert.deepEqual(row!.data.new, {
      ...{ id: '18446744073709551615', flag: 1, tiny: 255, small: -2, medium: -8388608, whole: 4294967295 },
      ...{ years: 2026, after_year: 4294967295, real4: 0.1, real8: 1e300 },
      ...{ exact: '-12345678901234567890.0123456789', small_exact: '-0.05', bits: '1000000011' },
      ...{ name: 'ü"\\', latin: 'ü', wide: 'Ω', code: 'ab', long_code: 'ü', raw: 'AP8=', fixed: 'AQAAAA==' },
      ...{ doc: '{"a": [1]}', note: 'text', blobs: 'AA==', day: '2026-02-03', at: '2026-02-03T04:05:06.789' },
      ...{
        atz: '2026-02-03T02:05:06.7Z',
        atz0: '2026-02-03T02:05:06Z',
        span: '-01:02:03.5',
        spans: '838:59:59',
      },
      ...{ feel: 'häppy', tags: ['a', 'c'], place: 'AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAAQA==' },
      ...{
        packed: 'z'.repeat(400),
        packed_blob: Buffer.from('y'.repeat(400)).toString('base64'),
        nothing: null,
      },
      ...{ last_bytes: 'AQ==', last_text: 'end' },
    });
  });

  it('reads each row with the columns that the table had then', async () => {
    await server.query(`INSERT INTO shapes VALUES (1, 1, 4000000000);
      ALTER TABLE shapes DROP first, RENAME COLUMN second TO renamed, ADD added text DEFAULT 'x' FIRST;
      INSERT INTO shapes (id, renamed) VALUES (2, 4000000001)`);
    const rows = await waitForRows('shapes', 2);
    assert.deepEqual(
      rows.map(({ data }) => data.new),
      [
        { id: 1, first: 1, second: 4000000000 },
        { added: 'x', id: 2, renamed: 4000000001 },
      ],
    );
  });

  it('reads compressed logs, and updates that log only what changed', async () => {
    await server.query(`SET GLOBAL log_bin_compress = 1, GLOBAL log_bin_compress_min_len = 10`);
    await server.query(`SET SESSION binlog_row_image = 'MINIMAL';
      INSERT INTO keyless VALUES (7); ALTER TABLE keyless ADD long_one varchar(2000); UPDATE keyless SET long_one = repeat('x', 1500)`);
    const rows = await waitForRows('keyless', 2);
    await server.query(`SET GLOBAL log_bin_compress = 0`);
    assert.deepEqual(rows[1]!.data.new, { a: 7, long_one: 'x'.repeat(1500) });
    assert.deepEqual([rows[1]!.data.key, rows[1]!.subject], [{}, 'shop.keyless']);
  });

  it('stops a function that causes what triggers it', async () => {
    await server.query(`INSERT INTO loops (times) VALUES (0)`);
    const { DEPTH_MAX } = await import('../src/events/dispatch.ts');
    const most = async () => Number((await server.query('SELECT max(times) AS times FROM loops'))[0]!.times);
    await poll(async () => (await most()) === DEPTH_MAX + 1);
    // The next change of an outsider is told as ever, and begins a chain of its own.
    await server.query(`INSERT INTO loops (times) VALUES (${DEPTH_MAX + 100})`);
    await poll(async () => (await most()) >= DEPTH_MAX + 101);
    assert.deepEqual(await server.query(`SELECT 1 FROM loops WHERE times = ${DEPTH_MAX + 2}`), []);
  });

  it('has its lag in the list of triggers', async () => {
    await poll(async () => (await stateOf('order-mysql')).lagBytes !== undefined);
  });

  it('says what is missing, with the statement that mends it', async () => {
    for (const [name, pattern] of [
      ['poor', /may not read the binary log.*GRANT REPLICATION SLAVE, BINLOG MONITOR/],
      ['missing', /There is no table shop\.missing/],
      ['column', /has no column nothing/],
      ['unset', /There is no secret OTHER_DB of the app/],
    ] as const)
      await poll(async () => pattern.test((await stateOf(name)).trouble ?? ''));
    await server.query(`CREATE TABLE missing (id int PRIMARY KEY)`);
    await poll(async () => (await stateOf('missing')).trouble === undefined);
  });

  it('says loudly that a change was logged as a statement', async () => {
    await server.query(`SET SESSION binlog_format = 'STATEMENT'; INSERT INTO missing VALUES (1)`);
    await poll(async () =>
      /binlog_format other than ROW.*another `name`/.test((await stateOf('missing')).trouble ?? ''),
    );
    assert.equal((await stateOf('order-mysql')).trouble, undefined);
  });
});
