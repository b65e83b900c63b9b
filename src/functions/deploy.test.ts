import assert from 'node:assert/strict';
import { readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LambentError } from '../base/errors.ts';
import type { AppName, FunctionName, FunctionVersion } from '../model/function.ts';
import type { DeployResult } from '../ports/deployer.ts';
import { type DeployFixture, openDeployFixture, PROJECT_MODULES } from './deploy-harness.test.ts';
import { DEPLOYS_WAITING_MAX } from './deploy-queue.ts';
import { packApp } from './pack.ts';

const HELLO = 'export default { fetch: () => new Response("hello") };\n';
const name = (text: string) => text as AppName;

describe('createDeployer', { timeout: 120_000 }, () => {
  let on: DeployFixture;

  before(async () => {
    on = await openDeployFixture();
  });
  after(() => on.close());

  const versionOf = (result: DeployResult, functionName: string): FunctionVersion =>
    result.deployment.functions.find((each) => each.name === functionName)!;
  const codeOf = async (version: FunctionVersion): Promise<string> =>
    readFile(join((await on.blobs.locate(version.code))!, version.entry), 'utf8');
  const faultOf = async (deploying: Promise<unknown>): Promise<LambentError> => {
    const [outcome] = await Promise.allSettled([deploying]);
    assert.equal(outcome.status, 'rejected');
    return outcome.reason as LambentError;
  };

  it('makes a folder live', async () => {
    await on.write('first', { 'functions/hello.ts': HELLO, 'lambent.yaml': 'app: first\nenv: { A: b }\n' });
    const result = await on.deploy('first', { note: 'n'.repeat(600) });
    assert.equal(result.deployment.number, 1);
    assert.equal(result.deployment.note.length, 500);
    assert.equal(result.deployment.createdBy, 'test');
    assert.deepEqual(result.live, { app: 'first', generation: 1, traffic: [{ number: 1, weight: 100 }] });
    const found = on.liveApps.resolve(name('first'), 'hello' as FunctionName)!;
    assert.equal(found.deployment, 1);
    assert.match(found.version.id, /^fv_[0-9a-f]{32}$/);
    assert.equal(found.version.config.env.A, 'b');
    assert.match(await codeOf(found.version), /hello/);
    assert.deepEqual(
      on.lines.map(({ step }) => step),
      ['read', 'build', 'store', 'switch'],
    );
    assert.deepEqual(await on.store.apps.findDeployment(name('first'), 1), result.deployment);
  });

  it('builds only what changed, and notices everything that counts', async () => {
    const app = 'cached';
    await on.write(app, {
      'functions/a.ts': 'import { shared } from "../lib/shared.ts";\nexport default () => shared;\n',
      'functions/b.ts': HELLO,
      'lib/shared.ts': 'export const shared = 1;\n',
    });
    const first = await on.deploy(app);
    const builtNow = (): string[] => on.lines.filter(({ step }) => step === 'build').map(({ text }) => text);
    const again = await on.deploy(app);
    assert.deepEqual(builtNow(), ['2 of 2 unchanged']);
    assert.deepEqual(again.deployment.functions, first.deployment.functions);
    assert.equal(again.deployment.number, 2);
    await on.write(app, { 'lib/shared.ts': 'export const shared = 2;\n' });
    const changed = await on.deploy(app);
    assert.deepEqual(builtNow(), ['a from functions/a.ts', '1 of 2 unchanged']);
    assert.notEqual(versionOf(changed, 'a').id, versionOf(first, 'a').id);
    assert.equal(versionOf(changed, 'b').id, versionOf(first, 'b').id);
    await on.write(app, { 'lib/other.ts': '' });
    await on.deploy(app);
    assert.equal(builtNow().length, 2, 'a new name may lead imports elsewhere');
    await on.write(app, { 'lambent.yaml': 'functions: { a: { external: [x] }, b: { timeout: 1 } }' });
    const configured = await on.deploy(app);
    assert.notEqual(versionOf(configured, 'b').id, versionOf(first, 'b').id);
    assert.equal(versionOf(configured, 'b').code, versionOf(first, 'b').code);
  });

  it('builds nothing that is unchanged after a restart, and all of it where its notes are damaged', async () => {
    const app = 'restarted';
    await on.write(app, { 'functions/a.ts': HELLO, 'functions/b.ts': HELLO });
    const first = await on.deploy(app);
    const builtNow = (): string[] => on.lines.filter(({ step }) => step === 'build').map(({ text }) => text);
    await on.restart();
    const again = await on.deploy(app);
    assert.deepEqual(builtNow(), ['2 of 2 unchanged']);
    assert.deepEqual(again.deployment.functions, first.deployment.functions);
    await on.restart();
    await on.write(app, { 'functions/a.ts': `${HELLO}// changed\n` });
    await on.deploy(app);
    assert.deepEqual(builtNow(), ['a from functions/a.ts', '1 of 2 unchanged']);
    await on.restart();
    const notes = join(on.root, 'data/scratch/build-notes');
    for (const file of await readdir(notes)) {
      const text = await readFile(join(notes, file), 'utf8');
      await writeFile(join(notes, file), text.replace('"entry":"', '"entry":"x'));
    }
    const mended = await on.deploy(app);
    assert.equal(builtNow().length, 2, 'neither note is believed');
    assert.equal(versionOf(mended, 'b').id, versionOf(first, 'b').id);
  });

  it('gives equal sources equal code, wherever they are', async () => {
    const files = {
      'functions/a.ts': 'import express from "express";\nconst app = express();\nexport default app;\n',
      'functions/b.cjs':
        'const { x } = require("../lib/x.cjs");\nexports.handler = async () => x + __dirname;\n',
      'lib/x.cjs': 'exports.x = 1;\n',
      'lambent.yaml': 'app: same\n',
    };
    const results: DeployResult[] = [];
    for (const folder of ['here', 'there/and/deeper']) {
      await on.write(folder, files);
      await on.linkModules(folder);
      results.push(await on.deploy(folder));
    }
    const [one, two] = results;
    assert.deepEqual(one!.deployment.functions, two!.deployment.functions);
    for (const version of one!.deployment.functions) {
      const dir = (await on.blobs.locate(version.code))!;
      for (const file of (await readdir(dir, { recursive: true, withFileTypes: true })).filter((each) =>
        each.isFile(),
      ))
        assert.doesNotMatch(await readFile(join(file.parentPath, file.name), 'utf8'), new RegExp(on.root));
    }
  });

  it('leaves what is live alone when a build fails, and names the place', async () => {
    const app = 'failing';
    await on.write(app, { 'functions/a.ts': HELLO, 'functions/b.ts': HELLO });
    const before = await on.deploy(app);
    await on.write(app, { 'functions/b.ts': 'export default {\n  fetch() { retrun 5; },\n};\n' });
    const error = await faultOf(on.deploy(app));
    assert.equal(error.code, 'E_BUILD_FAILED');
    assert.match(error.message, /^functions\/b\.ts:2:19: .*\n {4}fetch\(\) \{ retrun 5; \},\n {20}\^$/);
    assert.deepEqual([error.details?.file, error.details?.line], ['functions/b.ts', 2]);
    assert.deepEqual(on.liveApps.find(name(app))?.live, before.live);
    assert.deepEqual(await on.store.apps.listDeployments(name(app), 10), [
      {
        app,
        number: 1,
        createdMs: before.deployment.createdMs,
        createdBy: 'test',
        note: '',
        functionCount: 2,
      },
    ]);
    assert.deepEqual(await readdir(join(on.root, 'data/scratch/builds')), []);
  });

  it('says how to add a package that is missing', async () => {
    await on.write('missing', {
      'index.ts': 'import pad from "left-pad";\nexport default () => pad("x", 3);\n',
    });
    const error = await faultOf(on.deploy('missing'));
    assert.match(error.message, /^index\.ts:1:17: cannot find the package `left-pad`\n/);
    assert.match(error.hint, /`npm install left-pad`/);
    assert.equal(on.liveApps.find(name('missing')), undefined);
  });

  it('shares traffic, previews, and rolls back', async () => {
    const app = name('traffic');
    const write = (text: string) => on.write(app, { 'index.ts': `export default () => ${text};\n` });
    await write('1');
    const early = await faultOf(on.deploy(app, { weight: 10 }));
    assert.equal(early.code, 'E_BAD_REQUEST');
    assert.equal((await faultOf(on.deploy(app, { weight: 101 }))).code, 'E_BAD_REQUEST');
    await on.deploy(app);
    await write('2');
    const split = await on.deploy(app, { weight: 10 });
    assert.deepEqual(split.live.traffic, [
      { number: 1, weight: 90 },
      { number: 2, weight: 10 },
    ]);
    await write('3');
    const preview = await on.deploy(app, { weight: 0 });
    assert.deepEqual(preview.live, split.live);
    assert.equal((await on.liveApps.preview(app, 3))?.number, 3);
    assert.deepEqual((await on.deployer.rollback(app, undefined)).traffic, [{ number: 1, weight: 100 }]);
    assert.equal((await faultOf(on.deployer.rollback(app, undefined))).code, 'E_NOT_FOUND');
    assert.equal((await faultOf(on.deployer.rollback(app, 17))).code, 'E_NOT_FOUND');
    assert.deepEqual((await on.deployer.rollback(app, 3)).traffic, [{ number: 3, weight: 100 }]);
    assert.deepEqual((await on.deployer.rollback(app, undefined)).traffic, [{ number: 2, weight: 100 }]);
    const set = await on.deployer.setTraffic(app, [
      { number: 3, weight: 25 },
      { number: 1, weight: 75 },
    ]);
    assert.deepEqual(set.traffic[0], { number: 1, weight: 75 });
    assert.deepEqual(on.liveApps.find(app)?.live, set);
    for (const bad of [
      [],
      [{ number: 1, weight: 99 }],
      [1, 2].map(() => ({ number: 1, weight: 50 })),
      [1, 2, 3].map((number) => ({ number, weight: number === 1 ? 34 : 33 })),
    ])
      assert.equal((await faultOf(on.deployer.setTraffic(app, bad))).code, 'E_BAD_REQUEST');
    const unknown = on.deployer.setTraffic(app, [{ number: 99, weight: 100 }]);
    assert.equal((await faultOf(unknown)).code, 'E_NOT_FOUND');
    assert.equal((await faultOf(on.deployer.rollback(name('nobody'), undefined))).code, 'E_NOT_FOUND');
  });

  it('tells of secrets that have no value, and deploys', async () => {
    await on.write('needy', {
      'functions/index.ts': HELLO,
      'lambent.yaml': 'functions: { index: { secrets: [ DB_URL ] } }',
    });
    await on.deploy('needy');
    const warnings = on.lines.filter(({ step }) => step === 'warn').map(({ text }) => text);
    assert.deepEqual(warnings, [
      'index cannot start yet: the secret DB_URL has no value. Give it one: lambent secrets set needy DB_URL',
    ]);
  });

  it('deploys uploads, named by the folder they come from, and leaves no trace of them', async () => {
    const folder = await on.write('My Upload', { 'functions/hello.ts': HELLO, 'lib/x.ts': '' });
    const request = { createdBy: 'ci', note: '', weight: 100 };
    const result = await on.deployer.deployArchive(packApp(folder), request);
    assert.equal(result.deployment.app, 'my-upload');
    assert.match(await codeOf(versionOf(result, 'hello')), /hello/);
    const lines: string[] = [];
    const again = await on.deployer.deployArchive(packApp(folder), {
      ...request,
      onLine: ({ text }) => lines.push(text),
    });
    assert.ok(lines.includes('1 of 1 unchanged'), lines.join('; '));
    assert.deepEqual(again.deployment.functions, result.deployment.functions);
    assert.deepEqual(await readdir(join(on.root, 'data/scratch/uploads')), []);
  });

  it('keeps uploads from reading what is not theirs', async () => {
    const outside = await on.write('outside', {
      'secret.ts': 'export const secret = "s3cret";\nretrun 5;\n',
    });
    const request = { createdBy: 'ci', note: '', weight: 100 };
    const climb = await on.write('climbing', {
      'index.ts': `import { secret } from "${outside}/secret.ts";\nexport default () => secret;\n`,
    });
    const error = await faultOf(on.deployer.deployArchive(packApp(climb), request));
    assert.equal(error.code, 'E_BUILD_FAILED');
    assert.match(error.message, /outside of the app/);
    assert.doesNotMatch(JSON.stringify(error.toRecord()), /s3cret|retrun/);
    const include = await on.write('including', {
      'index.ts': HELLO,
      'lambent.yaml': 'functions: { index: { include: [ "../**" ] } }',
    });
    assert.equal(
      (await faultOf(on.deployer.deployArchive(packApp(include), request))).code,
      'E_MANIFEST_INVALID',
    );
  });

  it('passes on what is wrong with an archive', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('this is no archive');
    }
    const request = { createdBy: 'ci', note: '', weight: 100 };
    assert.equal((await faultOf(on.deployer.deployArchive(broken(), request))).code, 'E_ARCHIVE_INVALID');
    assert.deepEqual(await readdir(join(on.root, 'data/scratch/uploads')), []);
  });

  it('makes deploys of one app wait for each other, and refuses too many', async () => {
    await on.write('busy', { 'index.ts': HELLO });
    const deploys = Array.from({ length: DEPLOYS_WAITING_MAX + 20 }, () =>
      on.deploy('busy', { onLine() {} }),
    );
    const outcomes = await Promise.allSettled(deploys);
    const live = outcomes.filter((each) => each.status === 'fulfilled').map(({ value }) => value);
    assert.deepEqual(
      live.map(({ deployment }) => deployment.number).toSorted((a, b) => a - b),
      live.map((_, at) => at + 1),
    );
    for (const each of outcomes)
      if (each.status === 'rejected') assert.equal((each.reason as LambentError).code, 'E_OVERLOADED');
    assert.ok(live.length >= DEPLOYS_WAITING_MAX && live.length < deploys.length);
    assert.equal(on.liveApps.find(name('busy'))?.live.generation, live.length);
  });

  it('switches again when somebody else was faster', async () => {
    const app = name('contended');
    await on.write(app, { 'index.ts': HELLO });
    await on.deploy(app);
    // Another writer of the same store, outside of the deployer's own queue.
    const rival = on.store.apps.switchTraffic(app, [{ number: 1, weight: 100 }], 1);
    const [result] = await Promise.all([on.deploy(app), rival]);
    assert.deepEqual(result.live.traffic, [{ number: 2, weight: 100 }]);
    assert.equal(result.live.generation, 3);
  });

  it('deletes apps and, later, their code', async () => {
    const app = name('doomed');
    await on.write(app, { 'index.ts': 'export default () => "doomed";\n' });
    const { code } = versionOf(await on.deploy(app), 'index');
    assert.equal(await on.deployer.deleteApp(app), true);
    assert.equal(await on.deployer.deleteApp(app), false);
    assert.equal(on.liveApps.find(app), undefined);
    assert.notEqual(await on.blobs.locate(code), undefined);
    await on.write('after', { 'index.ts': HELLO });
    await on.deploy('after');
    // The sweep runs behind the deploy; the next one waits for it.
    await on.deploy('after');
    assert.equal(await on.blobs.locate(code), undefined);
    await on.deploy(app);
    assert.notEqual(await on.blobs.locate(code), undefined, 'a swept build is not taken from the cache');
  });

  it('follows links of packages and sees an installation change', async () => {
    await on.write('linked', { 'index.ts': 'import { Hono } from "hono";\nconst app = new Hono();\n' });
    await symlink(PROJECT_MODULES, join(on.root, 'apps/linked/node_modules'));
    const { deployment } = await on.deploy('linked');
    assert.match(await codeOf(deployment.functions[0]!), /lambent\.created/);
    await rm(join(on.root, 'apps/linked/node_modules'));
    assert.match((await faultOf(on.deploy('linked'))).message, /cannot find the package `hono`/);
  });
});
