import { access, link, mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Code of more files than this takes longer to be linked than a process takes to start. */
const FILES_MAX = 64;
/** Versions whose linked files are kept for their next start. */
const SPARES_MAX = 128;

/** A slot without a process that holds all of some code, and what is at its top. */
interface Spare {
  readonly slot: string;
  readonly names: readonly string[];
}

/**
 * Places for the code of processes that were started before it was known what they will run. Each process sees its
 * own folder, read-only and empty; later the files of a version are linked into it from outside. They are the very
 * files of the blob store: nothing is copied, and nothing inside can change them.
 *
 * Linking takes a handful of file operations one after another, while a caller waits. So what a process leaves is kept
 * for the next one of its version, whose slot gets it by a move: at once, and in one operation for most code.
 */
export class CodeSlots {
  /** All slots are in this folder, on the file system of the blob store. */
  readonly folder: string;
  /** The code that each filled slot holds. */
  readonly #filled = new Map<string, string>();
  /** By their code, in the order in which they were kept or looked at. */
  readonly #spares = new Map<string, Spare>();

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
    const isWhole = (await this.#moveSpare(slot, codeDir)) || (await linkAll(codeDir, slot));
    if (isWhole) this.#filled.set(slot, codeDir);
    return isWhole;
  }

  /** The process of this slot has ended. What was linked into it stays where it was. */
  async remove(slot: string): Promise<void> {
    const codeDir = this.#filled.get(slot);
    this.#filled.delete(slot);
    if (codeDir === undefined) await removeFolder(slot);
    else await this.#keep(codeDir, { slot, names: await readdir(slot) });
  }

  /** False: there is none. */
  async #moveSpare(slot: string, codeDir: string): Promise<boolean> {
    const spare = this.#spares.get(codeDir);
    if (spare === undefined) return false;
    this.#spares.delete(codeDir);
    await Promise.all(spare.names.map((name) => rename(join(spare.slot, name), join(slot, name))));
    void removeFolder(spare.slot).catch(() => {});
    return true;
  }

  async #keep(codeDir: string, spare: Spare): Promise<void> {
    if (this.#spares.has(codeDir)) {
      await removeFolder(spare.slot);
      return;
    }
    this.#spares.set(codeDir, spare);
    const [oldest, oldSpare] = this.#spares.entries().next().value!;
    this.#spares.delete(oldest);
    // Files of a version that was deleted must not stay on the disk for the sake of its next start.
    const isWanted = this.#spares.size < SPARES_MAX && (await exists(oldest));
    if (isWanted && !this.#spares.has(oldest)) this.#spares.set(oldest, oldSpare);
    else await removeFolder(oldSpare.slot);
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });

async function linkAll(codeDir: string, slot: string): Promise<boolean> {
  try {
    return (await fillFolder(codeDir, slot, FILES_MAX)) >= 0;
  } catch (error) {
    if (['EXDEV', 'EPERM', 'EMLINK'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
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
