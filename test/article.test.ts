import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { InvocationId } from '../src/base/ids.ts';
import type { InvocationRecord, LogLine } from '../src/model/invocation.ts';
import { type AppFiles, REPOSITORY, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { isAlive, poll } from './process-table.ts';
import { exchange, type RawResponse } from './raw-connection.ts';

/**
 * The three code blocks of the article that Lambent answers, deployed as they are printed. The first is right. The
 * second never answers. The third uses what nobody defined: elsewhere it hangs, or takes the server with it.
 */
const BLOCKS = ['functions', 'triggers', 'orchestration'] as const;

async function readBlock(name: (typeof BLOCKS)[number]): Promise<AppFiles> {
  const folder = join(REPOSITORY, 'test/fixtures', `article-${name}`);
  const paths = ['package.json', 'functions/index.js', ...(name === 'triggers' ? ['lambent.yaml'] : [])];
  const texts = await Promise.all(paths.map((path) => readFile(join(folder, path), 'utf8')));
  return Object.fromEntries(paths.map((path, index) => [path, texts[index]!]));
}

let lambent: TestPlatform;
before(async () => {
  const apps = await Promise.all(BLOCKS.map(async (name) => [name, await readBlock(name)] as const));
  // And all three in one folder, where each is served at its name although it is written for `/`.
  const together = Object.fromEntries(
    apps.map(([name, files]) => [`functions/${name}.js`, files['functions/index.js']!]),
  );
  lambent = await startTestPlatform({ ...Object.fromEntries(apps), together }, { link: ['express'] });
});
after(() => lambent.close());

function get(app: (typeof BLOCKS)[number] | 'together', path = '/'): Promise<RawResponse> {
  return exchange(lambent.port, [`GET ${path} HTTP/1.1`, `Host: ${app}.localhost`, 'Connection: close']);
}

function linesOf(id: InvocationId): LogLine[] {
  return lambent.events.flatMap((event) =>
    event.kind === 'log' && event.line.invocation === id ? [event.line] : [],
  );
}

function recordOf(answer: RawResponse): Promise<InvocationRecord> {
  return lambent.waitForInvocation((record) => record.id === answer.headers['x-request-id']);
}

describe('the code blocks of the article', { timeout: 60_000 }, () => {
  it('1, a function: answers Hello World!', async () => {
    const answer = await get('functions');
    assert.equal(answer.status, 200);
    assert.equal(answer.body.toString(), 'Hello World!');
    assert.match(answer.headers['content-type'] ?? '', /^text\/html/);
    assert.equal((await recordOf(answer)).status, 'ok');
    assert.equal((await get('functions', '/elsewhere')).status, 404);
  });

  it('2, an event trigger: logs Hello World!, and is stopped because it never answers', async () => {
    const answering = get('triggers');
    const line = await lambent.waitForLog(({ text }) => text === 'Hello World!');
    const { json } = await lambent.api('GET', '/instances');
    const instances = (json as { items: { app: string; pid: number }[] }).items;
    const { pid } = instances.find(({ app }) => app === 'triggers')!;
    assert.equal(isAlive(pid), true);

    const answer = await answering;
    assert.equal(answer.status, 504);
    const { error } = JSON.parse(answer.body.toString());
    assert.equal(error.code, 'E_FUNCTION_TIMEOUT');
    assert.equal(error.message, 'function index did not finish within 1 s and was stopped');
    assert.match(error.hint, /`timeout` in the manifest/);

    const record = await recordOf(answer);
    assert.deepEqual([record.status, record.httpStatus], ['timeout', 504]);
    assert.ok(record.billedMs >= 1000 && record.billedMs < 3000, `${record.billedMs} ms`);
    assert.deepEqual([line.invocation, line.severity, line.stream], [record.id, 'info', 'stdout']);
    // The author, who reads the log, learns of it as well.
    const told = await lambent.waitForLog(
      (other) => other.invocation === record.id && other.stream === 'platform',
    );
    assert.match(told.text, /did not finish within 1 s/);
    await poll(() => !isAlive(pid));
  });

  it('3, orchestration: shows its own bug with the source line at once, and goes on', async () => {
    const answer = await get('orchestration');
    assert.equal(answer.status, 500);
    const { error } = JSON.parse(answer.body.toString());
    assert.equal(error.code, 'E_FUNCTION_ERROR');
    assert.equal(error.message, 'ReferenceError: fetchData is not defined');

    const record = await recordOf(answer);
    assert.equal(record.status, 'error');
    assert.ok(record.billedMs < 1_000, `it took ${record.billedMs} ms`);
    assert.deepEqual(
      [record.error?.errorType, record.error?.errorMessage],
      ['ReferenceError', 'fetchData is not defined'],
    );
    assert.match(record.error?.stackTrace[0] ?? '', /^at func1 \(functions\/index\.js:5:\d+\)$/);

    await lambent.waitForLog(
      (line) => line.invocation === record.id && line.text.includes('storeData is not'),
    );
    const text = linesOf(record.id)
      .map((line) => line.text)
      .join('\n');
    assert.match(text, /^functions\/index\.js:5\n {4}const data = await fetchData\(\);\n +\^\n/);
    assert.match(text, /ReferenceError: fetchData is not defined\n {4}at func1 \(functions\/index\.js:5:/);
    // The other two fail as well, after the answer: nothing of that is lost.
    assert.match(
      text,
      /\n {4}const processedData = processData\(data\);\n +\^\n\nReferenceError: processData is not/,
    );
    assert.match(text, /functions\/index\.js:15\n[\s\S]*ReferenceError: storeData is not defined/);

    const next = await get('orchestration');
    assert.deepEqual(
      [next.status, next.headers['x-request-id'] === answer.headers['x-request-id']],
      [500, false],
    );
    assert.equal((await get('functions')).body.toString(), 'Hello World!');
  });

  it('in files with names of their own, where each is served at its name', async () => {
    const first = await get('together', '/functions');
    assert.deepEqual([first.status, first.body.toString()], [200, 'Hello World!']);
    const third = await get('together', '/orchestration');
    assert.equal(third.status, 500);
    const { error } = await recordOf(third);
    assert.equal(error?.errorMessage, 'fetchData is not defined');
    assert.match(error?.stackTrace[0] ?? '', /^at func1 \(functions\/orchestration\.js:5:\d+\)$/);
    const second = get('together', '/triggers').catch(() => undefined);
    await lambent.waitForLog(
      ({ app, function: name, text }) => app === 'together' && name === 'triggers' && text === 'Hello World!',
    );
    await lambent.close();
    await second;
  });
});
