import type { Client } from 'pg';
import { type Clock, delay } from '../../base/clock.ts';
import { CLOUD_EVENT_BYTES_MAX } from '../../model/cloud-event.ts';
import { type SealedEvent, sealEvent } from '../../model/sealed-event.ts';
import type { PostgresSource as Settings } from '../../model/trigger.ts';
import type { Tuple } from './pgoutput.ts';
import { keyColumns, type RowChange, type TransactionPlace, toChangeEvent } from './row-event.ts';
import { parseLsn, quoteName, type TableFacts, tableName } from './table-setup.ts';

/*
 * Large values that an update did not change: PostgreSQL does not log them, unless the table's replica identity is the
 * whole row. They are read from the row, by its key, before the event is stored. So they are as the row has them a moment after
 * the commit. Where the row is still as that transaction left it, they are the change's own; where it is not, or
 * cannot be known to be, the event says that they may be newer. What cannot be had stays omitted: the row is gone or under
 * another key, its table was altered or is locked.
 *
 * The stream runs a little ahead of what others may see: a transaction that waits for a standby is in the stream, but
 * not yet in the table. It is waited for, or else a value from before it would be taken.
 */

/** How long a lookup waits for the lock of somebody who alters the table, and for a transaction to be seen by others. */
const WAIT_MS_MAX = 2_000;
const LOOK_AGAIN_MS = 5;
/** Values that are in memory at once, in characters: with them the events so far are stored. */
const CHARS_AT_ONCE_MAX = 4 * 1024 * 1024;
const XIDS = 2 ** 32;

/** A change that lacks values. */
interface Unfilled {
  readonly change: RowChange;
  readonly place: TransactionPlace;
}

export class UnchangedValues {
  readonly #client: Client;
  readonly #settings: Settings;
  readonly #facts: TableFacts;
  readonly #clock: Clock;
  readonly #unfilled = new WeakMap<SealedEvent, Unfilled>();

  constructor(client: Client, settings: Settings, facts: TableFacts, clock: Clock) {
    this.#client = client;
    this.#settings = settings;
    this.#facts = facts;
    this.#clock = clock;
  }

  /** To be told of each change, so that those whose large values are missing are known. */
  note(event: SealedEvent, change: RowChange, place: TransactionPlace): void {
    if (change.action !== 'update' || change.old?.whole === true) return;
    if (change.new!.includes(undefined)) this.#unfilled.set(event, { change, place });
  }

  /**
   * The same events with what they lack, in parts that are small enough for memory. `end`: all transactions before are in
   * here to their ends.
   */
  async *fill(
    events: readonly SealedEvent[],
    end: bigint | undefined,
  ): AsyncGenerator<readonly SealedEvent[]> {
    const lacking = events.filter((event) => this.#unfilled.has(event));
    if (lacking.length === 0) {
      yield events;
      return;
    }
    const xids = new Set(lacking.map((event) => this.#unfilled.get(event)!.place.xid));
    const changedAgain = findChangedAgain(events);
    let isOff = !(await this.#areVisible(xids));
    let part: SealedEvent[] = [];
    let chars = 0;
    for (const event of events) {
      const unfilled = isOff ? undefined : this.#unfilled.get(event);
      const found = unfilled === undefined ? undefined : await this.#lookUp(unfilled);
      // What stands in the way of one lookup does so of the next, and holds the stream up each time.
      if (found === 'impossible') isOff = true;
      if (found === undefined || found === 'impossible') part.push(event);
      else {
        const { place } = unfilled!;
        const isAlone = end !== undefined && parseLsn(place.lsn) < end && !changedAgain.has(event);
        const isExact = isAlone && found.xid === place.xid && this.#seesEveryChange();
        part.push(this.#filled(unfilled!, found.values, isExact));
        chars += found.values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
      }
      if (chars < CHARS_AT_ONCE_MAX) continue;
      yield part;
      [part, chars] = [[], 0];
    }
    yield part;
  }

  #filled({ change, place }: Unfilled, values: Tuple, isExact: boolean): SealedEvent {
    const missing = missingOf(change);
    const tuple = change.new!.map((value, at) => (value === undefined ? values[missing.indexOf(at)] : value));
    const had = missing.filter((_, at) => values[at] !== undefined).map((at) => nameAt(change, at));
    const chars = values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
    const whole = { ...change, new: tuple, bytes: change.bytes + chars * 3 };
    const event = toChangeEvent({ ...whole, maybeNewer: isExact ? [] : had }, place, this.#facts.arrayTypes);
    return sealEvent(event);
  }

  /** Whether any other change of a row would have come as an event as well. */
  #seesEveryChange(): boolean {
    const { where, actions } = this.#settings;
    return (
      where === undefined && (['insert', 'update', 'delete'] as const).every((each) => actions.includes(each))
    );
  }

  /** `undefined`: the row is not there under this key. */
  async #lookUp({ change }: Unfilled): Promise<{ xid: number; values: Tuple } | 'impossible' | undefined> {
    const keys = keyColumns(change).map((name) => {
      const at = change.relation.columns.findIndex((column) => column.name === name);
      return { name, value: change.new![at] ?? change.old?.tuple[at] };
    });
    if (keys.length === 0 || keys.some(({ value }) => value === undefined || value === null))
      return undefined;
    const values = missingOf(change).map((at) => {
      const name = quoteName(nameAt(change, at));
      // What is larger than any event stays where it is.
      return `octet_length(${name}::text) > ${CLOUD_EVENT_BYTES_MAX}, CASE WHEN octet_length(${name}::text) <= ${CLOUD_EVENT_BYTES_MAX} THEN ${name} END`;
    });
    const where = keys.map(({ name }, at) => `${quoteName(name)} = $${at + 1}`).join(' AND ');
    try {
      const { rows } = await this.#client.query<(string | null)[]>({
        text: `SELECT xmin::text, ${values.join(', ')} FROM ONLY ${tableName(this.#settings)} WHERE ${where}`,
        values: keys.map(({ value }) => value),
        rowMode: 'array',
        types: { getTypeParser: () => (text: unknown) => text },
      });
      const row = rows[0];
      if (row === undefined) return undefined;
      return {
        xid: Number(row[0]),
        values: values.map((_, at) => (row[1 + at * 2] === 't' ? undefined : row[2 + at * 2]!)),
      };
    } catch (error) {
      if (!isRefused(error)) throw error;
      return 'impossible';
    }
  }

  /** Whether whoever reads the table sees what these transactions did. */
  async #areVisible(xids: ReadonlySet<number>): Promise<boolean> {
    await this.#client.query(`SET lock_timeout = ${WAIT_MS_MAX}`);
    const untilMs = this.#clock.monotonicMs() + WAIT_MS_MAX;
    for (;;) {
      const { rows } = await this.#client.query<{ snapshot: string }>(
        'SELECT pg_current_snapshot()::text AS snapshot',
      );
      if ([...xids].every((xid) => isVisible(xid, rows[0]!.snapshot))) return true;
      if (this.#clock.monotonicMs() > untilMs) return false;
      await delay(this.#clock, LOOK_AGAIN_MS);
    }
  }
}

/** `10:20:14,15`: below the first all is over, from the second on nothing is, and the others in between are under way. */
export function isVisible(xid: number, snapshot: string): boolean {
  const [, last = '', underWay = ''] = snapshot.split(':');
  // The stream has transactions' numbers modulo 2^32, in which they go round.
  const ahead = (xid - Number(BigInt(last) % BigInt(XIDS)) + XIDS) % XIDS;
  if (ahead < XIDS / 2) return false;
  return !underWay
    .split(',')
    .filter(Boolean)
    .some((each) => Number(BigInt(each) % BigInt(XIDS)) === xid);
}

/** Events after which the same transaction changes the same row again, or puts another in its place. */
function findChangedAgain(events: readonly SealedEvent[]): ReadonlySet<SealedEvent> {
  const again = new Set<SealedEvent>();
  const later = new Set<string>();
  for (const event of events.toReversed()) {
    const { lsn, key, new: next } = event.parsed.data as Record<string, Record<string, unknown> | undefined>;
    const sides = [key!, Object.fromEntries(Object.keys(key!).map((name) => [name, next?.[name]]))];
    const places = sides.map((side) => JSON.stringify([lsn, side]));
    if (places.some((place) => later.has(place))) again.add(event);
    for (const place of places) later.add(place);
  }
  return again;
}

function missingOf({ new: tuple }: RowChange): number[] {
  return tuple!.flatMap((value, at) => (value === undefined ? [at] : []));
}

function nameAt({ relation }: RowChange, at: number): string {
  return relation.columns[at]!.name;
}

/** The server's own answer, with its code; not a lost connection. */
function isRefused(error: unknown): boolean {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  // 57: an operator ended the connection.
  return typeof code === 'string' && severity === 'ERROR' && !code.startsWith('57');
}
