import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { exchange, type RawResponse } from './raw-connection.ts';

/** Which function a request reaches, by host, path and method; and what each is told about it. */

const MANIFEST = `
app: shop
functions:
  users:
    routes: [GET /users/:id, GET /users/:id/posts/:post, GET /users/me]
  files:
    routes: ['GET /files/*', GET /files/special, GET /files/:name]
  any:
    routes: [/any]
  saved:
    routes: [POST /things, PUT /things/:id, DELETE /things/:id]
  page:
    routes: [GET /page]
  apiHost:
    routes: [{ path: /where, host: api.example.com }]
  wildHost:
    routes: [{ path: /where, host: '*.example.com' }]
  anyHost:
    routes: [/where]
  open:
    cors: true
    routes: [GET /open, POST /open/fail]
  picky:
    cors: { origins: ['https://app.example.com'], methods: [GET, PUT], headers: [x-token], exposeHeaders: [x-total], credentials: true, maxAge: 2m }
    routes: [PUT /picky]
  ownOptions:
    routes: [OPTIONS /own-options, GET /own-options]
  server:
    routes: ['/server/*']
`;

/** Answers with what a Lambda handler is told. */
const LAMBDA = `export const handler = async (event) => ({
  route: event.routeKey, path: event.rawPath, params: event.pathParameters ?? {}, query: event.queryStringParameters ?? {},
});`;

/** Answers with what a fetch handler is told. */
const FETCH = `export default {
  async fetch(request, env, ctx) {
    const { method, url } = request;
    const headers = Object.fromEntries(request.headers);
    const body = method === 'GET' || method === 'HEAD' ? '' : await request.text();
    return Response.json({ name: env.AWS_LAMBDA_FUNCTION_NAME, method, url, params: ctx.params, requestId: ctx.requestId, headers, body });
  },
};`;

const SHOP: AppFiles = {
  'lambent.yaml': MANIFEST,
  'functions/users.js': LAMBDA,
  'functions/files.js': FETCH,
  'functions/any.js': FETCH,
  'functions/saved.js': FETCH,
  'functions/page.js': `export default { fetch: () => new Response('a page of 22 bytes\\n...', { headers: { 'x-page': '1' } }) };`,
  'functions/apiHost.js': `export default { fetch: () => new Response('api') };`,
  'functions/wildHost.js': `export default { fetch: () => new Response('wild') };`,
  'functions/anyHost.js': `export default { fetch: () => new Response('any') };`,
  'functions/open.js': `export default { fetch(request) {
    if (request.url.endsWith('/fail')) throw new Error('on purpose');
    return new Response('open', { headers: { 'access-control-allow-origin': 'https://forged.example', vary: 'accept' } });
  } };`,
  'functions/picky.js': `export default { fetch: () => new Response('picky', { headers: { 'x-total': '3' } }) };`,
  'functions/ownOptions.js': `export default { fetch: (request) => new Response('mine: ' + request.method) };`,
  'functions/server.js': `import { createServer } from 'node:http';
createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers }));
}).listen(3000);`,
};

interface Told {
  name: string;
  method: string;
  url: string;
  route: string;
  path: string;
  params: Record<string, string>;
  query: Record<string, string>;
  requestId: string;
  headers: Record<string, string>;
  body: string;
}

interface Refusal {
  error: { code: string; message: string; fault: string; retryable: boolean; hint: string };
  requestId: string;
}

function toldOf(response: RawResponse): Told {
  assert.equal(response.status, 200, response.body.toString());
  return JSON.parse(response.body.toString());
}

const UUID_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function assertRefusal(response: RawResponse, status: number, code: string): Refusal {
  assert.equal(response.status, status, response.body.toString());
  assert.match(response.headers['content-type'] ?? '', /^application\/json/);
  const refusal: Refusal = JSON.parse(response.body.toString());
  assert.equal(refusal.error.code, code);
  assert.ok(refusal.error.message.length > 10, 'it says what happened');
  assert.ok(refusal.error.hint.length > 10, 'it says what to do next');
  assert.equal(refusal.requestId, response.headers['x-request-id']);
  return refusal;
}

let platform: TestPlatform;
let port = 0;

/** A request as text, so that every header is exactly what a test says. */
function ask(line: string, headers: readonly string[] = [], body = ''): Promise<RawResponse> {
  const named = headers.some((header) => /^host:/i.test(header));
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return exchange(
    port,
    [`${line} HTTP/1.1`, ...(named ? [] : ['Host: localhost']), ...headers, ...length],
    body,
  );
}

describe('routing of HTTP requests', { timeout: 60_000 }, () => {
  before(async () => {
    platform = await startTestPlatform({ shop: SHOP });
    ({ port } = platform);
  });
  after(() => platform.close());

  describe('paths', () => {
    it('give parameters to a Lambda handler, percent-decoded, and prefer a literal part', async () => {
      const one = toldOf(await ask('GET /users/42?full=1&tag=a%20b'));
      assert.deepEqual(one.params, { id: '42' });
      assert.equal(one.route, 'GET /users/{id}');
      assert.deepEqual(one.query, { full: '1', tag: 'a b' });
      const two = toldOf(await ask('GET /users/J%C3%BCrgen%20%2F%20Co/posts/a&b=c+d'));
      assert.deepEqual(two.params, { id: 'Jürgen / Co', post: 'a&b=c+d' });
      assert.deepEqual(toldOf(await ask('GET /users/me')).params, {});
    });

    it('give parameters and the invocation id to a fetch handler', async () => {
      const told = toldOf(await ask('GET /files/a%20b'));
      assert.deepEqual(told.params, { name: 'a b' });
      assert.equal(told.url, 'http://localhost/files/a%20b');
      assert.match(told.requestId, UUID_7);
    });

    it('take the rest by a wildcard, after literal parts and parameters', async () => {
      assert.deepEqual(toldOf(await ask('GET /files/special')).params, {});
      assert.deepEqual(toldOf(await ask('GET /files/a/b/c.txt?x=1')).params, { '*': 'a/b/c.txt' });
      assert.deepEqual(toldOf(await ask('GET /files/a//b/')).params, { '*': 'a//b/' });
    });

    it('may hold broken percent-encoding: the function sees it as it is', async () => {
      assert.deepEqual(toldOf(await ask('GET /users/%zz')).params, { id: '%zz' });
      assert.deepEqual(toldOf(await ask('GET /files/100%')).params, { name: '100%' });
    });

    it('reach a server of node:http whole', async () => {
      const told = toldOf(await ask('GET /server/a/b?c=d'));
      assert.equal(told.url, '/server/a/b?c=d');
    });

    it('may come in absolute form, with their query', async () => {
      const told = toldOf(await ask('GET http://localhost/any?x=1&y=2'));
      assert.equal(new URL(told.url).search, '?x=1&y=2');
      // Such a target's own host wins over the header (RFC 9112, 3.2.2).
      const answer = await ask('GET http://api.example.com/where', ['Host: localhost']);
      assert.equal(answer.body.toString(), 'api');
    });
  });

  describe('methods', () => {
    it('all reach a route without a method, with their bodies', async () => {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'QUERY', 'OPTIONS']) {
        const body = method === 'GET' ? '' : `body of ${method}`;
        const told = toldOf(await ask(`${method} /any`, [], body));
        assert.equal(told.method, method);
        assert.equal(told.body, body);
      }
    });

    it('bind a route: others are refused with those that are allowed', async () => {
      assert.equal(toldOf(await ask('POST /things', [], '{}')).method, 'POST');
      assert.equal(toldOf(await ask('DELETE /things/1')).method, 'DELETE');
      const answer = await ask('GET /things/1');
      assertRefusal(answer, 405, 'E_METHOD_NOT_ALLOWED');
      assert.equal(answer.headers.allow, 'DELETE, PUT, OPTIONS');
      assert.equal((await ask('PATCH /page')).headers.allow, 'GET, HEAD, OPTIONS');
    });

    it('HEAD answers as GET does, without the body and with its length', async () => {
      const get = await ask('GET /page');
      const head = await ask('HEAD /page');
      assert.equal(head.status, 200);
      assert.equal(head.body.length, 0);
      assert.equal(head.headers['content-length'], String(get.body.length));
      assert.equal(head.headers['x-page'], '1');
      assert.equal((await ask('HEAD /nowhere')).status, 404);
    });

    it('OPTIONS tells the allowed methods, or goes to the function that takes it', async () => {
      const answer = await ask('OPTIONS /page');
      assert.equal(answer.status, 204);
      assert.equal(answer.headers.allow, 'GET, HEAD, OPTIONS');
      assert.equal(answer.headers['content-length'], undefined);
      assert.equal((await ask('OPTIONS /own-options')).body.toString(), 'mine: OPTIONS');
      assert.equal((await ask('OPTIONS *')).status, 404);
    });

    it('CONNECT is refused: this is no proxy', async () => {
      const answer = await ask('CONNECT example.com:443', ['Host: localhost']);
      assertRefusal(answer, 405, 'E_METHOD_NOT_ALLOWED');
    });
  });

  describe('hosts', () => {
    const where = async (host: string): Promise<string> =>
      (await ask('GET /where', [`Host: ${host}`])).body.toString();

    it('bind a route: the exact one first, then wildcards, then any', async () => {
      assert.equal(await where('api.example.com'), 'api');
      assert.equal(await where('API.Example.COM:8080'), 'api');
      assert.equal(await where('shop.example.com'), 'wild');
      assert.equal(await where('a.b.example.com'), 'wild');
      assert.equal(await where('localhost:5262'), 'any');
      assert.equal(await where('127.0.0.1'), 'any');
    });

    it('of an app answer all its routes, and of no other', async () => {
      assert.equal(await where('shop.localhost'), 'api');
      assert.equal(toldOf(await ask('GET /users/7', ['Host: shop.localhost:5262'])).params.id, '7');
      assertRefusal(await ask('GET /page/none', ['Host: shop.localhost']), 404, 'E_ROUTE_NOT_FOUND');
    });

    it('of a deployment answer it as it was', async () => {
      assert.equal(toldOf(await ask('GET /users/7', ['Host: d1--shop.localhost'])).params.id, '7');
      assertRefusal(await ask('GET /users/7', ['Host: d99--shop.localhost']), 404, 'E_NOT_FOUND');
      assertRefusal(await ask('GET /users/7', ['Host: d1--nobody.localhost']), 404, 'E_NOT_FOUND');
    });

    it('that are foreign are refused in dev, for functions and for the API', async () => {
      for (const host of ['evil.example', 'localhost.evil.example', '10.0.0.1', '[fe80::1]']) {
        assertRefusal(await ask('GET /page', [`Host: ${host}`]), 421, 'E_HOST_REFUSED');
        assertRefusal(await ask('GET /_lambent/api/v1/apps', [`Host: ${host}`]), 421, 'E_HOST_REFUSED');
      }
      assert.equal((await ask('GET /_lambent/api/v1/apps')).status, 200);
    });

    it('that are malformed or missing are a bad request', async () => {
      for (const host of ['Host: a b', 'Host: a/b', 'Host: ', 'Host: user@localhost'])
        assertRefusal(await ask('GET /page', [host]), 400, 'E_BAD_REQUEST');
      assertRefusal(await exchange(port, ['GET /page HTTP/1.1']), 400, 'E_BAD_REQUEST');
      const two = ['GET /where HTTP/1.1', 'Host: localhost', 'Host: api.example.com'];
      assertRefusal(await exchange(port, two), 400, 'E_BAD_REQUEST');
    });
  });

  it('a foreign origin may not use the API in dev', async () => {
    for (const header of ['Origin: https://evil.example', 'Origin: null', 'Sec-Fetch-Site: cross-site']) {
      const answer = await ask('DELETE /_lambent/api/v1/apps/shop', [header]);
      assert.equal(answer.status, 403, header);
      assert.equal(JSON.parse(answer.body.toString()).error.code, 'E_FORBIDDEN');
    }
    assert.equal((await ask('GET /page')).status, 200);
  });

  it('what no route takes is a 404 that says what to do', async () => {
    for (const path of ['/nowhere', '/users', '/users/', '/users/1/', '/things/1/2', '//users/1', '/Page']) {
      const refusal = assertRefusal(await ask(`GET ${path}`), 404, 'E_ROUTE_NOT_FOUND');
      assert.equal(refusal.error.fault, 'caller');
      assert.equal(refusal.error.retryable, false);
      assert.match(refusal.error.message, new RegExp(`GET ${path.replaceAll('/', '\\/')}`));
    }
    const typed = await ask('POST /nowhere', ['Transfer-Encoding: chunked'], '');
    assertRefusal(typed, 404, 'E_ROUTE_NOT_FOUND');
  });

  describe('CORS', () => {
    const origin = 'Origin: https://app.example.com';
    const preflight = (path: string, from: string, method: string): Promise<RawResponse> =>
      ask(`OPTIONS ${path}`, [from, `Access-Control-Request-Method: ${method}`]);

    it('preflights are answered by the platform', async () => {
      const answer = await preflight('/open', origin, 'GET');
      assert.equal(answer.status, 204);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.match(answer.headers['access-control-allow-methods'] ?? '', /GET.*POST/);
      assert.equal(answer.headers['access-control-allow-headers'], '*, authorization');
      assert.equal(answer.headers['access-control-max-age'], '600');
      const picky = await preflight('/picky', origin, 'PUT');
      assert.deepEqual(
        {
          origin: picky.headers['access-control-allow-origin'],
          methods: picky.headers['access-control-allow-methods'],
          headers: picky.headers['access-control-allow-headers'],
          credentials: picky.headers['access-control-allow-credentials'],
          maxAge: picky.headers['access-control-max-age'],
        },
        {
          origin: 'https://app.example.com',
          methods: 'GET, PUT',
          headers: 'x-token',
          credentials: 'true',
          maxAge: '120',
        },
      );
    });

    it('of another origin get no permission, and caches learn that it depends on the origin', async () => {
      for (const answer of [
        await preflight('/picky', 'Origin: https://evil.example', 'PUT'),
        await ask('PUT /picky', ['Origin: https://evil.example']),
        await ask('PUT /picky'),
      ]) {
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
        assert.match(answer.headers.vary ?? '', /origin/i);
      }
    });

    it('answers carry the policy in place of what the function says', async () => {
      const open = await ask('GET /open', [origin]);
      assert.equal(open.headers['access-control-allow-origin'], '*');
      assert.match(open.headers.vary ?? '', /accept/);
      const picky = await ask('PUT /picky', [origin], 'body');
      assert.equal(picky.headers['access-control-allow-origin'], 'https://app.example.com');
      assert.equal(picky.headers['access-control-allow-credentials'], 'true');
      assert.equal(picky.headers['access-control-expose-headers'], 'x-total');
      assert.equal(picky.headers['x-total'], '3');
    });

    it('errors of a function carry it too, or a script could not read them', async () => {
      const short = await ask('POST /open/fail', [origin], 'body');
      const long = await ask('POST /open/fail', [origin, 'Connection: close'], 'body');
      for (const answer of [short, long]) {
        assertRefusal(answer, 500, 'E_FUNCTION_ERROR');
        assert.equal(answer.headers['access-control-allow-origin'], '*');
      }
    });

    it('routes without a policy say nothing', async () => {
      const answer = await ask('GET /page', [origin]);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    });
  });

  describe('request id and trace', () => {
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

    it('a caller’s id and trace context go to every kind of function, and the id comes back', async () => {
      const headers = ['X-Request-Id: order-17', `Traceparent: ${parent}`, 'Tracestate: a=1'];
      for (const path of ['/any', '/server/x']) {
        // The plain way, and the way of `node:http`.
        for (const further of [[], ['Connection: close']]) {
          const answer = await ask(`GET ${path}`, [...headers, ...further]);
          const told = toldOf(answer);
          assert.equal(told.headers['x-request-id'], 'order-17');
          assert.equal(told.headers.traceparent, parent);
          assert.equal(told.headers.tracestate, 'a=1');
          assert.equal(answer.headers['x-request-id'], 'order-17');
        }
      }
    });

    it('a caller’s id is kept with the call, and found by', async () => {
      const ways: [string, string[]][] = [
        ['plain-18', []],
        ['general-18', ['Connection: close']],
      ];
      for (const [own, further] of ways) {
        const { requestId } = toldOf(await ask('GET /any', [`X-Request-Id: ${own}`, ...further]));
        const record = await platform.waitForInvocation(({ id }) => id === requestId);
        assert.equal(record.callerRequestId, own);
        const { json } = await platform.api('GET', `/invocations?text=${own}`);
        const found = (json as { items: { id: string; callerRequestId: string }[] }).items;
        assert.deepEqual(
          found.map((each) => [each.id, each.callerRequestId]),
          [[record.id, own]],
        );
      }
    });

    it('an id is minted where there is none, and where it is not fit to be passed on', async () => {
      const cases = [[], ['X-Request-Id: a b'], [`X-Request-Id: ${'x'.repeat(200)}`], ['X-Request-Id: "; x']];
      for (const headers of cases) {
        for (const further of [[], ['Connection: close']]) {
          const answer = await ask('GET /any', [...headers, ...further]);
          const told = toldOf(answer);
          assert.match(answer.headers['x-request-id'] ?? '', UUID_7);
          assert.equal(told.headers['x-request-id'], answer.headers['x-request-id']);
          assert.equal(told.requestId, answer.headers['x-request-id']);
        }
      }
    });

    it('refusals carry it', async () => {
      const answer = await ask('GET /nowhere', ['X-Request-Id: lost-1']);
      assert.equal(assertRefusal(answer, 404, 'E_ROUTE_NOT_FOUND').requestId, 'lost-1');
    });
  });
});
