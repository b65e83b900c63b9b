/** A real browser for tests of the console: Debian's Chromium, driven by playwright-core. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { REPOSITORY } from './platform-harness.ts';

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Git does not see it; CI may keep it. */
const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url));
/** The longest that a test waits for something to appear, in milliseconds. */
const WAIT_MS = 10_000;

export const CHROMIUM = process.env.LAMBENT_CHROMIUM ?? PROGRAMS.find((path) => existsSync(path));

/** Why tests in a browser are left out here; `false`: they run. */
export const noChromium: string | false =
  CHROMIUM === undefined
    ? 'there is no Chromium here: apt-get install chromium, or set LAMBENT_CHROMIUM'
    : false;

export function openBrowser(): Promise<Browser> {
  // Root has no sandbox of the browser's own; the pages are ours.
  return chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
}

/** A page of its own session, with every error and refused load of it in `problems`. */
export async function openPage(
  browser: Browser,
  { width = 1_360, height = 900, dark = false }: PageOptions = {},
): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
    bypassCSP: false,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`${message.text()} ${message.location().url}`);
  });
  return { page, problems };
}

export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** Nothing that axe-core can find is wrong for people who use the page otherwise than by eye and mouse. */
export async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(readAxe());
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(options: object): Promise<{ violations: AxeViolation[] }> };
    };
    const found = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] });
    return found.violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .slice(0, 4)
          .map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`)
          .join(' | ')}`,
    );
  });
  assert.deepEqual(violations, []);
}

interface AxeViolation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

let axeSource: string | undefined;
function readAxe(): string {
  axeSource ??= (createRequire(import.meta.url)('axe-core') as { source: string }).source;
  return axeSource;
}

/** What one frame takes while a list is scrolled, in milliseconds: the middle of sixty. */
export function scrollFrameMs(page: Page, label: string): Promise<number> {
  return page.getByLabel(label, { exact: true }).evaluate(async (box) => {
    const nextFrame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
    const frames: number[] = [];
    let before = await nextFrame();
    for (let frame = 0; frame < 60; frame += 1) {
      // Down and up by turns: a short list has no end of its own to stand at.
      box.scrollTop += frame % 20 < 10 ? 400 : -400;
      const now = await nextFrame();
      frames.push(now - before);
      before = now;
    }
    return frames.sort((a, b) => a - b)[30]!;
  });
}

/** What a start does by itself, unless nothing has changed. */
export function buildConsole(): void {
  execFileSync(process.execPath, [join(REPOSITORY, 'tools/build-console.ts'), '--if-changed']);
}

/** A page of the console at a place in it. */
export async function openConsole(browser: Browser, url: string, path: string, options?: PageOptions) {
  const opened = await openPage(browser, options);
  await opened.page.goto(`${url}/_lambent/#${path}`);
  return opened;
}
