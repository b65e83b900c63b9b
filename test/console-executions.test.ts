/** Executions in a real browser: what durable code and a state machine did, and what people do about it. */
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { systemClock } from '../src/base/clock.ts';
import type { ExecutionId, NodeId } from '../src/base/ids.ts';
import { silentLog } from '../src/base/log.ts';
import type { AppName } from '../src/model/function.ts';
import type { JournalEntry } from '../src/model/journal.ts';
import { openStore } from '../src/store-sqlite/store.ts';
import {
  assertAccessible,
  buildConsole,
  noChromium,
  openBrowser,
  openConsole,
  type PageOptions,
  screenshot,
  scrollFrameMs,
} from './chromium.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const FILES = {
  'lambent.yaml': `
app: shop
functions:
  price: {}
  moody: {}
workflows:
  order: {}
  approval: {}
  refund: {}
  restock: { definition: restock.asl.json }
`,
  'functions/price.js': 'export const handler = async ({ item }) => ({ price: item.length * 10 });',
  'functions/moody.js': `
let calls = 0;
export const handler = async (event) => {
  calls += 1;
  if (calls === 1) throw new RangeError('not today');
  return { ...event, left: 4 };
};`,
  'workflows/order.ts': `
import { workflow } from 'lambent';
let charges = 0;
export default workflow(async (ctx, order: { item: string }) => {
  await ctx.step('reserve', () => ({ html: '<img src=x onerror=alert(1)>' }));
  const [price] = await ctx.parallel([
    () => ctx.call<{ price: number }>('price', { item: order.item }),
    () => ctx.step('print label', () => 'label'),
  ]);
  return await ctx.step('charge card', () => {
    charges += 1;
    console.log('charging');
    if (charges <= 2) throw new TypeError('card declined ' + charges);
    return { charged: price.price };
  }, { retry: { attempts: 2, initial: '1ms', jitter: false } });
});`,
  'workflows/approval.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  const answer = await ctx.callback<string>({ name: 'manager', timeout: '1h' }).result;
  const note = await ctx.receive<string>('note');
  return { answer, note };
});`,
  'workflows/refund.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  await ctx.step('look up', () => 'found');
  await ctx.step('pay back', () => {
    console.log('paying back');
    throw new TypeError('no such card');
  }, { retry: { attempts: 2, initial: '1ms', jitter: false } });
});`,
  'restock.asl.json': JSON.stringify({
    StartAt: 'Look',
    States: {
      Look: {
        Type: 'Task',
        Resource: 'arn:aws:lambda:us-east-1:000000000000:function:moody',
        Next: 'Enough?',
      },
      'Enough?': {
        Type: 'Choice',
        Choices: [{ Variable: '$.left', NumericLessThan: 2, Next: 'Order more' }],
        Default: 'Done',
      },
      'Order more': { Type: 'Pass', Next: 'Done' },
      Done: { Type: 'Succeed' },
    },
  }),
};

const LONG = '01a00000-0000-7000-8000-000000000001' as ExecutionId;
/** AWS' own limit. */
const LONG_ENTRIES = 25_000;

let lambent: TestPlatform;
let browser: Browser;

const visit = (path: string, options?: PageOptions) => openConsole(browser, lambent.url, path, options);

const start = async (name: string, input: unknown, wait = 20): Promise<string> => {
  const { json } = await lambent.api('POST', `/apps/shop/workflows/${name}/executions?wait=${wait}`, input);
  return (json as { id: string }).id;
};

before(
  async () => {
    if (noChromium !== false) return;
    buildConsole();
    const folder = await mkdtemp(join(tmpdir(), 'lambent-e2e-'));
    await writeLongHistory(join(folder, 'data'));
    lambent = await startTestPlatform({ shop: FILES }, { folder });
    browser = await openBrowser();
  },
  { timeout: 60_000 },
);

after(async () => {
  await browser?.close();
  await lambent?.close();
});

/** An execution that ended with the longest history that Step Functions allows. */
async function writeLongHistory(dataDir: string): Promise<void> {
  const store = await openStore({ folder: dataDir, clock: systemClock, log: silentLog });
  try {
    const entries: JournalEntry[] = [
      { kind: 'started', atMs: 1_000, input: { json: null }, seed: '0'.repeat(32) },
    ];
    const retry = { attemptsMax: 1, firstMs: 0, factor: 1, maxMs: 0, jitter: false };
    for (let op = 1; entries.length < LONG_ENTRIES - 2; op += 1) {
      const atMs = 1_000 + op;
      entries.push(
        { kind: 'opened', atMs, op, task: { kind: 'step', name: `item ${op}`, retry } },
        { kind: 'completed', atMs: atMs + 1, op, output: { json: { op } } },
      );
    }
    const node = 'test' as NodeId;
    const created = await store.journal.create(
      {
        ...{ id: LONG, app: 'shop' as AppName, workflow: 'long', kind: 'code', version: 'v', deployment: 1 },
        ...{ entries, priority: 0, parent: undefined, expiresMs: undefined, claimBy: node },
      },
      1_000,
    );
    assert.ok(created.status === 'created' && created.fence !== undefined);
    const outcome = { status: 'succeeded', output: { json: 'long' } } as const;
    await store.journal.append({
      ...{ id: LONG, fence: created.fence, seq: entries.length, nowMs: 90_000 },
      ...{ consumed: [], awaits: [], awaitsNoMore: [], messages: [], starts: [] },
      entries: [{ kind: 'ended', atMs: 90_000, outcome }],
      next: { status: 'ended' },
    });
  } finally {
    await store.close();
  }
}

/** What stands in a view of an execution when it is there. */
const VIEWS = {
  Timeline: (page: Page) => page.getByLabel('Timeline').getByRole('link'),
  Graph: (page: Page) => page.getByLabel('What the execution did').getByRole('link'),
  History: (page: Page) => page.getByLabel('History', { exact: true }).getByRole('link'),
  Definition: (page: Page) => page.getByRole('textbox', { name: 'Definition, as text' }),
  Logs: (page: Page) => page.getByLabel('Log lines').getByText('paying back'),
};

const beside = (page: Page) => page.locator('.beside');
const nodeOf = (page: Page, name: string, state: string) =>
  page.getByLabel('What the execution did').getByRole('link', { name: `${name} ${state}` });

describe('executions in the console', { skip: noChromium, timeout: 120_000 }, () => {
  it('are followed step by step, and go on from the one that failed', async () => {
    const id = await start('order', { item: 'lamp' });
    const { page, problems } = await visit('/executions');
    await page.getByLabel('Executions').getByText(id).click();
    const timeline = page.getByLabel('Timeline');
    await timeline.getByRole('link').filter({ hasText: 'print label' }).waitFor();
    assert.equal(await timeline.getByRole('link').count(), 5);
    await timeline.getByRole('link').filter({ hasText: 'reserve' }).click();
    await page.getByLabel('Output of the step').getByText('<img src=x onerror=alert(1)>').waitFor();
    await timeline.getByRole('link').filter({ hasText: 'price' }).click();
    await page.getByLabel('Input of the step').getByText('lamp').waitFor();
    await timeline.getByRole('link').filter({ hasText: 'charge card' }).click();
    await beside(page).getByText('TypeError: card declined 2').waitFor();
    await beside(page).getByText('workflows/order.ts:10').waitFor();
    await screenshot(page, 'execution-timeline');
    await assertAccessible(page);
    await page.getByRole('link', { name: 'Graph' }).click();
    await nodeOf(page, 'charge card', 'step · failed').filter({ hasText: '1 retry' }).waitFor();
    await screenshot(page, 'execution-graph');
    await assertAccessible(page);
    await page.getByRole('link', { name: 'Logs' }).click();
    await page.getByLabel('Log lines').getByText('charging').first().waitFor();

    await page.getByRole('button', { name: 'Go on from what failed' }).click();
    await page.getByText('What failed and what follows run again').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Go on from what failed' }).click();
    await page.getByRole('heading', { level: 1, name: 'order' }).waitFor();
    await page.getByText('succeeded', { exact: true }).first().waitFor();
    await page.getByLabel('Output', { exact: true }).getByText('50').waitFor({ state: 'detached' });
    await page.getByLabel('Output', { exact: true }).getByText('40').waitFor();
    await page.getByLabel('Timeline').getByRole('link').filter({ hasText: 'retried from here' }).click();
    await beside(page).getByText(id).waitFor();

    // From an earlier step as well.
    await page.getByLabel('Timeline').getByRole('link').filter({ hasText: 'reserve' }).click();
    const address = page.url();
    await page.getByRole('button', { name: 'Go on from here' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Go on from here' }).click();
    await page.waitForURL((url) => url.href.split('?')[0] !== address.split('?')[0]);
    await page.getByText('succeeded', { exact: true }).first().waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('are on the map of the app, with what they call', async () => {
    const id = await start('order', { item: 'lamp' });
    assert.ok(id);
    const { page, problems } = await visit('/overview');
    const map = page.getByLabel('Map of the app');
    const order = map.getByRole('link').filter({ hasText: /^order.*workflow/ });
    await order.waitFor();
    // From the workflow to the function that it was seen to call.
    await map.locator('path.flow').first().waitFor();
    await map
      .getByText(/^\d+\/min$/)
      .first()
      .waitFor();
    await screenshot(page, 'overview-with-workflows');
    await order.click();
    await page.getByLabel('Executions').getByText(id).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('are answered, sent signals, and cancelled', async () => {
    const id = await start('approval', null, 0);
    const { page } = await visit(`/executions/${id}`);
    await page.getByLabel('Timeline').getByRole('link').filter({ hasText: 'manager' }).click();
    await page.getByRole('button', { name: 'Answer', exact: true }).click();
    await page.getByLabel('Input (JSON)').fill('"yes"');
    await screenshot(page, 'execution-answer');
    await page.getByRole('dialog').getByRole('button', { name: 'Send' }).click();
    await page.getByLabel('Output of the step').getByText('"yes"').waitFor();
    await page.getByRole('button', { name: 'Send a signal' }).click();
    await page.getByLabel('Name of the signal').fill('note');
    await page.getByLabel('Input (JSON)').fill('"soon"');
    await page.getByRole('dialog').getByRole('button', { name: 'Send' }).click();
    await page.getByText('succeeded', { exact: true }).first().waitFor();

    const other = await start('approval', null, 0);
    await page.evaluate((to) => {
      location.hash = to;
    }, `/executions/${other}`);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('dialog').getByText('Steps that were done stay done').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('cancelled', { exact: true }).first().waitFor();
    await page.context().close();
  });

  it('of a state machine are its definition, coloured, and its events', async () => {
    const id = await start('restock', { item: 'lamp' });
    const { page, problems } = await visit(`/executions/${id}?tab=graph`, { dark: true });
    await nodeOf(page, 'failed Look', 'Task · failed').waitFor();
    await page.locator('.graph-box.faint').getByText('Order more').waitFor();
    await page.getByRole('button', { name: 'Go on from what failed' }).click();
    await page.getByText('All states that had not succeeded run again').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Go on from what failed' }).click();
    await page.getByText('succeeded', { exact: true }).first().waitFor();
    await page.getByRole('link', { name: 'Graph' }).click();
    await nodeOf(page, 'succeeded Look', 'Task').filter({ hasText: '1 retry' }).waitFor();
    await nodeOf(page, 'succeeded Enough?', 'Choice').click();
    await page.getByLabel('Input of the step').getByText('left').waitFor();
    await screenshot(page, 'state-machine-graph-by-night');
    await assertAccessible(page);
    await page.getByRole('link', { name: /^History/ }).click();
    await page.getByLabel('History').getByRole('link').filter({ hasText: 'ExecutionRedriven' }).click();
    await page.getByLabel('Details').getByText('redriveCount').waitFor();
    await screenshot(page, 'state-machine-events-by-night');
    await assertAccessible(page);
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  for (const dark of [false, true])
    it(`are accessible ${dark ? 'by night' : 'by day'}: those that failed, wait and ended, in each of their views`, async () => {
      const failed = await start('refund', null);
      const waits = await start('approval', null, 0);
      const machine = await start('restock', { item: 'lamp' });
      const { page, problems } = await visit(`/executions/${failed}`, { dark });
      await VIEWS.Timeline(page).filter({ hasText: 'pay back' }).click();
      await beside(page).getByText('TypeError: no such card').nth(1).waitFor();
      await assertAccessible(page);
      await screenshot(page, `execution-failed-by-${dark ? 'night' : 'day'}`);
      for (const [id, tabs] of [
        [failed, ['Graph', 'History', 'Logs']],
        [waits, ['Timeline', 'Graph', 'History']],
        [machine, ['Timeline', 'Graph', 'History', 'Definition']],
      ] as const) {
        await page.evaluate((to) => {
          location.hash = to;
        }, `/executions/${id}`);
        await page.locator('.crumb').getByText(id).waitFor();
        for (const tab of tabs) {
          const link = page.getByRole('link', { name: new RegExp(`^${tab}`) });
          await link.click();
          await VIEWS[tab](page).first().waitFor();
          await assertAccessible(page);
        }
      }
      assert.deepEqual(problems, []);
      await page.context().close();
    });

  it('of 25,000 entries are read as one scrolls, smoothly, and few rows are in the page', async (t) => {
    const { page, problems } = await visit(`/executions/${LONG}?tab=history`);
    const list = page.getByLabel('History', { exact: true });
    await list.getByText('item 7"').waitFor();
    const ofFirstPage = await scrollFrameMs(page, 'History');
    await scrollToEnd(page, 'History', `${LONG_ENTRIES - 1}`);
    const ofAll = await scrollFrameMs(page, 'History');
    t.diagnostic(
      `a frame takes ${ofFirstPage.toFixed(1)} ms with 200 entries, ${ofAll.toFixed(1)} ms with all`,
    );
    // Against the same machine at the same time: what grows with the list would be a hundredfold.
    assert.ok(
      ofAll <= Math.max(100, ofFirstPage * 5),
      `a frame takes ${ofAll} ms, with 200 entries ${ofFirstPage}`,
    );
    assert.ok((await list.getByRole('link').count()) < 80);
    await screenshot(page, 'history-of-25000');
    await page.getByRole('link', { name: 'Timeline' }).click();
    await page.getByLabel('Timeline').getByRole('link').filter({ hasText: 'item 12' }).waitFor();
    await scrollToEnd(page, 'Timeline', `item ${LONG_ENTRIES / 2 - 1}`);
    assert.ok((await page.getByLabel('Timeline').getByRole('link').count()) < 80);
    await page.getByRole('link', { name: 'Graph' }).click();
    await page.getByText(/^12,\d+ more places are not drawn/).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });
});

/** As somebody does who pulls the bar down: each time to the end of what is there. */
async function scrollToEnd(page: Page, label: string, last: string): Promise<void> {
  const list = page.getByLabel(label, { exact: true });
  const end = list.getByRole('link').filter({ hasText: last });
  for (let pulls = 0; pulls < 60 && (await end.count()) === 0; pulls += 1) {
    const height = await list.evaluate((box) => {
      box.scrollTop = box.scrollHeight;
      return box.scrollHeight;
    });
    await Promise.race([
      end.waitFor(),
      list.evaluate(
        (box, before) =>
          new Promise<void>((resolve) => {
            const look = (): void => {
              if (box.scrollHeight > before) resolve();
              else requestAnimationFrame(look);
            };
            look();
          }),
        height,
      ),
    ]);
  }
  await end.waitFor();
}
