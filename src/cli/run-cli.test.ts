import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { JSON_OPTION, LISTEN_OPTIONS, SERVER_OPTIONS } from './command.ts';
import { EXIT_CODE_TEXT } from './exit-code.ts';
import { COMMANDS } from './run-cli.ts';
import { runForTest } from './test-terminal.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambent-cli-'));
});
after(() => rm(folder, { recursive: true, force: true }));

describe('lambent', () => {
  it('lists every command without arguments', async () => {
    const outcome = await runForTest([]);
    assert.equal(outcome.code, 0);
    for (const command of COMMANDS) assert.match(outcome.out, new RegExp(`^  ${command.name} `, 'm'));
    assert.equal((await runForTest(['help'])).out, outcome.out);
  });

  it('explains every command with options, examples and exit codes, on lines that fit', async () => {
    for (const command of COMMANDS) {
      const outcome = await runForTest([command.name, '--help']);
      assert.equal(outcome.code, 0);
      assert.ok(command.examples.length > 0, command.name);
      assert.match(outcome.out, /^Examples:\n {2}.*lambent /m, command.name);
      assert.match(outcome.out, /^Exit codes:/m);
      for (const name of Object.keys(command.options)) assert.ok(outcome.out.includes(`--${name}`), name);
      for (const line of outcome.out.split('\n')) assert.ok(line.length <= 120, line);
      assert.equal((await runForTest(['help', command.name])).out, outcome.out);
    }
  });

  it('prints its version', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    const outcome = await runForTest(['--version']);
    assert.equal(outcome.out, `lambent ${version} (Node.js ${process.versions.node})\n`);
  });

  it('ends with 2 and the nearest name for what it does not know', async () => {
    const unknown = await runForTest(['deplyo']);
    assert.deepEqual([unknown.code, unknown.out], [2, '']);
    assert.match(
      unknown.err,
      /^E_USAGE: There is no command "deplyo"\.\n {2}Did you mean `lambent deploy`\?/,
    );
    const flagFirst = await runForTest(['--json', 'ls']);
    assert.equal(flagFirst.code, 2);
    assert.match(flagFirst.err, /Write the command first/);
    assert.equal((await runForTest(['help', 'nothing'])).code, 2);
  });

  it('puts an error on stdout as JSON where JSON was asked for', async () => {
    const outcome = await runForTest(['ls', '--json', '--to', 'ftp://x']);
    assert.equal(outcome.code, 2);
    assert.equal(JSON.parse(outcome.out).error.code, 'E_USAGE');
    assert.match(outcome.err, /"ftp:\/\/x" is not the address of a server/);
  });
});

describe('docs/cli.md', () => {
  it('has every command with its options, and every exit code', async () => {
    const page = await readFile(new URL('../../docs/cli.md', import.meta.url), 'utf8');
    for (const command of COMMANDS) {
      const section = page.split(`\n### lambent ${command.name}`)[1]?.split('\n### ')[0];
      assert.ok(section !== undefined, command.name);
      // What many commands share stands once, at the top.
      const shared = Object.keys({ ...SERVER_OPTIONS, ...JSON_OPTION, ...LISTEN_OPTIONS });
      for (const name of Object.keys(command.options)) {
        const where: string = shared.includes(name) ? page : section;
        assert.ok(where.includes(`--${name}`), `${command.name} --${name}`);
      }
    }
    for (const [code] of EXIT_CODE_TEXT) assert.match(page, new RegExp(`^\\| ${code} \\|`, 'm'));
  });
});

describe('lambent init', () => {
  it('writes a template with the name of the folder, and says what comes next', async () => {
    const outcome = await runForTest(['init', 'My App!'], { cwd: folder });
    assert.deepEqual([outcome.code, outcome.err], [0, '']);
    const manifest = await readFile(join(folder, 'My App!/lambent.yaml'), 'utf8');
    assert.match(manifest, /^# yaml-language-server: \$schema=/);
    assert.match(manifest, /^app: my-app$/m);
    assert.match(await readFile(join(folder, 'My App!/.gitignore'), 'utf8'), /^\.lambent\/$/m);
    assert.match(outcome.out, /lambent dev 'My App!'$/m);
  });

  it('writes into the present folder, and refuses to overwrite, naming the files', async () => {
    const cwd = join(folder, 'here');
    await mkdir(cwd);
    await writeFile(join(cwd, 'lambent.yaml'), 'mine');
    const refused = await runForTest(['init'], { cwd });
    assert.equal(refused.code, 1);
    assert.match(refused.err, /^E_CONFLICT: Already there: lambent\.yaml\. Nothing was written\./);
    assert.equal(await readFile(join(cwd, 'lambent.yaml'), 'utf8'), 'mine');
    const forced = await runForTest(['init', '--force', '--json'], { cwd });
    assert.equal(forced.code, 0);
    assert.equal(JSON.parse(forced.out).app, 'here');
    assert.match(await readFile(join(cwd, 'lambent.yaml'), 'utf8'), /^app: here$/m);
  });

  it('refuses unknown templates and a file in place of the folder', async () => {
    const unknown = await runForTest(['init', 'x', '--template', 'honno'], { cwd: folder });
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /Did you mean hono\?/);
    await writeFile(join(folder, 'file'), '');
    assert.match((await runForTest(['init', 'file'], { cwd: folder })).err, /E_USAGE: file is a file/);
  });
});

describe('files that the system refuses', () => {
  it('are no defect of Lambent', async () => {
    await writeFile(join(folder, 'blocked'), '');
    const outcome = await runForTest(['init', 'blocked/below'], { cwd: folder });
    assert.equal(outcome.code, 1);
    assert.match(outcome.err, /^E_FILE: ENOTDIR: .*blocked\/below/);
  });
});

describe('lambent start', () => {
  it('refuses to start where functions would be isolated less well than is required, and says what would help', async () => {
    const args = ['start', '--port', '0', '--data', join(folder, 'weak'), '--isolation', 'process'];
    const refused = await runForTest(args);
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      /^E_ISOLATION_TOO_WEAK: isolation of functions would be at level E .*; B is required/m,
    );
    assert.match(refused.err, /--accept-isolation E/);
    const stricter = await runForTest([...args, '--accept-isolation', 'd']);
    assert.match(stricter.err, /; D is required/);
    const unknown = await runForTest([...args, '--accept-isolation', 'F']);
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /E_USAGE: --accept-isolation takes a level from A to E, not F/);
    const driver = await runForTest(['start', '--isolation', 'container']);
    assert.match(driver.err, /E_USAGE: .*container.* is not a driver/);
    for (const host of ['*.example.com', '10.0.0.0/8', 'internet', 'https://x']) {
      const wide = await runForTest(['start', '--allow-build-host', host]);
      assert.equal(wide.code, 2, host);
      assert.match(wide.err, /E_USAGE: .* is no host[\s\S]*registry\.internal/);
    }
  });
});

describe('lambent doctor without a server', () => {
  it('checks this machine, and proves how well functions are isolated', async () => {
    // Port 9 of loopback (discard) stands for "nothing listens"; naming no server is what allows the fallback.
    const named = await runForTest(['doctor', '--to', 'http://127.0.0.1:9']);
    assert.equal(named.code, 3);
    const outcome = await runForTest(['doctor', '--json', '--data', folder], {
      env: { PATH: process.env.PATH ?? '' },
    });
    const { checks, subject } = JSON.parse(outcome.out);
    if (subject !== 'this machine') return;
    const names = checks.map((check: { name: string }) => check.name);
    assert.deepEqual(names, [
      'node',
      'system',
      'memory',
      'disk',
      'npm',
      'bubblewrap',
      'language python',
      'language go',
      'port',
      'isolation',
    ]);
    assert.match(checks.at(-1).text, /^Level [A-E] by \w+: /);
  });
});
