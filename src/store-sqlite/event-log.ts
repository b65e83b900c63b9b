import type { DatabaseSync } from 'node:sqlite';
import type { NodeId } from '../base/ids.ts';
import type { TriggerId } from '../model/trigger.ts';
import type {
  FailedOrdering,
  NewDelivery,
  Session,
  TriggerKey,
  TriggerTotals,
} from '../ports/event-store.ts';
import { type DeliveryKeys, ROW_DELIVERIES_MAX } from './delivery-rows.ts';
import { createEventInserts } from './event-inserts.ts';
import type { PackedAppend, PackedAppended, Run } from './packed-append.ts';
import { numberOf, optionalNumberOf, type Row, textOf } from './row.ts';

/*
 * Writing events. An event is one row and one entry of the index that finds repetitions; what is owed of events in a row
 * that are owed alike is one row more for all of them (delivery-rows.ts). What a session takes into its hands at once
 * never enters the index of what waits, and sums are kept once a call.
 */

export function createEventLogWrites(db: DatabaseSync, keys: DeliveryKeys) {
  return {
    ...createSessions(db),
    ...createTriggerTable(db),
    append: createAppend(db, keys),
  };
}

function createSessions(db: DatabaseSync) {
  const open = db.prepare('INSERT INTO event_sessions (node) VALUES (?) RETURNING session');
  const release = db.prepare(
    'UPDATE deliveries SET session = NULL WHERE session IS NOT NULL AND session <> ?',
  );
  // Whatever opened its ordering may have been stored without letting these go; whoever claims them parks them anew.
  const unpark = db.prepare('UPDATE deliveries SET parked = 0 WHERE parked = 1');
  const forget = db.prepare('DELETE FROM event_sessions WHERE session < ?');
  const listFailed = db.prepare(`
    SELECT trigger, ordering, key FROM deliveries WHERE ordering IS NOT NULL AND attempts > 0 ORDER BY key`);
  return {
    openSession(node: NodeId): { session: Session; failed: FailedOrdering[] } {
      const session = numberOf(open.get(node)!, 'session');
      release.run(session);
      unpark.run();
      forget.run(session);
      const failed = listFailed.all().map((row) => ({
        trigger: numberOf(row, 'trigger'),
        ordering: textOf(row, 'ordering'),
        key: numberOf(row, 'key'),
      }));
      return { session, failed };
    },
  };
}

function createTriggerTable(db: DatabaseSync) {
  const register = db.prepare('INSERT INTO event_triggers (id) VALUES (?) ON CONFLICT (id) DO NOTHING');
  const find = db.prepare(
    'SELECT key, id, paused, owed, delivered, dead, NULL AS oldest_ms FROM event_triggers WHERE id = ?',
  );
  const pause = db.prepare('UPDATE event_triggers SET paused = ? WHERE key = ?');
  return {
    registerTriggers(ids: readonly TriggerId[]): TriggerTotals[] {
      return ids.map((id) => {
        register.run(id);
        return toTriggerTotals(find.get(id)!);
      });
    },
    setPaused(trigger: TriggerKey, paused: boolean): void {
      pause.run(paused ? 1 : 0, trigger);
    },
  };
}

/** Stores events with their deliveries; shared with settling, which stores what comes of deliveries. */
export function createAppend(
  db: DatabaseSync,
  deliveryKeys: DeliveryKeys,
): (append: PackedAppend) => PackedAppended {
  const insert = createEventInserts(db);
  const addTotals = db.prepare(
    'UPDATE event_totals SET events = events + ?, bytes = bytes + ?, owed = owed + ?',
  );
  const addOwed = db.prepare('UPDATE event_triggers SET owed = owed + ? WHERE key = ?');
  const move = db.prepare(`
    INSERT INTO source_positions (source, position, moved_ms) VALUES (?1, ?2, ?3)
    ON CONFLICT (source) DO UPDATE SET position = ?2, moved_ms = ?3`);
  const owe = createOwe(db, deliveryKeys);
  return (append) => {
    const { nowMs, positions, runs, ends } = append;
    const seqs = insert(append);
    const owedByTrigger = new Map<TriggerKey, number>();
    const sums = { events: 0, bytes: 0, owed: 0 };
    const keys: number[] = [];
    let at = 0;
    for (const run of runs) {
      const stored: number[] = [];
      const begin = at;
      for (const end = at + run.count; at < end; at += 1) {
        const seq = seqs[at]!;
        if (seq < 0) continue;
        stored.push(seq);
        sums.events += 1;
        sums.bytes += ends[at]! - (at === 0 ? 0 : ends[at - 1]!);
      }
      const owed = owe(run, stored, append.receivedMs[begin]!, append);
      run.deliveries.forEach(({ trigger }, place) => {
        let count = 0;
        for (let key = place; key < owed.length; key += run.deliveries.length)
          if (!Number.isNaN(owed[key])) count += 1;
        sums.owed += count;
        if (count > 0) owedByTrigger.set(trigger, (owedByTrigger.get(trigger) ?? 0) + count);
      });
      for (const key of owed) keys.push(key);
    }
    for (const { source, position } of positions) move.run(source, position, nowMs);
    if (sums.events > 0) addTotals.run(sums.events, sums.bytes, sums.owed);
    if (sums.owed > 0) deliveryKeys.save();
    for (const [trigger, count] of owedByTrigger) addOwed.run(count, trigger);
    return { seqs, keys: new Float64Array(keys) };
  };
}

/** Owes the events of a run, of which the first is at a place of the append. Returns the keys, event by event; NaN: a repetition. */
function createOwe(
  db: DatabaseSync,
  deliveryKeys: DeliveryKeys,
): (run: Run, seqs: readonly number[], receivedMs: number, append: PackedAppend) => readonly number[] {
  const oweOne = createOweOne(db, deliveryKeys);
  const oweMany = db.prepare(`
    INSERT INTO deliveries (key, trigger, event, count, owed_ms, due_ms, session, by_subject)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
  return ({ deliveries, isPlain }, seqs, receivedMs, { session, nowMs }) => {
    if (!isPlain)
      return seqs.flatMap((seq) => deliveries.map((delivery) => oweOne(seq, delivery, session, nowMs)));
    const keys = new Array<number>(seqs.length * deliveries.length);
    for (let first = 0; first < seqs.length; ) {
      const count = countUnbroken(seqs, first);
      deliveries.forEach(({ trigger, claimed, ordering }, place) => {
        const key = deliveryKeys.take(count);
        const holder = claimed ? session : null;
        const bySubject = ordering === undefined ? 0 : 1;
        oweMany.run(key, trigger, seqs[first]!, count, nowMs, receivedMs, holder, bySubject);
        for (let at = 0; at < count; at += 1) keys[(first + at) * deliveries.length + place] = key + at;
      });
      first += count;
    }
    return keys;
  };
}

/** How many follow on one another from there on, as far as one row reaches. */
function countUnbroken(seqs: readonly number[], first: number): number {
  const most = Math.min(seqs.length - first, ROW_DELIVERIES_MAX);
  let count = 1;
  while (count < most && seqs[first + count] === seqs[first]! + count) count += 1;
  return count;
}

function createOweOne(
  db: DatabaseSync,
  deliveryKeys: DeliveryKeys,
): (seq: number, delivery: NewDelivery, session: Session, nowMs: number) => number {
  const insert = db.prepare(`
    INSERT INTO deliveries (key, trigger, event, count, owed_ms, due_ms, session, ordering, parked)
    VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?)`);
  const see = db.prepare(`
    INSERT INTO event_repetitions (trigger, value, until_ms) VALUES (?1, ?2, ?3)
    ON CONFLICT (trigger, value) DO UPDATE SET until_ms = ?3 WHERE until_ms <= ?4 RETURNING 1 AS fresh`);
  return (seq, { trigger, claimed, parked, dueMs, ordering, once }, session, nowMs) => {
    if (once !== undefined && see.get(trigger, once.value, once.untilMs, nowMs) === undefined)
      return Number.NaN;
    const holder = claimed ? session : null;
    const key = deliveryKeys.take(1);
    insert.run(key, trigger, seq, nowMs, dueMs, holder, ordering ?? null, parked ? 1 : 0);
    return key;
  };
}

export function toTriggerTotals(row: Row): TriggerTotals {
  return {
    key: numberOf(row, 'key'),
    id: textOf(row, 'id') as TriggerId,
    paused: numberOf(row, 'paused') === 1,
    owed: numberOf(row, 'owed'),
    delivered: numberOf(row, 'delivered'),
    dead: numberOf(row, 'dead'),
    oldestMs: optionalNumberOf(row, 'oldest_ms'),
  };
}
