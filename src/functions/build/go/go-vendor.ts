import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LambentError } from '../../../base/errors.ts';
import { isBelow } from '../copy-files.ts';

/**
 * Modules that an author keeps in `vendor/`, so that nothing is downloaded. Go's own vendor mode takes no go.mod but the
 * very one that the folder was written for, and builds have one of ours (go-module.ts). So each vendored module becomes
 * a replacement by its folder, which Go takes as it is, without a sum and without a network.
 */

export interface VendoredModule {
  readonly path: string;
  readonly version: string;
  /** What its own go.mod said of the language, as `1.21`; those of old have nothing. */
  readonly goVersion: string | undefined;
}

const LIST = 'vendor/modules.txt';
const LIST_BYTES_MAX = 4 * 1024 * 1024;
const FAILURE = { hint: 'Run `go mod vendor` in the folder of go.mod, then deploy again.' };

/** What `go mod vendor` noted; `undefined`: nothing is vendored, or it is the vendor folder of a whole workspace. */
export async function readVendored(moduleFolder: string): Promise<VendoredModule[] | undefined> {
  const listFile = join(moduleFolder, LIST);
  if (!existsSync(listFile)) return undefined;
  const text = await readFile(listFile, 'utf8');
  if (text.length > LIST_BYTES_MAX)
    throw new LambentError('E_BUILD_FAILED', `${LIST} is over ${LIST_BYTES_MAX} bytes`);
  const modules: VendoredModule[] = [];
  for (const line of text.split('\n')) {
    if (line === '## workspace') return undefined;
    // `# path version` or `# path version => replacement`; a line without a version repeats a replacement.
    const [, path, version] = /^# (\S+) (v\S+)(?: => .+)?$/.exec(line) ?? [];
    if (path !== undefined) modules.push({ path, version: version!, goVersion: undefined });
    const [, goVersion] = /^## (?:explicit; )?go (\S+)$/.exec(line) ?? [];
    if (goVersion !== undefined && modules.length > 0) modules.push({ ...modules.pop()!, goVersion });
  }
  return modules;
}

/** What Go is told of vendored modules. */
export interface VendorPlan {
  /** Changes of go.mod, for `go mod edit`. */
  readonly changes: readonly string[];
  /** Files that the modules lack, for `-overlay`: which path shows which file. */
  readonly overlay: Readonly<Record<string, string>>;
}

/**
 * Throws `E_DEPENDENCIES_FAILED` when go.mod requires what is not vendored. `confinedTo`: no module may lie outside of
 * this folder.
 */
export async function planVendored(
  modules: readonly VendoredModule[],
  required: readonly { readonly Path: string; readonly Version: string }[],
  place: { readonly folder: string; readonly scratchDir: string; readonly confinedTo: string | undefined },
): Promise<VendorPlan> {
  for (const { Path, Version } of required) {
    if (modules.some(({ path, version }) => path === Path && version === Version)) continue;
    const message = `go.mod requires ${Path} ${Version}, which is not in ${LIST}`;
    throw new LambentError('E_DEPENDENCIES_FAILED', message, FAILURE);
  }
  const changes: string[] = [];
  const overlay: Record<string, string> = {};
  for (const [index, { path, version, goVersion = '1.16' }] of modules.entries()) {
    const scratch = join(place.scratchDir, `vendored-${index}`);
    await mkdir(scratch);
    // Of some modules no package is used: then they have no folder.
    await writeFile(join(scratch, 'go.mod'), `module ${path}\n\ngo ${goVersion}\n`);
    const folder = join(place.folder, 'vendor', path);
    const real = await realpath(folder).catch(() => undefined);
    if (real !== undefined && place.confinedTo !== undefined && !isBelow(place.confinedTo, real))
      throw new LambentError('E_BUILD_FAILED', `vendor/${path} is not in the app`, FAILURE);
    if (real !== undefined) overlay[join(folder, 'go.mod')] = join(scratch, 'go.mod');
    const replacement = real === undefined ? scratch : `./vendor/${path}`;
    changes.push(`-require=${path}@${version}`, `-replace=${path}=${replacement}`);
  }
  return { changes, overlay };
}
