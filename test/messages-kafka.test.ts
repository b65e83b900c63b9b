import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Admin, Consumer, type MessageToProduce, Producer } from '@platformatic/kafka';
import { systemClock } from '../src/base/clock.ts';
import { LambentError } from '../src/base/errors.ts';
import { connectionByUrl } from '../src/model/connection.ts';
import type { KafkaSource } from '../src/model/message-source.ts';
import type { TriggerSource } from '../src/model/trigger.ts';
import { kafkaOptions } from '../src/sources/messages/kafka-client.ts';
import { createMessageDrivers } from '../src/sources/messages/message-sources.ts';
import { describeBroker, openSource, sendOne } from './broker-cases.ts';
import { type BrokerServer, freePort } from './broker-servers.ts';
import { javaServer } from './java-program.ts';
import { poll } from './process-table.ts';
import { makeCertificate, type TestCertificate } from './test-certificate.ts';

/** Against Apache Kafka itself: one broker that is its own controller. */

const java = await javaServer('kafka');
const classPath = 'classPath' in java ? java.classPath : '';
const JAVA = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xlog:disable', '-cp', classPath];
const PASSWORD = 'right-password';

let certificate: TestCertificate;
let tlsPort = 0;

const urlOf = ({ port }: BrokerServer): string => `kafka://lambent:${PASSWORD}@127.0.0.1:${port}`;
const optionsOf = (server: BrokerServer) =>
  kafkaOptions({ label: '', url: urlOf(server), tls: undefined }, 'test');

async function prepare(folder: string, port: number): Promise<void> {
  const controller = await freePort();
  tlsPort = await freePort();
  certificate = await makeCertificate(folder);
  const pem = join(folder, 'both.pem');
  await writeFile(pem, (await readFile(certificate.keyFile, 'utf8')) + certificate.pem);
  const login = 'org.apache.kafka.common.security';
  const plain = `${login}.plain.PlainLoginModule required username="lambent" password="${PASSWORD}" user_lambent="${PASSWORD}";`;
  const logins = Object.fromEntries(
    ['sasl_plaintext', 'sasl_ssl'].flatMap((listener) => [
      [`listener.name.${listener}.plain.sasl.jaas.config`, plain],
      [
        `listener.name.${listener}.scram-sha-256.sasl.jaas.config`,
        `${login}.scram.ScramLoginModule required;`,
      ],
    ]),
  );
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `SASL_PLAINTEXT://127.0.0.1:${port},SASL_SSL://127.0.0.1:${tlsPort},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `SASL_PLAINTEXT://127.0.0.1:${port},SASL_SSL://127.0.0.1:${tlsPort}`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': pem,
    'inter.broker.listener.name': 'SASL_PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    ...logins,
    'log.dirs': join(folder, 'data'),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    // What was acknowledged outlives the machine's crash as well.
    'log.flush.interval.messages': '1',
    'message.max.bytes': String(4 * 1024 * 1024),
  };
  const file = join(folder, 'kafka.properties');
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(file, lines.join(''));
  const cluster = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
  const user = `SCRAM-SHA-256=[name=scrambled,password=${PASSWORD}]`;
  const format = ['kafka.tools.StorageTool', 'format', '-t', cluster, '-c', file, '--add-scram', user];
  await promisify(execFile)('java', [...JAVA, ...format]);
}

async function withAdmin<T>(server: BrokerServer, act: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin(optionsOf(server));
  try {
    return await act(admin);
  } finally {
    await admin.close();
  }
}

async function produce(
  server: BrokerServer,
  messages: readonly MessageToProduce<Buffer, Buffer, Buffer, Buffer>[],
  compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' = 'none',
): Promise<void> {
  const producer = new Producer({ ...optionsOf(server), idempotent: true });
  try {
    await producer.send({ messages: [...messages], acks: -1, compression });
  } finally {
    await producer.close();
  }
}

const makeTopic = (server: BrokerServer, name: string, partitions = 1): Promise<unknown> =>
  withAdmin(server, (admin) => admin.createTopics({ topics: [name], partitions, replicas: 1 }));

const BASE: KafkaSource = {
  ...{ kind: 'kafka', connection: connectionByUrl('kafka', 'BROKER'), prefetch: 100 },
  ...{ topic: 'direct', group: undefined, from: 'all' },
};

await describeBroker({
  name: 'Kafka',
  unavailable: 'missing' in java && java.missing,
  program: {
    program: 'java',
    debian: 'default-jre-headless',
    args: (folder) => [...JAVA, 'kafka.Kafka', join(folder, 'kafka.properties')],
    prepare,
  },
  isSpared: true,
  url: urlOf,
  manifest: 'kafka: { url: BROKER, topic: live }',
  source: BASE,
  setUp: async (server) => {
    await makeTopic(server, 'direct');
    await makeTopic(server, 'live', 3);
  },
  ready: (server) => withAdmin(server, (admin) => admin.metadata({ topics: [] })),
  async send(server, bodies) {
    const topic = bodies.some((body) => body.subarray(0, 4).toString() === '{"k"') ? 'live' : 'direct';
    await produce(
      server,
      bodies.map((value) => ({ topic, value })),
    );
  },
  bodyOf: ({ data }) => (typeof data === 'string' ? data : JSON.stringify(data)),
  isNamed: true,
  async unacknowledged(server) {
    const consumer = new Consumer({ ...optionsOf(server), groupId: 'lambent-shop-live' });
    try {
      const [last, committed] = await Promise.all([
        consumer.listOffsets({ topics: ['live'] }),
        consumer.listCommittedOffsets({ topics: [{ topic: 'live', partitions: [0, 1, 2] }] }),
      ]);
      const behind = last.get('live')!.map((end, at) => end - committed.get('live')![at]!);
      return Number(behind.reduce((sum, lag) => sum + lag, 0n));
    } finally {
      await consumer.close();
    }
  },
  more: {
    async 'have key, headers, time and place'(server) {
      await makeTopic(server, 'rich');
      const bytes = (text: string) => Buffer.from(text);
      await produce(server, [
        {
          ...{
            topic: 'rich',
            key: bytes('customer-7'),
            value: bytes('{"n":1}'),
            timestamp: 1_700_000_000_000n,
          },
          headers: new Map([
            [bytes('kind'), bytes('test')],
            [bytes('raw'), Buffer.of(0xff)],
          ]),
        },
        { topic: 'rich', key: Buffer.of(0xff), value: bytes('plain') },
        { topic: 'rich', key: bytes('customer-7') } as MessageToProduce<Buffer, Buffer, Buffer, Buffer>,
      ]);
      const { source, events } = openSource({ ...BASE, topic: 'rich' }, urlOf(server));
      await poll(async () => events.length === 3);
      await source.close();
      assert.match(events[0]!.id, /^rich@[\w-]+\/0\/0$/);
      assert.deepEqual(
        events.map(({ subject, partitionkey, data, messageheaders }) => [
          subject,
          partitionkey,
          data,
          messageheaders,
        ]),
        [
          ['rich', 'customer-7', { n: 1 }, '{"kind":"test","raw":"/w=="}'],
          ['rich', '/w==', 'plain', undefined],
          ['rich', 'customer-7', undefined, undefined],
        ],
      );
      assert.equal(events[0]!.time, '2023-11-14T22:13:20.000Z');
    },
    async 'come compressed in every way, and from transactions that were committed'(server) {
      await makeTopic(server, 'packed');
      const sent: string[] = [];
      const packedOf = (text: string) => {
        sent.push(text);
        return { topic: 'packed', value: Buffer.from(JSON.stringify(text.repeat(50))) };
      };
      const producer = new Producer({
        // The server makes its log of transactions first.
        ...{ ...optionsOf(server), retries: 100 },
        ...{ transactionalId: 'packing', idempotent: true },
      });
      try {
        for (const [text, isKept] of [
          ['aborted', false],
          ['committed', true],
        ] as const) {
          const transaction = await producer.beginTransaction();
          await transaction.send({ messages: [packedOf(text)] });
          await (isKept ? transaction.commit() : transaction.abort());
        }
      } finally {
        await producer.close();
      }
      for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const)
        await produce(server, [packedOf(compression), packedOf(`${compression} too`)], compression);
      const { source, events } = openSource({ ...BASE, topic: 'packed' }, urlOf(server));
      const wanted = sent.slice(1).map((text) => text.repeat(50));
      await poll(async () => events.length >= wanted.length);
      await source.close();
      assert.deepEqual(
        events.map(({ data }) => data),
        wanted,
      );
      assert.deepEqual(source.status().trouble, undefined);
    },
    async 'begin with what comes, and go on behind what is stored'(server) {
      await makeTopic(server, 'late', 2);
      const settings: KafkaSource = { ...BASE, topic: 'late', from: 'new' };
      const send = (n: number) => produce(server, [{ topic: 'late', value: Buffer.from(`{"n":${n}}`) }]);
      await send(1);
      const first = openSource(settings, urlOf(server));
      await poll(async () => first.source.status().trouble === undefined);
      await first.source.close();
      await send(2);
      // The group is gone, as after a week without a reader, and only what is stored knows where it was.
      await withAdmin(server, (admin) => admin.deleteGroups({ groups: ['lambent-shop-direct'] }));
      const second = openSource(settings, urlOf(server), undefined, first.position());
      await poll(async () => second.events.length > 0);
      // Partitions that come later are read from their beginning.
      await withAdmin(server, (admin) =>
        admin.createPartitions({ topics: [{ name: 'late', count: 3, assignments: [{ brokerIds: [1] }] }] }),
      );
      await produce(server, [{ topic: 'late', partition: 2, value: Buffer.from('{"n":3}') }]);
      await poll(async () => second.events.length > 1);
      await second.source.close();
      assert.deepEqual(
        second.events.map(({ data }) => data),
        [{ n: 2 }, { n: 3 }],
      );
      assert.match(second.position()!, /\/late@[\w-]+\/\d+,\d+,1$/);
    },
    async 'that Kafka deleted before they were read are missed, and that is said'(server) {
      await makeTopic(server, 'short');
      const settings: KafkaSource = { ...BASE, topic: 'short' };
      const send = (n: number) => produce(server, [{ topic: 'short', value: Buffer.from(`{"n":${n}}`) }]);
      await send(1);
      const first = openSource(settings, urlOf(server));
      await poll(async () => first.events.length === 1);
      await first.source.close();
      await send(2);
      await send(3);
      await withAdmin(server, (admin) =>
        admin.deleteRecords({ topics: [{ name: 'short', partitions: [{ partition: 0, offset: 2n }] }] }),
      );
      const second = openSource(settings, urlOf(server));
      await poll(async () => second.events.length === 1);
      await second.source.close();
      assert.deepEqual(second.events[0]!.data, { n: 3 });
      assert.match(second.errors.join(), /deleted messages before they were read/);
    },
    async 'are shared by the members of a group, of which one goes'(server) {
      await makeTopic(server, 'shared', 4);
      const settings: KafkaSource = { ...BASE, topic: 'shared', group: 'several' };
      const open = () => openSource(settings, urlOf(server));
      const [one, other] = [open(), open()];
      const seen = () =>
        new Set([...one.events, ...other.events].map(({ data }) => (data as { n: number }).n));
      const send = (first: number) =>
        produce(
          server,
          Array.from({ length: 40 }, (_, at) => ({
            ...{ topic: 'shared', partition: at % 4, value: Buffer.from(`{"n":${first + at}}`) },
          })),
        );
      // Both have a share once what is sent reaches both.
      let sent = 0;
      await poll(async () => {
        await send(sent);
        sent += 40;
        return one.events.length > 0 && other.events.length > 0;
      });
      await other.source.close();
      await send(sent);
      sent += 40;
      await poll(async () => seen().size === sent);
      await one.source.close();
    },
    async 'wait while they cannot be stored, and the member keeps its place'(server) {
      await makeTopic(server, 'full');
      let tries = 0;
      const settings: KafkaSource = { ...BASE, topic: 'full', group: 'patient', prefetch: 2 };
      const { source, events } = openSource(settings, urlOf(server), async (given) => {
        tries += 1;
        if (given.length > 0 && tries < 5) throw new LambentError('E_OVERLOADED', 'full');
      });
      await poll(async () => source.status().trouble === undefined);
      const generation = await generationOf(server, 'patient');
      await produce(
        server,
        Array.from({ length: 5 }, (_, n) => ({ topic: 'full', value: Buffer.from(`{"n":${n}}`) })),
      );
      await poll(async () => /full/.test(source.status().trouble ?? ''));
      await poll(async () => events.length === 5);
      assert.equal(source.status().trouble, undefined);
      assert.deepEqual(await generationOf(server, 'patient'), generation);
      await source.close();
    },
    async 'that were stored when Kafka died before their offset was committed are the same events'(server) {
      let died: Promise<void> | undefined;
      await makeTopic(server, 'dying');
      const settings: KafkaSource = { ...BASE, topic: 'dying' };
      const { source, events } = openSource(settings, urlOf(server), async (given) => {
        if (given.length > 0) died ??= server.kill();
        await died;
      });
      await produce(server, [{ topic: 'dying', value: Buffer.from('{"n":1}') }]);
      await poll(async () => events.length === 1);
      await server.open();
      await poll(async () => events.length === 2);
      await source.close();
      assert.equal(events[0]!.id, events[1]!.id);
      assert.equal(events[0]!.source, events[1]!.source);
    },
    async 'of another reader of the same place are told apart from a failure'(server) {
      const [one, other] = [openSource(BASE, urlOf(server)), openSource(BASE, urlOf(server))];
      await poll(async () =>
        [one, other].some(({ source }) => /Another reader/.test(source.status().trouble ?? '')),
      );
      await Promise.all([one.source.close(), other.source.close()]);
    },
    async 'are sent, with a key and without, and refused where there is no topic'(server) {
      await makeTopic(server, 'sent');
      const { source, events } = openSource({ ...BASE, topic: 'sent' }, urlOf(server));
      assert.deepEqual(await sendOne('kafka', urlOf(server), 'sent'), { id: 'sent/0/0' });
      assert.deepEqual(await sendOne('kafka', urlOf(server), 'sent/a/b'), { id: 'sent/0/1' });
      await poll(async () => events.length === 2);
      await source.close();
      assert.deepEqual(
        events.map(({ partitionkey, data }) => [partitionkey, data]),
        [
          [undefined, { sent: true }],
          ['a/b', { sent: true }],
        ],
      );
      const headers = JSON.parse(String(events[0]!.messageheaders)) as Record<string, string>;
      assert.deepEqual(
        [headers.kind, headers['lambent-depth'], headers['message-id']],
        ['test', '3', 'given'],
      );
      await assert.rejects(sendOne('kafka', urlOf(server), 'nowhere'), {
        code: 'E_SEND_FAILED',
        message: /no topic nowhere/,
      });
    },
    async 'are tried: login, brokers, topic, TLS'(server) {
      const driver = createMessageDrivers(systemClock).find(({ kind }) => kind === 'kafka')!;
      const lastOf = async (url: string, topic = 'direct', ca?: string): Promise<string> => {
        const source = { ...BASE, topic, group: 'tried' } as TriggerSource;
        const tls = ca === undefined ? undefined : { ca, rejectUnauthorized: true };
        const { name, ok, text, fix } = (await driver.check({ label: '', url, tls }, [source])).at(-1)!;
        return `${name}: ${ok ? 'ok' : `${text} → ${fix}`}`;
      };
      const url = urlOf(server);
      assert.equal(await lastOf(url), 'topic direct: ok');
      assert.match(
        await lastOf(url, 'nowhere'),
        /^topic nowhere: There is no topic nowhere.* → Make it: kafka/,
      );
      assert.match(await lastOf(url.replace(PASSWORD, 'wrong')), /^login: The broker refuses the login/);
      const scrambled = url.replace('lambent:', 'scrambled:');
      assert.equal(await lastOf(`${scrambled}?sasl=scram-sha-256`), 'topic direct: ok');
      assert.match(await lastOf(`${scrambled}?sasl=scram-sha-512`), /^login: .* → Name another `sasl`/);
      assert.match(await lastOf(`${scrambled}?sasl=magic`), /^login: .* → Use one of plain, scram-sha-256/);
      const encrypted = url.replace(/:\d+$/, `:${tlsPort}`);
      assert.equal(await lastOf(encrypted, 'direct', certificate.pem), 'topic direct: ok');
      assert.match(
        await lastOf(encrypted.replace('kafka:', 'kafkas:')),
        /^tls: The broker’s TLS does not hold/,
      );
      // Of several brokers in an address one is enough.
      const first = url.replace(/:\d+$/, ':1');
      assert.equal(await lastOf(`${first}?brokers=127.0.0.1:${server.port}`), 'topic direct: ok');
    },
  },
});

async function generationOf(server: BrokerServer, group: string): Promise<unknown> {
  const groups = await withAdmin(server, (admin) => admin.describeGroups({ groups: [group] }));
  return [...groups.get(group)!.members.keys()];
}
