import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Plugin, rolldown } from 'rolldown';
import { CANCEL_REASON } from '../../src/model/frames.ts';
import { FIXTURES, TestInstance } from '../conformance/test-instance.ts';

const EXPRESS = createRequire(import.meta.url).resolve('express');

/** What the build does with imports of Express: each app that is created is noted. */
const noteExpress: Plugin = {
  name: 'note-express',
  resolveId: (id) => (id === 'express' ? '\0noted-express' : null),
  load: (id) =>
    id === '\0noted-express'
      ? `const real = require(${JSON.stringify(EXPRESS)});
module.exports = Object.assign((...args) => {
  const app = real(...args);
  globalThis[Symbol.for('lambent.created')].push({ kind: 'express', app });
  return app;
}, real);`
      : null,
};

/** A bundle with its source map, as a deployment holds it: sources are named relative to the code folder. */
async function build(file: string, codeDir: string, format: 'esm' | 'cjs'): Promise<string> {
  const entry = `functions/${basename(file).replace(/\.[jt]s$/, format === 'esm' ? '.mjs' : '.cjs')}`;
  const bundle = await rolldown({ input: file, platform: 'node', plugins: [noteExpress] });
  await bundle.write({
    file: join(codeDir, entry),
    format,
    codeSplitting: false,
    sourcemap: true,
    sourcemapPathTransform: (path) => path.slice(path.lastIndexOf('/') + 1),
  });
  await bundle.close();
  return entry;
}

describe('the three code blocks of the article', () => {
  let codeDir: string;
  const entries: string[] = [];
  before(async () => {
    codeDir = await mkdtemp(join(tmpdir(), 'lambent-built-'));
    for (const block of [1, 2, 3]) {
      // Kept as text, so that no formatter touches them: they are printed elsewhere.
      const source = join(codeDir, `article-${block}.js`);
      await copyFile(join(FIXTURES, `article-${block}.txt`), source);
      entries.push(await build(source, codeDir, 'cjs'));
    }
  });
  after(() => rm(codeDir, { recursive: true }));

  it('the first answers Hello World!', async () => {
    await using instance = await TestInstance.start(entries[0]!, { codeDir });
    assert.equal(instance.ready?.handlerKind, 'server');
    const answer = await instance.request();
    assert.deepEqual([answer.status, answer.text], [200, 'Hello World!']);
  });

  it('the second logs Hello World! and leaves the caller waiting, as it is written', async () => {
    await using instance = await TestInstance.start(entries[1]!, { codeDir });
    const exchange = instance.open();
    await instance.until(() => instance.logText(exchange.stream) === 'Hello World!');
    assert.equal(exchange.ended, false);
    exchange.cancel(CANCEL_REASON.timeout);
    await exchange.end();
    assert.equal(exchange.failure, undefined);
  });

  it('the third fails at once, with its error and source line in the log instead of a hang', async () => {
    await using instance = await TestInstance.start(entries[2]!, { codeDir });
    const answer = await instance.request();
    assert.equal(answer.failure?.code, 'E_FUNCTION_ERROR');
    assert.equal(answer.failure?.errorType, 'ReferenceError');
    assert.equal(answer.failure?.errorMessage, 'fetchData is not defined');
    assert.match(answer.failure?.stackTrace[0] ?? '', /^at func1 \(functions\/article-3\.js:5:\d+\)$/);
    await instance.until(() => instance.logText(answer.stream).includes('storeData is not defined'));
    const log = instance.logText(answer.stream);
    assert.match(
      log,
      /^functions\/article-3\.js:5\n {4}const data = await fetchData\(\);\n +\^\n\nReferenceError: fetchData is not defined\n {4}at func1/,
    );
    assert.match(log, /functions\/article-3\.js:10\n {4}const processedData = processData\(data\);/);
    assert.equal((await instance.request()).failure?.errorMessage, 'fetchData is not defined');
    assert.equal(instance.retired, false);
  });
});

describe('bundled TypeScript', () => {
  it('shows the places of the sources in errors', async () => {
    const codeDir = await mkdtemp(join(tmpdir(), 'lambent-built-'));
    try {
      const entry = await build(join(FIXTURES, 'typed.ts'), codeDir, 'esm');
      await using instance = await TestInstance.start(entry, { codeDir });
      assert.equal((await instance.event({ id: 0 }).end()).text, '{"host":"example.test"}');
      const failed = await instance.event({ id: 7 }).end();
      assert.deepEqual(failed.failure?.stackTrace.slice(0, 2), [
        'at check (functions/typed.ts:6:9)',
        'at handler (functions/typed.ts:10:21)',
      ]);
      assert.match(
        instance.logText(failed.stream),
        /^functions\/typed\.ts:6\n {2}throw new RangeError\(`order \$\{order\.id\} is wrong`\);\n {8}\^/,
      );
    } finally {
      await rm(codeDir, { recursive: true });
    }
  });
});
