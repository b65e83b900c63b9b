import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { LambentError } from '../base/errors.ts';
import type { Request } from './group-commit.ts';

/*
 * Operations that are acknowledged and not yet in the database. A file of fixed size, so that a write of it waits for its
 * own bytes and for nothing that the file system knows of the file.
 *
 * One record a group, from the file's beginning: what is behind the last one of an epoch is older, and of another epoch.
 * With each commit of the database the epoch changes, in the same transaction: so records of this epoch are what the
 * database does not have, and all others are what it has.
 */

/** Its name within the data folder. */
export const LOG_FILE = 'operations.log';
/** What it holds, in bytes. A database that does not commit for so long has to. */
export const LOG_BYTES = 4 * 1024 * 1024;

/** Shape of the records and of the operations' arguments. */
const FORMAT = 1;
const MAGIC = 0x4c4f5031;
/** Magic, checksum of what follows it, format, length; epoch and place within it. JSON comes behind. */
const HEAD_BYTES = 32;
const ZEROS = Buffer.alloc(64 * 1024);

export class OperationLog {
  readonly #path: string;
  #file: number | undefined;
  #at = 0;
  #place = 0;
  #refused = false;

  constructor(folder: string) {
    this.#path = join(folder, LOG_FILE);
  }

  /** Groups that were appended since it was cleared. */
  get groups(): number {
    return this.#place;
  }

  /** What it holds of this epoch, in order. `E_STORE_NEWER` when another Lambent wrote it. */
  read(epoch: number): Request[][] {
    let file: number;
    try {
      file = openSync(this.#path, 'r');
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return [];
      throw thrown;
    }
    try {
      const bytes = Buffer.alloc(LOG_BYTES);
      const size = readWhole(file, bytes);
      return this.#parse(bytes.subarray(0, size), epoch);
    } finally {
      closeSync(file);
    }
  }

  /** A record that is not whole was never acknowledged, nor was what would be behind it. */
  #parse(bytes: Buffer, epoch: number): Request[][] {
    const groups: Request[][] = [];
    for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
      const length = bytes.readUInt32LE(at + 12);
      const end = at + HEAD_BYTES + length;
      if (bytes.readUInt32LE(at) !== MAGIC || end > bytes.length) break;
      if (bytes.readUInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, end))) break;
      if (bytes.readDoubleLE(at + 16) !== epoch || bytes.readDoubleLE(at + 24) !== groups.length) break;
      if (bytes.readUInt32LE(at + 8) !== FORMAT)
        throw new LambentError('E_STORE_NEWER', `${this.#path} was written by another version of Lambent.`, {
          hint: 'Start the version that wrote it once and end it; nothing was changed.',
          details: { path: this.#path },
        });
      const acts = JSON.parse(bytes.toString('utf8', at + HEAD_BYTES, end)) as [string, ...unknown[]][];
      groups.push(acts.map(([name, ...args], id) => ({ id, name, args })));
      at = end;
    }
    return groups;
  }

  /**
   * Writes a group behind the others and waits for the disk. False: it has no room for it; the database has to commit.
   * Throws what the disk refuses, and takes nothing from then on.
   */
  append(epoch: number, requests: readonly Request[]): boolean {
    if (this.#refused) return false;
    const text = JSON.stringify(requests.map(({ name, args }) => [name, ...args]));
    const length = Buffer.byteLength(text);
    const size = HEAD_BYTES + length;
    if (this.#at + size > LOG_BYTES) return false;
    const record = Buffer.allocUnsafe(size);
    record.writeUInt32LE(MAGIC, 0);
    record.writeUInt32LE(FORMAT, 8);
    record.writeUInt32LE(length, 12);
    record.writeDoubleLE(epoch, 16);
    record.writeDoubleLE(this.#place, 24);
    record.write(text, HEAD_BYTES);
    record.writeUInt32LE(crc32(record.subarray(8)), 4);
    try {
      this.#file ??= openWhole(this.#path);
      writeWhole(this.#file, record, this.#at);
      fdatasyncSync(this.#file);
    } catch (thrown) {
      // After a failed wait nobody can know what of the file is on the disk: another one need not tell.
      this.#refused = true;
      throw thrown;
    }
    this.#at += size;
    this.#place += 1;
    return true;
  }

  /** The database has it all: the next record is the first of a new epoch. */
  clear(): void {
    this.#at = 0;
    this.#place = 0;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** The file, as large as it will ever be, and durable as such. What it holds already may stay: its epoch is over. */
function openWhole(path: string): number {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    if (fstatSync(file).size === LOG_BYTES) return file;
    for (let at = 0; at < LOG_BYTES; at += ZEROS.length) writeWhole(file, ZEROS, at);
    fsyncSync(file);
    syncFolder(dirname(path));
    return file;
  } catch (thrown) {
    // On a full disk, what was written of it would only take space from the database.
    closeSync(file);
    rmSync(path, { force: true });
    throw thrown;
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeWhole(file: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, bytes.length - done, at + done);
}

function readWhole(file: number, bytes: Buffer): number {
  let done = 0;
  for (;;) {
    const read = readSync(file, bytes, done, bytes.length - done, done);
    done += read;
    if (read === 0 || done === bytes.length) return done;
  }
}
