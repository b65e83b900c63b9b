/**
 * The manifest of an app: `lambent.yaml`, or what `lambent.config.ts` exports. It is read in two steps:
 * `parseManifest` checks the shape, the units and every name that it can check alone; `planApp` then joins it
 * with the functions that were found in the folder and settles what is left open. Both report all problems
 * together, each with its place in the file, and throw `E_MANIFEST_INVALID`.
 *
 * Deliberately absent: variables, includes and inheritance between manifests.
 */

import { nearestOf } from '../base/nearest.ts';
import { buildStepSchema, planBuild } from './manifest-build.ts';
import type { Connection } from './connection.ts';
import type { CorsPolicy, Route, RouteMethod } from './deployment.ts';
import type { EventShare } from './event-scope.ts';
import { APP_NAME, type AppName, FUNCTION_NAME, type FunctionConfig, type FunctionName } from './function.ts';
import { ENTRY_ENDINGS, LANGUAGES, parseRuntime, type RuntimePin, runtimeOfEntry } from './languages.ts';
import {
  connectionSchema,
  connectionTlsSchema,
  planConnections,
  checkConnections,
} from './manifest-connections.ts';
import { parseCors } from './manifest-cors.ts';
import { parseFunctionConfig } from './manifest-function.ts';
import { keepWarmWindowSchema } from './manifest-keep-warm.ts';
import type { FoundFunction, FunctionPlan } from './manifest-plan.ts';
import {
  type KeysAt,
  type ManifestPath,
  ManifestProblems,
  type ManifestSource,
} from './manifest-problems.ts';
import {
  type AppRouteInput,
  appRouteSchema,
  corsSchema,
  type FunctionInput,
  type FunctionRouteInput,
  functionRouteSchema,
  functionSchema,
  type ManifestInput,
  manifestSchema,
  workflowSchema,
} from './manifest-schema.ts';
import { triggerSchema } from './manifest-trigger-schema.ts';
import { planShares } from './manifest-shares.ts';
import { planTriggers } from './manifest-triggers.ts';
import { planWorkflows } from './manifest-workflows.ts';
import { routeHostFault, routePathFault, routeShape } from './route-path.ts';
import type { Trigger } from './trigger.ts';

/** The most functions of one app. */
export const FUNCTIONS_MAX = 20_000;
/** Names of packages, of npm and of Python alike. */
const PACKAGE_NAME = /^(@[a-z0-9~-][\w.~-]*\/)?[a-zA-Z0-9~][\w.~-]*$/;
/** The most routes of one app. */
export const ROUTES_MAX = 50_000;

export type { FoundFunction, FunctionPlan };

/** All there is to know about an app before it is built. */
export interface AppPlan {
  readonly app: AppName;
  /** Packages whose own code may run while they are installed. */
  readonly allowScripts: readonly string[];
  readonly functions: readonly FunctionPlan[];
  readonly routes: readonly Route[];
  readonly triggers: readonly Trigger[];
  readonly connections: readonly Connection[];
  readonly shares: readonly EventShare[];
}

/** A manifest of the right shape, with its source for later messages. */
export interface Manifest {
  readonly input: ManifestInput;
  readonly source: ManifestSource;
}

/** What a folder without a manifest has in its place. */
export const NO_MANIFEST: Manifest = {
  input: {},
  source: { file: '(no manifest)', locate: () => undefined },
};

/** Checks the shape of a manifest's data: keys, kinds of values, enumerations. */
export function parseManifest(data: unknown, source: ManifestSource): Manifest {
  const problems = new ManifestProblems(source);
  refusePrototypeKeys(data, [], problems);
  problems.throwIfAny();
  const parsed = manifestSchema.safeParse(data);
  if (!parsed.success) problems.addIssues(parsed.error.issues, data, keysAt);
  // Units and names of a manifest whose shape is wrong elsewhere are worth reporting in the same breath.
  else checkNames(parsed.data, problems);
  problems.throwIfAny();
  return { input: data as ManifestInput, source };
}

/** Whether the functions are to be looked for in the folder. */
export function discoversFunctions(manifest: Manifest): boolean {
  return manifest.input.functions === undefined;
}

/**
 * Settles an app: names, entries, units, routes. `found` are the functions of the folder, `folderName` names an
 * app that does not name itself.
 */
export function planApp(
  manifest: Manifest,
  found: readonly FoundFunction[],
  folderName: string,
  foundWorkflows: readonly FoundFunction[] = [],
): AppPlan {
  const { input, source } = manifest;
  const problems = new ManifestProblems(source);
  const foundByName = new Map(found.map((each) => [each.name, each]));
  const listed =
    input.functions === undefined
      ? found.map((each) => [each.name, {}] as const)
      : Object.entries(input.functions).map(([name, settings]) => [name, settings ?? {}] as const);
  if (listed.length > FUNCTIONS_MAX)
    problems.add(['functions'], 'key', `an app has at most ${FUNCTIONS_MAX} functions, not ${listed.length}`);
  const functions: FunctionPlan[] = [];
  for (const [name, settings] of listed) {
    const plan = planFunction(name, settings, input, foundByName.get(name), problems);
    if (plan !== undefined) functions.push(plan);
  }
  const workflows = planWorkflows(input, foundWorkflows, new Set(listed.map(([name]) => name)), problems);
  functions.push(...workflows.map(({ plan }) => plan));
  const routed = [...listed, ...workflows.map(({ plan, settings }) => [plan.name, settings] as const)];
  const routes = planRoutes(input, routed, foundByName, problems);
  for (const [at, name] of (input.allowScripts ?? []).entries())
    if (!PACKAGE_NAME.test(name)) problems.addWrong(['allowScripts', at], 'the name of a package', name);
  const connections = planConnections(input.connections ?? {}, problems);
  for (const { name, config } of functions)
    checkConnections(['functions', name, 'connections'], config.connections ?? [], connections, problems);
  const workflowNames = new Set(workflows.map(({ plan }) => plan.name));
  const triggers = planTriggers(routed, workflowNames, connections, problems);
  const shares = planShares(input.share ?? {}, problems);
  problems.throwIfAny();
  const app = (input.app ?? appNameFrom(folderName)) as AppName;
  const { allowScripts = [] } = input;
  return { app, allowScripts, functions, routes, triggers, connections: [...connections.values()], shares };
}

/** The name of a folder made into a valid name of an app. */
export function appNameFrom(folderName: string): AppName {
  const name = folderName
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  return (name === '' ? 'app' : name) as AppName;
}

const KEYS = {
  manifest: Object.keys(manifestSchema.shape),
  function: Object.keys(functionSchema.shape),
  workflow: Object.keys(workflowSchema.shape),
  functionRoute: Object.keys(functionRouteSchema.shape),
  appRoute: Object.keys(appRouteSchema.shape),
  cors: Object.keys(corsSchema.shape),
  trigger: Object.keys(triggerSchema.shape),
  build: Object.keys(buildStepSchema.shape),
  keepWarm: Object.keys(keepWarmWindowSchema.shape),
  connection: Object.keys(connectionSchema.shape),
  connectionTls: Object.keys(connectionTlsSchema.shape),
};

const keysAt: KeysAt = (path) => {
  if (path.length === 0) return KEYS.manifest;
  if (path.at(-1) === 'cors') return KEYS.cors;
  if (path[0] === 'routes') return KEYS.appRoute;
  if (path[0] === 'connections') return path.length === 2 ? KEYS.connection : KEYS.connectionTls;
  if (path[2] === 'build') return KEYS.build;
  if (path[2] === 'keepWarm') return KEYS.keepWarm;
  if (path[2] === 'on') return KEYS.trigger;
  if (path[0] === 'functions' && path.length === 2) return KEYS.function;
  if (path[0] === 'workflows' && path.length === 2) return KEYS.workflow;
  return KEYS.functionRoute;
};

/** `__proto__` as a key would vanish in plain objects: it is refused by name, at any depth. */
function refusePrototypeKeys(value: unknown, path: ManifestPath, problems: ManifestProblems): void {
  if (typeof value !== 'object' || value === null || path.length > 8) return;
  for (const [key, inner] of Object.entries(value)) {
    const innerPath = [...path, Array.isArray(value) ? Number(key) : key];
    if (key === '__proto__') problems.add(innerPath, 'key', 'the key `__proto__` is not allowed');
    else refusePrototypeKeys(inner, innerPath, problems);
  }
}

function checkNames(input: ManifestInput, problems: ManifestProblems): void {
  if (input.app !== undefined && !APP_NAME.test(input.app))
    problems.addWrong(
      ['app'],
      'a name of lower-case letters, digits and hyphens, at most 63',
      input.app,
      appNameFrom(input.app),
    );
  for (const name of Object.keys(input.functions ?? {})) {
    if (!FUNCTION_NAME.test(name))
      problems.add(
        ['functions', name],
        'key',
        `\`${name}\` is no name of a function: letters, digits, \`_\` and \`-\`, at most 64`,
      );
  }
}

function planFunction(
  name: string,
  settings: FunctionInput,
  input: ManifestInput,
  found: FoundFunction | undefined,
  problems: ManifestProblems,
): FunctionPlan | undefined {
  const path = ['functions', name];
  const config = parseFunctionConfig(settings, input, path, problems);
  for (const [at, pattern] of (settings.include ?? []).entries()) {
    if (!isInside(pattern))
      problems.addWrong([...path, 'include', at], 'a path or glob inside the app, with `/`', pattern);
  }
  for (const [at, name] of (settings.external ?? []).entries()) {
    if (!PACKAGE_NAME.test(name)) problems.addWrong([...path, 'external', at], 'the name of a package', name);
  }
  if (settings.command !== undefined)
    return planServer(name as FunctionName, settings, config, path, problems);
  for (const key of ['port', 'ready'] as const)
    if (settings[key] !== undefined)
      problems.add(
        [...path, key],
        'key',
        `\`${[...path, key].join('.')}\` is for functions with a \`command\``,
      );
  const entry = settings.entry?.replace(/^\.\//, '') ?? found?.entry;
  if (entry === undefined) {
    problems.add(
      path,
      'key',
      `\`functions.${name}\` names no \`entry\`, and there is no functions/${name}.ts (or .js, .py …) and no functions/${name}/index.ts`,
    );
    return undefined;
  }
  const pin = planRuntime(settings, entry, path, problems);
  if (pin === undefined) return undefined;
  // To a custom runtime it means whatever that makes of it.
  const handlerPattern = pin.runtime === 'bootstrap' ? /^\S{1,128}$/ : /^[A-Za-z_$][\w$]*$/;
  const build = planBuild(settings.build, [...path, 'build'], problems, isInside);
  if (build !== undefined && pin.runtime !== 'bootstrap')
    problems.add(
      [...path, 'build'],
      'key',
      `\`${[...path, 'build'].join('.')}\` is for functions with a \`command\`, or whose \`entry\` is a \`bootstrap\``,
    );
  if (settings.handler !== undefined && !handlerPattern.test(settings.handler))
    problems.addWrong([...path, 'handler'], 'the name of an export such as `handler`', settings.handler);
  return {
    name: name as FunctionName,
    runtime: pin.runtime,
    runtimeVersion: pin.version,
    entry,
    handler: settings.handler,
    external: settings.external ?? [],
    include: settings.include ?? [],
    ...(build === undefined ? {} : { build }),
    config,
  };
}

/** A function with a `command`: its entry is a folder. */
function planServer(
  name: FunctionName,
  settings: FunctionInput,
  config: FunctionConfig,
  path: ManifestPath,
  problems: ManifestProblems,
): FunctionPlan {
  const { command = [], port, ready, runtime = 'command' } = settings;
  const entry = settings.entry?.replace(/^\.\//, '').replace(/\/+$/, '') || '.';
  if (!isInside(entry))
    problems.addWrong([...path, 'entry'], 'a folder inside the app, with `/`', settings.entry);
  if (runtime !== 'command')
    problems.addWrong([...path, 'runtime'], '`command`, because there is a `command`', runtime);
  for (const key of ['handler', 'external'] as const)
    if (settings[key] !== undefined)
      problems.add([...path, key], 'key', `a function with a \`command\` has no \`${key}\``);
  const argv = typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
  const build = planBuild(settings.build, [...path, 'build'], problems, isInside);
  return {
    name,
    runtime: 'command',
    runtimeVersion: undefined,
    entry,
    handler: undefined,
    external: [],
    include: settings.include ?? [],
    ...(build === undefined ? {} : { build }),
    config: { ...config, command: { argv, port, readyPath: ready } },
  };
}

/** The language of a function: what the manifest says, or else what its entry is. */
function planRuntime(
  { runtime: text, entry: named }: FunctionInput,
  entry: string,
  path: ManifestPath,
  problems: ManifestProblems,
): RuntimePin | undefined {
  const found = runtimeOfEntry(entry);
  if (!isInside(entry) || found === undefined) {
    const expected = `a path inside the app, with \`/\`, that ends in one of ${ENTRY_ENDINGS.join(' ')}`;
    problems.addWrong([...path, 'entry'], expected, named);
    return undefined;
  }
  if (text === undefined) return { runtime: found, version: undefined };
  const pin = parseRuntime(text);
  if (pin?.runtime === found) return pin;
  const names = LANGUAGES.map(({ runtime }) => runtime);
  problems.addWrong(
    [...path, 'runtime'],
    pin === undefined
      ? `one of ${names.join(', ')}, for all but node with a version if you like, such as \`python3.12\``
      : `${found}, because of \`${entry}\``,
    text,
    nearestOf(text, names),
  );
  return undefined;
}

function isInside(path: string): boolean {
  return (
    !path.startsWith('/') &&
    !/[\\\0]/.test(path) &&
    !/^[A-Za-z]:/.test(path) &&
    !path.split('/').some((part) => part === '..' || part === 'node_modules')
  );
}

/** Routes of one app as they gather, with where each was said. */
class RouteList {
  readonly routes: Route[] = [];
  readonly #places = new Map<string, ManifestPath>();
  readonly #problems: ManifestProblems;

  constructor(problems: ManifestProblems) {
    this.#problems = problems;
  }

  add(route: Route, path: ManifestPath): void {
    const shape = routeShape(route.method, route.host, route.path);
    const before = this.#places.get(shape);
    if (before !== undefined) {
      const name = `${route.method} ${route.host ?? ''}${route.path}`;
      const first = this.#problems.placeText(before);
      this.#problems.add(path, 'value', `the route \`${name}\` is already given at ${first}`);
      return;
    }
    this.#places.set(shape, path);
    this.routes.push(route);
  }
}

function planRoutes(
  input: ManifestInput,
  listed: readonly (readonly [string, FunctionInput])[],
  found: ReadonlyMap<string, FoundFunction>,
  problems: ManifestProblems,
): Route[] {
  const list = new RouteList(problems);
  const appCors = parseCors(input.cors, ['cors'], problems);
  const names = new Set(listed.map(([name]) => name));
  const routed = new Set<string>();
  for (const [at, route] of (input.routes ?? []).entries()) {
    routed.add(route.function);
    if (!names.has(route.function))
      problems.addWrong(
        ['routes', at, 'function'],
        'the name of a function of this app',
        route.function,
        nearestOf(route.function, names),
      );
    else addRoute(list, route, route.function, appCors, ['routes', at], problems);
  }
  for (const [name, settings] of listed) {
    const path = ['functions', name];
    const cors =
      settings.cors === undefined ? appCors : parseCors(settings.cors, [...path, 'cors'], problems);
    // What runs on events is not meant for whoever sends requests, unless it says so.
    const isElsewhere = routed.has(name) || (settings.on ?? []).length > 0;
    const routes = settings.routes ?? (isElsewhere ? [] : defaultRoutes(name, found.get(name)));
    for (const [at, route] of routes.entries()) {
      const routePath = settings.routes === undefined ? path : [...path, 'routes', at];
      addRoute(list, route, name, cors, routePath, problems);
    }
  }
  if (list.routes.length > ROUTES_MAX)
    problems.add(['routes'], 'key', `an app has at most ${ROUTES_MAX} routes, not ${list.routes.length}`);
  return list.routes;
}

/** A function answers at its own path and at everything below. */
function defaultRoutes(name: string, found: FoundFunction | undefined): string[] {
  const path = found?.path ?? (name === 'index' ? '/' : `/${name}`);
  return path === '/' ? ['/', '/*'] : [path, `${path}/*`];
}

function addRoute(
  list: RouteList,
  input: FunctionRouteInput | AppRouteInput,
  name: string,
  cors: CorsPolicy | undefined,
  path: ManifestPath,
  problems: ManifestProblems,
): void {
  const route = typeof input === 'string' ? parseRouteText(input, path, problems) : input;
  if (route === undefined) return;
  const valuePath = (key: string) => (typeof input === 'string' ? path : [...path, key]);
  const pathFault = routePathFault(route.path);
  if (pathFault !== undefined)
    problems.addWrong(valuePath('path'), `a path of a route (${pathFault})`, route.path);
  const hostFault = route.host === undefined ? undefined : routeHostFault(route.host);
  if (hostFault !== undefined) problems.addWrong(valuePath('host'), `a host (${hostFault})`, route.host);
  if (pathFault !== undefined || hostFault !== undefined) return;
  const own = route.cors === undefined ? cors : parseCors(route.cors, [...path, 'cors'], problems);
  const methods = Array.isArray(route.method) ? route.method : [route.method ?? 'ANY'];
  for (const method of methods)
    list.add({ method, path: route.path, host: route.host, function: name as FunctionName, cors: own }, path);
}

/** `GET /users/:id` or `/users/:id`. */
function parseRouteText(
  text: string,
  path: ManifestPath,
  problems: ManifestProblems,
): Exclude<FunctionRouteInput, string> | undefined {
  const parts = /^(?:(\S+)\s+)?(\S+)$/.exec(text.trim());
  const method = parts?.[1] ?? 'ANY';
  const methods: readonly string[] = METHODS;
  if (parts === null || !methods.includes(method)) {
    const nearest = parts === null ? undefined : nearestOf(method, METHODS);
    problems.addWrong(
      path,
      `a path, or one of ${METHODS.join(', ')} and a path, such as \`GET /users/:id\``,
      text,
      nearest === undefined ? undefined : `${nearest} ${parts?.[2]}`,
    );
    return undefined;
  }
  return { method: method as RouteMethod, path: parts[2]! };
}

const METHODS: readonly RouteMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'ANY'];
