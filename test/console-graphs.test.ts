/** Graphs in a real browser: of an execution that goes on, of items of a map, by keyboard, on a phone. */
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

/** Sixty states: a chain of Choices, Parallels and Maps. */
function longMachine(): string {
  const states: Record<string, object> = {};
  const pass = (next: object): object => ({ Type: 'Pass', ...next });
  for (let at = 0; at < 30; at += 1) {
    const next = at === 29 ? { End: true } : { Next: `Step ${at + 1}` };
    const name = `Step ${at}`;
    if (at % 5 === 1) {
      const rule = { Variable: '$.n', NumericGreaterThan: 50, Next: `Step ${at + 2}` };
      states[name] = { Type: 'Choice', Choices: [rule], Default: `Step ${at + 1}` };
    } else if (at % 5 === 3) {
      const branch = (side: string): object => ({
        StartAt: `${side}${at}`,
        States: {
          [`${side}${at}`]: pass({ Next: `${side}${at} again` }),
          [`${side}${at} again`]: pass({ End: true }),
        },
      });
      states[name] = { Type: 'Parallel', ResultPath: null, Branches: ['Left', 'Right'].map(branch), ...next };
    } else if (at % 5 === 4) {
      const flow = { StartAt: `Each ${at}`, States: { [`Each ${at}`]: pass({ End: true }) } };
      states[name] = { Type: 'Map', ItemsPath: '$.items', ResultPath: null, ItemProcessor: flow, ...next };
    } else states[name] = pass(next);
  }
  return JSON.stringify({ StartAt: 'Step 0', States: states });
}

const FILES = {
  'lambent.yaml': `
app: shop
functions:
  even: { on: [{ name: numbers, events: { type: [number.came] }, attempts: 1, onSuccess: { emit: number.even }, onFailure: { function: odd } }] }
  odd: { on: [{ name: odds, events: { type: [number.odd] }, onSuccess: { webhook: 'https://partner.example.com/hooks', secret: KEY } }] }
  late: { routes: [/late] }
workflows:
  checks: {}
  long: { definition: long.asl.json }
`,
  'functions/even.js': `
export const handler = async ({ n, data }) => {
  if ((n ?? data.n) === 3) throw new RangeError('3 is odd');
  return n;
};`,
  'functions/odd.js': 'export const handler = async () => 1;',
  'functions/late.js': 'export const handler = async () => 1;',
  'workflows/checks.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, items: number[]) => {
  await ctx.step('look', () => 1);
  await ctx.map(items, async (n) => {
    await ctx.step('weigh', () => n * 100);
    await ctx.call('even', { n }, { retry: false });
  }, { concurrency: 1 }).catch(() => 0);
  const answer = await ctx.callback<string>({ name: 'manager', timeout: '1h' }).result;
  await ctx.step('pack', () => answer);
});`,
  'long.asl.json': longMachine(),
};

let platform: TestPlatform;
let browser: Browser;

before(async () => {
  if (noChromium) return;
  buildConsole();
  browser = await openBrowser();
  platform = await startTestPlatform({ shop: FILES });
});
after(async () => {
  await browser?.close();
  await platform?.close();
});

async function start(workflow: string, input: unknown, wait: number): Promise<string> {
  const path = `/apps/shop/workflows/${workflow}/executions?wait=${wait}`;
  return ((await platform.api('POST', path, input)).json as { id: string }).id;
}
const visit = (path: string, options?: PageOptions) => openConsole(browser, platform.url, path, options);
const graphOf = (page: Page) => page.getByLabel('What the execution did', { exact: true });
const nodeOf = (page: Page, name: string) =>
  graphOf(page)
    .locator('.graph-box')
    .filter({ has: page.getByText(name, { exact: true }) });

describe('graphs in the console', { skip: noChromium, timeout: 120_000 }, () => {
  it('map where the outcomes of triggers go, with what flows there', async () => {
    const { page, problems } = await visit('/');
    const map = page.getByLabel('Map of the app', { exact: true });
    for (const [name, kind] of [
      ['numbers', 'events'],
      ['number.even', 'event'],
      ['partner.example.com', 'webhook'],
    ] as const)
      await map
        .locator('.graph-box')
        .filter({ has: page.getByText(name, { exact: true }) })
        .filter({ has: page.getByText(kind, { exact: true }) })
        .waitFor();
    assert.equal(await map.getByText('on success', { exact: true }).count(), 2);
    await map.getByText('on failure', { exact: true }).waitFor();
    await platform.fetch('/_lambent/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({
        specversion: '1.0',
        id: '1',
        source: '/t',
        type: 'number.came',
        data: { n: 3 },
      }),
    });
    await map.getByText(/^on failure · 1\/min$/).waitFor();
    // All of it is within the frame, whatever came later.
    const frame = (await map.boundingBox())!;
    for (const box of await map.locator('.graph-box').all()) {
      const { x, width } = (await box.boundingBox())!;
      assert.ok(x >= frame.x && x + width <= frame.x + frame.width, 'a node is cut off');
    }
    await screenshot(page, 'map-with-destinations');
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('fold away what nothing reaches where there is much, and show one app alone', async (t) => {
    const names = Array.from({ length: 20 }, (_, at) => `part-${at}`);
    const many = await startTestPlatform({
      many: {
        'lambent.yaml': `app: many\nfunctions:\n${names.map((name) => `  ${name}: { routes: [/${name}] }\n`).join('')}`,
        ...Object.fromEntries(
          names.map((name) => [`functions/${name}.js`, 'export const handler = async () => 1;']),
        ),
      },
      other: { 'functions/alone.js': 'export const handler = async () => 1;' },
    });
    t.after(() => many.close());
    await many.fetch('/part-7');
    const { page, problems } = await openConsole(browser, many.url, '/overview');
    const map = page.getByLabel('Map of the app', { exact: true });
    await page.getByRole('button', { name: /^Show \d+ quiet functions$/ }).waitFor();
    await map.getByText('part-7', { exact: true }).waitFor();
    assert.equal(await map.getByText('part-8', { exact: true }).count(), 0);
    await page.getByRole('button', { name: /^Show \d+ quiet functions$/ }).click();
    await map.getByText('part-8', { exact: true }).waitFor();
    await page.getByLabel('App on the map').selectOption('other');
    await map.getByText('alone', { exact: true }).waitFor();
    assert.equal(await map.getByText('part-7', { exact: true }).count(), 0);
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('show what goes on now, and move on with it', async () => {
    const id = await start('checks', [2], 0);
    const { page, problems } = await visit(`/executions/${id}?tab=graph`);
    await nodeOf(page, 'callback manager').and(page.locator('.busy')).waitFor();
    assert.equal(await nodeOf(page, 'pack').count(), 0);
    const { json } = await platform.api('GET', `/executions/${id}/steps`);
    const { op } = (json as { items: { kind: string; op: number }[] }).items.find(
      ({ kind }) => kind === 'callback',
    )!;
    await platform.api('POST', `/executions/${id}/callbacks/${op}`, 'yes');
    await nodeOf(page, 'pack').and(page.locator('.good')).waitFor();
    assert.equal(await page.locator('.graph-box.busy').count(), 0);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('tell items of a map apart, and lead to the step of the one that is chosen', async () => {
    const id = await start('checks', [2, 3], 0);
    const { page, problems } = await visit(`/executions/${id}?tab=graph`);
    await page.getByText('1 succeeded, 1 failed').first().waitFor();
    await nodeOf(page, 'call even').and(page.locator('.bad')).waitFor();
    await page.getByLabel('Item of map').selectOption('0');
    await nodeOf(page, 'call even').and(page.locator('.good')).waitFor();
    await page.getByLabel('Item of map').selectOption('1');
    await nodeOf(page, 'call even').and(page.locator('.bad')).waitFor();
    await nodeOf(page, 'weigh').click();
    await page.getByLabel('Output of the step').getByText('300').waitFor();
    await screenshot(page, 'graph-item-of-a-map');
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('of sixty states have an overview, are zoomed, and are gone through by keyboard', async () => {
    const id = await start('long', { n: 1, items: [1, 2] }, 20);
    const { page, problems } = await visit(`/executions/${id}?tab=graph`, { dark: true });
    await nodeOf(page, 'Step 0').waitFor();
    await page.locator('.react-flow__minimap').waitFor();
    await page.locator('[data-way="/Step 1 > /Step 2"] .taken').first().waitFor();
    assert.equal(await page.locator('[data-way="/Step 1 > /Step 3"] .taken').count(), 0);
    await page.locator('[data-way="/Step 1 > /Step 2"]').getByText('Default').waitFor();
    await screenshot(page, 'graph-of-sixty-states-by-night');
    await assertAccessible(page);

    const zoomOf = () =>
      page
        .locator('.react-flow__viewport')
        .evaluate((each) => Number(/scale\(([\d.]+)\)/.exec(each.style.transform)?.[1]));
    const before = await zoomOf();
    await page.getByRole('button', { name: 'Zoom In' }).click();
    await page.waitForFunction(
      (was) =>
        Number(
          /scale\(([\d.]+)\)/.exec(
            document.querySelector<HTMLElement>('.react-flow__viewport')!.style.transform,
          )?.[1],
        ) > was,
      before,
    );
    // What gets the focus comes into sight, however far below it is.
    await page.keyboard.press('Tab');
    await nodeOf(page, 'Step 29').focus();
    await page.waitForFunction(() => {
      const box = document.querySelector('.graph')!.getBoundingClientRect();
      const { top, bottom } = document.activeElement!.getBoundingClientRect();
      return top >= box.top && bottom <= box.bottom;
    });
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 2, name: 'Step 29' }).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('fit a phone, and the page has no sideways scroll', async () => {
    const id = await start('long', { n: 1, items: [1, 2] }, 20);
    const { page, problems } = await visit(`/executions/${id}?tab=graph`, { width: 390, height: 844 });
    await nodeOf(page, 'Step 0').waitFor();
    const { x, width } = (await nodeOf(page, 'Step 0').boundingBox())!;
    assert.ok(x >= 0 && x + width <= 390 && width > 45, `a node of ${width} px at ${x}`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await screenshot(page, 'graph-on-a-phone');
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('have the definition beside them, which folds and is searched', async () => {
    const id = await start('long', { n: 1, items: [1, 2] }, 20);
    const { page, problems } = await visit(`/executions/${id}?tab=definition`);
    const text = page.getByRole('textbox', { name: 'Definition, as text' });
    await text.getByText('"StartAt"').first().waitFor();
    await text.getByText('"Step 1"').first().waitFor();
    await page.getByTitle('Fold line').filter({ visible: true }).first().click();
    await text.getByText('"Step 1"').first().waitFor({ state: 'detached' });
    await page.getByTitle('Unfold line').filter({ visible: true }).first().click();
    await text.focus();
    await page.keyboard.press('Control+f');
    await page.getByPlaceholder('Find').pressSequentially('Left28 again');
    await page.keyboard.press('Enter');
    await page.locator('.cm-searchMatch-selected').getByText('Left28 again').first().waitFor();
    await screenshot(page, 'definition-of-a-state-machine');
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });
});

describe('the editor of JSON', { skip: noChromium, timeout: 60_000 }, () => {
  it('marks what is no JSON, leaves Tab and the keys of the page alone, and sends what was written', async () => {
    const { page, problems } = await visit('/functions/shop/even', { dark: true });
    await page.getByRole('link', { name: 'Test' }).click();
    const editor = page.getByRole('textbox', { name: 'Event (JSON)' });
    await editor.fill('{"n": 2');
    await page.locator('.cm-lintRange-error, .cm-lintPoint-error').first().waitFor({ state: 'attached' });
    await page.getByText('Not JSON').waitFor();
    await editor.press('End');
    // Also keys that lead elsewhere are text here.
    await page.keyboard.type(', "g/?": 1}');
    await page.getByText('Not JSON').waitFor({ state: 'detached' });
    await screenshot(page, 'editor-by-night');
    await assertAccessible(page);
    await page.keyboard.press('Tab');
    assert.ok(
      await page.evaluate(() => document.activeElement?.shadowRoot === null),
      'Tab leads out of the editor',
    );
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    await page.getByLabel('Result').getByText('2').waitFor();
    // Where a mark of the linter stands, Chromium would give what is typed its look as a style of its own. The policy
    // refuses it, and the editor draws the line anew in any case.
    assert.deepEqual(
      problems.filter((problem) => !problem.startsWith('Applying inline style')),
      [],
    );
    await page.context().close();
  });
});
