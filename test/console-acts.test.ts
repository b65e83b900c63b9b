/** What the CLI does and people do in the console: events replayed by choice, recorded executions held against live code. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
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

const ORDERS = 1_500;
const NOTES = 40;

const files = (second: string): AppFiles => ({
  'lambent.yaml': `
app: shop
functions:
  bill:
    on:
      - { name: orders, events: { type: [order.placed] }, batch: 100 }
  audit:
    on:
      - { name: notes, events: { type: [note.made] } }
  report:
    on:
      - { name: monthly, schedule: '30 2 1 * *', timezone: Europe/Berlin, missed: all, overlap: skip }
workflows:
  order:
    on:
      - { name: begins, events: { type: [order.begins] } }
`,
  'functions/bill.js': 'export const handler = async () => {};',
  'functions/audit.js': 'export const handler = async () => {};',
  'functions/report.js': 'export const handler = async () => {};',
  'workflows/order.js': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  await ctx.step('reserve', () => 1);
  return await ctx.step('${second}', () => 2);
});`,
});

let lambent: TestPlatform;
let browser: Browser | undefined;

before(
  async () => {
    if (noChromium === false) buildConsole();
    lambent = await startTestPlatform({ shop: files('charge') });
    await publish('order.placed', ORDERS);
    await publish('note.made', NOTES);
    await settled({ 'shop/orders': ORDERS, 'shop/notes': NOTES });
    if (noChromium === false) browser = await openBrowser();
  },
  { timeout: 60_000 },
);

after(async () => {
  await browser?.close();
  await lambent?.close();
});

async function publish(type: string, count: number): Promise<void> {
  for (let from = 0; from < count; from += 500) {
    const events = Array.from({ length: Math.min(500, count - from) }, (_, at) => ({
      ...{
        specversion: '1.0',
        id: `${type}-${from + at}`,
        source: '/shop',
        type,
        data: { number: from + at },
      },
    }));
    const answer = await lambent.fetch('/_lambent/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents-batch+json' },
      body: JSON.stringify(events),
    });
    assert.equal(answer.status, 202, await answer.text());
  }
}

/** Waits until each trigger has delivered this many and owes nothing. */
async function settled(delivered: Readonly<Record<string, number>>): Promise<void> {
  const untilMs = performance.now() + 30_000;
  for (;;) {
    const { items } = (await lambent.api('GET', '/triggers')).json as {
      items: { id: string; delivered: number; owed: number }[];
    };
    const found = Object.fromEntries(
      items.filter(({ id }) => id in delivered).map((each) => [each.id, each.delivered]),
    );
    if (items.every(({ owed }) => owed === 0) && JSON.stringify(found) === JSON.stringify(sorted(delivered)))
      return;
    assert.ok(performance.now() < untilMs, `delivered: ${JSON.stringify(found)}`);
  }
}

const sorted = (record: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

async function run(): Promise<string> {
  const { json } = await lambent.api('POST', '/apps/shop/workflows/order/executions?wait=20', null);
  const { id, status } = json as { id: string; status: string };
  assert.equal(status, 'succeeded');
  return id;
}

const replay = async (body: object): Promise<unknown> =>
  (await lambent.api('POST', '/events/replay', body)).json;

describe('a replay in parts', () => {
  it('counts and owes nothing with `dryRun`', async () => {
    assert.deepEqual(await replay({ dryRun: true }), { events: ORDERS + NOTES, deliveries: ORDERS + NOTES });
    assert.deepEqual(await replay({ dryRun: true, trigger: 'shop/notes', type: 'order.placed' }), {
      ...{ events: ORDERS, deliveries: ORDERS },
    });
    await settled({ 'shop/orders': ORDERS, 'shop/notes': NOTES });
  });

  it('stops after `limit` events and goes on where it was', async () => {
    const counts: number[] = [];
    for (let after: number | undefined; ; ) {
      const part = (await replay({ dryRun: true, limit: 700, ...(after && { after }) })) as {
        events: number;
        next?: number;
      };
      counts.push(part.events);
      after = part.next;
      if (after === undefined) break;
    }
    assert.deepEqual(counts, [700, 700, 140]);
  });
});

describe('acts in the console', { skip: noChromium, timeout: 120_000 }, () => {
  it('events are searched by text', async () => {
    const { page, problems } = await openConsole(browser!, lambent.url, '/events');
    await page.getByRole('link', { name: 'note.made' }).first().waitFor();
    await page.getByLabel('Text in the event').fill('"number":1234}');
    await page.getByLabel('Events', { exact: true }).getByRole('link').nth(1).waitFor({ state: 'detached' });
    assert.equal(await page.getByLabel('Events', { exact: true }).getByRole('link').count(), 1);
    await page.getByText('order.placed').waitFor();
    await page.getByLabel('Text in the event').fill('nowhere to be found');
    await page.getByText('No event fits').waitFor();
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('events are replayed by choice: how many first, to one trigger, with progress', async () => {
    const { page, problems } = await openConsole(browser!, lambent.url, '/events?type=order.placed');
    await page.getByRole('button', { name: 'Replay…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('1,500 events: 1,500 deliveries to every trigger whose pattern matches').waitFor();
    await dialog.getByLabel('Text within').fill('"number":7');
    await dialog.getByText('111 events: 111 deliveries').waitFor();
    await dialog.getByLabel('To', { exact: true }).selectOption('shop/notes');
    await dialog.getByText('111 events: 111 deliveries to shop/notes').waitFor();
    await assertAccessible(page);
    await screenshot(page, 'replay-events');
    await dialog.getByLabel('Received since').fill('2999-01-01T00:00:00');
    await dialog.getByText('0 events: 0 deliveries').waitFor();
    assert.ok(await dialog.getByRole('button', { name: 'Replay 0 events' }).isDisabled());
    await dialog.getByLabel('Received since').fill('');
    await dialog.getByRole('button', { name: 'Replay 111 events' }).click();
    await page.getByText('111 events replayed: 111 deliveries.').waitFor();
    await settled({ 'shop/orders': ORDERS, 'shop/notes': NOTES + 111 });
    await page.getByRole('button', { name: 'Replay…' }).click();
    await page.getByRole('button', { name: 'Replay 1,500 events' }).click();
    await page.getByText('1,500 events replayed: 1,500 deliveries.').waitFor();
    await settled({ 'shop/orders': 2 * ORDERS, 'shop/notes': NOTES + 111 });
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('an execution is held against the code that is live, and its graph is text to copy', async () => {
    const id = await run();
    const { page, problems } = await openConsole(browser!, lambent.url, `/executions/${id}`);
    const dialog = page.getByRole('dialog');
    await page.getByRole('button', { name: 'Check with live code' }).click();
    await dialog.getByText('goes the same way').waitFor();
    await assertAccessible(page);
    await dialog.getByRole('button', { name: 'Close' }).click();
    await deploy(files('bill instead'));
    await page.getByRole('button', { name: 'Check with live code' }).click();
    await dialog.getByText('goes another way').waitFor();
    await dialog.getByText(/bill instead/).waitFor();
    await screenshot(page, 'check-with-live-code');
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Mermaid' }).click();
    const text = dialog.getByRole('region', { name: 'Mermaid text' });
    assert.match(await text.innerText(), /^flowchart TD\n(?:.*\n)*.*charge/);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await dialog.getByRole('button', { name: 'Copy' }).click();
    await page.getByText('It is in the clipboard.').waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^flowchart TD/);
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });
});

describe('what the overview and triggers tell', { skip: noChromium, timeout: 120_000 }, () => {
  it('a trigger that starts a workflow has its rate on the map, and calls their percentiles', async () => {
    await publish('order.begins', 3);
    await settled({ 'shop/begins': 3 });
    const { items, executions } = (await lambent.api('GET', '/traffic')).json as {
      executions: { workflow: string; began: number; failed: number }[];
      items: { function: string; via: { name: string }; calls: number; errors: number }[];
    };
    const begun = items.find(({ via }) => via.name === 'shop/begins');
    assert.deepEqual([begun?.function, begun?.calls, begun?.errors], ['order', 3, 0]);
    // One that was run by hand before counts as well, and all of them have begun.
    const order = executions.find(({ workflow }) => workflow === 'order');
    assert.ok(order !== undefined && order.began >= 3 && order.failed === 0, JSON.stringify(order));
    const { page, problems } = await openConsole(browser!, lambent.url, '/overview');
    await page.getByText('3/min').first().waitFor();
    const plot = page.getByRole('img', { name: /^Latency percentiles a minute; lately p50 \d/ });
    await plot.waitFor();
    await page
      .getByText(/^p99 \d/)
      .first()
      .waitFor();
    await assertAccessible(page);
    await screenshot(page, 'overview-percentiles');
    await page.evaluate(() => {
      location.hash = '/functions/shop/bill';
    });
    await plot.waitFor();
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('a schedule shows its next runs as its clocks do, what is missed, and what overlaps', async () => {
    const { page, problems } = await openConsole(browser!, lambent.url, '/events?tab=triggers');
    await page.getByText('next runs and policy').click();
    const row = page.getByRole('row').filter({ hasText: 'monthly' });
    await row.getByRole('listitem').nth(7).waitFor();
    for (const text of await row.getByRole('listitem').allInnerTexts())
      assert.match(text, /02:30:00 GMT\+[12]/);
    // Within eight months clocks change.
    await row.getByText('clocks have changed before it').first().waitFor();
    await row.getByText(/all of them are made up for/).waitFor();
    await row.getByText(/still runs is left out/).waitFor();
    await row.getByText(/Where clocks of Europe\/Berlin go forward/).waitFor();
    await assertAccessible(page);
    await screenshot(page, 'schedule-runs');
    assert.deepEqual(problems, []);
    await page.context().close();
  });
});

async function deploy(app: AppFiles): Promise<void> {
  const folder = await writeApp(join(lambent.folder, 'next'), app);
  const body = Buffer.concat(await Array.fromAsync(packApp(folder)));
  const answer = await lambent.fetch('/_lambent/api/v1/deployments', { method: 'POST', body });
  assert.match(await answer.text(), /"result"/);
}
