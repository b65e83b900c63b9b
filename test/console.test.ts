/** The console in a real browser, against a real platform: what a person does on each screen, and how it looks. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
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
  greet:
    routes: [GET /greet/:name]
  checkout:
    routes: [POST /checkout]
    memory: 128mb
  steady:
    minInstances: 1
    concurrency: 7
    freeze: false
  bill:
    on:
      - name: orders
        events: { type: [order.placed] }
        attempts: 1
  report:
    on:
      - name: nightly
        schedule: "0 3 * * *"
`,
  'functions/greet.js':
    'export default { fetch(request) { console.log("greeting", new URL(request.url).pathname); return new Response("<b>hello</b>"); } };',
  'functions/steady.js': 'export default { fetch: () => new Response("steady") };',
  'functions/checkout.ts': `
interface Basket { items: number }
export const handler = async (basket: Basket) => {
  console.warn('checking <img src=x onerror=alert(1)> out');
  if (basket.items === 0) throw new RangeError('the basket is empty');
  return { paid: basket.items * 12345678901234567890n.toString().length, html: '<script>alert(1)</script>' };
};`,
  'functions/bill.js':
    'export const handler = async (event) => { if (event.data.order === 13) throw new TypeError("no order 13"); return "billed"; };',
  'functions/report.js': 'export const handler = async () => { console.log("reported"); };',
};

let lambent: TestPlatform;
let browser: Browser;

const visit = (path: string, options?: PageOptions, platform = lambent) =>
  openConsole(browser, platform.url, path, options);

before(
  async () => {
    if (noChromium !== false) return;
    buildConsole();
    lambent = await startTestPlatform({ shop: FILES });
    browser = await openBrowser();
    for (let at = 0; at < 12; at += 1) await lambent.fetch(`/greet/person-${at}`);
    await lambent.fetch('/nowhere');
    await lambent.fetch('/checkout', { method: 'POST', body: '{"items":0}' });
    await publish(12);
    await publish(13);
    await lambent.waitForInvocation((record) => record.function === 'bill' && record.status === 'error');
  },
  { timeout: 60_000 },
);

after(async () => {
  await browser?.close();
  await lambent?.close();
});

async function publish(order: number): Promise<void> {
  const event = {
    specversion: '1.0',
    id: `order-${order}`,
    source: '/shop',
    type: 'order.placed',
    data: { order },
  };
  const response = await fetch(`${lambent.url}/_lambent/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  });
  assert.equal(response.status, 202);
}

const SCREENS = [
  ['overview', 'Overview'],
  ['functions', 'Functions'],
  ['functions/shop/checkout', 'checkout'],
  ['functions/shop/greet?tab=logs', 'greet'],
  ['invocations', 'Invocations'],
  ['events', 'Events'],
  ['events?tab=triggers', 'Events'],
  ['events?tab=dead', 'Events'],
  ['events/triggers/shop/nightly', 'nightly'],
  ['executions', 'Executions'],
  ['deployments', 'Deployments'],
  ['deployments/shop/1', 'd1'],
  ['costs', 'Costs'],
  ['settings', 'Settings'],
] as const;

const PHONE_PX = 390;
const LOOKS: Readonly<Record<string, PageOptions>> = {
  'by day': {},
  'by night': { dark: true },
  'on a phone': { width: PHONE_PX, height: 844 },
};

/** Tables and lists that one would have to scroll sideways. */
const hiddenSideways = (page: Page): Promise<string[]> =>
  page
    .locator('.scroll, .vlist')
    .evaluateAll((boxes) =>
      boxes.flatMap((box) => (box.scrollWidth > box.clientWidth ? [box.textContent.slice(0, 60)] : [])),
    );

describe('every screen', { skip: noChromium, timeout: 120_000 }, () => {
  for (const [look, options] of Object.entries(LOOKS)) {
    it(`is there ${look}, fits, and is accessible`, async () => {
      const { page, problems } = await visit('/overview', options);
      for (const [path, title] of SCREENS) {
        await page.evaluate((to) => {
          location.hash = to;
        }, `/${path}`);
        await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
        await page.getByText('Loading…').first().waitFor({ state: 'detached' });
        await page.getByText('Live', { exact: true }).waitFor();
        await screenshot(page, `${path.replaceAll(/[/?=]/g, '-')} ${look}`.replaceAll(' ', '-'));
        await assertAccessible(page);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wider <= 0, `${path} is ${wider} pixels wider than the screen`);
        if (options.width === PHONE_PX)
          assert.deepEqual(await hiddenSideways(page), [], `what of ${path} is beside the screen`);
      }
      assert.deepEqual(problems, []);
      await page.context().close();
    });
  }
});

describe('what people do in it', { skip: noChromium, timeout: 120_000 }, () => {
  it('says first of all what is wrong, with what was said, and leads to it', async () => {
    const { page, problems } = await visit('/overview');
    const line = page.getByRole('link').filter({ hasText: /% of \d+ calls? failed/ });
    await line.filter({ hasText: 'TypeError: no order 13' }).click();
    await page.getByRole('heading', { level: 1, name: 'Invocations' }).waitFor();
    await page.getByLabel('Invocations').getByText('TypeError: no order 13').first().waitFor();
    assert.equal(await page.getByLabel('Invocations').getByText('GET /greet').count(), 0);
    await page.goBack();
    await page.getByRole('link').filter({ hasText: '1 dead letter' }).click();
    await page.getByLabel('Dead letters').getByText('no order 13').waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('calls a function with an edited event, and shows its result, its lines and its error as text', async () => {
    const { page, problems } = await visit('/functions/shop/checkout?tab=test');
    await page.getByLabel('Event (JSON)').fill('{"items": 2}');
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    await page.getByText('It ended well').waitFor();
    await page.getByLabel('Result').getByText('<script>alert(1)</script>').waitFor();
    await page.getByLabel('Log lines').getByText('<img src=x onerror=alert(1)>').waitFor();
    await screenshot(page, 'test-result');
    await page.getByLabel('Event (JSON)').fill('{"items": 0}');
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    await page.getByText('the basket is empty', { exact: true }).first().waitFor();
    await page.getByLabel('Stack').getByText('functions/checkout.ts').waitFor();
    await page.getByRole('link', { name: 'open the invocation' }).click();
    await page.getByText('Where the time went').waitFor();
    await page.getByText('the basket is empty', { exact: true }).first().waitFor();
    await screenshot(page, 'invocation-failed');
    await assertAccessible(page);
    // As in the tests of the editor: what is typed where the linter has a mark would get a style of its own.
    assert.deepEqual(
      problems.filter((problem) => !problem.startsWith('Applying inline style')),
      [],
    );
    await page.context().close();
  });

  it('shows what stays up, and how many calls an instance takes at once and why', async () => {
    const { page, problems } = await visit('/functions/shop/steady');
    await page.getByText('1 instance', { exact: true }).waitFor();
    await page.getByText('7 in an instance: the manifest says so').waitFor();
    await page.getByRole('row', { name: /ready kept/ }).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('shows calls as they happen, and finds them by outcome and text', async () => {
    const { page } = await visit('/invocations');
    await page.getByLabel('Invocations').getByText('GET /greet/person-3').waitFor();
    await lambent.fetch('/greet/just-now');
    await page.getByLabel('Invocations').getByText('GET /greet/just-now').waitFor();
    await page.getByLabel('Search in calls and errors').fill('no order 13');
    await page.getByLabel('Invocations').getByText('person-3').waitFor({ state: 'detached' });
    assert.equal(await page.getByLabel('Invocations').getByRole('link').count(), 1);
    await page.context().close();
  });

  it('shows the calls of one function alone, of all the history', async () => {
    const { page, problems } = await visit('/invocations');
    const list = page.getByLabel('Invocations', { exact: true });
    await list.getByText('GET /greet/person-3').waitFor();
    const asked = page.waitForResponse((answer) => /app=shop&function=bill/.test(answer.url()));
    await page.getByLabel('Function', { exact: true }).selectOption('shop/bill');
    const { items } = (await (await asked).json()) as { items: { function: string }[] };
    assert.ok(items.length > 0 && items.every((each) => each.function === 'bill'), JSON.stringify(items));
    await list.getByText('GET /greet').first().waitFor({ state: 'detached' });
    assert.equal(await list.getByRole('link').count(), items.length);
    assert.match(page.url(), /app=shop&function=bill/, 'it can be shared');
    await page.getByLabel('Function', { exact: true }).selectOption('every function');
    await list.getByText('GET /greet/person-3').waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('shows all of a list whose answer comes in pages', async () => {
    const { page, problems } = await visit('/overview');
    const cursors: (string | null)[] = [];
    await page.route(/\/api\/v1\/functions(\?|$)/, async (route) => {
      const url = new URL(route.request().url());
      cursors.push(url.searchParams.get('cursor'));
      url.searchParams.set('limit', '2');
      await route.continue({ url: url.href });
    });
    await page.reload();
    await page.evaluate(() => {
      location.hash = '/functions';
    });
    for (const name of ['greet', 'checkout', 'steady', 'bill', 'report'])
      await page.getByRole('row').filter({ hasText: name }).first().waitFor();
    assert.equal(cursors[0], null);
    assert.equal(new Set(cursors).size, 3, 'five functions are three pages of two');
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('follows the lines of a function', async () => {
    const { page } = await visit('/functions/shop/greet?tab=logs');
    await page.getByText('following').waitFor();
    await page.getByLabel('Log lines').getByText('greeting /greet/person-5').waitFor();
    await lambent.fetch('/greet/follower');
    await page.getByLabel('Log lines').getByText('greeting /greet/follower').waitFor();
    await page.context().close();
  });

  it('pauses and resumes a trigger, and asks first', async () => {
    const { page } = await visit('/events?tab=triggers');
    const row = page.getByRole('row').filter({ hasText: 'nightly' });
    await row.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('Events wait; none is lost').waitFor();
    await screenshot(page, 'pause-asks');
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await row.getByText('paused').waitFor();
    await row.getByRole('button', { name: 'Resume' }).click();
    await row.getByText('delivers').waitFor();
    await row.getByRole('button', { name: 'Run now' }).click();
    await lambent.waitForInvocation((record) => record.function === 'report');
    await page.context().close();
  });

  it('edits a dead letter and delivers it again', async () => {
    const { page } = await visit('/events?tab=dead');
    await page.getByRole('button', { name: 'Open' }).first().click();
    const editor = page.getByLabel('Event: edit it before it is delivered again');
    await editor.waitFor();
    const event = JSON.parse(await editor.innerText()) as { data: { order: number } };
    await editor.fill(JSON.stringify({ ...event, data: { order: 14 } }));
    await screenshot(page, 'dead-letter');
    await page.getByRole('dialog').getByRole('button', { name: 'Redrive' }).click();
    await page.getByText('No dead letters').waitFor();
    await page.context().close();
  });

  it('reads a plot out, step by step, by keys, by mouse and by a finger', async () => {
    const { page, problems } = await visit('/overview');
    const cursor = page.getByRole('slider', { name: /^Calls a minute/ });
    await cursor.focus();
    const told = async (): Promise<number> => {
      const text = (await cursor.getAttribute('aria-valuetext')) ?? '';
      const [, well, failed] = /^[\d:]{8}: ended well ([\d,]+), failed ([\d,]+)$/.exec(text) ?? [];
      assert.ok(well !== undefined && failed !== undefined, text);
      return Number(well) + Number(failed);
    };
    await page.keyboard.press('End');
    let sum = await told();
    const steps = Number(await cursor.getAttribute('aria-valuemax'));
    for (let at = 0; at < steps; at += 1) {
      await page.keyboard.press('ArrowLeft');
      sum += await told();
    }
    assert.ok(sum >= 15, `all calls are in one of the minutes: ${sum}`);
    assert.equal(await cursor.getAttribute('aria-valuenow'), '0');
    await page.locator('.plot-read').getByText('ended well').waitFor();
    await assertAccessible(page);
    await page.keyboard.press('Escape');
    await page.locator('.plot-read').waitFor({ state: 'detached' });

    const { width, height } = (await cursor.boundingBox())!;
    await cursor.hover({ position: { x: width - 2, y: height / 2 } });
    await page.locator('.plot-read').waitFor();
    assert.equal(await cursor.getAttribute('aria-valuenow'), String(steps));
    await page.getByRole('heading', { level: 1 }).hover();
    await page.locator('.plot-read').waitFor({ state: 'detached' });
    // A finger's choice stays when it is lifted.
    for (const type of ['pointerdown', 'pointerup', 'pointerleave']) {
      const { x, y } = (await cursor.boundingBox())!;
      await cursor.dispatchEvent(type, {
        pointerType: 'touch',
        clientX: x + 2,
        clientY: y + 2,
        bubbles: true,
      });
    }
    await page.locator('.plot-read').waitFor();
    await screenshot(page, 'plot-read-out');
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('is used by keyboard alone', async () => {
    const { page } = await visit('/overview');
    await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('f');
    await page.getByRole('heading', { name: 'Functions', level: 1 }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('checkout');
    await page.getByRole('row').filter({ hasText: 'greet' }).waitFor({ state: 'detached' });
    await page.keyboard.press('Control+k');
    await page.keyboard.type('dead');
    await screenshot(page, 'palette');
    await assertAccessible(page);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: /Dead letters/, exact: false }).waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.context().close();
  });

  it('makes an older deployment live again, and says what changed', async () => {
    const { page } = await visit('/deployments/shop/1');
    await page.getByText('this is the first one that is kept').waitFor();
    await page.getByRole('row').filter({ hasText: 'POST /checkout' }).getByText('added').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Make live' }).isDisabled(), true, 'it is live');
    await page.context().close();
  });
});

describe('under start', { skip: noChromium, timeout: 60_000 }, () => {
  it('lets in who has a token, by a cookie that no script sees, and out again', async () => {
    const server = await startTestPlatform({ shop: FILES }, { mode: 'start' });
    try {
      const { page } = await visit('/overview', {}, server);
      await page.goto(`${server.url}/_lambent/elsewhere`);
      await page.getByRole('heading', { name: 'Sign in first' }).waitFor();
      await assertAccessible(page);
      await page.getByRole('link', { name: 'Open the console' }).click();
      await page.getByLabel('Token').fill('lmb_wrong');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText('The token is not valid').waitFor();
      await assertAccessible(page);
      await screenshot(page, 'sign-in');
      await page.getByLabel('Token').fill(server.platform.token!);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
      assert.equal(await page.evaluate(() => document.cookie), '');
      const [cookie] = await page.context().cookies();
      assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, cookie?.path], [true, 'Strict', '/_lambent/']);
      await page.goto(`${server.url}/_lambent/elsewhere`);
      await page.getByRole('heading', { name: 'There is nothing here' }).waitFor();
      await screenshot(page, 'nothing-here');
      await page.getByRole('link', { name: 'Open the console' }).click();
      await page.getByRole('button', { name: /Sign out/ }).click();
      await page.getByLabel('Token').waitFor();
      await page.context().close();
    } finally {
      await server.close();
    }
  });
});
