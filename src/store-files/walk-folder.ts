import type { Dirent } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { LambentError } from '../base/errors.ts';

/** Most files, folders and links of one blob. */
export const BLOB_ENTRIES_MAX = 100_000;
/** Most bytes of its files together. */
export const BLOB_BYTES_MAX = 2 * 1024 * 1024 * 1024;
/** Most folders within one another. */
export const BLOB_DEPTH_MAX = 64;

/** Something in a folder. `path` is relative, with forward slashes. */
export type FolderEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly executable: boolean;
      readonly size: number;
      /** Other names lead to the same bytes: they can be changed from outside. */
      readonly shared: boolean;
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/**
 * Everything in a folder, sorted by the bytes of its path.
 *
 * @throws `E_ARCHIVE_INVALID` for links that lead out of it and for what is neither file, folder nor link;
 * `E_ARCHIVE_TOO_LARGE` over a limit
 */
export async function walkFolder(folder: string): Promise<FolderEntry[]> {
  if (!(await lstat(folder)).isDirectory()) refuse('.', 'is not a folder');
  const entries: FolderEntry[] = [];
  let bytes = 0;
  const visit = async (under: string, depth: number): Promise<void> => {
    if (depth > BLOB_DEPTH_MAX) tooLarge(`nests deeper than ${BLOB_DEPTH_MAX} folders`);
    for (const dirent of await readdir(join(folder, under), { withFileTypes: true })) {
      const path = under === '' ? dirent.name : `${under}/${dirent.name}`;
      const entry = await toEntry(folder, path, dirent);
      entries.push(entry);
      if (entry.kind === 'file') bytes += entry.size;
      if (entries.length > BLOB_ENTRIES_MAX) tooLarge(`has more than ${BLOB_ENTRIES_MAX} files`);
      if (bytes > BLOB_BYTES_MAX) tooLarge(`has more than ${BLOB_BYTES_MAX} bytes`);
      if (entry.kind === 'folder') await visit(path, depth + 1);
    }
  };
  await visit('', 1);
  return entries.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

async function toEntry(folder: string, path: string, dirent: Dirent): Promise<FolderEntry> {
  if (dirent.isDirectory()) return { kind: 'folder', path };
  const absolute = join(folder, path);
  if (dirent.isSymbolicLink()) {
    const target = await readlink(absolute);
    if (leavesFolder(path, target)) refuse(path, `is a link that leads out of the folder, to ${target}`);
    return { kind: 'link', path, target };
  }
  if (!dirent.isFile()) refuse(path, 'is neither a file, a folder nor a link');
  const { mode, size, nlink } = await lstat(absolute);
  return { kind: 'file', path, executable: (mode & 0o100) !== 0, size, shared: nlink > 1 };
}

/**
 * By the text of the target, whatever it leads to. Steps up are allowed only at its beginning, where they go through
 * real folders: after the name of another link, `..` would go up from wherever that one leads.
 */
function leavesFolder(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/')) return true;
  if (/(^|\/)(?!\.\.?(\/|$))[^/]+\/(.*\/)?\.\.(\/|$)/.test(target)) return true;
  const reached = posix.normalize(posix.join(posix.dirname(path), target));
  return reached === '..' || reached.startsWith('../');
}

function refuse(path: string, what: string): never {
  throw new LambentError('E_ARCHIVE_INVALID', `${path} ${what}.`, { details: { path } });
}

function tooLarge(what: string): never {
  throw new LambentError('E_ARCHIVE_TOO_LARGE', `The folder ${what}.`);
}
