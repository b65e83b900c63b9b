import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
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

const signed = {
  ...app('signed', '[127.0.0.1]'),
  'call.asl.json': definition.replace(
    '"Method":"GET"',
    '"Method":"GET","Authentication":{"ConnectionArn.$":"$.connection"}',
  ),
};

let asked: string[] = [];
let headersSeen: IncomingHttpHeaders = {};
const server = createServer((request, response) => {
  asked.push(request.url ?? '');
  headersSeen = request.headers;
  if (request.url === '/token') {
    response.end(request.headers.authorization === 'Basic aWQ6JTIzMQ==' ? '{"access_token":"t1"}' : '{}');
    return;
  }
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
    signed,
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

  it('authenticates by a connection, which is a secret of its app', async () => {
    const ask = async (secret: object | string | undefined, connection = 'billing-api') => {
      const path = '/apps/signed/secrets/billing_api';
      const value = typeof secret === 'string' ? secret : JSON.stringify(secret);
      if (secret !== undefined) assert.equal((await lambent.api('PUT', path, { value })).status, 200);
      const { json } = await lambent.api('POST', '/apps/signed/workflows/call/executions?wait=20', {
        url: `http://127.0.0.1:${port}/a`,
        connection: `arn:aws:events:us-east-1:1:connection/${connection}/5a`,
      });
      const { output, error } = json as {
        output?: unknown;
        error?: { errorType: string; errorMessage: string };
      };
      return error === undefined ? output : `${error.errorType}: ${error.errorMessage}`;
    };
    assert.match(
      String(await ask(undefined)),
      /^Events\.ConnectionResource\.NotFound: There is no secret billing_api/,
    );
    assert.equal(await ask({ api_key_name: 'x-key', api_key_value: 'k1' }), 'here');
    assert.equal(headersSeen['x-key'], 'k1');
    await ask({
      ...{ username: 'u', password: 'p:w' },
      invocation_http_parameters: {
        header_parameters: [{ key: 'x-more', value: 'm' }],
        query_string_parameters: [{ key: 'q', value: 'a b' }],
      },
    });
    assert.deepEqual([headersSeen.authorization, headersSeen['x-more']], ['Basic dTpwOnc=', 'm']);
    assert.equal(asked.at(-1), '/a?q=a+b');
    const oauth = {
      client_id: 'id',
      client_secret: '#1',
      authorization_endpoint: `http://127.0.0.1:${port}/token`,
    };
    assert.equal(await ask(oauth), 'here');
    assert.equal(headersSeen.authorization, 'Bearer t1');
    assert.match(String(await ask({ ...oauth, client_secret: '#2' })), /gave no access token: .* status 200/);
    assert.match(
      String(await ask({ ...oauth, authorization_endpoint: 'http://127.0.0.2/token' })),
      /its authorization server cannot be asked/,
    );
    assert.match(
      String(await ask('plain')),
      /InvalidConnectionState: Secret billing_api is no connection: it is not JSON/,
    );
    const broken = String(await ask({ api_key_name: 'x-key', api_key_value: 'two\nlines' }));
    assert.match(broken, /none of a header/);
    assert.ok(!broken.includes('lines'));
  });

  it('does not follow where an answer leads', async () => {
    const { errorType } = await call('listed', `http://127.0.0.1:${port}/away`);
    assert.equal(errorType, 'States.Http.StatusCode.302');
    assert.deepEqual(asked, ['/away']);
  });
});
