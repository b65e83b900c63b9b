import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { toBuildFault } from './build-faults.ts';
import type { BuildFault, BuildJob, BuildOutput } from './build-job.ts';
import { bundleFunction } from './bundle-function.ts';

const PROJECT_MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const run = promisify(execFile);

/** Loads built code as an instance would, and prints what it exports and creates as JSON. */
const LOADER = `
const created = (globalThis[Symbol.for('lambent.created')] = []);
const path = process.argv[1];
const loaded = path.endsWith('.cjs') ? process.getBuiltinModule('module').createRequire(path)(path) : await import(path);
const value = typeof loaded === 'function' ? loaded : await (loaded.default ?? loaded);
const result = typeof value === 'function' ? await value() : value;
console.log(JSON.stringify({ result: result ?? null, created: created.map(({ kind, app }) => kind + ' ' + typeof app) }));
`;

describe('bundleFunction', { timeout: 120_000 }, () => {
  let root: string;
  let apps = 0;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'lambent-bundle-')));
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function jobOf(files: Record<string, string>, over: Partial<BuildJob> = {}): Promise<BuildJob> {
    apps += 1;
    const folder = join(root, `app${apps}`);
    const outDir = join(root, `out${apps}`);
    await mkdir(outDir, { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    const entry = Object.keys(files)[0]!;
    return {
      folder,
      entry,
      outDir,
      external: [],
      include: [],
      modulesDir: undefined,
      confined: false,
      ...over,
    };
  }
  const withModules = async (files: Record<string, string>): Promise<BuildJob> => {
    const job = await jobOf(files);
    await symlink(PROJECT_MODULES, join(job.folder, 'node_modules'));
    return job;
  };

  interface Loaded {
    readonly output: BuildOutput;
    readonly result: unknown;
    readonly created: string[];
  }
  async function load(job: BuildJob): Promise<Loaded> {
    const output = await bundleFunction(job);
    // Away from its sources: nothing may lead back to them.
    await rm(job.folder, { recursive: true, force: true });
    const path = join(job.outDir, output.entry);
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', LOADER, path], {
      timeout: 20_000,
    });
    return { output, ...JSON.parse(stdout) };
  }
  async function faultOf(job: BuildJob): Promise<BuildFault> {
    try {
      await bundleFunction(job);
    } catch (thrown) {
      return toBuildFault(thrown, job);
    }
    return assert.fail('it was built');
  }

  describe('formats', () => {
    it('builds ES modules, top-level await, JSON and `require` in one file', async () => {
      const { output, result } = await load(
        await jobOf({
          'functions/a.ts': `
            import data from '../data.json';
            import { b } from './b.cjs';
            enum Colour { Red = 1 }
            const late = await Promise.resolve('late');
            const lazy = await import('./lazy.ts');
            export default () => [data.x, b, late, lazy.value, Colour.Red, __dirname === import.meta.dirname, typeof __filename];`,
          'functions/b.cjs': `const fs = require('fs'); const { join } = require('node:path');
            exports.b = [typeof fs.readFileSync, join('a', 'b'), typeof __dirname, typeof module.exports, this === module.exports];`,
          'functions/lazy.ts': `export const value: string = 'lazy';`,
          'data.json': '{"x": 1}',
        }),
      );
      assert.equal(output.entry, 'functions/a.mjs');
      assert.deepEqual(result, [
        1,
        ['function', 'a/b', 'string', 'object', true],
        'late',
        'lazy',
        1,
        true,
        'string',
      ]);
    });

    it('builds CommonJS as sloppy CommonJS, with ES modules in it', async () => {
      const { output, result } = await load(
        await jobOf({
          'index.js': `
            const { b } = require('./b.mjs');
            implied = 'sloppy';
            module.exports = async () => [b, implied, this === exports || this === module.exports, __dirname === require('path').dirname(__filename), require.main === module];`,
          'b.mjs': `import { sep } from 'node:path'; export const b = sep + typeof import.meta.url;`,
        }),
      );
      assert.equal(output.entry, 'index.cjs');
      assert.deepEqual(result, ['/string', 'sloppy', true, true, false]);
    });

    it('chooses the format by ending, syntax and `type`', async () => {
      const entryOf = async (files: Record<string, string>) =>
        (await bundleFunction(await jobOf(files))).entry;
      assert.equal(await entryOf({ 'a.mts': '' }), 'a.mjs');
      assert.equal(await entryOf({ 'a.cts': 'module.exports = 1' }), 'a.cjs');
      assert.equal(await entryOf({ 'a.js': 'module.exports = 1' }), 'a.cjs');
      assert.equal(await entryOf({ 'a.js': 'await 1;' }), 'a.mjs');
      assert.equal(await entryOf({ 'a.ts': 'import fs = require("fs"); export = fs;' }), 'a.cjs');
      assert.equal(await entryOf({ 'deep/er.v2.ts': 'export {}' }), 'deep/er.v2.mjs');
    });

    it('follows the paths of tsconfig.json', async () => {
      const { result } = await load(
        await jobOf({
          'functions/a.ts': `import { q } from '@/lib/q'; import { r } from './r.js'; export default [q, r];`,
          'functions/r.ts': 'export const r = 2;',
          'lib/q.ts': 'export const q = 1;',
          'tsconfig.json': '{ "compilerOptions": { "paths": { "@/*": ["./*"] } } }',
        }),
      );
      assert.deepEqual(result, [1, 2]);
    });

    it('keeps source maps with the sources in them, paths relative to the code', async () => {
      const job = await jobOf({
        'functions/a.ts': `import { fail } from '../lib/fail.ts';\nexport default fail;\n`,
        'lib/fail.ts': `export function fail(): never {\n  throw new Error('mapped');\n}\n`,
      });
      const { entry } = await bundleFunction(job);
      const map = JSON.parse(await readFile(join(job.outDir, `${entry}.map`), 'utf8'));
      assert.deepEqual(map.sources.toSorted(), ['../lib/fail.ts', 'a.ts']);
      assert.match(map.sourcesContent[map.sources.indexOf('../lib/fail.ts')], /throw new Error/);
      const path = join(job.outDir, entry);
      const script = `const { default: fail } = await import(${JSON.stringify(path)}); try { fail(); } catch (e) { console.log(e.stack); }`;
      const { stdout } = await run(process.execPath, [
        '--enable-source-maps',
        '--input-type=module',
        '-e',
        script,
      ]);
      assert.match(stdout, /lib\/fail\.ts:2:9/);
    });

    it('offers `lambent` where it is not installed', async () => {
      const { result } = await load(
        await jobOf({
          'a.ts': `import { defineApp } from 'lambent'; export default defineApp({ app: 'x' });`,
        }),
      );
      assert.deepEqual(result, { app: 'x' });
    });
  });

  describe('apps that are merely created', () => {
    const article = [1, 2, 3].map((at) => `article ${at}`);
    const blocks = [
      `res.send('Hello World!');`,
      `console.log('Hello World!');`,
      `const func2 = async () => { const processedData = processData(data); };\n  func2();`,
    ];
    for (const [at, title] of article.entries())
      it(`notes the app of ${title}, which exports nothing and never listens`, async () => {
        const source = `const express = require('express');\nconst app = express();\napp.get('/', (req, res) => {\n  ${blocks[at]}\n});\n`;
        const { output, created } = await load(await withModules({ 'index.js': source }));
        assert.equal(output.entry, 'index.cjs');
        assert.deepEqual(created, ['express function']);
      });

    it('keeps every export of the packages as it is', async () => {
      const cases: Record<string, [source: string, result: unknown, created: string[]]> = {
        'express.ts': [
          `import express, { Router, json } from 'express';
           import type { Request } from 'express';
           const app = express();
           app.use(express.json()); app.use(express.Router());
           export default () => [typeof Router, json === express.json, typeof express.static, typeof express.application.get];`,
          ['function', true, 'function', 'function'],
          ['express function'],
        ],
        'express.cjs': [
          `const express = require('express'); const { Router } = require('express'); const app = express();
           module.exports = () => [typeof Router, typeof express.json, express === require('express')];`,
          ['function', 'function', true],
          ['express function'],
        ],
        'koa.ts': [
          `import Koa from 'koa';
           class Mine extends Koa { extra = 1; }
           const mine = new Mine(); const plain = new Koa();
           export default () => [mine instanceof Mine, mine instanceof Koa, plain instanceof Koa, mine.extra, typeof Koa.HttpError];`,
          [true, true, true, 1, 'function'],
          ['koa object', 'koa object'],
        ],
        'koa.cjs': [
          `const Koa = require('koa'); const app = new Koa(); module.exports = () => [app instanceof Koa, typeof Koa.HttpError];`,
          [true, 'function'],
          ['koa object'],
        ],
        'fastify.ts': [
          `import Fastify, { errorCodes, fastify } from 'fastify';
           const one = Fastify(); const two = fastify();
           export default () => [typeof one.get, typeof two.inject, typeof errorCodes];`,
          ['function', 'function', 'object'],
          ['fastify object', 'fastify object'],
        ],
        'fastify.cjs': [
          `const { fastify } = require('fastify'); fastify(); require('fastify')(); require('fastify').default();
           module.exports = () => [typeof require('fastify').errorCodes];`,
          ['object'],
          ['fastify object', 'fastify object', 'fastify object'],
        ],
        'hono.ts': [
          `import { Hono } from 'hono'; import { cors } from 'hono/cors';
           const app = new Hono(); app.use(cors()); app.get('/', (c) => c.text('x'));
           export default async () => [app instanceof Hono, await (await app.request('/')).text()];`,
          [true, 'x'],
          ['hono object'],
        ],
        'hono.cjs': [
          `const { Hono } = require('hono'); const app = new Hono(); module.exports = () => [app instanceof Hono];`,
          [true],
          ['hono object'],
        ],
        'lazy.ts': [
          `const { default: express } = await import('express'); express(); export default () => typeof express.json;`,
          'function',
          ['express function'],
        ],
      };
      for (const [file, [source, result, created]] of Object.entries(cases)) {
        const loaded = await load(await withModules({ [file]: source }));
        assert.deepEqual([loaded.result, loaded.created], [result, created], file);
      }
    });

    it('does not note what packages create for themselves', async () => {
      const { created } = await load(
        await jobOf({
          'index.js': `require('inner');`,
          'node_modules/inner/package.json': '{"name":"inner"}',
          'node_modules/inner/index.js': `module.exports = require('express')();`,
          'node_modules/express/package.json': '{"name":"express"}',
          'node_modules/express/index.js': `module.exports = () => ({});`,
        }),
      );
      assert.deepEqual(created, []);
    });
  });

  describe('packages that cannot be bundled', () => {
    const NATIVE = {
      'node_modules/native/package.json':
        '{"name":"native","main":"lib.js","gypfile":true,"dependencies":{"dep":"1"}}',
      'node_modules/native/lib.js': `const { x } = require('dep'); exports.where = __dirname; exports.x = x; exports.data = require('fs').readFileSync(__dirname + '/data.bin', 'utf8');`,
      'node_modules/native/data.bin': 'bytes',
      'node_modules/native/binding.gyp': '{}',
      'node_modules/native/node_modules/dep/package.json': '{"name":"dep","version":"2.0.0"}',
      'node_modules/native/node_modules/dep/index.js': 'exports.x = 2;',
      'node_modules/dep/package.json': '{"name":"dep","version":"1.0.0"}',
      'node_modules/dep/index.js': 'exports.x = 1;',
    };

    it('copies packages with native code, with what they need', async () => {
      const { output, result } = await load(
        await jobOf({
          'functions/a.ts': `import { data, x } from 'native'; import { x as own } from 'dep'; export default [data, x, own];`,
          ...NATIVE,
        }),
      );
      assert.deepEqual(result, ['bytes', 2, 1]);
      assert.deepEqual(output.remarks, ['copied as they are: native']);
      assert.ok(output.inputs.some((path) => path.endsWith('native/data.bin')));
    });

    it('copies packages that the manifest names, through the links of pnpm', async () => {
      const job = await jobOf(
        {
          'a.js': `const big = require('big/sub'); module.exports = big;`,
          'node_modules/.pnpm/big@1/node_modules/big/package.json':
            '{"name":"big","dependencies":{"small":"1"}}',
          'node_modules/.pnpm/big@1/node_modules/big/sub.js': `module.exports = require('small') + 1;`,
          'node_modules/.pnpm/small@1/node_modules/small/package.json': '{"name":"small"}',
          'node_modules/.pnpm/small@1/node_modules/small/index.js': 'module.exports = 41;',
        },
        { external: ['big'] },
      );
      await symlink('.pnpm/big@1/node_modules/big', join(job.folder, 'node_modules/big'));
      await symlink(
        '../../small@1/node_modules/small',
        join(job.folder, 'node_modules/.pnpm/big@1/node_modules/small'),
      );
      assert.equal((await load(job)).result, 42);
      const entries = await readdir(job.outDir, { recursive: true, withFileTypes: true });
      assert.equal(
        entries.some((entry) => entry.isSymbolicLink()),
        false,
      );
    });

    it('explains native code that it meets elsewhere', async () => {
      const fault = await faultOf(
        await jobOf({
          'a.js': `require('odd');`,
          'node_modules/odd/package.json': '{"name":"odd"}',
          'node_modules/odd/index.js': `require('./x.node');`,
          'node_modules/odd/x.node': '',
        }),
      );
      assert.match(fault.message, /odd\/x\.node is native code/);
      assert.match(fault.hint ?? '', /external: \[odd\]/);
    });
  });

  describe('include', () => {
    it('copies files and globs to the same places', async () => {
      const job = await jobOf(
        {
          'functions/a.ts': `import { readFileSync } from 'node:fs';
            export default () => readFileSync(new URL('../templates/x.txt', import.meta.url), 'utf8');`,
          'templates/x.txt': 'template',
          'templates/deep/y.txt': 'y',
          'templates/node_modules/z.txt': 'z',
          'run.sh': '#!',
        },
        { include: ['templates/**', './run.sh'] },
      );
      await chmod(join(job.folder, 'run.sh'), 0o700);
      assert.equal((await load(job)).result, 'template');
      assert.deepEqual((await readdir(job.outDir, { recursive: true })).toSorted(), [
        'functions',
        'functions/a.mjs',
        'functions/a.mjs.map',
        'package.json',
        'run.sh',
        'templates',
        'templates/deep',
        'templates/deep/y.txt',
        'templates/x.txt',
      ]);
    });

    it('refuses patterns without files, and does not follow links out of the app', async () => {
      const nothing = await faultOf(await jobOf({ 'a.ts': '' }, { include: ['nope/*'] }));
      assert.match(nothing.message, /`nope\/\*`, which matches no file/);
      const job = await jobOf({ 'a.ts': '', 'data/x.txt': '' }, { include: ['data/**'] });
      await symlink('/etc/hostname', join(job.folder, 'data/link'));
      await bundleFunction(job);
      assert.deepEqual(await readdir(join(job.outDir, 'data')), ['x.txt']);
    });
  });

  describe('errors', () => {
    it('shows the place with a caret, tabs and long lines included', async () => {
      const tabs = await faultOf(await jobOf({ 'a.ts': 'export default 1;\n\tconst x = retrun 5;\n' }));
      assert.equal(
        tabs.message.split('\n').slice(1).join('\n'),
        '  \tconst x = retrun 5;\n  \t                ^',
      );
      const long = await faultOf(await jobOf({ 'a.ts': `/* ${'x'.repeat(5_000)} */ const = 1;` }));
      assert.ok(long.message.length < 600);
      assert.match(long.message, /\n +\^$/);
      const json = await faultOf(
        await jobOf({ 'a.ts': 'import x from "./b.json"; export default x;', 'b.json': '{ "a": }' }),
      );
      assert.match(json.message, /^b\.json:1:8: /);
      const missing = await faultOf(
        await jobOf({
          'a.ts': 'import { no } from "./b.ts"; export default no;',
          'b.ts': 'export const yes = 1;',
        }),
      );
      assert.match(missing.message, /^a\.ts:1:10: "no" is not exported by "b\.ts"/);
    });

    it('names unresolved files with the nearest one, and every missing package', async () => {
      const file = await faultOf(await jobOf({ 'a.ts': `import './lib/fo.ts';`, 'lib/foo.ts': '' }));
      assert.match(file.message, /^a\.ts:1:8: cannot find the file `\.\/lib\/fo\.ts`/);
      assert.equal(file.hint, 'Did you mean `./lib/foo.ts`?');
      const packages = await faultOf(
        await jobOf({
          'a.ts': `import a from 'one'; import b from '@two/x/y'; export default [a, b];`,
          'pnpm-lock.yaml': '',
        }),
      );
      assert.match(packages.message, /`one`[\s\S]*`@two\/x`/);
      assert.match(packages.hint ?? '', /`pnpm add one`/);
      const sub = await withModules({ 'a.ts': `import x from 'express/nope'; export default x;` });
      assert.match((await faultOf(sub)).message, /`express` is installed, but offers no `express\/nope`/);
    });

    it('leaves imports alone whose failure the code catches', async () => {
      const { result } = await load(
        await jobOf({
          'a.js': `let m = 'absent'; try { m = require('maybe'); } catch {} module.exports = [m];`,
        }),
      );
      assert.deepEqual(result, ['absent']);
    });

    it('keeps confined builds inside the app', async () => {
      const secret = join(root, 'secret.ts');
      await writeFile(secret, 'export const s = "s3cret"; retrun 1;');
      for (const specifier of [secret, '../secret.ts']) {
        const job = await jobOf(
          { 'a.ts': `import { s } from '${specifier}'; export default s;` },
          { confined: true },
        );
        const fault = await faultOf(job);
        assert.match(fault.message, /outside of the app/);
        assert.doesNotMatch(JSON.stringify(fault), /s3cret/);
      }
      const linked = await jobOf(
        { 'a.ts': `import { s } from './link.ts'; export default s;` },
        { confined: true },
      );
      await symlink(secret, join(linked.folder, 'link.ts'));
      assert.match((await faultOf(linked)).message, /outside of the app/);
    });
  });
});
