import type { EventScope } from '../model/event-scope.ts';
import type {
  Append,
  Appended,
  NewDelivery,
  NewEvent,
  Session,
  SourcePosition,
} from '../ports/event-store.ts';

/*
 * Events on their way to the writer's thread and back. They come by the ten thousand a second, and a message of
 * objects costs both threads several times what one of columns does. Events in a row that are owed to the same
 * triggers in the same way share what is said of that, so that the writer can owe them in one row.
 */

export interface PackedAppend {
  readonly session: Session;
  readonly nowMs: number;
  readonly positions: readonly SourcePosition[];
  readonly scopes: Repeated<EventScope>;
  readonly sources: Repeated<string>;
  readonly ids: Texts;
  readonly types: Repeated<string>;
  readonly subjects: Texts;
  readonly receivedMs: Float64Array;
  readonly depths: Float64Array;
  /** All texts one behind the other, and where each ends. */
  readonly texts: Uint8Array<ArrayBuffer>;
  readonly ends: Float64Array;
  readonly runs: readonly Run[];
}

/** A column of texts, one behind the other: a message of many short strings costs both threads several times as much. */
export interface Texts {
  readonly all: string;
  /** How long each is, in UTF-16 code units; `NO_TEXT`: it is null. */
  readonly lengths: Int32Array<ArrayBuffer>;
}

const NO_TEXT = -1;

/** A column in which a value mostly is that of the event before: values, and at which event each begins. */
export interface Repeated<Value> {
  readonly values: Value[];
  readonly begins: number[];
}

/** So many events in a row, and what is owed of each. */
export interface Run {
  count: number;
  readonly deliveries: readonly NewDelivery[];
  /** No repetitions, nothing parked, due when received, ordered by the subject or not at all: rows of many. */
  readonly isPlain: boolean;
}

export interface PackedAppended {
  /** Places in the log; negative: it was there already. */
  readonly seqs: Float64Array<ArrayBuffer>;
  /** Of all deliveries of the events that were stored, in their order; NaN: a repetition. */
  readonly keys: Float64Array<ArrayBuffer>;
}

export function packAppend({ session, nowMs, positions, events }: Append): PackedAppend {
  const texts = new Uint8Array(bytesOfEvents(events));
  const receivedMs = new Float64Array(events.length);
  const depths = new Float64Array(events.length);
  const ends = new Float64Array(events.length);
  const runs: Run[] = [];
  let run: Run | undefined;
  let end = 0;
  events.forEach((event, at) => {
    texts.set(event.event, end);
    end += event.event.byteLength;
    receivedMs[at] = event.receivedMs;
    depths[at] = event.depth;
    ends[at] = end;
    const isPlain = event.deliveries.every((delivery) => isPlainFor(event, delivery));
    if (run?.isPlain === true && isPlain && areAlike(run.deliveries, event.deliveries)) run.count += 1;
    else {
      run = { count: 1, deliveries: event.deliveries.map(toPacked), isPlain };
      runs.push(run);
    }
  });
  return {
    ...{ session, nowMs, positions, receivedMs, depths, texts, ends, runs },
    scopes: repeated(events, ({ scope }) => scope),
    sources: repeated(events, ({ source }) => source),
    ids: joined(events.map(({ id }) => id)),
    types: repeated(events, ({ type }) => type),
    subjects: joined(events.map(({ subject }) => subject)),
  };
}

export function unpackAppended({ seqs, keys }: PackedAppended, { events }: Append): Appended[] {
  let at = 0;
  return events.map(({ deliveries }, place) => {
    const seq = seqs[place]!;
    if (seq < 0) return { seq: -seq, stored: false, deliveries: [] };
    const own = deliveries.map(() => {
      const key = keys[at]!;
      at += 1;
      return Number.isNaN(key) ? undefined : key;
    });
    return { seq, stored: true, deliveries: own };
  });
}

export function bytesOfEvents(events: readonly NewEvent[]): number {
  let bytes = 0;
  for (const { event } of events) bytes += event.byteLength;
  return bytes;
}

/** What crosses to the writer, and nothing that a caller keeps beside it. */
function toPacked({ trigger, claimed, parked, dueMs, ordering, once }: NewDelivery): NewDelivery {
  return { trigger, claimed, parked, dueMs, ordering, once };
}

function repeated<Value>(events: readonly NewEvent[], of: (event: NewEvent) => Value): Repeated<Value> {
  const column: Repeated<Value> = { values: [], begins: [] };
  let last: Value | undefined;
  events.forEach((event, at) => {
    const value = of(event);
    if (at > 0 && value === last) return;
    last = value;
    column.values.push(value);
    column.begins.push(at);
  });
  return column;
}

function joined(texts: readonly (string | undefined)[]): Texts {
  const lengths = new Int32Array(texts.length);
  texts.forEach((text, at) => {
    lengths[at] = text?.length ?? NO_TEXT;
  });
  // A missing one is joined as nothing.
  return { all: texts.join(''), lengths };
}

/** The texts of a column, each asked for once, from the first to the last. */
export function textsOf({ all, lengths }: Texts): () => string | null {
  let [at, end] = [0, 0];
  return () => {
    const length = lengths[at++]!;
    if (length === NO_TEXT) return null;
    end += length;
    return all.slice(end - length, end);
  };
}

/** Reads such a column from its first event to its last. */
export function readerOf<Value>({ values, begins }: Repeated<Value>): (at: number) => Value {
  let place = 0;
  return (at) => {
    while (begins[place + 1]! <= at) place += 1;
    return values[place]!;
  };
}

function isPlainFor(
  { receivedMs, subject }: NewEvent,
  { parked, dueMs, ordering, once }: NewDelivery,
): boolean {
  const isOrdered = ordering !== undefined;
  return !parked && dueMs === receivedMs && once === undefined && (!isOrdered || ordering === subject);
}

/** Of plain ones. */
function areAlike(one: readonly NewDelivery[], other: readonly NewDelivery[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ trigger, claimed, ordering }, at) => {
      const { trigger: otherTrigger, claimed: otherClaimed, ordering: otherOrdering } = other[at]!;
      const isOrderedAlike = (ordering === undefined) === (otherOrdering === undefined);
      return trigger === otherTrigger && claimed === otherClaimed && isOrderedAlike;
    })
  );
}
