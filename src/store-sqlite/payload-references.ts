import type { DatabaseSync } from 'node:sqlite';
import type { ExecutionId } from '../base/ids.ts';
import { numberOf } from './row.ts';

/** How a large payload looks in entries and inputs. A value that only looks like one is remembered for nothing. */
const MARK = '"blob":"';
const REFERENCE = /"blob":"([0-9a-f]{64})"/g;

/** Remembers which large payloads an execution refers to, by the JSON text that is stored of it. */
export type Refer = (execution: number, text: string) => void;

export function createRefer(db: DatabaseSync): Refer {
  const insert = db.prepare(
    'INSERT INTO execution_payloads (execution, blob) VALUES (?, ?) ON CONFLICT DO NOTHING',
  );
  return (execution, text) => {
    if (!text.includes(MARK)) return;
    for (const [, blob] of text.matchAll(REFERENCE)) insert.run(execution, blob!);
  };
}

export function createReferenceReads(db: DatabaseSync) {
  const referred = db.prepare('SELECT 1 AS n FROM execution_payloads WHERE blob = ? LIMIT 1');
  const own = db.prepare(`
    SELECT count(*) AS n FROM execution_payloads
    WHERE execution = (SELECT key FROM executions WHERE id = ?) AND blob = ?`);
  return {
    referencedPayloads: (blobs: readonly string[]): string[] =>
      blobs.filter((blob) => referred.get(blob) !== undefined),
    refersTo: (id: ExecutionId, blob: string): boolean => numberOf(own.get(id, blob)!, 'n') > 0,
  };
}
