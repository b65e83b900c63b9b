import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { authorizeSigned } from '../src/aws/signature.ts';
import { systemClock } from '../src/base/clock.ts';
import { LambentError } from '../src/base/errors.ts';
import type { CloudEvent } from '../src/model/cloud-event.ts';
import { connectionByUrl } from '../src/model/connection.ts';
import type { SqsSource } from '../src/model/message-source.ts';
import type { TriggerSource } from '../src/model/trigger.ts';
import { createMessageDrivers } from '../src/sources/messages/message-sources.ts';
import { isOrdered, openSqs } from '../src/sources/messages/sqs-client.ts';
import { describeBroker, openSource, sendOne } from './broker-cases.ts';
import { type BrokerServer, freePort } from './broker-servers.ts';
import { javaServer } from './java-program.ts';
import { writeApp } from './platform-harness.ts';
import { poll } from './process-table.ts';
import { startServer, waitForToken } from './server-process.ts';
import { makeCertificate, type TestCertificate } from './test-certificate.ts';

/**
 * Against ElasticMQ. It looks at no signature, so what is sent to it goes through a gate that does, with the code that takes what
 * AWS' own SDK signs.
 */

const java = await javaServer('elasticmq');
const PASSWORD = 'right-password';
const KEY = 'AKIALAMBENT000000001';
const QUEUES = ['direct', 'live', 'sent', 'many', 'full', 'dying', 'direct.fifo', 'ordered.fifo'];

let gates: readonly Server[] = [];
let gatePort = 0;
/** … and with TLS. */
let tlsPort = 0;
let certificate: TestCertificate;
/** What was signed last, behind the key’s id. */
let scope = '';
/** While there is one, no deletion gets through, and the first resolves it. */
let deletion: PromiseWithResolvers<void> | undefined;
after(() => {
  for (const gate of gates) {
    gate.closeAllConnections();
    gate.close();
  }
});

/** Stays while the server behind it is killed. */
async function openGate(port: number, folder: string): Promise<void> {
  const refuse = async () => {
    throw new LambentError('E_UNAUTHENTICATED', 'sign it');
  };
  const keys = { secretOf: async (id: string) => (id === KEY ? PASSWORD : undefined) };
  const authorize = authorizeSigned(refuse, keys as never, systemClock);
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const headers = incoming.headers as Record<string, string>;
      const request = new Request(`http://${headers.host}${incoming.url}`, { method: 'POST', headers, body });
      scope = /Credential=\w+\/\d+\/([^,]+)/.exec(headers.authorization ?? '')?.[1] ?? '';
      try {
        await authorize(request, '127.0.0.1');
      } catch (error) {
        const type = 'com.amazonaws.sqs#InvalidSignatureException';
        outgoing.writeHead(403).end(JSON.stringify({ __type: type, message: (error as Error).message }));
        return;
      }
      const action = headers['x-amz-target']!;
      if (deletion !== undefined && action === 'AmazonSQS.DeleteMessageBatch') {
        deletion.resolve();
        return;
      }
      const aborting = new AbortController();
      outgoing.once('close', () => aborting.abort());
      const passed = { 'content-type': headers['content-type']!, 'x-amz-target': action };
      const given = await fetch(`http://127.0.0.1:${port}/`, {
        ...{ method: 'POST', headers: passed, body, signal: aborting.signal },
      });
      outgoing.writeHead(given.status).end(Buffer.from(await given.arrayBuffer()));
    })().catch(() => outgoing.destroy());
  };
  certificate = await makeCertificate(folder);
  const tls = { cert: certificate.pem, key: await readFile(certificate.keyFile) };
  gates = [createServer(answer), createTlsServer(tls, answer)];
  [gatePort, tlsPort] = (await Promise.all(
    gates.map(async (gate) => {
      gate.listen(0, '127.0.0.1');
      await once(gate, 'listening');
      return (gate.address() as { port: number }).port;
    }),
  )) as [number, number];
}

const urlOf = (_: BrokerServer): string => `http://${KEY}:${PASSWORD}@127.0.0.1:${gatePort}`;

async function call<Answer>(server: BrokerServer, action: string, input: object): Promise<Answer> {
  const client = openSqs({ label: '', url: urlOf(server), tls: undefined }, systemClock);
  try {
    return await client.call<Answer>(action, input);
  } finally {
    client.close();
  }
}

async function send(server: BrokerServer, queue: string, entries: readonly object[]): Promise<void> {
  const { QueueUrl } = await call<{ QueueUrl: string }>(server, 'GetQueueUrl', { QueueName: queue });
  for (let first = 0; first < entries.length; first += 10) {
    const Entries = entries.slice(first, first + 10).map((entry, at) => ({ Id: String(at), ...entry }));
    const { Failed = [] } = await call<{ Failed?: unknown[] }>(server, 'SendMessageBatch', {
      ...{ QueueUrl, Entries },
    });
    assert.deepEqual(Failed, []);
  }
}

async function waitingIn(server: BrokerServer, queue: string): Promise<number> {
  const { QueueUrl } = await call<{ QueueUrl: string }>(server, 'GetQueueUrl', { QueueName: queue });
  const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'];
  const { Attributes } = await call<{ Attributes: Record<string, string> }>(server, 'GetQueueAttributes', {
    ...{ QueueUrl, AttributeNames: names },
  });
  return names.reduce((sum, name) => sum + Number(Attributes[name]), 0);
}

const BASE: SqsSource = {
  ...{ kind: 'sqs', connection: connectionByUrl('sqs', 'BROKER'), prefetch: 100, queue: 'direct' },
};
const textOf = ({ data }: CloudEvent): string => (typeof data === 'string' ? data : JSON.stringify(data));

await describeBroker({
  name: 'SQS',
  unavailable: 'missing' in java && java.missing,
  program: {
    program: 'java',
    debian: 'default-jre-headless',
    args: (folder) => [
      ...['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xlog:disable'],
      `-Dconfig.file=${join(folder, 'elasticmq.conf')}`,
      ...['-cp', 'classPath' in java ? java.classPath : '', 'org.elasticmq.server.Main'],
    ],
    async prepare(folder, port) {
      await openGate(port, folder);
      const queues = QUEUES.map((name) => `"${name}" ${isOrdered(name) ? '{ fifo = true }' : '{}'}`);
      const settings = [
        'include classpath("application.conf")',
        `node-address { host = "127.0.0.1", port = ${port} }`,
        `rest-sqs { bind-hostname = "127.0.0.1", bind-port = ${port} }`,
        `rest-stats { enabled = false, bind-port = ${await freePort()} }`,
        `messages-storage { enabled = true, uri = "jdbc:h2:${join(folder, 'messages')};WRITE_DELAY=0" }`,
        `queues { ${queues.join(', ')} }`,
      ];
      await writeFile(join(folder, 'elasticmq.conf'), settings.join('\n'));
    },
  },
  url: urlOf,
  manifest: 'sqs: { url: BROKER, queue: live }',
  // Only such a queue keeps an order.
  source: { ...BASE, queue: 'direct.fifo' },
  // It answers before its queues are there again.
  ready: (server) => Promise.all(QUEUES.map((QueueName) => call(server, 'GetQueueUrl', { QueueName }))),
  async send(server, bodies) {
    const isLive = bodies.some((body) => body.subarray(0, 4).toString() === '{"k"');
    const texts = bodies.map((body) => body.toString());
    if (isLive)
      await send(
        server,
        'live',
        texts.map((MessageBody) => ({ MessageBody })),
      );
    else
      await send(
        server,
        'direct.fifo',
        texts.map((MessageBody) => ({
          ...{ MessageBody, MessageGroupId: 'one', MessageDeduplicationId: crypto.randomUUID() },
        })),
      );
  },
  bodyOf: textOf,
  isNamed: true,
  isText: true,
  unacknowledged: (server) => waitingIn(server, 'live'),
  more: {
    async 'have attributes, a time, and the key of an ordered group'(server) {
      const text = (StringValue: string) => ({ DataType: 'String', StringValue });
      await send(server, 'ordered.fifo', [
        {
          ...{ MessageBody: '{"n":1}', MessageGroupId: 'a', MessageDeduplicationId: '1' },
          MessageAttributes: { kind: text('test'), raw: { DataType: 'Binary', BinaryValue: '/w==' } },
        },
        { MessageBody: 'plain', MessageGroupId: 'b', MessageDeduplicationId: '2' },
      ]);
      const { source, events } = openSource({ ...BASE, queue: 'ordered.fifo' }, urlOf(server));
      await poll(async () => events.length === 2);
      await source.close();
      assert.deepEqual(
        events
          .map(({ subject, partitionkey, data, messageheaders }) => [
            ...[partitionkey, subject, data, messageheaders],
          ])
          .sort(),
        [
          ['a', 'ordered.fifo', { n: 1 }, '{"kind":"test","raw":"/w=="}'],
          ['b', 'ordered.fifo', 'plain', undefined],
        ],
      );
      assert.ok(Math.abs(Date.parse(events[0]!.time!) - Date.now()) < 60_000);
      assert.equal(await waitingIn(server, 'ordered.fifo'), 0);
    },
    async 'are received by several at a time where there are many'(server) {
      const bodies = Array.from({ length: 300 }, (_, n) => ({ MessageBody: `{"n":${n}}` }));
      await send(server, 'many', bodies);
      let [given, running, most] = [0, 0, 0];
      // It asks more often only when it was given much: by the sixth time, none is stored without another beside it.
      const beside = Promise.withResolvers<void>();
      const { source, events } = openSource({ ...BASE, queue: 'many' }, urlOf(server), async () => {
        given += 1;
        running += 1;
        most = Math.max(most, running);
        if (running > 1) beside.resolve();
        if (given > 5) await beside.promise;
        running -= 1;
      });
      await poll(async () => new Set(events.map(textOf)).size === bodies.length);
      await poll(async () => (await waitingIn(server, 'many')) === 0);
      await source.close();
      assert.equal(events.length, bodies.length);
      assert.ok(most > 1 && most <= 10, String(most));
    },
    async 'are kept from others while they cannot be stored, and are given back when it ends'(server) {
      await send(server, 'full', [{ MessageBody: '{"n":1}' }]);
      let isFull = true;
      const [one, other] = [1, 2].map(() =>
        openSource({ ...BASE, queue: 'full' }, urlOf(server), async () => {
          if (isFull) throw new LambentError('E_OVERLOADED', 'full');
        }),
      );
      const isHolding = ({ source }: ReturnType<typeof openSource>) =>
        /full/.test(source.status().trouble ?? '');
      await poll(async () => [one!, other!].some(isHolding));
      assert.ok(![one!, other!].every(isHolding));
      const [holder, heir] = isHolding(one!) ? [one!, other!] : [other!, one!];
      await holder.source.close();
      isFull = false;
      await poll(async () => heir.events.length === 1);
      await heir.source.close();
    },
    async 'that were stored when the platform died before it deleted them are the same events'(server) {
      const folder = await mkdtemp(join(tmpdir(), 'lambent-messages-'));
      const manifest = `
app: shop
functions:
  take: { env: { BROKER: "${urlOf(server)}" }, on: [{ sqs: { url: BROKER, queue: dying } }] }`;
      const app = await writeApp(join(folder, 'shop'), {
        'lambent.yaml': manifest,
        'functions/take.js': 'export const handler = async () => {};',
      });
      let platform = await startServer(join(folder, 'data'), [app]);
      const token = await waitForToken(platform);
      try {
        deletion = Promise.withResolvers();
        await send(
          server,
          'dying',
          [1, 2].map((n) => ({ MessageBody: `{"n":${n}}` })),
        );
        await deletion.promise;
        const ended = once(platform.child, 'exit');
        platform.child.kill('SIGKILL');
        await ended;
        deletion = undefined;
        assert.equal(await waitingIn(server, 'dying'), 2);
        platform = await startServer(join(folder, 'data'));
        await poll(async () => (await waitingIn(server, 'dying')) === 0);
        const answer = await fetch(`${platform.url}/_lambent/api/v1/events`, {
          headers: { authorization: `Bearer ${token}` },
        });
        const { items } = (await answer.json()) as { items: { type: string }[] };
        assert.equal(items.filter(({ type }) => type === 'lambent.message').length, 2);
      } finally {
        deletion = undefined;
        platform.child.kill('SIGKILL');
        await rm(folder, { recursive: true, force: true });
      }
    },
    async 'are sent, as texts and bytes, and refused where that cannot be'(server) {
      const url = urlOf(server);
      const { source, events } = openSource({ ...BASE, queue: 'sent' }, url);
      assert.match((await sendOne('sqs', url, 'sent')).id, /^[\w-]{36}$/);
      assert.match((await sendOne('sqs', url, 'ordered.fifo/g')).id, /^[\w-]{36}$/);
      const { sending } = createMessageDrivers(systemClock).find(({ kind }) => kind === 'sqs')!;
      const sender = await sending!.connect({ label: '', url, tls: undefined });
      const bytes = {
        ...{ destination: 'sent', id: 'bytes', body: Uint8Array.of(255, 0), depth: 1 },
        contentType: 'application/octet-stream',
      };
      await sender.send({ ...bytes, headers: {} });
      await poll(async () => events.length === 2);
      await source.close();
      assert.deepEqual(
        events.map(({ id, data, data_base64 }) => [id, data, data_base64]).sort(),
        [
          ['bytes', undefined, '/wA='],
          ['given', { sent: true }, undefined],
        ].sort(),
      );
      const headers = JSON.parse(String(events.find(({ id }) => id === 'given')!.messageheaders)) as Record<
        string,
        string
      >;
      assert.deepEqual([headers.kind, headers['lambent-depth']], ['test', '3']);
      const many = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`h${at}`, 'x']));
      await assert.rejects(sender.send({ ...bytes, headers: many }), { message: /takes 10 attributes/ });
      await assert.rejects(sendOne('sqs', url, 'nowhere'), {
        ...{ code: 'E_SEND_FAILED', message: /no queue nowhere/ },
      });
      await sender.close();
    },
    async 'are tried: the key, the queue, TLS, and the region that is signed for'(server) {
      const driver = createMessageDrivers(systemClock).find(({ kind }) => kind === 'sqs')!;
      const lastOf = async (url: string, queue: string, ca?: string): Promise<string> => {
        const source = { ...BASE, queue } as TriggerSource;
        const tls = ca === undefined ? undefined : { ca, rejectUnauthorized: true };
        const checks = await driver.check({ label: '', url, tls }, [source]);
        const { name, ok, text, fix } = checks.at(-1)!;
        return `${name}: ${ok ? 'ok' : `${text} → ${fix}`}`;
      };
      assert.equal(await lastOf(urlOf(server), 'direct'), 'queue direct: ok');
      assert.match(
        await lastOf(urlOf(server), 'none'),
        /^queue none: There is no queue none.* → Make it: aws sqs/,
      );
      assert.match(
        await lastOf(urlOf(server).replace(PASSWORD, 'wrong'), 'direct'),
        /^login: The broker refuses the login\. \(InvalidSignature/,
      );
      assert.equal(scope, 'us-east-1/sqs/aws4_request');
      const encrypted = `https://${KEY}:${PASSWORD}@127.0.0.1:${tlsPort}/?region=eu-central-1`;
      assert.equal(await lastOf(encrypted, 'direct', certificate.pem), 'queue direct: ok');
      assert.equal(scope, 'eu-central-1/sqs/aws4_request');
      assert.match(await lastOf(encrypted, 'direct'), /^tls: The broker’s TLS does not hold/);
    },
  },
});
