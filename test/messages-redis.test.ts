import { createClient } from '@redis/client';
import { connectionByUrl } from '../src/model/connection.ts';
import { describeBroker } from './broker-cases.ts';
import { type BrokerServer, REDIS } from './broker-servers.ts';

const urlOf = ({ port }: BrokerServer): string => `redis://:right-password@127.0.0.1:${port}/0`;

async function run(
  server: BrokerServer,
  commands: readonly (readonly (string | Buffer)[])[],
): Promise<unknown[]> {
  const client = createClient({ url: urlOf(server), RESP: 2 });
  client.on('error', () => {});
  await client.connect();
  try {
    return await Promise.all(commands.map((command) => client.sendCommand(command)));
  } finally {
    client.destroy();
  }
}

await describeBroker({
  name: 'Redis streams',
  program: REDIS,
  url: urlOf,
  manifest: 'redis: { url: BROKER, stream: live }',
  source: {
    ...{ kind: 'redis', connection: connectionByUrl('redis', 'BROKER'), prefetch: 100 },
    ...{ stream: 'direct', group: undefined, from: 'all' },
  },
  ready: (server) => run(server, [['DBSIZE']]),
  async send(server, bodies) {
    // The platform is killed while the stream `live` runs; the other cases read `direct`.
    const stream = bodies.some((body) => body.subarray(0, 4).toString() === '{"k"') ? 'live' : 'direct';
    await run(
      server,
      bodies.map((body) => ['XADD', stream, '*', 'body', body]),
    );
  },
  bodyOf: ({ data }) => String((data as { body: unknown } | undefined)?.body),
  isNamed: true,
  async unacknowledged(server) {
    const [pending] = await run(server, [['XPENDING', 'live', 'lambent-shop-live']]);
    return (pending as [number])[0];
  },
});
