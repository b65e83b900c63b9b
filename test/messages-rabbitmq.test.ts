import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { systemClock } from '../src/base/clock.ts';
import { connectionByUrl } from '../src/model/connection.ts';
import type { TriggerSource } from '../src/model/trigger.ts';
import { createMessageDrivers } from '../src/sources/messages/message-sources.ts';
import { describeBroker, sendOne } from './broker-cases.ts';
import type { BrokerServer } from './broker-servers.ts';
import { poll } from './process-table.ts';

const urlOf = ({ port }: BrokerServer): string => `amqp://lambent:right-password@127.0.0.1:${port}`;
/** Erlang's own table of names, beside the broker's port: the machine's is left alone. */
const namesPort = (port: number): number => (port > 40_000 ? port - 20_000 : port + 20_000);

type Model = Awaited<ReturnType<typeof connect>>;

async function withModel<T>(server: BrokerServer, act: (model: Model) => Promise<T>): Promise<T> {
  const model = await connect(urlOf(server));
  model.on('error', () => {});
  try {
    return await act(model);
  } finally {
    await model.close();
  }
}

/** As RabbitMQ stores it: four bytes of salt, and SHA-256 over them and the password. */
function userOf(name: string): Record<string, unknown> {
  const salt = Buffer.from('salt');
  const digest = createHash('sha256').update(salt).update('right-password').digest();
  const password_hash = Buffer.concat([salt, digest]).toString('base64');
  return { name, password_hash, hashing_algorithm: 'rabbit_password_hashing_sha256', tags: '' };
}

const DEFINITIONS = {
  vhosts: [{ name: '/' }, { name: 'other' }],
  users: [userOf('lambent'), userOf('narrow')],
  permissions: [
    { user: 'lambent', vhost: '/', configure: '.*', write: '.*', read: '.*' },
    { user: 'narrow', vhost: '/', configure: '^$', write: '^$', read: '^nothing$' },
  ],
};

async function failureOf(url: string, queue: string): Promise<string> {
  const driver = createMessageDrivers(systemClock).find(({ kind }) => kind === 'rabbitmq')!;
  const source = { kind: 'rabbitmq', queue } as TriggerSource;
  const checks = await driver.check({ label: 'BROKER', url, tls: undefined }, [source]);
  const { name, ok, text, fix } = checks.at(-1)!;
  return `${name}: ${ok ? 'ok' : `${text} → ${fix}`}`;
}

let sent = 0;
const DEAD = { deadLetterExchange: '', deadLetterRoutingKey: 'refused' };

await describeBroker({
  name: 'RabbitMQ',
  program: {
    // What Debian has on the PATH runs as another user.
    program: '/usr/lib/rabbitmq/bin/rabbitmq-server',
    debian: 'rabbitmq-server',
    async prepare(folder, port) {
      await mkdir(join(folder, 'plugins'));
      await writeFile(join(folder, 'enabled_plugins'), '[].');
      await writeFile(
        join(folder, 'rabbitmq.conf'),
        `listeners.tcp.default = 127.0.0.1:${port}\nload_definitions = ${join(folder, 'definitions.json')}\n`,
      );
      await writeFile(join(folder, 'definitions.json'), JSON.stringify(DEFINITIONS));
    },
    companion: (port) => ({
      program: 'epmd',
      args: ['-port', String(namesPort(port)), '-address', '127.0.0.1'],
    }),
    args: () => [],
    env: (folder, port) => ({
      HOME: folder,
      ERL_EPMD_PORT: String(namesPort(port)),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `test${port}@localhost`,
      RABBITMQ_DIST_PORT: String(namesPort(port) + 1),
      RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_PID_FILE: join(folder, 'pid'),
      RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
      // The other form of its log wants the machine to have a name.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-syslog protocol rfc5424',
    }),
  },
  url: urlOf,
  manifest: 'rabbitmq: { url: BROKER, queue: live }',
  source: {
    ...{ kind: 'rabbitmq', connection: connectionByUrl('rabbitmq', 'BROKER'), prefetch: 100 },
    queue: 'direct',
  },
  setUp: (server) =>
    withModel(server, async (model) => {
      const channel = await model.createChannel();
      for (const queue of ['live', 'direct', 'refused'])
        await channel.assertQueue(queue, { durable: true, ...(queue === 'direct' ? DEAD : {}) });
    }),
  ready: (server) => withModel(server, async () => {}),
  send: (server, bodies) =>
    withModel(server, async (model) => {
      const channel = await model.createConfirmChannel();
      for (const body of bodies) {
        const queue = body.subarray(0, 4).toString() === '{"k"' ? 'live' : 'direct';
        sent += 1;
        channel.sendToQueue(queue, body, { persistent: true, messageId: `m${sent}` });
      }
      await channel.waitForConfirms();
    }),
  bodyOf: ({ data }) => (typeof data === 'string' ? data : JSON.stringify(data)),
  isNamed: true,
  unacknowledged: (server) =>
    withModel(server, async (model) => (await (await model.createChannel()).checkQueue('live')).messageCount),
  more: {
    async 'are tried: the queue, the rights, and the virtual host'(server) {
      const url = urlOf(server);
      assert.equal(await failureOf(url, 'direct'), 'queue direct: ok');
      assert.match(
        await failureOf(url, 'nowhere'),
        /^queue nowhere: There is no queue .* → Declare it: rabbitmqadmin/,
      );
      assert.match(
        await failureOf(url.replace('lambent', 'narrow'), 'direct'),
        /^queue direct: The user narrow may not read it\. → rabbitmqctl set_permissions -p \/ narrow '\^\$' '\^\$' '\^direct\$'/,
      );
      assert.match(await failureOf(`${url}/other`, 'direct'), /^vhost: .* → Correct the virtual host/);
      assert.match(await failureOf(`${url}/gone`, 'direct'), /^vhost: .* → Correct the virtual host/);
      assert.match(
        await failureOf(url.replace('right-', 'wrong-'), 'direct'),
        /^login: .* refuses the login/,
      );
    },
    async 'are sent to a queue or an exchange, and refused where nobody takes them'(server) {
      const url = urlOf(server);
      await withModel(server, async (model) => {
        const channel = await model.createChannel();
        await channel.assertQueue('sent');
        await channel.bindQueue('sent', 'amq.topic', 'orders.*');
        assert.deepEqual(await sendOne('rabbitmq', url, 'sent'), { id: 'given' });
        await sendOne('rabbitmq', url, 'amq.topic/orders.new');
        for (const routingKey of ['sent', 'orders.new']) {
          const got = await channel.get('sent', { noAck: true });
          assert.ok(got !== false);
          assert.equal(got.content.toString(), '{"sent":true}');
          assert.deepEqual([got.fields.routingKey, got.properties.messageId], [routingKey, 'given']);
          assert.deepEqual(got.properties.headers, { kind: 'test', 'lambent-depth': '3' });
        }
      });
      await assert.rejects(sendOne('rabbitmq', url, 'nowhere'), {
        code: 'E_SEND_FAILED',
        message: /No queue takes/,
      });
      await assert.rejects(sendOne('rabbitmq', url, 'none/at-all'), /NOT_FOUND - no exchange/);
    },
    // The suite sent one of 2 MiB, of which the event has the size alone.
    'that are too large go to the dead letters of the queue, whole': (server) =>
      withModel(server, async (model) => {
        const channel = await model.createChannel();
        await poll(async () => (await channel.checkQueue('refused')).messageCount === 1);
        const dead = await channel.get('refused', { noAck: true });
        assert.ok(dead !== false);
        assert.equal(dead.content.byteLength, 2 * 1024 * 1024);
        assert.equal((await channel.checkQueue('direct')).messageCount, 0);
      }),
  },
});
