import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import { numberOf, textOf } from './row.ts';

/** A step from one shape of the database to the next. Never changed once released: the next step gets a new file. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of `sql`, hex. It is stored with the step, so that an edited step is noticed. */
  readonly hash: string;
}

/** Marks a file as Lambent's, in SQLite's own header field for it: "LAMB". */
export const APPLICATION_ID = 0x4c414d42;

const MIGRATION_FILE = /^(\d{4})-([a-z0-9-]+)\.sql$/;

/** The steps this program knows, from `migrations/`, in order and without gaps. */
export function loadMigrations(folder: URL = new URL('./migrations/', import.meta.url)): Migration[] {
  const migrations: Migration[] = [];
  for (const file of readdirSync(folder).sort()) {
    const parts = MIGRATION_FILE.exec(file);
    if (parts === null) continue;
    // Line ends may differ by how the source was checked out; the step is the same.
    const sql = readFileSync(new URL(file, folder), 'utf8').replaceAll('\r\n', '\n');
    const hash = createHash('sha256').update(sql).digest('hex');
    migrations.push({ number: Number(parts[1]), name: parts[2]!, sql, hash });
  }
  migrations.forEach((migration, index) => {
    if (migration.number !== index + 1)
      throw new LambentError('E_INTERNAL', `Migration ${index + 1} is missing from ${folder.href}.`);
  });
  return migrations;
}

/**
 * Looks whether this program may use the database, without changing it. Returns how many steps it has had.
 *
 * @throws `E_STORE_NEWER`, `E_STORE_DAMAGED`
 */
export function inspectDatabase(db: DatabaseSync, known: readonly Migration[], path: string): number {
  const id = numberOf(db.prepare('PRAGMA application_id').get()!, 'application_id');
  const tables = numberOf(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()!, 'n');
  // A crash before the first step leaves an empty file: as good as none.
  if (tables === 0 && id === 0) return 0;
  if (id !== APPLICATION_ID)
    throw new LambentError('E_STORE_DAMAGED', `${path} is a database of another program.`, {
      hint: 'Give Lambent a folder of its own with --data; nothing was changed.',
      details: { path },
    });
  const applied = db.prepare('SELECT number, name, hash FROM migrations ORDER BY number').all();
  applied.forEach((row, index) => {
    const number = numberOf(row, 'number');
    const own = known[index];
    if (own === undefined)
      throw new LambentError(
        'E_STORE_NEWER',
        `${path} was written by a newer Lambent: it has migration ${number}, and this one knows ${known.length}.`,
        { details: { path, migration: number, known: known.length } },
      );
    if (number !== own.number || textOf(row, 'hash') !== own.hash)
      throw new LambentError(
        'E_STORE_DAMAGED',
        `${path} had migration ${number} (${textOf(row, 'name')}) in another form than this Lambent knows.`,
        {
          hint: 'Use the build of Lambent that wrote the data folder; nothing was changed.',
          details: { path, migration: number },
        },
      );
  });
  return applied.length;
}

/** Takes the steps that the database has not had, each with its record in one transaction. */
export function migrate(db: DatabaseSync, known: readonly Migration[], applied: number, nowMs: number): void {
  for (const migration of known.slice(applied)) {
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(migration.sql);
      db.prepare('INSERT INTO migrations (number, name, hash, applied_ms) VALUES (?, ?, ?, ?)').run(
        migration.number,
        migration.name,
        migration.hash,
        nowMs,
      );
      db.exec('COMMIT');
    } catch (thrown) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw thrown;
    }
  }
}
