import type { LargePayload } from '../model/journal.ts';

/**
 * Values of executions that are too large for a journal, as JSON text: immutable, and named by the SHA-256 of their
 * bytes, so that one that goes from step to step is stored once. Journals have the names. What has a name is durable,
 * so a journal that is stored after it never names what is not there; what no journal names is removed after a while.
 */
export interface PayloadStore {
  /** Begins a value of at most LARGE_PAYLOAD_BYTES_MAX. */
  begin(): PayloadWriter;
  /**
   * The bytes from place `from` on (0: the first), in pieces of at most PAYLOAD_PIECE_BYTES. Throws `E_STORE_DAMAGED`
   * when there is no such value.
   */
  read(blob: string, from?: number): AsyncIterable<Buffer>;
  /**
   * Removes values that were stored, or stored again, before `beforeMs` and that nobody refers to. Returns how many.
   *
   * @param referenced which of these somebody refers to
   */
  sweep(
    beforeMs: number,
    referenced: (blobs: readonly string[]) => Promise<ReadonlySet<string>>,
  ): Promise<number>;
}

export interface PayloadWriter {
  /** Pieces go one behind the other: the next one once this resolved. `E_PAYLOAD_TOO_LARGE`, `E_BAD_REQUEST` where it is not JSON, `E_DISK_FULL`. */
  write(piece: Uint8Array): Promise<void>;
  /** Durable, under its name. The same errors. */
  finish(): Promise<LargePayload>;
  /** Forgets what came. */
  abandon(): Promise<void>;
}

/** Most bytes of one piece that is read. */
export const PAYLOAD_PIECE_BYTES = 64 * 1024;
