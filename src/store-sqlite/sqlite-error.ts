import type { ErrorCode } from '../base/error-table.ts';
import { LambentError } from '../base/errors.ts';

/** An error on its way between threads: structured cloning keeps neither classes nor codes of errors. */
export interface PortableError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly details: Record<string, unknown> | undefined;
  readonly retryAfterS: number | undefined;
}

// Primary and extended result codes, https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;
const SQLITE_IOERR_SHMSIZE = 4874;

interface SqliteError extends Error {
  errcode: number;
  errstr: string;
}

function isSqliteError(thrown: unknown): thrown is SqliteError {
  return thrown instanceof Error && 'errcode' in thrown && typeof thrown.errcode === 'number';
}

/** Anything thrown while the store worked, as a `LambentError` with the code that tells whom to ask. */
export function toStoreError(thrown: unknown): LambentError {
  if (thrown instanceof LambentError) return thrown;
  if (!isSqliteError(thrown)) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const at = thrown instanceof Error ? firstFrame(thrown) : '';
    return new LambentError('E_INTERNAL', `The store broke off: ${message}${at}`, { cause: thrown });
  }
  const details = { sqlite: thrown.errcode };
  const options = { cause: thrown, details };
  // The shared-memory file is the one place where SQLite does not tell a full disk from a broken one.
  if (thrown.errcode === SQLITE_IOERR_SHMSIZE)
    return new LambentError(
      'E_DISK_FULL',
      'The database could not grow its shared-memory file; most likely the disk is full.',
      options,
    );
  switch (thrown.errcode & 0xff) {
    case SQLITE_FULL:
      return new LambentError('E_DISK_FULL', 'The database could not grow: the disk is full.', options);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new LambentError('E_STORE_DAMAGED', `The database is damaged (${thrown.message}).`, options);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return new LambentError('E_STORE_LOCKED', 'Another program holds a lock on the database.', {
        ...options,
        hint: 'End other programs that have the database open, such as a sqlite3 shell in a transaction.',
      });
    case SQLITE_READONLY:
      return new LambentError('E_STORE_FAILED', `The database cannot be written (${thrown.message}).`, {
        ...options,
        hint: 'Check that the data folder and its files belong to the user who runs Lambent.',
      });
    case SQLITE_CANTOPEN:
      return new LambentError('E_STORE_FAILED', `The database cannot be opened (${thrown.message}).`, {
        ...options,
        hint: 'Check that the data folder exists and that its files may be read and written.',
      });
    case SQLITE_IOERR:
      return new LambentError('E_STORE_FAILED', `The disk refused the database (${thrown.message}).`, {
        ...options,
        hint: 'Look for disk errors in the log of the operating system.',
      });
    default:
      return new LambentError(
        'E_STORE_FAILED',
        `The database refused an operation: ${thrown.message}`,
        options,
      );
  }
}

export function toPortableError(thrown: unknown): PortableError {
  const { code, message, hint, details, retryAfterS } = toStoreError(thrown);
  return { code, message, hint, details, retryAfterS };
}

export function fromPortableError(error: PortableError): LambentError {
  return new LambentError(error.code, error.message, {
    hint: error.hint,
    ...(error.details === undefined ? {} : { details: error.details }),
    ...(error.retryAfterS === undefined ? {} : { retryAfterS: error.retryAfterS }),
  });
}

function firstFrame(error: Error): string {
  const frame = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '));
  return frame === undefined ? '' : ` (${frame.trim()})`;
}
