/** Libraries that throw where nobody can catch it: of a source, of a connection that functions send through, of nobody. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { createClient } from '@redis/client';
import { sendOne } from './broker-cases.ts';
import { BrokerServer, missing, mosquitto, NATS, REDIS } from './broker-servers.ts';
import { REPOSITORY, writeApp } from './platform-harness.ts';
import { poll } from './process-table.ts';
import { type Server, startServer } from './server-process.ts';

const OPEN_MOSQUITTO = mosquitto(async () => ['allow_anonymous true']);
const PROGRAMS = [REDIS, NATS, OPEN_MOSQUITTO];
const PRELOAD = pathToFileURL(join(REPOSITORY, 'test/fixtures/throwing-sockets.mjs')).href;

const FUNCTIONS = {
  'functions/takes.js': `
import { appendFileSync } from 'node:fs';
export const handler = (event) => appendFileSync(process.env.OUT, JSON.stringify(event) + '\\n');`,
  'functions/page.js': 'export default { fetch: () => new Response(String(process.pid)) };',
  'functions/sends.js': `
import { send } from 'lambent';
export const handler = () => send('queue', 'text', 'x').then(() => 'sent', ({ code, message }) => code + ' ' + message);`,
};

const skip = (await Promise.all(PROGRAMS.map(missing))).find((reason) => reason !== false) ?? false;

describe('an exception that nobody caught', { timeout: 90_000, skip }, () => {
  const brokers: BrokerServer[] = [];
  let folder = '';
  let server: Server;
  let page = '';

  const answer = async (path: string): Promise<string> => await (await fetch(server.url + path)).text();
  const taken = (): Promise<string> => readFile(join(folder, 'taken'), 'utf8').catch(() => '');
  const redisUrl = (): string => `redis://:right-password@127.0.0.1:${brokers[0]!.port}/0`;

  async function redis(...commands: string[][]): Promise<void> {
    const client = createClient({ url: redisUrl(), RESP: 2 });
    await client.connect();
    for (const command of commands) await client.sendCommand(command);
    client.destroy();
  }

  async function nats(subject?: string): Promise<void> {
    const login = { user: 'lambent', pass: 'right-password' };
    const connection = await connect({ servers: `127.0.0.1:${brokers[1]!.port}`, ...login });
    if (subject === undefined)
      await (await jetstreamManager(connection)).streams.add({ name: 'live', subjects: ['live.>'] });
    else await jetstream(connection).publish(subject, 'throw here, nats');
    await connection.close();
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-faults-'));
    for (const program of PROGRAMS) brokers.push(await BrokerServer.start(program));
    const [{ port: redisPort }, { port: natsPort }, { port: mqttPort }] = brokers as [
      BrokerServer,
      BrokerServer,
      BrokerServer,
    ];
    await poll(() =>
      nats().then(
        () => true,
        () => false,
      ),
    );
    await redis(['SET', 'text', 'no stream']);
    const app = await writeApp(join(folder, 'shop'), {
      ...FUNCTIONS,
      'lambent.yaml': `
app: shop
connections:
  queue: { kind: redis, host: 127.0.0.1, port: ${redisPort}, password: PASSWORD, tls: false }
functions:
  takes:
    env:
      OUT: ${join(folder, 'taken')}
      REDIS: redis://:right-password@127.0.0.1:${redisPort}/0
      NATS: nats://lambent:right-password@127.0.0.1:${natsPort}
      MQTT: mqtt://127.0.0.1:${mqttPort}
    on:
      - redis: { url: REDIS, stream: live }
      - nats: { url: NATS, stream: live }
      - mqtt: { url: MQTT, topic: live }
      - events: { type: [lambent.source.failed] }
  page: {}
  sends: { connections: [queue], env: { PASSWORD: right-password } }
`,
    });
    server = await startServer(join(folder, 'data'), [app], [], { NODE_OPTIONS: `--import=${PRELOAD}` });
    page = await answer('/page');
  });
  after(async () => {
    if (server.child.exitCode === null) {
      server.child.kill('SIGKILL');
      await once(server.child, 'exit');
    }
    for (const broker of brokers) await broker.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it('of a source ends that source, which reads again what it had not stored', async () => {
    const texts = ['throw here, redis', 'throw here, nats', '"sent":true'];
    await redis(['XADD', 'live', '*', 'body', texts[0]!]);
    await nats('live.a');
    await sendOne('mqtt', `mqtt://127.0.0.1:${brokers[2]!.port}`, 'live');
    await poll(async () => {
      const all = await taken();
      return texts.every((text) => all.includes(text) || all.includes(JSON.stringify(text).slice(1, -1)));
    });
    assert.equal(await answer('/page'), page, 'the functions live on');
  });

  it('is told to the app and in the log, with its code and its stack', async () => {
    await poll(async () => (await taken()).split('lambent.source.failed').length > 2);
    assert.match(
      await taken(),
      /"type":"lambent.source.failed".*"code":"E_SOURCE_FAILED","error":"put in on purpose"/,
    );
    assert.match(server.output(), /a source failed and is opened anew.*E_SOURCE_FAILED/);
    assert.match(server.output(), /throwing-sockets\.mjs/);
  });

  it('of a connection that functions send through fails what was on its way there', async () => {
    assert.match(await answer('/sends'), /E_SEND_FAILED .*put in on purpose/);
    assert.match(await answer('/sends'), /E_SEND_FAILED .*WRONGTYPE/);
    assert.equal(await answer('/page'), page);
  });

  it('of nobody ends the platform, with words that say so', async () => {
    const ended = once(server.child, 'exit');
    server.child.kill('SIGUSR2');
    assert.deepEqual(await ended, [1, null]);
    assert.match(
      server.output(),
      /Lambent ends: an exception that nobody caught.*\n.*put in on purpose, of nobody/,
    );
  });
});
