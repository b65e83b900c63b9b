import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import { toStoreError } from './sqlite-error.ts';

const LOCK_FILE = 'lock';
const HOLDER_FILE = 'lock.pid';

export interface FolderLock {
  release(): void;
}

/**
 * Takes the data folder for this process. The lock is the operating system's: SQLite's exclusive lock on an
 * otherwise empty file, held by a transaction that never ends. It dies with the process, however that dies, so
 * there is no stale lock to clear away.
 *
 * @throws `E_STORE_LOCKED`, naming the holder where it is known; `E_STORE_FAILED` when the folder cannot be used
 */
export function lockFolder(folder: string): FolderLock {
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(join(folder, LOCK_FILE), { timeout: 0 });
    file.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (thrown) {
    file?.close();
    const error = toStoreError(thrown);
    throw error.code === 'E_STORE_LOCKED' ? lockedError(folder) : error;
  }
  const held = file;
  try {
    writeFileSync(join(folder, HOLDER_FILE), `${process.pid}\n`);
  } catch {
    // The name of the holder is a courtesy: on a full disk the lock itself still holds.
  }
  return { release: () => held.close() };
}

function lockedError(folder: string): LambentError {
  const pid = holderOf(folder);
  const who = pid === undefined ? 'Another process' : `Process ${pid}`;
  return new LambentError('E_STORE_LOCKED', `${who} holds the data folder ${folder}.`, {
    details: { folder, ...(pid === undefined ? {} : { pid }) },
  });
}

/** Who wrote its name last, if it still lives. */
function holderOf(folder: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(folder, HOLDER_FILE), 'utf8'), 10);
    if (!(pid > 0)) return undefined;
    process.kill(pid, 0);
    return pid;
  } catch {
    return undefined;
  }
}
