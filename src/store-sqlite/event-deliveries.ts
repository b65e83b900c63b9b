import type { DatabaseSync } from 'node:sqlite';
import type { InvocationError } from '../model/invocation.ts';
import {
  ATTEMPTS_KEPT_MAX,
  type ClaimedDelivery,
  type DeliveryAttempt,
  type ReplayItem,
  type Session,
  type Settlement,
  type TriggerKey,
} from '../ports/event-store.ts';
import { createDeliveryRows, type DeliveryKeys, type DeliveryRows } from './delivery-rows.ts';
import { createAppend } from './event-log.ts';
import type { PackedAppend, PackedAppended } from './packed-append.ts';
import { bytesOf, numberOf, optionalTextOf, type Row, textOf } from './row.ts';

/*
 * What is owed: claims, endings, parking, dead letters. A delivery is held by a session or by nobody; only its
 * holder ends it. Made deliveries are deleted, so that the tables hold what is to be done and nothing else. Many share a row
 * (delivery-rows.ts).
 */

/** Most that one `claim` gives, and most bytes of their events unless a single one has more. */
export const CLAIM_MAX = 4_096;
export const CLAIM_BYTES_MAX = 16 * 1024 * 1024;

export function createDeliveryWrites(db: DatabaseSync, keys: DeliveryKeys) {
  const rows = createDeliveryRows(db);
  return {
    ...createClaim(db, rows),
    settle: createSettle(db, rows, keys),
    ...createParking(db),
    ...createRevival(db, keys),
    ...createDeadEdits(db),
  };
}

function createClaim(db: DatabaseSync, rows: DeliveryRows) {
  const listDue = db.prepare(`
    SELECT d.key + e.seq - d.event AS key, e.seq, e.id, e.source, e.type, e.received_ms, e.depth,
      iif(d.by_subject, e.subject, d.ordering) AS ordering, d.attempts, d.owed_ms, coalesce(d.body, e.event) AS event
    FROM deliveries d CROSS JOIN events e ON e.seq BETWEEN d.event AND d.event + d.count - 1
    WHERE d.trigger = ? AND d.session IS NULL AND d.parked = 0 AND d.due_ms <= ?
    ORDER BY d.due_ms, d.key, e.seq LIMIT ?`);
  const claim = db.prepare('UPDATE deliveries SET session = ? WHERE key BETWEEN ? AND ?');
  return {
    claim(session: Session, trigger: TriggerKey, nowMs: number, limit: number): ClaimedDelivery[] {
      const claimed: ClaimedDelivery[] = [];
      let bytes = 0;
      // Read one by one: with large events the rest of the list must not be read at all.
      for (const row of listDue.iterate(trigger, nowMs, Math.max(0, Math.min(limit, CLAIM_MAX)))) {
        const delivery = toClaimed(row as Row);
        bytes += delivery.event.byteLength;
        if (claimed.length > 0 && bytes > CLAIM_BYTES_MAX) break;
        claimed.push(delivery);
      }
      if (claimed.length > 0) rows.split(claimed.at(-1)!.key + 1);
      forEachRun(
        claimed.map(({ key }) => key),
        (from, to) => claim.run(session, from, to),
      );
      return claimed;
    },
  };
}

/** Tells of keys that follow on one another as one: the first, and the last. */
function forEachRun(keys: ArrayLike<number>, tell: (from: number, to: number) => void): void {
  for (let first = 0; first < keys.length; ) {
    let last = first;
    while (last + 1 < keys.length && keys[last + 1] === keys[last]! + 1) last += 1;
    tell(keys[first]!, keys[last]!);
    first = last + 1;
  }
}

/** Counts to write once a call. */
interface Sums {
  owed: number;
  delivered: number;
  dead: number;
}

function createSettle(
  db: DatabaseSync,
  rows: DeliveryRows,
  deliveryKeys: DeliveryKeys,
): (settlements: readonly Settlement[], append: PackedAppend) => PackedAppended {
  const retry = db.prepare(`
    UPDATE deliveries SET session = NULL, attempts = attempts + 1, due_ms = ? WHERE key = ? AND session = ?`);
  const release = db.prepare(
    'UPDATE deliveries SET session = NULL, parked = ? WHERE key = ? AND session = ?',
  );
  const bury = createBury(db);
  const note = createNoteAttempt(db);
  const addTrigger = db.prepare(
    'UPDATE event_triggers SET owed = owed + ?, delivered = delivered + ?, dead = dead + ? WHERE key = ?',
  );
  const addTotals = db.prepare('UPDATE event_totals SET owed = owed + ?, dead = dead + ?');
  const append = createAppend(db, deliveryKeys);
  return (settlements, appended) => {
    const { session } = appended;
    const sums = new Map<TriggerKey, Sums>();
    const sumsOf = (trigger: TriggerKey): Sums => {
      const found = sums.get(trigger) ?? { owed: 0, delivered: 0, dead: 0 };
      sums.set(trigger, found);
      return found;
    };
    for (const settlement of settlements) {
      switch (settlement.kind) {
        case 'attempted':
          note(settlement.key, session, settlement.attempt);
          break;
        case 'delivered':
          forEachRun(new Float64Array(settlement.keys).sort(), (from, to) =>
            rows.remove(from, to, session, (trigger, count) => {
              const sum = sumsOf(trigger);
              sum.owed -= count;
              sum.delivered += count;
            }),
          );
          break;
        case 'retry':
          rows.isolate(settlement.key, session);
          retry.run(settlement.dueMs, settlement.key, session);
          break;
        case 'released':
          rows.isolate(settlement.key, session);
          release.run(settlement.parked ? 1 : 0, settlement.key, session);
          break;
        case 'dead': {
          rows.isolate(settlement.key, session);
          const trigger = bury(settlement.key, session, settlement.error, settlement.diedMs);
          if (trigger === undefined) break;
          const sum = sumsOf(trigger);
          sum.owed -= 1;
          sum.dead += 1;
          break;
        }
      }
    }
    const all: Sums = { owed: 0, delivered: 0, dead: 0 };
    for (const [trigger, { owed, delivered, dead }] of sums) {
      addTrigger.run(owed, delivered, dead, trigger);
      all.owed += owed;
      all.dead += dead;
    }
    if (sums.size > 0) addTotals.run(all.owed, all.dead);
    return append(appended);
  };
}

function createBury(
  db: DatabaseSync,
): (key: number, session: Session, error: InvocationError, diedMs: number) => TriggerKey | undefined {
  const copy = db.prepare(`
    INSERT INTO dead_letters (key, trigger, event, attempts, ordering, body, error, died_ms)
    SELECT key, trigger, event, attempts + 1, ordering, body, ?, ? FROM deliveries WHERE key = ? AND session = ?
    RETURNING trigger`);
  const remove = db.prepare('DELETE FROM deliveries WHERE key = ?');
  return (key, session, error, diedMs) => {
    const row = copy.get(JSON.stringify(error), diedMs, key, session);
    if (row === undefined) return undefined;
    remove.run(key);
    return numberOf(row, 'trigger');
  };
}

function createNoteAttempt(
  db: DatabaseSync,
): (key: number, session: Session, attempt: DeliveryAttempt) => void {
  // The row that it is in may stand for many.
  const insert = db.prepare(`
    INSERT INTO delivery_attempts
      (event, trigger, delivery, attempt, started_ms, took_ms, invocation, error, next_ms)
    SELECT event + (?6 - key), trigger, ?6, attempts + 1, ?1, ?2, ?3, ?4, ?5 FROM deliveries
    WHERE key = (SELECT max(key) FROM deliveries WHERE key <= ?6) AND key + count > ?6 AND session = ?7
    RETURNING event, attempt`);
  const remove = db.prepare(
    'DELETE FROM delivery_attempts WHERE event = ? AND delivery = ? AND attempt <= ?',
  );
  return (key, session, { startedMs, tookMs, invocation, error, nextMs }) => {
    const errorText = error === undefined ? null : JSON.stringify(error);
    const row = insert.get(startedMs, tookMs, invocation ?? null, errorText, nextMs ?? null, key, session);
    if (row === undefined) return;
    const old = numberOf(row, 'attempt') - ATTEMPTS_KEPT_MAX;
    if (old > 0) remove.run(numberOf(row, 'event'), key, old);
  };
}

function createParking(db: DatabaseSync) {
  const unpark = db.prepare(
    'UPDATE deliveries SET parked = 0 WHERE trigger = ? AND ordering = ? AND parked = 1',
  );
  return {
    unpark: (trigger: TriggerKey, ordering: string): number => Number(unpark.run(trigger, ordering).changes),
  };
}

/** What becomes owed again: stored events by replay, dead letters by redriving. */
function createRevival(db: DatabaseSync, deliveryKeys: DeliveryKeys) {
  const owe = db.prepare(`
    INSERT INTO deliveries (key, trigger, event, count, owed_ms, due_ms, ordering)
    SELECT ?5, ?1, seq, 1, ?3, ?3, ?4 FROM events WHERE seq = ?2`);
  const redrive = db.prepare(`
    INSERT INTO deliveries (key, trigger, event, count, owed_ms, due_ms, ordering, body)
    SELECT ?3, trigger, event, 1, ?2, ?2, ordering, body FROM dead_letters WHERE key = ?1`);
  const removeDead = db.prepare('DELETE FROM dead_letters WHERE key = ? RETURNING trigger');
  const addTrigger = db.prepare('UPDATE event_triggers SET owed = owed + ?, dead = dead + ? WHERE key = ?');
  const addTotals = db.prepare('UPDATE event_totals SET owed = owed + ?, dead = dead + ?');
  const remove = (key: number, owed: number): number => {
    const row = removeDead.get(key);
    if (row === undefined) return 0;
    addTrigger.run(owed, -1, numberOf(row, 'trigger'));
    addTotals.run(owed, -1);
    return 1;
  };
  return {
    replay(items: readonly ReplayItem[], nowMs: number): number {
      let count = 0;
      for (const { seq, trigger, ordering } of items) {
        if (owe.run(trigger, seq, nowMs, ordering ?? null, deliveryKeys.take(1)).changes === 0) continue;
        addTrigger.run(1, 0, trigger);
        count += 1;
      }
      if (count > 0) addTotals.run(count, 0);
      deliveryKeys.save();
      return count;
    },
    redriveDead(keys: readonly number[], nowMs: number): number {
      let count = 0;
      for (const key of keys)
        if (redrive.run(key, nowMs, deliveryKeys.take(1)).changes > 0) count += remove(key, 1);
      deliveryKeys.save();
      return count;
    },
    removeDead: (keys: readonly number[]): number => keys.reduce((count, key) => count + remove(key, 0), 0),
  };
}

function createDeadEdits(db: DatabaseSync) {
  const edit = db.prepare('UPDATE dead_letters SET body = ? WHERE key = ?');
  return {
    editDead: (key: number, event: Uint8Array): boolean => edit.run(event, key).changes === 1,
  };
}

function toClaimed(row: Row): ClaimedDelivery {
  return {
    key: numberOf(row, 'key'),
    seq: numberOf(row, 'seq'),
    id: textOf(row, 'id'),
    source: textOf(row, 'source'),
    type: textOf(row, 'type'),
    receivedMs: numberOf(row, 'received_ms'),
    depth: numberOf(row, 'depth'),
    ordering: optionalTextOf(row, 'ordering'),
    attempts: numberOf(row, 'attempts'),
    owedMs: numberOf(row, 'owed_ms'),
    event: bytesOf(row, 'event'),
  };
}
