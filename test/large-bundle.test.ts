/** Bundles of megabytes: V8's compiled form is made by the build and taken by instances, and nothing else is different. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { COMPILE_FLAGS } from '../src/model/code-cache.ts';
import { REPOSITORY, startTestPlatform, type TestPlatform } from './platform-harness.ts';

const FILLING = Array.from(
  { length: 8_000 },
  (_, number) => `  part${number}: (value: number) => value * ${number} + 1,`,
);
/** TypeScript, so that places in its errors are those of the source only where the source map is read. */
const LARGE = `import { basename } from 'node:path';
interface Parts { [name: string]: (value: number) => number }

const parts: Parts = {
${FILLING.join('\n')}
  // ${'x'.repeat(100)}
};
const loaded = await Promise.resolve('loaded');

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.url.endsWith('/fail')) throw new RangeError('as asked');
    const { createHash } = await import('node:crypto');
    const hash = createHash('sha256').update('x').digest('hex').slice(0, 4);
    return Response.json({
      three: parts.part2!(1), loaded, hash,
      file: basename(import.meta.filename), url: import.meta.url.endsWith('/functions/large.mjs'), name: basename(__filename),
    });
  },
};
`;

/** The same in CommonJS, with a package that stays beside the bundle. */
const COMMON = `const { basename } = require('node:path');
const parts = {
${FILLING.join('\n').replaceAll(': number', '')}
};
exports.handler = async (event) => {
  if (event.fail) throw new RangeError('in common');
  const { createHash } = await import('node:crypto');
  const { near } = await import(event.near);
  return {
    three: parts.part2(1), near, beside: require('beside').word, viaModule: module.require('beside').word,
    hash: createHash('sha256').update('x').digest('hex').slice(0, 4),
    known: require.cache[__filename] === module, loaded: module.loaded, name: basename(__filename),
  };
};
`;

describe('a large bundle', { timeout: 60_000 }, () => {
  let lambent: TestPlatform;
  before(async () => {
    lambent = await startTestPlatform({
      shop: {
        'functions/large.ts': LARGE,
        'functions/named.ts': `${LARGE.replace('export default {', 'export const handler = async () => "by name";\nexport const other = {')}`,
        'functions/wrong.ts': `${LARGE}\nexport const second = 2;`,
        'lambent.yaml':
          'functions:\n  large: {}\n  named: {}\n  wrong: { handler: third }\n  importing: {}\n',
        'functions/importing.ts': `${LARGE}\nexport const more = (name: string) => import(name);`,
      },
      common: {
        'functions/common.cjs': COMMON,
        'functions/throws.cjs': `${COMMON}\nthrow new RangeError('while it loads');`,
        'functions/near.mjs': 'export const near = "near by";',
        'node_modules/beside/package.json': '{"name":"beside","version":"1.0.0"}',
        'node_modules/beside/index.js': 'exports.word = "beside it";',
        'lambent.yaml':
          'functions:\n  common: { external: [beside], include: [functions/near.mjs], routes: [] }\n  throws: { external: [beside], routes: [] }\n  near: { routes: [], handler: near }\n',
      },
      // What an app brings itself must never be taken for something derived.
      hidden: {
        '.lambent/hidden.ts': LARGE,
        'lambent.yaml': 'functions:\n  hidden: { entry: .lambent/hidden.ts }\n',
      },
    });
  });
  after(() => lambent.close());

  const blobOf = (file: string): string => {
    const [path] = globSync(join(lambent.folder, 'data/blobs/*/functions', file));
    assert.ok(path !== undefined);
    return dirname(dirname(path));
  };
  const cacheIn = (blob: string, file: string): string => join(blob, '.lambent/functions', `${file}.v8`);

  it('does what a small one does', async () => {
    for (const path of ['/large', '/importing']) {
      const answer = await lambent.fetch(path);
      const told = (await answer.json()) as Record<string, unknown>;
      assert.deepEqual(
        [told.three, told.loaded, told.hash, told.url],
        [3, 'loaded', '2d71', path === '/large'],
      );
      assert.equal(told.file, `${path.slice(1)}.mjs`);
      assert.equal(told.name, told.file);
    }
  });

  it('is called by the export that fits, and names those it has where none does', async () => {
    assert.equal(await (await lambent.fetch('/named')).text(), 'by name');
    assert.ok(existsSync(cacheIn(blobOf('named.mjs'), 'named.mjs')));
    assert.ok((await lambent.fetch('/wrong')).status >= 500);
    const { text } = await lambent.waitForLog((each) => each.text.includes('no export named third'));
    assert.match(text, /exports (default, second|second, default)/);
  });

  it('shows the places of its sources in errors', async () => {
    assert.equal((await lambent.fetch('/large/fail')).status, 500);
    const line = LARGE.split('\n').findIndex((text) => text.includes('as asked')) + 1;
    const { text } = await lambent.waitForLog((each) => each.text.includes('as asked'));
    assert.match(text, new RegExp(`^functions/large\\.ts:${line}\\n.*throw new RangeError`));
    assert.match(text, new RegExp(`at .*\\(?functions/large\\.ts:${line}:\\d+`));
  });

  it('may be CommonJS', async () => {
    const invoke = async (name: string, event: object): Promise<Record<string, never>> =>
      (await lambent.api('POST', `/apps/common/functions/${name}/invocations`, event)).json;
    assert.ok(existsSync(cacheIn(blobOf('common.cjs'), 'common.cjs')));
    const { result } = await invoke('common', { near: './near.mjs' });
    assert.deepEqual(result, {
      ...{ three: 3, near: 'near by', beside: 'beside it', viaModule: 'beside it', hash: '2d71' },
      ...{ known: true, loaded: true, name: 'common.cjs' },
    });
    const { error } = await invoke('common', { fail: true });
    const line = COMMON.split('\n').findIndex((text) => text.includes('in common')) + 1;
    assert.match(error!['stackTrace'][0], new RegExp(`functions/common\\.cjs:${line}:\\d+`));
    const thrown = await invoke('throws', {});
    assert.match(JSON.stringify(thrown.error), /while it loads/);
  });

  it('has its compiled form beside it, unless it may load what only Node’s own loader finds', () => {
    assert.ok(existsSync(cacheIn(blobOf('large.mjs'), 'large.mjs')));
    assert.ok(!existsSync(cacheIn(blobOf('importing.mjs'), 'importing.mjs')));
    const hidden = globSync(join(lambent.folder, 'data/blobs/*/.lambent/**/*hidden.mjs*')).map((path) =>
      basename(path),
    );
    assert.deepEqual(hidden.sort(), ['hidden.mjs', 'hidden.mjs.map']);
  });

  it('is loaded from that; from the source alone where the two do not belong together', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-large-'));
    try {
      const cache = cacheIn(folder, 'large.mjs');
      await mkdir(dirname(cache), { recursive: true });
      await mkdir(join(folder, 'functions'));
      await copyFile(cacheIn(blobOf('large.mjs'), 'large.mjs'), cache);
      await copyFile(join(blobOf('large.mjs'), 'functions/large.mjs'), join(folder, 'functions/large.mjs'));
      const ask = async (file = 'large.mjs', name = 'fetch'): Promise<string> => {
        const script = `import { importCached } from ${JSON.stringify(join(REPOSITORY, 'runtimes/node/cached-module.ts'))};
          console.log(typeof (await importCached(${JSON.stringify(folder)}, 'functions/${file}'))?.default?.${name});`;
        const flags = [...COMPILE_FLAGS, '--input-type=module', '--no-warnings'];
        const { stdout } = await promisify(execFile)(process.execPath, [...flags, '-e', script], {
          timeout: 20_000,
        });
        return stdout.trim();
      };
      assert.equal(await ask(), 'function');
      await rm(cache, { force: true });
      assert.equal(await ask(), 'undefined');
      await writeFile(cache, 'of something else');
      assert.equal(await ask(), 'undefined');
      await copyFile(
        join(blobOf('common.cjs'), 'functions/common.cjs'),
        join(folder, 'functions/common.cjs'),
      );
      const common = cacheIn(folder, 'common.cjs');
      await copyFile(cacheIn(blobOf('common.cjs'), 'common.cjs'), common);
      assert.equal(await ask('common.cjs', 'handler'), 'function');
      await writeFile(common, 'of something else');
      assert.equal(await ask('common.cjs', 'handler'), 'undefined');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
