/** A trigger's own view in a real browser: where it stands, why it does not work, what it delivered, and how it is steered. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import {
  assertAccessible,
  buildConsole,
  noChromium,
  openBrowser,
  openConsole,
  screenshot,
} from './chromium.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const ORDERS = 60;

const FILES = {
  'lambent.yaml': `
app: shop
connections:
  warehouse: { kind: postgres, host: 127.0.0.1, port: 1, database: shop, user: reader }
functions:
  bill:
    on:
      - name: orders
        events: { type: [order.placed] }
        attempts: 2
        retryFirst: 20ms
        concurrency: 3
        key: data.customer
        onFailure: { emit: order.lost }
  stock:
    on:
      - { name: changes, postgres: { connection: warehouse, table: stock } }
  report:
    on:
      - { name: monthly, schedule: '30 2 1 * *', timezone: Europe/Berlin, overlap: skip }
`,
  'functions/bill.js': `
export const handler = async ({ data }) => { if (data.order % 2 === 1) throw new TypeError('no odd ones'); };`,
  'functions/stock.js': 'export const handler = async () => {};',
  'functions/report.js': 'export const handler = async () => {};',
};

let lambent: TestPlatform;
let browser: Browser;

before(
  async () => {
    if (noChromium !== false) return;
    buildConsole();
    lambent = await startTestPlatform({ shop: FILES });
    browser = await openBrowser();
    const events = Array.from({ length: ORDERS }, (_, order) => ({
      ...{ specversion: '1.0', id: `order-${order}`, source: '/shop', type: 'order.placed' },
      data: { order, customer: order % 5 },
    }));
    const answer = await lambent.fetch('/_lambent/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents-batch+json' },
      body: JSON.stringify(events),
    });
    assert.equal(answer.status, 202, await answer.text());
  },
  { timeout: 60_000 },
);

after(async () => {
  await browser?.close();
  await lambent?.close();
});

describe('the view of a trigger', { skip: noChromium, timeout: 100_000 }, () => {
  it('tells where it stands and how it delivers, its latest deliveries by the page, and its dead letters', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/events?tab=triggers');
    await page.getByRole('link', { name: 'orders', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'orders' }).waitFor();
    const facts = page.locator('dl > div');
    const fact = (name: string, value: string | RegExp) =>
      facts.filter({ hasText: name }).getByText(value).first().waitFor();
    await fact('Delivered', `${ORDERS / 2}`);
    await fact('Dead', `${ORDERS / 2}`);
    await fact('Owed', '0');
    await fact('Pattern', /order\.placed/);
    await fact('Attempts', /up to 2, within 1 d/);
    await fact('In order of', 'data.customer');
    await fact('On failure', 'the event order.lost');
    const deliveries = page.locator('section.panel').filter({ hasText: 'Latest deliveries' });
    // A header, and one page.
    const rows = deliveries.getByRole('row');
    await rows.filter({ hasText: 'no odd ones' }).first().waitFor();
    assert.equal(await rows.count(), 51);
    await deliveries.getByRole('button', { name: 'Older ones' }).click();
    await rows.nth(60).waitFor();
    const letters = page.getByLabel('Its dead letters');
    await letters.getByRole('button', { name: 'Redrive all of shop/orders' }).waitFor();
    await assertAccessible(page);
    await screenshot(page, 'trigger');
    await rows.nth(1).getByRole('link', { name: 'order.placed' }).click();
    await page.getByRole('heading', { level: 1, name: 'order.placed' }).waitFor();
    await page.getByRole('link', { name: 'shop/orders' }).first().click();
    await page.getByRole('heading', { level: 1, name: 'orders' }).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('pauses, resumes and replays it there', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/events/triggers/shop/orders');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('dialog').getByText('Events wait; none is lost').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await page.getByText('paused', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Replay…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.locator('option:checked').getByText('shop/orders alone').waitFor({ state: 'attached' });
    await dialog.getByLabel('Text within').fill('"order":4,');
    await dialog.getByText('1 event: 1 delivery to shop/orders').waitFor();
    await dialog.getByRole('button', { name: 'Replay 1 event' }).click();
    // It waits until the trigger delivers again.
    await page.locator('dl > div').filter({ hasText: 'Oldest owed' }).waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByText('delivers', { exact: true }).waitFor();
    await page
      .locator('dl > div')
      .filter({ hasText: 'Delivered' })
      .getByText(`${ORDERS / 2 + 1}`)
      .waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('says why a source does not work, and tests what it reads from', async () => {
    const { page } = await openConsole(browser, lambent.url, '/events/triggers/shop/changes', { dark: true });
    const trouble = page.getByRole('alert');
    await trouble
      .getByText(/127\.0\.0\.1/)
      .first()
      .waitFor();
    await page.getByText('in trouble', { exact: true }).waitFor();
    await trouble.getByRole('button', { name: 'Test' }).click();
    await trouble.getByRole('cell', { name: 'fail', exact: true }).first().waitFor();
    await assertAccessible(page);
    await screenshot(page, 'trigger-in-trouble');
    await page.context().close();
  });

  it('of a schedule tells the next runs, runs it now, and fits a phone', async () => {
    const phone = { width: 390, height: 844 };
    const { page, problems } = await openConsole(
      browser,
      lambent.url,
      '/events/triggers/shop/monthly',
      phone,
    );
    await page.getByRole('listitem').nth(7).waitFor();
    await page.getByText(/Where clocks of Europe\/Berlin go forward/).waitFor();
    await page.getByRole('button', { name: 'Run now' }).click();
    await lambent.waitForInvocation((record) => record.function === 'report');
    await page.locator('dl > div').filter({ hasText: 'Delivered' }).getByText('1', { exact: true }).waitFor();
    await assertAccessible(page);
    await screenshot(page, 'trigger-of-a-schedule');
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${wider} pixels wider than the screen`);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('of a trigger that is not there says so', async () => {
    const { page } = await openConsole(browser, lambent.url, '/events/triggers/shop/nobody');
    await page.getByText('There is no trigger shop/nobody').waitFor();
    await page.context().close();
  });
});
