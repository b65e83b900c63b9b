import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../src/base/clock.ts';
import { mysqlSources } from '../src/sources/mysql/mysql-source.ts';
import { BINARY_LOG, MariaDbServer, mariaDbMissing } from './mariadb-server.ts';
import { poll } from './process-table.ts';
import { type RowData, replay, SourceLog } from './source-log.ts';

/** Rows that a table of a real MariaDB has before its trigger begins, while others write it, and when all is broken off. */

const skip = await mariaDbMissing();
const ROWS = 1_500;
/** In the order of the key: names of an `enum` are ordered by their number, which is not that of the alphabet. */
const TABLE = `
  CREATE TABLE counted (n int, region enum('south', 'north', 'east'), note varchar(20), PRIMARY KEY (region, n));
  INSERT INTO counted (n, region) SELECT seq, ELT(1 + seq % 3, 'north', 'south', 'east') FROM seq_1_to_${ROWS}`;
const TYPED = `
  CREATE TABLE typed (
    id bigint unsigned zerofill PRIMARY KEY, flag boolean, tiny tinyint unsigned, small smallint, medium mediumint, years year,
    real4 float, real8 double, rounded double(10, 2), exact decimal(30, 10), padded decimal(6, 2) zerofill, bits bit(10), wide_bits bit(64),
    name varchar(300) CHARACTER SET utf8mb4, latin varchar(10) CHARACTER SET latin1, wide varchar(10) CHARACTER SET ucs2,
    odd varchar(10) CHARACTER SET swe7, code char(5), raw varbinary(10), fixed binary(4), doc json, note text, blobs blob,
    day date, at datetime(3), atz timestamp(6) NULL, atz0 timestamp NULL, span time(1), spans time, feel enum('sad', 'häppy'),
    tags set('a', 'b', 'c'), place point, packed varchar(500) COMPRESSED, nothing text, stored int AS (small * 2) STORED,
    hidden int INVISIBLE, \`odd \`\`name\` int) CHARACTER SET utf8mb4;
  SET time_zone = '+02:00', sql_mode = '';
  INSERT INTO typed SET id = 18446744073709551615, flag = true, tiny = 255, small = -3, medium = 8388607, years = 1999,
    real4 = 0.1, real8 = 1e300, rounded = 1.1, exact = -12345678901234567890.5, padded = 7.5, bits = 5, wide_bits = ~0,
    name = 'ä€😀', latin = 'é', wide = 'ж', odd = 'a', code = 'ab', raw = 0x00ff, fixed = 0x01, doc = '{"a":[1,2]}',
    note = 'it''s \\\\ "so"', blobs = 0xfffe, day = '2024-02-29', at = '2024-02-29 12:34:56.120', atz = '2024-02-29 12:34:56.000123',
    atz0 = '2024-02-29 12:34:56', span = '-838:59:58.5', spans = '00:00:01', feel = 'häppy', tags = 'a,c', place = Point(1, 2),
    packed = REPEAT('x', 400), hidden = 1, \`odd \`\`name\` = 2;
  INSERT INTO typed SET id = 0, real4 = 16777216, real8 = -0.5, exact = 0, padded = 0, bits = 0, day = '0000-00-00', at = '0000-00-00',
    atz0 = '0000-00-00', feel = 'neither', tags = '', years = 0, raw = '', span = 0`;

describe('rows that a table of MariaDB has', { timeout: 60_000, skip }, () => {
  let server: MariaDbServer;
  let log: SourceLog;
  /** What happens before a chunk of rows is stored. */
  let beforeChunk: (chunk: number) => Promise<void>;

  before(async () => {
    server = await MariaDbServer.start(BINARY_LOG, 'shop');
  });
  after(() => server?.remove());
  beforeEach(async () => {
    beforeChunk = async () => {};
    log = new SourceLog(mysqlSources, systemClock, () => server.url, {
      ...{ table: 'counted', actions: ['insert', 'update', 'delete'], backfill: true },
    });
  });
  afterEach(async () => {
    await log.source?.remove?.();
    await server.query('DROP TABLE IF EXISTS counted, typed, keyless');
  });

  function open(): void {
    let chunks = 0;
    log.beforeStore = async (events) => {
      if (events.some(({ type }) => type === 'lambent.mysql.existing')) await beforeChunk(chunks++);
    };
    log.open();
  }

  const told = (): RowData[] => log.stored.map(({ data }) => data as RowData);
  const existing = (): RowData[] => told().filter(({ action }) => action === 'existing');
  const rowsNow = async (): Promise<Map<string, unknown>> => {
    const rows = (await server.query('SELECT region, n, note FROM counted')) as Record<string, unknown>[];
    return new Map(
      rows.map(({ region, n, note }) => [
        JSON.stringify({ region, n: Number(n) }),
        { n: Number(n), region, note },
      ]),
    );
  };
  /** One row that is told by then, one that is not, each changed; one that goes, one that comes. */
  const change = () =>
    server.query(`UPDATE counted SET note = 'changed' WHERE (region, n) IN (('south', 1), ('east', 1499));
      DELETE FROM counted WHERE region = 'east' AND n = 1496;
      INSERT INTO counted (n, region) VALUES (2, 'south')`);
  const isGood = () => log.source!.status().trouble === undefined;

  it('are told as they were at one moment, and what changes meanwhile comes after', async () => {
    await server.query(TABLE);
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
        .map(({ action, key }) => `${action} ${key.n}`),
      ['update 1', 'update 1499', 'delete 1496', 'insert 2'],
    );
    assert.deepEqual(replay(told()), await rowsNow());
    assert.equal(new Set(log.stored.map(({ id }) => id)).size, ROWS + 4);
    assert.deepEqual(
      [log.stored[0]!.type, log.stored[0]!.subject],
      ['lambent.mysql.existing', 'shop.counted/south,1'],
    );
  });

  it('are none that are written while the reading begins and told twice, or not at all', async () => {
    await server.query('CREATE TABLE counted (n int PRIMARY KEY, region int, note int)');
    let isOver = false;
    let written = 0;
    const writing = (async () => {
      while (!isOver) {
        await server.query(`INSERT INTO counted (n) VALUES (${written + 1})`);
        written += 1;
      }
    })();
    for (let round = 0; round < 3; round += 1) {
      const before = written;
      await poll(() => written > before + 5);
      log.position = undefined;
      log.stored.length = 0;
      open();
      const known = () => written;
      await poll(isGood);
      const last = known();
      await poll(() => log.stored.some(({ data }) => (data as RowData).key.n === last));
      await log.source!.close();
      const keys = told().map(({ key }) => Number(key.n));
      assert.deepEqual(
        keys,
        keys.map((_, at) => at + 1),
      );
    }
    isOver = true;
    await writing;
  });

  it('are told on from the last stored one when reading them is broken off, and no change is missed', async () => {
    await server.query(TABLE);
    beforeChunk = async (chunk) => {
      if (chunk !== 2) return;
      await change();
      throw new Error('the disk is full');
    };
    open();
    await poll(() => log.stored.length > 0 && isGood());
    await log.source!.close();
    // And once more, in the next life of the platform: nothing is told again.
    open();
    await poll(isGood);
    await server.query(`INSERT INTO counted (n, region) VALUES (5, 'south')`);
    await poll(async () => replay(told()).size === (await rowsNow()).size);
    assert.deepEqual(replay(told()), await rowsNow());
    const keys = existing().map(({ key }) => JSON.stringify(key));
    assert.equal(new Set(keys).size, keys.length);
  });

  it('are told on in the order of the key, whatever the key is made of', async () => {
    for (const [type, value] of [
      ['bit(12)', 'seq'],
      ['float', 'seq / 7'],
      ['decimal(8, 3)', 'seq / 8 - 12.5'],
      ['varchar(20) CHARACTER SET latin1', `CONCAT('ö\\'', seq, '\\\\')`],
      ['varbinary(9)', 'UNHEX(HEX(seq * 65521))'],
      ['timestamp(3)', `'2024-03-31 00:00:00' + INTERVAL seq * 10 MINUTE`],
      [`set('a','b','c','d','e','f','g','h','i','j','k')`, 'seq'],
    ] as const) {
      await server.query(`CREATE TABLE counted (n ${type} PRIMARY KEY, note int);
        INSERT INTO counted SELECT ${value}, seq FROM seq_1_to_450`);
      log.position = undefined;
      log.stored.length = 0;
      // Each chunk is stored by a reading of its own.
      beforeChunk = async (chunk) => {
        if (chunk > 0) throw new Error('the disk is full');
      };
      while (existing().length < 450) {
        open();
        await poll(() => /disk is full/.test(log.source!.status().trouble ?? '') || isGood());
        await log.source!.close();
      }
      const notes = existing().map((data) => data.new!.note as number);
      assert.deepEqual(
        notes.toSorted((left, right) => left - right),
        Array.from({ length: 450 }, (_, at) => at + 1),
        type,
      );
      await server.query('DROP TABLE counted');
    }
  });

  it('have the values that a change of them would have', async () => {
    await server.query(TYPED);
    log.settings = { ...log.settings, table: 'typed' };
    open();
    await poll(() => log.stored.length === 2 && isGood());
    await server.query('DELETE FROM typed');
    await poll(() => log.stored.length === 4);
    const [none, full, ...deleted] = told() as (RowData & { old?: Record<string, unknown> })[];
    const oldOf = (id: string) => deleted.find(({ key }) => key.id === id)!.old;
    assert.deepEqual(full!.new, oldOf('18446744073709551615'));
    assert.deepEqual(none!.new, oldOf('0'));
    assert.deepEqual(full!.key, { id: '18446744073709551615' });
  });

  it('are not told without a primary key, nor with a column that the log has in another form', async () => {
    await server.query('CREATE TABLE keyless (a int); CREATE TABLE typed (id uuid PRIMARY KEY)');
    log.settings = { ...log.settings, table: 'keyless' };
    open();
    await poll(() =>
      /`backfill` reads shop\.keyless by its primary key/.test(log.source!.status().trouble ?? ''),
    );
    await log.source!.close();
    log.settings = { ...log.settings, table: 'typed' };
    open();
    await poll(() => /cannot read the column id: the type uuid/.test(log.source!.status().trouble ?? ''));
  });
});
