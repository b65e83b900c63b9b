import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { join, relative } from 'node:path';
import * as z from 'zod';
import type { BlobDigest } from '../../model/function.ts';

/** Notes that are kept; of more, those written longest ago go, this share of them at once. */
export const NOTES_MAX = 20_000;
const DROPPED_SHARE = 0.1;
/** A build of more inputs than fit is not noted on the disk: it is built again after a restart. */
export const NOTE_BYTES_MAX = 1024 * 1024;
const CHECK_CHARS = 64;
const SUFFIX = '.json';

const NOTE = z.strictObject({
  /** Of which function: names of files are digests. */
  key: z.string(),
  optionsKey: z.string(),
  namesDigest: z.string(),
  inputs: z.array(z.tuple([z.string(), z.string()])),
  code: z.string().regex(/^[0-9a-f]{64}$/),
  entry: z.string(),
});

/** What a function was built from, and what came of it. */
export interface BuildNote {
  readonly optionsKey: string;
  readonly namesDigest: string;
  /** Portable paths with digests. */
  readonly inputs: readonly (readonly [string, string])[];
  readonly code: BlobDigest;
  readonly entry: string;
}

/**
 * Keeps what builds were made from across restarts: one file a function, each with a checksum in its first line.
 *
 * Guaranteed: a note that cannot be read, is damaged, or was made by another version of the platform's builder counts
 * as none; a crash leaves old notes, new ones, or none. Deliberately absent: waiting for the disk. A note that a power
 * cut swallows costs one build.
 */
export class BuildNotes {
  readonly #folder: string;
  readonly #notesMax: number;
  #builder: Promise<string> | undefined;
  /** How many files there are, about: counted once, then with each write. */
  #count: Promise<number> | undefined;
  #written = 0;

  /** `folder` is made with the first note. One process at a time may use it. */
  constructor(folder: string, notesMax = NOTES_MAX) {
    this.#folder = folder;
    this.#notesMax = notesMax;
  }

  async read(key: string): Promise<BuildNote | undefined> {
    const path = await this.#pathOf(key);
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === undefined || text.length > NOTE_BYTES_MAX) return undefined;
    const body = text.slice(CHECK_CHARS + 1);
    if (text.slice(0, CHECK_CHARS + 1) !== `${sha256(body)}\n`) return undefined;
    const { data } = NOTE.safeParse(JSON.parse(body));
    if (data === undefined || data.key !== key) return undefined;
    return { ...data, code: data.code as BlobDigest };
  }

  /** Failures are nobody's: the note is missing then. */
  async write(key: string, { optionsKey, namesDigest, inputs, code, entry }: BuildNote): Promise<void> {
    const body = JSON.stringify({ key, optionsKey, namesDigest, inputs, code, entry });
    if (Buffer.byteLength(body) + CHECK_CHARS >= NOTE_BYTES_MAX) return this.remove(key);
    this.#written += 1;
    const working = join(this.#folder, `.working-${this.#written}`);
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await this.#makeRoom();
      await writeFile(working, `${sha256(body)}\n${body}`, { mode: 0o600 });
      await rename(working, await this.#pathOf(key));
    } catch {
      await rm(working, { force: true }).catch(() => {});
      await this.remove(key);
    }
  }

  async remove(key: string): Promise<void> {
    await rm(await this.#pathOf(key), { force: true }).catch(() => {});
  }

  async #makeRoom(): Promise<void> {
    this.#count ??= readdir(this.#folder).then((names) => names.length);
    const count = (await this.#count) + 1;
    this.#count = Promise.resolve(count);
    if (count <= this.#notesMax) return;
    this.#count = this.#dropOldest();
    await this.#count;
  }

  /** Resolves with how many are left. */
  async #dropOldest(): Promise<number> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith(SUFFIX));
    const dated: { name: string; writtenMs: number }[] = [];
    for (const name of names) {
      const facts = await stat(join(this.#folder, name)).catch(() => undefined);
      dated.push({ name, writtenMs: facts?.mtimeMs ?? 0 });
    }
    dated.sort((left, right) => left.writtenMs - right.writtenMs);
    const left = Math.floor(this.#notesMax * (1 - DROPPED_SHARE));
    const dropped = dated.slice(0, Math.max(0, dated.length - left));
    for (const { name } of dropped) await rm(join(this.#folder, name), { force: true });
    return dated.length - dropped.length;
  }

  async #pathOf(key: string): Promise<string> {
    this.#builder ??= digestBuilder();
    return join(this.#folder, `${sha256(`${await this.#builder}\n${key}`)}${SUFFIX}`);
  }
}

/** Over the code that builds, and the exact versions of the packages that it builds with: others build otherwise. */
async function digestBuilder(): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(import.meta.dirname, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && !/\.test\.[jt]s$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.sort())
    hash.update(`${relative(import.meta.dirname, path)}\0`).update(await readFile(path));
  const manifest = findPackageJSON(import.meta.url);
  if (manifest !== undefined) hash.update(await readFile(manifest));
  return hash.digest('hex');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
