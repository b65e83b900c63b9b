/** Calls in a real browser: what one called and what went through it, how it is tried again, and where events went. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import {
  assertAccessible,
  buildConsole,
  noChromium,
  openBrowser,
  openConsole,
  type PageOptions,
  screenshot,
} from './chromium.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const FILES = {
  'lambent.yaml': `
app: shop
functions:
  checkout: { routes: ["POST /orders"] }
  price: {}
  mail:
    on:
      - name: paid
        events: { type: [order.paid], data: { item: [{ prefix: so }] } }
        attempts: 2
        retryFirst: 50ms
  grave: { on: [{ name: dead, events: { type: [lambent.dead-letter] } }] }
`,
  'functions/checkout.ts': `
import { emit, invoke } from 'lambent';
export default {
  async fetch(request: Request) {
    const { item } = await request.json() as { item: string };
    const { price } = await invoke<{ price: number }>('price', { item });
    await emit({ type: 'order.paid', data: { item, price } });
    return Response.json({ price, html: '<b id="made">bold</b>' });
  },
};`,
  'functions/price.js': 'export const handler = async ({ item }) => ({ price: item.length });',
  'functions/grave.js': 'export const handler = async () => {};',
  'functions/mail.js': `export const handler = async () => { throw new Error('mailbox is busy'); };`,
};

let lambent: TestPlatform;
let browser: Browser;

const visit = (path: string, options?: PageOptions) => openConsole(browser, lambent.url, path, options);

before(
  async () => {
    if (noChromium !== false) return;
    buildConsole();
    lambent = await startTestPlatform({ shop: FILES });
    browser = await openBrowser();
  },
  { timeout: 60_000 },
);

after(async () => {
  await browser?.close();
  await lambent?.close();
});

const order = async (item: string): Promise<string> => {
  const response = await lambent.fetch('/orders', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer abc' },
    body: JSON.stringify({ item }),
  });
  return response.headers.get('x-request-id')!;
};

describe('calls in the console', { skip: noChromium, timeout: 120_000 }, () => {
  it('show what they called, what went in and came out, and are sent again with changes', async () => {
    const id = await order('lamp');
    const { page, problems } = await visit(`/invocations/${id}`);
    await page.getByRole('heading', { level: 1, name: 'POST /orders' }).waitFor();
    const input = page.getByLabel('Input', { exact: true });
    await input.getByText('"lamp"').waitFor();
    // What a function returns is text, whatever it looks like.
    await page.getByLabel('Output', { exact: true }).getByText('<b id=').waitFor();
    assert.equal(await page.locator('#made').count(), 0);
    await page.getByText('credentials taken out').waitFor();
    await screenshot(page, 'invocation-with-calls');
    await assertAccessible(page);

    await page.getByText('Send it again, edited').click();
    await page.getByText('Headers with credentials were not kept').waitFor();
    await page.getByLabel('Body (JSON)').fill('{"item":"chandelier"}');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByLabel('Answer', { exact: true }).getByText('10', { exact: true }).waitFor();
    await screenshot(page, 'invocation-sent-again');
    await assertAccessible(page);

    await page.getByRole('link', { name: /^price/ }).click();
    await page.getByRole('heading', { level: 1, name: 'price' }).waitFor();
    await page.getByLabel('Output', { exact: true }).getByText('4', { exact: true }).waitFor();
    await page.getByRole('link', { name: /^checkout/ }).click();
    await page.getByRole('heading', { level: 1, name: 'POST /orders' }).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('are all seen on a phone, with what they called and how long that took', async () => {
    const id = await order('bulb');
    const { page, problems } = await visit(`/invocations/${id}`, { width: 390, height: 844 });
    const lane = page.getByRole('link').filter({ hasText: 'price' });
    await lane.waitFor();
    const beyond = await page
      .locator('.calls')
      .evaluate((box) => [
        box.scrollWidth - box.clientWidth,
        document.documentElement.scrollWidth - innerWidth,
      ]);
    assert.deepEqual(beyond, [0, 0]);
    await screenshot(page, 'invocation-on-a-phone');
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('show each attempt of an event, and what it was', async () => {
    await order('sofa');
    await lambent.waitForInvocation((record) => record.function === 'grave');
    const { page, problems } = await visit('/events?type=order.paid');
    await page.getByLabel('Events').getByRole('link').first().click();
    const rows = page.getByRole('row').filter({ hasText: 'mailbox is busy' });
    await rows.nth(1).getByText('dead letter').waitFor();
    await rows.nth(0).getByText('again after').waitFor();
    await screenshot(page, 'event-attempts');
    await assertAccessible(page);
    await rows.nth(1).getByRole('link', { name: 'invocation' }).click();
    await page.getByRole('heading', { level: 1, name: 'mail' }).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('begin with an event that the function would get, which is kept for everybody', async () => {
    const { page } = await visit('/functions/shop/mail?tab=test');
    await page.getByLabel('Begin with').selectOption({ label: 'Trigger paid' });
    const editor = page.getByLabel('Event (JSON)');
    const { type, data } = JSON.parse(await editor.innerText()) as { type: string; data: { item: string } };
    assert.deepEqual([type, data.item], ['order.paid', 'soexample']);
    await editor.fill('{"kept": 12345678901234567890}');
    await page.getByLabel('Name to keep the event under').fill('large number');
    await page.getByRole('button', { name: 'Keep', exact: true }).click();
    await page.getByText('large number is kept.').waitFor();
    await page.context().close();

    const { page: other, problems } = await visit('/functions/shop/mail?tab=test');
    await other.getByLabel('Begin with').selectOption({ label: 'large number' });
    assert.equal(await other.getByLabel('Event (JSON)').innerText(), '{"kept": 12345678901234567890}');
    await assertAccessible(other);
    await other.getByRole('button', { name: 'Forget' }).click();
    await other.getByRole('dialog').getByRole('button', { name: 'Forget' }).click();
    await other.getByText('large number is forgotten.').waitFor();
    assert.deepEqual(problems, []);
    await other.context().close();
  });
});
