import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { describeBrokerFailure } from './broker-failure.ts';
import { kafkaOptions } from './kafka-client.ts';
import { closeKafka, loadKafka } from './kafka-connections.ts';

describe('a client of Kafka whose broker ends the connection in the midst of the login', {
  timeout: 30_000,
}, () => {
  for (const [how, end] of [
    ['resets it', (socket: Socket) => socket.resetAndDestroy()],
    ['closes it', (socket: Socket) => socket.end()],
  ] as const)
    it(`gets an error where it ${how}, and nothing else hears of it`, async () => {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => end(socket));
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const { Consumer } = await loadKafka();
      const url = `kafka://user:password@127.0.0.1:${port}`;
      const client = new Consumer({
        ...kafkaOptions({ label: '', url, tls: undefined }, 'test'),
        ...{ groupId: 'test', retryDelay: 1 },
      });
      // What is asked at the same time shares the connection.
      const asked = [client.metadata({ topics: [] }), client.findGroupCoordinator(), client.joinGroup({})];
      const answers = await Promise.allSettled(asked);
      assert.deepEqual(
        answers.map(({ status }) => status),
        ['rejected', 'rejected', 'rejected'],
      );
      // Nobody was refused.
      for (const each of answers)
        assert.match(
          describeBrokerFailure((each as PromiseRejectedResult).reason, url),
          /^The connection to the broker was lost/,
        );
      await closeKafka(systemClock, client, client.close());
      server.close();
      // Nothing is left that would keep it open.
      await once(server, 'close');
    });
});
