import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../../base/clock.ts';
import type { LambentError } from '../../../base/errors.ts';
import type { AppName } from '../../../model/function.ts';
import type { FunctionPlan } from '../../../model/manifest.ts';
import type { BlobStore } from '../../../ports/blob-store.ts';
import { openBlobStore } from '../../../store-files/blob-store.ts';
import type { BuildOutput } from '../build-job.ts';
import type { PlannedBuild } from '../language.ts';
import { findPython, findPythonLike, lookForPython } from './find-python.ts';
import { PythonLanguage } from './python-language.ts';

const SDK = fileURLToPath(new URL('../../../../sdk/python/lambent', import.meta.url));

type Files = Readonly<Record<string, string>>;

/** A wheel of one module, whose `setup` nobody may run; `requires` are its own requirements. */
const MAKE_WHEEL = `
import sys, zipfile
folder, name, version, tag, *requires = sys.argv[1:]
info = f"{name}-{version}.dist-info"
with zipfile.ZipFile(f"{folder}/{name}-{version}-{tag}.whl", "w") as wheel:
    wheel.writestr(f"{name}.py", f"version = {version!r}\\n")
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {each}" for each in requires)]
    wheel.writestr(f"{info}/METADATA", "\\n".join(lines) + "\\n")
    wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
    wheel.writestr(f"{info}/RECORD", "")
`;

const UV_LOCK = `
version = 1
requires-python = ">=3.9"
[[package]]
name = "app"
version = "0"
source = { virtual = "." }
dependencies = [{ name = "left", extra = ["more"] }, { name = "never", marker = "sys_platform == 'win32'" }]
[[package]]
name = "left"
version = "1.2"
source = { registry = "https://example.test/simple" }
wheels = [{ url = "https://example.test/left-1.2-py3-none-any.whl", hash = "sha256:aa" }]
[package.optional-dependencies]
more = [{ name = "right" }]
[[package]]
name = "right"
version = "3"
source = { registry = "https://example.test/simple" }
wheels = [{ url = "https://example.test/right-3-py3-none-any.whl", hash = "sha256:bb" }]
[[package]]
name = "never"
version = "9"
source = { registry = "https://example.test/simple" }
`;

const PYLOCK = `
lock-version = "1.0"
[[packages]]
name = "left"
version = "1.2"
wheels = [{ url = "https://example.test/left-1.2-py3-none-any.whl", hashes = { sha256 = "aa" } }]
[[packages]]
name = "never"
version = "9"
marker = "sys_platform == 'win32'"
`;

describe('PythonLanguage', { timeout: 120_000 }, () => {
  let root: string;
  let blobs: BlobStore;
  let language: PythonLanguage;
  let apps = 0;
  const told: string[] = [];

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'lambent-python-')));
    blobs = await openBlobStore({ folder: join(root, 'blobs') });
    language = new PythonLanguage({ clock: systemClock, blobs, packagesDir: join(root, 'packages') });
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function write(files: Files): Promise<string> {
    apps += 1;
    const folder = join(root, `app${apps}`);
    await mkdir(folder);
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    return folder;
  }

  function makeWheel(folder: string, ...args: string[]): void {
    execFileSync('python3', ['-c', MAKE_WHEEL, folder, ...args]);
  }

  async function plan(
    folder: string,
    entry: string,
    more: Partial<FunctionPlan> = {},
  ): Promise<PlannedBuild> {
    told.length = 0;
    const build = await language.begin({
      app: 'shop' as AppName,
      folder,
      confined: true,
      bench: async () => undefined,
      allowScripts: [],
      signal: new AbortController().signal,
      tell: (_step, text) => told.push(text),
    });
    const { runtimeVersion, include = [] } = more;
    return build.plan({ entry, include, runtimeVersion } as unknown as FunctionPlan);
  }

  async function build(folder: string, entry: string, more: Partial<FunctionPlan> = {}) {
    const planned = await plan(folder, entry, more);
    const outDir = await mkdtemp(join(root, 'out-'));
    const output: BuildOutput = await planned.build(outDir);
    const names = await readdir(outDir, { recursive: true, withFileTypes: true });
    const files = names
      .filter((each) => each.isFile() && !each.parentPath.endsWith('__pycache__'))
      .map((each) => join(each.parentPath, each.name).slice(outDir.length + 1));
    return { output, outDir, planned, files: files.sort() };
  }

  const refusal = async (work: Promise<unknown>): Promise<LambentError> =>
    work.then(
      () => assert.fail('it was not refused'),
      (error: LambentError) => error,
    );

  it('takes what imports lead to, whole packages, and what is named as a text', async () => {
    const folder = await write({
      'functions/a.py':
        'import json\nfrom lib import one\nfrom ._own import x\nSETTINGS = "site_.settings"\nAPPS = ["polls"]\n',
      'functions/_own.py': 'import tools.deep.er\nx = 1',
      'functions/b.py': '',
      'lib/one.py': 'from . import two',
      'lib/two.py': '',
      'lib/three.py': '',
      'tools/deep/er.py': '',
      'tools/other.py': '',
      'site_/__init__.py': '',
      'site_/settings.py': '',
      'site_/templates/a.html': '<p>',
      'polls/__init__.py': '',
      'polls/models.py': '',
      '.venv/lib/junk.py': '',
      'extra/data.txt': 'data',
    });
    const { files, output, outDir } = await build(folder, 'functions/a.py', { include: ['extra/*'] });
    assert.deepEqual(files, [
      'extra/data.txt',
      'functions/_own.py',
      'functions/a.py',
      'lib/one.py',
      'lib/two.py',
      'polls/__init__.py',
      'polls/models.py',
      'site_/__init__.py',
      'site_/settings.py',
      'site_/templates/a.html',
      'tools/deep/er.py',
    ]);
    assert.equal(output.entry, 'functions/a.py');
    assert.ok(output.inputs.includes(join(folder, 'lib/two.py')));
    const compiled = await readdir(join(outDir, 'lib/__pycache__'));
    assert.match(compiled.join(), /^one\.cpython-3\d+\.pyc,two/);
  });

  it('takes all of the folder of a function that has one, and the SDK where it is used', async () => {
    const folder = await write({
      'functions/shop/main.py': 'import lambent\nimport prices\n',
      'functions/shop/prices.py': '',
      'functions/shop/static/a.css': '',
      'functions/other.py': '',
    });
    const { files } = await build(folder, 'functions/shop/main.py');
    const sdk = (await readdir(SDK)).filter((name) => name.endsWith('.py')).sort();
    assert.ok(sdk.includes('__init__.py'), 'the SDK is there');
    assert.deepEqual(files, [
      'functions/shop/main.py',
      'functions/shop/prices.py',
      'functions/shop/static/a.css',
      ...sdk.map((name) => `lambent/${name}`),
    ]);
  });

  it('builds the same from the same', async () => {
    const folder = await write({
      'functions/a.py': 'import m\ndef f(x):\n    return [x, "text", 1.5]\n',
      'm.py': 'y = {1: (2,)}\n',
    });
    const [first, second] = [await build(folder, 'functions/a.py'), await build(folder, 'functions/a.py')];
    assert.equal(await blobs.adopt(first.outDir), await blobs.adopt(second.outDir));
  });

  it('names the line of what is wrong', async () => {
    const folder = await write({
      'functions/a.py':
        'import b_missing\ntry:\n    import maybe_missing\nexcept ImportError:\n    pass\nimport c\n',
      'c.py': 'x = (\n',
    });
    const error = await refusal(build(folder, 'functions/a.py'));
    assert.equal(error.code, 'E_BUILD_FAILED');
    assert.match(error.message, /^c\.py:1:5: '\(' was never closed/);
    await writeFile(join(folder, 'c.py'), '');
    const missing = await refusal(build(folder, 'functions/a.py'));
    assert.equal(missing.message, 'functions/a.py:1:1: there is no module named `b_missing`');
  });

  it('installs wheels once, from requirements and locks alike', async () => {
    const folder = await write({ 'functions/a.py': 'import thing\n', 'functions/b.py': 'import thing\n' });
    makeWheel(folder, 'thing', '1.0', 'py3-none-any');
    await writeFile(join(folder, 'requirements.txt'), '# ours\n./thing-1.0-py3-none-any.whl  # a remark\n');
    const { planned, files } = await build(folder, 'functions/a.py');
    assert.deepEqual(files, ['functions/a.py']);
    const dir = (await blobs.locate(planned.packages!))!;
    assert.equal(await readFile(join(dir, 'thing.py'), 'utf8'), "version = '1.0'\n");
    assert.ok(existsSync(join(dir, '__pycache__')));
    assert.ok(told.some((line) => line.startsWith('pip install -r requirements.txt')));
    const again = await plan(folder, 'functions/b.py');
    assert.equal(again.packages, planned.packages);
    assert.deepEqual(told, []);
    makeWheel(folder, 'thing', '1.0', 'py3-none-any', 'nothing-of-this-name-there');
    const changed = await refusal(plan(folder, 'functions/a.py'));
    assert.equal(changed.code, 'E_DEPENDENCIES_FAILED');
    assert.match(changed.message, /nothing-of-this-name-there/);
  });

  it('reads lock files for this machine', async () => {
    const read = (source: string, text: string, allowScripts: string[] = []): Record<string, unknown> => {
      const folder = join(root, 'locks');
      execFileSync('mkdir', ['-p', folder]);
      execFileSync('tee', [join(folder, source)], { input: text });
      const program = join(import.meta.dirname, 'plan_packages.py');
      const input = JSON.stringify({ folder, source, allowScripts });
      return JSON.parse(execFileSync('python3', ['-I', '-S', program], { input }).toString());
    };
    assert.deepEqual(read('uv.lock', UV_LOCK), {
      lines: ['left==1.2 --hash=sha256:aa', 'right==3 --hash=sha256:bb'],
      files: [],
      locked: true,
    });
    assert.deepEqual(read('pylock.toml', PYLOCK).lines, ['left==1.2 --hash=sha256:aa']);
    assert.deepEqual(read('pyproject.toml', '[project]\ndependencies = ["flask>=3"]').lines, ['flask>=3']);
    for (const [source, text, pattern] of [
      ['uv.lock', 'not = [toml', /^uv\.lock: /],
      [
        'uv.lock',
        UV_LOCK.replace('registry = "https://example.test/simple"', 'git = "https://example.test/x"'),
        /does not come from a registry/,
      ],
      ['pylock.toml', '[[packages]]\nname = "x"\n[packages.vcs]\n', /`x` has no version/],
      ['requirements.txt', '\n-e .\n', /^requirements\.txt:2: `-e \.` is not supported$/],
      [
        'requirements.txt',
        'flask\n--no-binary :all:\n',
        /requirements\.txt:2: `--no-binary :all:` is not supported/,
      ],
      [
        'requirements.txt',
        'x @ git+https://example.test/x\n',
        /^requirements\.txt:1: .* would run its author's code/,
      ],
      ['requirements.txt', '--index-url https://x.test --no-binary :all:\n', /is not supported/],
      ['requirements.txt', 'flask --global-option=x\n', /is not supported/],
      ['requirements.txt', 'x @ https://x.test/x.tar.gz?.whl\n', /is no wheel/],
      ['requirements.txt', '-c requirements.txt\n', /is no constraint/],
      ['pyproject.toml', '[project]\ndependencies = ["flask\\n--no-binary :all:"]', /is not supported/],
      ['pylock.toml', '[[packages]]\nname = "x\\n--pre"\nversion = "1"\n', /cannot be read/],
      ['requirements.txt', '../other-1-py3-none-any.whl\n', /lies outside of the app/],
      ['requirements.txt', '-r ../../etc/passwd\n', /lies outside of the app/],
      ['requirements.txt', 'thing.tar.gz\n', /is no wheel/],
    ] as const)
      assert.match(String(read(source, text).refused), pattern, text);
    assert.deepEqual(read('requirements.txt', 'x @ git+https://example.test/x\n', ['x']).refused, undefined);
  });

  it('finds the Python that is asked for, or says how to get it', async () => {
    const own = await findPython(undefined);
    const minor = own.version.split('.').slice(0, 2).join('.');
    assert.equal((await findPython(minor)).version.startsWith(`${minor}.`), true);
    assert.equal((await findPythonLike(`${minor}.999`)).version.startsWith(`${minor}.`), true);
    const error = await refusal(findPython('3.99'));
    assert.deepEqual(
      [error.code, error.message],
      ['E_TOOLCHAIN_MISSING', 'there is no Python 3.99 on this machine'],
    );
    assert.match(error.hint ?? '', /uv python install 3\.99/);
    assert.match((await refusal(findPython('2.7'))).message, /no Python 2\.7/);
    assert.deepEqual(await lookForPython(), {
      name: 'language python',
      status: 'ok',
      text: `Functions in Python run on Python ${own.version} (${own.program}).`,
    });
  });
});
