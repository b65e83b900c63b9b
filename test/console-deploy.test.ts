/** Deploying from the browser: a folder that is chosen or dropped, an archive, with the plan first and the build as it goes. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { packApp } from '../src/functions/pack.ts';
import {
  assertAccessible,
  buildConsole,
  noChromium,
  openBrowser,
  openConsole,
  screenshot,
} from './chromium.ts';
import { type AppFiles, startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';

const files = (version: number): AppFiles => ({
  'lambent.yaml': `
app: shop
functions:
  greet: { routes: [GET /] }
`,
  'functions/greet.js': `export default { fetch: () => new Response('version ${version}') };`,
  '.lambentignore': 'big/\n',
  'big/data.bin': 'x'.repeat(100_000),
  'node_modules/dead/index.js': 'not sent',
  '.env': 'PASSWORD=not-sent',
  'functions/a-name-that-is-longer-than-a-header-of-tar-can-hold-by-itself/and-goes-on-for-a-while/until-it-is-long-enough/größe.txt':
    'long',
});

/** Makes a publication and a slot in a database, as its plan says. */
const withTable: AppFiles = {
  'lambent.yaml': `
app: books
functions:
  note:
    on:
      - { name: orders, postgres: { url: ORDERS_DB, table: orders } }
`,
  'functions/note.js': 'export const handler = async () => {};',
};

let lambent: TestPlatform;
let browser: Browser;

before(
  async () => {
    if (noChromium !== false) return;
    buildConsole();
    lambent = await startTestPlatform();
    browser = await openBrowser();
  },
  { timeout: 60_000 },
);

after(async () => {
  await browser?.close();
  await lambent?.close();
});

const folderOf = (name: string, app: AppFiles): Promise<string> => writeApp(join(lambent.folder, name), app);

const choose = (page: Page, folder: string): Promise<void> =>
  page.getByLabel('Folder of the app').setInputFiles(folder);

const body = async (): Promise<string> => (await lambent.fetch('/')).text();

describe('deploying from the browser', { skip: noChromium, timeout: 120_000 }, () => {
  it('a folder: what it would do, the build as it goes, and where it answers', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/deployments');
    await page.getByText('Drop the folder of an app anywhere on this screen').waitFor();
    await page.getByRole('button', { name: 'Deploy…' }).click();
    await assertAccessible(page);
    await choose(page, await folderOf('shop', files(1)));
    await page
      .getByText('has 1 function. Deploying it makes and drops nothing outside of Lambent.')
      .waitFor();
    // The manifest, the function, the file with the long name, and what says what is left out.
    await page.getByText(/^4 files, /).waitFor();
    await assertAccessible(page);
    await screenshot(page, 'deploy-plan');
    await page.getByLabel('Note').fill('from the browser');
    await page.getByRole('button', { name: 'Deploy shop' }).click();
    await page.getByText('shop d1 with 1 function was deployed in').waitFor();
    assert.match(await page.getByRole('log', { name: 'Build' }).innerText(), /build\s/);
    await assertAccessible(page);
    await screenshot(page, 'deploy-done');
    assert.equal(await body(), 'version 1');
    const { items } = (await lambent.api('GET', '/apps/shop/deployments')).json as {
      items: { note: string }[];
    };
    assert.deepEqual(
      items.map(({ note }) => note),
      ['from the browser'],
    );
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('the same bytes as the CLI sends make the same code', async () => {
    const code = async (number: number): Promise<string> =>
      (
        (await lambent.api('GET', `/apps/shop/deployments/${number}`)).json as {
          functions: { code: string }[];
        }
      ).functions[0]!.code;
    const archive = Buffer.concat(await Array.fromAsync(packApp(join(lambent.folder, 'shop'))));
    const answer = await lambent.fetch('/_lambent/api/v1/deployments', { method: 'POST', body: archive });
    assert.match(await answer.text(), /"number":2/);
    assert.equal(await code(1), await code(2));
  });

  it('a share of the requests, and none at all', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/deployments?deploy=now');
    await choose(page, await folderOf('shop-3', files(3)));
    await page.getByLabel('Percent of the requests').fill('101');
    await page.getByText('A whole number from 0 to 100.').waitFor();
    assert.ok(await page.getByRole('button', { name: /^Deploy/ }).isDisabled());
    await page.getByLabel('Percent of the requests').fill('0');
    await page.getByText('It serves no request').waitFor();
    await page.getByRole('button', { name: 'Deploy shop' }).click();
    await page.getByText('It gets no traffic: only its preview address serves it.').waitFor();
    const preview = await page.getByText(/^http:\/\/d3/).innerText();
    assert.match(preview, /^http:\/\/d3[.-]/);
    assert.equal(await body(), 'version 1');
    await page.getByRole('link', { name: 'What changed' }).click();
    await page.getByRole('heading', { level: 1, name: 'd3' }).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('what it would make in a database is said first', async () => {
    const { page } = await openConsole(browser, lambent.url, '/deployments?deploy=now');
    await choose(page, await folderOf('books', withTable));
    await page.getByText('As soon as it is live, it does this outside of Lambent').waitFor();
    await page.getByText(/CREATE PUBLICATION/i).waitFor();
    await screenshot(page, 'deploy-plan-database');
    await assertAccessible(page);
    await page.context().close();
  });

  it('an archive that is dropped, and a folder that is', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/deployments');
    const archive = join(lambent.folder, 'shop.tar.gz');
    await writeFile(
      archive,
      Buffer.concat(await Array.fromAsync(packApp(await folderOf('shop-4', files(4))))),
    );
    await drop(page, archive);
    await page.getByRole('button', { name: 'Deploy shop' }).click();
    await page.getByText('shop d4 with 1 function was deployed in').waitFor();
    assert.equal(await body(), 'version 4');
    await drop(page, await folderOf('shop-5', files(5)));
    await page.getByText(/^4 files, /).waitFor();
    await page.getByRole('button', { name: 'Deploy shop' }).click();
    await page.getByText('shop d5 with 1 function was deployed in').waitFor();
    assert.equal(await body(), 'version 5');
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('what cannot be deployed says why, and what is live stays', async () => {
    const { page } = await openConsole(browser, lambent.url, '/deployments?deploy=now');
    await page.getByLabel('Archive of the app').setInputFiles({
      ...{ name: 'app.zip', mimeType: 'application/zip', buffer: Buffer.from('PK') },
    });
    await page.getByText('app.zip is no .tar.gz.').waitFor();
    await page.getByLabel('Archive of the app').setInputFiles({
      ...{ name: 'app.tgz', mimeType: 'application/gzip', buffer: Buffer.from('no gzip') },
    });
    await page.getByText('the archive is no valid gzip').waitFor();
    await page.getByText('E_ARCHIVE_INVALID').waitFor();
    await page.getByRole('button', { name: 'Choose another' }).click();
    await choose(page, await folderOf('needy', { 'package.json': '{"dependencies":{"left-pad":"1"}}' }));
    await page.getByText('The app needs left-pad, and no package-lock.json says which.').waitFor();
    await choose(page, await folderOf('broken', { ...files(6), 'functions/greet.js': 'export default {' }));
    await page.getByRole('button', { name: 'Deploy shop' }).click();
    await page.getByText('What was live is live still.').waitFor();
    await page.getByText('E_BUILD_FAILED').waitFor();
    await screenshot(page, 'deploy-failed');
    await assertAccessible(page);
    assert.equal(await body(), 'version 5');
    await page.context().close();
  });

  it('a page of another origin deploys nothing', async () => {
    for (const path of ['/deployments', '/deployments/plan']) {
      const answer = await lambent.fetch(`/_lambent/api/v1${path}`, {
        method: 'POST',
        headers: { origin: 'http://elsewhere.example', 'content-type': 'application/gzip' },
        body: 'x',
      });
      assert.equal(answer.status, 403);
      assert.match(await answer.text(), /E_FORBIDDEN/);
    }
  });
});

/** Drops a file or folder of this machine onto the page, as a person does from a file manager. */
async function drop(page: Page, path: string): Promise<void> {
  await page.getByRole('heading', { level: 1 }).waitFor();
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: 700, y: 500, data });
  await session.detach();
}
