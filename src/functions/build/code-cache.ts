import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import vm from 'node:vm';
import { codeCachePath, COMMON_NAMES, DERIVED_FOLDER } from '../../model/code-cache.ts';

/** A smaller bundle compiles faster than a second file is read. */
const BUNDLE_BYTES_MIN = 256 * 1024;
/** `import(…)` and `import.meta.resolve(…)`, with what they are given where it is written out. */
const DYNAMIC = /\bimport(?:\s*\(|\s*\.\s*meta\s*\.\s*resolve\b)(?:\s*(["'])([^"'\n]*)\1\s*\))?/g;

/** Not in the types yet. */
type Cacheable = vm.SourceTextModule & { createCachedData(): Uint8Array };

/**
 * Compiles a bundle without running it, and keeps the result beside it. An ES module only if it needs nothing but Node.js
 * itself: instances load it by a way of their own, which finds no packages (runtimes/node/cached-module.ts). CommonJS
 * code finds them by its own `require`.
 *
 * False: nothing was kept, and the bundle works as well without. So it is in a process without
 * `COMPILE_FLAGS`, and where the folder holds something that came from the app.
 */
export async function keepCodeCache(
  outDir: string,
  { fileName, code, imports }: { fileName: string; code: string; imports: readonly string[] },
  isModule: boolean,
): Promise<boolean> {
  if (code.length < BUNDLE_BYTES_MIN || (vm.SourceTextModule as unknown) === undefined) return false;
  if (existsSync(join(outDir, DERIVED_FOLDER))) return false;
  const compiled = isModule ? compileModule(fileName, code, imports) : compileCommon(code);
  if (compiled === undefined) return false;
  const path = join(outDir, codeCachePath(fileName));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, compiled);
  return true;
}

function compileModule(fileName: string, code: string, imports: readonly string[]): Uint8Array | undefined {
  if (!imports.every(isBuiltin)) return undefined;
  for (const [, , specifier] of code.matchAll(DYNAMIC))
    if (specifier === undefined || !isBuiltin(specifier)) return undefined;
  return (new vm.SourceTextModule(code, { identifier: fileName }) as Cacheable).createCachedData();
}

function compileCommon(code: string): Uint8Array | undefined {
  try {
    return vm.compileFunction(code, COMMON_NAMES, { produceCachedData: true }).cachedData;
  } catch {
    // A `#!` in front, for one, is nothing that a function may begin with.
    return undefined;
  }
}
