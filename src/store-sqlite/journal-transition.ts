import type { DatabaseSync } from 'node:sqlite';
import type { ExecutionId } from '../base/ids.ts';
import { type ExecutionInput, type ExecutionStatus, isFinal } from '../model/execution.ts';
import { type DeliverOutcome, INBOX_MAX, type Transition } from '../ports/journal-store.ts';
import type { Held, HeldExecutions } from './held-executions.ts';
import { type StartExecution, type StoredStart, toStoredStart } from './journal-start.ts';
import { createRefer, type Refer } from './payload-references.ts';
import { numberOf, optionalTextOf, textOf } from './row.ts';

/** What most transitions have nothing of. */
interface Beside extends Pick<Transition, 'consumed' | 'awaitsNoMore' | 'messages'> {
  readonly starts: readonly StoredStart[];
  readonly awaits: readonly { readonly op: number; readonly key: string; readonly detail: string | null }[];
}

/** A transition as the store takes it: entries and details as JSON text. */
export interface StoredTransition extends Pick<Transition, 'id' | 'fence' | 'seq' | 'next' | 'nowMs'> {
  readonly entries: string;
  readonly count: number;
  /** The status that the execution ends with. */
  readonly endedAs: ExecutionStatus | undefined;
  readonly beside: Beside | undefined;
}

export function toStoredTransition(transition: Transition): StoredTransition {
  const { id, fence, seq, next, nowMs, entries } = transition;
  const last = entries.at(-1);
  return {
    ...{ id, fence, seq, next, nowMs },
    entries: entries.length === 0 ? '' : JSON.stringify(entries),
    count: entries.length,
    endedAs: last?.kind === 'ended' ? last.outcome.status : undefined,
    beside: besideOf(transition),
  };
}

function besideOf({ consumed, awaits, awaitsNoMore, messages, starts }: Transition): Beside | undefined {
  const size = consumed.length + awaits.length + awaitsNoMore.length + messages.length + starts.length;
  if (size === 0) return undefined;
  return {
    ...{ consumed, awaitsNoMore, messages },
    starts: starts.map(toStoredStart),
    awaits: awaits.map(({ op, key, detail }) => ({
      op,
      key,
      detail: detail === undefined ? null : JSON.stringify(detail),
    })),
  };
}

export function createTransitions(db: DatabaseSync, start: StartExecution, held: HeldExecutions) {
  const refer = createRefer(db);
  const deliver = createDelivery(db, refer);
  return {
    append: createAppend(db, start, deliver, held, refer),
    deliver,
    settleAwaiting: createSettling(db, deliver),
  };
}

type Deliver = (id: ExecutionId, input: ExecutionInput, nowMs: number) => DeliverOutcome;

function createAppend(
  db: DatabaseSync,
  start: StartExecution,
  deliver: Deliver,
  held: HeldExecutions,
  refer: Refer,
) {
  const insert = db.prepare('INSERT INTO journal (execution, seq, count, entries) VALUES (?, ?, ?, ?)');
  const consume = db.prepare('DELETE FROM execution_inbox WHERE position = ? AND execution = ?');
  const await_ = db.prepare(
    'INSERT INTO execution_awaits (execution, op, await_key, detail) VALUES (?, ?, ?, ?)',
  );
  const awaitNoMore = db.prepare('DELETE FROM execution_awaits WHERE execution = ? AND op = ?');
  const rest = createRest(db);
  const end = createEnding(db);

  return (transition: StoredTransition): boolean => {
    const { id, fence, seq, entries, count, next, nowMs, beside } = transition;
    const own = held.find(id);
    if (own === undefined || own.fence !== fence || own.entries !== seq) return false;
    const { key } = own;
    if (count > 0) {
      insert.run(key, seq, count, entries);
      refer(key, entries);
      held.grew(own, count, entries.length);
    }
    if (beside !== undefined) {
      for (const position of beside.consumed) consume.run(position, key);
      for (const { op, key: awaited, detail } of beside.awaits) await_.run(key, op, awaited, detail);
      for (const op of beside.awaitsNoMore) awaitNoMore.run(key, op);
      for (const child of beside.starts) start(child, nowMs);
      // Before the state: a message to itself must find it either held or waiting.
      for (const { to, input } of beside.messages) deliver(to, input, nowMs);
    }
    if (next.status === 'running') return true;
    held.forget(id);
    if (next.status === 'ended') end(own, transition.endedAs!, nowMs);
    else rest(own, next.status === 'waiting' ? next.dueMs : nowMs, nowMs);
    return true;
  };
}

/** Gives a claim back: waiting, or ready when something lies in the inbox. */
function createRest(db: DatabaseSync) {
  const rest = db.prepare(`
    UPDATE executions SET node = NULL, entries = ?4, bytes = ?5,
      status = CASE WHEN ?2 <= ?3 OR EXISTS (SELECT 1 FROM execution_inbox WHERE execution = ?1)
        THEN 'ready' ELSE 'waiting' END,
      due_ms = CASE WHEN EXISTS (SELECT 1 FROM execution_inbox WHERE execution = ?1) THEN ?3 ELSE ?2 END
    WHERE key = ?1`);
  return ({ key, entries, bytes }: Held, dueMs: number | undefined, nowMs: number): void => {
    rest.run(key, dueMs ?? null, nowMs, entries, bytes);
  };
}

function createEnding(db: DatabaseSync) {
  const end = db.prepare(`
    UPDATE executions SET status = ?, ended_ms = ?, node = NULL, due_ms = NULL, entries = ?, bytes = ?
    WHERE key = ?`);
  const findSlot = db.prepare('SELECT slot FROM executions WHERE key = ?');
  const dropInbox = db.prepare('DELETE FROM execution_inbox WHERE execution = ?');
  const dropAwaits = db.prepare('DELETE FROM execution_awaits WHERE execution = ?');
  const release = db.prepare('UPDATE execution_slots SET used = used - 1 WHERE slot = ? RETURNING used');
  const forget = db.prepare('DELETE FROM execution_slots WHERE slot = ?');
  const admit = db.prepare(`
    UPDATE executions SET status = CASE WHEN due_ms > ?2 THEN 'waiting' ELSE 'ready' END
    WHERE key = (SELECT key FROM executions WHERE slot = ?1 AND status = 'queued' ORDER BY priority DESC, key LIMIT 1)`);
  const occupy = db.prepare(`
    INSERT INTO execution_slots (slot, used) VALUES (?, 1) ON CONFLICT (slot) DO UPDATE SET used = used + 1`);
  return ({ key, entries, bytes }: Held, status: ExecutionStatus, nowMs: number): void => {
    const slot = optionalTextOf(findSlot.get(key)!, 'slot');
    end.run(status, nowMs, entries, bytes, key);
    dropInbox.run(key);
    dropAwaits.run(key);
    if (slot === undefined) return;
    const used = numberOf(release.get(slot)!, 'used');
    if (admit.run(slot, nowMs).changes > 0) occupy.run(slot);
    else if (used <= 0) forget.run(slot);
  };
}

function createDelivery(db: DatabaseSync, refer: Refer): Deliver {
  const find = db.prepare('SELECT key, status, slot FROM executions WHERE id = ?');
  const size = db.prepare('SELECT count(*) AS n FROM execution_inbox WHERE execution = ?');
  const insert = db.prepare('INSERT INTO execution_inbox (execution, input) VALUES (?, ?)');
  const wake = db.prepare("UPDATE executions SET status = 'ready', due_ms = ? WHERE key = ?");
  const occupy = db.prepare(`
    INSERT INTO execution_slots (slot, used) VALUES (?, 1) ON CONFLICT (slot) DO UPDATE SET used = used + 1`);
  return (id, input, nowMs) => {
    const row = find.get(id);
    if (row === undefined) return { status: 'unknown' };
    const status = textOf(row, 'status') as ExecutionStatus;
    if (isFinal(status)) return { status: 'ended', as: status };
    const key = numberOf(row, 'key');
    if (numberOf(size.get(key)!, 'n') >= INBOX_MAX) return { status: 'full' };
    const text = JSON.stringify(input);
    insert.run(key, text);
    refer(key, text);
    // Whoever is queued need not come to its turn to be cancelled.
    const freed = status === 'queued' && input.kind === 'cancel';
    if (freed) occupy.run(textOf(row, 'slot'));
    if (freed || status === 'waiting') wake.run(nowMs, key);
    return { status: 'delivered', held: status === 'running' };
  };
}

function createSettling(db: DatabaseSync, deliver: Deliver) {
  const take = db.prepare(`
    DELETE FROM execution_awaits WHERE op = ?2 AND execution = (SELECT key FROM executions WHERE id = ?1)`);
  return (id: ExecutionId, op: number, input: ExecutionInput, nowMs: number): boolean =>
    take.run(id, op).changes === 1 && deliver(id, input, nowMs).status === 'delivered';
}
