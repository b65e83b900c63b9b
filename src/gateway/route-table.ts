import type { Deployment, Route, RouteMethod } from '../model/deployment.ts';
import type { AppName, FunctionName, FunctionVersion } from '../model/function.ts';
import type { LiveAppEntry } from '../ports/live-apps.ts';

/** A route with all that a request needs to know of it. */
export interface BoundRoute {
  readonly app: AppName;
  readonly deployment: number;
  readonly route: Route;
  readonly version: FunctionVersion;
  /** `GET /users/:id`. */
  readonly key: string;
  /** Names of the path parameters, in order. */
  readonly paramNames: readonly string[];
  /** What a look-up finds where the path has no parameters: the same for every request. */
  readonly found: RouteMatch & { readonly status: 'found' };
}

/** What a look-up found. */
export type RouteMatch =
  | { readonly status: 'found'; readonly bound: BoundRoute; readonly params: string }
  /** The path exists, the method does not. */
  | {
      readonly status: 'method';
      readonly allow: readonly RouteMethod[];
      readonly cors: BoundRoute | undefined;
    }
  | { readonly status: 'none' };

/** Chooses between the two deployments that share an app's traffic; the number of the chosen one. */
export type PickDeployment = (app: AppName) => number;

const NONE: RouteMatch = { status: 'none' };
/** The host of routes that answer for any host. */
const ANY_HOST = '';
const NO_NAMES: readonly string[] = [];

interface Segment {
  statics: Map<string, Segment> | undefined;
  param: Segment | undefined;
  /** Routes that end here. */
  ends: BoundRoute[] | undefined;
  /** Routes whose `*` takes the rest. */
  rest: BoundRoute[] | undefined;
}

interface HostTable {
  /** Paths without parameters: most routes of most apps; one look-up whatever their number. */
  readonly plain: Map<string, BoundRoute | BoundRoute[]>;
  readonly tree: Segment;
}

function createSegment(): Segment {
  return { statics: undefined, param: undefined, ends: undefined, rest: undefined };
}

function listOf(entry: BoundRoute | BoundRoute[]): readonly BoundRoute[] {
  return Array.isArray(entry) ? entry : [entry];
}

/**
 * Where requests go: host, path and method to a function. Static segments win over parameters, parameters over `*`.
 * When two apps claim the same host, path and method, the app that was added first keeps it, also over its own
 * redeployments.
 */
export class RouteTable {
  readonly #hosts = new Map<string, HostTable>();
  #wildcardHosts: string[] = [];
  /** Place of each app that ever was here: earlier ones go first. */
  readonly #ranks = new Map<AppName, number>();
  /** Apps whose traffic is split, so that the rest need no choice. */
  readonly #split = new Set<AppName>();

  /** Adds an app's live deployments. Replacing an app means `remove` first. */
  add(entry: LiveAppEntry): void {
    if (entry.deployments.length > 1) this.#split.add(entry.live.app);
    for (const deployment of entry.deployments) this.addDeployment(deployment);
  }

  addDeployment(deployment: Deployment): void {
    const versions = new Map<FunctionName, FunctionVersion>();
    for (const version of deployment.functions) versions.set(version.name, version);
    for (const route of deployment.routes) {
      const version = versions.get(route.function);
      if (version !== undefined) this.#insert(bind(deployment, route, version));
    }
  }

  /** Takes out all routes of these deployments. Their apps keep their place, should they come back. */
  remove(deployments: readonly Deployment[]): void {
    for (const deployment of deployments) {
      this.#split.delete(deployment.app);
      for (const route of deployment.routes) this.#take(deployment, route);
    }
  }

  match(method: string, host: string, path: string, pick: PickDeployment): RouteMatch {
    const exact = host === ANY_HOST ? undefined : this.#hosts.get(host);
    let best = exact === undefined ? NONE : this.#matchIn(exact, method, path, pick);
    if (best.status === 'found') return best;
    for (const pattern of this.#wildcardHosts) {
      if (!host.endsWith(pattern.slice(1))) continue;
      const found = this.#matchIn(this.#hosts.get(pattern)!, method, path, pick);
      if (found.status === 'found') return found;
      if (best.status === 'none') best = found;
    }
    const general = this.#hosts.get(ANY_HOST);
    if (general === undefined) return best;
    const found = this.#matchIn(general, method, path, pick);
    return found.status === 'none' ? best : found;
  }

  /** Whether some app's traffic is shared by two deployments, so that there is something to pick. */
  get isSplit(): boolean {
    return this.#split.size > 0;
  }

  /** Whether some route names this host, exactly or by a wildcard. */
  hasHost(host: string): boolean {
    return (
      host !== ANY_HOST &&
      (this.#hosts.has(host) || this.#wildcardHosts.some((pattern) => host.endsWith(pattern.slice(1))))
    );
  }

  #insert(bound: BoundRoute): void {
    if (!this.#ranks.has(bound.app)) this.#ranks.set(bound.app, this.#ranks.size);
    const host = bound.route.host ?? ANY_HOST;
    let table = this.#hosts.get(host);
    if (table === undefined) {
      table = { plain: new Map(), tree: createSegment() };
      this.#hosts.set(host, table);
      if (host.startsWith('*.')) this.#sortWildcards();
    }
    const { path } = bound.route;
    if (isPlain(path)) {
      const known = table.plain.get(path);
      table.plain.set(path, known === undefined ? bound : this.#ranked(listOf(known), bound));
      return;
    }
    const [segment, rest] = descend(table.tree, path, true)!;
    if (rest) segment.rest = this.#ranked(segment.rest ?? [], bound);
    else segment.ends = this.#ranked(segment.ends ?? [], bound);
  }

  #ranked(known: readonly BoundRoute[], added: BoundRoute): BoundRoute[] {
    return [...known, added].sort((a, b) => this.#ranks.get(a.app)! - this.#ranks.get(b.app)!);
  }

  #take(deployment: Deployment, route: Route): void {
    const host = route.host ?? ANY_HOST;
    const table = this.#hosts.get(host);
    if (table === undefined) return;
    const others = (bound: BoundRoute): boolean =>
      bound.app !== deployment.app || bound.deployment !== deployment.number;
    if (isPlain(route.path)) {
      const left = listOf(table.plain.get(route.path) ?? []).filter(others);
      if (left.length === 0) table.plain.delete(route.path);
      else table.plain.set(route.path, left.length === 1 ? left[0]! : left);
    } else {
      const place = descend(table.tree, route.path, false);
      if (place === undefined) return;
      const [segment] = place;
      segment.ends = segment.ends?.filter(others);
      segment.rest = segment.rest?.filter(others);
    }
    if (host !== ANY_HOST && table.plain.size === 0 && isEmpty(table.tree)) {
      this.#hosts.delete(host);
      this.#sortWildcards();
    }
  }

  #sortWildcards(): void {
    this.#wildcardHosts = [...this.#hosts.keys()]
      .filter((host) => host.startsWith('*.'))
      .sort((a, b) => b.length - a.length);
  }

  #matchIn(table: HostTable, method: string, path: string, pick: PickDeployment): RouteMatch {
    const plain = table.plain.get(path);
    let allow: BoundRoute[] | undefined;
    if (plain !== undefined) {
      if (!Array.isArray(plain) && serves(plain, method) && this.#split.size === 0) return plain.found;
      const found = this.#choose(listOf(plain), method, pick);
      if (found !== undefined) return found.found;
      allow = [...listOf(plain)];
    }
    const values: string[] = [];
    const seen: BoundRoute[] = [];
    const found = this.#walk(table.tree, path, 1, values, method, pick, seen);
    if (found !== undefined)
      return { status: 'found', bound: found, params: encodeParams(found.paramNames, values) };
    const candidates = [...(allow ?? []), ...seen].filter(
      (bound) => !this.#split.has(bound.app) || pick(bound.app) === bound.deployment,
    );
    if (candidates.length === 0) return NONE;
    const methods = new Set(candidates.flatMap((bound) => allowed(bound.route.method)));
    return {
      status: 'method',
      allow: [...methods].sort(),
      cors: candidates.find((bound) => bound.route.cors !== undefined),
    };
  }

  /** Depth first, static before parameter before rest, back to the next choice when a branch has no route for the method. */
  #walk(
    segment: Segment,
    path: string,
    at: number,
    values: string[],
    method: string,
    pick: PickDeployment,
    seen: BoundRoute[],
  ): BoundRoute | undefined {
    if (at > path.length) {
      if (segment.ends === undefined) return undefined;
      seen.push(...segment.ends);
      return this.#choose(segment.ends, method, pick);
    }
    const slash = path.indexOf('/', at);
    const end = slash < 0 ? path.length : slash;
    const text = path.slice(at, end);
    const next = segment.statics?.get(text);
    if (next !== undefined) {
      const found = this.#walk(next, path, end + 1, values, method, pick, seen);
      if (found !== undefined) return found;
    }
    if (segment.param !== undefined && text !== '') {
      values.push(text);
      const found = this.#walk(segment.param, path, end + 1, values, method, pick, seen);
      if (found !== undefined) return found;
      values.pop();
    }
    if (segment.rest === undefined) return undefined;
    seen.push(...segment.rest);
    const found = this.#choose(segment.rest, method, pick);
    if (found !== undefined) values.push(path.slice(at));
    return found;
  }

  #choose(candidates: readonly BoundRoute[], method: string, pick: PickDeployment): BoundRoute | undefined {
    for (const wanted of [method, method === 'HEAD' ? 'GET' : method, 'ANY']) {
      for (const bound of candidates) {
        if (bound.route.method !== wanted) continue;
        if (this.#split.has(bound.app) && pick(bound.app) !== bound.deployment) continue;
        return bound;
      }
    }
    return undefined;
  }
}

function serves(bound: BoundRoute, method: string): boolean {
  const own = bound.route.method;
  return own === method || own === 'ANY' || (method === 'HEAD' && own === 'GET');
}

function allowed(method: RouteMethod): RouteMethod[] {
  if (method === 'ANY') return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
  return method === 'GET' ? ['GET', 'HEAD'] : [method];
}

function isPlain(path: string): boolean {
  return !path.includes(':') && !path.includes('*');
}

function isEmpty(segment: Segment): boolean {
  if ((segment.ends?.length ?? 0) > 0 || (segment.rest?.length ?? 0) > 0) return false;
  if (segment.param !== undefined && !isEmpty(segment.param)) return false;
  for (const child of segment.statics?.values() ?? []) if (!isEmpty(child)) return false;
  return true;
}

/** The segment where a path's routes are kept, and whether they take the rest. */
function descend(root: Segment, path: string, create: boolean): [Segment, boolean] | undefined {
  let segment = root;
  for (const text of path.slice(1).split('/')) {
    if (text === '*') return [segment, true];
    let next = text.startsWith(':') ? segment.param : segment.statics?.get(text);
    if (next === undefined) {
      if (!create) return undefined;
      next = createSegment();
      if (text.startsWith(':')) segment.param = next;
      else {
        segment.statics ??= new Map();
        segment.statics.set(text, next);
      }
    }
    segment = next;
  }
  return [segment, false];
}

function bind(deployment: Deployment, route: Route, version: FunctionVersion): BoundRoute {
  const names = isPlain(route.path)
    ? NO_NAMES
    : route.path
        .slice(1)
        .split('/')
        .filter((text) => text.startsWith(':') || text === '*')
        .map((text) => (text === '*' ? '*' : text.slice(1)));
  const bound = {
    app: deployment.app,
    deployment: deployment.number,
    route,
    version,
    key: `${route.method} ${route.path}`,
    paramNames: names,
    get found() {
      return found;
    },
  };
  const found = { status: 'found', bound, params: '' } as const;
  return bound;
}

/** Values are as the path had them, so percent-encoded already; `&` and `=` are legal in a path and are encoded here. */
function encodeParams(names: readonly string[], values: readonly string[]): string {
  return names
    .map(
      (name, index) =>
        `${encodeURIComponent(name)}=${(values[index] ?? '').replaceAll('&', '%26').replaceAll('=', '%3D').replaceAll('+', '%2B')}`,
    )
    .join('&');
}
