/** A platform on which nothing was ever done: each screen says what would be there, and what to run to get it. */
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

/** By screen: what is not there, and what to run; `''` where there is nothing to run. */
const SAYS: readonly (readonly [path: string, ...says: (readonly [title: string, run: string])[]])[] = [
  [
    'overview',
    ['No app is live', 'npx lambent init my-app && npx lambent dev my-app'],
    ['Nothing was called yet', 'curl URL/'],
  ],
  ['functions', ['No function is live', 'npx lambent init my-app && npx lambent dev my-app']],
  ['invocations', ['Nothing was called yet', 'curl URL/']],
  ['events', ['No events', `npx lambent emit order.placed --data '{"order":1}'`]],
  ['events?tab=triggers', ['No triggers', 'functions:\n  report:\n    on:\n      - schedule: "*/5 * * * *"']],
  ['events?tab=dead', ['No dead letters', '']],
  ['executions', ['No executions', "npx lambent run WORKFLOW --input '{}'"]],
  ['deployments', ['Nothing is deployed', 'npx lambent deploy my-app']],
  ['costs', ['Nothing was called in 30 days', 'curl URL/']],
  [
    'settings',
    ['No tokens', 'npx lambent tokens create ci'],
    ['No access keys', 'npx lambent keys create ci'],
    ['No secrets', 'npx lambent secrets set my-app API_KEY --env API_KEY'],
    [
      'No connections',
      'connections:\n  orders-db:\n    kind: postgres\n    host: localhost\n    database: shop\n    user: lambent',
    ],
  ],
];

const LOOKS: Readonly<Record<string, PageOptions>> = {
  'by day': {},
  'by night': { dark: true },
  'on a phone': { width: 390, height: 844 },
};

describe('a platform without anything', { skip: noChromium, timeout: 120_000 }, () => {
  for (const [look, options] of Object.entries(LOOKS))
    it(`says on each screen what to run next, ${look}`, async () => {
      const { page, problems } = await openConsole(browser, lambent.url, '/overview', options);
      for (const [path, ...says] of SAYS) {
        await page.evaluate((to) => {
          location.hash = to;
        }, `/${path}`);
        for (const [title, run] of says) {
          const empty = page.locator('.empty').filter({ has: page.getByText(title, { exact: true }) });
          await empty.waitFor();
          const told = await empty.locator('pre').allInnerTexts();
          assert.deepEqual(told, run === '' ? [] : [run.replace('URL', lambent.url)], `${path}: ${title}`);
          const text = (await empty.innerText())
            .replace(title, '')
            .replace(told[0] ?? '', '')
            .trim();
          assert.ok(told.length + text.length > 0, `${path}: ${title} says no more`);
        }
        assert.equal(await page.locator('.empty').count(), says.length, `all that is empty in ${path}`);
        await assertAccessible(page);
        await screenshot(page, `empty-${path.replace('?tab=', '-')}-${look}`.replaceAll(' ', '-'));
      }
      assert.deepEqual(problems, []);
      await page.context().close();
    });

  it('says that a filter is why a list is empty, and is empty no less', async () => {
    const { page } = await openConsole(browser, lambent.url, '/invocations?status=error');
    await page.getByText('No invocation fits').waitFor();
    await page.evaluate(() => {
      location.hash = '/executions?status=failed';
    });
    await page.getByText('No execution fits').waitFor();
    await page.evaluate(() => {
      location.hash = '/events?type=order.placed';
    });
    await page.getByText('No event fits').waitFor();
    await page.context().close();
  });
});
