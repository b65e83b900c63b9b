import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectRedis, type RedisConnection } from '../src/sources/messages/redis-client.ts';
import { type BrokerProgram, BrokerServer, missing } from './broker-servers.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** What functions send through connections, in each language, and that a circle through a broker has an end. */

const redisProgram: BrokerProgram = {
  program: 'redis-server',
  debian: 'redis-server',
  args: (folder, port) => [
    ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''],
    ...['--requirepass', 'right-password'],
  ],
};
const skip = await missing(redisProgram);

describe('send', { timeout: 60_000, skip }, () => {
  let redis: BrokerServer;
  let lambent: TestPlatform;
  let client: RedisConnection;

  before(async () => {
    redis = await BrokerServer.start(redisProgram);
    const url = `redis://:right-password@127.0.0.1:${redis.port}`;
    client = await connectRedis({ label: '', url, tls: undefined }, 'test');
    lambent = await startTestPlatform(
      {
        shop: {
          'lambent.yaml': `
app: shop
env: { ADDRESS: "${url}", NOWHERE: "redis://127.0.0.1:1" }
connections:
  cache: { kind: redis, url: ADDRESS }
  away: { kind: redis, url: NOWHERE }
  table: { kind: postgres, url: ADDRESS }
functions:
  node: { entry: node.js, connections: [cache, away, table] }
  python: { entry: python.py, connections: [cache] }
  stranger: { entry: node.js }
  careless: { entry: careless.js, connections: [away] }
  circle:
    entry: circle.js
    connections: [cache]
    on: [redis: { connection: cache, stream: circle }]
`,
          'node.js': `import { send } from 'lambent';
export const handler = async ({ connection, stream, message, bytes, options }) => {
  try { return await send(connection, stream, bytes ? Uint8Array.from(bytes) : message, options); }
  catch (error) { return error.code + ': ' + error.message; }
};`,
          'careless.js': `import { send } from 'lambent';
export const handler = async () => {
  await send('away', 'events', 1);
};`,
          'python.py': `from lambent import send_async
async def handler(event, context):
    return [await send_async("cache", "python", {"n": 12345678901234567890}), await send_async("cache", "python", b"\\xff", headers={"a": "b"})]
`,
          'circle.js': `import { send } from 'lambent';
export const handler = async (event) => { await send('cache', 'circle', { round: String(Number(event.data.round) + 1) }); };`,
        },
      },
      { link: [] },
    );
  });
  after(async () => {
    await lambent?.close();
    client?.close();
    await redis?.remove();
  });

  const call = async (name: string, event: unknown): Promise<unknown> => {
    const { json } = await lambent.api('POST', `/apps/shop/functions/${name}/invocations`, event);
    return (json as { result: unknown }).result ?? json;
  };
  it('that fails names the line of the author who sent', async () => {
    const { error } = (await call('careless', {})) as { error: { stackTrace: string[] } };
    assert.deepEqual(
      error.stackTrace.map((line) => line.replace(/:\d+\)$/, ')')),
      ['at handler (careless.js:3)'],
    );
  });

  /** The fields of a stream's entries, in order. */
  const entriesOf = async (stream: string): Promise<string[][]> => {
    const reply = (await client.send('XRANGE', stream, '-', '+')) as unknown as [Buffer, Buffer[]][];
    return reply.map(([, fields]) => fields.map((field) => field.toString('latin1')));
  };

  it('gives a message to the broker, which has it when the call returns', async () => {
    const answer = (await call('node', {
      ...{ connection: 'cache', stream: 'node', message: { a: 1, b: 'two' } },
      options: { headers: { kind: 'test' } },
    })) as { id: string };
    assert.match(answer.id, /^\d+-\d+$/);
    await call('node', { connection: 'cache', stream: 'node', message: 'plain' });
    await call('node', { connection: 'cache', stream: 'node', bytes: [255, 0] });
    const [first, second, third] = await entriesOf('node');
    assert.deepEqual(first?.slice(0, 6), ['a', '1', 'b', 'two', 'kind', 'test']);
    assert.deepEqual(first?.slice(-2), ['lambent-depth', '1']);
    assert.deepEqual(second?.slice(0, 2), ['body', 'plain']);
    assert.deepEqual(third?.slice(0, 2), ['body', '\xff\x00']);
  });

  it('takes `qos` for MQTT alone', async () => {
    const sent = (qos: unknown): Promise<unknown> =>
      call('node', { ...{ connection: 'cache', stream: 'node', message: 'x' }, options: { qos } });
    assert.match(String(await sent(2)), /is of the kind redis; only mqtt has `qos`/);
    assert.match(String(await sent(0)), /`qos` is 1 or 2/);
  });

  it('is there in Python', async () => {
    const ids = (await call('python', {})) as string[];
    assert.equal(ids.length, 2, JSON.stringify(ids));
    const [first, second] = await entriesOf('python');
    assert.deepEqual(second?.slice(0, 4), ['body', '\xff', 'a', 'b']);
    assert.deepEqual(first?.slice(0, 2), ['n', '12345678901234567890']);
  });

  for (const [what, name, event, expected] of [
    ['a connection that is not named', 'stranger', { connection: 'cache' }, /^E_CONNECTION_NOT_NAMED: /],
    ['one that does not exist', 'node', { connection: 'none' }, /^E_CONNECTION_NOT_NAMED: /],
    ['one that takes no messages', 'node', { connection: 'table' }, /^E_BAD_REQUEST: .*takes no messages/],
    ['a broker that is away', 'node', { connection: 'away' }, /^E_SEND_FAILED: Nothing listens/],
    [
      'a header of ours',
      'node',
      { connection: 'cache', options: { headers: { 'lambent-depth': '0' } } },
      /^E_BAD_REQUEST: /,
    ],
    [
      'a destination that is none',
      'node',
      { connection: 'cache', stream: '' },
      /^E_BAD_REQUEST: The destination/,
    ],
  ] as const)
    it(`refuses ${what}`, async () =>
      assert.match(String(await call(name, { stream: 'x', message: 'm', ...event })), expected));

  it('is said of a connection, which is tried with what its senders know', async () => {
    const { json } = await lambent.api('GET', '/connections');
    const { items } = json as { items: { name: string; functions: string[]; triggers: string[] }[] };
    const cache = items.find(({ name }) => name === 'cache');
    assert.deepEqual(cache?.functions.toSorted(), ['circle', 'node', 'python']);
    assert.deepEqual(cache?.triggers, ['circle-redis']);
    const report = (await lambent.api('POST', '/apps/shop/connections/away/test')).json;
    assert.deepEqual(
      (report as { checks: { name: string; ok: boolean }[] }).checks.map(({ name, ok }) => [name, ok]),
      [
        ['secrets', true],
        ['reach', false],
      ],
    );
  });

  it('ends a circle through the broker', async () => {
    await client.send('XADD', 'circle', '*', 'round', '0');
    // What came from outside and 16 more are told; the next is there, and the trigger passes over it.
    await poll(async () => {
      const { json } = await lambent.api('GET', '/triggers');
      const [trigger] = (json as { items: { owed: number; delivered: number }[] }).items;
      return trigger!.owed === 0 && trigger!.delivered === 17;
    });
    await client.send('XADD', 'circle', '*', 'round', '100', 'lambent-depth', '16');
    await poll(async () => (await entriesOf('circle')).some(([, round]) => round === '101'));
    const rounds = (await entriesOf('circle')).map(([, round]) => Number(round));
    assert.deepEqual(rounds, [...Array.from({ length: 18 }, (_, at) => at), 100, 101]);
  });
});
