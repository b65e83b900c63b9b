/** The thread of one file: whatever waits for its disk or its locks waits here. See database-thread.ts. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadAnswer, ThreadCall, ThreadTask } from './database-thread.ts';

/** How long a write waits for others. */
const BUSY_MS = 5_000;

const { file } = workerData as ThreadTask;
let database: DatabaseSync | undefined;

function open(): DatabaseSync {
  if (database !== undefined) return database;
  // It is not made where it is missing.
  const url = pathToFileURL(file);
  url.search = 'mode=rw';
  database = new DatabaseSync(url, { timeout: BUSY_MS });
  return database;
}

function run({ kind, statements, values }: ThreadCall): unknown[] {
  const db = open();
  if (kind === 'read') {
    const statement = db.prepare(statements[0]!);
    // Whole numbers of 64 bits, as they are.
    statement.setReadBigInts(true);
    return statement.all(...(values as SQLInputValue[]));
  }
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const statement of statements) db.exec(statement);
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
  return [];
}

parentPort!.on('message', (call: ThreadCall) => {
  let answer: ThreadAnswer;
  try {
    answer = { id: call.id, rows: run(call) };
  } catch (error) {
    const { message, errcode } = error as { message: string; errcode?: number };
    answer = { id: call.id, error: { message, errcode } };
  }
  parentPort!.postMessage(answer);
});
