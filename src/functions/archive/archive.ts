/**
 * Unpacks an uploaded tar.gz, trusting nothing in it. Only plain files and folders come out, below the given
 * folder; everything else is refused by name: links of both kinds, devices, absolute paths, `..`, backslashes,
 * drive letters, names that occur twice or differ in case alone, archives that are cut off, and those over a
 * limit. On failure nothing is left behind.
 *
 * Deliberately absent: owners, times, modes other than "executable or not", and every tar extension beyond long
 * names.
 */
import { type FileHandle, mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { LambentError } from '../../base/errors.ts';
import * as limits from './archive-limits.ts';
import { parsePaxRecords, parseTarHeader, type TarHeader } from './tar-format.ts';
import { TAR_BLOCK_BYTES, tarPadding } from './tar-headers.ts';

export interface UnpackLimits {
  readonly archiveBytesMax: number;
  readonly unpackedBytesMax: number;
  readonly entriesMax: number;
}

const DEFAULT_LIMITS: UnpackLimits = {
  archiveBytesMax: limits.ARCHIVE_BYTES_MAX,
  unpackedBytesMax: limits.UNPACKED_BYTES_MAX,
  entriesMax: limits.ENTRIES_MAX,
};

/**
 * Unpacks into `folder`, which must not exist yet; it appears whole or not at all. Rejects with
 * `E_ARCHIVE_INVALID` or `E_ARCHIVE_TOO_LARGE`, naming the entry.
 */
export async function unpackArchive(
  archive: AsyncIterable<Uint8Array>,
  folder: string,
  unpackLimits: UnpackLimits = DEFAULT_LIMITS,
): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const scratch = await mkdtemp(join(dirname(folder), `${basename(folder)}-unpack-`));
  const unpacker = new Unpacker(scratch, unpackLimits);
  try {
    for await (const chunk of gunzip(archive, unpacker, unpackLimits)) await unpacker.take(chunk);
    await unpacker.end();
    await rename(scratch, folder);
  } catch (thrown) {
    await unpacker.abandon();
    await rm(scratch, { recursive: true, force: true });
    throw thrown;
  }
}

/** Pieces in which decompressed bytes come: larger than most files, so that most files come whole. */
const INFLATED_CHUNK_BYTES = 256 * 1024;
/** Whole files that are being written at a time. Making a file is a wait for the system several times over. */
const WRITES_AT_ONCE_MAX = 16;

/** Decompresses, keeping count of what goes in and out. */
async function* gunzip(
  archive: AsyncIterable<Uint8Array>,
  unpacker: Unpacker,
  { archiveBytesMax, unpackedBytesMax, entriesMax }: UnpackLimits,
): AsyncGenerator<Buffer> {
  // Files are counted as they are announced; this also stops padding without end.
  const streamBytesMax = unpackedBytesMax + entriesMax * limits.ENTRY_OVERHEAD_BYTES + limits.META_BYTES_MAX;
  let packed = 0;
  let unpacked = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of archive) {
      packed += chunk.byteLength;
      if (packed > archiveBytesMax)
        throw new LambentError('E_ARCHIVE_TOO_LARGE', `the archive is larger than ${archiveBytesMax} bytes`);
      yield chunk;
    }
  }
  const source = Readable.from(counted(), { objectMode: false });
  const inflated = createGunzip({ chunkSize: INFLATED_CHUNK_BYTES });
  source.on('error', (error) => inflated.destroy(error));
  source.pipe(inflated);
  try {
    for await (const chunk of inflated as AsyncIterable<Buffer>) {
      unpacked += chunk.length;
      if (unpacked > limits.RATIO_FROM_BYTES && unpacked > packed * limits.RATIO_MAX)
        throw new LambentError(
          'E_ARCHIVE_TOO_LARGE',
          `the archive unpacks to more than ${limits.RATIO_MAX} times its size at ${unpacker.entryText}`,
        );
      if (unpacked > streamBytesMax)
        throw new LambentError(
          'E_ARCHIVE_TOO_LARGE',
          `the archive unpacks to more than ${streamBytesMax} bytes at ${unpacker.entryText}`,
        );
      yield chunk;
    }
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    // zlib's own codes; what the sender's stream throws passes as it is.
    if (code === 'Z_BUF_ERROR') throw invalid('the archive ends too early', unpacker.entryText);
    if (code?.startsWith('Z_')) throw invalid(`the archive is no valid gzip: ${message}`, unpacker.entryText);
    throw thrown;
  } finally {
    inflated.destroy();
    source.destroy();
  }
}

/** What the next bytes of the stream are. */
type Part =
  | { readonly kind: 'header' }
  | { readonly kind: 'file'; left: number; readonly handle: FileHandle }
  | { readonly kind: 'meta'; left: number; readonly type: string; readonly pieces: Buffer[] }
  | { readonly kind: 'skip'; left: number }
  | { readonly kind: 'ended' };

/** Turns a tar stream into files, piece by piece. */
class Unpacker {
  readonly #root: string;
  readonly #limits: UnpackLimits;
  /** Paths by their form that ignores case, so that no file system can mix two of them up. */
  readonly #seen = new Map<string, { readonly path: string; readonly isFolder: boolean; isNamed: boolean }>();
  readonly #folders = new Set<string>();
  readonly #writes = new Set<Promise<void>>();
  #writeFailure: { readonly thrown: unknown } | undefined;
  #part: Part = { kind: 'header' };
  #rest: Buffer = Buffer.alloc(0);
  #padding = 0;
  #longName: string | undefined;
  #longSize: number | undefined;
  #entry = '';
  #entries = 0;
  #bytes = 0;

  constructor(root: string, unpackLimits: UnpackLimits) {
    this.#root = root;
    this.#limits = unpackLimits;
  }

  /** The entry at work, for messages. */
  get entryText(): string {
    return this.#entry === '' ? 'its beginning' : `\`${this.#entry}\``;
  }

  async take(chunk: Buffer): Promise<void> {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (data.length > 0) {
      const part = this.#part;
      if (part.kind === 'ended') break;
      if (part.kind === 'header') {
        if (data.length < TAR_BLOCK_BYTES) break;
        const contents = data.subarray(TAR_BLOCK_BYTES);
        const taken = await this.#begin(data.subarray(0, TAR_BLOCK_BYTES), contents);
        data = contents.subarray(taken);
        continue;
      }
      const piece = data.subarray(0, part.left);
      if (part.kind === 'file') await part.handle.writeFile(piece);
      else if (part.kind === 'meta') part.pieces.push(Buffer.from(piece));
      part.left -= piece.length;
      data = data.subarray(piece.length);
      if (part.left === 0) await this.#finish(part);
    }
    // Copied, because the stream may use its memory again; it is less than one block.
    this.#rest = Buffer.from(data);
  }

  /** Resolves once all is written. */
  async end(): Promise<void> {
    const isWhole = this.#part.kind === 'header' && this.#rest.length === 0 && this.#entries > 0;
    if (this.#part.kind !== 'ended' && !isWhole) throw invalid('the archive ends too early', this.entryText);
    await Promise.all(this.#writes);
    this.#checkWrites();
  }

  /** Closes what is open. */
  async abandon(): Promise<void> {
    await Promise.all(this.#writes);
    if (this.#part.kind === 'file') await this.#part.handle.close().catch(() => {});
  }

  /** `contents`: what has come after the header. The answer is how much of it was taken along. */
  async #begin(block: Buffer, contents: Buffer): Promise<number> {
    if (block.every((byte) => byte === 0)) {
      this.#part = { kind: 'ended' };
      return 0;
    }
    const header = parseTarHeader(block);
    if (header === undefined) throw invalid('the archive has a damaged header', `after ${this.entryText}`);
    if (header.type === 'x' || header.type === 'L' || header.type === 'g') {
      this.#beginMeta(header);
      return 0;
    }
    return this.#beginEntry(header, contents);
  }

  #beginMeta({ type, size }: TarHeader): void {
    if (size > limits.META_BYTES_MAX || size === 0)
      throw invalid(`extended names of ${size} bytes are refused`, `after ${this.entryText}`);
    this.#part = { kind: 'meta', left: size, type, pieces: [] };
    this.#padding = tarPadding(size);
  }

  async #beginEntry(header: TarHeader, contents: Buffer): Promise<number> {
    const name = this.#longName ?? header.name;
    const size = this.#longSize ?? header.size;
    this.#longName = undefined;
    this.#longSize = undefined;
    this.#entry = name;
    this.#entries += 1;
    this.#bytes += size;
    const { entriesMax, unpackedBytesMax } = this.#limits;
    if (this.#entries > entriesMax)
      throw new LambentError(
        'E_ARCHIVE_TOO_LARGE',
        `the archive has more than ${entriesMax} entries at ${this.entryText}`,
      );
    if (this.#bytes > unpackedBytesMax)
      throw new LambentError(
        'E_ARCHIVE_TOO_LARGE',
        `the archive unpacks to more than ${unpackedBytesMax} bytes at ${this.entryText}`,
      );
    const isFolder = header.type === '5';
    if (!isFolder && header.type !== '0')
      throw invalid(`${typeName(header.type)} are refused`, this.entryText);
    if (isFolder && size > 0) throw invalid('a folder with contents is refused', this.entryText);
    const path = checkPath(name, isFolder);
    if (path === '') return 0;
    this.#claim(path, isFolder);
    const target = join(this.#root, path);
    await this.#makeFolder(isFolder ? target : dirname(target));
    if (isFolder) return 0;
    const mode = (header.mode & 0o111) === 0 ? 0o644 : 0o755;
    this.#padding = tarPadding(size);
    if (size <= contents.length) {
      await this.#write(target, contents.subarray(0, size), mode);
      this.#skipPadding();
      return size;
    }
    this.#part = { kind: 'file', left: size, handle: await open(target, 'wx', mode) };
    return 0;
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    await mkdir(folder, { recursive: true });
    this.#folders.add(folder);
  }

  /** Begins to write a whole file; waits only while too many are being written. */
  async #write(target: string, contents: Buffer, mode: number): Promise<void> {
    while (this.#writes.size >= WRITES_AT_ONCE_MAX) await Promise.race(this.#writes);
    this.#checkWrites();
    // Copied, because the stream may use its memory again. `wx` never follows or replaces anything that is there.
    const writing: Promise<void> = writeFile(target, Buffer.from(contents), { flag: 'wx', mode })
      .catch((thrown) => {
        this.#writeFailure ??= { thrown };
      })
      .finally(() => this.#writes.delete(writing));
    this.#writes.add(writing);
  }

  #checkWrites(): void {
    if (this.#writeFailure !== undefined) throw this.#writeFailure.thrown;
  }

  #skipPadding(): void {
    this.#part = this.#padding > 0 ? { kind: 'skip', left: this.#padding } : { kind: 'header' };
    this.#padding = 0;
  }

  async #finish(part: Part): Promise<void> {
    if (part.kind === 'file') await part.handle.close();
    if (part.kind === 'meta') this.#takeMeta(part.type, Buffer.concat(part.pieces));
    this.#skipPadding();
  }

  #takeMeta(type: string, data: Buffer): void {
    if (type === 'L') {
      this.#longName = data.toString('utf8').replace(/\0+$/, '');
      return;
    }
    const records = parsePaxRecords(data);
    if (records === undefined) throw invalid('malformed pax records', `after ${this.entryText}`);
    const path = records.get('path');
    const size = records.get('size');
    // Global records would rename every entry that follows; `git archive` writes only a comment there.
    if (type === 'g') {
      if (path !== undefined || size !== undefined || records.has('linkpath'))
        throw invalid('global pax records that name files are refused', `after ${this.entryText}`);
      return;
    }
    if (path !== undefined) this.#longName = path;
    if (size === undefined) return;
    if (!/^\d{1,15}$/.test(size)) throw invalid('a malformed size', `after ${this.entryText}`);
    this.#longSize = Number(size);
  }

  /** Notes a path and its folders; refuses what was there before or would be on a file system that ignores case. */
  #claim(path: string, isFolder: boolean): void {
    const parts = path.split('/');
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const part = parts.slice(0, depth).join('/');
      const isLast = depth === parts.length;
      const key = part.normalize('NFC').toLowerCase();
      const known = this.#seen.get(key);
      if (known === undefined) {
        this.#seen.set(key, { path: part, isFolder: !isLast || isFolder, isNamed: isLast });
        continue;
      }
      if (known.path !== part)
        throw invalid(`the name differs from \`${known.path}\` in its case or writing alone`, this.entryText);
      if (!known.isFolder || (isLast && !isFolder)) throw invalid('the name occurs twice', this.entryText);
      if (isLast && known.isNamed) throw invalid('the name occurs twice', this.entryText);
      if (isLast) known.isNamed = true;
    }
  }
}

/** The path as it is written to, `''` for the folder itself. Throws `E_ARCHIVE_INVALID`. */
function checkPath(name: string, isFolder: boolean): string {
  const shown = `\`${name.slice(0, 200)}\``;
  const path = name.replace(/^(?:\.\/)+/, '').replace(isFolder ? /\/+$/ : /$^/, '');
  if (isFolder && (path === '' || path === '.')) return '';
  if (name.startsWith('/')) throw invalid('an absolute path is refused', shown);
  if (/[\\\0-\x1f\x7f]/.test(name)) throw invalid('backslashes and control characters are refused', shown);
  if (name.includes('\ufffd')) throw invalid('a name that is no UTF-8 is refused', shown);
  if (Buffer.byteLength(path) > limits.PATH_BYTES_MAX)
    throw invalid(`a path of more than ${limits.PATH_BYTES_MAX} bytes is refused`, shown);
  const parts = path.split('/');
  if (parts.length > limits.PATH_DEPTH_MAX)
    throw invalid(`more than ${limits.PATH_DEPTH_MAX} folders within each other are refused`, shown);
  for (const part of parts) {
    if (part === '..' || part === '.' || part === '')
      throw invalid('a path with `..`, `.` or empty parts is refused', shown);
    if (/^[A-Za-z]:/.test(part)) throw invalid('a drive letter is refused', shown);
    if (Buffer.byteLength(part) > limits.PATH_PART_BYTES_MAX)
      throw invalid(`a name of more than ${limits.PATH_PART_BYTES_MAX} bytes is refused`, shown);
  }
  return path;
}

function typeName(type: string): string {
  switch (type) {
    case '1':
      return 'hard links';
    case '2':
      return 'symbolic links';
    case '3':
    case '4':
      return 'devices';
    case '6':
      return 'named pipes';
    default:
      return `entries of type ${JSON.stringify(type)}`;
  }
}

function invalid(what: string, entry: string): LambentError {
  return new LambentError('E_ARCHIVE_INVALID', `${what} (${entry})`, { details: { entry } });
}
