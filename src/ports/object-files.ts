/** Files by bucket and key, as S3 has them: what distributed Maps read their items from and write their results to. */
export interface ObjectFiles {
  /**
   * An object, unpacked where its key ends in `.gz`; `undefined`: there is none. `E_PAYLOAD_TOO_LARGE` over
   * `maxBytes`, `E_BAD_REQUEST` for what cannot be unpacked.
   */
  read(bucket: string, key: string, maxBytes: number): Promise<Buffer | undefined>;
  /** Durable when it resolves. */
  write(bucket: string, key: string, text: string): Promise<void>;
  /** Objects whose key begins with `prefix`, in order of their keys; at most `limit`. */
  list(bucket: string, prefix: string, limit: number): Promise<ObjectFile[]>;
}

export interface ObjectFile {
  readonly key: string;
  readonly bytes: number;
  /** Epoch milliseconds. */
  readonly modifiedMs: number;
}
