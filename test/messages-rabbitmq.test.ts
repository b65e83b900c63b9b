import assert from 'node:assert/strict';
import { connect } from 'amqplib';
import { systemClock } from '../src/base/clock.ts';
import { connectionByUrl } from '../src/model/connection.ts';
import type { TriggerSource } from '../src/model/trigger.ts';
import { createMessageDrivers } from '../src/sources/messages/message-sources.ts';
import { describeBroker, sendOne } from './broker-cases.ts';
import type { BrokerServer } from './broker-servers.ts';
import { rabbitMq, rabbitUser } from './rabbitmq-program.ts';
import { poll } from './process-table.ts';

const urlOf = ({ port }: BrokerServer): string => `amqp://lambent:right-password@127.0.0.1:${port}`;
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

const DEFINITIONS = {
  vhosts: [{ name: '/' }, { name: 'other' }],
  users: [rabbitUser('lambent'), rabbitUser('narrow')],
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
  program: rabbitMq({
    definitions: DEFINITIONS,
    config: (_, port) => `listeners.tcp.default = 127.0.0.1:${port}`,
  }),
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
