/**
 * The platform as one process: `startPlatform` opens the data folder, wires the parts, listens, deploys the given
 * folders and, in `dev`, deploys them again whenever they change.
 *
 * Guarantees: when it resolves, requests are answered; when `close` resolves, nothing that it started is left
 * running, and everything acknowledged is on disk.
 */

import { hashToken, mintToken } from '../admin/access-token.ts';
import { systemClock } from '../base/clock.ts';
import { type LambentError, toLambentError } from '../base/errors.ts';
import { createLog, createTextLog, type Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { watchFolder } from '../functions/watch.ts';
import type { EventsKept } from '../events/retention.ts';
import type { GatewayLimits } from '../gateway/gateway-limits.ts';
import type { Refusal } from '../gateway/handle-request.ts';
import type { AppDomain } from '../model/app-hosts.ts';
import type { FunctionVersion, RuntimeName, VersionId } from '../model/function.ts';
import type { InvocationRecord, LogLine } from '../model/invocation.ts';
import type { BuildLine, DeployResult } from '../ports/deployer.ts';
import { ISOLATION_REQUIRED, type IsolationLevel, type SandboxDescription } from '../ports/sandbox.ts';
import { type ConsoleBuild, openConsoleFiles } from './console-files.ts';
import { watchFaults } from './fault-watch.ts';
import { requireIsolation } from './isolation.ts';
import type { IsolationChoice } from './open-sandbox.ts';
import { PLATFORM_VERSION } from './platform-version.ts';
import { createRedeploy } from './redeploy.ts';
import { shutDown } from './shutdown.ts';
import { type Wired, wire } from './wire.ts';

export type PlatformEvent =
  | { readonly kind: 'line'; readonly app: string; readonly line: BuildLine }
  | { readonly kind: 'deployed'; readonly result: DeployResult; readonly reload: boolean }
  | { readonly kind: 'deployFailed'; readonly folder: string; readonly error: LambentError }
  | { readonly kind: 'log'; readonly line: LogLine }
  | { readonly kind: 'invocation'; readonly record: InvocationRecord }
  /** The console was built, or could not be. */
  | { readonly kind: 'console'; readonly build: ConsoleBuild }
  /** A request that got to no function; only in `dev`. */
  | { readonly kind: 'refused'; readonly timeMs: number; readonly refusal: Refusal };

export interface PlatformOptions {
  readonly mode: 'dev' | 'start';
  /** Everything durable lives here; created when absent. */
  readonly dataDir: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Absolute paths of apps to deploy at start; `dev` watches them. */
  readonly folders: readonly string[];
  /** Hosts answered for in `dev` besides those of this machine. */
  readonly allowHosts: readonly string[];
  /** What state machines that belong to no app may connect to, beside every public address: entries as of `network`. */
  readonly allowNetwork?: readonly string[];
  /** Private hosts that tools of uploads' builds may connect to, each `host:port`: registries, for the most part. */
  readonly allowBuildHosts?: readonly string[];
  /** Folders of this machine that triggers may watch, by absolute paths without links; in `dev` any. */
  readonly allowFolders?: readonly string[];
  /** How long events and dead letters are kept, where not as usual. */
  readonly eventsKept?: EventsKept | undefined;
  /** Below it apps and deployments have hosts of their own, besides those below `localhost`. */
  readonly domain?: AppDomain | undefined;
  readonly log: 'json' | 'pretty';
  /** Default: `best`. */
  readonly isolation?: IsolationChoice;
  /** The weakest isolation that `start` goes on with; default: B. `dev` takes what there is. */
  readonly acceptIsolation?: IsolationLevel;
  /** Where the usual bounds of connections do not fit. */
  readonly gatewayLimits?: Partial<GatewayLimits>;
  /** In a clone: builds the web console where that is needed, beside the work. Default: it is served as it is. */
  readonly buildConsole?: boolean;
  /** The process is the platform's own: exceptions that nobody caught are its affair. */
  readonly ownsProcess?: boolean;
  /** Gives up the deploys that starting consists of; who gave the signal closes the platform afterwards. */
  readonly stop?: AbortSignal;
  onEvent(event: PlatformEvent): void;
}

export interface Platform {
  /** `http://localhost:5262`. */
  readonly url: string;
  /** The control API's first token, in plain text; only on the very first start of a data folder in mode `start`. */
  readonly token: string | undefined;
  /** How well functions are contained here. */
  readonly isolation: SandboxDescription;
  /** Finishes what runs (bounded), flushes and stops. */
  close(): Promise<void>;
  /** Resolves when the platform has stopped: with why, when it did so by itself. */
  readonly closed: Promise<LambentError | undefined>;
}

const FIRST_TOKEN_NAME = 'first';

/** Rejects with `E_ISOLATION_TOO_WEAK`, `E_PORT_IN_USE`, `E_STORE_LOCKED`, `E_STORE_NEWER`, `E_STORE_DAMAGED` and other codes of the store. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const log =
    options.log === 'json'
      ? createLog((line) => process.stdout.write(line), systemClock)
      : createTextLog((line) => process.stderr.write(line), systemClock, 'warn');
  if (options.ownsProcess) watchFaults();
  const { mode, dataDir, allowHosts, domain, gatewayLimits } = options;
  const storeFailed = Promise.withResolvers<LambentError>();
  const consoleFiles = await openConsoleFiles();
  const wired = await wire({
    console: consoleFiles,
    mode,
    dataDir,
    allowHosts,
    allowNetwork: options.allowNetwork ?? [],
    allowBuildHosts: options.allowBuildHosts ?? [],
    allowFolders: options.allowFolders ?? [],
    eventsKept: options.eventsKept,
    domain,
    version: PLATFORM_VERSION,
    log,
    isolation: options.isolation ?? 'best',
    gatewayLimits,
    onStoreFailed: storeFailed.resolve,
    onRefused: mode === 'dev' ? tellRefusal(options) : undefined,
  });
  const stoppers: (() => void)[] = [];
  let token: string | undefined;
  try {
    const isolation = await wired.sandbox.describe();
    if (mode === 'start') requireIsolation(isolation, options.acceptIsolation ?? ISOLATION_REQUIRED);
    token = mode === 'start' ? await firstToken(wired) : undefined;
    stoppers.push(keepPoolCurrent(wired));
    report(wired, options);
    const port = await wired.gateway.listen(options.host, options.port);
    await wired.asyncDispatch.start();
    await wired.engine.start();
    warmMinimum(wired);
    await deployFirst(wired, options, log, stoppers);
    const url = `http://${shownHost(options.host)}:${port}`;
    if (options.buildConsole) {
      stoppers.push(consoleFiles.close);
      void consoleFiles.refresh().then((build) => build && options.onEvent({ kind: 'console', build }));
    }
    log.info('serving', { url, mode, version: PLATFORM_VERSION, pid: process.pid });
    return running(wired, { url, token, isolation }, log, stoppers, storeFailed.promise);
  } catch (error) {
    for (const stop of stoppers) stop();
    // A start that fails must not use up the one time that the token is shown.
    if (token !== undefined) await wired.store.access.removeToken(FIRST_TOKEN_NAME).catch(() => {});
    await shutDown(wired);
    throw error;
  }
}

function running(
  wired: Wired,
  facts: Pick<Platform, 'url' | 'token' | 'isolation'>,
  log: Log,
  stoppers: readonly (() => void)[],
  storeFailed: Promise<LambentError>,
): Platform {
  const { url } = facts;
  const closed = Promise.withResolvers<LambentError | undefined>();
  let closing: Promise<void> | undefined;
  const close = (failure?: LambentError): Promise<void> => {
    closing ??= (async () => {
      for (const stop of stoppers) stop();
      log.info('stopping', { url });
      try {
        await shutDown(wired);
      } catch (error) {
        // What could not be flushed is a consequence of the failure, which is the news.
        if (failure === undefined) throw error;
      }
      log.info('stopped', { url });
      closed.resolve(failure);
    })();
    return closing;
  };
  void storeFailed.then(close);
  return { ...facts, close: () => close(), closed: closed.promise };
}

function shownHost(host: string): string {
  if (host === '127.0.0.1' || host === '0.0.0.0' || host === '::' || host === '::1') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

async function firstToken({ store }: Wired): Promise<string | undefined> {
  if ((await store.access.listTokens()).length > 0) return undefined;
  const token = mintToken(systemRandom);
  const added = await store.access.addToken({
    name: FIRST_TOKEN_NAME,
    hash: hashToken(token),
    createdMs: systemClock.nowMs(),
  });
  return added ? token : undefined;
}

/** Tells of what happens up to the very end: requests that finish while the platform stops are told too. */
function report({ recorder }: Wired, { onEvent }: PlatformOptions): void {
  recorder.onLine((line) => onEvent({ kind: 'log', line }));
  recorder.onInvocation((record) => onEvent({ kind: 'invocation', record }));
}

function tellRefusal({ onEvent }: PlatformOptions): (refusal: Refusal) => void {
  return (refusal) => onEvent({ kind: 'refused', timeMs: systemClock.nowMs(), refusal });
}

/** After a switch an app with at most this many functions has them started ahead of the next request. */
const WARM_FUNCTIONS_MAX = 8;
/** That is done only while the node has fewer instances than this. */
const WARM_INSTANCES_MAX = 32;
/** Otherwise so many of its functions find a process that only waits for their code, in the time after the switch. */
const FORESEEN_FUNCTIONS_MAX = 32;

/**
 * After each switch: versions that are no longer live lose their instances once these have finished their work, and
 * the new ones are started, because the next request often comes from the person who just deployed.
 */
function keepPoolCurrent({ liveApps, pool }: Wired): () => void {
  return liveApps.subscribe((_app, changed) => {
    const live = new Set<VersionId>();
    for (const entry of liveApps.snapshot())
      for (const deployment of entry.deployments)
        for (const version of deployment.functions) live.add(version.id);
    pool.retainOnly((version: FunctionVersion) => live.has(version.id));
    for (const deployment of changed?.deployments ?? []) {
      const few =
        deployment.functions.length <= WARM_FUNCTIONS_MAX && pool.instances().length < WARM_INSTANCES_MAX;
      for (const [at, version] of deployment.functions.filter(hasInstances).entries()) {
        if (few) pool.warm(version, deployment.number);
        else pool.keep(version, deployment.number);
        if (!few && at < FORESEEN_FUNCTIONS_MAX) void pool.foresee(version, deployment.number);
      }
    }
  });
}

/** State machines run in the platform itself. */
function hasInstances({ runtime }: FunctionVersion): boolean {
  return runtime !== 'asl';
}

/** Of a node that starts, so many different kinds of functions find a process that only waits for their code. */
const FORESEEN_KINDS_MAX = 4;

/** Instances that stay up without work are there before the first request, and processes for those that do not. */
function warmMinimum({ liveApps, pool, deployer }: Wired): void {
  const kinds = new Set<string>();
  const runtimes = new Set<RuntimeName>();
  for (const entry of liveApps.snapshot())
    for (const deployment of entry.deployments)
      for (const version of deployment.functions.filter(hasInstances)) {
        runtimes.add(version.runtime);
        pool.keep(version, deployment.number);
        const kind = `${version.runtime} ${version.config.memoryMb}`;
        if (kinds.has(kind) || kinds.size >= FORESEEN_KINDS_MAX) continue;
        kinds.add(kind);
        void pool.foresee(version, deployment.number);
      }
  deployer.foresee(runtimes);
}

/** How long requests wait for the first deployments: beyond that they are told that there is nothing. */
const FIRST_DEPLOY_WAIT_MS = 30_000;

/**
 * Deploys the given folders, then lets requests in: whoever starts a server and calls it at once gets what is in the
 * folders. A server that has something to serve from before does so meanwhile.
 */
async function deployFirst(
  wired: Wired,
  options: PlatformOptions,
  log: Log,
  stoppers: (() => void)[],
): Promise<void> {
  const { gateway, clock, liveApps } = wired;
  if (options.mode === 'start' && liveApps.snapshot().length > 0) gateway.serve();
  const patience = clock.after(FIRST_DEPLOY_WAIT_MS, () => gateway.serve());
  options.stop?.addEventListener('abort', () => void wired.deployer.close(), { once: true });
  for (const folder of options.folders) {
    if (options.stop?.aborted) break;
    const error = await deploy(wired, options, folder, false);
    if (error !== undefined) options.onEvent({ kind: 'deployFailed', folder, error });
    if (options.mode === 'dev') stoppers.push(watch(wired, options, folder, log));
  }
  patience.cancel();
  gateway.serve();
}

/** Resolves with why it failed. */
async function deploy(
  wired: Wired,
  options: PlatformOptions,
  folder: string,
  reload: boolean,
): Promise<LambentError | undefined> {
  const { onEvent } = options;
  try {
    const result = await wired.deployer.deploy({
      folder,
      createdBy: 'local',
      note: '',
      weight: 100,
      // Whoever works on one function needs no toolchain for the others.
      partial: options.mode === 'dev',
      onLine: (line) => onEvent({ kind: 'line', app: folder, line }),
    });
    onEvent({ kind: 'deployed', result, reload });
    return undefined;
  } catch (error) {
    return toLambentError(error);
  }
}

function watch(wired: Wired, options: PlatformOptions, folder: string, log: Log): () => void {
  const redeploy = createRedeploy(
    () => deploy(wired, options, folder, true),
    (error) => options.onEvent({ kind: 'deployFailed', folder, error }),
  );
  const watcher = watchFolder({ folder, clock: wired.clock, log, onChange: () => void redeploy() });
  return () => watcher.close();
}
