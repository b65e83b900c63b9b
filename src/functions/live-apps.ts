import type { Random } from '../base/random.ts';
import type { Deployment, LiveApp } from '../model/deployment.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { AppStore } from '../ports/app-store.ts';
import type { LiveAppEntry, LiveApps, ResolvedFunction } from '../ports/live-apps.ts';
import { SharedValues } from './shared-values.ts';

/*
 * What every app serves now, in memory. The store has the truth; `refresh` reads it anew for one app and puts a new
 * entry in the place of the old one. Looking a function up costs two map look-ups and allocates nothing.
 *
 * Guaranteed: a reader sees an app's old entry or its new one; entries of one app appear in the order in which the
 * store switched them.
 * Deliberately absent: any writing. Deploys write to the store and then ask for a refresh.
 */

/** Deployments that are read at the same time at the start. */
const LOADS_PARALLEL_MAX = 4;
/** Deployments kept for preview hosts. They are immutable, so that they never go stale. */
const PREVIEWS_KEPT = 64;

/** Lets the one who changed the store say so. */
export interface LiveAppsWriter {
  /** Reads one app from the store again and tells subscribers. */
  refresh(app: AppName): Promise<void>;
}

export interface LiveAppsOptions {
  readonly apps: AppStore;
  /** Chooses between two deployments that share the traffic. */
  readonly random: Random;
}

/** Loads every live app. */
export async function createLiveApps(options: LiveAppsOptions): Promise<LiveApps & LiveAppsWriter> {
  const liveApps = new MemoryLiveApps(options);
  await liveApps.load();
  return liveApps;
}

type Functions = ReadonlyMap<FunctionName, ResolvedFunction>;

/** An entry, prepared for look-ups. */
interface Prepared {
  readonly entry: LiveAppEntry;
  readonly first: Functions;
  /** Only where two deployments share the traffic. */
  readonly second: Functions | undefined;
  /** The first one's share, from 0 to 1. */
  readonly firstShare: number;
}

class MemoryLiveApps implements LiveApps, LiveAppsWriter {
  readonly #apps: AppStore;
  readonly #random: Random;
  readonly #live = new Map<AppName, Prepared>();
  readonly #previews = new Map<string, Deployment>();
  readonly #shared = new SharedValues();
  readonly #listeners = new Set<(app: AppName, entry: LiveAppEntry | undefined) => void>();
  #snapshot: readonly LiveAppEntry[] | undefined;
  /** Grows when an app goes: its numbers may come back with other contents. */
  #removals = 0;
  /** Refreshes run one after another: none can put back what a later one has already replaced. */
  #refreshing: Promise<unknown> = Promise.resolve();

  constructor({ apps, random }: LiveAppsOptions) {
    this.#apps = apps;
    this.#random = random;
  }

  async load(): Promise<void> {
    const apps = await this.#apps.listApps();
    const waiting = apps.values();
    const loadNext = async (): Promise<void> => {
      for (const live of waiting) await this.#take(live);
    };
    await Promise.all(Array.from({ length: LOADS_PARALLEL_MAX }, loadNext));
    // They arrive in any order; subscribers and readers get them oldest first.
    const loaded = new Map(this.#live);
    this.#live.clear();
    for (const { app } of apps) {
      const prepared = loaded.get(app);
      if (prepared !== undefined) this.#live.set(app, prepared);
    }
  }

  resolve(app: AppName, name: FunctionName): ResolvedFunction | undefined {
    const prepared = this.#live.get(app);
    if (prepared === undefined) return undefined;
    const { first, second } = prepared;
    if (second === undefined) return first.get(name);
    // A function that only one of the two has is found there, whatever the draw says.
    return this.#random.fraction() < prepared.firstShare
      ? (first.get(name) ?? second.get(name))
      : (second.get(name) ?? first.get(name));
  }

  snapshot(): readonly LiveAppEntry[] {
    this.#snapshot ??= Array.from(this.#live.values(), ({ entry }) => entry);
    return this.#snapshot;
  }

  find(app: AppName): LiveAppEntry | undefined {
    return this.#live.get(app)?.entry;
  }

  async preview(app: AppName, number: number): Promise<Deployment | undefined> {
    const live = this.find(app)?.deployments.find((deployment) => deployment.number === number);
    if (live !== undefined) return live;
    const key = `${app}/${number}`;
    const kept = this.#previews.get(key);
    if (kept !== undefined) return kept;
    const removals = this.#removals;
    const found = await this.#apps.findDeployment(app, number);
    if (found !== undefined && removals === this.#removals) {
      this.#previews.set(key, found);
      if (this.#previews.size > PREVIEWS_KEPT) this.#previews.delete(this.#previews.keys().next().value!);
    }
    return found;
  }

  subscribe(listener: (app: AppName, entry: LiveAppEntry | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  refresh(app: AppName): Promise<void> {
    const done = this.#refreshing.then(() => this.#refreshNow(app));
    this.#refreshing = done.catch(() => {});
    return done;
  }

  async #refreshNow(app: AppName): Promise<void> {
    const live = (await this.#apps.listApps()).find((each) => each.app === app);
    if (live === undefined) {
      this.#removals += 1;
      this.#live.delete(app);
      for (const key of this.#previews.keys()) if (key.startsWith(`${app}/`)) this.#previews.delete(key);
    } else await this.#take(live);
    this.#snapshot = undefined;
    const entry = this.find(app);
    for (const listener of this.#listeners) listener(app, entry);
  }

  async #take(live: LiveApp): Promise<void> {
    const found = await Promise.all(live.traffic.map(({ number }) => this.#deployment(live.app, number)));
    const deployments = found.filter((deployment) => deployment !== undefined);
    // Never live, or removed between two reads: nothing to serve.
    if (deployments.length === 0 || deployments.length < found.length) this.#live.delete(live.app);
    else this.#live.set(live.app, prepare({ live, deployments }));
  }

  async #deployment(app: AppName, number: number): Promise<Deployment | undefined> {
    const present = this.find(app)?.deployments.find((deployment) => deployment.number === number);
    const known = present ?? this.#previews.get(`${app}/${number}`);
    if (known !== undefined) return known;
    const stored = await this.#apps.findDeployment(app, number);
    return stored && this.#shared.share(stored);
  }
}

function prepare(entry: LiveAppEntry): Prepared {
  const [first, second] = entry.deployments;
  return {
    entry,
    first: functionsOf(first!),
    second: second === undefined ? undefined : functionsOf(second),
    firstShare: (entry.live.traffic[0]?.weight ?? 100) / 100,
  };
}

function functionsOf(deployment: Deployment): Functions {
  return new Map(
    deployment.functions.map((version) => [version.name, { version, deployment: deployment.number }]),
  );
}
