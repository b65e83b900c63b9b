import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { ManualClock } from '../src/base/manual-clock.ts';
import { mysqlSources } from '../src/sources/mysql/mysql-source.ts';
import { BINARY_LOG, MariaDbServer, mariaDbMissing } from './mariadb-server.ts';
import { poll } from './process-table.ts';
import { SourceLog } from './source-log.ts';

/** Where a stream of a real MariaDB goes on, and when it cannot: the test owns the log and the clock. */

const skip = await mariaDbMissing();
const LOOK_MS = 10_000;

describe('the place in the binary log', { timeout: 60_000, skip }, () => {
  let server: MariaDbServer;
  let clock: ManualClock;
  let log: SourceLog;

  before(async () => {
    server = await MariaDbServer.start(BINARY_LOG, 'shop');
  });
  after(() => server?.remove());
  beforeEach(async () => {
    await server.query('CREATE TABLE rowsets (id int PRIMARY KEY); CREATE TABLE others (id int)');
    clock = new ManualClock(Date.now());
    log = new SourceLog(mysqlSources, clock, () => server.url, { table: 'rowsets', actions: ['insert'] });
    log.open();
    await poll(() => log.source!.status().trouble === undefined);
  });
  afterEach(async () => {
    await log.source?.remove?.();
    await server.query('DROP TABLE rowsets, others');
  });

  const gtids = async () => String((await server.query('SELECT @@gtid_binlog_pos AS pos'))[0]!.pos);
  const isAt = (place: string): boolean => log.position!.includes(`"gtids":"${place}"`);

  it('moves while only other tables change, so that the server may forget what was before', async () => {
    await server.query('INSERT INTO others VALUES (1)');
    const place = await gtids();
    await poll(() => {
      clock.advance(LOOK_MS);
      return isAt(place);
    });
    assert.deepEqual(log.stored, []);
  });

  it('is stored with the events, and reading goes on from there', async () => {
    await server.query('INSERT INTO rowsets VALUES (1), (2)');
    await poll(() => log.stored.length === 2);
    assert.ok(isAt(await gtids()), String(log.position));
    await log.source!.close();
    await server.query('INSERT INTO rowsets VALUES (3)');
    log.open();
    await poll(() => log.stored.length === 3);
    assert.deepEqual(
      log.stored.map(({ data }) => (data as { new: { id: number } }).new.id),
      [1, 2, 3],
    );
  });

  it('stays when storing failed: the changes come again under the same ids', async () => {
    log.beforeStore = () => Promise.reject(new Error('the disk is full'));
    await server.query('INSERT INTO rowsets VALUES (1), (2)');
    await poll(() => log.source!.status().trouble === 'the disk is full');
    log.beforeStore = async () => {};
    await poll(() => {
      clock.advance(1_000);
      return log.stored.length === 2;
    });
    assert.deepEqual(
      log.stored.map(({ id }) => id),
      [...log.attempted],
    );
  });

  it('waits where changes come faster than the trigger allows, and loses none', async () => {
    await log.source!.close();
    log.settings = { ...log.settings, maxPerMinute: 2 };
    log.open();
    await server.query('INSERT INTO rowsets VALUES (1), (2)');
    await poll(() => log.stored.length === 2);
    await server.query('INSERT INTO rowsets VALUES (3)');
    await poll(() => /more than 2 times a minute/.test(log.source!.status().trouble ?? ''));
    assert.equal(log.stored.length, 2);
    await poll(() => {
      clock.advance(1_000);
      return log.stored.length === 3;
    });
  });

  it('goes on after the server was away', async () => {
    await server.kill();
    await poll(() => log.source!.status().trouble !== undefined);
    await server.open();
    await server.query('INSERT INTO rowsets VALUES (1)');
    await poll(() => {
      clock.advance(1_000);
      return log.stored.length === 1;
    });
  });

  it('stands still and says so when the server has thrown away what comes next', async () => {
    await log.source!.close();
    await server.query('INSERT INTO rowsets VALUES (1); FLUSH BINARY LOGS; INSERT INTO rowsets VALUES (2)');
    const logs = await server.query('SHOW BINARY LOGS');
    await server.query(`PURGE BINARY LOGS TO '${logs.at(-1)!.Log_name}'`);
    log.open();
    await poll(() =>
      /does not have the changes any more that come next.*another `name`/.test(
        log.source!.status().trouble ?? '',
      ),
    );
    assert.deepEqual(log.stored, []);
  });
});
