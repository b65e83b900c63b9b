import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { findPort } from './free-port.ts';
import { untilReady } from './readiness.ts';

describe('waiting for a server', { timeout: 10_000 }, () => {
  it('ends with the port in the message when nobody listens', async () => {
    const port = await findPort();
    await assert.rejects(untilReady(port, undefined, 100), {
      code: 'E_BOOT_FAILED',
      message: `the server still does not listen on port ${port} (PORT in its environment) after 0.09 s (the manifest's \`startTimeout\` sets how long it may take)`,
    });
  });

  it('ends with the last status when its path never says that it is ready', async () => {
    const server = createServer((_request, response) => response.writeHead(503).end());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await assert.rejects(untilReady(port, '/healthz', 60), /still answers \/healthz with 503 after/);
    server.close();
  });

  it('finds a server that listens on one of the two loopbacks only', async () => {
    for (const host of ['127.0.0.1', '::1']) {
      const server = createServer((request, response) => response.end(request.url));
      await once(server.listen(0, host), 'listening');
      const { port } = server.address() as AddressInfo;
      assert.equal(await untilReady(port, '/', 5_000), host);
      server.close();
    }
  });
});
