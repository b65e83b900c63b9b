import type { DatabaseSync } from 'node:sqlite';
import type { PruneLimits } from '../ports/event-store.ts';
import { ROW_DELIVERIES_MAX } from './delivery-rows.ts';
import { numberOf, type Row } from './row.ts';

/** Removes what the limits no longer keep, one bounded step a call, so that nobody waits long behind it. */
export function createEventPrune(db: DatabaseSync) {
  const totals = db.prepare('SELECT bytes, dead FROM event_totals');
  const oldest = db.prepare(`
    SELECT seq, received_ms, length(event) AS bytes,
      EXISTS (SELECT 1 FROM dead_letters WHERE event = seq) AS dead
    FROM events WHERE seq > ? ORDER BY seq LIMIT ?`);
  const owedAmong = createOwedAmong(db);
  const removeEvent = db.prepare('DELETE FROM events WHERE seq = ?');
  const removeAttempts = db.prepare('DELETE FROM delivery_attempts WHERE event = ?');
  const subtract = db.prepare(
    'UPDATE event_totals SET events = events - ?, bytes = bytes - ?, dead = dead - ?',
  );
  const listDead = db.prepare('SELECT key, trigger, died_ms FROM dead_letters ORDER BY key LIMIT ?');
  const removeDead = db.prepare('DELETE FROM dead_letters WHERE key = ?');
  const countDead = db.prepare('UPDATE event_triggers SET dead = dead - 1 WHERE key = ?');
  const forget = db.prepare(`
    DELETE FROM event_repetitions WHERE (trigger, value) IN (
      SELECT trigger, value FROM event_repetitions WHERE until_ms <= ? LIMIT ?)`);
  // Events that are owed stay, and must not be looked at again in every step.
  let passed = 0;

  const pruneDead = ({ deadBeforeMs, deadMax, limit }: PruneLimits): number => {
    let excess = numberOf(totals.get()!, 'dead') - deadMax;
    let removed = 0;
    for (const row of listDead.all(limit)) {
      if (excess <= 0 && numberOf(row, 'died_ms') >= deadBeforeMs) break;
      removeDead.run(numberOf(row, 'key'));
      countDead.run(numberOf(row, 'trigger'));
      excess -= 1;
      removed += 1;
    }
    return removed;
  };

  const pruneEvents = ({ beforeMs, bytesMax, limit }: PruneLimits): { removed: number; more: boolean } => {
    let excess = numberOf(totals.get()!, 'bytes') - bytesMax;
    let removed = 0;
    let bytes = 0;
    const rows: Row[] = oldest.all(passed, limit);
    let more = rows.length === limit;
    const isOwed = owedAmong(rows);
    for (const row of rows) {
      if (excess <= 0 && numberOf(row, 'received_ms') >= beforeMs) {
        more = false;
        break;
      }
      passed = numberOf(row, 'seq');
      if (isOwed(passed) || numberOf(row, 'dead') === 1) continue;
      removeEvent.run(passed);
      removeAttempts.run(passed);
      removed += 1;
      bytes += numberOf(row, 'bytes');
      excess -= numberOf(row, 'bytes');
    }
    if (removed > 0) subtract.run(removed, bytes, 0);
    // Begin anew the next time: what was passed over may be free by then.
    if (!more) passed = 0;
    return { removed, more };
  };

  return {
    prune(limits: PruneLimits): { removed: number; more: boolean } {
      const repetitions = Number(forget.run(limits.nowMs, limits.limit).changes);
      const dead = pruneDead(limits);
      if (dead > 0) subtract.run(0, 0, dead);
      const { removed, more } = pruneEvents(limits);
      return { removed: removed + dead, more: more || dead === limits.limit || repetitions === limits.limit };
    },
  };
}

/** Says of events, asked in the order of the log, whether they are owed. */
function createOwedAmong(db: DatabaseSync): (events: readonly Row[]) => (seq: number) => boolean {
  // Of each event at which rows of deliveries begin, how far the longest of them reaches.
  const listOwed = db.prepare(`
    SELECT event, max(count) AS count FROM deliveries
    WHERE event BETWEEN ? - ${ROW_DELIVERIES_MAX - 1} AND ? GROUP BY event ORDER BY event`);
  return (events) => {
    if (events.length === 0) return () => false;
    const owed = listOwed.all(numberOf(events[0]!, 'seq'), numberOf(events.at(-1)!, 'seq'));
    let next = 0;
    let end = 0;
    return (seq) => {
      for (; next < owed.length && numberOf(owed[next]!, 'event') <= seq; next += 1)
        end = Math.max(end, numberOf(owed[next]!, 'event') + numberOf(owed[next]!, 'count'));
      return seq < end;
    };
  };
}
