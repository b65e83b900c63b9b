/** Everything that destroys or switches something asks first and says what happens; dialogs take the focus and give it back. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Locator, Page } from 'playwright-core';
import { packApp } from '../src/functions/pack.ts';
import { buildConsole, noChromium, openBrowser, openConsole } from './chromium.ts';
import { startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';

const files = (text: string) => ({
  'lambent.yaml': `
app: shop
functions:
  greet: { routes: [GET /] }
  bill:
    on:
      - { name: orders, events: { type: [order.placed] }, attempts: 1 }
workflows:
  approval: {}
`,
  'functions/greet.js': `export default { fetch: () => new Response('${text}') };`,
  'functions/bill.js': `export const handler = async () => { throw new TypeError('closed'); };`,
  'workflows/approval.js': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  if ((await ctx.callback({ name: 'manager', timeout: '1h' }).result) === 'no') throw new Error('refused');
  return 1;
});`,
});

let lambent: TestPlatform;
let browser: Browser;
let waiting: string;
let failed: string;
let event: number;

before(
  async () => {
    if (noChromium !== false) return;
    buildConsole();
    lambent = await startTestPlatform({ shop: files('one') });
    browser = await openBrowser();
    waiting = await start();
    failed = await start();
    const untilMs = performance.now() + 20_000;
    // It waits for its answer as soon as it has come to the callback.
    while ((await lambent.api('POST', `/executions/${failed}/callbacks/1`, 'no')).status !== 200)
      assert.ok(performance.now() < untilMs, 'no callback is waited for');
    await lambent.api('GET', `/executions/${failed}/result?wait=20`);
    const answer = await lambent.fetch('/_lambent/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({
        specversion: '1.0',
        id: 'o-1',
        source: '/shop',
        type: 'order.placed',
        data: {},
      }),
    });
    event = ((await answer.json()) as { events: { seq: number }[] }).events[0]!.seq;
    await lambent.waitForInvocation((record) => record.function === 'bill');
    await lambent.api('POST', '/tokens', { name: 'ci' });
    await lambent.api('POST', '/keys', { name: 'aws' });
    await lambent.api('PUT', '/apps/shop/secrets/API_KEY', { value: 'hush' });
    await lambent.api('PUT', '/apps/shop/functions/greet/events/large', { event: '{"items":9}' });
    const folder = await writeApp(join(lambent.folder, 'two'), files('two'));
    const body = Buffer.concat(await Array.fromAsync(packApp(folder)));
    const deployed = await lambent.fetch('/_lambent/api/v1/deployments', { method: 'POST', body });
    assert.match(await deployed.text(), /"result"/);
  },
  { timeout: 60_000 },
);

after(async () => {
  await browser?.close();
  await lambent?.close();
});

async function start(): Promise<string> {
  const { json } = await lambent.api('POST', '/apps/shop/workflows/approval/executions', null);
  return (json as { id: string }).id;
}

/** Tabs enough to go round every dialog. */
const TABS = 12;

/** Opens a dialog by keyboard, goes round in it, and leaves it by Escape: nothing was done. */
async function opensAndGivesBack(page: Page, opener: Locator, says?: string | RegExp): Promise<void> {
  await opener.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  if (says === undefined) await dialog.waitFor();
  else await dialog.getByText(says).first().waitFor();
  const where = (): Promise<string> =>
    page.evaluate(() => {
      const { activeElement } = document;
      if (document.querySelector('dialog[open]')?.contains(activeElement)) return 'in the dialog';
      // Between the last and the first, the browser's own bar has the focus.
      return activeElement === document.body ? 'in the browser' : (activeElement?.outerHTML ?? '');
    });
  assert.equal(await where(), 'in the dialog');
  const seen = new Set<string>();
  for (let tab = 0; tab < TABS; tab += 1) {
    await page.keyboard.press(tab < TABS / 2 ? 'Tab' : 'Shift+Tab');
    seen.add(await where());
  }
  seen.delete('in the browser');
  assert.deepEqual([...seen], ['in the dialog']);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.ok(
    await opener.evaluate((element) => element === document.activeElement),
    'the opener has the focus',
  );
}

/**
 * Each act that takes something away or changes what is served: where it is, its button, and what it says first. No two
 * of a name stand beside each other: the screen that is left would do for the one that comes.
 */
const acts = (): readonly (readonly [path: string, button: string, says: string | RegExp])[] => [
  ['/events?tab=triggers', 'Pause', 'Events wait; none is lost'],
  ['/deployments', 'Roll back', 'Makes the deployment before the present one of shop live at once'],
  ['/deployments', 'Delete the app', 'This cannot be undone'],
  ['/deployments/shop/1', 'Make live', 'd1 serves every request of shop'],
  ['/deployments/shop/1', 'Share traffic', 'd1 gets 10 % of the requests of shop, d2 the rest'],
  ['/events/triggers/shop/orders', 'Pause', 'Events wait; none is lost'],
  ['/events/triggers/shop/orders', 'Give up all of shop/orders', 'for good'],
  ['/events?tab=dead', 'Give up all dead letters', 'Deletes all dead letters for good'],
  ['/events?tab=dead', 'Redrive all dead letters', 'each to the trigger where it died'],
  ['/events?type=order.placed', 'Replay…', '1 event: 1 delivery'],
  [`/events/${event}`, 'Deliver again', 'also those that had it already'],
  [`/executions/${waiting}`, 'Cancel', 'Steps that were done stay done'],
  [`/executions/${failed}`, 'Go on from what failed', 'Another execution begins with the results'],
  [`/executions/${failed}`, 'Start again', 'Starts anew with the same input'],
];

/** Those that stand in a row of a list: in which one. */
const ROW_ACTS = [
  [
    /^ci/,
    'Delete',
    'Whoever uses the token ci, browsers that signed in with it included, is refused at once',
  ],
  [/^aws/, 'Delete', 'Whoever uses the access key aws is refused at once'],
  [/^API_KEY/, 'Delete', 'cannot start until it is set again'],
] as const;

describe('what asks', { skip: noChromium, timeout: 120_000 }, () => {
  it('says what happens, holds the focus, and does nothing when one leaves it', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/overview');
    for (const [path, button, says] of acts()) {
      await page.evaluate((to) => {
        location.hash = to;
      }, path);
      await opensAndGivesBack(page, page.getByRole('button', { name: button, exact: true }).first(), says);
    }
    await page.evaluate(() => {
      location.hash = '/settings';
    });
    for (const [row, button, says] of ROW_ACTS)
      await opensAndGivesBack(
        page,
        page.getByRole('row').filter({ hasText: row }).getByRole('button', { name: button }),
        says,
      );
    // What is written over is asked for as well.
    await page.getByLabel('Name of the secret').fill('API_KEY');
    await page.getByLabel('Value of the secret').fill('other');
    await opensAndGivesBack(page, page.getByRole('button', { name: 'Set', exact: true }), 'which is lost');
    await page.evaluate(() => {
      location.hash = '/functions/shop/greet?tab=test';
    });
    await page.getByLabel('Name to keep the event under').fill('large');
    await opensAndGivesBack(page, page.getByRole('button', { name: 'Keep' }), 'This one takes its place');
    await page.getByLabel('Begin with').selectOption({ label: 'large' });
    await opensAndGivesBack(page, page.getByRole('button', { name: 'Forget' }), 'for everybody');
    assert.deepEqual(problems, []);
    await page.context().close();
    await assertUntouched();
  });

  it('is every act that deletes: none does so at once', async () => {
    const { page } = await openConsole(browser, lambent.url, '/overview');
    const seen = new Set([...acts().map(([, button]) => button), ...ROW_ACTS.map(([, button]) => button)]);
    const found = new Set<string>();
    for (const path of [...new Set(acts().map(([path]) => path)), '/settings']) {
      await page.evaluate((to) => {
        location.hash = to;
      }, path);
      await page.locator('main .btn').first().waitFor();
      for (const name of await page.locator('main button.danger').allInnerTexts()) found.add(name);
    }
    assert.ok(found.size >= 4, [...found].join());
    assert.deepEqual(
      [...found].filter((name) => !seen.has(name)),
      [],
    );
    await page.context().close();
  });

  it('and other dialogs too take the focus and give it back', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/events');
    const button = (name: string) => page.getByRole('button', { name, exact: true }).first();
    await opensAndGivesBack(page, button('Publish an event'));
    await opensAndGivesBack(page, page.getByRole('button', { name: 'Keys' }));
    await opensAndGivesBack(page, page.getByRole('button', { name: /^Go to…/ }));
    await page.evaluate(() => {
      location.hash = '/events?tab=dead';
    });
    await opensAndGivesBack(page, button('Open'), 'TypeError');
    await page.evaluate((id) => {
      location.hash = `/executions/${id}`;
    }, waiting);
    await opensAndGivesBack(page, button('Send a signal'), 'Name of the signal');
    await opensAndGivesBack(page, button('Mermaid'), 'flowchart TD');
    await opensAndGivesBack(page, button('Check with live code'), 'no step ran');
    assert.deepEqual(problems, []);
    await page.context().close();
  });
});

async function assertUntouched(): Promise<void> {
  const names = async (path: string): Promise<unknown[]> =>
    ((await lambent.api('GET', path)).json as { items: { name?: string; key?: number }[] }).items.map(
      ({ name }) => name,
    );
  assert.deepEqual(await names('/tokens'), ['ci']);
  assert.deepEqual(await names('/keys'), ['aws']);
  assert.deepEqual(await names('/secrets'), ['API_KEY']);
  assert.equal((await names('/dead-letters')).length, 1);
  const { json } = await lambent.api('GET', '/apps/shop');
  assert.deepEqual((json as { traffic: unknown }).traffic, [{ number: 2, weight: 100 }]);
  const { status } = (await lambent.api('GET', `/executions/${waiting}`)).json as { status: string };
  assert.equal(status, 'waiting');
  const { items } = (await lambent.api('GET', '/executions')).json as { items: unknown[] };
  assert.equal(items.length, 2);
}
