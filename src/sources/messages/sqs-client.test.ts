import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { openSqs } from './sqs-client.ts';

it('a client of SQS that is closed gives up its poll, and makes no further connection', async () => {
  let connections = 0;
  const asked = Promise.withResolvers<void>();
  // A poll that is never answered.
  const service = createServer(() => asked.resolve());
  service.on('connection', () => {
    connections += 1;
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  const url = `http://key:secret@127.0.0.1:${(service.address() as AddressInfo).port}`;
  const client = openSqs({ label: '', url, tls: undefined }, systemClock);
  try {
    const poll = assert.rejects(client.call('ReceiveMessage', {}), { code: 'ECONNRESET' });
    await asked.promise;
    client.close();
    await poll;
    await assert.rejects(client.call('ReceiveMessage', {}), { message: /was closed/ });
    assert.equal(connections, 1);
  } finally {
    service.closeAllConnections();
    service.close();
  }
});
