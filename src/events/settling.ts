import { atEndOfTurn, type Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Appended, EventStore, NewEvent, Session, Settlement } from '../ports/event-store.ts';

/** After the store refused, what is to be settled is brought again after this. */
const STORE_RETRY_MS = 1_000;
/** Most settlements in one call of the store. */
const SETTLED_AT_ONCE_MAX = 4_096;

/** An ending, with the events that come of it. */
export interface Ending {
  readonly settlement: Settlement;
  readonly events: readonly NewEvent[];
  /** Once it is durable. */
  onDurable(appended: readonly Appended[]): void;
}

export interface SettlingParts {
  readonly store: EventStore;
  readonly session: Session;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Brings endings to the store, all of one turn of the event loop in one call, one call at a time. What the store
 * refuses is brought again until it takes it: until then the deliveries stay claimed, and nothing is lost.
 */
export class Settling {
  readonly #parts: SettlingParts;
  #waiting: Ending[] = [];
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

  /** Resolves when everything added so far is durable. */
  async idle(): Promise<void> {
    if (this.#waiting.length === 0 && !this.#isBusy) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #soon(): void {
    if (this.#isNear || this.#isBusy) return;
    this.#isNear = true;
    atEndOfTurn(() => {
      this.#isNear = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const { store, session, clock, log } = this.#parts;
    const endings = this.#waiting.splice(0, SETTLED_AT_ONCE_MAX);
    if (endings.length === 0) return;
    this.#isBusy = true;
    try {
      const settlements = endings.map(({ settlement }) => settlement);
      const events = endings.flatMap((ending) => ending.events);
      const appended = await store.settle(settlements, {
        session,
        nowMs: clock.nowMs(),
        events,
        positions: [],
      });
      let at = 0;
      for (const ending of endings) {
        ending.onDurable(appended.slice(at, at + ending.events.length));
        at += ending.events.length;
      }
    } catch (error) {
      log.error('deliveries could not be settled; trying again', {
        error: String(error),
        count: endings.length,
      });
      this.#waiting = [...endings, ...this.#waiting];
      clock.after(STORE_RETRY_MS, () => void this.#flush());
      return;
    }
    this.#isBusy = false;
    if (this.#waiting.length > 0) this.#soon();
    else this.#onIdle?.();
  }
}
