import { chmod, cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LambentError } from '../base/errors.ts';
import type { BlobDigest } from '../model/function.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import { sealFolder, syncFolder, unsealFolder } from './seal-folder.ts';
import { walkFolder } from './walk-folder.ts';

/*
 * Blobs are built code: folders that never change, named by the SHA-256 of what they hold.
 *
 * A folder is moved in under a working name, read and made durable there, and only then gets its name, in one
 * rename: so a name stands for a whole blob or for nothing, whatever crashes when. Everything under a working name
 * that is there at the start is from a crash, and is removed.
 *
 * Guaranteed: equal content has one digest and one copy, also when it is stored twice at once; what has a name is on
 * the disk; stored files are read-only; nothing in a blob leads out of it.
 * Deliberately absent: compression, and sharing of single files between blobs.
 */

export interface BlobStoreOptions {
  /** Made if it is missing. One process at a time may have it open: the store's lock on the data folder sees to that. */
  folder: string;
}

const DIGEST = /^[0-9a-f]{64}$/;
/** Begins the names of what is not, or no longer, a blob. */
const WORKING = '.working-';

/** @throws `E_STORE_FAILED`, `E_DISK_FULL` */
export async function openBlobStore(options: BlobStoreOptions): Promise<BlobStore> {
  const { folder } = options;
  await mapErrors(async () => {
    // Not to be listed, but instances with a user of their own may enter what is theirs.
    await mkdir(folder, { recursive: true, mode: 0o711 });
    await chmod(folder, 0o711);
    for (const name of await readdir(folder)) {
      if (name.startsWith(WORKING)) await removeSealed(join(folder, name));
    }
  });
  return new FolderBlobStore(folder);
}

class FolderBlobStore implements BlobStore {
  readonly #folder: string;
  #worked = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws `E_ARCHIVE_INVALID`, `E_ARCHIVE_TOO_LARGE`, `E_DISK_FULL`, `E_STORE_FAILED` */
  adopt(folder: string, derived?: string): Promise<BlobDigest> {
    return mapErrors(async () => {
      // Looked at before it is taken, so that a folder that is refused is still where it was.
      await walkFolder(folder);
      const working = this.#workingName();
      await moveFolder(folder, working);
      try {
        const digest = await sealFolder(working, derived);
        await this.#publish(working, digest);
        return digest;
      } catch (thrown) {
        await removeSealed(working);
        throw thrown;
      }
    });
  }

  async locate(digest: BlobDigest): Promise<string | undefined> {
    if (!DIGEST.test(digest)) return undefined;
    const path = join(this.#folder, digest);
    return (await isFolder(path)) ? path : undefined;
  }

  list(): Promise<BlobDigest[]> {
    return mapErrors(async () => {
      const names = (await readdir(this.#folder)).filter((name) => DIGEST.test(name));
      return names.sort() as BlobDigest[];
    });
  }

  delete(digest: BlobDigest): Promise<boolean> {
    return mapErrors(async () => {
      if (!DIGEST.test(digest)) return false;
      const working = this.#workingName();
      try {
        await rename(join(this.#folder, digest), working);
      } catch (thrown) {
        if (codeOf(thrown) === 'ENOENT') return false;
        throw thrown;
      }
      await removeSealed(working);
      return true;
    });
  }

  /** Gives a finished folder its name, unless another copy has it already. */
  async #publish(working: string, digest: BlobDigest): Promise<void> {
    const path = join(this.#folder, digest);
    if (!(await isFolder(path))) {
      try {
        await rename(working, path);
        await syncFolder(this.#folder);
        return;
      } catch (thrown) {
        // Someone stored the same meanwhile: a folder that holds something is never replaced by a rename.
        if (codeOf(thrown) !== 'ENOTEMPTY' && codeOf(thrown) !== 'EEXIST') throw thrown;
      }
    }
    await removeSealed(working);
  }

  #workingName(): string {
    this.#worked += 1;
    return join(this.#folder, `${WORKING}${process.pid}-${this.#worked}`);
  }
}

async function moveFolder(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (thrown) {
    if (codeOf(thrown) !== 'EXDEV') throw thrown;
    await cp(from, to, { recursive: true, verbatimSymlinks: true, errorOnExist: true, force: false });
    await rm(from, { recursive: true, force: true });
  }
}

async function removeSealed(path: string): Promise<void> {
  await unsealFolder(path);
  await rm(path, { recursive: true, force: true });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return false;
    throw toBlobError(thrown);
  }
}

async function mapErrors<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (thrown) {
    throw toBlobError(thrown);
  }
}

function toBlobError(thrown: unknown): LambentError {
  if (thrown instanceof LambentError) return thrown;
  const code = codeOf(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new LambentError('E_DISK_FULL', `The code could not be stored: ${message}.`, { cause: thrown });
  return new LambentError('E_STORE_FAILED', `The folder of built code failed: ${message}.`, {
    cause: thrown,
    hint: 'Check that the data folder and its files belong to the user who runs Lambent.',
  });
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined;
}
