/**
 * Builds of uploaded apps run in a sandbox of their own: end to end, as the person who deploys meets it. What tools try
 * there one by one: src/functions/build/contained-tool.test.ts.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packApp } from '../src/functions/pack.ts';
import { WITHOUT_GO } from '../sdk/go/test-go.ts';
import { type AppFiles, startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';

const skip = process.platform !== 'linux' && 'sandboxes need Linux';

interface Answer {
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
  readonly result?: unknown;
}

const own = (build: string): AppFiles => ({
  'lambent.yaml': `app: own\nfunctions:\n  own: { entry: own/bootstrap, build: [/bin/sh, -c, ${JSON.stringify(build)}], routes: [] }\n`,
  'own/source': 'kept',
});

describe('the build of an uploaded app', { skip, timeout: 300_000 }, () => {
  let contained: TestPlatform;
  let plain: TestPlatform;
  let apps = '';
  before(async () => {
    const answers = {
      fine: { 'lambent.yaml': 'app: fine\n', 'functions/answers.js': 'export default () => "as before";' },
    };
    apps = await mkdtemp(join(tmpdir(), 'lambent-apps-'));
    contained = await startTestPlatform({}, { mode: 'start', isolation: 'best', acceptIsolation: 'D' });
    plain = await startTestPlatform({}, { mode: 'start' });
    assert.equal((await deploy(contained, answers.fine)).error, undefined);
  });
  after(async () => {
    await contained?.close();
    await plain?.close();
    await rm(apps, { recursive: true, force: true });
  });

  async function deploy(lambent: TestPlatform, files: AppFiles): Promise<Answer> {
    const folder = await writeApp(await mkdtemp(join(apps, 'app-')), files);
    const chunks: Uint8Array[] = [];
    for await (const chunk of packApp(folder)) chunks.push(chunk);
    const response = await fetch(`${lambent.url}/_lambent/api/v1/deployments`, {
      method: 'POST',
      headers: { 'content-type': 'application/gzip', authorization: `Bearer ${lambent.platform.token}` },
      body: Buffer.concat(chunks) as Buffer<ArrayBuffer>,
    });
    return JSON.parse((await response.text()).trimEnd().split('\n').at(-1)!) as Answer;
  }

  /** Nothing of a build is left but what its app keeps, and others answer as before. */
  async function assertUnharmed(): Promise<void> {
    assert.equal(await (await contained.fetch('/answers')).text(), 'as before');
    for (const name of ['uploads', 'builds'])
      assert.deepEqual(await readdir(join(contained.folder, 'data/scratch', name)), [], name);
    const homes = await readdir(join(contained.folder, 'data/scratch/homes')).catch(() => []);
    assert.ok(!homes.some((name) => name.startsWith('.once')), 'no home of what keeps nothing');
  }

  it('is said to be contained, or not', () => {
    const said = ({ platform }: TestPlatform): boolean | undefined =>
      platform.isolation.protections.find(({ name }) => name === 'builds')?.enforced;
    assert.deepEqual([said(contained), said(plain)], [true, false]);
  });

  it('makes what it should', async () => {
    const build = 'sed s/kept/#!/ source > bootstrap; echo /bin/sh >> bootstrap; chmod +x bootstrap';
    assert.equal((await deploy(contained, own(build))).error, undefined);
    await assertUnharmed();
  });

  it('is told what it may not have, when it looks into the data folder', async () => {
    const steals = (lambent: TestPlatform): string =>
      `cp ${join(lambent.folder, 'data/lambent.db')} bootstrap && chmod +x bootstrap`;
    const { error } = await deploy(contained, own(steals(contained)));
    assert.equal(error?.code, 'E_BUILD_FAILED');
    assert.match(error.message, /cannot stat '.*lambent\.db': No such file or directory/);
    assert.match(
      error.hint,
      /in a sandbox, where builds see the app, the machine's programs and public addresses/,
    );
    await assertUnharmed();
    assert.equal((await deploy(plain, own(steals(plain)))).error, undefined, 'the control gets it');
  });

  it('cannot have the platform deploy what it links to', async () => {
    const secret = join(apps, 'secret');
    await writeFile(secret, 'of others');
    const linking: AppFiles = {
      'lambent.yaml': `app: own\nfunctions:\n  own: { entry: own/bootstrap, build: { run: [/bin/sh, -c, "ln -s ${apps} dist"], output: dist }, routes: [] }\n`,
      'own/source': '',
    };
    const { error } = await deploy(contained, linking);
    assert.match(error?.message ?? '', /left (a link in place of|no folder)/);
    const pipe = 'mkfifo pipe; ln -s /etc/passwd link; printf x > bootstrap; chmod +x bootstrap';
    assert.equal((await deploy(contained, own(pipe))).error, undefined, 'neither is taken in');
    await assertUnharmed();
  });

  it('does not reach the platform', async () => {
    const url = `${contained.url}/_lambent/api/v1/health`;
    const build = `${process.execPath} -e 'fetch("${url}").then((r) => console.log("reached " + r.status), (e) => { console.log(e.cause.code); process.exit(4); })'`;
    const { error } = await deploy(contained, own(build));
    assert.match(error?.message ?? '', /failed \(exit code 4\):\nECONNREFUSED/);
    const reached = build.replace(contained.url, plain.url);
    assert.match(
      (await deploy(plain, own(reached))).error?.message ?? '',
      /left no executable/,
      'the control goes on',
    );
    await assertUnharmed();
  });

  it('has a configuration in code, which is evaluated in a sandbox too', async () => {
    const named = (code: string): AppFiles => ({
      'lambent.config.ts': `import { defineApp } from 'lambent';\nimport { name } from './name.ts';\n${code}\nexport default defineApp({ app: name });`,
      'name.ts': `export const name: string = 'coded';`,
      'functions/coded.js': 'export default () => "by code";',
    });
    assert.equal((await deploy(contained, named('console.log("noise");'))).error, undefined);
    assert.equal(await (await contained.fetch('/coded')).text(), 'by code');
    const thrown = await deploy(contained, named('\nthrow new Error("boom");'));
    assert.match(thrown.error?.message ?? '', /^lambent\.config\.ts:4:7: boom$/);
    const early = await deploy(contained, named('process.exit(0);'));
    assert.match(early.error?.message ?? '', /^lambent\.config\.ts ended its process before it was read$/);
    const late = await deploy(contained, named('process.exit(3);'));
    assert.match(late.error?.message ?? '', /^`lambent\.config\.ts` failed \(exit code 3\)/);
    const writes = await deploy(contained, named('(await import("node:fs")).writeFileSync("x", "");'));
    assert.match(writes.error?.hint ?? '', /may read files, but not write/);
    await assertUnharmed();
  });

  it('cannot end a process of the platform by its configuration', async () => {
    // Node's own permissions know nothing of signals.
    const victim = spawn('sleep', ['300']);
    const ended = once(victim, 'exit');
    const kills: AppFiles = {
      'lambent.config.js': `process.kill(${victim.pid}, 'SIGKILL');\nexport default { app: 'kills' };`,
      'functions/kills.js': 'export default () => "done";',
    };
    try {
      const { error } = await deploy(contained, kills);
      assert.match(error?.message ?? '', /^lambent\.config\.js:1:9: kill ESRCH$/);
      assert.equal(victim.exitCode ?? victim.signalCode, null);
      await assertUnharmed();
      assert.equal((await deploy(plain, kills)).error, undefined, 'the control goes on');
      assert.deepEqual(await ended, [null, 'SIGKILL'], 'and ends it');
    } finally {
      victim.kill('SIGKILL');
    }
  });

  // Go's own library is compiled once for all apps, which a busy machine takes its time for.
  it('of Python and Go works there as outside', { skip: WITHOUT_GO, timeout: 280_000 }, async () => {
    const { error } = await deploy(contained, {
      'lambent.yaml':
        'app: mixed\nfunctions:\n  snake: { routes: [/snake] }\n  hello: { routes: [/hello] }\n',
      'functions/snake.py':
        'import json\n\ndef handler(event, context):\n    return {"statusCode": 200, "body": "from Python"}\n',
      'functions/hello/main.go': `package main

import (
	"net/http"

	"lambent.dev/go"
)

func main() {
	lambent.Start(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("from Go")) }))
}
`,
    });
    assert.equal(error, undefined, JSON.stringify(error));
    assert.equal(await (await contained.fetch('/hello')).text(), 'from Go');
    assert.equal(await (await contained.fetch('/snake')).text(), 'from Python');
    const homes = join(contained.folder, 'data/scratch/homes');
    assert.ok(existsSync(join(homes, 'mixed.tools/go-build')), 'its cache is its own');
    await assertUnharmed();
  });
});
