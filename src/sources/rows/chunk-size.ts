/** Rows of the first chunk: nobody knows yet how large they are. */
const ROWS_FIRST = 100;
/** Rows that are read, and stored in one step. */
const ROWS_MAX = 1_000;
/** Beyond it the next chunk has half as many rows; below a quarter of it twice as many. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** How many rows that a table has are read at a time: as many as are not too large together. */
export class ChunkSize {
  rows = ROWS_FIRST;

  /** A chunk had so many bytes. */
  learn(bytes: number): void {
    if (bytes > CHUNK_BYTES) this.rows = Math.max(1, this.rows >> 1);
    else if (bytes < CHUNK_BYTES / 4) this.rows = Math.min(ROWS_MAX, this.rows * 2);
  }
}
