import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

/**
 * Uploads that cannot become a deployment. The one who deploys is told why, with a code and the place; what is live
 * stays as it was, and nothing is left behind.
 */

interface Entry {
  readonly name: string;
  readonly body?: string | Buffer;
  /** Of the tar header; `0` is a file. */
  readonly type?: string;
  readonly link?: string;
  /** What the header claims instead of the true size. */
  readonly size?: number;
}

const BLOCK = 512;

/** A tar archive with whatever a hostile sender would write. */
function tarOf(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, body = '', type = '0', link = '', size }) => {
    const data = Buffer.from(body);
    const header = Buffer.alloc(BLOCK);
    const octal = (value: number, at: number, digits: number): void => {
      header.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
    };
    header.write(name, 0, 100, 'utf8');
    octal(0o644, 100, 7);
    octal(size ?? data.length, 124, 11);
    octal(0, 136, 11);
    header.fill(' ', 148, 156);
    header.write(type, 156, 'latin1');
    header.write(link, 157, 100, 'utf8');
    header.write('ustar\x0000', 257, 'latin1');
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      6,
    );
    return [header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

const packed = (entries: readonly Entry[]): Buffer => gzipSync(tarOf(entries));
const app = (files: Readonly<Record<string, string>>): Buffer =>
  packed(Object.entries({ 'lambent.yaml': 'app: fine\n', ...files }).map(([name, body]) => ({ name, body })));

const FINE = { 'functions/answers.js': 'export default () => "as before";' };

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform();
  const { error } = await upload(app(FINE));
  assert.equal(error, undefined);
});
after(() => lambent.close());

interface Refusal {
  code: string;
  message: string;
  hint: string;
  fault: string;
}

async function upload(
  archive: Buffer,
): Promise<{ status: number; error: Refusal | undefined; result: unknown }> {
  const response = await fetch(`${lambent.url}/_lambent/api/v1/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/gzip' },
    body: archive as Buffer<ArrayBuffer>,
  });
  const last = JSON.parse((await response.text()).trimEnd().split('\n').at(-1)!);
  return { status: response.status, error: last.error, result: last.result };
}

/** The upload is refused, and everything is as before. */
async function refused(archive: Buffer, code: string, says: RegExp): Promise<void> {
  const { error, result } = await upload(archive);
  assert.equal(result, undefined, 'it was deployed');
  assert.ok(error !== undefined);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, says);
  assert.doesNotMatch(error.message, /\/scratch\/|lambent-e2e/, 'a path of the server shows');
  assert.ok(error.hint.length > 0);
  assert.ok(error.fault === 'author' || error.fault === 'caller');

  assert.equal(await (await lambent.fetch('/answers')).text(), 'as before');
  const { json } = await lambent.api('GET', '/apps/fine/deployments');
  assert.equal((json as { items: unknown[] }).items.length, 1);
  for (const name of ['uploads', 'builds'])
    assert.deepEqual(await readdir(join(lambent.folder, 'data/scratch', name)), [], name);
}

describe('a manifest', { timeout: 60_000 }, () => {
  const manifest = (text: string): Buffer =>
    packed([
      { name: 'lambent.yaml', body: text },
      { name: 'functions/answers.js', body: FINE['functions/answers.js'] },
    ]);

  for (const [what, text, says] of [
    [
      'with an unknown key',
      'app: fine\nfunctions:\n  answers:\n    timeuot: 5s\n',
      /lambent\.yaml:4:5: .*`timeuot`.*`timeout`/,
    ],
    [
      'with a wrong value',
      'app: fine\nfunctions:\n  answers:\n    memory: lots\n',
      /lambent\.yaml:4:\d+: .*memory.*lots|lambent\.yaml:4:\d+: .*32mb to 32gb/,
    ],
    ['with a wrong name', 'app: Not A Name\n', /lambent\.yaml:1:\d+: .*app/],
    ['with a tab where YAML has none', 'app: fine\nfunctions:\n\tanswers: {}\n', /lambent\.yaml:3:\d+/],
    ['that is not a mapping', '- app\n- fine\n', /lambent\.yaml:1/],
    [
      'with a wrong route',
      'app: fine\nfunctions:\n  answers:\n    routes: [FETCH /answers]\n',
      /lambent\.yaml:4:\d+: .*FETCH/,
    ],
    [
      "with a route below the platform's own",
      'app: fine\nfunctions:\n  answers:\n    routes: [/_lambent/api]\n',
      /lambent\.yaml:4:\d+: .*_lambent/,
    ],
    [
      'with a function that has no file',
      'app: fine\nfunctions:\n  nobody: {}\n',
      /lambent\.yaml:3:\d+: .*nobody/,
    ],
    [
      'with an entry outside of the app',
      'app: fine\nfunctions:\n  answers:\n    entry: ../../etc/passwd\n',
      /lambent\.yaml:4:\d+/,
    ],
    [
      'with a bomb of aliases',
      `app: fine\nenv:\n  a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghi'].map((name, index) => `  ${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`).join('\n')}\n`,
      /lambent\.yaml/,
    ],
    ['that is too large', `app: fine\n# ${'x'.repeat(1 << 20)}\n`, /1 MiB|1048576|1,048,576/],
  ] as const) {
    it(what, () => refused(manifest(text), 'E_MANIFEST_INVALID', says));
  }

  it('in TypeScript that throws, never ends, or tries to write', async () => {
    const config = (text: string): Buffer =>
      packed([
        { name: 'lambent.config.ts', body: text },
        { name: 'functions/answers.js', body: '' },
      ]);
    await refused(
      config('throw new Error("no settings");\n'),
      'E_MANIFEST_INVALID',
      /lambent\.config\.ts:1.*no settings/s,
    );
    await refused(
      config('export default { app: "fine", functoins: {} };\n'),
      'E_MANIFEST_INVALID',
      /functoins.*functions/s,
    );
    const proof = join(lambent.folder, 'written-by-config');
    const write = `import { writeFileSync } from 'node:fs';\nwriteFileSync(${JSON.stringify(proof)}, 'x');\nexport default { app: 'fine' };\n`;
    await refused(config(write), 'E_MANIFEST_INVALID', /lambent\.config\.ts/);
    assert.equal(existsSync(proof), false);
  });

  it('beside another one', () =>
    refused(
      packed([
        { name: 'lambent.yaml', body: 'app: fine\n' },
        { name: 'lambent.config.ts', body: 'export default { app: "fine" };\n' },
        { name: 'functions/a.js', body: 'export default () => 1;' },
      ]),
      'E_MANIFEST_INVALID',
      /lambent\.yaml.*lambent\.config\.ts|lambent\.config\.ts.*lambent\.yaml/,
    ));
});

describe('code', { timeout: 60_000 }, () => {
  it('with a syntax error', () =>
    refused(
      app({ 'functions/answers.ts': 'export default () => 1;\nconst broken: number = = 1;\n' }),
      'E_BUILD_FAILED',
      /functions\/answers\.ts:2:\d+[\s\S]*const broken: number = = 1;\n[\s\S]*\^/,
    ));

  it('that imports what is not there', async () => {
    await refused(
      app({ 'functions/answers.ts': "import { a } from './missing.ts';\nexport default () => a;\n" }),
      'E_BUILD_FAILED',
      /functions\/answers\.ts:1:\d+[\s\S]*\.\/missing\.ts/,
    );
    await refused(
      app({
        'functions/answers.ts':
          "import nothing from 'not-installed-anywhere';\nexport default () => nothing;\n",
      }),
      'E_BUILD_FAILED',
      /functions\/answers\.ts:1:\d+[\s\S]*not-installed-anywhere/,
    );
  });

  it('that is not there at all', async () => {
    await refused(
      packed([{ name: 'readme.txt', body: 'nothing here' }]),
      'E_APP_EMPTY',
      /lambent\.yaml|functions/,
    );
    await refused(packed([]), 'E_APP_EMPTY', /./);
  });

  it('with a lock file that cannot be installed', () =>
    refused(
      app({ ...FINE, 'package.json': '{"dependencies":{"left":"1.0.0"}}', 'package-lock.json': 'not json' }),
      'E_DEPENDENCIES_FAILED',
      /^package-lock\.json is not JSON: /,
    ));
});

describe('an archive', { timeout: 60_000 }, () => {
  const fine = { name: 'functions/answers.js', body: 'export default () => "changed";' };
  const evil = 'functions/evil.js';

  for (const [what, entry, says] of [
    ['with a path that leaves the folder', { name: '../evil.txt', body: 'x' }, /`\.\.\/evil\.txt`/],
    [
      'with a path that leaves it in the middle',
      { name: 'a/../../evil.txt', body: 'x' },
      /`a\/\.\.\/\.\.\/evil\.txt`/,
    ],
    ['with an absolute path', { name: '/tmp/lambent-evil.txt', body: 'x' }, /`\/tmp\/lambent-evil\.txt`/],
    ['with a path for Windows', { name: '..\\evil.txt', body: 'x' }, /evil\.txt/],
    [
      'with a link out of the folder',
      { name: evil, type: '2', link: '/etc/passwd' },
      /links.*`functions\/evil\.js`/,
    ],
    ['with a hard link', { name: evil, type: '1', link: '/etc/passwd' }, /hard links.*`functions\/evil\.js`/],
    ['with a device', { name: evil, type: '3' }, /`functions\/evil\.js`/],
    ['with a named pipe', { name: evil, type: '6' }, /`functions\/evil\.js`/],
    ['with a file in place of a folder', { name: 'functions/answers.js/below.js', body: 'x' }, /answers\.js/],
    ['that ends in the middle of a file', { name: 'cut.txt', body: 'x', size: 5_000 }, /./],
  ] as const) {
    it(what, async () => {
      await refused(packed([fine, entry]), 'E_ARCHIVE_INVALID', says);
      assert.equal(existsSync('/tmp/lambent-evil.txt'), false);
      const left = await readdir(lambent.folder, { recursive: true });
      assert.deepEqual(
        left.filter((name) => name.includes('evil')),
        [],
      );
    });
  }

  it('that is none', async () => {
    await refused(Buffer.from('this is no archive'), 'E_ARCHIVE_INVALID', /gzip/);
    await refused(gzipSync('this is no tar'), 'E_ARCHIVE_INVALID', /./);
    const whole = app(FINE);
    await refused(whole.subarray(0, whole.length - 20), 'E_ARCHIVE_INVALID', /./);
    const damaged = Buffer.from(whole);
    damaged.fill(0xff, whole.length >> 1);
    await refused(damaged, 'E_ARCHIVE_INVALID', /./);
    const wrongSum = tarOf([fine]);
    wrongSum[0] = 0x7a;
    await refused(gzipSync(wrongSum), 'E_ARCHIVE_INVALID', /damaged header/);
  });

  it('that is a bomb', async () => {
    const zeros = Buffer.alloc(40 * 1024 * 1024);
    await refused(
      packed([fine, { name: 'zeros', body: zeros }]),
      'E_ARCHIVE_TOO_LARGE',
      /200 times its size/,
    );
  });

  it('that is refused before it is read', async () => {
    const post = (headers: Record<string, string>, body: string): Promise<Response> =>
      fetch(`${lambent.url}/_lambent/api/v1/deployments`, { method: 'POST', headers, body });
    const wrongType = await post({ 'content-type': 'text/html' }, 'x');
    assert.equal(wrongType.status, 400);
    assert.match(await wrongType.text(), /E_BAD_REQUEST.*application\/gzip, not text\/html/);
    const { error } = await upload(Buffer.alloc(0));
    assert.equal(error?.code, 'E_ARCHIVE_INVALID');
  });
});
