import { LambentError } from '../../base/errors.ts';
import { failureText, type KnownFailures } from '../rows/explain-failure.ts';
import { SqliteError } from './database-thread.ts';

/** Primary result codes of SQLite, and codes of files, with what is wrong and what mends it. */
const KNOWN: KnownFailures = {
  ENOENT: ['There is no such file', 'Correct the path, or make the file.'],
  EACCES: ['The platform may not reach the file', 'Give its user the right to enter the folder.'],
  5: ['Another process holds the file locked', 'It must end its transaction.'],
  8: ['The platform may not write the file', 'Give its user the right to write the file and its folder.'],
  11: ['The file is damaged', 'Restore it from a backup.'],
  13: ['The disk of the file is full', 'Make room.'],
  14: ['The file cannot be opened', 'Give the platform’s user the right to write the file and its folder.'],
  26: ['The file is none of SQLite’s', 'Correct the path.'],
};

/** What is wrong, and what mends it. */
export function explainFailure(error: unknown): { text: string; fix: string | undefined } {
  if (error instanceof LambentError) return { text: error.message, fix: error.hint };
  const { message, code } = error as { readonly message?: unknown; readonly code?: unknown };
  const own = typeof message === 'string' ? message : 'for no known reason';
  const key = error instanceof SqliteError ? String((error.errcode ?? 0) & 0xff) : String(code);
  const known = KNOWN[key];
  if (known === undefined) return { text: own, fix: undefined };
  return { text: `${known[0]} (${own}).`, fix: known[1] };
}

/** The same in one text. */
export function describeFailure(error: unknown): string {
  return failureText(explainFailure(error));
}
