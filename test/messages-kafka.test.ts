/** Against Apache Kafka itself. */
import assert from 'node:assert/strict';
import { Consumer, type MessageToProduce, Producer } from '@platformatic/kafka';
import { systemClock } from '../src/base/clock.ts';
import { LambentError } from '../src/base/errors.ts';
import { connectionByUrl } from '../src/model/connection.ts';
import type { KafkaSource } from '../src/model/message-source.ts';
import type { TriggerSource } from '../src/model/trigger.ts';
import { createMessageDrivers } from '../src/sources/messages/message-sources.ts';
import { describeBroker, openSource, sendOne } from './broker-cases.ts';
import type { BrokerServer } from './broker-servers.ts';
import {
  KAFKA,
  KAFKA_PASSWORD,
  kafkaClientOptions,
  kafkaTls,
  kafkaUnavailable,
  kafkaUrl,
  makeTopic,
  produce,
  withAdmin,
} from './kafka-server.ts';
import { poll } from './process-table.ts';

const BASE: KafkaSource = {
  ...{ kind: 'kafka', connection: connectionByUrl('kafka', 'BROKER'), prefetch: 100 },
  ...{ topic: 'direct', group: undefined, from: 'all' },
};

await describeBroker({
  name: 'Kafka',
  unavailable: kafkaUnavailable,
  program: KAFKA,
  url: kafkaUrl,
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
    const consumer = new Consumer({ ...kafkaClientOptions(server), groupId: 'lambent-shop-live' });
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
      const { source, events } = openSource({ ...BASE, topic: 'rich' }, kafkaUrl(server));
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
        ...{ ...kafkaClientOptions(server), retries: 100 },
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
      const { source, events } = openSource({ ...BASE, topic: 'packed' }, kafkaUrl(server));
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
      const first = openSource(settings, kafkaUrl(server));
      await poll(async () => first.source.status().trouble === undefined);
      await first.source.close();
      await send(2);
      // The group is gone, as after a week without a reader, and only what is stored knows where it was.
      await withAdmin(server, (admin) => admin.deleteGroups({ groups: ['lambent-shop-direct'] }));
      const second = openSource(settings, kafkaUrl(server), undefined, first.position());
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
      const first = openSource(settings, kafkaUrl(server));
      await poll(async () => first.events.length === 1);
      await first.source.close();
      await send(2);
      await send(3);
      await withAdmin(server, (admin) =>
        admin.deleteRecords({ topics: [{ name: 'short', partitions: [{ partition: 0, offset: 2n }] }] }),
      );
      const second = openSource(settings, kafkaUrl(server));
      await poll(async () => second.events.length === 1);
      await second.source.close();
      assert.deepEqual(second.events[0]!.data, { n: 3 });
      assert.match(second.errors.join(), /deleted messages before they were read/);
    },
    async 'are shared by the members of a group, of which one goes'(server) {
      await makeTopic(server, 'shared', 4);
      const settings: KafkaSource = { ...BASE, topic: 'shared', group: 'several' };
      const open = () => openSource(settings, kafkaUrl(server));
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
      const { source, events } = openSource(settings, kafkaUrl(server), async (given) => {
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
      const { source, events } = openSource(settings, kafkaUrl(server), async (given) => {
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
      const [one, other] = [openSource(BASE, kafkaUrl(server)), openSource(BASE, kafkaUrl(server))];
      await poll(async () =>
        [one, other].some(({ source }) => /Another reader/.test(source.status().trouble ?? '')),
      );
      await Promise.all([one.source.close(), other.source.close()]);
    },
    async 'are sent, with a key and without, and refused where there is no topic'(server) {
      await makeTopic(server, 'sent');
      const { source, events } = openSource({ ...BASE, topic: 'sent' }, kafkaUrl(server));
      assert.deepEqual(await sendOne('kafka', kafkaUrl(server), 'sent'), { id: 'sent/0/0' });
      assert.deepEqual(await sendOne('kafka', kafkaUrl(server), 'sent/a/b'), { id: 'sent/0/1' });
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
      await assert.rejects(sendOne('kafka', kafkaUrl(server), 'nowhere'), {
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
      const url = kafkaUrl(server);
      assert.equal(await lastOf(url), 'topic direct: ok');
      assert.match(
        await lastOf(url, 'nowhere'),
        /^topic nowhere: There is no topic nowhere.* → Make it: kafka/,
      );
      assert.match(
        await lastOf(url.replace(KAFKA_PASSWORD, 'wrong')),
        /^login: The broker refuses the login/,
      );
      const scrambled = url.replace('lambent:', 'scrambled:');
      assert.equal(await lastOf(`${scrambled}?sasl=scram-sha-256`), 'topic direct: ok');
      assert.match(await lastOf(`${scrambled}?sasl=scram-sha-512`), /^login: .* → Name another `sasl`/);
      assert.match(await lastOf(`${scrambled}?sasl=magic`), /^login: .* → Use one of plain, scram-sha-256/);
      const encrypted = url.replace(/:\d+$/, `:${kafkaTls(server).port}`);
      assert.equal(await lastOf(encrypted, 'direct', kafkaTls(server).pem), 'topic direct: ok');
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
