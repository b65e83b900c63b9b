import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectionByUrl } from '../src/model/connection.ts';
import type { MysqlSource } from '../src/model/trigger.ts';
import type { ConnectionCheck } from '../src/ports/connection-driver.ts';
import { mysqlDriver } from '../src/sources/mysql/check-database.ts';
import { MariaDbServer, mariaDbMissing } from './mariadb-server.ts';

/** What `lambent connections test` says of a real MariaDB, and that what it tells to do mends it. */

const skip = await mariaDbMissing();

describe('a connection to MariaDB', { timeout: 60_000, skip }, () => {
  let server: MariaDbServer;
  const source: MysqlSource = {
    ...{ kind: 'mysql', connection: connectionByUrl('mysql', 'DB'), schema: undefined, table: 'orders' },
    ...{ actions: ['insert'], columns: undefined },
  };
  const check = (user: string) =>
    mysqlDriver.check({ label: 'DB', url: server.urlOf(user), tls: undefined }, [source]);
  const failures = async (): Promise<ConnectionCheck[]> => (await check('reader')).filter(({ ok }) => !ok);

  before(async () => {
    server = await MariaDbServer.start(
      ['--log-bin=bin', '--server-id=1', '--binlog-row-image=MINIMAL'],
      'shop',
    );
    await server.query(`CREATE USER reader@127.0.0.1; GRANT CREATE ON shop.* TO reader@127.0.0.1;
      CREATE TABLE hidden (id int)`);
  });
  after(() => server?.remove());

  it('that is refused says so without its address', async () => {
    const [only, ...others] = await check('nobody');
    assert.deepEqual([only!.name, only!.ok, others], ['login', false, []]);
    assert.match(only!.text, /refuses the login/);
  });

  it('says everything that is missing, with statements that mend it', async () => {
    const failed = await failures();
    assert.deepEqual(
      failed.map(({ name }) => name),
      ['binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'replication', 'table orders'],
    );
    for (const { fix } of failed.slice(0, 4)) await server.query(/: ((?:SET|GRANT) [^;]+)/.exec(fix!)![1]!);
    assert.deepEqual(
      (await failures()).map(({ name }) => name),
      ['table orders'],
    );
    await server.query('CREATE TABLE orders (id int PRIMARY KEY)');
    await server.query(
      `REVOKE CREATE ON shop.* FROM reader@127.0.0.1; GRANT SELECT ON shop.hidden TO reader@127.0.0.1`,
    );
    const [hidden] = await failures();
    await server.query(/(GRANT [^;]+)/.exec(hidden!.fix!)![1]!);
    assert.deepEqual(await failures(), []);
  });
});

describe('a server without a binary log', { timeout: 60_000, skip }, () => {
  it('is told which lines its configuration needs', async () => {
    const server = await MariaDbServer.start([], 'shop');
    try {
      const checks = await mysqlDriver.check({ label: 'DB', url: server.url, tls: undefined }, []);
      const log = checks.find(({ name }) => name === 'log_bin');
      assert.match(`${log?.text} ${log?.fix}`, /log_bin is 0.*below \[mysqld\]: log_bin = binlog/);
    } finally {
      await server.remove();
    }
  });
});
