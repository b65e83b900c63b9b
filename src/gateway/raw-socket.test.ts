import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { asStream, readInto } from './raw-socket.ts';

/** A listening server and one connection to it: the accepted, still paused end and the client's. */
async function pair(): Promise<{
  accepted: Socket;
  client: Socket;
  connections(): Promise<number>;
  close(): Promise<void>;
}> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  return {
    accepted,
    client,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        client.destroy();
      }),
  };
}

for (const shareBuffer of [true, false]) {
  describe(shareBuffer ? 'reading into the shared buffer' : 'reading in the ordinary way', () => {
    it('delivers what comes, answers, and becomes a stream that misses nothing', async () => {
      const { accepted, client, connections, close } = await pair();
      let heard = '';
      let onHeard = (): void => {};
      const socket = readInto(
        accepted,
        (buffer, bytes) => {
          heard += buffer.toString('latin1', 0, bytes);
          onHeard();
        },
        shareBuffer,
      );
      const hear = new Promise<void>((resolve) => {
        onHeard = resolve;
      });
      socket.resume();
      client.write('first');
      await hear;
      assert.equal(heard, 'first');
      assert.equal(socket === accepted, !shareBuffer);

      socket.write('answer');
      assert.equal(String((await once(client, 'data'))[0]), 'answer');

      const stream = asStream(socket, Buffer.from('taken back, '));
      assert.equal(await connections(), 1, 'the server still counts it once');
      const body = 'x'.repeat(1_000_000);
      client.end(`second, ${body}`);
      let rest = '';
      for await (const chunk of stream) rest += chunk;
      assert.equal(rest.length, 'taken back, second, '.length + body.length);
      assert.ok(rest.startsWith('taken back, second, x'));
      stream.end();
      await close();
    });
  });
}
