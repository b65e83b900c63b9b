import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CliOutcome, runForTest } from '../src/cli/test-terminal.ts';
import { poll } from './process-table.ts';

/** The command line against the real platform, started as a person starts it. */
const ROOT = fileURLToPath(new URL('../', import.meta.url));
const BIN = join(ROOT, 'bin/lambent.js');
const READY = /App +(http:\/\/localhost:\d+)[\s\S]*Ready in/;

let work = '';
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'lambent-cli-e2e-'));
});
after(() => rm(work, { recursive: true, force: true, maxRetries: 5 }));

/** A running `lambent`, with all that it printed. */
class Running {
  readonly child: ChildProcess;
  text = '';
  #ended = false;
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [BIN, ...args], {
      cwd: work,
      env: { ...process.env, ...env, TZ: 'UTC' },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.text += chunk;
        this.#wake();
      });
    }
    this.child.once('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Resolves with the first match after position `from`; rejects when the program ends before. */
  async printed(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.text.slice(from));
      if (match !== null) return match;
      if (this.#ended) throw new Error(`ended before it printed ${pattern}:\n${this.text}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async stop(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#ended) return this.child.exitCode;
    const closed = once(this.child, 'close');
    this.child.kill(signal);
    return (await closed)[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** GET with a Host header of its own, which `fetch` does not allow. */
function getFrom(url: string, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, async (response) => {
      const chunks = await Array.fromAsync(response);
      resolve(Buffer.concat(chunks).toString());
    })
      .on('error', reject)
      .end();
  });
}

describe('lambent dev', { timeout: 60_000 }, () => {
  it('serves, reloads on save, keeps the last good version on a mistake, and stops on Ctrl-C', async () => {
    await runForTest(['init', 'app'], { cwd: work });
    const file = join(work, 'app/functions/hello.ts');
    const good = await readFile(file, 'utf8');
    await using dev = new Running(['dev', 'app', '--port', '0']);
    const [, url] = await dev.printed(READY);
    assert.match(dev.text, /^GET +\/hello\/:name +hello$/m);
    assert.match(dev.text, /^Console +http:\/\/localhost:\d+\/_lambent\/$/m);

    assert.deepEqual(await (await fetch(`${url}/hello/you`)).json(), { message: 'Hello, you!' });
    await dev.printed(/\d\d:\d\d:\d\d {2}GET \/hello\/you {2}200 {2}[\d.]+ m?s/);
    await fetch(`${url}/add`, { method: 'POST', body: '{"a":1,"b":2}' });
    await dev.printed(/\d\d:\d\d:\d\d {2}add {2}adding 1 and 2/);

    assert.equal((await fetch(`${url}/helo/you`)).status, 404);
    await dev.printed(/GET \/helo\/you {2}404 E_ROUTE_NOT_FOUND {2}nearest route: GET \/hello\/:name/);
    assert.equal((await fetch(`${url}/robots.txt`)).status, 404);
    await dev.printed(/GET \/robots\.txt {2}404 E_ROUTE_NOT_FOUND {2}routes: .*GET \/hello\/:name/);
    assert.equal((await fetch(`${url}/hello/you`, { method: 'DELETE' })).status, 405);
    await dev.printed(/DELETE \/hello\/you {2}405 E_METHOD_NOT_ALLOWED/);

    let mark = dev.text.length;
    await writeFile(file, good.replace('Hello, $', 'Goodbye, $'));
    await dev.printed(/reloaded app d2 in \d+ ms/, mark);
    assert.deepEqual(await (await fetch(`${url}/hello/you`)).json(), { message: 'Goodbye, you!' });

    mark = dev.text.length;
    await writeFile(file, `${good}\nconst broken = = 1;\n`);
    await dev.printed(
      /not deployed[\s\S]*E_BUILD_FAILED[\s\S]*hello\.ts:\d+[\s\S]*const broken = = 1;\n[\s\S]*\^/,
      mark,
    );
    assert.deepEqual(await (await fetch(`${url}/hello/you`)).json(), { message: 'Goodbye, you!' });

    mark = dev.text.length;
    await writeFile(file, good);
    await dev.printed(/reloaded app d\d in/, mark);
    assert.deepEqual(await (await fetch(`${url}/hello/you`)).json(), { message: 'Hello, you!' });

    assert.equal(await dev.stop('SIGINT'), 0);
    await assert.rejects(fetch(url!));
  });

  it('lets whoever calls at once wait for the first build', async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, 'close');
    await using dev = new Running(['dev', 'app', '--port', String(port), '--data', 'early-data']);
    let answer: Response | undefined;
    await poll(async () => {
      answer = await fetch(`http://127.0.0.1:${port}/hello/early`).catch(() => undefined);
      return answer !== undefined;
    });
    assert.deepEqual(await answer!.json(), { message: 'Hello, early!' }, 'the very first that got through');
    await dev.printed(READY);
  });

  it('serves what every template and the example of this repository promise', async () => {
    for (const template of ['javascript', 'hono', 'express']) {
      await runForTest(['init', template, '--template', template], { cwd: work });
    }
    // What `npm install` would bring is there already.
    await symlink(join(ROOT, 'node_modules'), join(work, 'node_modules'));
    await using served = new Running([
      'dev',
      join(ROOT, 'examples/hello'),
      '--port',
      '0',
      '--data',
      'hello-data',
    ]);
    const [, url] = await served.printed(READY);
    assert.match(await (await fetch(url!)).text(), /<h1>Hello from Lambent/);
    assert.match(await (await fetch(`${url}/greet/J%C3%B6rg`)).text(), /Hello, Jörg!/);
    const dice = await fetch(`${url}/dice`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' }, // what `curl -d` says
      body: '{"sides": 2}',
    });
    assert.match(await dice.text(), /"rolled":[12]}$/);
    assert.equal((await fetch(`${url}/dice`, { method: 'POST', body: '{"sides": 1}' })).status, 400);
    assert.match(
      await (await fetch(`${url}/tea`, { method: 'POST' })).text(),
      /"tea":"ready".*"lumps":[1-4]}$/,
    );
    const leave = new AbortController();
    const ticks = await fetch(`${url}/ticks`, { signal: leave.signal });
    const first = await ticks.body!.getReader().read();
    assert.match(new TextDecoder().decode(first.value), /^data: 20\d\d-/);
    leave.abort();

    for (const [template, path, answer] of [
      ['javascript', '/?name=you', '{"message":"Hello, you!"}'],
      ['hono', '/hello/you', '{"message":"Hello, you!"}'],
      ['express', '/hello/you', '{"message":"Hello, you!"}'],
    ] as const) {
      await using app = new Running(['dev', template, '--port', '0']);
      const [, address] = await app.printed(READY);
      assert.equal(await (await fetch(`${address}${path}`)).text(), answer, template);
    }
  });

  it('says that a folder is not there, and makes nothing in its place', async () => {
    for (const command of ['dev', 'start']) {
      const outcome = await runForTest([command, 'mistyped', '--port', '0', '--data', 'none'], { cwd: work });
      assert.equal(outcome.code, 1);
      assert.match(outcome.err, /^E_NOT_FOUND: There is no folder ".*mistyped"/);
    }
    assert.equal(existsSync(join(work, 'mistyped')) || existsSync(join(work, 'none')), false);
  });

  it('says which port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      await mkdir(join(work, 'taken'), { recursive: true });
      const dev = new Running(['dev', 'taken', '--port', String(port)]);
      const [code] = await once(dev.child, 'close');
      assert.equal(code, 1);
      assert.match(dev.text, new RegExp(`E_PORT_IN_USE: .*${port}`));
    } finally {
      server.close();
    }
  });
});

describe('lambent start', { timeout: 60_000 }, () => {
  let server: Running;
  let env: Record<string, string> = {};
  const cli = (args: string[], more: Record<string, string> = {}): Promise<CliOutcome> =>
    runForTest(args, { cwd: work, env: { ...env, ...more } });

  before(async () => {
    await runForTest(['init', 'shop', '--template', 'javascript'], { cwd: work });
    const fails = 'export default async () => {\n  throw new TypeError("boom");\n};\n';
    await writeFile(join(work, 'shop/functions/fails.js'), fails);
    server = new Running(['start', '--port', '0', '--data', 'server-data']);
    const [, url] = await server.printed(/Server +(http:\/\/localhost:\d+)/);
    const [, token] = await server.printed(/LAMBENT_TOKEN=(\S+)/);
    env = { LAMBENT_URL: url!, LAMBENT_TOKEN: token! };
  });
  after(() => server.stop('SIGKILL'));

  it('wants the token', async () => {
    const outcome = await cli(['deploy', 'shop'], { LAMBENT_TOKEN: 'wrong' });
    assert.equal(outcome.code, 4);
    assert.match(outcome.err, /^E_UNAUTHENTICATED/);
  });

  it('deploys, serves, and rolls back', async () => {
    const first = await cli(['deploy', 'shop', '--note', 'one']);
    assert.deepEqual([first.code, /Deployed shop d1 with 3 functions/.test(first.out)], [0, true], first.err);
    await writeFile(
      join(work, 'shop/functions/time.js'),
      'export default { fetch: () => new Response("noon") };\n',
    );
    const second = JSON.parse((await cli(['deploy', 'shop', '--json', '--weight', '0'])).out);
    assert.equal(second.deployment.number, 2);
    const url = env.LAMBENT_URL!;
    assert.match(await (await fetch(`${url}/time`)).text(), /^It is /);
    assert.equal(await getFrom(`${url}/time`, new URL(second.preview.url).host), 'noon');

    assert.equal((await cli(['traffic', 'shop', '1=50', '2=50'])).out, 'shop serves d1 50 % + d2 50 %.\n');
    assert.equal((await cli(['traffic', '2'])).code, 1);
    assert.equal((await cli(['traffic', 'shop', '2'])).out, 'shop serves d2.\n');
    assert.equal(await (await fetch(`${url}/time`)).text(), 'noon');
    assert.equal((await cli(['rollback', '--to', '1'])).out, 'shop serves d1 again.\n');
    assert.match(await (await fetch(`${url}/time`)).text(), /^It is /);
    assert.match((await cli(['deployments'])).out, /^d2 .*\nd1 +100 % .* first +3 {2}one$/m);
    assert.match(
      (await cli(['ls'])).out,
      /^time +node +256 MB +30\.0 s +\d +100 +ANY \/time, ANY \/time\/\*$/m,
    );
  });

  it('does not deploy what does not build, and shows where', async () => {
    await mkdir(join(work, 'bad/functions'), { recursive: true });
    await writeFile(join(work, 'bad/functions/a.js'), 'export default () => 1;\nconst x = = 2;\n');
    const outcome = await cli(['deploy', 'bad']);
    assert.equal(outcome.code, 1);
    assert.match(
      outcome.err,
      /E_BUILD_FAILED: [\s\S]*functions\/a\.js:2:\d+[\s\S]*const x = = 2;\n *[─│ ]*\^/,
    );
    await writeFile(join(work, 'bad/lambent.yaml'), 'app: bad\nfunctions:\n  a:\n    timeot: 5s\n');
    const manifest = await cli(['deploy', 'bad']);
    assert.match(manifest.err, /E_MANIFEST_INVALID: [\s\S]*lambent\.yaml:4[\s\S]*timeout/);
  });

  it('invokes, and shows the logs of it', async () => {
    const ok = await cli(['invoke', 'index', '--data', '{"queryStringParameters":{"name":"you"}}']);
    assert.deepEqual([ok.code, ok.out], [0, '{"message":"Hello, you!"}\n'], ok.err);
    const failed = await cli(['invoke', 'shop/fails', '--json']);
    assert.equal(failed.code, 5);
    assert.match(failed.err, /TypeError: boom\n.*fails\.js:2/);
    const { id } = JSON.parse(failed.out);
    const queued = await cli(['invoke', 'index', '--async']);
    assert.match(queued.out, /^[0-9a-f-]{36}\n$/);
    const logs = await cli(['logs', 'shop/fails', '--invocation', id, '--json']);
    assert.match(JSON.stringify(JSON.parse(logs.out).items), /boom/);
  });

  it('shows cost, health and tokens', async () => {
    assert.match((await cli(['cost'])).out, /list price: \$0\.0\d+/);
    const doctor = await cli(['doctor']);
    assert.match(doctor.out, /Isolation of functions: level [A-E] /);
    assert.match(
      doctor.out,
      /disk: \d+ MB are free for .*server-data\./,
      'of the folder that the server has',
    );
    assert.match(doctor.out, /port: Listens on 127\.0\.0\.1:\d+/);
    const created = await cli(['tokens', 'create', 'ci']);
    const token = created.out.trim();
    assert.equal((await cli(['ls'], { LAMBENT_TOKEN: token })).code, 0);
    assert.equal((await cli(['tokens', 'revoke', 'ci'])).code, 0);
    assert.equal((await cli(['ls'], { LAMBENT_TOKEN: token })).code, 4);
  });

  it('stops on SIGTERM, and starts again with all it had and without showing a token', async () => {
    assert.equal(await server.stop('SIGTERM'), 0);
    assert.equal((await cli(['ls'])).code, 3);
    server = new Running(['start', '--port', '0', '--data', 'server-data']);
    const [, url] = await server.printed(/Server +(http:\/\/localhost:\d+)/);
    env = { ...env, LAMBENT_URL: url! };
    assert.match(await (await fetch(`${url}/time`)).text(), /^It is /);
    assert.doesNotMatch(server.text, /LAMBENT_TOKEN/);
    const removed = await cli(['rm', 'shop', '--yes']);
    assert.equal(removed.code, 0, removed.err);
    assert.equal((await fetch(`${url}/time`)).status, 404);
    assert.match((await cli(['ls'])).out, /Nothing is deployed yet/);
  });
});
