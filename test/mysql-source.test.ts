import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { silentLog } from '../src/base/log.ts';
import { ManualClock } from '../src/base/manual-clock.ts';
import { systemRandom } from '../src/base/random.ts';
import type { CloudEvent } from '../src/model/cloud-event.ts';
import { connectionByUrl } from '../src/model/connection.ts';
import { DELIVERY_DEFAULTS, type Trigger, type TriggerId } from '../src/model/trigger.ts';
import type { Published } from '../src/ports/event-bus.ts';
import type { Source } from '../src/ports/source.ts';
import { mysqlSources } from '../src/sources/mysql/mysql-source.ts';
import { BINARY_LOG, MariaDbServer, mariaDbMissing } from './mariadb-server.ts';
import { poll } from './process-table.ts';

/** Where a stream of a real MariaDB goes on, and when it cannot: the test owns the log and the clock. */

const skip = await mariaDbMissing();
const LOOK_MS = 10_000;

describe('the place in the binary log', { timeout: 60_000, skip }, () => {
  let server: MariaDbServer;
  let source: Source | undefined;
  let clock: ManualClock;
  let stored: CloudEvent[];
  let maxPerMinute: number | undefined;
  let attempted: Set<string>;
  let position: string | undefined;
  let fails: Error | undefined;

  before(async () => {
    server = await MariaDbServer.start(BINARY_LOG, 'shop');
  });
  after(() => server?.remove());
  beforeEach(async () => {
    await server.query('CREATE TABLE rowsets (id int PRIMARY KEY); CREATE TABLE others (id int)');
    clock = new ManualClock(Date.now());
    maxPerMinute = undefined;
    [stored, attempted, position, fails] = [[], new Set(), undefined, undefined];
    open();
    await poll(() => source!.status().trouble === undefined);
  });
  afterEach(async () => {
    await source?.remove?.();
    await server.query('DROP TABLE rowsets, others');
  });

  function open(): void {
    source = mysqlSources.open({
      ...{ id: 'shop/rows' as TriggerId, app: 'shop' as never, position, clock },
      ...{ random: systemRandom, log: silentLog, secret: async () => undefined, isBusy: async () => false },
      alert: async () => {},
      address: async () => ({ label: 'DB', url: server.url, tls: undefined }),
      trigger: {
        source: {
          ...{
            kind: 'mysql',
            connection: connectionByUrl('mysql', 'DB'),
            schema: undefined,
            table: 'rowsets',
          },
          ...{ actions: ['insert'], columns: undefined, maxPerMinute },
        },
        delivery: DELIVERY_DEFAULTS,
      } as unknown as Trigger,
      async publish(events, next): Promise<Published[]> {
        for (const { id } of events) attempted.add(id);
        if (events.length > 0 && fails !== undefined) throw fails;
        stored.push(...events);
        position = next ?? position;
        return [];
      },
    });
  }

  const gtids = async () => String((await server.query('SELECT @@gtid_binlog_pos AS pos'))[0]!.pos);
  const isAt = (place: string): boolean => position!.includes(`"gtids":"${place}"`);

  it('moves while only other tables change, so that the server may forget what was before', async () => {
    await server.query('INSERT INTO others VALUES (1)');
    const place = await gtids();
    await poll(() => {
      clock.advance(LOOK_MS);
      return isAt(place);
    });
    assert.deepEqual(stored, []);
  });

  it('is stored with the events, and reading goes on from there', async () => {
    await server.query('INSERT INTO rowsets VALUES (1), (2)');
    await poll(() => stored.length === 2);
    assert.ok(isAt(await gtids()), String(position));
    await source!.close();
    await server.query('INSERT INTO rowsets VALUES (3)');
    open();
    await poll(() => stored.length === 3);
    assert.deepEqual(
      stored.map(({ data }) => (data as { new: { id: number } }).new.id),
      [1, 2, 3],
    );
  });

  it('stays when storing failed: the changes come again under the same ids', async () => {
    fails = new Error('the disk is full');
    await server.query('INSERT INTO rowsets VALUES (1), (2)');
    await poll(() => source!.status().trouble === 'the disk is full');
    fails = undefined;
    await poll(() => {
      clock.advance(1_000);
      return stored.length === 2;
    });
    assert.deepEqual(
      stored.map(({ id }) => id),
      [...attempted],
    );
  });

  it('waits where changes come faster than the trigger allows, and loses none', async () => {
    await source!.close();
    maxPerMinute = 2;
    open();
    await server.query('INSERT INTO rowsets VALUES (1), (2)');
    await poll(() => stored.length === 2);
    await server.query('INSERT INTO rowsets VALUES (3)');
    await poll(() => /more than 2 times a minute/.test(source!.status().trouble ?? ''));
    assert.equal(stored.length, 2);
    await poll(() => {
      clock.advance(10_000);
      return stored.length === 3;
    });
  });

  it('goes on after the server was away', async () => {
    await server.kill();
    await poll(() => source!.status().trouble !== undefined);
    await server.open();
    await server.query('INSERT INTO rowsets VALUES (1)');
    await poll(() => {
      clock.advance(1_000);
      return stored.length === 1;
    });
  });

  it('stands still and says so when the server has thrown away what comes next', async () => {
    await source!.close();
    await server.query('INSERT INTO rowsets VALUES (1); FLUSH BINARY LOGS; INSERT INTO rowsets VALUES (2)');
    const logs = await server.query('SHOW BINARY LOGS');
    await server.query(`PURGE BINARY LOGS TO '${logs.at(-1)!.Log_name}'`);
    open();
    await poll(() =>
      /does not have the changes any more that come next.*another `name`/.test(
        source!.status().trouble ?? '',
      ),
    );
    assert.deepEqual(stored, []);
  });
});
