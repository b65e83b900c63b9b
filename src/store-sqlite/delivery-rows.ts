import type { DatabaseSync } from 'node:sqlite';
import type { Session, TriggerKey } from '../ports/event-store.ts';
import { numberOf } from './row.ts';

/*
 * Rows of deliveries. One row stands for many: events that follow on one another, owed to one trigger alike, with keys that
 * follow on one another. A batch that is delivered takes its part out of a row; a delivery to which anything else happens
 * gets a row of its own first.
 */

/** Most deliveries of one row: so far back it is looked for the row that an event is in. */
export const ROW_DELIVERIES_MAX = 1_024;

/** Gives keys, each once for good. What was given and then undone stays a gap. */
export interface DeliveryKeys {
  /** The first of so many. */
  take(count: number): number;
  /** Writes how far it came; with the transaction that took them. */
  save(): void;
}

export function createDeliveryKeys(db: DatabaseSync): DeliveryKeys {
  const save = db.prepare('UPDATE event_totals SET next_key = max(next_key, ?)');
  let next = numberOf(db.prepare('SELECT next_key FROM event_totals').get()!, 'next_key');
  return {
    take(count) {
      next += count;
      return next - count;
    },
    save: () => void save.run(next),
  };
}

interface DeliveryRow {
  readonly key: number;
  readonly count: number;
  /** Who holds it; `null`: nobody. */
  readonly session: unknown;
}

export interface DeliveryRows {
  /** Removes those of these keys that the session holds. Tells how many of which trigger. */
  remove(
    from: number,
    to: number,
    session: Session,
    count: (trigger: TriggerKey, count: number) => void,
  ): void;
  /** Gives one a row of its own. False: the session does not hold it. */
  isolate(key: number, session: Session): boolean;
  /** Has a row begin at this key, if one reaches across it. */
  split(key: number): void;
}

export function createDeliveryRows(db: DatabaseSync): DeliveryRows {
  const { split, covering } = createSplit(db);
  const own = db.prepare(`
    UPDATE deliveries SET ordering = (SELECT subject FROM events WHERE seq = deliveries.event), by_subject = 0
    WHERE key = ? AND by_subject = 1`);
  const list = db.prepare(`
    SELECT trigger, sum(count) AS n FROM deliveries WHERE key BETWEEN ? AND ? AND session = ? GROUP BY trigger`);
  const remove = db.prepare('DELETE FROM deliveries WHERE key BETWEEN ? AND ? AND session = ?');
  return {
    split,
    remove(from, to, session, count) {
      split(from);
      split(to + 1);
      for (const row of list.all(from, to, session)) count(numberOf(row, 'trigger'), numberOf(row, 'n'));
      remove.run(from, to, session);
    },
    isolate(key, session) {
      const row = covering(key);
      if (row === undefined || row.session !== session) return false;
      if (row.count > 1) {
        split(key + 1);
        split(key);
      }
      own.run(key);
      return true;
    },
  };
}

function createSplit(db: DatabaseSync) {
  const find = db.prepare(`
    SELECT key, count, session FROM deliveries
    WHERE key = (SELECT max(key) FROM deliveries WHERE key <= ?1) AND key + count > ?1`);
  const copyEnd = db.prepare(`
    INSERT INTO deliveries (key, trigger, event, count, owed_ms, due_ms, session, by_subject)
    SELECT ?1, trigger, event + (?1 - key), count - (?1 - key), owed_ms, due_ms, session, by_subject
    FROM deliveries WHERE key = ?2`);
  const shorten = db.prepare('UPDATE deliveries SET count = ? WHERE key = ?');
  const covering = (key: number): DeliveryRow | undefined => {
    const row = find.get(key);
    return row && { key: numberOf(row, 'key'), count: numberOf(row, 'count'), session: row.session };
  };
  return {
    covering,
    split(key: number): void {
      const row = covering(key);
      if (row === undefined || row.key === key) return;
      copyEnd.run(key, row.key);
      shorten.run(key - row.key, row.key);
    },
  };
}
