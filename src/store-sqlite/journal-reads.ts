import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ExecutionId, NodeId } from '../base/ids.ts';
import type { ExecutionRecord, ExecutionStatus, WorkflowKind } from '../model/execution.ts';
import type { AppName } from '../model/function.ts';
import type { ExecutionQuery } from '../ports/journal-store.ts';
import { createReferenceReads } from './payload-references.ts';
import { numberOf, optionalNumberOf, optionalTextOf, type Row, textOf } from './row.ts';

/** Most that one page of a list, or of awaiting operations, has. */
export const JOURNAL_PAGE_MAX = 1_000;
/** Most bytes of entries in one page of a history, unless a single transition has more. */
export const HISTORY_BYTES_MAX = 16 * 1024 * 1024;

/** While an execution is held, its row does not follow its journal (`HeldExecutions`). */
const ENTRIES = `CASE WHEN status IN ('running', 'ready') THEN coalesce(
  (SELECT j.seq + j.count FROM journal j WHERE j.execution = executions.key ORDER BY j.seq DESC LIMIT 1), 0)
  ELSE entries END AS entries`;

export const RECORD_COLUMNS = `id, app, workflow, kind, version, deployment, status, priority, parent, parent_op,
  created_ms, ended_ms, due_ms, expires_ms, node, ${ENTRIES}, bytes, depth, traceparent, slot, rules`;

/** One transition's entries as JSON text, and the place of the first. */
export interface StoredEntries {
  readonly seq: number;
  readonly entries: string;
}

export interface StoredInboxItem {
  readonly position: number;
  readonly input: string;
}

export interface StoredAwaiting {
  readonly position: number;
  readonly execution: ExecutionId;
  readonly app: AppName;
  readonly op: number;
  readonly detail: string | undefined;
}

export function createJournalReads(db: DatabaseSync) {
  const find = db.prepare(`SELECT ${RECORD_COLUMNS} FROM executions WHERE id = ?`);
  const inbox = db.prepare(`
    SELECT position, input FROM execution_inbox WHERE execution = (SELECT key FROM executions WHERE id = ?)
    ORDER BY position`);
  const awaiting = db.prepare(`
    SELECT a.position, e.id, e.app, a.op, a.detail FROM execution_awaits a JOIN executions e ON e.key = a.execution
    WHERE a.await_key = ? AND a.position > ? ORDER BY a.position LIMIT ?`);
  const ready = db.prepare("SELECT 1 AS one FROM executions WHERE status = 'ready' LIMIT 1");
  const due = db.prepare("SELECT min(due_ms) AS due_ms FROM executions WHERE status = 'waiting'");
  const counts = db.prepare('SELECT status, count FROM execution_counts');
  return {
    find(id: ExecutionId): ExecutionRecord | undefined {
      const row = find.get(id);
      return row === undefined ? undefined : toRecord(row);
    },
    inbox: (id: ExecutionId): StoredInboxItem[] => inbox.all(id).map(toInboxItem),
    findAwaiting: (key: string, limit: number, after: number): StoredAwaiting[] =>
      awaiting.all(key, after, pageOf(limit)).map((row) => ({
        position: numberOf(row, 'position'),
        execution: textOf(row, 'id') as ExecutionId,
        app: textOf(row, 'app') as AppName,
        op: numberOf(row, 'op'),
        detail: optionalTextOf(row, 'detail'),
      })),
    nextDueMs: (): number | undefined =>
      ready.get() === undefined ? optionalNumberOf(due.get()!, 'due_ms') : 0,
    counts: (): Record<ExecutionStatus, number> =>
      Object.fromEntries(
        counts.all().map((row) => [textOf(row, 'status'), numberOf(row, 'count')]),
      ) as Record<ExecutionStatus, number>,
    ...createReferenceReads(db),
    history: createHistory(db),
    list: createList(db),
  };
}

function createHistory(db: DatabaseSync) {
  const page = db.prepare(`
    SELECT j.seq, j.count, j.entries FROM journal j
    WHERE j.execution = ?1 AND j.seq >=
      coalesce((SELECT max(seq) FROM journal WHERE execution = ?1 AND seq <= ?2), 0)
    ORDER BY j.seq`);
  const findKey = db.prepare('SELECT key FROM executions WHERE id = ?');
  return (id: ExecutionId, from: number, limit: number): StoredEntries[] => {
    const row = findKey.get(id);
    if (row === undefined || limit <= 0) return [];
    const found: StoredEntries[] = [];
    let bytes = 0;
    for (const each of page.iterate(numberOf(row, 'key'), from)) {
      const [seq, entries] = [numberOf(each, 'seq'), textOf(each, 'entries')];
      bytes += entries.length;
      if (seq >= from + limit || (found.length > 0 && bytes > HISTORY_BYTES_MAX)) break;
      found.push({ seq, entries });
    }
    return found;
  };
}

/** What a list is asked for by, in the order of the values. */
const LIST_FIELDS = ['parent', 'app', 'workflow', 'status', 'before'] as const;
export type ListField = (typeof LIST_FIELDS)[number];

/** The list of what is asked for: each is a range of an index, newest first (`list-plans.test.ts`). */
export function executionListSql(fields: readonly ListField[]): string {
  const conditions = fields.map((field) =>
    field === 'before' ? 'key < (SELECT key FROM executions WHERE id = ?)' : `${field} = ?`,
  );
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  // Of two indexes that fit, the planner takes the one that would have to be read to its end.
  const isNarrow = (['app', 'workflow', 'status'] as const).every((field) => fields.includes(field));
  const by = isNarrow ? 'INDEXED BY executions_by_workflow_status' : '';
  return `SELECT ${RECORD_COLUMNS} FROM executions ${by} ${where} ORDER BY key DESC LIMIT ?`;
}

function createList(db: DatabaseSync) {
  const prepared = new Map<string, StatementSync>();
  return (query: ExecutionQuery): ExecutionRecord[] => {
    const fields = LIST_FIELDS.filter((field) => query[field] !== undefined);
    const sql = executionListSql(fields);
    const statement = prepared.get(sql) ?? db.prepare(sql);
    prepared.set(sql, statement);
    return statement.all(...fields.map((field) => query[field]!), pageOf(query.limit)).map(toRecord);
  };
}

export function toInboxItem(row: Row): StoredInboxItem {
  return { position: numberOf(row, 'position'), input: textOf(row, 'input') };
}

function pageOf(limit: number): number {
  return Math.max(0, Math.min(limit, JOURNAL_PAGE_MAX));
}

export function toRecord(row: Row): ExecutionRecord {
  const parent = optionalTextOf(row, 'parent');
  const [depth, traceparent] = [numberOf(row, 'depth'), optionalTextOf(row, 'traceparent')];
  const slot = optionalTextOf(row, 'slot');
  return {
    id: textOf(row, 'id') as ExecutionId,
    app: textOf(row, 'app') as AppName,
    workflow: textOf(row, 'workflow'),
    kind: textOf(row, 'kind') as WorkflowKind,
    version: textOf(row, 'version'),
    deployment: numberOf(row, 'deployment'),
    rules: numberOf(row, 'rules'),
    status: textOf(row, 'status') as ExecutionStatus,
    priority: numberOf(row, 'priority'),
    parent:
      parent === undefined ? undefined : { execution: parent as ExecutionId, op: numberOf(row, 'parent_op') },
    // A slot is app, workflow and key.
    ...(slot === undefined ? {} : { concurrencyKey: (JSON.parse(slot) as string[])[2]! }),
    origin: depth === 0 && traceparent === undefined ? undefined : { depth, traceparent },
    createdMs: numberOf(row, 'created_ms'),
    endedMs: optionalNumberOf(row, 'ended_ms'),
    dueMs: optionalNumberOf(row, 'due_ms'),
    expiresMs: optionalNumberOf(row, 'expires_ms'),
    node: optionalTextOf(row, 'node') as NodeId | undefined,
    entries: numberOf(row, 'entries'),
    bytes: numberOf(row, 'bytes'),
  };
}
