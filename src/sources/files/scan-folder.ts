import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Entries of a folder, those below it included, that one look goes through; more are trouble. */
export const ENTRIES_MAX = 100_000;
/** Levels of folders. */
const DEPTH_MAX = 16;

/** What tells a file's state from another: if none of it changed, the file is taken for the same. */
export interface FileState {
  readonly mtimeMs: number;
  readonly size: number;
  readonly inode: number;
}

export class FolderTooLarge extends Error {}

/**
 * The files in a folder whose path within it fits, by that path. Links are not followed, and what goes while it is
 * looked at counts as gone. Throws what reading the folder itself threw, or FolderTooLarge.
 */
export async function scanFolder(
  folder: string,
  fits: (path: string) => boolean,
): Promise<Map<string, FileState>> {
  const found = new Map<string, FileState>();
  let entries = 0;
  const visit = async (below: string, depth: number): Promise<void> => {
    const here = await readdir(join(folder, below), { withFileTypes: true });
    entries += here.length;
    if (entries > ENTRIES_MAX) throw new FolderTooLarge(`it has more than ${ENTRIES_MAX} entries`);
    for (const entry of here) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) {
        if (depth >= DEPTH_MAX) throw new FolderTooLarge(`it is nested deeper than ${DEPTH_MAX}`);
        await visit(path, depth + 1).catch(passOverGone);
      } else if (entry.isFile() && fits(path)) {
        const state = await lstat(join(folder, path)).catch(passOverGone);
        if (state !== undefined)
          found.set(path, { mtimeMs: Math.trunc(state.mtimeMs), size: state.size, inode: state.ino });
      }
    }
  };
  await visit('', 1);
  return found;
}

function passOverGone(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code !== 'ENOENT' && thrown.code !== 'ENOTDIR') throw thrown;
}

export function isSameState(one: FileState | undefined, other: FileState | undefined): boolean {
  return one?.mtimeMs === other?.mtimeMs && one?.size === other?.size && one?.inode === other?.inode;
}
