import assert from 'node:assert/strict';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { systemClock } from '../src/base/clock.ts';
import { connectionByUrl } from '../src/model/connection.ts';
import type { NatsSource } from '../src/model/message-source.ts';
import type { TriggerSource } from '../src/model/trigger.ts';
import { createMessageDrivers } from '../src/sources/messages/message-sources.ts';
import { describeBroker, openSource, sendOne } from './broker-cases.ts';
import { type BrokerServer, NATS } from './broker-servers.ts';
import { poll } from './process-table.ts';

const urlOf = ({ port }: BrokerServer): string => `nats://lambent:right-password@127.0.0.1:${port}`;

async function withNats<T>(server: BrokerServer, act: (nats: NatsConnection) => Promise<T>): Promise<T> {
  const login = { user: 'lambent', pass: 'right-password' };
  const nats = await connect({ servers: `127.0.0.1:${server.port}`, reconnect: false, ...login });
  try {
    return await act(nats);
  } finally {
    await nats.close();
  }
}

const BASE: Omit<NatsSource, 'stream' | 'subject'> = {
  ...{ kind: 'nats', connection: connectionByUrl('nats', 'BROKER'), prefetch: 100, from: 'all' },
  ...{ consumer: undefined, queue: undefined },
};

await describeBroker({
  name: 'NATS JetStream',
  program: NATS,
  url: urlOf,
  manifest: 'nats: { url: BROKER, stream: live }',
  source: { ...BASE, stream: 'direct', subject: undefined },
  setUp: (server) =>
    withNats(server, async (nats) => {
      const manager = await jetstreamManager(nats);
      for (const name of ['live', 'direct']) await manager.streams.add({ name, subjects: [`${name}.>`] });
    }),
  ready: (server) => withNats(server, async (nats) => (await jetstreamManager(nats)).getAccountInfo()),
  send: (server, bodies) =>
    withNats(server, async (nats) => {
      for (const body of bodies) {
        const stream = body.subarray(0, 4).toString() === '{"k"' ? 'live' : 'direct';
        await jetstream(nats).publish(`${stream}.test`, body);
      }
    }),
  bodyOf: ({ data }) => (typeof data === 'string' ? data : JSON.stringify(data)),
  isNamed: true,
  mixesRepetitions: true,
  unacknowledged: (server) =>
    withNats(server, async (nats) => {
      const consumer = (await jetstreamManager(nats)).consumers.info('live', 'lambent-shop-live');
      return (await consumer).num_pending + (await consumer).num_ack_pending;
    }),
  more: {
    async 'of a subject come as they are sent'(server) {
      const settings: NatsSource = { ...BASE, stream: undefined, subject: 'news.*' };
      const { source, events } = openSource(settings, urlOf(server));
      await poll(async () => source.status().trouble === undefined);
      await withNats(server, async (nats) => {
        nats.publish('news.first', '{"n":1}', { reply: 'nobody' });
        nats.publish('other', '{"n":2}');
        nats.publish('news.last', Uint8Array.of(0xff));
        await nats.flush();
      });
      await poll(async () => events.length === 2);
      assert.deepEqual(
        events.map(({ subject, data, data_base64 }) => [subject, data, data_base64]),
        [
          ['news.first', { n: 1 }, undefined],
          ['news.last', undefined, '/w=='],
        ],
      );
      await source.close();
    },
    async 'are sent to a stream, and refused where there is none'(server) {
      const { source, events } = openSource({ ...BASE, stream: 'sent', subject: undefined }, urlOf(server));
      await withNats(server, async (nats) =>
        (await jetstreamManager(nats)).streams.add({ name: 'sent', subjects: ['sent.*'] }),
      );
      assert.deepEqual(await sendOne('nats', urlOf(server), 'sent.one'), { id: 'given' });
      await poll(async () => events.length === 1);
      assert.deepEqual(events[0]!.data, { sent: true });
      const headers = JSON.parse(String(events[0]!.messageheaders)) as Record<string, string>;
      assert.deepEqual([headers.kind, headers['lambent-depth']], ['test', '3']);
      await source.close();
      await assert.rejects(sendOne('nats', urlOf(server), 'nobody'), {
        code: 'E_SEND_FAILED',
        message: /No stream/,
      });
    },
    async 'come when storing works again, however many wait'(server) {
      await withNats(server, async (nats) => {
        await (await jetstreamManager(nats)).streams.add({ name: 'many', subjects: ['many.*'] });
        await Promise.all(
          Array.from({ length: 100 }, (_, at) => jetstream(nats).publish('many.one', `{"n":${at}}`)),
        );
      });
      let failures = 2;
      const settings: NatsSource = { ...BASE, stream: 'many', subject: undefined, prefetch: 5 };
      const { source, events } = openSource(settings, urlOf(server), async () => {
        failures -= 1;
        if (failures >= 0) throw new Error('the disk is full');
      });
      await poll(async () => new Set(events.map(({ id }) => id)).size === 100);
      await source.close();
    },
    async 'are tried: the stream and the login'(server) {
      const driver = createMessageDrivers(systemClock).find(({ kind }) => kind === 'nats')!;
      const lastOf = async (url: string, stream: string): Promise<string> => {
        const source = { kind: 'nats', stream } as TriggerSource;
        const { name, ok, text, fix } = (await driver.check({ label: '', url, tls: undefined }, [source])).at(
          -1,
        )!;
        return `${name}: ${ok ? 'ok' : `${text} → ${fix}`}`;
      };
      assert.equal(await lastOf(urlOf(server), 'direct'), 'stream direct: ok');
      assert.match(
        await lastOf(urlOf(server), 'none'),
        /^stream none: There is no stream none\. → Make it: nats stream/,
      );
      const wrong = urlOf(server).replace('right-', 'wrong-');
      assert.match(await lastOf(wrong, 'direct'), /^login: .*refuses the login/);
    },
  },
});
