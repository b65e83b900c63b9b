import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobDigest } from '../model/function.ts';
import { type FolderEntry, walkFolder } from './walk-folder.ts';

/** Files read and written out at the same time: more than the threads that do it would only hold descriptors. */
const FILES_AT_ONCE = 16;
const CHUNK_BYTES = 256 * 1024;

type FileEntry = Extract<FolderEntry, { kind: 'file' }>;

/**
 * Makes a folder durable and read-only, and says what it holds: SHA-256 over its sorted entries, each with its kind,
 * whether it may be executed, its path and the SHA-256 of its content (or the target of a link). Times, owners and
 * other modes do not count, nor does what is in the folder `derived`.
 *
 * @throws as `walkFolder`, and the file system's own errors
 */
export async function sealFolder(folder: string, derived?: string): Promise<BlobDigest> {
  const entries = await walkFolder(folder);
  const files = entries.filter((entry) => entry.kind === 'file');
  const hashes = new Map<string, string>();
  await forEachAtOnce(files, async (entry, place) => {
    const path = join(folder, entry.path);
    // Package managers link files out of their caches: a copy of its own keeps the blob from changing with them.
    if (entry.shared) await unshare(path, `${folder}.copy-${place}`);
    hashes.set(entry.path, await sealFile(path, entry));
  });
  const folders = entries.filter((entry) => entry.kind === 'folder').map((entry) => entry.path);
  // The deepest first: a folder is sealed when nothing in it changes any more.
  for (const path of [...folders.reverse(), '']) {
    const absolute = join(folder, path);
    await syncFolder(absolute);
    await chmod(absolute, 0o555);
  }
  const digest = createHash('sha256');
  for (const entry of entries)
    if (entry.path.split('/')[0] !== derived) digest.update(`${lineOf(entry, hashes)}\n`);
  return digest.digest('hex') as BlobDigest;
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Lets a folder be deleted again, as far as it exists and is one. */
export async function unsealFolder(path: string): Promise<void> {
  try {
    await chmod(path, 0o700);
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory()) await unsealFolder(join(path, entry.name));
    }
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw thrown;
  }
}

/** JSON keeps names apart whatever characters they have. */
function lineOf(entry: FolderEntry, hashes: ReadonlyMap<string, string>): string {
  switch (entry.kind) {
    case 'folder':
      return JSON.stringify(['folder', entry.path]);
    case 'link':
      return JSON.stringify(['link', entry.path, entry.target]);
    case 'file':
      return JSON.stringify(['file', entry.executable, entry.path, hashes.get(entry.path)]);
  }
}

async function sealFile(path: string, entry: FileEntry): Promise<string> {
  const handle = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, entry.size + 1));
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.byteLength);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
    }
    await handle.chmod(entry.executable ? 0o555 : 0o444);
    await handle.sync();
    return hash.digest('hex');
  } finally {
    await handle.close();
  }
}

async function unshare(path: string, copy: string): Promise<void> {
  await copyFile(path, copy, constants.COPYFILE_EXCL);
  await rename(copy, path);
}

async function forEachAtOnce<Item>(
  items: readonly Item[],
  act: (item: Item, place: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const place = next;
      next += 1;
      await act(items[place]!, place);
    }
  };
  await Promise.all(Array.from({ length: Math.min(FILES_AT_ONCE, items.length) }, work));
}
