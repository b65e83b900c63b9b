/** A real browser for tests of the console: Debian's Chromium, driven by playwright-core. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

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
