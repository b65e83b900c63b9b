import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ExecutionId } from '../base/ids.ts';
import { numberOf } from './row.ts';

/** Executions that are remembered; with more, all are looked up anew. */
const HELD_MAX = 10_000;
/** A held execution's row says at the latest after so many further bytes how large its journal is. */
const NOTED_BYTES = 64 * 1024;

/** A held execution, and where its journal ends. */
export interface Held {
  readonly key: number;
  readonly fence: number;
  entries: number;
  bytes: number;
  /** The size that its row has. */
  notedBytes: number;
}

/**
 * What the writer knows of the executions that are held, so that a transition that only appends writes its journal and
 * nothing else: their rows get the journal's length when they are given back or end, and are read with the journal's
 * until then (`RECORD_COLUMNS`).
 *
 * The store is the truth, and this a memory of it: nobody else writes, whoever changes who holds an execution forgets it
 * here, and when anything was undone, all is forgotten (`GroupCommit`).
 */
export class HeldExecutions {
  readonly #held = new Map<ExecutionId, Held>();
  readonly #find: StatementSync;
  readonly #note: StatementSync;

  constructor(db: DatabaseSync) {
    this.#find = db.prepare(`
      SELECT key, fence, bytes, coalesce(
        (SELECT seq + count FROM journal WHERE execution = e.key ORDER BY seq DESC LIMIT 1), 0) AS entries
      FROM executions e WHERE id = ? AND status = 'running'`);
    this.#note = db.prepare('UPDATE executions SET entries = ?, bytes = ? WHERE key = ?');
  }

  /** `undefined`: nobody holds it. */
  find(id: ExecutionId): Held | undefined {
    const known = this.#held.get(id);
    if (known !== undefined) return known;
    const row = this.#find.get(id);
    if (row === undefined) return undefined;
    const bytes = numberOf(row, 'bytes');
    const [key, fence, entries] = [numberOf(row, 'key'), numberOf(row, 'fence'), numberOf(row, 'entries')];
    return this.add(id, { key, fence, entries, bytes, notedBytes: bytes });
  }

  add(id: ExecutionId, held: Held): Held {
    if (this.#held.size >= HELD_MAX) this.#held.clear();
    this.#held.set(id, held);
    return held;
  }

  /** Its journal grew. */
  grew(held: Held, entries: number, bytes: number): void {
    held.entries += entries;
    held.bytes += bytes;
    if (held.bytes - held.notedBytes < NOTED_BYTES) return;
    this.#note.run(held.entries, held.bytes, held.key);
    held.notedBytes = held.bytes;
  }

  forget(id: ExecutionId): void {
    this.#held.delete(id);
  }

  forgetAll(): void {
    this.#held.clear();
  }
}
