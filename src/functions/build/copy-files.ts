import type { Stats } from 'node:fs';
import {
  chmod,
  constants,
  copyFile,
  glob,
  lstat,
  mkdir,
  readdir,
  realpath,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { LambentError } from '../../base/errors.ts';
import type { PlacedPackage } from './package-closure.ts';
import { SKIPPED_FOLDERS } from './skipped-folders.ts';

/** The most files that are copied along with one function. */
export const COPIED_FILES_MAX = 20_000;
/** The most bytes that are copied along with one function. */
export const COPIED_BYTES_MAX = 1024 * 1024 * 1024;
/** Folders that belong to tools, never to a function. */
export const NEVER_COPIED: ReadonlySet<string> = new Set(['.git', '.lambent']);

/** Copies into one function's folder and counts against its limits. */
export class FileCopier {
  readonly #outDir: string;
  readonly #copied = new Map<string, string>();
  #bytes = 0;

  constructor(outDir: string) {
    this.#outDir = outDir;
  }

  /** Absolute paths of everything that was copied. */
  get sources(): string[] {
    return [...this.#copied.values()];
  }

  /** Copies packages to their places, links resolved to plain files. */
  async copyPackages(packages: readonly PlacedPackage[]): Promise<void> {
    for (const { dir, to } of packages) await this.#copyTree(dir, dir, to, SKIPPED_FOLDERS);
  }

  /** Copies a folder of the app with all that is in it, `node_modules` too. `path` is relative to the app; `.`: all of it. */
  async copyFolder(folder: string, path: string): Promise<void> {
    const place = path === '.' ? '' : path;
    await this.#copyTree(folder, join(folder, place), place, NEVER_COPIED);
  }

  /** Copies installed packages as they are into a folder (relative to the app), in the place of its own. */
  async copyModules(modulesDir: string, to: string): Promise<void> {
    const place = to === '.' ? 'node_modules' : `${to}/node_modules`;
    await this.#copyTree(modulesDir, modulesDir, place, NEVER_COPIED);
  }

  /** Copies the files that paths and globs name, to the same places relative to the app. */
  async copyIncluded(folder: string, patterns: readonly string[]): Promise<void> {
    for (const pattern of patterns) {
      let matches = 0;
      for await (const match of glob(pattern.replace(/^\.\//, ''), {
        cwd: folder,
        exclude: (path) => path.split(sep).some((part) => SKIPPED_FOLDERS.has(part)),
      })) {
        matches += 1;
        await this.#copyInside(folder, join(folder, match), match.split(sep).join('/'));
      }
      if (matches === 0)
        throw new LambentError(
          'E_BUILD_FAILED',
          `\`include\` names \`${pattern}\`, which matches no file of the app`,
          {
            details: { pattern },
          },
        );
    }
  }

  /** Copies files to the same places relative to the app. */
  async copyFiles(folder: string, paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#copyInside(folder, join(folder, path), path, SKIPPED_FOLDERS);
  }

  /** Whether a file was copied to this place. */
  has(path: string): boolean {
    return this.#copied.has(path);
  }

  async #copyTree(root: string, from: string, to: string, skipped: ReadonlySet<string>): Promise<void> {
    const entries = (await readdir(from)).toSorted();
    for (const name of entries) {
      if (skipped.has(name)) continue;
      await this.#copyInside(root, join(from, name), to === '' ? name : `${to}/${name}`, skipped);
    }
  }

  /** Copies a file or folder that must really be below `root`, wherever links on the way lead. */
  async #copyInside(root: string, from: string, to: string, skipped = SKIPPED_FOLDERS): Promise<void> {
    const isLink = (await lstat(from)).isSymbolicLink();
    const real = isLink ? await realpath(from).catch(() => undefined) : from;
    if (real === undefined) return;
    const facts = await stat(real);
    // A link to a folder could lead in circles, and one that leaves could take in anything.
    if (isLink && (facts.isDirectory() || !isBelow(root, real))) return;
    if (facts.isDirectory()) await this.#copyTree(root, real, to, skipped);
    else if (!facts.isFile()) return;
    else if (isLink && basename(dirname(from)) === '.bin' && isExecutable(facts))
      await this.#writeLauncher(relative(dirname(from), real), real, to);
    else await this.#copyOne(real, to, facts);
  }

  /**
   * In place of a link of `node_modules/.bin`: a copy of the program would look for its own files beside itself, and not
   * find them there.
   */
  async #writeLauncher(way: string, real: string, to: string): Promise<void> {
    if (this.#copied.has(to)) return;
    this.#copied.set(to, real);
    const target = join(this.#outDir, to);
    await mkdir(dirname(target), { recursive: true });
    const quoted = way.split(sep).join('/').replaceAll("'", "'\\''");
    await writeFile(target, `#!/bin/sh\nexec "\${0%/*}"/'${quoted}' "$@"\n`, { mode: 0o755 });
  }

  async #copyOne(from: string, to: string, facts: Stats): Promise<void> {
    if (this.#copied.has(to)) return;
    this.#copied.set(to, from);
    this.#bytes += facts.size;
    if (this.#copied.size > COPIED_FILES_MAX || this.#bytes > COPIED_BYTES_MAX)
      throw new LambentError(
        'E_BUILD_FAILED',
        `more than ${COPIED_FILES_MAX} files or ${COPIED_BYTES_MAX} bytes would be copied along; the limit was reached at ${to}`,
        { hint: 'Narrow `include`, or take packages out of `external`.' },
      );
    const target = join(this.#outDir, to);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(from, target, constants.COPYFILE_FICLONE);
    // Modes are part of a blob's digest: only whether a file is executable may count.
    await chmod(target, isExecutable(facts) ? 0o755 : 0o644);
  }
}

/**
 * After code of others has worked in a folder: that no link in it leads to something outside, which the platform, who
 * may read more than they, would take in. Rejects with `E_BUILD_FAILED`.
 */
export async function refuseLinksOut(folder: string): Promise<void> {
  const root = await realpath(folder);
  const waiting = [root];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop())
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) waiting.push(path);
      if (!entry.isSymbolicLink()) continue;
      const target = await realpath(path).catch(() => undefined);
      if (target !== undefined && !isBelow(root, target))
        throw new LambentError(
          'E_BUILD_FAILED',
          `what was built has a link that leads out of it: ${relative(root, path)}`,
          { hint: 'Copy what it leads to instead.' },
        );
    }
}

function isExecutable({ mode }: Stats): boolean {
  return (mode & 0o111) !== 0;
}

/** Whether a real path is the folder itself or below it. */
export function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !way.startsWith(sep));
}
