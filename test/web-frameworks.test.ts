/**
 * Web servers of frameworks that nobody here wrote, unmodified: uploaded as source, built and run in the strongest sandbox
 * of this machine, with the manifests of docs/web-frameworks.md. What their apps do is in test/fixtures/web-frameworks.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { runForTest } from '../src/cli/test-terminal.ts';
import { REPOSITORY, startTestPlatform, type TestPlatform } from './platform-harness.ts';

const { WebSocket } = createRequire(import.meta.url)('ws');
const FIXTURES = join(REPOSITORY, 'test/fixtures/web-frameworks');
/** A first build downloads its packages, on a machine that may do much else. */
const BUILD_MS_MAX = 240_000;
/** A machine may have a mirror of them in its own network. */
const CRATES = ['index.crates.io:443', 'static.crates.io:443'];
/** What axum 0.8 asks for. */
const RUST_MINOR_MIN = 80;
const RAILS = ['--api', '--skip-gemfile', '--skip-bundle', '--skip-git', '--skip-test', '--quiet'];
/** Parts of Rails that want gems which do not come with it. */
const RAILS_WITHOUT = [
  'active-record',
  'active-storage',
  'action-mailbox',
  'action-text',
  'bootsnap',
  'spring',
];

/** What a program says of its version; `undefined`: it is not there. */
function versionOf(program: string): string | undefined {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return undefined;
  }
}
const rustMinor = Number(/^rustc 1\.(\d+)/.exec(versionOf('rustc') ?? '')?.[1] ?? 0);
const WITHOUT_RUST =
  (rustMinor < RUST_MINOR_MIN || versionOf('cargo') === undefined) &&
  `Rust 1.${RUST_MINOR_MIN} or newer is not installed`;
const WITHOUT_RAILS =
  ['rails', 'bundle', 'puma'].some((program) => versionOf(program) === undefined) && 'Rails is not installed';

let lambent: TestPlatform;
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambent-frameworks-'));
  lambent = await startTestPlatform(
    {},
    { folder, mode: 'start', isolation: 'best', acceptIsolation: 'E', allowBuildHosts: CRATES },
  );
});
after(() => lambent?.close());

/** The manifest in the documentation that begins with the app's name. */
async function manifestOf(app: string): Promise<string> {
  const page = await readFile(join(REPOSITORY, 'docs/web-frameworks.md'), 'utf8');
  const [, manifest] = new RegExp(`\`\`\`yaml\n(app: ${app}\n[^\`]*)\`\`\``).exec(page) ?? [];
  assert.ok(manifest, `no manifest of ${app}`);
  return manifest;
}

/** Deploys what lies in `source` as its author would. */
async function deploy(app: string, source: string): Promise<void> {
  await writeFile(join(source, 'lambent.yaml'), await manifestOf(app));
  const { code, out, err } = await runForTest(['deploy', source, '--to', lambent.url], {
    env: { LAMBENT_TOKEN: lambent.platform.token ?? '' },
  });
  assert.equal(code, 0, out + err);
}

async function copyFixture(name: string): Promise<string> {
  const source = join(folder, 'apps', name);
  await cp(join(FIXTURES, name), source, { recursive: true });
  return source;
}

const post = (path: string, body: string, type = 'application/json'): Promise<Response> =>
  lambent.fetch(path, { method: 'POST', body, headers: { 'content-type': type } });

/** Five requests that are answered only when all of them are there: by one process. */
async function assertTogether(path: string): Promise<void> {
  const answers = await Promise.all([1, 2, 3, 4, 5].map(async () => (await lambent.fetch(path)).text()));
  assert.equal(new Set(answers).size, 1, answers.join());
  assert.match(answers[0]!, /^\d+$/);
}

/** The answer's second part is made when the first one was read, and somebody asked for it. */
async function assertStreams(path: string, release: string): Promise<void> {
  const response = await lambent.fetch(path);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const readUntil = async (text: string): Promise<string> => {
    let read = '';
    while (!read.includes(text)) {
      const { value, done } = await reader.read();
      assert.ok(!done, `it ended with ${read}`);
      read += value;
    }
    return read;
  };
  assert.doesNotMatch(await readUntil('at once'), /the rest/);
  assert.equal((await post(release, '')).status, 204);
  await readUntil('the rest');
  await reader.cancel();
}

/** A line of the program's own is a line of the log. */
async function assertLogged(app: string, text: string): Promise<void> {
  const line = await lambent.waitForLog((each) => each.app === app && each.text.includes(text));
  assert.ok(line.invocation, 'of the request that it was working on');
}

describe('Next.js', { timeout: BUILD_MS_MAX }, () => {
  before(async () => deploy('site', await copyFixture('next')));

  it('serves pages and its routes', async () => {
    const page = await lambent.fetch('/');
    const html = await page.text();
    assert.match(html, /<h1>made by Next\.js<\/h1>/);
    const [asset] = /\/_next\/static\/[^"]+\.js/.exec(html)!;
    const script = await lambent.fetch(asset!);
    assert.deepEqual(
      [script.status, script.headers.get('content-type')],
      [200, 'application/javascript; charset=UTF-8'],
    );
    await script.text();
    const hello = await post('/api/hello', '{"name":"Ada"}');
    assert.deepEqual([hello.status, await hello.json()], [201, { hello: 'Ada', path: '/api/hello' }]);
    await assertLogged('site', 'Next.js greets Ada');
    assert.equal((await lambent.fetch('/nowhere')).status, 404);
  });

  it('answers several at once', () => assertTogether('/api/together'));
  it('streams a page', () => assertStreams('/streamed', '/api/release'));
});

describe('a server in Rust', { skip: WITHOUT_RUST, timeout: BUILD_MS_MAX }, () => {
  before(async () => deploy('rust', await copyFixture('rust')));

  it('answers', async () => {
    assert.equal(await (await lambent.fetch('/rust')).text(), 'made by axum');
    const hello = await post('/rust/hello', 'Ada', 'text/plain');
    assert.deepEqual([hello.status, await hello.text()], [201, 'hello Ada']);
    await assertLogged('rust', 'Rust greets Ada');
    assert.equal((await lambent.fetch('/rust/nowhere')).status, 404);
  });

  it('answers several at once', () => assertTogether('/rust/together'));
  it('streams', () => assertStreams('/rust/streamed', '/rust/release'));
});

describe('Rails', { skip: WITHOUT_RAILS, timeout: BUILD_MS_MAX }, () => {
  before(async () => {
    const source = join(folder, 'apps', 'shop');
    const without = RAILS_WITHOUT.map((part) => `--skip-${part}`);
    await promisify(execFile)('rails', ['new', source, ...RAILS, ...without], { timeout: 60_000 });
    await cp(join(FIXTURES, 'rails'), source, { recursive: true });
    await deploy('shop', source);
  });

  it('answers', async () => {
    assert.equal(await (await lambent.fetch('/shop')).text(), 'made by Rails');
    const hello = await post('/shop/hello', '{"name":"Ada"}');
    assert.deepEqual([hello.status, await hello.json()], [201, { hello: 'Ada' }]);
    await assertLogged('shop', 'Rails greets Ada');
    assert.equal((await lambent.fetch('/shop/nowhere')).status, 404);
  });

  it('answers several at once', () => assertTogether('/shop/together'));
  it('streams', () => assertStreams('/shop/streamed', '/shop/release'));

  it('speaks WebSocket, as Action Cable does', async () => {
    const socket = new WebSocket(`${lambent.url.replace('http', 'ws')}/cable`, ['actioncable-v1-json'], {
      origin: lambent.url,
    });
    const [data] = (await once(socket, 'message')) as [Buffer];
    assert.deepEqual(JSON.parse(String(data)), { type: 'welcome' });
    socket.close();
    await once(socket, 'close');
  });
});
