import type { DatabaseSync } from 'node:sqlite';
import type { ExecutionId } from '../base/ids.ts';
import { RULES } from '../model/execution.ts';
import { JOURNAL_FORMAT } from '../model/journal.ts';
import type { CreateOutcome, NewExecution } from '../ports/journal-store.ts';
import type { HeldExecutions } from './held-executions.ts';
import { createRefer, type Refer } from './payload-references.ts';
import { numberOf, type Row, textOf } from './row.ts';

/** A new execution on its way to the store: its entries as JSON text. */
export interface StoredStart extends Omit<NewExecution, 'entries'> {
  readonly entries: string;
  readonly count: number;
}

export function toStoredStart({ entries, ...rest }: NewExecution): StoredStart {
  return { ...rest, entries: JSON.stringify(entries), count: entries.length };
}

export type StartExecution = (start: StoredStart, nowMs: number) => CreateOutcome;

/** Begins executions: what holds them back (keys, rates, a pause for more) is decided here, in one transaction. */
export function createStart(db: DatabaseSync, held: HeldExecutions): StartExecution {
  const findKey = db.prepare(`
    SELECT e.id, k.fingerprint FROM execution_keys k JOIN executions e ON e.key = k.execution
    WHERE k.app = ? AND k.workflow = ? AND k.idempotency_key = ?`);
  const addKey = db.prepare(`
    INSERT INTO execution_keys (app, workflow, idempotency_key, fingerprint, execution) VALUES (?, ?, ?, ?, ?)`);
  const insert = db.prepare(`
    INSERT INTO executions (id, app, workflow, kind, version, deployment, format, status, priority, parent, parent_op,
      created_ms, due_ms, expires_ms, node, fence, entries, bytes, slot, slot_limit, debounce, depth, traceparent,
      rules)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING`);
  const insertEntries = db.prepare(
    'INSERT INTO journal (execution, seq, count, entries) VALUES (?, 0, ?, ?)',
  );
  const refer = createRefer(db);
  const replace = createReplacement(db, refer);
  const takeSlot = createSlotTaking(db);
  const takeTurn = createRate(db);

  return (start, nowMs) => {
    const { idempotency, debounce, concurrency, rate } = start;
    if (idempotency !== undefined) {
      const row = findKey.get(start.app, start.workflow, idempotency.key);
      if (row !== undefined) {
        const sameInput = textOf(row, 'fingerprint') === idempotency.fingerprint;
        return { status: 'exists', id: textOf(row, 'id') as ExecutionId, sameInput };
      }
    }
    const scoped = (key: string): string => JSON.stringify([start.app, start.workflow, key]);
    const debounceKey = debounce === undefined ? undefined : scoped(debounce.key);
    if (debounceKey !== undefined) {
      const id = replace(debounceKey, start, nowMs + debounce!.waitMs);
      if (id !== undefined) return { status: 'replaced', id };
    }
    const slot = concurrency === undefined ? undefined : scoped(concurrency.key);
    const dueMs = Math.max(
      start.notBeforeMs ?? 0,
      debounce === undefined ? 0 : nowMs + debounce.waitMs,
      rate === undefined ? 0 : takeTurn(scoped(rate.key), rate.perMs / rate.limit, rate.limit, nowMs),
      nowMs,
    );
    const admitted = slot === undefined || takeSlot(slot, concurrency!.limit);
    const free = admitted ? (dueMs > nowMs ? 'waiting' : 'ready') : 'queued';
    const status = free === 'ready' && start.claimBy !== undefined ? 'running' : free;
    const claimed = status === 'running';
    const { id, app, workflow, kind, version, deployment, priority, parent, origin, expiresMs } = start;
    // biome-ignore format: one line a group of columns
    const inserted = insert.run(
      id, app, workflow, kind, version, deployment, JOURNAL_FORMAT, status, priority,
      parent?.execution ?? null, parent?.op ?? null,
      nowMs, dueMs, expiresMs ?? null, claimed ? start.claimBy! : null, claimed ? 1 : 0,
      start.count, start.entries.length, slot ?? null, concurrency?.limit ?? null, debounceKey ?? null,
      origin?.depth ?? 0, origin?.traceparent ?? null, start.rules ?? RULES[kind],
    );
    if (inserted.changes === 0) return { status: 'exists', id, sameInput: true };
    const key = Number(inserted.lastInsertRowid);
    insertEntries.run(key, start.count, start.entries);
    refer(key, start.entries);
    if (idempotency !== undefined) addKey.run(app, workflow, idempotency.key, idempotency.fingerprint, key);
    const bytes = start.entries.length;
    if (claimed) held.add(id, { key, fence: 1, entries: start.count, bytes, notedBytes: bytes });
    return { status: 'created', id, fence: claimed ? 1 : undefined };
  };
}

function createReplacement(db: DatabaseSync, refer: Refer) {
  const find = db.prepare(
    "SELECT key, id FROM executions WHERE debounce = ? AND status IN ('waiting', 'queued') LIMIT 1",
  );
  const setEntries = db.prepare('UPDATE journal SET count = ?, entries = ? WHERE execution = ? AND seq = 0');
  const setDue = db.prepare('UPDATE executions SET due_ms = ?, entries = ?, bytes = ? WHERE key = ?');
  return (debounce: string, start: StoredStart, dueMs: number): ExecutionId | undefined => {
    const row: Row | undefined = find.get(debounce);
    if (row === undefined) return undefined;
    const key = numberOf(row, 'key');
    setEntries.run(start.count, start.entries, key);
    refer(key, start.entries);
    setDue.run(dueMs, start.count, start.entries.length, key);
    return textOf(row, 'id') as ExecutionId;
  };
}

/** True when one more may be under way; it counts then. */
function createSlotTaking(db: DatabaseSync) {
  const used = db.prepare('SELECT used FROM execution_slots WHERE slot = ?');
  const take = db.prepare(`
    INSERT INTO execution_slots (slot, used) VALUES (?, 1) ON CONFLICT (slot) DO UPDATE SET used = used + 1`);
  return (slot: string, limit: number): boolean => {
    const row = used.get(slot);
    if (row !== undefined && numberOf(row, 'used') >= limit) return false;
    take.run(slot);
    return true;
  };
}

/** When a start may begin: `limit` at once, then one each `intervalMs`. */
function createRate(db: DatabaseSync) {
  const find = db.prepare('SELECT next_ms FROM execution_rates WHERE rate = ?');
  const set = db.prepare(`
    INSERT INTO execution_rates (rate, next_ms) VALUES (?, ?) ON CONFLICT (rate) DO UPDATE SET next_ms = excluded.next_ms`);
  return (rate: string, intervalMs: number, limit: number, nowMs: number): number => {
    const row = find.get(rate);
    const nextMs = Math.max(nowMs, row === undefined ? 0 : numberOf(row, 'next_ms'));
    set.run(rate, nextMs + intervalMs);
    return Math.max(nowMs, nextMs - intervalMs * (limit - 1));
  };
}
