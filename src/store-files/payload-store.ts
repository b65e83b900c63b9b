import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LambentError } from '../base/errors.ts';
import { JsonCheck } from '../base/json-check.ts';
import { LARGE_PAYLOAD_BYTES_MAX, type LargePayload } from '../model/journal.ts';
import { PAYLOAD_PIECE_BYTES, type PayloadStore, type PayloadWriter } from '../ports/payload-store.ts';
import { syncFolder } from './seal-folder.ts';

/*
 * Large payloads as files: a folder for each first byte of their names, each file written under a working name, made
 * durable, and then given its name in one rename. Working files that are there at the start are from a crash.
 *
 * A file is given its name again when its value is stored again, and so counts as new: whoever stored it has time to
 * refer to it before a sweep may take it. Names are given and taken away one at a time.
 */

const BLOB = /^[0-9a-f]{64}$/;
/** References that are asked for at once. */
const SWEEP_STEP = 500;

/** One process at a time may have it open: the store's lock on the data folder sees to that. @throws `E_STORE_FAILED`, `E_DISK_FULL` */
export async function openPayloadStore({ folder }: { readonly folder: string }): Promise<PayloadStore> {
  const working = join(folder, 'working');
  await mapped(async () => {
    await rm(working, { recursive: true, force: true });
    await mkdir(working, { recursive: true, mode: 0o700 });
  });
  return new FilePayloadStore(folder, working);
}

class FilePayloadStore implements PayloadStore {
  readonly #folder: string;
  readonly #working: string;
  #begun = 0;
  /** The last change of a name. */
  #naming: Promise<unknown> = Promise.resolve();

  constructor(folder: string, working: string) {
    this.#folder = folder;
    this.#working = working;
  }

  begin(): PayloadWriter {
    this.#begun += 1;
    return new FilePayloadWriter(join(this.#working, String(this.#begun)), (from, blob) =>
      this.#inTurn(() => this.#publish(from, blob)),
    );
  }

  async *read(blob: string, from = 0): AsyncIterable<Buffer> {
    const file = await open(this.#placeOf(blob), 'r').catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== 'ENOENT') throw toStoreError(thrown);
      throw new LambentError('E_STORE_DAMAGED', `The large payload ${blob} is not there.`);
    });
    try {
      for (let at = from; ; ) {
        const piece = Buffer.allocUnsafe(PAYLOAD_PIECE_BYTES);
        const { bytesRead } = await file.read(piece, 0, piece.length, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield piece.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  async sweep(
    beforeMs: number,
    referenced: (blobs: readonly string[]) => Promise<ReadonlySet<string>>,
  ): Promise<number> {
    let gone = 0;
    for (const first of await readdir(this.#folder)) {
      if (first.length !== 2) continue;
      const names = await readdir(join(this.#folder, first));
      for (let at = 0; at < names.length; at += SWEEP_STEP) {
        const old: string[] = [];
        for (const name of names.slice(at, at + SWEEP_STEP))
          if (BLOB.test(name) && (await this.#isOlder(name, beforeMs))) old.push(name);
        const kept = old.length === 0 ? undefined : await referenced(old);
        for (const name of old)
          if (kept?.has(name) === false && (await this.#inTurn(() => this.#remove(name, beforeMs))))
            gone += 1;
      }
    }
    return gone;
  }

  async #publish(from: string, blob: string): Promise<void> {
    const folder = join(this.#folder, blob.slice(0, 2));
    const isNew = (await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined;
    await rename(from, this.#placeOf(blob));
    await syncFolder(folder);
    if (isNew) await syncFolder(this.#folder);
  }

  /** Looked at again: its value may have been stored again meanwhile. */
  async #remove(blob: string, beforeMs: number): Promise<boolean> {
    if (!(await this.#isOlder(blob, beforeMs))) return false;
    await unlink(this.#placeOf(blob));
    return true;
  }

  async #isOlder(blob: string, beforeMs: number): Promise<boolean> {
    const facts = await stat(this.#placeOf(blob)).catch(() => undefined);
    return facts !== undefined && facts.mtimeMs < beforeMs;
  }

  #inTurn<Value>(task: () => Promise<Value>): Promise<Value> {
    const next = this.#naming.then(task);
    this.#naming = next.catch(() => {});
    return next;
  }

  #placeOf(blob: string): string {
    if (!BLOB.test(blob)) throw new LambentError('E_BAD_REQUEST', 'That is not the name of a large payload.');
    return join(this.#folder, blob.slice(0, 2), blob);
  }
}

class FilePayloadWriter implements PayloadWriter {
  readonly #place: string;
  readonly #publish: (from: string, blob: string) => Promise<void>;
  readonly #hash: Hash = createHash('sha256');
  readonly #check = new JsonCheck();
  #file: FileHandle | undefined;
  #writing: Promise<void> = Promise.resolve();
  #bytes = 0;

  constructor(place: string, publish: (from: string, blob: string) => Promise<void>) {
    this.#place = place;
    this.#publish = publish;
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#bytes += piece.byteLength;
    if (this.#bytes > LARGE_PAYLOAD_BYTES_MAX)
      throw new LambentError(
        'E_PAYLOAD_TOO_LARGE',
        `A value of an execution has at most ${LARGE_PAYLOAD_BYTES_MAX} bytes as JSON.`,
      );
    if (!this.#check.push(piece)) throw notJson();
    this.#hash.update(piece);
    this.#writing = mapped(async () => {
      this.#file ??= await open(this.#place, 'wx', 0o600);
      await this.#file.writeFile(piece);
    });
    await this.#writing;
  }

  async finish(): Promise<LargePayload> {
    if (!this.#check.end()) throw notJson();
    const blob = this.#hash.digest('hex');
    await mapped(async () => {
      await this.#file!.sync();
      await this.#file!.close();
      this.#file = undefined;
      await this.#publish(this.#place, blob);
    });
    return { blob, bytes: this.#bytes };
  }

  async abandon(): Promise<void> {
    // What is being opened is closed, too.
    await this.#writing.catch(() => {});
    await this.#file?.close().catch(() => {});
    this.#file = undefined;
    await rm(this.#place, { force: true }).catch(() => {});
  }
}

function notJson(): LambentError {
  return new LambentError('E_BAD_REQUEST', 'The value is not JSON, or nested too deeply.');
}

async function mapped<Value>(task: () => Promise<Value>): Promise<Value> {
  try {
    return await task();
  } catch (thrown) {
    throw toStoreError(thrown);
  }
}

function toStoreError(thrown: unknown): LambentError {
  if (thrown instanceof LambentError) return thrown;
  const { code, message } = thrown as NodeJS.ErrnoException;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new LambentError(
    isFull ? 'E_DISK_FULL' : 'E_STORE_FAILED',
    `Large payloads cannot be stored: ${message}`,
    {
      cause: thrown,
    },
  );
}
