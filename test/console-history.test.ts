/** A long history in a real browser: 200,000 invocations, found and scrolled through. */
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { systemClock } from '../src/base/clock.ts';
import { silentLog } from '../src/base/log.ts';
import type { InvocationRecord } from '../src/model/invocation.ts';
import { mixedRecords, record } from '../src/ports/conformance/telemetry-samples.ts';
import { openStore } from '../src/store-sqlite/store.ts';
import { buildConsole, noChromium, openBrowser, openConsole, screenshot } from './chromium.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const CALLS = 200_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let lambent: TestPlatform;
let browser: Browser;

before(
  async () => {
    if (noChromium !== false) return;
    buildConsole();
    const folder = await mkdtemp(join(tmpdir(), 'lambent-e2e-'));
    const store = await openStore({ folder: join(folder, 'data'), clock: systemClock, log: silentLog });
    const records = mixedRecords(CALLS, DAY_MS, 1);
    // As if all of it had happened until now.
    const shiftMs = Date.now() - Math.max(...records.slice(-20_000).map(({ arrivedMs }) => arrivedMs));
    const recent = records.map((each) => ({ ...each, arrivedMs: each.arrivedMs + shiftMs }));
    for (let at = 0; at < CALLS; at += 50_000)
      await store.telemetry.append(recent.slice(at, at + 50_000), []);
    const needle = {
      summary: 'GET /needle',
      trigger: 'websocket',
      arrivedMs: Date.now() - DAY_MS / 2,
    } as const;
    await store.telemetry.append([record(needle)], []);
    await store.close();
    lambent = await startTestPlatform({}, { folder });
    browser = await openBrowser();
  },
  { timeout: 100_000 },
);

after(async () => {
  await browser?.close();
  await lambent?.close();
});

describe('200,000 invocations', { skip: noChromium, timeout: 100_000 }, () => {
  it('are scrolled through, few of them in the page, and one among them is found', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/invocations');
    const list = page.getByLabel('Invocations', { exact: true });
    await list.getByRole('link').first().waitFor();
    for (let pulls = 0; pulls < 10; pulls += 1) {
      const answer = page.waitForResponse((response) => response.url().includes('cursor='));
      await list.evaluate((box) => {
        box.scrollTop = box.scrollHeight;
      });
      await answer;
    }
    await page.getByText('loaded, as of when they were').waitFor();
    assert.ok((await list.getByRole('link').count()) < 80);
    await screenshot(page, 'invocations-of-200000');
    await page.getByLabel('Search in calls and errors').fill('needle');
    await list.getByText('GET /needle').waitFor();
    await page.waitForFunction(() => document.querySelectorAll('a.vrow').length === 1);
    await page.getByLabel('Search in calls and errors').fill('');
    await page.getByLabel('Started by').selectOption('websocket');
    await page.waitForFunction(() => document.querySelectorAll('a.vrow').length === 1);
    await list.getByText('GET /needle').click();
    await page.getByRole('heading', { level: 1, name: 'GET /needle' }).waitFor();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('are narrowed by outcome, function, run time and time, each by what the rows say', async () => {
    const { page, problems } = await openConsole(browser, lambent.url, '/invocations');
    const choose = async (label: string, option: string, query: RegExp) => {
      const answer = page.waitForResponse((response) => query.test(new URL(response.url()).search));
      await page.getByLabel(label, { exact: true }).selectOption(option);
      return ((await (await answer).json()) as { items: InvocationRecord[] }).items;
    };
    const failed = await choose('Outcome', 'timeout', /status=timeout/);
    assert.ok(failed.length > 100 && failed.every(({ status }) => status === 'timeout'));
    const long = await choose('Run time', '100', /minMs=100/);
    assert.ok(long.every(({ status, runUs }) => status === 'timeout' && runUs >= 100_000));
    const recent = await choose('Time', 'hour', /from=\d/);
    assert.ok(
      recent.length > 0 && recent.every(({ arrivedMs }) => arrivedMs > Date.now() - HOUR_MS - 60_000),
    );
    await page.getByLabel('Invocations', { exact: true }).getByText('timeout').first().waitFor();
    // What is chosen is in the address: it can be shared.
    const { page: other } = await openConsole(browser, lambent.url, new URL(page.url()).hash.slice(1));
    assert.equal(await other.getByLabel('Outcome').inputValue(), 'timeout');
    assert.equal(await other.getByLabel('Time', { exact: true }).inputValue(), 'hour');
    await other.context().close();
    assert.deepEqual(problems, []);
    await page.context().close();
  });

  it('have their percentiles by the minute, though the platform was started after them', async () => {
    const hour = (await lambent.api('GET', '/latency')).json as {
      minutes: { fromMs: number; calls: number }[];
    };
    const activity = (await lambent.api('GET', '/activity?steps=60')).json as {
      items: { fromMs: number; functions: { invocations: number }[] }[];
    };
    const stored = new Map(
      activity.items.map(({ fromMs, functions }) => [
        fromMs,
        functions.reduce((sum, { invocations }) => sum + invocations, 0),
      ]),
    );
    // Both are asked for within a moment; a minute may have begun in between.
    const both = hour.minutes.filter(({ fromMs }) => stored.has(fromMs));
    assert.ok(both.length > 57 && both.some(({ calls }) => calls > 40));
    for (const { fromMs, calls } of both) assert.equal(calls, stored.get(fromMs), `minute ${fromMs}`);
    const { page } = await openConsole(browser, lambent.url, '/overview');
    await page.getByRole('img', { name: /^Latency percentiles a minute; lately p50 \d/ }).waitFor();
    await page.context().close();
  });
});
