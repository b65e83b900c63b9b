import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

/** HTTP tasks leave from the platform's own process: to public addresses, and to what a manifest lists. */

const definition = JSON.stringify({
  StartAt: 'Call',
  States: {
    Call: {
      Type: 'Task',
      Resource: 'arn:aws:states:::http:invoke',
      Parameters: { 'ApiEndpoint.$': '$.url', Method: 'GET' },
      OutputPath: '$.ResponseBody',
      End: true,
    },
  },
});

const app = (name: string, network: string): Record<string, string> => ({
  'lambent.yaml': `app: ${name}\nnetwork: ${network}\nworkflows:\n  call: { definition: call.asl.json }\n`,
  'call.asl.json': definition,
});

let asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(request.url ?? '');
  if (request.url === '/away') response.writeHead(302, { location: 'http://127.0.0.2/' });
  response.end('here');
});
let lambent: TestPlatform;
let port = 0;

before(async () => {
  // At every address of this machine: what is refused could have been reached.
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  port = (server.address() as AddressInfo).port;
  lambent = await startTestPlatform({
    listed: app('listed', '[internet, 127.0.0.1]'),
    public: app('public', 'internet'),
    closed: app('closed', 'none'),
  });
});
after(async () => {
  await lambent.close();
  server.close();
});

async function call(
  name: string,
  url: string,
): Promise<{ output?: unknown; errorType?: string; cause?: string }> {
  asked = [];
  const path = `/apps/${name}/workflows/call/executions?wait=20`;
  const { json } = await lambent.api('POST', path, { url });
  const { output, error } = json as {
    output?: unknown;
    error?: { errorType: string; errorMessage: string };
  };
  return { output, ...(error && { errorType: error.errorType, cause: error.errorMessage }) };
}

describe('an HTTP task', { timeout: 60_000 }, () => {
  it('reaches what the manifest lists', async () => {
    assert.equal((await call('listed', `http://127.0.0.1:${port}/a?b=1`)).output, 'here');
    assert.deepEqual(asked, ['/a?b=1']);
  });

  const private_ = [
    ['public', '127.0.0.1'],
    ['public', 'localhost'],
    ['public', '2130706433'],
    ['public', '0.0.0.0'],
    ['public', '[::ffff:127.0.0.1]'],
    ['public', '[::1]'],
    ['public', '10.0.0.1'],
    ['public', '192.168.0.1'],
    ['public', '169.254.169.254'],
    ['listed', '127.0.0.2'],
    ['closed', '127.0.0.1'],
    ['closed', 'example.com'],
  ] as const;
  for (const [name, host] of private_)
    it(`is refused ${host} where the network is that of ${name}`, async () => {
      const { errorType, cause } = await call(name, `http://${host}:${port}/`);
      assert.equal(errorType, 'States.Http.Socket');
      assert.match(cause!, /^A connection to \S+ was refused: /);
      assert.deepEqual(asked, []);
    });

  it('does not follow where an answer leads', async () => {
    const { errorType } = await call('listed', `http://127.0.0.1:${port}/away`);
    assert.equal(errorType, 'States.Http.StatusCode.302');
    assert.deepEqual(asked, ['/away']);
  });
});
