import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What the build reads of a `package.json`. */
export interface PackageFacts {
  readonly name: string;
  readonly version: string;
  /** Production dependencies by name; the optional ones may be missing on this system. */
  readonly dependencies: readonly string[];
  readonly optionalDependencies: readonly string[];
  /** True when it holds, or picks at run time, code that no bundler can take in. */
  readonly native: boolean;
}

/** The largest package.json that is looked at, in bytes. */
const PACKAGE_JSON_BYTES_MAX = 1024 * 1024;
/** Packages that only those with native code depend on. */
const NATIVE_HELPERS = new Set([
  'bindings',
  'node-gyp-build',
  'node-gyp-build-optional-packages',
  'node-pre-gyp',
  '@mapbox/node-pre-gyp',
  '@discordjs/node-pre-gyp',
  'prebuild-install',
  'node-addon-api',
  'nan',
  'napi-build-utils',
  'detect-libc',
]);
/** Packages for one system only, as `@img/sharp-linux-x64`: chosen at run time by name. */
const SYSTEM_PACKAGE = /[-/.](?:linux|darwin|win32|freebsd|android)(?:[-.]|$)/;

interface Remembered {
  readonly mtimeMs: number;
  readonly size: number;
  readonly facts: PackageFacts;
}

/** Facts of packages by folder, kept while their package.json stays the same. */
const remembered = new Map<string, Remembered>();
const REMEMBERED_MAX = 5_000;

/** The name of the package in an import such as `@scope/name/sub`; `undefined` when it is no package. */
export function packageNameOf(specifier: string): string | undefined {
  return /^(?:@[\w.~-]+\/)?[\w~-][\w.~-]*(?=\/|$)/.exec(specifier)?.[0];
}

/** Finds a package as Node.js does: in `node_modules` of the folder and of those above it; then in `modulesDir`. */
export function findPackage(
  name: string,
  fromDir: string,
  modulesDir: string | undefined,
): string | undefined {
  for (let dir = fromDir; ; dir = dirname(dir)) {
    const candidate = join(dir, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate);
    if (dirname(dir) === dir) break;
  }
  if (modulesDir === undefined) return undefined;
  const candidate = join(modulesDir, name);
  return existsSync(join(candidate, 'package.json')) ? realpathSync(candidate) : undefined;
}

/** Reads what matters of the package in a folder. A damaged package.json counts as empty: resolving it reports that. */
export function packageFacts(dir: string): PackageFacts {
  const file = join(dir, 'package.json');
  const { mtimeMs, size } = statSync(file);
  const known = remembered.get(dir);
  if (known !== undefined && known.mtimeMs === mtimeMs && known.size === size) return known.facts;
  const facts = readFacts(dir, size > PACKAGE_JSON_BYTES_MAX ? '{}' : readFileSync(file, 'utf8'));
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(dir, { mtimeMs, size, facts });
  return facts;
}

function readFacts(dir: string, text: string): PackageFacts {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    data = {};
  }
  const json = isObject(data) ? data : {};
  const optionalDependencies = keysOf(json.optionalDependencies);
  const dependencies = keysOf(json.dependencies).filter((name) => !optionalDependencies.includes(name));
  const native =
    json.gypfile === true ||
    isObject(json.binary) ||
    isObject(json.napi) ||
    Array.isArray(json.os) ||
    Array.isArray(json.cpu) ||
    (typeof json.main === 'string' && json.main.endsWith('.node')) ||
    dependencies.some((name) => NATIVE_HELPERS.has(name)) ||
    optionalDependencies.some((name) => SYSTEM_PACKAGE.test(name)) ||
    ['binding.gyp', 'prebuilds', 'build/Release'].some((path) => existsSync(join(dir, path)));
  const optionalPeers = keysOf(json.peerDependencies);
  return {
    name: typeof json.name === 'string' ? json.name : '',
    version: typeof json.version === 'string' ? json.version : '',
    dependencies,
    optionalDependencies: [...optionalDependencies, ...optionalPeers],
    native,
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function keysOf(value: unknown): string[] {
  return isObject(value) ? Object.keys(value) : [];
}
