import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { pbkdf2Sync } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { connectionByUrl } from '../src/model/connection.ts';
import type { MqttSource } from '../src/model/message-source.ts';
import { createMessageDrivers } from '../src/sources/messages/message-sources.ts';
import { describeBroker, openSource, sendOne } from './broker-cases.ts';
import { type BrokerServer, mosquitto } from './broker-servers.ts';
import { poll } from './process-table.ts';

const urlOf = ({ port }: BrokerServer): string => `mqtt://lambent:right-password@127.0.0.1:${port}`;

const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const RIGHTS_PLUGIN = `/usr/lib/${MACHINE}-linux-gnu/mosquitto_dynamic_security.so`;

/** As Mosquitto's plugin stores it. */
function userOf(username: string): Record<string, unknown> {
  const [salt, iterations] = [Buffer.from('twelve bytes'), 101];
  const password = pbkdf2Sync('right-password', salt, iterations, 64, 'sha512').toString('base64');
  return { username, password, salt: salt.toString('base64'), iterations, roles: [{ rolename: username }] };
}

function roleOf(rolename: string, topics: readonly string[]): Record<string, unknown> {
  const types = ['publishClientSend', 'publishClientReceive', 'subscribePattern'];
  return {
    rolename,
    acls: topics.flatMap((topic) => types.map((acltype) => ({ acltype, topic, priority: 0, allow: true }))),
  };
}

const RIGHTS = {
  defaultACLAccess: { publishClientSend: false, publishClientReceive: false, subscribe: false },
  clients: [userOf('lambent'), userOf('narrow')],
  roles: [roleOf('lambent', ['#', '$share/#']), roleOf('narrow', ['narrow'])],
};

/** A program of the broker's own, which waits until the broker has confirmed what it sends. */
async function publish(
  { port }: BrokerServer,
  topic: string,
  body: Buffer,
  options: readonly string[] = ['-s'],
): Promise<void> {
  const child = spawn(
    'mosquitto_pub',
    [
      ...['-h', '127.0.0.1', '-p', String(port), '-u', 'lambent', '-P', 'right-password'],
      ...['-V', '5', '-q', '1', '-t', topic, ...options],
    ],
    { stdio: ['pipe', 'inherit', 'inherit'] },
  );
  child.stdin.on('error', () => {});
  child.stdin.end(body);
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 0);
}

const settingsOf = (given: Partial<MqttSource>): MqttSource => ({
  ...{ kind: 'mqtt', connection: connectionByUrl('mqtt', 'BROKER'), prefetch: 100 },
  ...{ topic: 'direct', qos: 1, client: undefined, from: 'all' },
  ...given,
});

/** Stands before the broker and refuses MQTT 5 with these bytes, as brokers do that do not speak it; else it tells what it hears. */
async function withFront(
  server: BrokerServer,
  refusal: Buffer | undefined,
  act: (url: string) => Promise<void>,
  hear: (bytes: Buffer) => void = () => {},
): Promise<void> {
  const front = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => {
      // The version comes after the header, the length in one byte, and the text MQTT.
      if (bytes[8] === 5 && refusal !== undefined) return void socket.end(refusal);
      const behind = connect(server.port, '127.0.0.1');
      behind.on('error', () => socket.destroy());
      behind.write(bytes);
      hear(bytes);
      socket.on('data', hear);
      socket.pipe(behind).pipe(socket);
    });
  }).listen(0, '127.0.0.1');
  await once(front, 'listening');
  try {
    await act(urlOf(server).replace(/\d+$/, String((front.address() as AddressInfo).port)));
  } finally {
    front.close();
  }
}

const VERSION_REFUSED = Buffer.from([0x20, 2, 0, 0x01]);
const ID_REFUSED = Buffer.from([0x20, 3, 0, 0x85, 0]);

async function lastCheck(url: string, given: Partial<MqttSource>): Promise<string> {
  const driver = createMessageDrivers(systemClock).find(({ kind }) => kind === 'mqtt')!;
  const checks = await driver.check({ label: 'BROKER', url, tls: undefined }, [settingsOf(given)]);
  const { name, ok, text, fix } = checks.at(-1)!;
  return `${name}: ${ok ? 'ok' : `${text} → ${fix}`}`;
}

const isReading = (source: { status(): { trouble: string | undefined } }): Promise<unknown> =>
  poll(async () => source.status().trouble === undefined);

let sent = 0;

await describeBroker({
  name: 'MQTT',
  program: mosquitto(async (folder) => {
    await writeFile(join(folder, 'rights.json'), JSON.stringify(RIGHTS));
    const plugin = [`plugin ${RIGHTS_PLUGIN}`, `plugin_opt_config_file ${join(folder, 'rights.json')}`];
    return ['allow_anonymous false', ...plugin];
  }),
  url: urlOf,
  manifest: 'mqtt: { url: BROKER, topic: live/+ }',
  source: settingsOf({}),
  ready: (server) => publish(server, 'ready', Buffer.from('?')),
  async send(server, bodies) {
    for (const body of bodies) {
      const topic = body.subarray(0, 4).toString() === '{"k"' ? 'live/orders' : 'direct';
      sent += 1;
      await publish(server, topic, body, ['-s', '-D', 'publish', 'user-property', 'id', `m${sent}`]);
    }
    // Mosquitto confirms before it writes to its file: once it answers again, it has written.
    await publish(server, 'ready', Buffer.from('?'));
  },
  bodyOf: ({ data }) => (typeof data === 'string' ? data : JSON.stringify(data)),
  isNamed: true,
  more: {
    async 'are tried: the login, the client id, and the topic'(server) {
      const url = urlOf(server);
      assert.equal(await lastCheck(url, {}), 'topic direct: ok');
      assert.match(
        await lastCheck(url.replace('lambent', 'narrow'), {}),
        /^topic direct: The broker refuses the topic direct: .*not authorized.* → Give .* topic read/,
      );
      assert.match(await lastCheck(url.replace('right-', 'wrong-'), {}), /^login: .* refuses the login/);
      await withFront(server, ID_REFUSED, async (front) =>
        assert.match(
          await lastCheck(front, { client: 'till' }),
          /^login: The broker refuses the client id “till-test”\. → .*`client`/,
        ),
      );
    },
    async 'are sent to a topic, and refused where nobody may send'(server) {
      const url = urlOf(server);
      const { source, events } = openSource(settingsOf({ topic: 'sent/#' }), url);
      await isReading(source);
      assert.deepEqual(await sendOne('mqtt', url, 'sent/new'), { id: 'given' });
      await poll(async () => events.length > 0);
      const { id, subject, data, datacontenttype, messageheaders } = events[0]!;
      assert.deepEqual(
        [id, subject, data, datacontenttype],
        ['given', 'sent/new', { sent: true }, 'application/json'],
      );
      assert.deepEqual(JSON.parse(String(messageheaders)), {
        ...{ kind: 'test', id: 'given', 'lambent-depth': '3' },
      });
      await source.close();
      await assert.rejects(sendOne('mqtt', url, 'sent/+'), { code: 'E_SEND_FAILED' });
      await assert.rejects(sendOne('mqtt', url.replace('lambent', 'narrow'), 'sent/new'), {
        code: 'E_SEND_FAILED',
        message: /may not send to sent\/new/,
      });
      await withFront(server, VERSION_REFUSED, async (front) =>
        assert.deepEqual(await sendOne('mqtt', front, 'sent/new'), { id: 'given' }),
      );
    },
    async 'are handed over twice confirmed with QoS 2'(server) {
      const { source, events } = openSource(settingsOf({ topic: 'surely/#' }), urlOf(server));
      await isReading(source);
      // The first bytes of what is sent, each after the answer to the one before.
      const kinds: number[] = [];
      const hear = (bytes: Buffer): void => void kinds.push(bytes[0]!);
      const sendTo = async (url: string): Promise<void> =>
        assert.deepEqual(await sendOne('mqtt', url, 'surely/one', 2), { id: 'given' });
      await withFront(server, undefined, sendTo, hear);
      await withFront(server, VERSION_REFUSED, sendTo, hear);
      const [CONNECT, PUBLISH, PUBREL, DISCONNECT] = [0x10, 0x34, 0x62, 0xe0];
      assert.deepEqual(
        kinds,
        [1, 2].flatMap(() => [CONNECT, PUBLISH, PUBREL, DISCONNECT]),
      );
      await poll(async () => events.length > 1);
      await source.close();
      const narrow = urlOf(server).replace('lambent', 'narrow');
      const refused = { code: 'E_SEND_FAILED', message: /may not send to surely\/one/ };
      await assert.rejects(sendOne('mqtt', narrow, 'surely/one', 2), refused);
    },
    async 'that are retained come once, and are shared'(server) {
      const url = urlOf(server);
      await publish(server, 'state/door', Buffer.from('"open"'), ['-s', '-r']);
      const settings = settingsOf({ topic: 'state/+' });
      const first = openSource(settings, url);
      await poll(async () => first.events.length > 0);
      assert.equal(first.events[0]!.data, 'open');
      assert.match(String(first.events[0]!.messageheaders), /"retain":"true"/);
      await first.source.close();
      // What comes while nobody is there is kept, and what is retained is not told again.
      await publish(server, 'state/lamp', Buffer.from('"on"'));
      const shared = settingsOf({ topic: '$share/all/state/#', from: 'new' });
      const [second, third] = [openSource(settings, url), openSource(shared, url)];
      await Promise.all([isReading(second.source), isReading(third.source)]);
      await publish(server, 'state/lamp', Buffer.from('"off"'));
      await poll(async () => second.events.length > 1 && third.events.length > 0);
      assert.deepEqual(
        [second, third].map(({ events }) => events.map(({ data }) => data)),
        [['on', 'off'], ['off']],
      );
      await Promise.all([second.source.close(), third.source.close()]);
    },
    async 'come with MQTT 3.1.1, and with QoS 2'(server) {
      await publish(server, 'old/state', Buffer.from('"kept"'), ['-s', '-r']);
      await withFront(server, VERSION_REFUSED, async (url) => {
        const settings = settingsOf({ topic: 'old/#', qos: 2 });
        const first = openSource(settings, url);
        await poll(async () => first.events.length > 0);
        await publish(server, 'old/twice', Buffer.from('2'), ['-s', '-q', '2']);
        await poll(async () => first.events.length > 1);
        await first.source.close();
        const second = openSource(settings, url);
        await isReading(second.source);
        await publish(server, 'old/twice', Buffer.from('3'), ['-s', '-q', '2']);
        await poll(async () => second.events.some(({ data }) => data === 3));
        assert.deepEqual(
          [first, second].map(({ events }) => events.map(({ data }) => data)),
          [
            ['kept', 2],
            ['kept', 3],
          ],
        );
        // This version tells what is retained at every connection; it is one event all the same.
        assert.equal(first.events[0]!.id, second.events[0]!.id);
        await second.source.close();
      });
    },
    async 'are held back by the connection when storing is slower'(server) {
      const numbers = Array.from({ length: 500 }, (_, at) => String(at));
      const { source, events } = openSource(
        settingsOf({ topic: 'fast', qos: 0, prefetch: 1 }),
        urlOf(server),
      );
      await isReading(source);
      await publish(server, 'fast', Buffer.from(numbers.join('\n')), ['-l']);
      await poll(async () => events.length >= numbers.length);
      assert.deepEqual(
        events.map(({ data }) => String(data)),
        numbers,
      );
      await source.close();
    },
  },
});
