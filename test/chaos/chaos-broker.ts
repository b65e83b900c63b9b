/** Brokers whose messages run functions, and that are killed as well. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { Producer } from '@platformatic/kafka';
import { createClient } from '@redis/client';
import { connect as connectRabbit } from 'amqplib';
import { systemClock } from '../../src/base/clock.ts';
import { openMqttSender } from '../../src/sources/messages/mqtt-sender.ts';
import { type BrokerProgram, BrokerServer, mosquitto, NATS, REDIS } from '../broker-servers.ts';
import { KAFKA, kafkaClientOptions, kafkaUrl, makeTopic } from '../kafka-server.ts';
import { poll } from '../process-table.ts';
import { rabbitMq, rabbitUser } from '../rabbitmq-program.ts';
import type { ChaosService, ChaosWriter } from './chaos-service.ts';
import type { Acknowledged } from './ledger.ts';

const LOGIN = 'lambent:right-password';

export const MOSQUITTO = mosquitto(async () => ['allow_anonymous true']);
export const RABBITMQ = rabbitMq({
  definitions: {
    ...{ vhosts: [{ name: '/' }], users: [rabbitUser('lambent')] },
    permissions: [{ user: 'lambent', vhost: '/', configure: '.*', write: '.*', read: '.*' }],
  },
  config: (_, port) => `listeners.tcp.default = 127.0.0.1:${port}`,
});

interface Broker {
  readonly name: string;
  readonly program: BrokerProgram;
  readonly url: (server: BrokerServer) => string;
  /** Without its address. */
  readonly trigger: string;
  /** What the function sees; as it was sent unless said otherwise. */
  readonly row?: string;
  /** What must be there before the trigger reads. Tried again until the server takes it. */
  readonly setUp?: (server: BrokerServer) => Promise<unknown>;
  readonly writer: (server: BrokerServer) => Promise<ChaosWriter>;
  /** How it is killed, unless at once. */
  readonly signal?: 'SIGTERM';
}

async function brokerService(broker: Broker): Promise<ChaosService> {
  const { name, program, trigger, row = 'event.data', setUp, signal } = broker;
  const server = await BrokerServer.start(program);
  if (setUp !== undefined)
    await poll(() =>
      setUp(server).then(
        () => true,
        () => false,
      ),
    );
  return {
    ...{ name, url: broker.url(server), existing: [], row, key: 'data.name' },
    trigger: trigger.replace('{', '{ url: DB,'),
    writer: () => broker.writer(server),
    kill: () => server.kill(signal),
    open: () => server.open(),
    remove: () => server.remove(),
  };
}

const jsonOf = ({ id, key, place }: Acknowledged): string => JSON.stringify({ id, name: key, place });

export const redisService = (): Promise<ChaosService> => {
  const url = ({ port }: BrokerServer) => `redis://:right-password@127.0.0.1:${port}/0`;
  return brokerService({
    ...{ name: 'redis', program: REDIS, url, trigger: 'redis: { stream: changes, from: all }' },
    row: '{ ...event.data, place: Number(event.data.place) }',
    async writer(server) {
      const client = createClient({ url: url(server), socket: { reconnectStrategy: false } });
      client.on('error', () => {});
      await client.connect();
      return {
        async write({ id, key, place }) {
          await client.sendCommand(['XADD', 'changes', '*', 'id', id, 'name', key, 'place', String(place)]);
        },
        end: async () => client.destroy(),
      };
    },
  });
};

export const natsService = (): Promise<ChaosService> => {
  const connect = ({ port }: BrokerServer) =>
    connectNats({
      servers: `127.0.0.1:${port}`,
      ...{ reconnect: false, user: 'lambent', pass: 'right-password' },
    });
  return brokerService({
    ...{ name: 'nats', program: NATS, url: ({ port }) => `nats://${LOGIN}@127.0.0.1:${port}` },
    trigger: 'nats: { stream: changes }',
    // What comes again comes at a time of its own: there is no order to promise.
    row: '{ ...event.data, place: 0 }',
    async setUp(server) {
      const nats = await connect(server);
      await (await jetstreamManager(nats)).streams.add({ name: 'changes', subjects: ['changes.*'] });
      await nats.close();
    },
    async writer(server) {
      const nats = await connect(server);
      return {
        async write(entry) {
          await jetstream(nats).publish('changes.row', jsonOf(entry));
        },
        end: () => nats.close(),
      };
    },
  });
};

/** Mosquitto confirms before it has written, so that of a kill it knows beforehand. */
export const mqttService = (): Promise<ChaosService> => {
  const url = ({ port }: BrokerServer) => `mqtt://127.0.0.1:${port}`;
  return brokerService({
    ...{ name: 'mqtt', program: MOSQUITTO, url, signal: 'SIGTERM' },
    trigger: 'mqtt: { topic: changes }',
    async writer(server) {
      const sender = await openMqttSender({ label: '', url: url(server), tls: undefined }, systemClock);
      sender.lost.catch(() => {});
      return {
        async write(entry) {
          await sender.send({
            ...{ destination: 'changes', id: entry.id, body: Buffer.from(jsonOf(entry)) },
            ...{ contentType: 'application/json', headers: {}, depth: 0 },
          });
        },
        end: async () => sender.close(),
      };
    },
  });
};

export const rabbitMqService = (): Promise<ChaosService> => {
  const url = ({ port }: BrokerServer) => `amqp://${LOGIN}@127.0.0.1:${port}`;
  const open = async (server: BrokerServer) => {
    const model = await connectRabbit(url(server));
    model.on('error', () => {});
    return model;
  };
  return brokerService({
    ...{ name: 'rabbitmq', program: RABBITMQ, url, trigger: 'rabbitmq: { queue: changes }' },
    async setUp(server) {
      const model = await open(server);
      await (await model.createChannel()).assertQueue('changes', { durable: true });
      await model.close();
    },
    async writer(server) {
      const model = await open(server);
      const channel = await model.createConfirmChannel();
      channel.on('error', () => {});
      return {
        async write(entry) {
          channel.sendToQueue('changes', Buffer.from(jsonOf(entry)), {
            ...{ persistent: true, messageId: entry.id },
          });
          await channel.waitForConfirms();
        },
        end: () => model.close(),
      };
    },
  });
};

export const kafkaService = (): Promise<ChaosService> =>
  brokerService({
    ...{ name: 'kafka', program: KAFKA, url: kafkaUrl, trigger: 'kafka: { topic: changes }' },
    setUp: (server) => makeTopic(server, 'changes', 3),
    async writer(server) {
      const producer = new Producer({ ...kafkaClientOptions(server), idempotent: true, retries: 0 });
      return {
        async write(entry) {
          const message = {
            topic: 'changes',
            key: Buffer.from(entry.key),
            value: Buffer.from(jsonOf(entry)),
          };
          await producer.send({ messages: [message], acks: -1 });
        },
        end: () => producer.close(),
      };
    },
  });
