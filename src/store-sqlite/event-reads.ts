import type { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import type { InvocationId } from '../base/ids.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { EventScope } from '../model/event-scope.ts';
import type { TriggerId } from '../model/trigger.ts';
import type {
  AttemptPage,
  DeadFilter,
  DeadLetter,
  EventFilter,
  EventPage,
  EventSummary,
  EventTotals,
  SourcePosition,
  StoredAttempt,
  StoredEvent,
  StoredText,
  TriggerAttempt,
  TriggerKey,
  TriggerTotals,
} from '../ports/event-store.ts';
import { ROW_DELIVERIES_MAX } from './delivery-rows.ts';
import { toTriggerTotals } from './event-log.ts';
import { bytesOf, jsonOf, numberOf, optionalNumberOf, optionalTextOf, type Row, textOf } from './row.ts';

export type EventReads = ReturnType<typeof createEventReads>;

/** Most items of one page. */
export const EVENTS_PAGE_MAX = 1_000;
/** Attempts that are told of one event, the latest. */
const EVENT_ATTEMPTS_MAX = 200;
/** Most rows that one page looks at, matching or not. */
export const EVENTS_SCAN_MAX = 20_000;
/** Most bytes of event texts that one page looks through. */
export const EVENTS_SEARCH_BYTES_MAX = 64 * 1024 * 1024;
/** Deliveries among which the oldest is looked for: those that are due first, not all that wait. */
const OLDEST_AMONG = 100;
/** Most bytes of event texts in one page, unless a single one has more. */
export const EVENTS_PAGE_BYTES_MAX = 16 * 1024 * 1024;

const MATCHES = `
  (?1 IS NULL OR source = ?1) AND (?2 IS NULL OR type = ?2) AND (?3 IS NULL OR subject IS ?3)
  AND (?4 IS NULL OR id = ?4) AND (?5 IS NULL OR received_ms >= ?5) AND (?6 IS NULL OR received_ms < ?6)
  AND (?7 IS NULL OR instr(event, ?7) > 0) AS matches, length(event) AS bytes`;
const SUMMARY = 'seq, scope, id, source, type, subject, received_ms, depth';

export function createEventReads(db: DatabaseSync) {
  return {
    ...createLogReads(db),
    ...createTotalReads(db),
    ...createAttemptReads(db),
    ...createDeadReads(db),
  };
}

function createLogReads(db: DatabaseSync) {
  const listBack = db.prepare(
    `SELECT ${SUMMARY}, ${MATCHES} FROM events WHERE seq < ?8 ORDER BY seq DESC LIMIT ?9`,
  );
  const listOn = db.prepare(
    `SELECT seq, scope, received_ms, event, ${MATCHES} FROM events WHERE seq > ?8 ORDER BY seq LIMIT ?9`,
  );
  const find = db.prepare(`SELECT ${SUMMARY}, event, length(event) AS bytes FROM events WHERE seq = ?`);
  const listOwed = db.prepare(`
    SELECT DISTINCT t.id FROM deliveries d JOIN event_triggers t ON t.key = d.trigger
    WHERE d.event BETWEEN ?1 - ${ROW_DELIVERIES_MAX - 1} AND ?1 AND d.event + d.count > ?1 LIMIT 100`);
  const listDead = db.prepare(
    'SELECT DISTINCT t.id FROM dead_letters d JOIN event_triggers t ON t.key = d.trigger WHERE d.event = ? LIMIT 100',
  );
  const listAttempts = db.prepare(`
    SELECT t.id AS trigger, a.delivery, a.attempt, a.started_ms, a.took_ms, a.invocation, a.error, a.next_ms
    FROM delivery_attempts a JOIN event_triggers t ON t.key = a.trigger
    WHERE a.event = ? ORDER BY a.started_ms DESC, a.delivery DESC, a.attempt DESC LIMIT ${EVENT_ATTEMPTS_MAX}`);
  return {
    listEvents(filter: EventFilter, limit: number, before?: number): EventPage {
      const rows = listBack.iterate(...valuesOf(filter), before ?? Number.MAX_SAFE_INTEGER, EVENTS_SCAN_MAX);
      return pageOf(rows as Iterable<Row>, limit, filter.text !== undefined, toSummary);
    },
    readEvents(filter: EventFilter, limit: number, after: number): EventPage<StoredText> {
      const rows = listOn.iterate(...valuesOf(filter), after, EVENTS_SCAN_MAX);
      return pageOf(rows as Iterable<Row>, limit, filter.text !== undefined, (row) => ({
        seq: numberOf(row, 'seq'),
        scope: textOf(row, 'scope') as EventScope,
        receivedMs: numberOf(row, 'received_ms'),
        event: bytesOf(row, 'event'),
      }));
    },
    findEvent(seq: number): StoredEvent | undefined {
      const row = find.get(seq);
      if (row === undefined) return undefined;
      const idsOf = (rows: Row[]): TriggerId[] => rows.map((each) => textOf(each, 'id') as TriggerId);
      return {
        ...toSummary(row),
        event: bytesOf(row, 'event'),
        owedTo: idsOf(listOwed.all(seq)),
        deadAt: idsOf(listDead.all(seq)),
        attempts: listAttempts.all(seq).map(toAttempt).reverse(),
      };
    },
  };
}

function toAttempt(row: Row): StoredAttempt {
  return {
    trigger: textOf(row, 'trigger') as TriggerId,
    delivery: numberOf(row, 'delivery'),
    attempt: numberOf(row, 'attempt'),
    startedMs: numberOf(row, 'started_ms'),
    tookMs: numberOf(row, 'took_ms'),
    invocation: optionalTextOf(row, 'invocation') as InvocationId | undefined,
    error: optionalTextOf(row, 'error') === undefined ? undefined : (jsonOf(row, 'error') as InvocationError),
    nextMs: optionalNumberOf(row, 'next_ms'),
  };
}

function createTotalReads(db: DatabaseSync) {
  const totals = db.prepare('SELECT events, bytes, owed, dead FROM event_totals');
  const triggers = db.prepare(`
    SELECT key, id, paused, owed, delivered, dead, iif(owed > 0, (
      SELECT min(owed_ms) FROM (
        SELECT owed_ms FROM deliveries WHERE trigger = t.key AND session IS NULL AND parked = 0
        ORDER BY due_ms LIMIT ${OLDEST_AMONG})), NULL) AS oldest_ms
    FROM event_triggers t ORDER BY id`);
  const nextDue = db.prepare(`
    SELECT min(due_ms) AS due_ms FROM deliveries WHERE trigger = ? AND session IS NULL AND parked = 0`);
  const position = db.prepare('SELECT position FROM source_positions WHERE source = ?');
  const positions = db.prepare(
    `SELECT source, position FROM source_positions WHERE source > ? AND position <> '' ORDER BY source LIMIT ?`,
  );
  return {
    totals(): EventTotals {
      const row = totals.get()!;
      return {
        events: numberOf(row, 'events'),
        bytes: numberOf(row, 'bytes'),
        owed: numberOf(row, 'owed'),
        dead: numberOf(row, 'dead'),
      };
    },
    triggerTotals: (): TriggerTotals[] => triggers.all().map(toTriggerTotals),
    nextDueMs: (trigger: TriggerKey): number | undefined => optionalNumberOf(nextDue.get(trigger)!, 'due_ms'),
    findPosition(source: TriggerId): string | undefined {
      const row = position.get(source);
      return row === undefined ? undefined : textOf(row, 'position');
    },
    listPositions: (after: string, limit: number): SourcePosition[] =>
      positions.all(after, boundOf(limit)).map((row) => ({
        source: textOf(row, 'source') as TriggerId,
        position: textOf(row, 'position'),
      })),
  };
}

const ATTEMPT_CURSOR = /^(\d{1,16}(?:\.\d{1,20})?)-(\d{1,16})-(\d{1,16})-(\d{1,16})$/;

/** The latest of a trigger: by when they began, then by their key. */
export const TRIGGER_ATTEMPTS_SQL = `
  SELECT t.id AS trigger, a.delivery, a.attempt, a.started_ms, a.took_ms, a.invocation, a.error, a.next_ms,
    e.seq, e.id, e.type
  FROM delivery_attempts a JOIN event_triggers t ON t.key = a.trigger JOIN events e ON e.seq = a.event
  WHERE a.trigger = (SELECT key FROM event_triggers WHERE id = ?)
    AND (a.started_ms, a.event, a.delivery, a.attempt) < (?, ?, ?, ?)
  ORDER BY a.started_ms DESC, a.event DESC, a.delivery DESC, a.attempt DESC LIMIT ?`;

function createAttemptReads(db: DatabaseSync) {
  const list = db.prepare(TRIGGER_ATTEMPTS_SQL);
  const toTriggerAttempt = (row: Row): TriggerAttempt => ({
    ...toAttempt(row),
    ...{ seq: numberOf(row, 'seq'), id: textOf(row, 'id'), type: textOf(row, 'type') },
  });
  return {
    listAttempts(trigger: TriggerId, limit: number, cursor?: string): AttemptPage {
      const most = boundOf(limit);
      const items = list.all(trigger, ...placeOf(cursor), most + 1).map(toTriggerAttempt);
      if (items.length <= most) return { items, next: undefined };
      const { startedMs, seq, delivery, attempt } = items[most - 1]!;
      return { items: items.slice(0, most), next: `${startedMs}-${seq}-${delivery}-${attempt}` };
    },
  };
}

function placeOf(cursor: string | undefined): number[] {
  if (cursor === undefined) return [Number.MAX_VALUE, 0, 0, 0];
  const parts = ATTEMPT_CURSOR.exec(cursor);
  if (parts === null)
    throw new LambentError('E_BAD_REQUEST', 'The cursor is none that a former page gave.', {
      hint: 'Pass the `next` of the page before, or leave the cursor out for the first page.',
    });
  return parts.slice(1).map(Number);
}

const DEAD_COLUMNS =
  'd.key, t.id AS trigger, d.event AS seq, e.id, e.source, e.type, d.attempts, d.died_ms, d.error';
const DEAD_FROM =
  'FROM dead_letters d JOIN event_triggers t ON t.key = d.trigger JOIN events e ON e.seq = d.event';
/** By an index of its own: a trigger may have few among many. */
export const DEAD_OF_TRIGGER_SQL = `
  SELECT ${DEAD_COLUMNS} ${DEAD_FROM}
  WHERE d.trigger = (SELECT key FROM event_triggers WHERE id = ?) AND d.key > ? ORDER BY d.key LIMIT ?`;

function createDeadReads(db: DatabaseSync) {
  const list = db.prepare(`SELECT ${DEAD_COLUMNS} ${DEAD_FROM} WHERE d.key > ? ORDER BY d.key LIMIT ?`);
  const listOf = db.prepare(DEAD_OF_TRIGGER_SQL);
  const find = db.prepare(
    `SELECT ${DEAD_COLUMNS}, coalesce(d.body, e.event) AS event ${DEAD_FROM} WHERE d.key = ?`,
  );
  return {
    listDead: ({ trigger, after = 0 }: DeadFilter, limit: number): DeadLetter[] =>
      (trigger === undefined
        ? list.all(after, boundOf(limit))
        : listOf.all(trigger, after, boundOf(limit))
      ).map(toDead),
    findDead(key: number): (DeadLetter & { readonly event: Uint8Array }) | undefined {
      const row = find.get(key);
      return row === undefined ? undefined : { ...toDead(row), event: bytesOf(row, 'event') };
    },
  };
}

/** Seven of them. */
function valuesOf({ text, ...filter }: EventFilter): (string | number | Uint8Array | null)[] {
  const { source, type, subject, id, sinceMs, untilMs } = filter;
  const values = [source, type, subject, id, sinceMs, untilMs].map((value) => value ?? null);
  return [...values, text === undefined ? null : Buffer.from(text)];
}

function boundOf(limit: number): number {
  return Math.max(0, Math.min(limit, EVENTS_PAGE_MAX));
}

/** Reads rows until the page is full; says where to go on unless the rows ended by themselves. */
function pageOf<Item>(
  rows: Iterable<Row>,
  limit: number,
  isSearch: boolean,
  toItem: (row: Row) => Item,
): EventPage<Item> {
  const items: Item[] = [];
  const most = boundOf(limit);
  let seen = 0;
  let bytes = 0;
  let searched = 0;
  for (const row of rows) {
    seen += 1;
    if (isSearch) searched += numberOf(row, 'bytes');
    if (numberOf(row, 'matches') === 1) {
      items.push(toItem(row));
      bytes += row.event instanceof Uint8Array ? row.event.byteLength : 0;
    }
    const isFull = items.length >= most || bytes > EVENTS_PAGE_BYTES_MAX;
    if (isFull || seen >= EVENTS_SCAN_MAX || searched > EVENTS_SEARCH_BYTES_MAX)
      return { items, next: numberOf(row, 'seq') };
  }
  return { items, next: undefined };
}

function toSummary(row: Row): EventSummary {
  return {
    seq: numberOf(row, 'seq'),
    scope: textOf(row, 'scope') as EventScope,
    id: textOf(row, 'id'),
    source: textOf(row, 'source'),
    type: textOf(row, 'type'),
    subject: optionalTextOf(row, 'subject'),
    receivedMs: numberOf(row, 'received_ms'),
    depth: numberOf(row, 'depth'),
    bytes: numberOf(row, 'bytes'),
  };
}

function toDead(row: Row): DeadLetter {
  return {
    key: numberOf(row, 'key'),
    trigger: textOf(row, 'trigger') as TriggerId,
    seq: numberOf(row, 'seq'),
    id: textOf(row, 'id'),
    source: textOf(row, 'source'),
    type: textOf(row, 'type'),
    attempts: numberOf(row, 'attempts'),
    diedMs: numberOf(row, 'died_ms'),
    error: jsonOf(row, 'error') as InvocationError,
  };
}
