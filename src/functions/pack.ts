import { createReadStream, existsSync } from 'node:fs';
import { lstat, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { LambentError } from '../base/errors.ts';
import * as limits from './archive/archive-limits.ts';
import type { IgnoreRules } from './archive/ignore-rules.ts';
import { FOLDER_NAME_FILE, NPM_LOCKS } from './archive/packed-folder.ts';
import { readIgnoreRules } from './archive/read-ignore-rules.ts';
import { encodeTarHeader, TAR_BLOCK_BYTES, tarPadding } from './archive/tar-headers.ts';
import { isBelow } from './build/copy-files.ts';
import { findPackage } from './build/installed-packages.ts';
import { planPackages } from './build/package-closure.ts';
import { SKIPPED_FOLDERS } from './build/skipped-folders.ts';

interface PackedFile {
  /** Path in the archive. */
  readonly path: string;
  /** Absolute path on disk, or the contents themselves. */
  readonly source: string | Buffer;
  readonly size: number;
  readonly executable: boolean;
}

/**
 * The folder of an app as a tar.gz, to be sent to `POST /deployments`. Equal contents give equal bytes.
 *
 * Left out: `.git`, `.lambent`, logs, editor files, `.env` files, and what `.lambentignore` lists (in the manner
 * of .gitignore). The app's `node_modules` stays behind where there is a lock file of npm, because the server installs the
 * same packages from it; without one (pnpm, yarn, or no lock at all) the production dependencies of package.json
 * travel along as plain files. Links to files inside the folder become files; other links are refused.
 *
 * Throws `E_ARCHIVE_TOO_LARGE` or `E_ARCHIVE_INVALID` before anything was given out.
 */
export async function* packApp(folder: string): AsyncGenerator<Uint8Array, void, undefined> {
  const root = await realpath(folder).catch((thrown: unknown) => {
    throw new LambentError('E_APP_EMPTY', `${folder} does not exist`, { cause: thrown });
  });
  const files = await listFiles(root);
  const compressed = Readable.from(tarOf(files), { objectMode: false }).pipe(createGzip({ level: 6 }));
  let bytes = 0;
  for await (const chunk of compressed as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limits.ARCHIVE_BYTES_MAX)
      throw tooLarge(`packs to more than ${limits.ARCHIVE_BYTES_MAX} bytes`);
    yield chunk;
  }
}

async function* tarOf(files: readonly PackedFile[]): AsyncGenerator<Uint8Array> {
  for (const { path, source, size, executable } of files) {
    yield encodeTarHeader(path, size, executable);
    let left = size;
    if (typeof source !== 'string') {
      yield source;
      left = 0;
    }
    // A file that changes while it is read must not shift what follows: exactly `size` bytes are sent.
    else if (size > 0)
      for await (const chunk of createReadStream(source, { end: size - 1 }) as AsyncIterable<Buffer>) {
        left -= chunk.length;
        yield chunk;
      }
    if (left !== 0)
      throw new LambentError('E_ARCHIVE_INVALID', `\`${path}\` became shorter while it was packed`, {
        hint: 'Stop what writes to the folder, or leave the file out with .lambentignore; then try again.',
      });
    yield Buffer.alloc(tarPadding(size));
  }
  yield Buffer.alloc(2 * TAR_BLOCK_BYTES);
}

async function listFiles(root: string): Promise<PackedFile[]> {
  const list = new FileList(root, await readIgnoreRules(root));
  await list.addFolder('', root, 0);
  const hasNpmLock = NPM_LOCKS.some((name) => existsSync(join(root, name)));
  if (!hasNpmLock && existsSync(join(root, 'package.json'))) await addDependencies(list, root);
  const name = Buffer.from(basename(root));
  list.files.push({ path: FOLDER_NAME_FILE, source: name, size: name.length, executable: false });
  return list.files.toSorted((left, right) => (left.path < right.path ? -1 : 1));
}

/** The production dependencies, laid out as plain folders. */
async function addDependencies(list: FileList, root: string): Promise<void> {
  let json: { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> };
  try {
    json = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  } catch {
    // The server says what is wrong with it.
    return;
  }
  const names = Object.keys({ ...json.dependencies, ...json.optionalDependencies }).toSorted();
  const roots = names.flatMap((name) => {
    const dir = findPackage(name, root, undefined);
    return dir === undefined ? [] : [{ name, dir }];
  });
  for (const { dir, to } of planPackages(roots, undefined)) await list.addFolder(to, dir, 0);
}

class FileList {
  readonly files: PackedFile[] = [];
  readonly #root: string;
  readonly #rules: IgnoreRules;
  #bytes = 0;

  constructor(root: string, rules: IgnoreRules) {
    this.#root = root;
    this.#rules = rules;
  }

  /** Adds everything below `source`. `path` is its place in the archive; rules apply to the app's own files. */
  async addFolder(path: string, source: string, depth: number): Promise<void> {
    if (depth > limits.PATH_DEPTH_MAX)
      throw tooLarge(`has folders more than ${limits.PATH_DEPTH_MAX} deep at ${path}`);
    const isPackage = path.startsWith('node_modules/');
    for (const entry of await readdir(source, { withFileTypes: true })) {
      // The app's own packages come in another way; those of a folder in it, only where `.lambentignore` brings them.
      const isOwnPackages = entry.name === 'node_modules' && (path === '' || isPackage);
      if (isOwnPackages || (SKIPPED_FOLDERS.has(entry.name) && entry.name !== 'node_modules')) continue;
      const entryPath = path === '' ? entry.name : `${path}/${entry.name}`;
      const isBrought = isPackage || path.split('/').includes('node_modules');
      if (!isBrought && this.#rules.ignores(entryPath, entry.isDirectory())) continue;
      const entrySource = join(source, entry.name);
      if (entry.isDirectory()) await this.addFolder(entryPath, entrySource, depth + 1);
      else if (entry.isFile()) await this.#addFile(entryPath, entrySource);
      else if (entry.isSymbolicLink() && !isPackage) await this.#addLink(entryPath, entrySource);
    }
  }

  async #addLink(path: string, source: string): Promise<void> {
    const target = await realpath(source).catch(() => undefined);
    const isFile = target !== undefined && (await stat(target)).isFile();
    if (!isFile || !isBelow(this.#root, target))
      throw new LambentError('E_ARCHIVE_INVALID', `the link \`${path}\` does not lead to a file of the app`, {
        hint: 'Replace it by what it leads to, or leave it out with .lambentignore.',
        details: { entry: path },
      });
    await this.#addFile(path, target);
  }

  async #addFile(path: string, source: string): Promise<void> {
    const { size, mode } = await lstat(source);
    this.#bytes += size;
    this.files.push({ path: path.split(sep).join('/'), source, size, executable: (mode & 0o111) !== 0 });
    if (this.files.length > limits.ENTRIES_MAX) throw tooLarge(`has more than ${limits.ENTRIES_MAX} files`);
    if (this.#bytes > limits.UNPACKED_BYTES_MAX)
      throw tooLarge(`holds more than ${limits.UNPACKED_BYTES_MAX} bytes at ${relative(this.#root, source)}`);
  }
}

function tooLarge(what: string): LambentError {
  return new LambentError('E_ARCHIVE_TOO_LARGE', `the app's folder ${what}`);
}
