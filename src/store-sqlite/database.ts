import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import { inspectDatabase, loadMigrations, type Migration, migrate } from './migrate.ts';
import { textOf } from './row.ts';

/** The database's name within the data folder. SQLite keeps `-wal` and `-shm` beside it while it is open. */
export const DATABASE_FILE = 'lambent.db';
/** How long to wait for a program from outside that holds a lock (a sqlite3 shell, a backup), in milliseconds. */
export const BUSY_WAIT_MS = 5_000;
/** The write-ahead log is cut back to this after a burst, in bytes. */
const WAL_BYTES_KEPT = 64 * 1024 * 1024;
const WRITER_CACHE_KIB = 16 * 1024;
const READER_CACHE_KIB = 32 * 1024;

export interface DatabaseOptions {
  folder: string;
  /** Epoch milliseconds, for the record of migrations. */
  nowMs: number;
  /** Most pages of 4 KiB the file may have; more is `E_DISK_FULL`. 0: as many as the disk holds. */
  pagesMax: number;
  migrations?: readonly Migration[];
}

/**
 * Opens the database for writing, bringing its shape up to date. The folder's lock must be held.
 * `synchronous=FULL` makes each commit wait for the disk: what was acknowledged survives a power cut.
 */
export function openForWriting(options: DatabaseOptions): DatabaseSync {
  const path = join(options.folder, DATABASE_FILE);
  const known = options.migrations ?? loadMigrations();
  const applied = existsSync(path) ? inspectUnchanged(path, known) : 0;
  const db = new DatabaseSync(path, { timeout: BUSY_WAIT_MS });
  try {
    const mode = textOf(db.prepare('PRAGMA journal_mode = WAL').get()!, 'journal_mode');
    if (mode !== 'wal')
      throw new LambentError('E_STORE_FAILED', `${path} cannot be used with a write-ahead log.`, {
        hint: 'Put the data folder on a local disk: network file systems lack the locks it needs.',
      });
    db.exec(`
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = ${WAL_BYTES_KEPT};
      PRAGMA cache_size = -${WRITER_CACHE_KIB};
      PRAGMA temp_store = MEMORY;
      PRAGMA trusted_schema = OFF;
    `);
    if (options.pagesMax > 0) db.exec(`PRAGMA max_page_count = ${options.pagesMax}`);
    migrate(db, known, applied, options.nowMs);
    return db;
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

/** Opens a second connection that sees what is committed and can change nothing. */
export function openForReading(folder: string): DatabaseSync {
  const db = new DatabaseSync(join(folder, DATABASE_FILE), { readOnly: true, timeout: BUSY_WAIT_MS });
  db.exec(
    `PRAGMA cache_size = -${READER_CACHE_KIB}; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF`,
  );
  return db;
}

/** Makes the data folder, for its owner alone: it holds what functions were sent. */
export function createDataFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    const full = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOSPC';
    if (full)
      throw new LambentError('E_DISK_FULL', `The data folder ${folder} cannot be made: the disk is full.`);
    throw new LambentError('E_STORE_FAILED', `The data folder ${folder} cannot be made.`, {
      cause: thrown,
      hint: 'Choose a folder that you may write to, with --data.',
      details: { folder },
    });
  }
}

function inspectUnchanged(path: string, known: readonly Migration[]): number {
  const db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_WAIT_MS });
  try {
    return inspectDatabase(db, known, path);
  } finally {
    db.close();
  }
}
