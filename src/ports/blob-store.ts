import type { BlobDigest } from '../model/function.ts';

/** Immutable folders of files, named by the digest of what they hold: built code. */
export interface BlobStore {
  /**
   * Takes over a finished folder: it is moved in, made durable, and named by the SHA-256 over its sorted relative
   * paths, modes and contents. Storing the same twice gives the same digest and keeps one copy. A folder is refused,
   * and left where it was, with `E_ARCHIVE_INVALID` when links lead out of it or it holds devices or pipes, and with
   * `E_ARCHIVE_TOO_LARGE`.
   *
   * `derived`: a folder in it, by name, that the platform itself made from the rest, and that so does not count. Never
   * one that somebody else could have put there: who stores the same code later gets it.
   */
  adopt(folder: string, derived?: string): Promise<BlobDigest>;
  /** Absolute path of the stored folder, to be read only; `undefined` when it is not there. */
  locate(digest: BlobDigest): Promise<string | undefined>;
  list(): Promise<BlobDigest[]>;
  /** False when there was none. */
  delete(digest: BlobDigest): Promise<boolean>;
}
