import { link, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Code of more files than this takes longer to be linked than a process takes to start. */
const FILES_MAX = 64;

/**
 * Places for the code of processes that were started before it was known what they will run. Each process sees its
 * own folder, read-only and empty; later the files of a version are linked into it from outside. They are the very
 * files of the blob store: nothing is copied, and nothing inside can change them.
 */
export class CodeSlots {
  /** All slots are in this folder, on the file system of the blob store. */
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes an empty slot; resolves with its path. */
  async make(id: string): Promise<string> {
    const slot = join(this.folder, id);
    await mkdir(slot, { recursive: true, mode: 0o755 });
    return slot;
  }

  /** False: the code has too many files, or lies on another file system. The slot may hold some of them then. */
  async fill(slot: string, codeDir: string): Promise<boolean> {
    try {
      return (await fillFolder(codeDir, slot, FILES_MAX)) >= 0;
    } catch (error) {
      if (['EXDEV', 'EPERM', 'EMLINK'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  }

  /** Removes a slot; what was linked into it stays where it was. */
  async remove(slot: string): Promise<void> {
    await rm(slot, { recursive: true, force: true });
  }
}

/** Returns how many files may still follow; negative: it stopped because there were too many. */
async function fillFolder(from: string, to: string, room: number): Promise<number> {
  let left = room;
  for (const entry of await readdir(from, { withFileTypes: true })) {
    left -= 1;
    if (left < 0) return left;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      await mkdir(target, { mode: 0o755 });
      left = await fillFolder(source, target, left);
      if (left < 0) return left;
    } else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else await link(source, target);
  }
  return left;
}
