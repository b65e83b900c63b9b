import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runForTest } from '../src/cli/test-terminal.ts';
import type { ConnectionReport } from '../src/ports/connections.ts';
import { connectRedis } from '../src/sources/messages/redis-client.ts';
import { type BrokerProgram, BrokerServer, freePort, missing } from './broker-servers.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';
import { makeCertificate, type TestCertificate } from './test-certificate.ts';

/** What `lambent connections test` says of real services, and that what it tells to do mends them. */

const PASSWORD = 'not-to-be-seen';

let certificate: TestCertificate;
let plainPort = 0;
const redisProgram: BrokerProgram = {
  program: 'redis-server',
  debian: 'redis-server',
  async prepare(folder) {
    certificate = await makeCertificate(folder);
    plainPort = await freePort();
  },
  args: (folder, port) => [
    ...['--bind', '127.0.0.1', '--dir', folder, '--save', '', '--port', String(plainPort)],
    ...['--tls-port', String(port), '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', join(folder, 'cert.pem'), '--tls-key-file', join(folder, 'key.pem')],
    ...['--user', 'default', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'],
    ...['--user', 'narrow', 'on', `>${PASSWORD}`, '~other', '+@all'],
  ],
};

const programs = await findPostgres();
const skip =
  (await missing(redisProgram)) ||
  (programs === undefined && 'there is no PostgreSQL: apt-get install postgresql');

describe('connections', { timeout: 90_000, skip }, () => {
  let redis: BrokerServer;
  let cluster: PostgresCluster;
  let lambent: TestPlatform;

  before(async () => {
    redis = await BrokerServer.start(redisProgram);
    cluster = await PostgresCluster.start(programs!);
    await cluster.sql(`CREATE TABLE orders (id int PRIMARY KEY); CREATE ROLE reader LOGIN`);
    await cluster.stop();
    await cluster.open(['wal_level=replica']);
    lambent = await startTestPlatform({ shop: { 'lambent.yaml': manifest(), 'functions/take.js': TAKE } });
    const secrets = {
      ...{ PASSWORD, WRONG: 'another', CA: certificate.pem, NO_ADDRESS: 'elsewhere' },
      DB_URL: cluster.url.replace('owner@', 'reader@'),
    };
    for (const [name, value] of Object.entries(secrets))
      assert.equal((await lambent.api('PUT', `/apps/shop/secrets/${name}`, { value })).status, 200);
  });
  after(async () => {
    await lambent?.close();
    await redis?.remove();
    await cluster?.remove();
  });

  const TAKE =
    'export const handler = async (event) => { console.log("got " + JSON.stringify(event.data)); };';
  const manifest = (): string => {
    const tls = `kind: redis, host: 127.0.0.1, port: ${redis.port}`;
    return `
app: shop
connections:
  cache: { ${tls}, password: PASSWORD, tls: { ca: CA } }
  untrusted: { ${tls}, password: PASSWORD, tls: true }
  careless: { ${tls}, password: PASSWORD, tls: { verify: false } }
  misnamed: { ${tls}, password: PASSWORD, tls: { ca: CA, serverName: other.test } }
  plain: { kind: redis, host: 127.0.0.1, port: ${plainPort}, password: PASSWORD, tls: true }
  unreadable: { ${tls}, tls: { cert: WRONG, key: WRONG } }
  wrong: { ${tls}, password: WRONG, tls: { ca: CA } }
  narrow: { ${tls}, user: narrow, password: PASSWORD, tls: { ca: CA } }
  unset: { ${tls}, password: NOWHERE }
  unknown: { kind: redis, host: no-such-host.invalid }
  refused: { kind: redis, host: 127.0.0.1, port: 1 }
  garbled: { kind: redis, url: NO_ADDRESS }
  db: { kind: postgres, url: DB_URL }
functions:
  take:
    routes: []
    on:
      - redis: { connection: cache, stream: events }
      - { name: narrow, redis: { connection: narrow, stream: events } }
      - { name: rows, postgres: { connection: db, table: orders } }
`;
  };

  const test = async (name: string): Promise<ConnectionReport> => {
    const { status, json } = await lambent.api('POST', `/apps/shop/connections/${name}/test`);
    assert.equal(status, 200, JSON.stringify(json));
    assert.doesNotMatch(JSON.stringify(json), new RegExp(PASSWORD));
    return json as ConnectionReport;
  };
  /** `step: what is wrong → what mends it` of the one check that fails, which is the last. */
  const failureOf = async (name: string): Promise<string> => {
    const { ok, checks } = await test(name);
    const failed = checks.filter((check) => !check.ok);
    assert.deepEqual([ok, failed.length], [false, 1], JSON.stringify(checks));
    return `${failed[0]!.name}: ${failed[0]!.text} → ${failed[0]!.fix}`;
  };

  it('that hold are told step by step, and are what triggers read from', async () => {
    const { ok, checks } = await test('cache');
    assert.equal(ok, true, JSON.stringify(checks));
    assert.deepEqual(
      checks.map(({ name }) => name),
      ['secrets', 'reach', 'tls', 'login', 'version', 'stream events'],
    );
    const url = `rediss://:${PASSWORD}@127.0.0.1:${redis.port}`;
    const sender = await connectRedis({ label: '', url, tls: { rejectUnauthorized: false } }, 'test');
    await sender.send('XADD', 'events', '*', 'a', '1');
    sender.close();
    await lambent.waitForLog(({ text }) => text === 'got {"a":"1"}');
    assert.equal((await test('careless')).ok, true);
  });

  for (const [name, expected] of [
    ['unset', /^secrets: There is no value for NOWHERE\. → lambent secrets set shop NOWHERE$/],
    ['garbled', /^address: The value of NO_ADDRESS is not an address\. → Make it one/],
    ['unknown', /^name: The name no-such-host\.invalid (?:is not known|could not be looked up)\. → /],
    ['refused', /^reach: Nothing listens at 127\.0\.0\.1:1: .* → Start the service/],
    ['untrusted', /^tls: The certificate does not hold: self-signed certificate .* → Put the certificate of/],
    ['misnamed', /^tls: The certificate does not hold: .*other\.test.* → Name the host as/],
    ['plain', /^tls: .* makes no TLS connection: no answer\. → Name the port/],
    ['unreadable', /^tls: A secret of `tls` holds no PEM text: .* → Set `ca`/],
    ['wrong', /^login: The broker refuses the login\..* → Correct user and password/],
    ['narrow', /^stream events: .*NOPERM.* → ACL SETUSER the-user ~events \+xgroup/],
  ] as const)
    it(`that do not hold say what fails and what mends it: ${name}`, async () =>
      assert.match(await failureOf(name), expected));

  it('to PostgreSQL name the statements, and what they say helps', async () => {
    const failed = (await test('db')).checks.filter(({ ok }) => !ok);
    assert.deepEqual(
      failed.map(({ name }) => name),
      ['wal_level', 'replication', 'table public.orders'],
    );
    await cluster.sql(/ALTER SYSTEM [^;]+/.exec(failed[0]!.fix!)![0]);
    await cluster.sql(/ALTER ROLE [^;]+/.exec(failed[1]!.fix!)![0]);
    await cluster.sql(/ALTER TABLE [^;]+/.exec(failed[2]!.fix!)![0]);
    await cluster.stop();
    await cluster.open();
    const fix = /^table public\.orders: .* may make nothing .* → (GRANT [^;]+)/.exec(
      await failureOf('db'),
    )![1]!;
    await cluster.sql(fix);
    await poll(async () => (await test('db')).ok);
    assert.deepEqual(await cluster.sql(`SELECT 1 FROM pg_publication WHERE pubname = 'lambent_check'`), []);
  });

  it('are listed and tried at the terminal', async () => {
    const run = (...args: string[]) => runForTest([...args, '--to', lambent.url]);
    const list = await run('connections');
    assert.match(list.out, /shop\/cache +redis +127\.0\.0\.1:\d+ +PASSWORD, CA +take-redis/);
    const good = await run('connections', 'test', 'cache');
    assert.equal(good.code, 0, good.out + good.err);
    assert.match(good.out, /shop\/cache \(redis\)\n {2}ok {4}secrets: There is a value for PASSWORD, CA\.\n/);
    const bad = await run('connections', 'test', 'shop/unset');
    assert.deepEqual([bad.code, bad.err], [1, '']);
    assert.match(bad.out, / {2}FAIL {2}secrets: .*\n {8}lambent secrets set shop NOWHERE\n/);
    const none = await run('connections', 'test', 'cach');
    assert.equal(none.code, 2);
    assert.match(none.err, /Did you mean cache\?/);
    const all = await run('connections', 'test', '--json');
    assert.equal((JSON.parse(all.out) as { items: unknown[] }).items?.length, 13, all.out);
  });
});
