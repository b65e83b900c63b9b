import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NodeConnectionOptions } from '@nats-io/transport-node';
import type { ConnectionReport } from '../src/ports/connections.ts';
import { type BrokerProgram, BrokerServer, missing } from './broker-servers.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';
import { rabbitMq, rabbitUser } from './rabbitmq-program.ts';
import { makeCertificate, type TestCertificate } from './test-certificate.ts';

/** Brokers that speak nothing but TLS, under an authority of the test's own: read, sent to, and what is said when it does not hold. */

let folder = '';
let certificate: TestCertificate;
const PASSWORD = 'right-password';

/** A line of Mosquitto's file of passwords. */
function mosquittoUser(name: string): string {
  const [salt, rounds] = [Buffer.from('twelve bytes'), 101];
  const digest = pbkdf2Sync(PASSWORD, salt, rounds, 64, 'sha512');
  return `${name}:$7$${rounds}$${salt.toString('base64')}$${digest.toString('base64')}\n`;
}

interface Case {
  readonly kind: string;
  readonly program: BrokerProgram;
  /** Of a trigger through the connection `good`. */
  readonly trigger: string;
  readonly destination: string;
  readonly setUp?: (server: BrokerServer) => Promise<void>;
}

const cases: readonly Case[] = [
  {
    kind: 'nats',
    program: {
      ...{ program: 'nats-server', debian: 'nats-server' },
      args: (own) => ['--config', join(own, 'nats.conf')],
      prepare: (own, port) =>
        writeFile(
          join(own, 'nats.conf'),
          `listen: "127.0.0.1:${port}"\nauthorization { user: lambent, password: ${PASSWORD} }
jetstream { store_dir: "${own}/store" }
tls { cert_file: "${certificate.certFile}", key_file: "${certificate.keyFile}" }\n`,
        ),
    },
    async setUp({ port }) {
      const nats = await connect({
        ...{ servers: `127.0.0.1:${port}`, user: 'lambent', pass: PASSWORD },
        ...{ tls: { ca: certificate.pem, checkServerIdentity: () => undefined } },
      } as NodeConnectionOptions);
      await (await jetstreamManager(nats)).streams.add({ name: 'orders', subjects: ['orders'] });
      await nats.close();
    },
    ...{ trigger: 'nats: { connection: good, stream: orders }', destination: 'orders' },
  },
  {
    kind: 'mqtt',
    program: {
      ...{ program: 'mosquitto', debian: 'mosquitto' },
      args: (own) => ['-c', join(own, 'mosquitto.conf')],
      async prepare(own, port) {
        await writeFile(join(own, 'passwords'), mosquittoUser('lambent'));
        const lines = [
          ...['user root', `listener ${port} 127.0.0.1`, 'allow_anonymous false'],
          ...[`password_file ${join(own, 'passwords')}`],
          ...[`certfile ${certificate.certFile}`, `keyfile ${certificate.keyFile}`],
        ];
        await writeFile(join(own, 'mosquitto.conf'), lines.join('\n'));
      },
    },
    ...{ trigger: 'mqtt: { connection: good, topic: orders }', destination: 'orders' },
  },
  {
    kind: 'rabbitmq',
    program: rabbitMq({
      definitions: {
        vhosts: [{ name: '/' }],
        users: [rabbitUser('lambent')],
        permissions: [{ user: 'lambent', vhost: '/', configure: '.*', write: '.*', read: '.*' }],
        queues: [{ name: 'orders', vhost: '/', durable: true, auto_delete: false, arguments: {} }],
      },
      config: (_, port) =>
        [
          ...['listeners.tcp = none', `listeners.ssl.default = 127.0.0.1:${port}`],
          ...[
            `ssl_options.certfile = ${certificate.certFile}`,
            `ssl_options.keyfile = ${certificate.keyFile}`,
          ],
          ...['ssl_options.verify = verify_none', 'ssl_options.fail_if_no_peer_cert = false'],
        ].join('\n'),
    }),
    ...{ trigger: 'rabbitmq: { connection: good, queue: orders }', destination: 'orders' },
  },
];

for (const { kind, program, trigger, destination, setUp } of cases)
  describe(`${kind} over TLS`, { timeout: 120_000, skip: await missing(program) }, () => {
    let server: BrokerServer;
    let lambent: TestPlatform;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'lambent-tls-'));
      certificate = await makeCertificate(folder);
      server = await BrokerServer.start(program);
      await setUp?.(server);
      lambent = await startTestPlatform({
        shop: { 'lambent.yaml': manifest(), 'functions/take.js': TAKE, 'functions/give.js': GIVE },
      });
      for (const [name, value] of Object.entries({
        PASSWORD,
        WRONG: 'another-password',
        CA: certificate.pem,
      }))
        assert.equal((await lambent.api('PUT', `/apps/shop/secrets/${name}`, { value })).status, 200);
    });
    after(async () => {
      await lambent?.close();
      await server?.remove();
      await rm(folder, { recursive: true, force: true });
    });

    const manifest = (): string => {
      const place = `kind: ${kind}, host: 127.0.0.1, port: ${server.port}, user: lambent`;
      return `
app: shop
connections:
  good: { ${place}, password: PASSWORD, tls: { ca: CA } }
  untrusted: { ${place}, password: PASSWORD, tls: true }
  misnamed: { ${place}, password: PASSWORD, tls: { ca: CA, serverName: other.test } }
  named: { ${place}, password: PASSWORD, tls: { ca: CA, serverName: broker.test } }
  wrong: { ${place}, password: WRONG, tls: { ca: CA } }
  open: { ${place}, password: PASSWORD }
functions:
  take:
    routes: []
    connections: [good]
    on: [{ ${trigger} }]
  give:
    routes: []
    connections: [good]
`;
    };
    const TAKE = `export const handler = async (event) => { console.log('got ' + JSON.stringify(event.data)); };`;
    const GIVE = `import { send } from 'lambent';
export const handler = () => send('good', '${destination}', { n: 7 });`;

    const lastCheck = async (name: string): Promise<string> => {
      const { json } = await lambent.api('POST', `/apps/shop/connections/${name}/test`);
      assert.doesNotMatch(JSON.stringify(json), /right-password|another-password/);
      const { name: step, ok, text, fix } = (json as ConnectionReport).checks.at(-1)!;
      return `${step}: ${ok ? 'ok' : `${text} → ${fix}`}`;
    };

    it('is read, and sent to', async () => {
      await poll(async () => {
        const { items } = (await lambent.api('GET', '/triggers')).json as { items: { trouble?: string }[] };
        return items.every(({ trouble }) => trouble === undefined);
      });
      const { json } = await lambent.api('POST', '/apps/shop/functions/give/invocations', {});
      assert.ok((json as { result?: { id?: string } }).result?.id !== undefined, JSON.stringify(json));
      const { text } = await lambent.waitForLog((line) => line.text.startsWith('got '));
      assert.match(text, /"n":7|\\"n\\":7/);
    });

    it('is told to hold, also under the name that the certificate has', async () => {
      assert.match(await lastCheck('good'), /: ok$/);
      assert.match(await lastCheck('named'), /: ok$/);
    });

    it('says of a certificate, a name and a login that do not hold which it is, and what mends it', async () => {
      assert.match(
        await lastCheck('untrusted'),
        /^tls: .*self-signed.*tls: \{ ca: SECRET \}|^tls: .*certificates/i,
      );
      assert.match(await lastCheck('misnamed'), /^tls: .*(?:other\.test|altnames|host).*→/i);
      assert.match(
        await lastCheck('wrong'),
        /^login: The broker refuses the login.*→ Correct user and password/,
      );
      assert.match(await lastCheck('open'), /^(?:login|tls|reach): .*→/);
    });
  });
