/** Packages from a registry that only the machine's configuration names and opens, for tools that are contained. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { AppName } from '../../model/function.ts';
import type { Sandbox } from '../../ports/sandbox.ts';
import { openNamespacesSandbox } from '../../sandbox-namespaces/sandbox-namespaces.ts';
import { encodeTarHeader, tarPadding } from '../archive/tar-headers.ts';
import { BuildBench } from './build-bench.ts';
import { placesOf, withoutCredentials } from './host-settings.ts';
import { installDependencies } from './install-dependencies.ts';
import { readSettings } from './python/pip-settings.ts';

const TOKEN = 'token-of-the-operator';
/** What the package's own code finds while it is installed. */
const SCRIPT = 'env > seen.txt; cat "$HOME/.npmrc" "$npm_config_userconfig" >> seen.txt 2>&1; true';

function packed(): Buffer {
  const manifest = JSON.stringify({ name: 'dep', version: '1.0.0', scripts: { install: SCRIPT } });
  const body = Buffer.from(manifest);
  const head = encodeTarHeader('package/package.json', body.length, false);
  return gzipSync(Buffer.concat([head, body, Buffer.alloc(tarPadding(body.length)), Buffer.alloc(1024)]));
}

const skip = process.platform !== 'linux' && 'sandboxes need Linux';

describe('a contained package manager', { skip, timeout: 120_000 }, () => {
  let root = '';
  let sandbox: Sandbox;
  let registry: Server;
  let archive: Buffer;
  const asked: (string | undefined)[] = [];
  // npm itself sets some of these for the scripts that it runs, and so for these tests.
  const SET = ['HOME', 'npm_config_registry', 'npm_config_userconfig', 'npm_config_globalconfig'];
  const original = SET.map((name) => [name, process.env[name]] as const);

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'contained-registry-')));
    for (const name of ['data/scratch/builds', 'data/blobs', 'home', 'app'])
      await mkdir(join(root, name), { recursive: true });
    archive = packed();
    registry = createServer((request, response) => {
      asked.push(request.headers.authorization);
      const isKnown = request.headers.authorization === `Bearer ${TOKEN}`;
      response.writeHead(isKnown ? 200 : 401).end(isKnown ? archive : 'who are you?');
    }).listen(0, '127.0.0.1');
    await once(registry, 'listening');
    const opened = await openNamespacesSandbox({
      ...{ runDir: join(root, 'data/run'), codeRoot: join(root, 'data/blobs') },
      ...{ scratchRoot: join(root, 'data/scratch'), clock: systemClock, log: silentLog },
    });
    assert.ok(!('reason' in opened), 'reason' in opened ? opened.reason : '');
    sandbox = opened;
    for (const name of SET) delete process.env[name];
    process.env.HOME = join(root, 'home');
  });
  after(async () => {
    for (const [name, value] of original)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    registry?.close();
    await sandbox?.close();
    await rm(root, { recursive: true, force: true });
  });

  async function install(
    allowScripts: readonly string[],
    place: string,
    hosts: readonly string[] = [],
  ): Promise<string> {
    const folder = join(root, 'app');
    const url = `http://${place}`;
    const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
    const dependencies = { dep: '1.0.0' };
    const dep = {
      version: '1.0.0',
      resolved: `${url}/dep/-/dep-1.0.0.tgz`,
      integrity,
      hasInstallScript: true,
    };
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', dependencies }));
    await writeFile(
      join(folder, 'package-lock.json'),
      JSON.stringify({
        ...{ name: 'app', lockfileVersion: 3, requires: true },
        packages: { '': { name: 'app', dependencies }, 'node_modules/dep': dep },
      }),
    );
    const scratchDir = join(root, 'data/scratch');
    const app = 'shop' as AppName;
    const bench = await BuildBench.open({
      ...{ sandbox: sandbox.builds!, scratchDir, app, clock: systemClock, hosts },
    });
    const modulesDir = await installDependencies({
      ...{ app, bench, folder, cacheDir: join(scratchDir, 'packages'), clock: systemClock, allowScripts },
      onLine: () => {},
    });
    return modulesDir!;
  }

  it('does not reach a private address that nobody on the machine named', async () => {
    await assert.rejects(
      install([], '10.1.2.3:80'),
      /builds reach no others but the registries .* --allow-build-host 10\.1\.2\.3:80/,
    );
    assert.deepEqual(asked, []);
  });

  it('reaches what the operator allows', async () => {
    const place = `127.0.0.1:${(registry.address() as AddressInfo).port}`;
    await assert.rejects(install([], place, [place]), /401/);
    assert.deepEqual(asked.splice(0), [undefined]);
  });

  it('is let in where the machine is, and the code of packages gets no credentials', async () => {
    const place = `127.0.0.1:${(registry.address() as AddressInfo).port}`;
    await writeFile(
      join(root, 'home/.npmrc'),
      `registry=http://${place}/\n@shop:registry=http://${place}/shop/\n//${place}/:_authToken=${TOKEN}\nscript-shell=/bin/false\n`,
    );
    const modulesDir = await install(['dep'], place);
    assert.deepEqual(asked, [`Bearer ${TOKEN}`]);
    const seen = await readFile(join(modulesDir, 'dep/seen.txt'), 'utf8');
    for (const line of [`registry=http://${place}/`, `@shop:registry=http://${place}/shop/`])
      assert.match(seen, new RegExp(`^${line}$`, 'm'));
    assert.doesNotMatch(seen, new RegExp(TOKEN));
  });
});

describe('settings of the machine', () => {
  it('of pip: the strongest place wins, and addresses lose their credentials where code may see them', () => {
    const text = [
      "global.index-url='https://user:secret@pypi.example/simple'",
      "install.retries='2'",
      "global.retries='9'",
      ":env:.extra-index-url='https://a.example/\\nhttps://u:p@b.example:8443/'",
      "global.cert='/etc/hosts'",
      "global.target='/somewhere'",
    ].join('\n');
    const { env, registries, paths } = readSettings(text, false);
    assert.deepEqual(env, {
      PIP_INDEX_URL: 'https://pypi.example/simple',
      PIP_CERT: '/etc/hosts',
      PIP_RETRIES: '2',
      PIP_EXTRA_INDEX_URL: 'https://a.example/ https://b.example:8443/',
    });
    assert.deepEqual(placesOf(registries), ['pypi.example:443', 'a.example:443', 'b.example:8443']);
    assert.deepEqual(paths, ['/etc/hosts']);
    assert.equal(readSettings(text, true).env.PIP_INDEX_URL, 'https://user:secret@pypi.example/simple');
  });

  it('addresses lose their credentials, other text stays', () => {
    assert.equal(withoutCredentials('https://u:p@h/x,direct|off @x'), 'https://h/x,direct|off @x');
  });
});
