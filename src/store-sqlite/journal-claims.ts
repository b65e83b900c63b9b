import type { DatabaseSync } from 'node:sqlite';
import type { ExecutionId, NodeId } from '../base/ids.ts';
import type { ExecutionRecord } from '../model/execution.ts';
import type { HeldExecutions } from './held-executions.ts';
import { RECORD_COLUMNS, type StoredInboxItem, toInboxItem, toRecord } from './journal-reads.ts';
import { numberOf, type Row, textOf } from './row.ts';

/** Most that one claim takes, and most bytes of journals, unless a single one has more. */
export const CLAIM_MAX = 1_000;
export const CLAIM_BYTES_MAX = 32 * 1024 * 1024;

/** A claimed execution as it leaves the store thread: entries and inputs as JSON text. */
export interface StoredClaim {
  readonly record: ExecutionRecord;
  readonly fence: number;
  readonly entries: readonly string[];
  readonly inbox: readonly StoredInboxItem[];
}

export function createJournalClaims(db: DatabaseSync, held: HeldExecutions) {
  const listReady = db.prepare(`
    SELECT key, bytes FROM executions WHERE status = 'ready' ORDER BY priority DESC, due_ms, key LIMIT ?`);
  const listDue = db.prepare(`
    SELECT key, bytes FROM executions WHERE status = 'waiting' AND due_ms <= ? ORDER BY due_ms, key LIMIT ?`);
  const hold = db.prepare(`
    UPDATE executions SET status = 'running', node = ?, fence = fence + 1, debounce = NULL WHERE key = ?`);
  const find = db.prepare(`SELECT ${RECORD_COLUMNS}, fence FROM executions WHERE key = ?`);
  const entries = db.prepare('SELECT count, entries FROM journal WHERE execution = ? ORDER BY seq');
  const inbox = db.prepare(
    'SELECT position, input FROM execution_inbox WHERE execution = ? ORDER BY position',
  );
  const recover = db.prepare(`
    UPDATE executions SET status = 'ready', node = NULL, due_ms = ?2 WHERE key IN
      (SELECT key FROM executions WHERE status = 'running' AND node <> ?1 LIMIT ?3)`);
  const release = db.prepare(`
    UPDATE executions SET status = CASE WHEN ?2 > ?3 THEN 'waiting' ELSE 'ready' END, node = NULL, due_ms = ?2,
      entries = ?4, bytes = ?5 WHERE key = ?1`);
  const take = (node: NodeId, key: number): StoredClaim => {
    hold.run(node, key);
    const row = find.get(key)!;
    const fence = numberOf(row, 'fence');
    const journal = entries.all(key);
    const texts = journal.map((each) => textOf(each, 'entries'));
    // Its row need not say so: whoever held it before may have died.
    const size = {
      entries: journal.reduce((sum, each) => sum + numberOf(each, 'count'), 0),
      bytes: texts.reduce((sum, each) => sum + each.length, 0),
    };
    const record = { ...toRecord(row), ...size };
    held.add(record.id, { key, fence, ...size, notedBytes: numberOf(row, 'bytes') });
    return { record, fence, entries: texts, inbox: inbox.all(key).map(toInboxItem) };
  };
  return {
    release(id: ExecutionId, fence: number, dueMs: number, nowMs: number): boolean {
      const own = held.find(id);
      if (own?.fence !== fence) return false;
      release.run(own.key, dueMs, nowMs, own.entries, own.bytes);
      held.forget(id);
      return true;
    },
    claim(node: NodeId, nowMs: number, limit: number): StoredClaim[] {
      const most = Math.max(0, Math.min(limit, CLAIM_MAX));
      const rows: Row[] = listReady.all(most);
      if (rows.length < most) rows.push(...listDue.all(nowMs, most - rows.length));
      return withinBytes(rows).map((row) => take(node, numberOf(row, 'key')));
    },
    recover(node: NodeId, nowMs: number, limit: number): number {
      held.forgetAll();
      return Number(recover.run(node, nowMs, limit).changes);
    },
  };
}

function withinBytes(rows: Row[]): Row[] {
  let bytes = 0;
  const beyond = rows.findIndex((row, index) => {
    bytes += numberOf(row, 'bytes');
    return index > 0 && bytes > CLAIM_BYTES_MAX;
  });
  return beyond < 0 ? rows : rows.slice(0, beyond);
}
