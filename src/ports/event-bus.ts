import type { CloudEvent } from '../model/cloud-event.ts';
import type { EventScope } from '../model/event-scope.ts';
import type { SealedEvent } from '../model/sealed-event.ts';
import type { TriggerId } from '../model/trigger.ts';

/** The door for events: whoever has one brings it here. */
export interface EventBus {
  /**
   * Stores events and what is owed of them; durable when it resolves, and only then may a sender hear so. All or
   * none. `E_PAYLOAD_TOO_LARGE`, `E_EVENT_INVALID`, `E_EVENT_LOOP`, `E_OVERLOADED`, and the codes of the store.
   */
  publish(events: readonly (CloudEvent | SealedEvent)[], options?: PublishOptions): Promise<Published[]>;
}

export interface PublishOptions {
  /** Whose they are. Default: everybody's. */
  readonly scope?: EventScope | undefined;
  /** How many events and calls, one from another, led to these. 0: they come from outside. */
  readonly depth?: number | undefined;
  /** The trigger whose source these come from: it gets them whatever its pattern, and its position moves along. */
  readonly origin?: { readonly trigger: TriggerId; readonly position: string | undefined } | undefined;
}

export interface Published {
  /** Place in the log. */
  readonly seq: number;
  /** False: an event with the same source and id was there already. */
  readonly stored: boolean;
  /** How many triggers get it. */
  readonly owed: number;
}

/** An event that was just stored, and its place in the log. */
export interface StoredNow {
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly receivedMs: number;
  readonly scope: EventScope;
  readonly event: SealedEvent;
}
