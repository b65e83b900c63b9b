import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { InvocationId } from '../src/base/ids.ts';
import type { PlatformEvent } from '../src/server/main.ts';
import { SHAPE_PACKAGES, SHAPES } from './handler-shapes.ts';
import { type AppFiles, startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';

/** Every shape of a function through the whole platform, and what each is told of its caller. */

const POSTED = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":[1,"ü"]}' };

async function textOf(answer: Response): Promise<string> {
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text;
}

describe('a folder functions/ without a manifest', { timeout: 60_000 }, () => {
  let lambent: TestPlatform;
  before(async () => {
    const files = Object.entries(SHAPES).map(([file, text]) => [`functions/${file}`, text] as const);
    lambent = await startTestPlatform({ shapes: Object.fromEntries(files) }, { link: SHAPE_PACKAGES });
  });
  after(() => lambent.close());

  for (const file of Object.keys(SHAPES)) {
    const name = file.replace(/\.\w+$/, '');
    it(`${file}: answers at /${name} and to events`, async () => {
      assert.equal(await textOf(await lambent.fetch(`/${name}`)), name);
      const echoed = { name, body: { a: [1, 'ü'] } };
      assert.deepEqual(JSON.parse(await textOf(await lambent.fetch(`/${name}/below`, POSTED))), echoed);

      const path = `/apps/shapes/functions/${name}/invocations`;
      const sync = await lambent.api('POST', path, { a: [1, 'ü'] });
      const { id, billedMs, ...outcome } = sync.json as { id: InvocationId; billedMs: number };
      assert.deepEqual([sync.status, outcome], [200, { status: 'ok', result: echoed }]);
      assert.ok(billedMs >= 1);
      const record = await lambent.waitForInvocation((invocation) => invocation.id === id);
      assert.deepEqual([record.trigger, record.status, record.attempt], ['invoke', 'ok', 0]);

      const queued = await lambent.api('POST', `${path}?mode=async`, {});
      assert.equal(queued.status, 202);
      const later = await lambent.waitForInvocation(
        (invocation) => invocation.id === (queued.json as { id: string }).id,
      );
      assert.deepEqual([later.trigger, later.status, later.attempt], ['async', 'ok', 1]);
    });
  }

  it('serves all of them from as many processes, without a port of their own', async () => {
    const { json } = await lambent.api('GET', '/instances');
    const names = (json as { items: { function: string }[] }).items.map((item) => item.function);
    assert.equal(new Set(names).size, Object.keys(SHAPES).length);
    assert.equal((await lambent.fetch('/nothing-here')).status, 404);
  });
});

const DETAILS: AppFiles = {
  'lambent.yaml': `
app: details
env: { STAGE: test, SHARED: of-app }
functions:
  context: { memory: 192mb, timeout: 7s }
  event: { routes: [ANY /event/:group/items/:item, 'GET /files/*'] }
  respond: {}
  callback: {}
  stream: {}
  env: { env: { SHARED: of-function, NUMBER: 5, 'YES': true } }
  lines: { concurrency: 20 }
  later: {}
`,
  'functions/context.js': `
export const handler = async (event, context) => {
  const functions = Object.keys(context).filter((key) => typeof context[key] === 'function');
  return { ...context, signal: undefined, functions, remainingMs: context.getRemainingTimeInMillis() };
};`,
  'functions/event.js': 'export const handler = async (event) => event;',
  'functions/respond.js': `
const ANSWERS = {
  '/respond/binary': { statusCode: 200, headers: { 'Content-Type': 'image/png' }, body: 'AAEC/w==', isBase64Encoded: true },
  '/respond/cookies': { statusCode: '201', headers: { 'X-Number': 5 }, multiValueHeaders: { 'x-many': ['a', 'b'] }, cookies: ['a=1; Path=/', 'b=2'], body: 'made' },
  '/respond/empty': { statusCode: 204 },
  '/respond/object': { hello: 'world' },
  '/respond/text': 'only text',
};
export const handler = async ({ rawPath }) => ANSWERS[rawPath];`,
  'functions/callback.cjs': `
exports.handler = (event, context, callback) => {
  const how = event.how;
  if (how === 'error') callback(new RangeError('out of range'));
  else if (how === 'text') callback('only a text');
  else if (how === 'succeed') context.succeed({ by: 'succeed' });
  else if (how === 'done') context.done(null, { by: 'done' });
  else if (how === 'fail') context.fail(new TypeError('failed'));
  else { callback(null, { by: 'first' }); callback(null, { by: 'second' }); }
};`,
  'functions/stream.mjs': `
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const out = awslambda.HttpResponseStream.from(stream, { statusCode: 202, headers: { 'content-type': 'text/x-parts' } });
  out.write('one ');
  out.end('two');
});`,
  'functions/env.ts': 'export const handler = async () => process.env;',
  'functions/lines.ts': `
export default {
  async fetch(request: Request): Promise<Response> {
    const id = new URL(request.url).searchParams.get('id');
    for (let step = 0; step < 5; step += 1) {
      console.log(\`\${id} step \${step}\`);
      process.stdout.write(\`\${id} \`);
      await new Promise((resolve) => setTimeout(resolve, step));
      process.stdout.write(\`half \${step}\\n\`);
      queueMicrotask(() => console.error(\`\${id} error \${step}\`));
    }
    return new Response(id);
  },
};`,
  'functions/later.js': `
export default {
  fetch(request, env, ctx) {
    const { searchParams } = new URL(request.url);
    ctx.waitUntil(fetch(searchParams.get('until')).then(() => console.log('after the answer')));
    return new Response('answered');
  },
};`,
};

describe('what handlers are told', { timeout: 60_000 }, () => {
  let lambent: TestPlatform;
  before(async () => {
    lambent = await startTestPlatform({ details: DETAILS });
  });
  after(() => lambent.close());
  const invoke = async (name: string, event: unknown): Promise<Record<string, unknown>> =>
    (await lambent.api('POST', `/apps/details/functions/${name}/invocations`, event)).json;

  it('gives handlers of AWS Lambda the full context', async () => {
    const answer = await lambent.fetch('/context');
    const { functions, remainingMs, logStreamName, ...context } = JSON.parse(await textOf(answer));
    assert.deepEqual(context, {
      functionName: 'context',
      functionVersion: '1',
      invokedFunctionArn: 'arn:aws:lambda:local:000000000000:function:context',
      memoryLimitInMB: '192',
      awsRequestId: answer.headers.get('x-request-id'),
      logGroupName: '/lambent/details/context',
      callbackWaitsForEmptyEventLoop: true,
    });
    assert.deepEqual(functions.toSorted(), ['done', 'fail', 'getRemainingTimeInMillis', 'succeed']);
    assert.ok(remainingMs > 5_000 && remainingMs <= 7_000, `${remainingMs}`);
    assert.match(logStreamName, /./);
  });

  it('gives them HTTP as an event of payload format 2.0', async () => {
    const headers = {
      cookie: 'one=1; two=a%20b',
      'x-custom': 'c',
      'content-type': 'application/octet-stream',
    };
    const answer = await lambent.fetch('/event/g%2F1/items/7?tag=a&tag=b&empty=&sp=x+y%21', {
      method: 'PUT',
      headers,
      body: Buffer.from([0, 255, 1]),
    });
    const event = JSON.parse(await textOf(answer));
    assert.equal(event.version, '2.0');
    assert.equal(event.routeKey, 'ANY /event/{group}/items/{item}');
    assert.equal(event.rawPath, '/event/g%2F1/items/7');
    assert.equal(event.rawQueryString, 'tag=a&tag=b&empty=&sp=x+y%21');
    assert.deepEqual(event.queryStringParameters, { tag: 'a,b', empty: '', sp: 'x y!' });
    assert.deepEqual(event.pathParameters, { group: 'g/1', item: '7' });
    assert.deepEqual(event.cookies, ['one=1', 'two=a%20b']);
    assert.deepEqual([event.isBase64Encoded, event.body], [true, 'AP8B']);
    assert.equal(event.headers['x-custom'], 'c');
    assert.equal(event.headers.cookie, undefined);
    const { http, requestId, stage, timeEpoch } = event.requestContext;
    assert.deepEqual([http.method, http.path, http.sourceIp], ['PUT', '/event/g%2F1/items/7', '127.0.0.1']);
    assert.deepEqual([requestId, stage], [answer.headers.get('x-request-id'), '$default']);
    assert.ok(Math.abs(Date.now() - timeEpoch) < 60_000);

    const text = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"ü":1}' };
    const posted = JSON.parse(await textOf(await lambent.fetch('/event/a/items/b', text)));
    assert.deepEqual([posted.isBase64Encoded, posted.body], [false, '{"ü":1}']);
    const proxied = JSON.parse(await textOf(await lambent.fetch('/files/a/b%20c')));
    assert.deepEqual([proxied.routeKey, proxied.pathParameters], ['GET /files/{proxy+}', { proxy: 'a/b c' }]);
    assert.deepEqual([proxied.body, proxied.queryStringParameters], [undefined, undefined]);
  });

  it('takes their answers by the same rules', async () => {
    const binary = await lambent.fetch('/respond/binary');
    assert.equal(binary.headers.get('content-type'), 'image/png');
    assert.deepEqual([...new Uint8Array(await binary.arrayBuffer())], [0, 1, 2, 255]);
    const made = await lambent.fetch('/respond/cookies');
    assert.deepEqual([made.status, await made.text()], [201, 'made']);
    assert.deepEqual(made.headers.getSetCookie(), ['a=1; Path=/', 'b=2']);
    assert.deepEqual([made.headers.get('x-number'), made.headers.get('x-many')], ['5', 'a, b']);
    assert.equal((await lambent.fetch('/respond/empty')).status, 204);
    const object = await lambent.fetch('/respond/object');
    assert.deepEqual(
      [object.headers.get('content-type'), await object.text()],
      ['application/json', '{"hello":"world"}'],
    );
    assert.equal(await textOf(await lambent.fetch('/respond/text')), 'only text');
    const streamed = await lambent.fetch('/stream');
    assert.deepEqual([streamed.status, streamed.headers.get('content-type')], [202, 'text/x-parts']);
    assert.equal(await streamed.text(), 'one two');
  });

  it('takes the answer of a callback, and of the old methods of the context', async () => {
    assert.deepEqual((await invoke('callback', {})).result, { by: 'first' });
    assert.deepEqual((await invoke('callback', { how: 'succeed' })).result, { by: 'succeed' });
    assert.deepEqual((await invoke('callback', { how: 'done' })).result, { by: 'done' });
    for (const [how, type, message] of [
      ['error', 'RangeError', 'out of range'],
      ['fail', 'TypeError', 'failed'],
      ['text', 'string', "the function threw something that is not an Error: 'only a text'"],
    ]) {
      const { status, error } = await invoke('callback', { how });
      const { code, errorType, errorMessage } = error as Record<string, string>;
      assert.deepEqual(
        [status, code, errorType, errorMessage],
        ['failed', 'E_FUNCTION_ERROR', type, message],
      );
    }
  });

  it('sets the variables of the manifest and of the platform, and passes nothing of its own on', async () => {
    process.env.LAMBENT_TEST_PRIVATE = 'not for functions';
    const env = (await invoke('env', {})).result as Record<string, string>;
    delete process.env.LAMBENT_TEST_PRIVATE;
    assert.deepEqual([env.STAGE, env.SHARED, env.NUMBER, env.YES], ['test', 'of-function', '5', 'true']);
    assert.deepEqual([env.NODE_ENV, env.TZ, env.AWS_REGION], ['production', 'UTC', 'local']);
    assert.deepEqual([env.AWS_LAMBDA_FUNCTION_NAME, env.LAMBENT_APP], ['env', 'details']);
    assert.deepEqual(
      [env.LAMBENT_TEST_PRIVATE, env.HOME, env.PATH, env.NODE_OPTIONS],
      Array(4).fill(undefined),
    );
  });

  it('ties log lines to their invocation while twenty run in one process', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `call${index}`);
    const answers = await Promise.all(ids.map((id) => lambent.fetch(`/lines?id=${id}`)));
    const instances = new Set<string | undefined>();
    for (const [index, answer] of answers.entries()) {
      const id = await textOf(answer);
      assert.equal(id, ids[index]);
      const invocation = answer.headers.get('x-request-id');
      instances.add((await lambent.waitForInvocation((record) => record.id === invocation)).instance);
      await lambent.waitForLog((line) => line.text === `${id} error 4`);
      const lines = lambent.events.flatMap((event) =>
        event.kind === 'log' && event.line.invocation === invocation ? [event.line] : [],
      );
      assert.deepEqual(
        lines.filter(({ stream }) => stream === 'stdout').map(({ text }) => text),
        [0, 1, 2, 3, 4].flatMap((step) => [`${id} step ${step}`, `${id} half ${step}`]),
      );
      const errors = lines.filter(({ severity }) => severity === 'error').map(({ text }) => text);
      assert.deepEqual(
        errors,
        [0, 1, 2, 3, 4].map((step) => `${id} error ${step}`),
      );
      assert.ok(lines.every((line) => line.text.startsWith(`${id} `)));
    }
    assert.equal(instances.size, 1);
  });

  it('lets work of waitUntil finish after the answer, also when a new deployment takes over', async () => {
    const gate = createServer();
    await once(gate.listen(0, '127.0.0.1'), 'listening');
    const asked = once(gate, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    const { port } = gate.address() as AddressInfo;
    const answer = await lambent.fetch(`/later?until=${encodeURIComponent(`http://127.0.0.1:${port}/`)}`);
    assert.equal(await textOf(answer), 'answered');
    const [, release] = await asked;
    await writeApp(`${lambent.folder}/details`, { 'functions/later.js': 'export default () => "new";' });
    await lambent.waitFor((event): event is PlatformEvent => event.kind === 'deployed' && event.reload);
    assert.equal(await textOf(await lambent.fetch('/later')), 'new');
    release.end();
    const line = await lambent.waitForLog(({ text }) => text === 'after the answer');
    assert.equal(line.invocation, answer.headers.get('x-request-id'));
    gate.close();
  });
});

describe('an Express app in a file of functions/', { timeout: 60_000 }, () => {
  let lambent: TestPlatform;
  before(async () => {
    lambent = await startTestPlatform(
      {
        files: {
          // Written for its own name, which every function sees.
          'functions/items.js': `import express from 'express';
const app = express();
app.get('/items/:id', (request, response) => response.json({ url: request.originalUrl, id: request.params.id }));
app.get('/items', (request, response) => response.redirect(request.originalUrl + '/1'));
export default app;`,
          // Written for the root, and mounted.
          'functions/orders.js': `import express from 'express';
const app = express();
app.get('/:id', (request, response) => response.json({ url: request.originalUrl, base: request.baseUrl, id: request.params.id }));
export default express().use('/orders', app);`,
          // Written for the root, and only put there.
          'functions/hello.js': `import express from 'express';
const app = express();
app.use((request, response, next) => { response.set('x-seen', request.originalUrl); next(); });
app.get('/', (request, response) => response.send('Hello World!'));
const names = express.Router();
names.get('/:name', (request, response) => response.json({ url: request.url, base: request.baseUrl, original: request.originalUrl }));
app.use('/names', names);
app.get('/away', (request, response) => response.redirect(request.baseUrl + '/names/ada'));
app.listen(3000);`,
          'functions/index.js': `import express from 'express';
express().get('/about', (request, response) => response.send('about')).listen(3000);`,
        },
      },
      { link: ['express'] },
    );
  });
  after(() => lambent.close());

  it('sees the whole path, so that its own addresses are right', async () => {
    assert.deepEqual(await (await lambent.fetch('/items/7?full=1')).json(), {
      url: '/items/7?full=1',
      id: '7',
    });
    const redirected = await lambent.fetch('/items');
    assert.equal(new URL(redirected.url).pathname, '/items/1');
    assert.equal(redirected.status, 200);
  });

  it('is called as if mounted at its name where it has routes for that alone', async () => {
    const hello = await lambent.fetch('/hello?x=1');
    assert.deepEqual([await hello.text(), hello.headers.get('x-seen')], ['Hello World!', '/hello?x=1']);
    const ada = { url: '/ada', base: '/hello/names', original: '/hello/names/ada' };
    assert.deepEqual(await (await lambent.fetch('/hello/names/ada')).json(), ada);
    assert.deepEqual(await (await lambent.fetch('/hello/away')).json(), ada);
    const none = await lambent.fetch('/hello/none');
    assert.deepEqual([none.status, none.headers.get('x-seen')], [404, '/hello/none']);
  });

  it('answers below its name when it is mounted there, and at the root as index', async () => {
    const order = { url: '/orders/7', base: '/orders', id: '7' };
    assert.deepEqual(await (await lambent.fetch('/orders/7')).json(), order);
    assert.equal(await (await lambent.fetch('/about')).text(), 'about');
    assert.equal((await lambent.fetch('/7')).status, 404);
  });
});
