/** A real platform in this process, with its own data folder and port, for end-to-end tests. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { InvocationRecord, LogLine } from '../src/model/invocation.ts';
import {
  type Platform,
  type PlatformEvent,
  type PlatformOptions,
  startPlatform,
} from '../src/server/main.ts';
// A platform that a test leaves would keep the file from its end.
import './started-programs.ts';

export const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));

/** Files of an app: path to text. */
export type AppFiles = Record<string, string>;

export interface TestPlatform {
  readonly platform: Platform;
  readonly url: string;
  readonly port: number;
  /** Temp folder of this test; `data` in it is the data folder. */
  readonly folder: string;
  readonly events: readonly PlatformEvent[];
  /** Resolves with the first event, past or coming, that fits. */
  waitFor<Event extends PlatformEvent>(fits: (event: PlatformEvent) => event is Event): Promise<Event>;
  waitForLog(fits: (line: LogLine) => boolean): Promise<LogLine>;
  waitForInvocation(fits: (record: InvocationRecord) => boolean): Promise<InvocationRecord>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** A call of the control API: JSON in, JSON out. */
  api(method: string, path: string, body?: unknown): Promise<{ status: number; json: never }>;
  close(): Promise<void>;
}

/** Writes an app's files; packages named in `link` come from the repository's own node_modules. */
export async function writeApp(
  folder: string,
  files: AppFiles,
  link: readonly string[] = [],
): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    // As in a clone: what begins with `#!` is a program.
    await writeFile(join(folder, path), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  }
  for (const name of link) {
    const target = join(folder, 'node_modules', name);
    await mkdir(dirname(target), { recursive: true });
    await symlink(join(REPOSITORY, 'node_modules', name), target);
  }
  return folder;
}

type WaitFor = TestPlatform['waitFor'];

function createWaitFor(
  events: readonly PlatformEvent[],
  listeners: Set<(event: PlatformEvent) => void>,
): WaitFor {
  return <Event extends PlatformEvent>(fits: (event: PlatformEvent) => event is Event) =>
    new Promise<Event>((resolve) => {
      const past = events.find(fits);
      if (past !== undefined) {
        resolve(past);
        return;
      }
      const listener = (event: PlatformEvent): void => {
        if (!fits(event)) return;
        listeners.delete(listener);
        resolve(event);
      };
      listeners.add(listener);
    });
}

/** Starts a platform that serves these apps (name to files). */
export async function startTestPlatform(
  apps: Record<string, AppFiles> = {},
  options: Partial<PlatformOptions> & { link?: readonly string[]; folder?: string } = {},
): Promise<TestPlatform> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'lambent-e2e-')));
  const folders: string[] = [];
  for (const [name, files] of Object.entries(apps))
    folders.push(await writeApp(join(folder, name), files, options.link));
  const events: PlatformEvent[] = [];
  const listeners = new Set<(event: PlatformEvent) => void>();
  const { link: _link, folder: _folder, ...rest } = options;
  const platform = await startPlatform({
    mode: 'dev',
    dataDir: join(folder, 'data'),
    host: '127.0.0.1',
    port: 0,
    folders,
    allowHosts: [],
    log: 'pretty',
    // Tests meet functions by files, ports and process ids of this machine. What functions see in a sandbox has its own.
    isolation: process.env.LAMBENT_TEST_ISOLATION === 'best' ? 'best' : 'process',
    acceptIsolation: 'E',
    ...rest,
    onEvent(event) {
      events.push(event);
      for (const listener of listeners) listener(event);
    },
  });
  const waitFor = createWaitFor(events, listeners);
  const authorization: Record<string, string> =
    platform.token === undefined ? {} : { authorization: `Bearer ${platform.token}` };
  return {
    platform,
    url: platform.url,
    port: Number(new URL(platform.url).port),
    folder,
    events,
    waitFor,
    waitForLog: async (fits) =>
      (
        await waitFor(
          (event): event is Extract<PlatformEvent, { kind: 'log' }> =>
            event.kind === 'log' && fits(event.line),
        )
      ).line,
    waitForInvocation: async (fits) =>
      (
        await waitFor(
          (event): event is Extract<PlatformEvent, { kind: 'invocation' }> =>
            event.kind === 'invocation' && fits(event.record),
        )
      ).record,
    fetch: (path, init) => fetch(platform.url + path, init),
    async api(method, path, body) {
      const response = await fetch(`${platform.url}/_lambent/api/v1${path}`, {
        method,
        headers: { 'content-type': 'application/json', ...authorization },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, json: (text === '' ? undefined : JSON.parse(text)) as never };
    },
    async close() {
      await platform.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
