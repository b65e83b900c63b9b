import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runCli } from '../run-cli.ts';
import { type StandInServer, sendError, sendJson, startStandIn } from '../stand-in-server.ts';
import { type CliOutcome, createTestTerminal, runForTest } from '../test-terminal.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambent-commands-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const FUNCTIONS = {
  items: [
    fn('shop', 'cart', ['GET /cart', 'POST /cart']),
    fn('shop', 'hello', []),
    fn('blog', 'hello', ['ANY /hello']),
  ],
};
const APPS = {
  items: [
    { app: 'blog', generation: 1, traffic: [{ number: 1, weight: 100 }], functions: 1 },
    {
      app: 'shop',
      generation: 3,
      traffic: [
        { number: 2, weight: 90 },
        { number: 3, weight: 10 },
      ],
      functions: 2,
    },
  ],
};
const LINE = { sequence: 7, timeMs: 0, app: 'shop', function: 'cart', severity: 'info', text: 'one\x1b[2J' };

function fn(app: string, name: string, routes: string[]) {
  return {
    app,
    name,
    version: 'fv_1',
    deployment: 1,
    runtime: 'node',
    config: { memoryMb: 256, timeoutMs: 30_000 },
    routes: routes.map((route) => ({ method: route.split(' ')[0], path: route.split(' ')[1] })),
    instances: 0,
    kept: { instances: 0 },
  };
}

/** Runs a command against a stand-in with two apps and whatever else `prepare` adds. */
async function against(
  args: string[],
  prepare: (server: StandInServer) => void = () => {},
  stdin?: string,
): Promise<CliOutcome & { seen: StandInServer['seen'] }> {
  await using server = await startStandIn();
  server.answer('GET /apps', APPS);
  server.answer('GET /functions', FUNCTIONS);
  prepare(server);
  const options = {
    env: { LAMBENT_URL: server.url },
    cwd: folder,
    ...(stdin === undefined ? {} : { stdin }),
  };
  return { ...(await runForTest(args, options)), seen: server.seen };
}

describe('the connection', () => {
  it('sends the token, from the option or the environment', async () => {
    await using server = await startStandIn();
    server.answer('GET /apps', { items: [] });
    server.answer('GET /functions', { items: [] });
    await runForTest(['ls'], { env: { LAMBENT_URL: server.url, LAMBENT_TOKEN: 'secret' } });
    await runForTest(['ls', '--to', server.url.replace('http://', ''), '--token', 'other']);
    await runForTest(['ls', '--server', `${server.url}/`]);
    const sent = server.seen
      .filter((request) => request.path === '/apps')
      .map((request) => request.headers.authorization);
    assert.deepEqual(sent, ['Bearer secret', 'Bearer other', undefined]);
  });

  it('ends with 4 without a valid token, and shows what the server said', async () => {
    const outcome = await against(['ls'], (server) =>
      server.answer('GET /apps', (_, response) => sendError(response, 401, 'E_UNAUTHENTICATED', 'No token.')),
    );
    assert.equal(outcome.code, 4);
    assert.equal(outcome.err, 'E_UNAUTHENTICATED: No token.\n  The hint of the server.\n  request r-1\n');
  });

  it('shows errors of newer servers, whose codes it does not know', async () => {
    const outcome = await against(['ls'], (server) =>
      server.answer('GET /apps', (_, response) => sendError(response, 418, 'E_FROM_THE_FUTURE', 'New.')),
    );
    assert.deepEqual([outcome.code, outcome.err.split('\n')[0]], [1, 'E_FROM_THE_FUTURE: New.']);
  });

  it('ends with 3 where nothing listens, or something else does', async () => {
    const nobody = await runForTest(['ls', '--to', 'http://127.0.0.1:9']);
    assert.equal(nobody.code, 3);
    assert.match(nobody.err, /No Lambent answers at http:\/\/127\.0\.0\.1:9: nothing listens there\./);
    const noHost = await runForTest(['ls', '--to', 'http://no-such-host.invalid:1']);
    assert.equal(noHost.code, 3);
    for (const [status, type, text] of [
      [200, 'text/html', '<p>'],
      [404, 'text/html', '<p>'],
      [502, 'application/json', '{}'],
    ] as const) {
      const outcome = await against(['ls'], (server) =>
        server.answer('GET /apps', (_, response) =>
          response.writeHead(status, { 'content-type': type }).end(text),
        ),
      );
      assert.equal(outcome.code, 3);
      assert.match(outcome.err, /is not Lambent: it answers with status/);
    }
    const moved = await against(['ls'], (server) =>
      server.answer('GET /apps', (_, response) => response.writeHead(301, { location: 'https://x/' }).end()),
    );
    assert.match(moved.err, /redirects to https:\/\/x\//);
    const broken = await against(['ls'], (server) =>
      server.answer('GET /apps', (_, response) => {
        response.writeHead(200, { 'content-length': 100 }).write('{');
        setImmediate(() => response.destroy());
      }),
    );
    assert.equal(broken.code, 3);
    assert.match(broken.err, /broke off/);
  });
});

describe('ls, deployments, rollback, traffic, rm', () => {
  it('lists apps and functions', async () => {
    const outcome = await against(['ls']);
    assert.equal(outcome.code, 0);
    assert.match(outcome.out, /^shop {2}d2 90 % \+ d3 10 %$/m);
    assert.match(outcome.out, /^d1 {2}cart +node +256 MB +30\.0 s +0 +GET \/cart, POST \/cart$/m);
    const json = JSON.parse((await against(['ls', '--json'])).out);
    assert.deepEqual([json.apps.length, json.functions.length], [2, 3]);
    const one = await against(['ls', 'shop']);
    assert.doesNotMatch(one.out, /blog/);
    assert.equal((await against(['ls', 'shpo'])).code, 1);
  });

  it('follows the pages of a list', async () => {
    const pages = (server: StandInServer): void => {
      server.answer('GET /functions', ({ query }, response) => {
        const at = Number(query.cursor ?? 0);
        sendJson(response, 200, {
          items: FUNCTIONS.items.slice(at, at + 1),
          ...(at + 1 < FUNCTIONS.items.length ? { next: String(at + 1) } : {}),
        });
      });
    };
    const listed = await against(['ls'], pages);
    const asked = listed.seen.filter(({ path }) => path === '/functions').map(({ query }) => query.cursor);
    assert.deepEqual(asked, [undefined, '1', '2']);
    const whole = await against(['ls']);
    assert.equal(listed.out, whole.out);
  });

  it('says when a list has no end', async () => {
    const endless = await against(['ls'], (server) =>
      server.answer('GET /functions', { items: [], next: 'again' }),
    );
    assert.equal(endless.code, 3);
    assert.match(endless.err, /E_UNREACHABLE: .* answers \/functions with more than 1000 pages/);
  });

  it('lists the functions of both deployments that share the traffic, and takes their name for one', async () => {
    const twice = { items: [fn('shop', 'cart', []), { ...fn('shop', 'cart', []), deployment: 2 }] };
    const listed = await against(['ls', 'shop'], (server) => server.answer('GET /functions', twice));
    assert.match(listed.out, /^d1 {2}cart .*\nd2 {2}cart /m);
    const invoked = await against(['invoke', 'cart'], (server) => {
      server.answer('GET /functions', twice);
      server.answer('POST /apps/shop/functions/cart/invocations', {
        id: 'i1',
        status: 'ok',
        result: 1,
        billedMs: 1,
      });
    });
    assert.deepEqual([invoked.code, invoked.out], [0, '1\n']);
  });

  it('wants the name of the app where there are several', async () => {
    const outcome = await against(['deployments']);
    assert.equal(outcome.code, 2);
    assert.match(outcome.err, /Name one of them: blog, shop\./);
  });

  it('lists deployments with their share', async () => {
    const items = [
      { app: 'shop', number: 3, createdMs: 0, createdBy: 'ci', note: 'abc', functionCount: 2, weight: 10 },
      { app: 'shop', number: 1, createdMs: 0, createdBy: 'local', note: '', functionCount: 2, weight: 0 },
    ];
    const outcome = await against(['deployments', 'shop', '--limit', '2'], (server) =>
      server.answer('GET /apps/shop/deployments', { items, next: null }),
    );
    assert.match(outcome.out, /^d3 +10 % .* ci +2 {2}abc$/m);
    assert.match(outcome.out, /^d1 {7}.*local +2$/m);
    assert.equal(outcome.seen.at(-1)?.query.limit, '2');
  });

  it('rolls back, to the one before or to a number', async () => {
    const prepare = (server: StandInServer) =>
      server.answer('POST /apps/shop/rollback', {
        app: 'shop',
        generation: 4,
        traffic: [{ number: 2, weight: 100 }],
      });
    const before = await against(['rollback', 'shop'], prepare);
    assert.deepEqual([before.out, before.seen.at(-1)?.body], ['shop serves d2 again.\n', '{}']);
    assert.equal((await against(['rollback', 'shop', '--to', 'd2'], prepare)).seen.at(-1)?.body, '{"to":2}');
    const address = await against(['rollback', 'shop', '--to', 'http://x'], prepare);
    assert.equal(address.code, 2);
    assert.match(address.err, /name the server with --server/);
  });

  it('shows and sets traffic, and refuses shares that make no sense', async () => {
    assert.equal((await against(['traffic', 'shop'])).out, 'shop serves d2 90 % + d3 10 %.\n');
    const set = await against(['traffic', 'shop', '13=10', '12=90'], (server) =>
      server.answer('PUT /apps/shop/traffic', (request, response) =>
        sendJson(response, 200, { app: 'shop', ...JSON.parse(request.body) }),
      ),
    );
    assert.equal(set.out, 'shop serves d12 90 % + d13 10 %.\n');
    assert.match((await against(['traffic', 'shop', '1=50', '2=40'])).err, /add up to 90 percent/);
    assert.match((await against(['traffic', 'shop', '1=100', '2'])).err, /"2" has no percent/);
    assert.equal((await against(['traffic', 'shop', '1=30', '2=30', '3=40'])).code, 2);
  });

  it('deletes only after a yes', async () => {
    const nobody = await against(['rm', 'shop']);
    assert.equal(nobody.code, 2);
    assert.match(nobody.err, /Add --yes/);
    const done = await against(['rm', 'shop', '--yes'], (server) =>
      server.answer('DELETE /apps/shop', (_, response) => response.writeHead(204).end()),
    );
    assert.deepEqual(
      [done.code, done.out],
      [0, 'Deleted shop with its 2 functions and all its deployments.\n'],
    );
  });

  it('creates a token on stdout alone', async () => {
    const outcome = await against(['tokens', 'create', 'ci'], (server) =>
      server.answer('POST /tokens', { name: 'ci', token: 'lt_x' }),
    );
    assert.deepEqual([outcome.out, outcome.seen.at(-1)?.body], ['lt_x\n', '{"name":"ci"}']);
    assert.match((await against(['tokens', 'crate', 'x'])).err, /Did you mean create\?/);
  });
});

describe('invoke', () => {
  const path = 'POST /apps/shop/functions/cart/invocations';

  it('prints the result', async () => {
    const outcome = await against(['invoke', 'cart', '--data', '{"a":1}'], (server) =>
      server.answer(path, { id: 'i1', status: 'ok', result: { sum: 3 }, billedMs: 2 }),
    );
    assert.deepEqual([outcome.code, outcome.out, outcome.err], [0, '{"sum":3}\n', '']);
    assert.deepEqual([outcome.seen.at(-1)?.body, outcome.seen.at(-1)?.query.mode], ['{"a":1}', 'sync']);
  });

  it('takes the event from a file and from stdin', async () => {
    const prepare = (server: StandInServer) => server.answer(path, { id: 'i1', status: 'ok', billedMs: 2 });
    await writeFile(join(folder, 'event.json'), '{"from":"file"}');
    const file = await against(['invoke', 'shop/cart', '--data', '@event.json'], prepare);
    assert.deepEqual([file.seen.at(-1)?.body, file.out], ['{"from":"file"}', 'null\n']);
    const piped = await against(['invoke', 'cart', '--data', '-', '--json'], prepare, '[1]');
    assert.deepEqual([piped.seen.at(-1)?.body, JSON.parse(piped.out).id], ['[1]', 'i1']);
    assert.match((await against(['invoke', 'cart', '--data', '@none.json'])).err, /cannot be read/);
  });

  it('ends with 5 when the function fails, with its error on stderr', async () => {
    const error = {
      code: 'E_FUNCTION_ERROR',
      errorType: 'TypeError',
      errorMessage: 'boom',
      stackTrace: ['at f (cart.ts:3:1)'],
    };
    const outcome = await against(['invoke', 'cart'], (server) =>
      server.answer(path, { id: 'i1', status: 'failed', error, billedMs: 2 }),
    );
    assert.deepEqual([outcome.code, outcome.out], [5, '']);
    assert.match(outcome.err, /^E_FUNCTION_ERROR: TypeError: boom\n {2}at f \(cart\.ts:3:1\)\n/);
  });

  it('queues with --async', async () => {
    const outcome = await against(['invoke', 'cart', '--async'], (server) =>
      server.answer(path, (request, response) => sendJson(response, 202, { id: `i-${request.query.mode}` })),
    );
    assert.deepEqual([outcome.code, outcome.out], [0, 'i-async\n']);
  });

  it('refuses what is not JSON and names that are unknown or not unique, before it calls', async () => {
    const notJson = await against(['invoke', 'cart', '--data', '{a:1}']);
    assert.deepEqual([notJson.code, notJson.seen.length], [2, 0]);
    assert.match(notJson.err, /The event is not JSON/);
    const unknown = await against(['invoke', 'crat']);
    assert.deepEqual([unknown.code, /Did you mean cart\?/.test(unknown.err)], [1, true]);
    const several = await against(['invoke', 'hello']);
    assert.deepEqual([several.code, /shop\/hello, blog\/hello/.test(several.err)], [2, true]);
  });
});

describe('run', () => {
  const start = 'POST /apps/shop/workflows/cart/executions';
  const id = '0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a';

  it('speaks of workflows and of --input', async () => {
    const notJson = await against(['run', 'cart', '--input', '{a:1}']);
    assert.deepEqual([notJson.code, notJson.seen.length], [2, 0]);
    assert.match(notJson.err, /The input is not JSON: .*\n.*--input @file/);
    const unknown = await against(['run', 'crat']);
    assert.match(unknown.err, /^E_NOT_FOUND: There is no workflow "crat" at .*\n {2}Did you mean cart\?/);
  });

  it('names the code of a failure once, and what was thrown where that says more', async () => {
    const failedWith = async (errorType: string) => {
      const error = { code: 'E_SECRET_MISSING', errorType, errorMessage: 'no value', stackTrace: [] };
      const outcome = await against(['run', 'cart'], (server) => {
        server.answer(start, { id, status: 'running' });
        server.answer(`GET /executions/${id}/result`, { id, status: 'failed', error });
      });
      assert.equal(outcome.code, 5);
      return outcome.err.split('\n')[0];
    };
    assert.equal(await failedWith('E_SECRET_MISSING'), 'failed: E_SECRET_MISSING: no value');
    assert.equal(await failedWith('KeyError'), 'failed: E_SECRET_MISSING KeyError: no value');
  });
});

describe('logs', () => {
  it('prints lines without what would steer the terminal', async () => {
    const outcome = await against(['logs', 'cart', '--severity', 'warn', '--limit', '5'], (server) =>
      server.answer('GET /logs', {
        items: [LINE, { ...LINE, severity: 'error', text: 'bad\n  at x\n' }],
        last: 8,
      }),
    );
    assert.match(
      outcome.out,
      /^\d\d:\d\d:\d\d {2}cart {2}one\\x1b\[2J\n\d\d:\d\d:\d\d {2}cart {2}error: bad\n {6}at x\n$/,
    );
    const { app, function: name, severity, limit } = outcome.seen.at(-1)!.query;
    assert.deepEqual([app, name, severity, limit], ['shop', 'cart', 'warn', '5']);
  });

  it('refuses ages and levels it does not know', async () => {
    assert.match((await against(['logs', '--since', '1y'])).err, /--since cannot be "1y"/);
    assert.match((await against(['logs', '--severity', 'eror'])).err, /Did you mean error\?/);
  });

  it('follows over a broken connection without losing or repeating a line', async () => {
    await using server = await startStandIn();
    server.answer('GET /logs', { items: [LINE], last: 7 });
    let streams = 0;
    server.answer('GET /logs/stream', (request, response) => {
      streams += 1;
      const sequence = Number(request.headers['last-event-id']) + 1;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const line = JSON.stringify({ ...LINE, sequence, text: `line ${sequence}` });
      response.write(`: hi\n\nid: ${sequence}\ndata: ${line}\n\n`, () => {
        if (streams < 3) response.destroy();
      });
    });
    const terminal = createTestTerminal({ env: { LAMBENT_URL: server.url } });
    const done = runCli(['logs', '--follow', '--json'], terminal);
    await terminal.seen('line 10');
    terminal.interrupt();
    assert.equal(await done, 0);
    const sequences = terminal
      .outText()
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text).sequence);
    assert.deepEqual(sequences, [7, 8, 9, 10]);
  });
});

describe('cost', () => {
  it('shows use and price, the dearest first', async () => {
    const row = {
      app: 'shop',
      memoryMb: 1024,
      invocations: 10,
      errors: 1,
      coldStarts: 2,
      billedMs: 2_000,
      billedMbMs: 2_048_000,
    };
    const usage = {
      from: 0,
      to: 1,
      items: [
        { ...row, function: 'hello', awsCostUsd: 0.0000012 },
        { ...row, function: 'cart', awsCostUsd: 12.345 },
      ],
      totals: {},
      priceTable: { source: 'the price list', date: '2026-01-01', region: 'us-east-1' },
    };
    const outcome = await against(['cost', '--days', '1'], (server) => server.answer('GET /usage', usage));
    const [cart, hello] = outcome.out.split('\n').slice(2);
    assert.match(cart!, /^shop\/cart +1024 MB +10 +1 +2 +2\.0 +2\.00 +\$12\.35$/);
    assert.match(hello!, /\$0\.0000012$/);
    assert.match(outcome.out, /list price: \$12\.35\nPrices of 2026-01-01 for us-east-1/);
    const { from, to } = outcome.seen.at(-1)!.query;
    assert.equal(Number(to) - Number(from), 86_400_000);
  });
});

describe('deploy', () => {
  const result = {
    deployment: { app: 'shop', number: 12, functions: [{}, {}] },
    live: {
      app: 'shop',
      generation: 2,
      traffic: [
        { number: 11, weight: 90 },
        { number: 12, weight: 10 },
      ],
    },
    tookMs: 84,
    url: 'http://localhost:5262/',
    preview: { host: 'd12--shop.localhost', url: 'http://d12--shop.localhost:5262/' },
  };

  async function deploy(lines: unknown[], args: string[] = []) {
    const app = join(folder, 'shop');
    await mkdir(join(app, 'functions'), { recursive: true });
    await writeFile(join(app, 'functions/cart.js'), 'const one = 1;\nconst two = = 2;\n');
    return await against(['deploy', 'shop', ...args], (server) =>
      server.answer('POST /deployments', (_, response) => {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      }),
    );
  }

  it('sends a gzipped archive, shows the build, and prints where it is', async () => {
    const outcome = await deploy(
      [{ line: { step: 'build', text: 'cart.js' } }, { result }],
      ['--weight', '10', '--note', 'n'],
    );
    assert.equal(outcome.code, 0);
    assert.equal(outcome.err, '  build    cart.js\n');
    assert.match(
      outcome.out,
      /^Deployed shop d12 with 2 functions in 84 ms\. It gets 10 % of the traffic\.$/m,
    );
    assert.match(outcome.out, /^ {2}http:\/\/d12--shop\.localhost:5262 {2}\(preview/m);
    const sent = outcome.seen.at(-1)!;
    assert.deepEqual([sent.query, sent.body.slice(0, 2)], [{ note: 'n', weight: '10' }, '\x1f\x8b']);
    const { host } = result.preview;
    const elsewhere = await deploy([{ result: { ...result, preview: { host } } }]);
    assert.match(elsewhere.out, / with the header "Host: d12--shop\.localhost" {2}\(preview/);
    const json = JSON.parse((await deploy([{ result }], ['--json'])).out);
    assert.deepEqual([json.deployment.number, json.preview.host], [12, host]);
  });

  it('shows the source line of an error of the build', async () => {
    const error = {
      code: 'E_BUILD_FAILED',
      message: 'Unexpected token',
      hint: 'Mend it.',
      details: { file: 'functions/cart.js', line: 2, column: 13 },
    };
    const outcome = await deploy([{ error, requestId: 'r-9' }]);
    assert.equal(outcome.code, 1);
    assert.equal(
      outcome.err,
      `E_BUILD_FAILED: Unexpected token
  at shop/functions/cart.js:2:13
  2 | const two = = 2;
${' '.repeat(6)}${' '.repeat(12)}^
  Mend it.
  request r-9
`,
    );
  });

  it('does not take a stream that breaks off for a success', async () => {
    assert.equal((await deploy([{ line: { step: 'build', text: 'x' } }])).code, 3);
    assert.equal((await deploy([{ strange: true }])).code, 3);
    assert.equal((await against(['deploy', 'nothing-here'])).code, 1);
  });
});
