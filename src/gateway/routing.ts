import type { Random } from '../base/random.ts';
import type { AppHosts, Preview } from '../model/app-hosts.ts';
import type { Deployment } from '../model/deployment.ts';
import type { AppName } from '../model/function.ts';
import type { LiveAppEntry, LiveApps } from '../ports/live-apps.ts';
import { type PickDeployment, type RouteMatch, RouteTable } from './route-table.ts';

/** Tables of single apps and previews that are kept; the least recently made goes first. */
const TABLES_MAX = 64;

const NOTHING_TO_PICK: PickDeployment = () => 0;

/** Follows the live apps and answers where a request goes: the shared table of all apps, and one for each app's own host. */
export class Routing {
  readonly #liveApps: LiveApps;
  readonly #random: Random;
  readonly #hosts: AppHosts;
  readonly #shared = new RouteTable();
  readonly #entries = new Map<AppName, LiveAppEntry>();
  readonly #byHost = new Map<string, RouteTable>();

  constructor(liveApps: LiveApps, random: Random, hosts: AppHosts) {
    this.#liveApps = liveApps;
    this.#random = random;
    this.#hosts = hosts;
    for (const entry of liveApps.snapshot()) this.#change(entry.live.app, entry);
    liveApps.subscribe((app, entry) => this.#change(app, entry));
  }

  /** The answer for hosts that are no preview. */
  match(method: string, host: string, path: string): RouteMatch {
    const table = this.#hosts.owns(host) ? this.#tableOfHost(host) : this.#shared;
    return table.match(method, host, path, table.isSplit ? this.#picker() : NOTHING_TO_PICK);
  }

  /** The answer for a preview host; `undefined` when there is no such deployment. */
  async matchPreview(
    preview: Preview,
    method: string,
    host: string,
    path: string,
  ): Promise<RouteMatch | undefined> {
    let table = this.#byHost.get(host);
    if (table === undefined) {
      const deployment = await this.#liveApps.preview(preview.app, preview.number);
      if (deployment === undefined) return undefined;
      table = new RouteTable();
      table.addDeployment(withoutHosts(deployment));
      this.#keep(host, table);
    }
    return table.match(method, host, path, () => preview.number);
  }

  /** The deployment that a host names. */
  previewOf(host: string): Preview | undefined {
    return this.#hosts.previewOf(host);
  }

  /** Whether a route of some live app names this host. */
  namesHost(host: string): boolean {
    return this.#shared.hasHost(host);
  }

  #change(app: AppName, entry: LiveAppEntry | undefined): void {
    const before = this.#entries.get(app);
    if (before !== undefined) this.#shared.remove(before.deployments);
    for (const host of this.#hosts.hostsOf(app)) this.#byHost.delete(host);
    for (const host of this.#byHost.keys())
      if (this.#hosts.previewOf(host)?.app === app) this.#byHost.delete(host);
    if (entry === undefined) this.#entries.delete(app);
    else {
      this.#entries.set(app, entry);
      this.#shared.add(entry);
    }
  }

  /** One choice a request and app, by weight, however often it is asked for. */
  #picker(): PickDeployment {
    const picked = new Map<AppName, number>();
    return (app) => {
      let number = picked.get(app);
      if (number === undefined) {
        number = this.#choose(app);
        picked.set(app, number);
      }
      return number;
    };
  }

  #choose(app: AppName): number {
    const traffic = this.#entries.get(app)?.live.traffic ?? [];
    let left = this.#random.fraction() * 100;
    for (const share of traffic) {
      left -= share.weight;
      if (left < 0) return share.number;
    }
    return traffic.at(-1)?.number ?? 0;
  }

  #tableOfHost(host: string): RouteTable {
    const known = this.#byHost.get(host);
    if (known !== undefined) return known;
    const entry = this.#entries.get(this.#hosts.appOf(host) ?? ('' as AppName));
    if (entry === undefined) return this.#shared;
    const table = new RouteTable();
    table.add({ live: entry.live, deployments: entry.deployments.map(withoutHosts) });
    this.#keep(host, table);
    return table;
  }

  #keep(host: string, table: RouteTable): void {
    for (const oldest of this.#byHost.keys()) {
      if (this.#byHost.size < TABLES_MAX) break;
      this.#byHost.delete(oldest);
    }
    this.#byHost.set(host, table);
  }
}

/** On an app's own host its routes answer whatever host they name. */
function withoutHosts(deployment: Deployment): Deployment {
  return { ...deployment, routes: deployment.routes.map((route) => ({ ...route, host: undefined })) };
}
