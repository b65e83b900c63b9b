import { readFileSync } from 'node:fs';
import { createRequire, isBuiltin, Module } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { codeCachePath, COMMON_NAMES } from '../../src/model/code-cache.ts';

/**
 * Large bundles come with V8's compiled form of themselves. Node's own loader would still spend most of the time with
 * such a file (it reads it in pieces, and its source map with it, before anything runs), so these modules are made from
 * it directly. The build sees to it that ES modules need nothing but Node.js itself; CommonJS code has its `require`.
 */

const SOURCE_MAP = /\n\/\/# sourceMappingURL=([^\s]+)\s*$/;
const TAIL_CHARS = 1_024;

type Namespace = Record<string, unknown>;
/** Not in the types. */
interface Lookups {
  _nodeModulePaths(folder: string): string[];
}

/** Runs the module and resolves with what it exports; `undefined`: it has no compiled form that this Node.js takes. */
export async function importCached(codeDir: string, entry: string): Promise<Namespace | undefined> {
  const path = join(codeDir, entry);
  const cachePath = join(codeDir, codeCachePath(entry));
  if (entry.endsWith('.cjs')) return runCommon(path, cachePath);
  const module = compile(path, cachePath);
  if (module === undefined) return undefined;
  module.linkRequests(await Promise.all(module.moduleRequests.map(({ specifier }) => toModule(specifier))));
  module.instantiate();
  const door = openDoor(module);
  await module.evaluate();
  return door === undefined ? (module.namespace as Namespace) : lateExports(module, door);
}

/** A module that has the default export of another one; `undefined`: that has none. */
function openDoor(module: vm.SourceTextModule): vm.SourceTextModule | undefined {
  const door = new vm.SourceTextModule(`export { default } from 'module';`);
  door.linkRequests([module]);
  try {
    door.instantiate();
    return door;
  } catch {
    return undefined;
  }
}

/**
 * What the module exports, found out when it is asked for: V8 takes milliseconds to list thousands of exports, and most
 * code is called by its default one. As it passes through promises, `then` is none of the names.
 */
function lateExports(module: vm.SourceTextModule, door: vm.SourceTextModule): Namespace {
  const all = (): Namespace => module.namespace as Namespace;
  return new Proxy<Namespace>(Object.create(null), {
    get: (_, name) =>
      name === 'default'
        ? (door.namespace as Namespace).default
        : name === 'then'
          ? undefined
          : Reflect.get(all(), name),
    has: (_, name) => Reflect.has(all(), name),
    ownKeys: () => Object.keys(all()),
    getOwnPropertyDescriptor: (_, name) => {
      const found = Reflect.getOwnPropertyDescriptor(all(), name);
      // The keeper of the names is empty: nothing here may say that it cannot be changed.
      return found === undefined ? undefined : { ...found, configurable: true };
    },
  });
}

function compile(path: string, cachePath: string): vm.SourceTextModule | undefined {
  try {
    const cachedData = readFileSync(cachePath);
    const source = readFileSync(path, 'utf8');
    const module = new vm.SourceTextModule(source, {
      identifier: pathToFileURL(path).href,
      cachedData,
      initializeImportMeta(meta) {
        meta.dirname = dirname(path);
        meta.filename = path;
        meta.url = pathToFileURL(path).href;
        meta.main = false;
      },
      importModuleDynamically: (specifier: string) => import(specifier) as Promise<vm.Module>,
    });
    readSourceMapLate(path, source);
    return module;
  } catch {
    // There is none, or it is of another Node.js.
    return undefined;
  }
}

/** What Node's own loader does with CommonJS code that it imports, but for names beside the default export. */
function runCommon(path: string, cachePath: string): Namespace | undefined {
  const run = compileCommon(path, cachePath);
  if (run === undefined) return undefined;
  const paths = (Module as typeof Module & Lookups)._nodeModulePaths(dirname(path));
  const module = Object.assign(new Module(path), { filename: path, paths });
  const require = createRequire(path);
  require.cache[path] = module;
  try {
    Reflect.apply(run, module.exports, [module.exports, require, module, path, dirname(path)]);
  } catch (thrown) {
    delete require.cache[path];
    throw thrown;
  }
  module.loaded = true;
  return { default: module.exports };
}

function compileCommon(path: string, cachePath: string): (() => unknown) | undefined {
  try {
    const cachedData = readFileSync(cachePath);
    const source = readFileSync(path, 'utf8');
    const importModuleDynamically = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
    const run = vm.compileFunction(source, COMMON_NAMES, {
      ...{ filename: path, cachedData, importModuleDynamically },
    }) as (() => unknown) & { cachedDataRejected?: boolean };
    if (run.cachedDataRejected === true) return undefined;
    readSourceMapLate(path, source);
    return run;
  } catch {
    // There is none.
    return undefined;
  }
}

/** What is imported already exports the same names to everybody. */
async function toModule(specifier: string): Promise<vm.Module> {
  if (!isBuiltin(specifier)) throw new Error(`${specifier} is not a module of Node.js`);
  const namespace = (await import(specifier)) as Namespace;
  const names = Object.keys(namespace);
  return new vm.SyntheticModule(names, function () {
    for (const name of names) this.setExport(name, namespace[name]);
  });
}

/** Reading a source map of megabytes can wait until the first stack trace is written. */
function readSourceMapLate(path: string, source: string): void {
  const map = SOURCE_MAP.exec(source.slice(-TAIL_CHARS))?.[1];
  const plain = Error.prepareStackTrace;
  if (map === undefined || plain === undefined) return;
  const first = (error: Error, trace: NodeJS.CallSite[]): unknown => {
    if (Error.prepareStackTrace === first) Error.prepareStackTrace = plain;
    noteSourceMap(path, map);
    return plain(error, trace);
  };
  Error.prepareStackTrace = first;
}

/** Node reads the map of a module that it compiles, and from then on knows it by the file's name; this one is empty. */
function noteSourceMap(path: string, map: string): void {
  const holder = new Module(path) as Module & { _compile(source: string, path: string): void };
  holder.filename = path;
  holder._compile(`//# sourceMappingURL=${map}\n`, path);
  holders.push(holder);
}

/** The map is known for as long as its module is. */
const holders: Module[] = [];
