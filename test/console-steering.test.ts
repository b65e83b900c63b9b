/** What people change in the console: shares of traffic, secrets, tokens, dead letters by the hundred, by mouse and keys. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page, Route } from 'playwright-core';
import { packApp } from '../src/functions/pack.ts';
import {
  assertAccessible,
  buildConsole,
  noChromium,
  openBrowser,
  openConsole,
  screenshot,
} from './chromium.ts';
import { startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';

const manifest = (version: number) => `
app: shop
functions:
  bill:
    on:
      - name: orders
        events: { type: [order.placed] }
        attempts: ${version}
  greet: { routes: [GET /], memory: ${128 * version}mb }
connections:
  warehouse: { kind: postgres, host: 127.0.0.1, port: 1, database: shop, user: reader }
`;
const files = (version: number) => ({
  'lambent.yaml': manifest(version),
  'functions/greet.js': `export default { fetch: () => new Response('version ${version}') };`,
  'functions/bill.js': `export const handler = async () => { if (${version} < 2) throw new TypeError('closed'); };`,
});

const DEAD = 230;

let lambent: TestPlatform;
let browser: Browser;

before(
  async () => {
    if (noChromium !== false) return;
    buildConsole();
    lambent = await startTestPlatform({ shop: files(1) });
    browser = await openBrowser();
    await publish(DEAD);
  },
  { timeout: 60_000 },
);

after(async () => {
  await browser?.close();
  await lambent?.close();
});

async function publish(count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, order) => ({
    ...{ specversion: '1.0', id: `order-${order}`, source: '/shop', type: 'order.placed', data: { order } },
  }));
  const answer = await lambent.fetch('/_lambent/events', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(events),
  });
  assert.equal(answer.status, 202, await answer.text());
}

async function deploy(version: number): Promise<void> {
  const folder = await writeApp(join(lambent.folder, `v${version}`), files(version));
  const body = Buffer.concat(await Array.fromAsync(packApp(folder)));
  const answer = await lambent.fetch('/_lambent/api/v1/deployments', { method: 'POST', body });
  await answer.text();
  assert.equal(answer.status, 200);
}

/** On its own machine `dev` asks for no token, but who signs in with a wrong one is refused. */
const signIn = async (token: string): Promise<number> =>
  (await lambent.api('POST', '/sign-in', { token })).status;

/** Presses a button that asks, looks at what it says, and confirms. */
async function confirm(page: Page, button: string, says: string | RegExp): Promise<void> {
  await page.getByRole('button', { name: button }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(says).waitFor();
  await dialog.getByRole('button', { name: button }).click();
  await dialog.waitFor({ state: 'detached' });
}

describe('what people change', { skip: noChromium, timeout: 100_000 }, () => {
  it('dead letters by the page, and all of them again, with progress', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/events?tab=dead');
    await page.getByRole('link', { name: `Dead letters ${DEAD}` }).waitFor();
    // Few rows are in the page at a time; the next ones are read as one scrolls.
    const list = page.getByLabel('Dead letters', { exact: true });
    await page.getByRole('checkbox').nth(10).waitFor();
    assert.ok((await page.getByRole('checkbox').count()) < 60);
    await page.waitForFunction(
      (last) => {
        const box = document.querySelector('section[aria-label="Dead letters"]');
        box?.scrollTo(0, box.scrollHeight);
        return document.querySelector(`[aria-label="${last}"]`) !== null;
      },
      `Choose order-${DEAD - 1}`,
    );
    await list.evaluate((box) => box.scrollTo(0, 0));
    await page.getByRole('checkbox', { name: 'Choose order-3' }).first().check();
    await page.getByRole('button', { name: 'Redrive 1 dead letter', exact: true }).waitFor();
    await page.getByRole('checkbox', { name: 'Choose order-3' }).first().uncheck();
    await assertAccessible(page);
    await deploy(2);
    await page.getByRole('button', { name: 'Redrive all dead letters' }).click();
    await screenshot(page, 'redrive-all-asks');
    // Each part is held back on its way, so that what is said meanwhile can be read.
    let hold = (_part: Route): void => {};
    const nextPart = (): Promise<Route> =>
      new Promise((resolve) => {
        hold = resolve;
      });
    await page.route('**/dead-letters/redrive', (part) => hold(part));
    let part = nextPart();
    await page.getByRole('dialog').getByRole('button', { name: 'Redrive all dead letters' }).click();
    for (const redriven of [100, 200]) {
      const held = await part;
      part = nextPart();
      await held.continue();
      await page.getByRole('status').getByText(`${redriven} redriven`, { exact: true }).waitFor();
    }
    await screenshot(page, 'redrive-all-goes-on');
    await (await part).continue();
    await page.getByText('No dead letters').waitFor();
    await page.getByText(/\d redriven/).waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'Dead letters 0' }).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('deployments: shares by weight, all of it, and back', async () => {
    const traffic = async () =>
      ((await lambent.api('GET', '/apps/shop')).json as { traffic: unknown }).traffic;
    const { page, problems } = await openConsole(browser, lambent.url, '/deployments/shop/1');
    await page.getByText('not live').waitFor();
    await page.getByLabel('or give it').fill('25');
    await confirm(page, 'Share traffic', 'd1 gets 25 % of the requests of shop, d2 the rest');
    await page.getByText('live 25 %').waitFor();
    assert.deepEqual(await traffic(), [
      { number: 1, weight: 25 },
      { number: 2, weight: 75 },
    ]);
    await screenshot(page, 'traffic-shared');
    await confirm(page, 'Make live', 'd1 serves every request of shop');
    await page.getByText('live 100 %').waitFor();
    assert.equal(await (await lambent.fetch('/')).text(), 'version 1');
    await page.evaluate(() => {
      location.hash = '/deployments/shop/2';
    });
    await page.getByRole('heading', { level: 1, name: 'd2' }).waitFor();
    await page.getByText('not live').waitFor();
    // Code, configuration and triggers, each by what it was and is.
    const changed = page.locator('section').filter({ hasText: 'What changed' }).getByRole('row');
    await changed.filter({ hasText: /code.*greet/ }).waitFor();
    await changed
      .filter({ hasText: /configuration.*greet/ })
      .getByText('memoryMb 128 → 256')
      .waitFor();
    await changed
      .filter({ hasText: /trigger.*orders/ })
      .getByText(/attemptsMax 2/)
      .waitFor();
    await page
      .getByText(/by local/)
      .first()
      .waitFor();
    await confirm(page, 'Make live', 'd2 serves every request of shop');
    await page.getByText('live 100 %').waitFor();
    await page.evaluate(() => {
      location.hash = '/deployments';
    });
    await page.getByText('live: d2').waitFor();
    await confirm(page, 'Roll back', /Makes the deployment before the present one of shop live at once/);
    await page.getByText('live: d1').waitFor();
    assert.deepEqual(await traffic(), [{ number: 1, weight: 100 }]);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('secrets, which nothing shows again, tokens, and connections, which are tested', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/settings');
    await page.getByLabel('Name of the secret').fill('API_KEY');
    await page.getByLabel('Value of the secret').fill('hush-hush');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await page.getByRole('row').filter({ hasText: 'API_KEY' }).waitFor();
    assert.ok(!(await page.content()).includes('hush-hush'));
    assert.equal(await page.getByLabel('Value of the secret').inputValue(), '');
    await page
      .getByRole('row')
      .filter({ hasText: 'API_KEY' })
      .getByRole('button', { name: 'Delete' })
      .click();
    await page.getByRole('dialog').getByText('cannot start until it is set again').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No secrets').waitFor();
    const warehouse = page.getByLabel('Connection warehouse');
    await warehouse.getByRole('button', { name: 'Test' }).click();
    await warehouse
      .getByText(/127\.0\.0\.1/)
      .first()
      .waitFor();
    await screenshot(page, 'connection-tested');
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('tokens, which are shown once and of no use once deleted, runtimes, health and isolation', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/settings');
    await page.getByLabel('Name of the new access key').fill('aws');
    await page.getByRole('button', { name: 'Make an access key' }).click();
    assert.match(
      await page.getByRole('status', { name: 'Id of the new access key' }).innerText(),
      /^[A-Z0-9]+$/,
    );
    await page.getByRole('status', { name: 'Secret of the new access key' }).waitFor();
    await page.getByLabel('Name of the new token').fill('ci');
    await page.getByRole('button', { name: 'Make a token' }).click();
    await page.getByText('ci: keep it now, it is not shown again').waitFor();
    const token = await page.getByRole('status', { name: 'The new token' }).innerText();
    assert.match(token, /^lmb_[\w-]+$/);
    assert.equal(await signIn(token), 200);
    await screenshot(page, 'token-made');
    await page.reload();
    const row = page.getByRole('row').filter({ hasText: /^ci/ });
    await row.getByText('ci', { exact: true }).waitFor();
    assert.ok(!(await page.content()).includes(token));
    await row.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByText('is refused at once').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No tokens').waitFor();
    assert.equal(await signIn(token), 401);

    const panel = (title: string) =>
      page.locator('section').filter({ has: page.getByRole('heading', { name: title }) });
    for (const name of ['store', 'async-queue', 'disk', 'memory', 'defects'])
      await panel('Health of this node').getByRole('cell', { name, exact: true }).waitFor();
    for (const name of ['node', 'python', 'go'])
      await panel('Runtimes').getByRole('cell', { name, exact: true }).waitFor();
    await panel('Runtimes').scrollIntoViewIfNeeded();
    await screenshot(page, 'settings-health');
    const { isolation } = (await lambent.api('GET', '/doctor')).json as {
      isolation: { level: string; protections: { name: string; note: string }[] };
    };
    assert.ok(isolation.protections.length > 0);
    for (const { name, note } of isolation.protections)
      await panel(`Isolation: level ${isolation.level}`)
        .getByRole('row')
        .filter({ hasText: name })
        .filter({ hasText: note })
        .first()
        .waitFor();
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('everything by keys: each screen has its letter, and the palette finds a function', async () => {
    const { page } = await openConsole(browser, lambent.url, '/overview');
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    for (const [key, title] of [
      ['f', 'Functions'],
      ['i', 'Invocations'],
      ['e', 'Events'],
      ['x', 'Executions'],
      ['d', 'Deployments'],
      ['c', 'Costs'],
      ['s', 'Settings'],
      ['o', 'Overview'],
    ] as const) {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
    }
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Go to' }).waitFor();
    await page.keyboard.type('bill');
    await page.getByRole('option', { name: 'bill' }).first().waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'bill' }).waitFor();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.waitForFunction(() => document.activeElement?.id === 'main');
    await page.keyboard.press('Tab');
    await page.waitForFunction(() => document.activeElement?.closest('#main > *') !== null);
    await page.getByRole('button', { name: 'Light or dark' }).focus();
    await page.keyboard.press('Enter');
    const dark = page.locator('html[data-theme="dark"]');
    await dark.waitFor();
    await page.reload();
    await dark.waitFor(); // it is kept
    await page.context().close();
  });
});
