/** The console stays current by what the server tells it, also over a connection that is lost. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { buildConsole, noChromium, openBrowser, openConsole, openPage, screenshot } from './chromium.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const FILES = {
  'lambent.yaml': `
app: shop
functions:
  greet: { routes: ["GET /greet/:name"] }
`,
  'functions/greet.js': 'export default { fetch: () => new Response("hello") };',
};

/** What lies between a browser and the platform, and can break. */
class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  /** Where it leads. */
  port: number;

  constructor(port: number) {
    this.port = port;
    this.#server = createServer((socket) => {
      if (this.#isCut) {
        socket.destroy();
        return;
      }
      const other = connect(this.port, '127.0.0.1');
      for (const each of [socket, other]) {
        this.#sockets.add(each);
        each
          .on('error', () => {})
          .on('close', () => {
            this.#sockets.delete(each);
            socket.destroy();
            other.destroy();
          });
      }
      socket.pipe(other).pipe(socket);
    });
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

/** Reads a stream of events, each time as far as something new in it fits. */
function readerOf(stream: Response) {
  const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
  return {
    async until(fits: RegExp): Promise<void> {
      let text = '';
      for (let reads = 0; !fits.test(text); reads += 1) {
        assert.ok(reads < 20, text);
        text += (await reader.read()).value ?? '';
      }
    },
    cancel: () => reader.cancel(),
  };
}

let lambent: TestPlatform;
let browser: Browser;

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

const isLive = (page: Page) => page.getByText('Live', { exact: true }).waitFor({ timeout: 20_000 });
const called = (page: Page, name: string) =>
  page.getByLabel('Invocations').getByText(`GET /greet/${name}`).waitFor();

/** Bytes of the console's own files on the way, packed: all that the first screen loads by itself, its map included. */
const FIRST_LOAD_BYTES_MAX = 250_000;

describe('the first load', { skip: noChromium, timeout: 60_000 }, () => {
  it('takes less than 250 kB with its map, all of it from this server', async () => {
    const { page, problems } = await openPage(browser);
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    const files = new Map<string, { url: string; bytes: number }>();
    session.on('Network.requestWillBeSent', ({ requestId, request: { url } }) =>
      files.set(requestId, { url, bytes: 0 }),
    );
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      files.get(requestId)!.bytes = encodedDataLength;
    });
    await page.goto(`${lambent.url}/_lambent/`, { waitUntil: 'load' });
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    await isLive(page);
    await page.getByLabel('Map of the app').waitFor();
    const bytes = [...files.values()]
      .filter(({ url }) => !url.includes('/_lambent/api/'))
      .reduce((total, each) => total + each.bytes, 0);
    assert.ok(bytes > 100_000 && bytes < FIRST_LOAD_BYTES_MAX, `${bytes} bytes`);
    const elsewhere = [...files.values()].filter(
      ({ url }) => !/^data:/.test(url) && !url.startsWith(lambent.url),
    );
    assert.deepEqual(elsewhere, []);
    assert.deepEqual(problems, []);
    await page.context().close();
  });
});

describe('a page that is looked at', { skip: noChromium, timeout: 100_000 }, () => {
  it('asks for nothing while nothing happens, and shows at once what does', async () => {
    const { page } = await openConsole(browser, lambent.url, '/invocations');
    await isLive(page);
    await page.clock.install();
    await page.reload();
    await isLive(page);
    await lambent.fetch('/greet/first');
    await called(page, 'first');
    // How long the server is up is asked for from time to time: when that was, whatever else would have been, was.
    const later = async (): Promise<void> => {
      const health = page.waitForRequest((request) => request.url().endsWith('/health'));
      await page.clock.fastForward(60_000);
      await (await (await health).response())?.finished();
    };
    // What was noticed of the call may still have to be read.
    await later();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await later();
    assert.deepEqual(
      asked.filter((path) => path.endsWith('/invocations')),
      [],
      'no list is asked for again and again',
    );
    await lambent.fetch('/greet/second');
    await called(page, 'second');
    await page.context().close();
  });

  it('says when the server does not answer, keeps what it has, and goes on where it was', async () => {
    const wire = new Wire(lambent.port);
    try {
      const { page } = await openConsole(browser, await wire.open(), '/invocations');
      await isLive(page);
      await called(page, 'second');
      wire.cut();
      await page.getByText(/No answer: as of/).waitFor();
      await called(page, 'second');
      await screenshot(page, 'no-answer');
      await lambent.fetch('/greet/meanwhile');
      const resumed = page.waitForRequest((request) => request.url().includes('/changes'));
      wire.mend();
      const { 'last-event-id': id } = await (await resumed).allHeaders();
      assert.match(id ?? '', /^[0-9a-f-]+\.\d+$/, 'it says what it had last');
      await called(page, 'meanwhile');
      await isLive(page);
      await page.context().close();
    } finally {
      wire.close();
    }
  });

  it('says that it is behind while it reads everything again, from another server than before', async () => {
    const wire = new Wire(lambent.port);
    const next = await startTestPlatform({ shop: FILES });
    try {
      const { page } = await openConsole(browser, await wire.open(), '/invocations');
      await isLive(page);
      await next.fetch('/greet/elsewhere');
      wire.cut();
      await page.getByText(/No answer: as of/).waitFor();
      // The list's answer is held back on its way.
      let letGo = (): void => {};
      const held = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      await page.route('**/api/v1/invocations*', async (route) => {
        await held;
        await route.continue();
      });
      wire.port = next.port;
      wire.mend();
      await page.getByText('Behind, catching up').waitFor({ timeout: 20_000 });
      await screenshot(page, 'behind');
      letGo();
      await called(page, 'elsewhere');
      await isLive(page);
      await page.context().close();
    } finally {
      wire.close();
      await next.close();
    }
  });

  it('reads everything again when it lost the server before it knew where it was', async () => {
    const { page } = await openPage(browser);
    let streams = 0;
    await page.route('**/api/v1/changes*', async (route) => {
      streams += 1;
      if (streams === 1) {
        await route.fulfill({ contentType: 'text/event-stream', body: 'retry: 100\n\n' });
        return;
      }
      if (streams === 2) {
        await called(page, 'before');
        await lambent.fetch('/greet/between');
        await told.until(/"invocations"/);
      }
      await route.continue();
    });
    // What was told before the page follows again, it is not told.
    const told = readerOf(await lambent.fetch('/_lambent/api/v1/changes'));
    await lambent.fetch('/greet/before');
    await told.until(/"invocations"/);
    await page.goto(`${lambent.url}/_lambent/#/invocations`);
    await called(page, 'between');
    await isLive(page);
    await told.cancel();
    await page.context().close();
  });

  it('reads everything again when it was away for too long, or the server is another', async () => {
    const { page } = await openConsole(browser, lambent.url, '/invocations');
    await isLive(page);
    await lambent.fetch('/greet/unnoticed');
    await called(page, 'unnoticed');
    const stream = await lambent.fetch('/_lambent/api/v1/changes', {
      headers: { 'last-event-id': '0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a.7' },
    });
    const told = readerOf(stream);
    await told.until(/event: reset\nid: [0-9a-f-]+\.\d+\ndata: \{\}/);
    await told.cancel();
    await page.context().close();
  });
});
