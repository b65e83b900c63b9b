import type { Log } from '../base/log.ts';
import type { AppStore } from '../ports/app-store.ts';
import type { BlobStore } from '../ports/blob-store.ts';

/** After so many deploys the blobs are swept even if nothing is known to have become free: failed deploys leave some. */
const DEPLOYS_BETWEEN_SWEEPS = 50;

/**
 * Deletes code that no stored deployment refers to. It runs only while no deploy holds code that is stored but
 * not yet referred to; deploys that begin meanwhile wait for it.
 */
export class BlobSweeper {
  readonly #apps: AppStore;
  readonly #blobs: BlobStore;
  readonly #log: Log;
  #holders = 0;
  #sinceSweep = 0;
  #isDue = false;
  #sweeping: Promise<void> | undefined;

  constructor(apps: AppStore, blobs: BlobStore, log: Log) {
    this.#apps = apps;
    this.#blobs = blobs;
    this.#log = log;
  }

  /** Something has become free: sweep after the next deploy. */
  due(): void {
    this.#isDue = true;
  }

  /** Runs a deploy from its first stored code to its stored deployment. */
  async holding<Result>(task: () => Promise<Result>): Promise<Result> {
    while (this.#sweeping !== undefined) await this.#sweeping;
    this.#holders += 1;
    try {
      return await task();
    } finally {
      this.#holders -= 1;
      this.#sinceSweep += 1;
      if (this.#holders === 0 && (this.#isDue || this.#sinceSweep >= DEPLOYS_BETWEEN_SWEEPS)) this.#start();
    }
  }

  /** Resolves when no sweep runs. */
  async settled(): Promise<void> {
    await this.#sweeping;
  }

  #start(): void {
    this.#isDue = false;
    this.#sinceSweep = 0;
    this.#sweeping = this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
  }

  async #sweep(): Promise<void> {
    try {
      const stored = await this.#blobs.list();
      const referenced = await this.#apps.referencedBlobs();
      for (const digest of stored) if (!referenced.has(digest)) await this.#blobs.delete(digest);
    } catch (thrown) {
      // What could not be deleted now is found again by the next sweep.
      this.#log.warn('unused code could not be deleted', { error: String(thrown) });
    }
  }
}
