/**
 * Deploys: folders and uploads become immutable deployments, and a switch makes one live. The order is what
 * makes it atomic: read, install, build everything, store the code, store the deployment, switch. A failure in
 * any step leaves what is live as it was; a crash leaves at most code that nobody refers to, which a later
 * deploy removes.
 *
 * Guaranteed: one change of an app at a time; a switch never undoes another one (it names the generation it
 * expects); a function whose inputs are unchanged is not built again, after a restart neither.
 * Deliberately absent: building anywhere but on this node, and running any of the author's install scripts.
 */
import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Deployment, LiveApp, TrafficShare } from '../model/deployment.ts';
import type { AppName, FunctionVersion, RuntimeName } from '../model/function.ts';
import type { AppPlan } from '../model/manifest.ts';
import type { Trigger } from '../model/trigger.ts';
import type { AppStore } from '../ports/app-store.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { BuildSandbox } from '../ports/build-sandbox.ts';
import type { BuildLine, Deployer, DeployPlan, DeployRequest, DeployResult } from '../ports/deployer.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import { describeChange, type SourceChange, type SourcePlans } from '../ports/source-plans.ts';
import { unpackArchive } from './archive/archive.ts';
import { FOLDER_NAME_FILE } from './archive/packed-folder.ts';
import { BuildBench, withoutBench } from './build/build-bench.ts';
import { BuildCache } from './build/build-cache.ts';
import { BuildNotes } from './build/build-notes.ts';
import type { AppSource } from './build/language.ts';
import type { Languages } from './build/languages.ts';
import type { Contain } from './build/tool-run.ts';
import { buildApp } from './build-app.ts';
import { DeployQueue } from './deploy-queue.ts';
import type { LiveAppsWriter } from './live-apps.ts';
import { readApp } from './read/read-app.ts';
import { BlobSweeper } from './sweep-blobs.ts';
import { checkTraffic, trafficWith } from './traffic.ts';

/** How often a switch is tried when others switch the same app at the same time. */
export const SWITCH_ATTEMPTS_MAX = 5;
/** Deployments of an app that are kept for rollback, beside those that are live. */
export const DEPLOYMENTS_KEPT = 100;
/** Uploads that are received at the same time. */
export const UPLOADS_PARALLEL_MAX = 16;
/** The longest note of a deployment, in characters. */
const NOTE_CHARS_MAX = 500;

export interface DeployerOptions {
  readonly apps: AppStore;
  readonly blobs: BlobStore;
  readonly liveApps: LiveApps & LiveAppsWriter;
  readonly languages: Languages;
  readonly clock: Clock;
  readonly log: Log;
  /** Which of the secrets that a version names have no value. */
  missingSecrets(version: FunctionVersion): readonly string[];
  /** What triggers make in services outside. */
  readonly sourcePlans: Pick<SourcePlans, 'changes'>;
  /** For builds, uploads and installed packages; on the same file system as the blobs. Made when it is missing. */
  readonly scratchDir: string;
  /** Where tools of builds of uploads run; `undefined`: as the platform's user. */
  readonly builds: BuildSandbox | undefined;
  /** `host:port` of what they may connect to, whatever address that has. */
  readonly buildHosts?: readonly string[];
}

export interface ClosableDeployer extends Deployer {
  /** Functions of these languages are live: their next deploy is to be quick, also the first one after a start. */
  foresee(runtimes: Iterable<RuntimeName>): void;
  /** Gives up what is being deployed, with `E_SHUTTING_DOWN`, and ends the builder process. */
  close(): Promise<void>;
}

export function createDeployer(options: DeployerOptions): ClosableDeployer {
  return new LocalDeployer(options);
}

/** Where a deploy reads from. */
interface Origin {
  readonly folder: string;
  /** True for uploads: nothing outside of the folder is read, and nobody else writes to it. */
  readonly isUpload: boolean;
  readonly folderName: string;
}

class LocalDeployer implements ClosableDeployer {
  readonly #options: DeployerOptions;
  readonly #queue = new DeployQueue();
  readonly #cache: BuildCache;
  readonly #sweeper: BlobSweeper;
  readonly #ready: Promise<void>;
  readonly #stop = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();
  #uploads = 0;

  constructor(options: DeployerOptions) {
    this.#options = options;
    const { clock, log, scratchDir, apps, blobs } = options;
    this.#cache = new BuildCache(clock, new BuildNotes(join(scratchDir, 'build-notes')));
    this.#sweeper = new BlobSweeper(apps, blobs, log);
    this.#ready = prepareScratch(scratchDir);
    // Whoever deploys first hears of a failure; until then it is nobody's.
    this.#ready.catch(() => {});
  }

  deploy(request: DeployRequest): Promise<DeployResult> {
    return this.#track(() => this.#deployFolder(request));
  }

  deployArchive(
    archive: AsyncIterable<Uint8Array>,
    request: Omit<DeployRequest, 'folder'>,
  ): Promise<DeployResult> {
    return this.#track(() => this.#unpacked(archive, (origin) => this.#deploy(origin, request)));
  }

  planArchive(archive: AsyncIterable<Uint8Array>, weight: number): Promise<DeployPlan> {
    return this.#track(() =>
      this.#unpacked(archive, async (origin) => {
        const { app, functions, triggers } = await this.#read(origin);
        return { app, functions: functions.length, changes: await this.#changes(app, triggers, weight) };
      }),
    );
  }

  async #changes(app: AppName, triggers: readonly Trigger[], weight: number): Promise<SourceChange[]> {
    // Triggers of a mere preview take no events.
    if (weight === 0) return [];
    const mode = weight === 100 ? 'in their place' : 'beside';
    return this.#options.sourcePlans.changes(app, triggers, mode);
  }

  async #deployFolder(request: DeployRequest): Promise<DeployResult> {
    const folder = await realpath(request.folder).catch(() => request.folder);
    return this.#deploy({ folder, isUpload: false, folderName: basename(folder) }, request);
  }

  async #unpacked<Result>(
    archive: AsyncIterable<Uint8Array>,
    work: (origin: Origin) => Promise<Result>,
  ): Promise<Result> {
    if (this.#uploads >= UPLOADS_PARALLEL_MAX)
      throw new LambentError('E_OVERLOADED', `${UPLOADS_PARALLEL_MAX} uploads are being received already`, {
        retryAfterS: 5,
      });
    this.#uploads += 1;
    try {
      await this.#ready;
      const scratch = await realpath(await mkdtemp(join(this.#options.scratchDir, 'uploads', 'upload-')));
      try {
        const folder = join(scratch, 'app');
        await unpackArchive(this.#untilStopped(archive), folder);
        const folderName = await readFile(join(folder, FOLDER_NAME_FILE), 'utf8').catch(() => 'app');
        return await work({ folder, isUpload: true, folderName: folderName.slice(0, 255) });
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    } catch (thrown) {
      throw asDiskError(thrown);
    } finally {
      this.#uploads -= 1;
    }
  }

  foresee(runtimes: Iterable<RuntimeName>): void {
    for (const runtime of runtimes) this.#options.languages[runtime].foresee?.();
  }

  rollback(app: AppName, number: number | undefined): Promise<LiveApp> {
    return this.#queue.run(app, async () => {
      const target = number ?? (await this.#numberBefore(app));
      await this.#mustFind(app, target);
      return this.#switch(app, () => [{ number: target, weight: 100 }]);
    });
  }

  setTraffic(app: AppName, traffic: readonly TrafficShare[]): Promise<LiveApp> {
    return this.#queue.run(app, async () => {
      const shares = checkTraffic(traffic);
      for (const { number } of shares) await this.#mustFind(app, number);
      return this.#switch(app, () => shares);
    });
  }

  deleteApp(app: AppName): Promise<boolean> {
    return this.#queue.run(app, async () => {
      const { apps, liveApps } = this.#options;
      const wasThere = await apps.deleteApp(app);
      if (wasThere) await liveApps.refresh(app);
      // Its instances may still be finishing: a later deploy removes the code.
      if (wasThere) this.#sweeper.due();
      return wasThere;
    });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(Object.values(this.#options.languages).map((language) => language.close?.()));
    await Promise.allSettled(this.#underWay);
  }

  async #track<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#checkStopped();
    const result = work();
    this.#underWay.add(result);
    try {
      return await result;
    } finally {
      this.#underWay.delete(result);
    }
  }

  #checkStopped(): void {
    if (this.#stop.signal.aborted)
      throw new LambentError('E_SHUTTING_DOWN', 'the platform is stopping; nothing is deployed any more');
  }

  async *#untilStopped(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of archive) {
      this.#checkStopped();
      yield chunk;
    }
  }

  async #deploy(origin: Origin, request: Omit<DeployRequest, 'folder'>): Promise<DeployResult> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    if (!Number.isInteger(request.weight) || request.weight < 0 || request.weight > 100)
      throw new LambentError(
        'E_BAD_REQUEST',
        `the weight is a whole number from 0 to 100, not ${request.weight}`,
      );
    try {
      await this.#ready;
      const first = await this.#read(origin);
      const outcome = await this.#queue.run(first.app, async (waited) => {
        // Another deploy came before: what was read may be older than what that one deployed.
        const plan = waited ? await this.#read(origin) : first;
        if (plan.app !== first.app)
          throw new LambentError(
            'E_CONFLICT',
            `the app was renamed from ${first.app} to ${plan.app} meanwhile`,
          );
        return this.#deployPlan(plan, origin, request);
      });
      return { ...outcome, tookMs: clock.monotonicMs() - startedMs };
    } catch (thrown) {
      throw asDiskError(thrown);
    }
  }

  #read({ folder, isUpload, folderName }: Origin): Promise<AppPlan> {
    const { clock, scratchDir, builds: sandbox } = this.#options;
    const contain: Contain | undefined =
      isUpload && sandbox !== undefined ? (work) => withoutBench({ sandbox, scratchDir }, work) : undefined;
    return readApp(folder, { clock, confined: isUpload, contain, folderName });
  }

  async #deployPlan(
    plan: AppPlan,
    { folder, isUpload }: Origin,
    request: Omit<DeployRequest, 'folder'>,
  ): Promise<Omit<DeployResult, 'tookMs'>> {
    const { languages, scratchDir, blobs, clock, builds: sandbox, buildHosts = [] } = this.#options;
    const { app, routes } = plan;
    const tell = (step: BuildLine['step'], text: string): void => request.onLine?.({ step, text });
    tell('read', `${app}: ${counted(plan.functions.length, 'function')}, ${counted(routes.length, 'route')}`);
    // Known before the work is done, and checked again when it is.
    const liveBefore = await this.#liveOf(app);
    if (request.weight > 0) trafficWith(liveBefore, Number.MAX_SAFE_INTEGER, request.weight);
    const changes = await this.#changes(app, plan.triggers, request.weight);
    for (const change of changes) tell('plan', describeChange(change));
    const source: AppSource = {
      app,
      folder,
      confined: isUpload,
      allowScripts: plan.allowScripts,
      signal: this.#stop.signal,
      // Whoever uploads may be a stranger to the machine; a folder of the machine belongs to who is there.
      bench: once(async () => {
        if (!isUpload || sandbox === undefined) return undefined;
        return BuildBench.open({ sandbox, scratchDir, app, clock, hosts: buildHosts });
      }),
      tell,
    };
    return this.#sweeper.holding(async () => {
      const functions = await buildApp(plan, {
        source,
        buildsDir: join(scratchDir, 'builds'),
        languages,
        cache: this.#cache,
        blobs,
        partial: request.partial ?? false,
      });
      this.#tellMissingSecrets(functions, tell);
      return { ...(await this.#publish(app, functions, plan, request, tell)), changes };
    });
  }

  /** They may come later, and only then can the function start: better known now than at its first call. */
  #tellMissingSecrets(
    functions: readonly FunctionVersion[],
    tell: (step: BuildLine['step'], text: string) => void,
  ): void {
    for (const version of functions)
      for (const name of this.#options.missingSecrets(version))
        tell(
          'warn',
          `${version.name} cannot start yet: the secret ${name} has no value. Give it one: lambent secrets set ${version.app} ${name}`,
        );
  }

  async #publish(
    app: AppName,
    functions: readonly FunctionVersion[],
    plan: AppPlan,
    { createdBy, note, weight }: Omit<DeployRequest, 'folder'>,
    tell: (step: BuildLine['step'], text: string) => void,
  ): Promise<{ deployment: Deployment; live: LiveApp }> {
    const { clock, apps, log } = this.#options;
    const names = new Set(functions.map(({ name }) => name));
    const routes = plan.routes.filter((route) => names.has(route.function));
    const triggers = plan.triggers.filter((trigger) => names.has(trigger.function));
    const deployment = await apps.createDeployment({
      app,
      createdMs: clock.nowMs(),
      createdBy,
      note: note.slice(0, NOTE_CHARS_MAX),
      functions,
      routes,
      triggers,
      connections: plan.connections,
      shares: plan.shares,
    });
    tell('store', `deployment ${deployment.number}`);
    if (weight === 0) {
      tell('switch', 'not live: a preview');
      return { deployment, live: await this.#liveOf(app) };
    }
    const live = await this.#switch(app, (present) => trafficWith(present, deployment.number, weight));
    tell('switch', live.traffic.map((share) => `deployment ${share.number}: ${share.weight}%`).join(', '));
    // Housekeeping must not turn a deploy that is live into a failure.
    await apps.pruneDeployments(app, DEPLOYMENTS_KEPT).then(
      (pruned) => pruned > 0 && this.#sweeper.due(),
      (thrown: unknown) => log.warn('old deployments could not be pruned', { app, error: String(thrown) }),
    );
    return { deployment, live };
  }

  /** Switches to what `choose` makes of the present state, again when somebody else was faster. */
  async #switch(app: AppName, choose: (present: LiveApp) => readonly TrafficShare[]): Promise<LiveApp> {
    const { apps, liveApps } = this.#options;
    for (let attempt = 1; attempt <= SWITCH_ATTEMPTS_MAX; attempt += 1) {
      const present = await this.#liveOf(app);
      const outcome = await apps.switchTraffic(app, choose(present), present.generation);
      if (outcome.status === 'stale') continue;
      await liveApps.refresh(app);
      return outcome.live;
    }
    throw new LambentError(
      'E_CONFLICT',
      `the app ${app} was switched by others ${SWITCH_ATTEMPTS_MAX} times in a row`,
    );
  }

  async #liveOf(app: AppName): Promise<LiveApp> {
    const found = (await this.#options.apps.listApps()).find((each) => each.app === app);
    return found ?? { app, generation: 0, traffic: [] };
  }

  async #mustFind(app: AppName, number: number): Promise<void> {
    if ((await this.#options.apps.findDeployment(app, number)) !== undefined) return;
    throw new LambentError('E_NOT_FOUND', `the app ${app} has no deployment ${number}`, {
      hint: `\`lambent deployments ${app}\` lists those that are kept.`,
    });
  }

  /** What a rollback without a number goes to: out of a split back to the older part, or one deployment back. */
  async #numberBefore(app: AppName): Promise<number> {
    const [first, second] = (await this.#liveOf(app)).traffic;
    if (first !== undefined && second !== undefined) return first.number;
    const before = first === undefined ? [] : await this.#options.apps.listDeployments(app, 1, first.number);
    if (before[0] !== undefined) return before[0].number;
    throw new LambentError(
      'E_NOT_FOUND',
      first === undefined
        ? `the app ${app} is not live`
        : `the app ${app} has no deployment before ${first.number}`,
      { hint: 'Name a deployment with `--to`; `lambent deployments` lists them.' },
    );
  }
}

/** Empties what an earlier process left behind; installed packages and notes of builds stay. */
async function prepareScratch(scratchDir: string): Promise<void> {
  for (const name of ['builds', 'uploads', 'builder', 'packages']) {
    const folder = join(scratchDir, name);
    if (name === 'builds' || name === 'uploads') await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
}

function asDiskError(thrown: unknown): unknown {
  if (thrown instanceof LambentError || !(thrown instanceof Error) || !('code' in thrown)) return thrown;
  if (thrown.code !== 'ENOSPC' && thrown.code !== 'EDQUOT') return thrown;
  return new LambentError('E_DISK_FULL', `the disk is full: ${thrown.message}`, { cause: thrown });
}

function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
