import type { InvocationId, NodeId } from '../base/ids.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { EventScope } from '../model/event-scope.ts';
import type { TriggerId } from '../model/trigger.ts';

/**
 * The durable event log and what is owed of it. One state transition is one call, and each is durable when it
 * resolves. Triggers are known by number here: the store gives each id one, for good.
 */

/** A number that the store gave a trigger. */
export type TriggerKey = number;

/** A run of one platform. Claims carry it as their fence: what an earlier session still holds, it cannot change. */
export type Session = number;

/** A delivery to be stored with its event. */
export interface NewDelivery {
  readonly trigger: TriggerKey;
  /** Whether the session holds it from the start; else it waits to be claimed. */
  readonly claimed: boolean;
  /** Held behind another of the same ordering that failed. */
  readonly parked: boolean;
  readonly dueMs: number;
  readonly ordering: string | undefined;
  /** A value that must not have been seen for this trigger within the time; else there is no delivery. */
  readonly once: { readonly value: string; readonly untilMs: number } | undefined;
}

export interface NewEvent {
  readonly scope: EventScope;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly subject: string | undefined;
  /** Epoch milliseconds. */
  readonly receivedMs: number;
  readonly depth: number;
  /** The CloudEvent as JSON text. */
  readonly event: Uint8Array;
  readonly deliveries: readonly NewDelivery[];
}

/** A source has read up to here. */
export interface SourcePosition {
  readonly source: TriggerId;
  /** Text that the source alone understands. */
  readonly position: string;
}

export interface Append {
  readonly session: Session;
  readonly nowMs: number;
  readonly events: readonly NewEvent[];
  readonly positions: readonly SourcePosition[];
}

export interface Appended {
  /** Place in the log. Of an event that was there already: its old one. */
  readonly seq: number;
  /** False: an event with this scope, source and id was there already, and nothing was stored. */
  readonly stored: boolean;
  /** Keys of its deliveries in the order they were given; `undefined`: a repetition, which is not owed. */
  readonly deliveries: readonly (number | undefined)[];
}

/** A delivery in the hands of a session. */
export interface ClaimedDelivery {
  readonly key: number;
  readonly seq: number;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly receivedMs: number;
  readonly depth: number;
  readonly ordering: string | undefined;
  /** Attempts that failed. */
  readonly attempts: number;
  /** Since when it is owed: later than received for replays. */
  readonly owedMs: number;
  /** The CloudEvent as JSON text, or what somebody put in its place. */
  readonly event: Uint8Array;
}

/** One attempt to make a delivery, as it is kept beside its event. */
export interface DeliveryAttempt {
  /** Epoch milliseconds. */
  readonly startedMs: number;
  readonly tookMs: number;
  /** What it called, where that was a function. */
  readonly invocation: InvocationId | undefined;
  /** `undefined`: it went well. */
  readonly error: InvocationError | undefined;
  /** When the next one is to come; `undefined`: it was the last. */
  readonly nextMs: number | undefined;
}

export interface StoredAttempt extends DeliveryAttempt {
  readonly trigger: TriggerId;
  /** The key of the delivery: a replay is another one. */
  readonly delivery: number;
  /** From 1. */
  readonly attempt: number;
}

/** An attempt with the event that it was made for. */
export interface TriggerAttempt extends StoredAttempt {
  readonly seq: number;
  readonly id: string;
  readonly type: string;
}

/** Attempts that are kept of one delivery, the latest. */
export const ATTEMPTS_KEPT_MAX = 50;

/** What became of claimed deliveries. */
export type Settlement =
  /** Comes before what the attempt led to. */
  | { readonly kind: 'attempted'; readonly key: number; readonly attempt: DeliveryAttempt }
  | { readonly kind: 'delivered'; readonly keys: readonly number[] }
  | { readonly kind: 'retry'; readonly key: number; readonly dueMs: number }
  | { readonly kind: 'dead'; readonly key: number; readonly error: InvocationError; readonly diedMs: number }
  /** Given back untried; `parked` holds it behind another of its ordering. */
  | { readonly kind: 'released'; readonly key: number; readonly parked: boolean };

/** A failed delivery whose ordering is held back. */
export interface FailedOrdering {
  readonly trigger: TriggerKey;
  readonly ordering: string;
  readonly key: number;
}

export interface TriggerTotals {
  readonly key: TriggerKey;
  readonly id: TriggerId;
  readonly paused: boolean;
  readonly owed: number;
  readonly delivered: number;
  readonly dead: number;
  /** Since when the oldest of those that nobody holds is owed, among the first to be due; epoch milliseconds. */
  readonly oldestMs: number | undefined;
}

export interface EventTotals {
  readonly events: number;
  /** Bytes of all events as JSON text. */
  readonly bytes: number;
  readonly owed: number;
  readonly dead: number;
}

/** A stored event, without its text. */
export interface EventSummary {
  readonly seq: number;
  readonly scope: EventScope;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  readonly receivedMs: number;
  readonly depth: number;
  readonly bytes: number;
}

export interface StoredEvent extends EventSummary {
  readonly event: Uint8Array;
  /** Ids of triggers it is still owed to, and of those where it died. */
  readonly owedTo: readonly TriggerId[];
  readonly deadAt: readonly TriggerId[];
  /** The first to be made first; at most 200, the latest. */
  readonly attempts: readonly StoredAttempt[];
}

/** All that are given must hold. */
export interface EventFilter {
  readonly source?: string;
  readonly type?: string;
  readonly subject?: string;
  readonly id?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Occurs in the event's JSON, byte for byte. No index helps: every event in question is read. */
  readonly text?: string;
}

export interface DeadLetter {
  readonly key: number;
  readonly trigger: TriggerId;
  readonly seq: number;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly attempts: number;
  readonly diedMs: number;
  readonly error: InvocationError;
}

export interface DeadFilter {
  readonly trigger?: TriggerId;
  /** Dead letters with a higher key. */
  readonly after?: number;
}

export interface EventStore {
  /** Begins a session: what others held or parked is given back. Returns the orderings that a failed delivery holds back. */
  openSession(node: NodeId): Promise<{ session: Session; failed: readonly FailedOrdering[] }>;
  /** The totals of these triggers, each of which has a key from now on. */
  registerTriggers(ids: readonly TriggerId[]): Promise<TriggerTotals[]>;
  /** Stores events, their deliveries and the sources' positions together. Results in the order of the events. */
  append(append: Append): Promise<Appended[]>;
  /** Takes up to `limit` that are due, by due time and key; fewer when they are large, none only if none is due. */
  claim(session: Session, trigger: TriggerKey, nowMs: number, limit: number): Promise<ClaimedDelivery[]>;
  /** When the next unclaimed one is due; `undefined`: none waits. */
  nextDueMs(trigger: TriggerKey): Promise<number | undefined>;
  /**
   * Settles deliveries, and stores the events that come of it, in one step. Deliveries that the session no longer
   * holds are left alone. Results are those of the events.
   */
  settle(settlements: readonly Settlement[], append: Append): Promise<Appended[]>;
  /** Lets go what was parked behind an ordering. Returns how many. */
  unpark(trigger: TriggerKey, ordering: string): Promise<number>;
  setPaused(trigger: TriggerKey, paused: boolean): Promise<void>;
  findPosition(source: TriggerId): Promise<string | undefined>;
  /** Those that say anything, also of triggers that are gone: by their sources, above `after`; at most `limit`. */
  listPositions(after: string, limit: number): Promise<SourcePosition[]>;

  totals(): Promise<EventTotals>;
  triggerTotals(): Promise<TriggerTotals[]>;
  /** Newest first, below `before`; at most `limit`. May give fewer, with where to go on, when few match. */
  listEvents(filter: EventFilter, limit: number, before?: number): Promise<EventPage>;
  findEvent(seq: number): Promise<StoredEvent | undefined>;
  /** Oldest first, above `after`; for replays. */
  readEvents(filter: EventFilter, limit: number, after: number): Promise<EventPage<StoredText>>;
  /** Owes these stored events to triggers once more. Those that are gone are passed over. Returns how many. */
  replay(items: readonly ReplayItem[], nowMs: number): Promise<number>;

  /**
   * Attempts of one trigger, the latest first; at most `limit`. `cursor` is a former page's `next`; one that is none:
   * `E_BAD_REQUEST`.
   */
  listAttempts(trigger: TriggerId, limit: number, cursor?: string): Promise<AttemptPage>;

  listDead(filter: DeadFilter, limit: number): Promise<DeadLetter[]>;
  /** With the text that would be delivered. */
  findDead(key: number): Promise<(DeadLetter & { readonly event: Uint8Array }) | undefined>;
  /** Puts another text in its place. False: it is not there. */
  editDead(key: number, event: Uint8Array): Promise<boolean>;
  /** Owes dead letters again, with their attempts begun anew. Returns how many there were. */
  redriveDead(keys: readonly number[], nowMs: number): Promise<number>;
  removeDead(keys: readonly number[]): Promise<number>;

  /** Removes old events that are neither owed nor dead, and dead letters beyond their limits; in small steps. */
  prune(limits: PruneLimits): Promise<{ readonly removed: number; readonly more: boolean }>;
}

export interface EventPage<Item = EventSummary> {
  readonly items: readonly Item[];
  /** Where the next page goes on; `undefined`: this was the last. */
  readonly next: number | undefined;
}

export interface AttemptPage {
  readonly items: readonly TriggerAttempt[];
  /** Where the next page goes on; `undefined`: this was the last. */
  readonly next: string | undefined;
}

export interface StoredText {
  readonly seq: number;
  readonly scope: EventScope;
  readonly receivedMs: number;
  readonly event: Uint8Array;
}

export interface ReplayItem {
  readonly seq: number;
  readonly trigger: TriggerKey;
  readonly ordering: string | undefined;
}

export interface PruneLimits {
  /** Events received before go. */
  readonly beforeMs: number;
  /** The oldest go while there are more bytes. */
  readonly bytesMax: number;
  readonly deadBeforeMs: number;
  readonly deadMax: number;
  readonly nowMs: number;
  /** Rows in one step. */
  readonly limit: number;
}
