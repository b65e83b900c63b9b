import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import {
  type AppPlan,
  discoversFunctions,
  type FoundFunction,
  type FunctionPlan,
  type Manifest,
  NO_MANIFEST,
  parseManifest,
  planApp,
} from '../../model/manifest.ts';
import { manifestError } from '../../model/manifest-problems.ts';
import { MANIFEST_BYTES_MAX, type ManifestText, parseManifestYaml } from '../../model/manifest-yaml.ts';
import type { Contain } from '../build/tool-run.ts';
import { findFunctions, findSingleFile } from './find-functions.ts';
import { CONFIG_FILES, loadConfig } from './load-config.ts';

const YAML_FILES = ['lambent.yaml', 'lambent.yml'];

export interface ReadOptions {
  readonly clock: Clock;
  /** True for uploads: nothing outside of the folder is read. */
  readonly confined: boolean;
  /** Where a configuration of an upload is evaluated; `undefined`: in a process of the platform's user. */
  readonly contain?: Contain | undefined;
  /** Names the app where nothing else does; an upload's own folder has a name without meaning. */
  readonly folderName?: string;
}

/**
 * Reads what an app is from its folder: its manifest, or the functions that lie in it, or the one file that it
 * is. Rejects with `E_MANIFEST_INVALID`, or `E_APP_EMPTY`.
 */
export async function readApp(folder: string, options: ReadOptions): Promise<AppPlan> {
  const { folderName = basename(folder) } = options;
  const names = await namesIn(folder);
  const manifest = await readManifest(folder, names, options);
  let found: FoundFunction[] = await findFunctions(folder);
  if (found.length === 0 && discoversFunctions(manifest)) {
    const single = await findSingleFile(folder);
    if (single !== undefined) found = [single];
  }
  const workflows = await findFunctions(folder, 'workflows');
  const plan = planApp(manifest, found, folderName, workflows);
  if (plan.functions.length === 0)
    throw new LambentError('E_APP_EMPTY', `there are no functions in ${folderName}`, {
      hint: 'Add functions/hello.ts or index.ts, or name functions in lambent.yaml; `lambent init` writes a first one.',
    });
  const foundEntries = new Set([...found, ...workflows].map(({ entry }) => entry));
  for (const each of plan.functions)
    if (!foundEntries.has(each.entry)) await checkEntry(folder, each, manifest);
  return plan;
}

/** The file that the app's manifest is in, if it has one. */
async function readManifest(
  folder: string,
  names: ReadonlySet<string>,
  options: ReadOptions,
): Promise<Manifest> {
  const present = [...YAML_FILES, ...CONFIG_FILES].filter((name) => names.has(name));
  const [file, second] = present;
  if (file === undefined) return NO_MANIFEST;
  if (second !== undefined)
    throw new LambentError('E_MANIFEST_INVALID', `there are two manifests, ${file} and ${second}`, {
      hint: 'Keep one of them.',
    });
  const path = join(folder, file);
  let read: ManifestText;
  if (YAML_FILES.includes(file)) {
    // Looked at before it is read: a file can be larger than memory.
    if ((await stat(path)).size > MANIFEST_BYTES_MAX)
      throw manifestError(file, [
        { path: [], place: undefined, message: `the manifest is larger than ${MANIFEST_BYTES_MAX} bytes` },
      ]);
    read = parseManifestYaml(await readFile(path, 'utf8'), file);
  } else read = await loadConfig(path, options);
  return parseManifest(read.data, { file, locate: read.locate });
}

async function checkEntry(
  folder: string,
  { name, entry, runtime, config, build }: FunctionPlan,
  manifest: Manifest,
): Promise<void> {
  const facts = await stat(join(folder, entry)).catch(() => undefined);
  const isFolder = runtime === 'command';
  // The build makes it.
  if (build !== undefined && !isFolder && facts === undefined) return;
  if (isFolder ? facts?.isDirectory() : facts?.isFile()) return;
  const key = runtime === 'asl' ? 'definition' : 'entry';
  const path = [config.workflow === true ? 'workflows' : 'functions', name, key];
  throw manifestError(manifest.source.file, [
    {
      path,
      place: manifest.source.locate(path, 'value'),
      message: `the function \`${name}\` is to be built from \`${entry}\`, ${facts === undefined ? 'which does not exist' : `which is no ${isFolder ? 'folder' : 'file'}`}`,
    },
  ]);
}

async function namesIn(folder: string): Promise<Set<string>> {
  try {
    return new Set(await readdir(folder));
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    const said =
      code === 'ENOENT' ? 'does not exist' : code === 'ENOTDIR' ? 'is no folder' : `cannot be read (${code})`;
    throw new LambentError('E_APP_EMPTY', `${folder} ${said}`, {
      hint: 'Name the folder of an app; `lambent init` makes one.',
      cause: thrown,
    });
  }
}
