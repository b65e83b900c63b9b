import { atEndOfTurn, type Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type {
  Appended,
  ClaimedDelivery,
  DeliveryAttempt,
  EventStore,
  NewEvent,
  Session,
  Settlement,
} from '../ports/event-store.ts';

/** After the store refused, what is to be settled is brought again after this. */
const STORE_RETRY_MS = 1_000;
/** Most settlements, and most batches that were delivered, in one call of the store. */
const SETTLED_AT_ONCE_MAX = 4_096;

/** An ending, with the events that come of it. */
export interface Ending {
  readonly settlement: Settlement;
  readonly events: readonly NewEvent[];
  /** Once it is durable. */
  onDurable(appended: readonly Appended[]): void;
}

/** Deliveries that were made, of which no event comes: almost all are so. */
interface Delivered {
  readonly deliveries: readonly ClaimedDelivery[];
  onDurable(deliveries: readonly ClaimedDelivery[]): void;
}

export interface SettlingParts {
  readonly store: EventStore;
  readonly session: Session;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears how many of those given to `delivered` are durable. */
  ended(count: number): void;
}

/**
 * Brings endings to the store, all of one turn of the event loop in one call, one call at a time. What the store
 * refuses is brought again until it takes it: until then the deliveries stay claimed, and nothing is lost.
 */
export class Settling {
  readonly #parts: SettlingParts;
  #waiting: Ending[] = [];
  #delivered: Delivered[] = [];
  /** They go first: what they led to takes away what they are about. */
  #attempted: Settlement[] = [];
  #isNear = false;
  #isBusy = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
  }

  add(ending: Ending): void {
    this.#waiting.push(ending);
    this.#soon();
  }

  delivered(
    deliveries: readonly ClaimedDelivery[],
    onDurable: (deliveries: readonly ClaimedDelivery[]) => void,
  ): void {
    this.#delivered.push({ deliveries, onDurable });
    this.#soon();
  }

  /** Before the ending of the same attempt. */
  attempted(delivery: ClaimedDelivery, attempt: DeliveryAttempt): void {
    this.#attempted.push({ kind: 'attempted', key: delivery.key, attempt });
  }

  /** Resolves when everything added so far is durable. */
  async idle(): Promise<void> {
    if (this.#isEmpty && !this.#isBusy) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  get #isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#delivered.length === 0;
  }

  #soon(): void {
    if (this.#isNear || this.#isBusy) return;
    this.#isNear = true;
    atEndOfTurn(() => {
      this.#isNear = false;
      const endings = this.#waiting.splice(0, SETTLED_AT_ONCE_MAX);
      const delivered = this.#delivered.splice(0, SETTLED_AT_ONCE_MAX);
      void this.#store(endings, delivered, this.#attempted.splice(0));
    });
  }

  async #store(
    endings: readonly Ending[],
    delivered: readonly Delivered[],
    attempted: readonly Settlement[],
  ): Promise<void> {
    const { store, session, clock, log, ended } = this.#parts;
    this.#isBusy = true;
    const settlements = [...attempted, ...endings.map(({ settlement }) => settlement)];
    const keys: number[] = [];
    for (const { deliveries } of delivered) for (const { key } of deliveries) keys.push(key);
    if (keys.length > 0) settlements.push({ kind: 'delivered', keys });
    const events = endings.flatMap((ending) => ending.events);
    let appended: readonly Appended[];
    try {
      const nowMs = clock.nowMs();
      appended = await store.settle(settlements, { session, nowMs, events, positions: [] });
    } catch (error) {
      log.error('deliveries could not be settled; trying again', {
        error: String(error),
        count: endings.length + keys.length,
      });
      clock.after(STORE_RETRY_MS, () => void this.#store(endings, delivered, attempted));
      return;
    }
    this.#isBusy = false;
    if (keys.length > 0) ended(keys.length);
    for (const { deliveries, onDurable } of delivered) onDurable(deliveries);
    let at = 0;
    for (const ending of endings) {
      ending.onDurable(appended.slice(at, at + ending.events.length));
      at += ending.events.length;
    }
    if (!this.#isEmpty) this.#soon();
    else this.#onIdle?.();
  }
}
