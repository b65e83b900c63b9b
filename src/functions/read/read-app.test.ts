import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import { loadConfig } from './load-config.ts';
import { readApp } from './read-app.ts';

describe('readApp', { timeout: 60_000 }, () => {
  let root: string;
  let folders = 0;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'lambent-read-')));
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function folderOf(files: Record<string, string>): Promise<string> {
    folders += 1;
    const folder = join(root, `app-${folders}`);
    await mkdir(folder);
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    return folder;
  }
  const read = async (files: Record<string, string>, confined = false) =>
    readApp(await folderOf(files), { clock: systemClock, confined });
  const fault = async (files: Record<string, string>, confined = false): Promise<LambentError> => {
    try {
      await read(files, confined);
    } catch (thrown) {
      assert.ok(thrown instanceof LambentError, String(thrown));
      return thrown;
    }
    return assert.fail('it was accepted');
  };

  it('takes each code file of functions/ as a function', async () => {
    const plan = await read({
      'functions/index.ts': '',
      'functions/hello.mjs': '',
      'functions/deep/index.cts': '',
      'functions/deep/helper.ts': '',
      'functions/_helper.ts': '',
      'functions/hello.test.ts': '',
      'functions/types.d.ts': '',
      'functions/readme.md': '',
      'functions/nothing/other.ts': '',
    });
    assert.equal(plan.app, `app-${folders}`);
    assert.deepEqual(
      plan.functions.map(({ name, entry }) => [name, entry]),
      [
        ['deep', 'functions/deep/index.cts'],
        ['hello', 'functions/hello.mjs'],
        ['index', 'functions/index.ts'],
      ],
    );
    assert.deepEqual(
      plan.routes.map(({ path }) => path),
      ['/deep', '/deep/*', '/hello', '/hello/*', '/', '/*'],
    );
  });

  it('takes a single file as the function at /', async () => {
    for (const files of [
      { 'index.ts': '' },
      { 'src/app.js': '', 'package.json': '{"main":"./src/app.js"}' },
    ]) {
      const plan = await read(files);
      assert.deepEqual(
        plan.functions.map(({ name, entry }) => [name, entry]),
        [['index', Object.keys(files)[0]]],
      );
      assert.deepEqual(
        plan.routes.map(({ path }) => path),
        ['/', '/*'],
      );
    }
  });

  it('reads lambent.yaml over the folder', async () => {
    const plan = await read({
      'lambent.yaml': 'app: shop\nfunctions:\n  hello:\n    timeout: 3s\n  other: { entry: src/o.ts }\n',
      'functions/hello.ts': '',
      'functions/unlisted.ts': '',
      'src/o.ts': '',
    });
    assert.deepEqual(
      plan.functions.map(({ name, entry, config }) => [name, entry, config.timeoutMs]),
      [
        ['hello', 'functions/hello.ts', 3_000],
        ['other', 'src/o.ts', 30_000],
      ],
    );
    const bare = await read({ 'lambent.yml': 'app: bare', 'index.js': '' });
    assert.deepEqual([bare.app, bare.functions[0]?.entry], ['bare', 'index.js']);
  });

  it('evaluates lambent.config.ts, with `lambent` always at hand', async () => {
    const plan = await read(
      {
        'lambent.config.ts': `import { defineApp } from 'lambent';
import { name } from './name.ts';
export default defineApp({ app: name, functions: { hello: { memory: '1gb' as const } } });`,
        'name.ts': `export const name: string = 'typed';`,
        'functions/hello.ts': '',
      },
      true,
    );
    assert.equal(plan.app, 'typed');
    assert.equal(plan.functions[0]?.config.memoryMb, 1_024);
  });

  it('names file and line of what is wrong in lambent.config.ts', async () => {
    const key = await fault({
      'lambent.config.ts': 'export default {\n  functions: {\n    hello: { timeout: 3, memry: 5 },\n  },\n};',
      'functions/hello.ts': '',
    });
    assert.equal(
      key.message,
      'lambent.config.ts:3:26: unknown key `memry` in `functions.hello`; did you mean `memory`?',
    );
    const syntax = await fault({ 'lambent.config.ts': 'export default {\n  app: = 3\n};' });
    assert.equal(syntax.code, 'E_MANIFEST_INVALID');
    assert.match(syntax.message, /^lambent\.config\.ts:2/);
    const thrown = await fault({ 'lambent.config.ts': '\n\nthrow new Error("boom");' });
    assert.match(thrown.message, /^lambent\.config\.ts:3:7: boom$/);
    assert.match((await fault({ 'lambent.config.js': 'export const a = 1;' })).message, /no default export/);
    assert.match(
      (await fault({ 'lambent.config.js': 'export default { app: () => 1 };' })).message,
      /plain data/,
    );
    assert.match((await fault({ 'lambent.config.js': 'process.exit(0);' })).message, /ended its process/);
  });

  it('gives the configuration neither time without end, nor programs, nor files of others', async () => {
    const folder = await folderOf({
      'lambent.config.ts': 'await new Promise((r) => setTimeout(r, 60_000));',
    });
    await assert.rejects(
      loadConfig(join(folder, 'lambent.config.ts'), {
        clock: systemClock,
        confined: false,
        configMsMax: 300,
      }),
      /did not finish within 300 ms/,
    );
    const program = await fault({
      'lambent.config.ts': `import { execSync } from 'node:child_process';\nexecSync('true');\nexport default {};`,
    });
    assert.match(program.message, /restricted/);
    const reading = {
      'lambent.config.ts': `import { readFileSync } from 'node:fs';\nreadFileSync('/etc/hostname');\nexport default {};`,
    };
    assert.match((await fault(reading, true)).message, /restricted/);
  });

  it('refuses what is no app, and says why', async () => {
    const empty = await fault({ 'readme.md': '' });
    assert.equal(empty.code, 'E_APP_EMPTY');
    await assert.rejects(readApp(join(root, 'nowhere'), { clock: systemClock, confined: false }), {
      code: 'E_APP_EMPTY',
    });
    const both = await fault({ 'lambent.yaml': '', 'lambent.config.ts': '' });
    assert.match(both.message, /two manifests/);
    const twice = await fault({ 'functions/a.ts': '', 'functions/a.js': '' });
    assert.match(twice.message, /functions\/a\.js and functions\/a\.ts are both the function `a`/);
    const odd = await fault({ 'functions/a.b.ts': '' });
    assert.match(odd.message, /`a\.b` is no name/);
    const missing = await fault({ 'lambent.yaml': 'functions:\n  a:\n    entry: src/nope.ts\n' });
    assert.match(missing.message, /^lambent\.yaml:3:12: .*`src\/nope\.ts`, which does not exist/);
  });
});
