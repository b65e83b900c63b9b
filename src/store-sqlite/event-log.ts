import type { DatabaseSync } from 'node:sqlite';
import type { NodeId } from '../base/ids.ts';
import type { TriggerId } from '../model/trigger.ts';
import type {
  Append,
  Appended,
  FailedOrdering,
  NewDelivery,
  NewEvent,
  Session,
  TriggerKey,
  TriggerTotals,
} from '../ports/event-store.ts';
import { numberOf, type Row, textOf } from './row.ts';

/*
 * Writing events. An event is one row, one entry of the index that finds repetitions, and one row for each delivery;
 * what a session takes into its hands at once never enters the index of what waits. Sums are kept once a call, not
 * once a row.
 */

export function createEventLogWrites(db: DatabaseSync) {
  return {
    ...createSessions(db),
    ...createTriggerTable(db),
    append: createAppend(db),
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
  const find = db.prepare('SELECT key, id, paused, owed, delivered, dead FROM event_triggers WHERE id = ?');
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
export function createAppend(db: DatabaseSync): (append: Append) => Appended[] {
  const insert = db.prepare(`
    INSERT INTO events (source, id, type, subject, received_ms, depth, event) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (source, id) DO NOTHING RETURNING seq`);
  const find = db.prepare('SELECT seq FROM events WHERE source = ? AND id = ?');
  const addTotals = db.prepare(
    'UPDATE event_totals SET events = events + ?, bytes = bytes + ?, owed = owed + ?',
  );
  const addOwed = db.prepare('UPDATE event_triggers SET owed = owed + ? WHERE key = ?');
  const move = db.prepare(`
    INSERT INTO source_positions (source, position, moved_ms) VALUES (?1, ?2, ?3)
    ON CONFLICT (source) DO UPDATE SET position = ?2, moved_ms = ?3`);
  const owe = createOwe(db);
  return ({ session, nowMs, events, positions }) => {
    const owedByTrigger = new Map<TriggerKey, number>();
    const sums = { events: 0, bytes: 0, owed: 0 };
    const storeOne = (event: NewEvent): Appended => {
      const { source, id } = event;
      const row = insert.get(
        source,
        id,
        event.type,
        event.subject ?? null,
        event.receivedMs,
        event.depth,
        event.event,
      );
      if (row === undefined)
        return { seq: numberOf(find.get(source, id)!, 'seq'), stored: false, deliveries: [] };
      const seq = numberOf(row, 'seq');
      sums.events += 1;
      sums.bytes += event.event.byteLength;
      const deliveries = event.deliveries.map((delivery) => {
        const key = owe(seq, delivery, session, nowMs);
        if (key === undefined) return undefined;
        sums.owed += 1;
        owedByTrigger.set(delivery.trigger, (owedByTrigger.get(delivery.trigger) ?? 0) + 1);
        return key;
      });
      return { seq, stored: true, deliveries };
    };
    const appended = events.map(storeOne);
    for (const { source, position } of positions) move.run(source, position, nowMs);
    if (sums.events > 0) addTotals.run(sums.events, sums.bytes, sums.owed);
    for (const [trigger, count] of owedByTrigger) addOwed.run(count, trigger);
    return appended;
  };
}

function createOwe(
  db: DatabaseSync,
): (seq: number, delivery: NewDelivery, session: Session, nowMs: number) => number | undefined {
  const insert = db.prepare(`
    INSERT INTO deliveries (trigger, event, owed_ms, due_ms, session, ordering, parked)
    VALUES (?, ?, ?, ?, ?, ?, ?)`);
  const see = db.prepare(`
    INSERT INTO event_repetitions (trigger, value, until_ms) VALUES (?1, ?2, ?3)
    ON CONFLICT (trigger, value) DO UPDATE SET until_ms = ?3 WHERE until_ms <= ?4 RETURNING 1 AS fresh`);
  return (seq, { trigger, claimed, parked, dueMs, ordering, once }, session, nowMs) => {
    if (once !== undefined && see.get(trigger, once.value, once.untilMs, nowMs) === undefined)
      return undefined;
    const holder = claimed ? session : null;
    const { lastInsertRowid } = insert.run(
      trigger,
      seq,
      nowMs,
      dueMs,
      holder,
      ordering ?? null,
      parked ? 1 : 0,
    );
    return Number(lastInsertRowid);
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
  };
}
