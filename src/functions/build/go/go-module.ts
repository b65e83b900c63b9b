import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LambentError } from '../../../base/errors.ts';
import { FileCopier, isBelow } from '../copy-files.ts';
import type { GoPlace, GoToolchain } from './go-toolchain.ts';
import { planVendored, readVendored } from './go-vendor.ts';

/**
 * What a build adds to a program's module, without touching it: the go command is shown a go.mod of ours in place of
 * the author's (`-overlay`). In it `lambent.dev/go` is the copy that came with the platform, so that program and
 * platform always speak the same protocol and nothing needs to be downloaded; and `github.com/aws/aws-lambda-go` is a
 * copy of the very version that the author chose, with one file more, by which its programs answer the platform. What
 * is vendored is taken from `vendor/` (go-vendor.ts).
 */

export const OWN_MODULE = 'lambent.dev/go';
export const AWS_MODULE = 'github.com/aws/aws-lambda-go';
/** The first version whose package lambda has what the added file refers to. */
const AWS_MINOR_MIN = 38;
/** Below SDK_DIR. */
const ADDED_FILE = 'awslambda/start-here.go.txt';
export const SDK_DIR = fileURLToPath(new URL('../../../../sdk/go', import.meta.url));
const GO_MOD_BYTES_MAX = 1024 * 1024;
const MOD_FAILURE = {
  code: 'E_DEPENDENCIES_FAILED',
  hint: 'Run `go mod tidy` in the folder of go.mod, then deploy again.',
} as const;

/** What `go mod edit -json` prints, as far as it is used. */
interface GoMod {
  readonly Require?: readonly { readonly Path: string; readonly Version: string }[] | null;
  readonly Replace?:
    | readonly {
        readonly Old: { readonly Path: string; readonly Version?: string };
        readonly New: { readonly Path: string; readonly Version?: string };
      }[]
    | null;
}

/** A module as builds see it. */
export interface PreparedModule {
  /** Absolute path of the folder of go.mod. */
  readonly folder: string;
  /** For `go build -overlay`. */
  readonly overlayFile: string;
}

/** Digest of the module that programs are built with: another one makes other programs. */
export async function digestSdk(): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(SDK_DIR, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && !/_test\.go$|\.test\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.startsWith(join(SDK_DIR, 'fixtures')));
  for (const path of paths.sort())
    hash
      .update(relative(SDK_DIR, path))
      .update('\0')
      .update(await readFile(path))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
}

/** The folder of the go.mod that an entry belongs to: the nearest one in the app. The app's own, where there is none. */
export function moduleFolderOf(appFolder: string, entry: string): string {
  for (let folder = dirname(join(appFolder, entry)); isBelow(appFolder, folder); folder = dirname(folder))
    if (existsSync(join(folder, 'go.mod'))) return folder;
  return appFolder;
}

/** Prepares modules for builds. One for each deploy; the copies of AWS's module outlive it. */
export class GoModules {
  readonly copiesDir: string;
  readonly #sdkDigest: string;
  readonly #copies = new Map<string, Promise<string>>();

  constructor(copiesDir: string, sdkDigest: string) {
    this.copiesDir = copiesDir;
    this.#sdkDigest = sdkDigest;
  }

  /** Writes the overlay into `scratchDir`. `confinedTo`: the module may read nothing outside of this folder. */
  async prepare(
    toolchain: GoToolchain,
    place: GoPlace,
    scratchDir: string,
    confinedTo: string | undefined,
  ): Promise<PreparedModule> {
    await mkdir(scratchDir, { recursive: true });
    const own = join(place.folder, 'go.mod');
    const ours = join(scratchDir, 'go.mod');
    if (existsSync(own)) await copyFile(own, ours);
    else await writeFile(ours, `module app\n\ngo ${toolchain.version.split('.').slice(0, 2).join('.')}\n`);
    const mod = await this.#read(toolchain, place, scratchDir, ours);
    const vendored = await readVendored(place.folder);
    if (confinedTo !== undefined && vendored === undefined)
      await checkReplaced(mod, place.folder, confinedTo);
    const changes: string[] = [];
    const overlay: Record<string, string> = { [own]: ours };
    // A replacement of one version would win over one of all versions.
    for (const { Old } of mod.Replace ?? [])
      if (vendored !== undefined || Old.Path === OWN_MODULE || Old.Path === AWS_MODULE)
        changes.push(`-dropreplace=${Old.Path}${Old.Version === undefined ? '' : `@${Old.Version}`}`);
    if (vendored !== undefined) {
      const others = (mod.Require ?? []).filter(({ Path }) => Path !== OWN_MODULE);
      const modules = vendored.filter(({ path }) => path !== OWN_MODULE);
      const plan = await planVendored(modules, others, { folder: place.folder, scratchDir, confinedTo });
      changes.push(...plan.changes);
      Object.assign(overlay, plan.overlay);
    }
    if (!mod.Require?.some(({ Path }) => Path === OWN_MODULE)) changes.push(`-require=${OWN_MODULE}@v0.0.0`);
    changes.push(`-replace=${OWN_MODULE}=${SDK_DIR}`);
    const aws = mod.Require?.find(({ Path }) => Path === AWS_MODULE);
    const copy =
      vendored !== undefined
        ? await this.#vendoredAwsCopy(place, scratchDir, aws?.Version)
        : aws && (await this.#awsCopy(toolchain, place, scratchDir, mod, aws.Version));
    if (copy !== undefined) changes.push(`-replace=${AWS_MODULE}=${copy}`);
    await toolchain.run(place, ['mod', 'edit', ...changes, ours], MOD_FAILURE, { writeDirs: [scratchDir] });
    const overlayFile = join(scratchDir, 'overlay.json');
    await writeFile(overlayFile, JSON.stringify({ Replace: overlay }));
    return { folder: place.folder, overlayFile };
  }

  async #read(toolchain: GoToolchain, place: GoPlace, scratchDir: string, path: string): Promise<GoMod> {
    if ((await readFile(path)).length > GO_MOD_BYTES_MAX)
      throw new LambentError('E_BUILD_FAILED', `go.mod is over ${GO_MOD_BYTES_MAX} bytes`);
    const hint = 'Correct go.mod; `go mod edit -json` says what Go makes of it.';
    const failure = { code: 'E_BUILD_FAILED', hint } as const;
    const writeDirs = [scratchDir];
    const text = await toolchain.run(place, ['mod', 'edit', '-json', path], failure, { writeDirs });
    return JSON.parse(text) as GoMod;
  }

  /** A copy of the version of AWS's module that go.mod asks for, with the file that makes its programs ours. */
  async #awsCopy(
    toolchain: GoToolchain,
    place: GoPlace,
    scratchDir: string,
    mod: GoMod,
    version: string,
  ): Promise<string> {
    const replaced = mod.Replace?.find(
      ({ Old }) => Old.Path === AWS_MODULE && (Old.Version === undefined || Old.Version === version),
    )?.New;
    // A fork on the disk may change at any time: its copy is made for this build.
    if (replaced !== undefined && replaced.Version === undefined)
      return this.#copy(resolve(place.folder, replaced.Path), join(scratchDir, 'aws'));
    const [path, wanted] = [replaced?.Path ?? AWS_MODULE, replaced?.Version ?? version];
    if (path === AWS_MODULE) checkAwsVersion(wanted);
    const name = `${createHash('sha256').update(`${path}@${wanted}`).digest('hex').slice(0, 16)}-${this.#sdkDigest}`;
    const target = join(this.copiesDir, name);
    if (existsSync(target)) return target;
    let copy = this.#copies.get(name);
    if (copy === undefined) {
      copy = (async () => {
        // Beside copies: Go checks the author's sums, and would write new ones into them.
        const sums = join(place.folder, 'go.sum');
        if (existsSync(sums)) await copyFile(sums, join(scratchDir, 'go.sum'));
        const args = ['mod', 'download', '-json', `${path}@${wanted}`];
        const there = { ...place, folder: scratchDir };
        const text = await toolchain.run(there, args, MOD_FAILURE, { writeDirs: [scratchDir] });
        const { Dir } = JSON.parse(text) as { Dir: string };
        return this.#copy(Dir, target);
      })();
      this.#copies.set(name, copy);
    }
    return copy;
  }

  /** The same of what is vendored, for this build alone. */
  async #vendoredAwsCopy(
    place: GoPlace,
    scratchDir: string,
    version: string | undefined,
  ): Promise<string | undefined> {
    const folder = join(place.folder, 'vendor', AWS_MODULE);
    if (version === undefined || !existsSync(join(folder, 'lambda'))) return undefined;
    checkAwsVersion(version);
    const copy = await this.#copy(folder, join(scratchDir, 'aws'));
    await writeFile(join(copy, 'go.mod'), `module ${AWS_MODULE}\n\ngo 1.18\n`);
    return copy;
  }

  async #copy(from: string, target: string): Promise<string> {
    const unfinished = `${target}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await new FileCopier(unfinished).copyPackages([{ name: AWS_MODULE, dir: from, to: '.' }]);
    await copyFile(join(SDK_DIR, ADDED_FILE), join(unfinished, 'lambda', 'start_here.go'));
    await rm(target, { recursive: true, force: true });
    await rename(unfinished, target);
    return target;
  }
}

function checkAwsVersion(version: string): void {
  const [, minor] = /^v1\.(\d+)\./.exec(version) ?? [];
  if (minor === undefined || Number(minor) >= AWS_MINOR_MIN) return;
  throw new LambentError(
    'E_BUILD_FAILED',
    `${AWS_MODULE} ${version} is too old: functions need v1.${AWS_MINOR_MIN}.0 or later`,
    { hint: `Run \`go get ${AWS_MODULE}@latest\`, then deploy again.` },
  );
}

/** An upload must not have code of this machine compiled into it. */
async function checkReplaced(mod: GoMod, folder: string, confinedTo: string): Promise<void> {
  for (const { Old, New } of mod.Replace ?? []) {
    if (New.Version !== undefined || Old.Path === OWN_MODULE) continue;
    const target = await realpath(resolve(folder, New.Path)).catch(() => undefined);
    if (target === undefined || !isBelow(confinedTo, target))
      throw new LambentError(
        'E_BUILD_FAILED',
        `go.mod replaces ${Old.Path} by ${New.Path}, which is not in the app`,
        {
          hint: 'Move the module into the folder of the app, or require a published version.',
        },
      );
  }
}
