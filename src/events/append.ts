import { atEndOfTurn, type Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import type { EventScope } from '../model/event-scope.ts';
import { type SealedEvent, sealEvent } from '../model/sealed-event.ts';
import type { TriggerId } from '../model/trigger.ts';
import type { Published, StoredNow } from '../ports/event-bus.ts';
import type {
  Appended,
  ClaimedDelivery,
  EventStore,
  NewDelivery,
  NewEvent,
  Session,
  SourcePosition,
} from '../ports/event-store.ts';
import { textAt } from './event-view.ts';
import type { LiveTrigger, TriggerTable } from './trigger-table.ts';

/** Deliveries that may be owed on a node; then events are refused. */
export const OWED_MAX = 10_000_000;
/** Events on their way to the store; then more are refused. */
export const APPENDING_MAX = 100_000;
/** Events in one call of the store, and bytes of their texts, unless one publication alone has more. */
const APPEND_AT_ONCE_MAX = 2_000;
const APPEND_BYTES_MAX = 16 * 1024 * 1024;

/** A publication of so many goes to the store at once, and does not wait for others of its turn. */
const MANY = 256;

/** What is owed of an event to a live trigger. */
interface Recipient extends NewDelivery {
  readonly live: LiveTrigger;
}

/** An event that is ready to be stored, with who gets it. One object, as they come by the ten thousand a second. */
export class Prepared implements NewEvent {
  readonly sealed: SealedEvent;
  readonly scope: EventScope;
  readonly receivedMs: number;
  readonly depth: number;
  readonly deliveries: readonly Recipient[];

  constructor(
    sealed: SealedEvent,
    scope: EventScope,
    receivedMs: number,
    depth: number,
    deliveries: readonly Recipient[],
  ) {
    this.sealed = sealed;
    this.scope = scope;
    this.receivedMs = receivedMs;
    this.depth = depth;
    this.deliveries = deliveries;
  }

  get id(): string {
    return this.sealed.id;
  }

  get source(): string {
    return this.sealed.source;
  }

  get type(): string {
    return this.sealed.type;
  }

  get subject(): string | undefined {
    return this.sealed.subject;
  }

  get event(): Uint8Array {
    return this.sealed.text;
  }
}

export interface AppendParts {
  readonly store: EventStore;
  readonly session: Session;
  readonly table: TriggerTable;
  readonly clock: Clock;
  /** What was owed when the session began. */
  readonly owed: number;
  /** Hears of every event once it is stored, beside the triggers. */
  readonly onStored: ((events: readonly StoredNow[]) => void) | undefined;
}

interface Waiting {
  readonly prepared: readonly Prepared[];
  readonly bytes: number;
  readonly position: SourcePosition | undefined;
  resolve(published: Published[]): void;
  reject(error: unknown): void;
}

/** Events that were stored, and what came of each. */
interface Durable {
  readonly prepared: readonly Prepared[];
  readonly results: readonly Appended[];
}

/**
 * Stores events with what is owed of them. Everything that comes within one turn of the event loop goes to the store
 * in one call, and the store commits calls together: so one wait for the disk serves many senders. The queues hear of
 * their deliveries the moment they are durable.
 */
export class Appender {
  readonly #parts: AppendParts;
  #waiting: Waiting[] = [];
  #isNear = false;
  #untold: Durable[] = [];
  #onTheWay = 0;
  #owed: number;
  #lastReceivedMs = 0;

  constructor(parts: AppendParts) {
    this.#parts = parts;
    this.#owed = parts.owed;
  }

  /** Says that so many deliveries are no longer owed. */
  ended(count: number): void {
    this.#owed -= count;
  }

  /** Matches an event with the triggers. The result must be appended, or given to `discard`. */
  prepare(
    event: CloudEvent | SealedEvent,
    scope: EventScope,
    depth: number,
    origin: TriggerId | undefined,
  ): Prepared {
    const { table, clock } = this.#parts;
    const sealed = sealEvent(event);
    // What is received later must not be due earlier, or it would overtake: the machine's clock may be set back.
    const receivedMs = Math.max(clock.nowMs(), this.#lastReceivedMs);
    this.#lastReceivedMs = receivedMs;
    const deliveries = table
      .match(sealed, scope, receivedMs, origin)
      .map((live) => toRecipient(live, sealed, receivedMs));
    return new Prepared(sealed, scope, receivedMs, depth, deliveries);
  }

  discard({ deliveries }: Prepared): void {
    for (const delivery of deliveries) delivery.live.queue.notAdmitted(delivery, delivery.ordering);
  }

  append(prepared: readonly Prepared[], position: SourcePosition | undefined): Promise<Published[]> {
    if (this.#onTheWay + prepared.length > APPENDING_MAX || this.#owed > OWED_MAX) {
      for (const each of prepared) this.discard(each);
      const what =
        this.#owed > OWED_MAX
          ? `${OWED_MAX} deliveries are owed`
          : `${APPENDING_MAX} events wait for the disk`;
      return Promise.reject(
        new LambentError('E_OVERLOADED', `${what}; no more events are taken.`, { retryAfterS: 5 }),
      );
    }
    this.#onTheWay += prepared.length;
    return new Promise((resolve, reject) => {
      const bytes = prepared.reduce((sum, { sealed }) => sum + sealed.text.byteLength, 0);
      this.#waiting.push({ prepared, bytes, position, resolve, reject });
      if (prepared.length >= MANY) {
        this.#flush();
        return;
      }
      if (this.#isNear) return;
      this.#isNear = true;
      atEndOfTurn(() => this.#flush());
    });
  }

  /**
   * Tells the queues, and who listens, what became durable, in the order in which it did. Of many events at the end of the
   * turn, when the store has been given what comes next: until then it would have nothing to do.
   */
  appended(prepared: readonly Prepared[], results: readonly Appended[]): void {
    this.#untold.push({ prepared, results });
    if (this.#untold.length > 1) return;
    const tellAll = (): void => {
      for (const each of this.#untold.splice(0)) this.#tell(each);
    };
    if (prepared.length < MANY) tellAll();
    else atEndOfTurn(tellAll);
  }

  #tell({ prepared, results }: Durable): void {
    const storedNow: StoredNow[] = [];
    prepared.forEach((each, at) => {
      const { seq, stored, deliveries } = results[at]!;
      for (let place = 0; place < each.deliveries.length; place += 1) {
        const own = each.deliveries[place]!;
        const key = stored ? deliveries[place] : undefined;
        if (key !== undefined) this.#owed += 1;
        const claimed = key === undefined ? undefined : toClaimed(each, seq, key, own.ordering);
        own.live.queue.admitted(own, own.ordering, claimed);
      }
      const { receivedMs, scope, sealed } = each;
      if (stored) storedNow.push({ seq, receivedMs, scope, event: sealed });
    });
    if (storedNow.length > 0) this.#parts.onStored?.(storedNow);
  }

  #flush(): void {
    this.#isNear = false;
    if (this.#waiting.length === 0) return;
    const all = this.#waiting;
    this.#waiting = [];
    let group: Waiting[] = [];
    let size = 0;
    let bytes = 0;
    for (const waiting of all) {
      const isFull =
        size + waiting.prepared.length > APPEND_AT_ONCE_MAX || bytes + waiting.bytes > APPEND_BYTES_MAX;
      if (isFull && group.length > 0) {
        void this.#store(group);
        group = [];
        size = 0;
        bytes = 0;
      }
      group.push(waiting);
      size += waiting.prepared.length;
      bytes += waiting.bytes;
    }
    void this.#store(group);
  }

  async #store(group: readonly Waiting[]): Promise<void> {
    const { store, session, clock } = this.#parts;
    const prepared = group.flatMap((waiting) => waiting.prepared);
    try {
      const results = await store.append({
        session,
        nowMs: clock.nowMs(),
        events: prepared,
        positions: group.flatMap(({ position }) => position ?? []),
      });
      this.appended(prepared, results);
      let at = 0;
      for (const waiting of group) {
        const end = at + waiting.prepared.length;
        waiting.resolve(results.slice(at, end).map(toPublished));
        at = end;
      }
    } catch (error) {
      for (const each of prepared) this.discard(each);
      for (const waiting of group) waiting.reject(error);
    } finally {
      this.#onTheWay -= prepared.length;
    }
  }
}

function toRecipient(live: LiveTrigger, sealed: SealedEvent, receivedMs: number): Recipient {
  const { queue, trigger } = live;
  const { key, dedupeKey, dedupeMs } = trigger.delivery;
  const ordering = key === undefined ? undefined : textAt(sealed, key);
  const seen = dedupeKey === undefined ? undefined : textAt(sealed, dedupeKey);
  const once = seen === undefined ? undefined : { value: seen, untilMs: receivedMs + dedupeMs };
  const { claimed, parked } = queue.admit(ordering, sealed.text.byteLength);
  return { live, trigger: queue.key, claimed, parked, dueMs: receivedMs, ordering, once };
}

function toPublished({ seq, stored, deliveries }: Appended): Published {
  let owed = 0;
  for (const key of deliveries) if (key !== undefined) owed += 1;
  return { seq, stored, owed };
}

function toClaimed(
  { sealed, receivedMs, depth }: Prepared,
  seq: number,
  key: number,
  ordering: string | undefined,
): ClaimedDelivery {
  const { id, source, type, text } = sealed;
  return {
    key,
    seq,
    id,
    source,
    type,
    receivedMs,
    depth,
    ordering,
    attempts: 0,
    owedMs: receivedMs,
    event: text,
  };
}
