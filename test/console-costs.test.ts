/** What use costs, here and at AWS, in a real browser. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  assertAccessible,
  buildConsole,
  noChromium,
  openBrowser,
  openConsole,
  screenshot,
} from './chromium.ts';
import { startTestPlatform } from './platform-harness.ts';

describe('the screen of costs', { skip: noChromium, timeout: 60_000 }, () => {
  it('shows use and money by app, function and day; one of them alone; for either processor', async () => {
    buildConsole();
    const lambent = await startTestPlatform({
      shop: {
        'lambent.yaml':
          'app: shop\nfunctions:\n  greet: { routes: [GET /], memory: 128mb }\n  other: { routes: [GET /other], memory: 256mb }\n',
        'functions/greet.js': 'export default { fetch: () => new Response("hello") };',
        'functions/other.js': 'export default { fetch: () => new Response("other") };',
      },
    });
    const browser = await openBrowser();
    try {
      const { page, problems } = await openConsole(browser, lambent.url, '/costs');
      await page.getByText('Nothing was called in 30 days').waitFor();
      await lambent.fetch('/');
      await lambent.fetch('/');
      await lambent.fetch('/other');
      // Sums by the day are read again only each half minute.
      await page.reload();
      const functions = page.getByRole('table', { name: 'By app and function' });
      const rowOf = (name: string) => functions.getByRole('row').filter({ hasText: name });
      await rowOf('shop').getByRole('cell', { name: '3', exact: true }).waitFor();
      await rowOf('greet').getByRole('cell', { name: '2', exact: true }).waitFor();
      await page.getByLabel('this machine costs').fill('60');
      await functions.getByRole('columnheader', { name: 'Here' }).waitFor();
      await page.getByRole('img', { name: /^The same at AWS Lambda, a day; at most <?\$0\.0000/ }).waitFor();
      await screenshot(page, 'costs-with-machine');
      await assertAccessible(page);
      await functions.getByRole('button', { name: 'greet' }).click();
      const days = page.getByRole('table', { name: 'By day, shop/greet' });
      await days.getByRole('row').nth(1).getByRole('cell', { name: '2', exact: true }).waitFor();
      await days.getByRole('button').first().click();
      await page.getByRole('heading', { name: /^By app and function, on / }).waitFor();
      await page.getByLabel('Processor').selectOption('arm64');
      await page.getByRole('button', { name: 'All functions' }).click();
      await page.reload();
      await page.getByRole('table', { name: 'By day' }).waitFor();
      assert.equal(await page.getByLabel('this machine costs').inputValue(), '60', 'it is kept');
      assert.equal(await page.getByLabel('Processor').inputValue(), 'arm64', 'it is in the address');
      assert.deepEqual(problems, []);
      await page.context().close();
    } finally {
      await browser.close();
      await lambent.close();
    }
  });
});
