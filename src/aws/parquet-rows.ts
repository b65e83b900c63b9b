import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { Compressors } from 'hyparquet';

/*
 * Rows of Apache Parquet as JSON. The format is read by hyparquet, with Node's own decompression beside its Snappy.
 */

/** Largest file, in bytes, most rows, and most bytes of a page once it is unpacked: reading holds the process up. */
export const PARQUET_BYTES_MAX = 16 * 1024 * 1024;
const ROWS_MAX = 1_000_000;
const PAGE_BYTES_MAX = 64 * 1024 * 1024;

const limits = { maxOutputLength: PAGE_BYTES_MAX };
const compressors: Compressors = {
  GZIP: (packed) => gunzipSync(packed, limits),
  ZSTD: (packed) => zstdDecompressSync(packed, limits),
  BROTLI: (packed) => brotliDecompressSync(packed, limits),
};

/** The rows of a file, as JSON.parse would give them. Throws for what is no such file, or has too many rows. */
export async function parquetRows(bytes: Buffer): Promise<unknown[]> {
  if (bytes.length > PARQUET_BYTES_MAX)
    throw new RangeError(`it has ${bytes.length} bytes; at most ${PARQUET_BYTES_MAX} are read`);
  // Loaded with the first file: hardly any platform reads one.
  const { parquetMetadata, parquetReadObjects } = await import('hyparquet');
  // An ArrayBuffer of its own: small Buffers share one.
  const file = new Uint8Array(bytes).buffer;
  const metadata = parquetMetadata(file);
  if (metadata.num_rows > ROWS_MAX)
    throw new RangeError(`it has ${metadata.num_rows} rows; at most ${ROWS_MAX} are read`);
  const rows = await parquetReadObjects({ file, metadata, compressors });
  return JSON.parse(JSON.stringify(rows, (_name, value: unknown) => plain(value))) as unknown[];
}

/** Integers beyond what a number of JSON holds exactly are texts; bytes are Base64; times are as `toJSON` has them. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}
