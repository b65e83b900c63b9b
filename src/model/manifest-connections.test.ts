import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { type Connection, connectionByUrl, placeOf, resolveAddress, secretsOf } from './connection.ts';
import { type AppPlan, parseManifest, planApp } from './manifest.ts';
import { parseManifestYaml } from './manifest-yaml.ts';

function plan(connections: string, source = ''): AppPlan {
  const text = `connections:\n${connections.replaceAll(/^/gm, '  ')}
functions:
  bill:
    entry: bill.js
    on: [${source}]`;
  const file = 'lambent.yaml';
  const { data, locate } = parseManifestYaml(text, file);
  return planApp(parseManifest(data, { file, locate }), [], 'shop');
}

function problemsOf(connections: string, source = ''): string {
  try {
    plan(connections, source);
  } catch (thrown) {
    assert.ok(thrown instanceof LambentError && thrown.code === 'E_MANIFEST_INVALID', String(thrown));
    return thrown.message;
  }
  return assert.fail('it is accepted');
}

const lookUp = (name: string): string => `value of ${name}`;

function addressOf(line: string): ReturnType<typeof resolveAddress> {
  return resolveAddress(plan(line).connections[0]!, lookUp);
}

describe('connections in the manifest', () => {
  it('are an address in a secret, or its parts', () => {
    const { connections } = plan(`
db: { kind: postgres, url: DB_URL, tls: { ca: CA } }
cache: { kind: redis, host: cache.internal, port: 6380, database: 3, user: app, password: CACHE_KEY, tls: true }`);
    const none = { ca: undefined, cert: undefined, key: undefined, serverName: undefined, verify: true };
    assert.deepEqual(connections, [
      { ...connectionByUrl('postgres', 'DB_URL'), name: 'db', tls: { ...none, ca: 'CA' } },
      {
        ...{ name: 'cache', kind: 'redis', tls: none },
        at: {
          ...{ kind: 'parts', host: 'cache.internal', port: 6380, path: '3' },
          ...{ user: 'app', password: 'CACHE_KEY' },
        },
      } satisfies Connection,
    ]);
    assert.deepEqual(connections.map(secretsOf), [['DB_URL', 'CA'], ['CACHE_KEY']]);
    assert.deepEqual(connections.map(placeOf), ['DB_URL', 'cache.internal:6380/3']);
  });

  it('are what triggers name', () => {
    const { triggers, connections } = plan(
      'db: { kind: postgres, url: DB_URL }',
      '{ postgres: { connection: db, table: orders } }',
    );
    const [{ source }] = triggers as [(typeof triggers)[0]];
    assert.equal(source.kind === 'postgres' && source.connection, connections[0]);
  });

  it('become addresses, whose parts may hold any character', () => {
    assert.equal(
      addressOf('a: { kind: postgres, host: db, database: "a/b", user: "me@home", password: KEY }').url,
      'postgres://me%40home:value%20of%20KEY@db/a%2Fb',
    );
    assert.equal(addressOf('a: { kind: redis, host: "::1", port: 7000 }').url, 'redis://[::1]:7000');
    assert.equal(addressOf('a: { kind: redis, host: x, password: KEY }').url, 'redis://:value%20of%20KEY@x');
    const { url, tls } = addressOf(
      'a: { kind: redis, host: x, tls: { ca: CA, serverName: y, verify: false } }',
    );
    assert.equal(url, 'rediss://x');
    assert.deepEqual(tls, { ca: 'value of CA', servername: 'y', rejectUnauthorized: false });
    const { url: given, label } = addressOf('a: { kind: redis, url: ALL }');
    assert.deepEqual([given, label], ['value of ALL', 'ALL']);
  });

  it('have what only their kind needs behind the address', () => {
    const kafka = 'a: { kind: kafka, host: x, user: u, password: P, sasl: scram-sha-512, tls: true }';
    assert.equal(addressOf(kafka).url, 'kafkas://u:value%20of%20P@x?sasl=scram-sha-512');
    const sqs = 'a: { kind: sqs, host: x, port: 9324, region: eu-central-1 }';
    assert.equal(addressOf(sqs).url, 'http://x:9324?region=eu-central-1');
  });

  it('need the values of their secrets, and say which is missing', () => {
    const [connection] = plan('a: { kind: redis, host: x, password: KEY }').connections;
    for (const nothing of [undefined, ''])
      assert.throws(() => resolveAddress(connection!, () => nothing), {
        code: 'E_SECRET_MISSING',
        message: /no secret KEY/,
      });
  });

  for (const [what, connections, source, reason] of [
    [
      'neither address nor host',
      'a: { kind: redis }',
      '',
      /`url`, the secret with its address, or else `host`/,
    ],
    ['both', 'a: { kind: redis, url: U, host: h }', '', /or else `host`/],
    ['parts of an address', 'a: { kind: redis, url: U, port: 1 }', '', /`port` goes with `host`/],
    ['a password in plain', 'a: { kind: redis, host: h, password: "p-w" }', '', /the name of a secret/],
    ['an unknown kind', 'a: { kind: postgre, url: U }', '', /one of postgres.*did you mean `postgres`/],
    ['an unknown key', 'a: { kind: redis, url: U, pasword: P }', '', /did you mean `password`/],
    ['an unknown key of TLS', 'a: { kind: redis, url: U, tls: { cs: P } }', '', /did you mean `ca`/],
    ['what another kind needs', 'a: { kind: redis, host: h, sasl: plain }', '', /of the kind kafka/],
    ['an unknown login', 'a: { kind: kafka, host: h, sasl: magic }', '', /one of plain, scram-sha-256/],
    ['a region in an address', 'a: { kind: sqs, url: U, region: x }', '', /`region` goes with `host`/],
    ['a name with a dot', 'a.b: { kind: redis, url: U }', '', /no name of a connection/],
    [
      'a trigger that names none of them',
      'cache: { kind: redis, url: U }',
      '{ redis: { connection: cach, stream: s } }',
      /redis.connection.*did you mean `cache`/,
    ],
    [
      'a trigger of another kind',
      'cache: { kind: redis, url: U }',
      '{ postgres: { connection: cache, table: s } }',
      /is of the kind redis; this needs one of the kind postgres/,
    ],
    [
      'a trigger with two',
      'cache: { kind: redis, url: U }',
      '{ redis: { connection: cache, url: U, stream: s } }',
      /`redis` has `connection`, or else `url`/,
    ],
  ] as const)
    it(`are refused with ${what}`, () => assert.match(problemsOf(connections, source), reason));
});
