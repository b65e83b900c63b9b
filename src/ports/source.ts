import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import type { Address, Connection } from '../model/connection.ts';
import type { AppName } from '../model/function.ts';
import type { SealedEvent } from '../model/sealed-event.ts';
import type { Trigger, TriggerId } from '../model/trigger.ts';
import type { Published } from './event-bus.ts';

/**
 * What produces events for a trigger. One shape for all: a kind's factory opens one source for each live trigger of
 * its kind, and closes it when the trigger goes or changes. An exception of its client that nobody caught ends that source
 * alone: from then on `publish` and the like reject, it is closed, and a new one begins at the stored position.
 */
export interface SourceFactory {
  readonly kind: Trigger['source']['kind'];
  /** Begins. Must not throw for what can be mended later (a server that is away): that is `status().trouble`. */
  open(context: SourceContext): Source;
  /** What it makes in a service outside, where it makes anything; nothing is looked up, so that it can be told beforehand. */
  readonly plan?: (id: TriggerId, source: Trigger['source'], position: string | undefined) => SourcePlan;
  /** For a kind that makes something outside: when a trigger is gone, and nobody could clear up after it. */
  readonly leftovers?: Leftovers;
}

export interface Leftovers {
  /** Whether a position, of whatever kind, says that this kind has made something that is still there. */
  areIn(position: string): boolean;
  /** For a position that has some: where they are, and what drops them by hand. */
  list(position: string): SourcePlan['left'];
  /** Drops it, and forgets it. What cannot be dropped stays remembered, and is logged. Must not throw. */
  clear(gone: GoneTrigger): Promise<void>;
}

/** What is left to know of a trigger that is not live. */
export type GoneTrigger = Pick<SourceContext, 'id' | 'clock' | 'log' | 'publish' | 'address'> & {
  readonly position: string;
};

/** What a source makes in a service outside, in statements of that service: for a person to decide, and to mend by hand. */
export interface SourcePlan {
  /** Where: as the manifest calls it. */
  readonly place: string;
  readonly make: readonly string[];
  /** What ends it all. */
  readonly drop: readonly string[];
  /** Whether it was begun. Before, a name has `XXXXXXXX` for what will be drawn by lot. */
  readonly isMade: boolean;
  /** What it made at places that it reads no more, and could not drop so far. */
  readonly left: readonly { readonly place: string; readonly drop: readonly string[] }[];
}

export interface Source {
  status(): SourceStatus;
  /** Produces one event now, where that makes sense. */
  readonly runNow?: () => Promise<void>;
  /** Stops. An event that is being published may still become durable. */
  close(): Promise<void>;
  /** Closes, as its trigger is gone from the live deployment, and clears up what it made elsewhere. Must not throw. */
  readonly remove?: () => Promise<void>;
}

export interface SourceStatus {
  readonly nextMs: number | undefined;
  readonly trouble: string | undefined;
  /** What its server holds that is not stored here yet, in bytes. */
  readonly lagBytes?: number | undefined;
  /** Messages that its broker has still to give, where it tells. */
  readonly lagMessages?: number | undefined;
}

export interface SourceContext {
  readonly id: TriggerId;
  readonly app: AppName;
  readonly trigger: Trigger;
  /** Where the source had got to, as it said itself; `undefined`: it has never run. */
  readonly position: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /**
   * Stores events for the trigger, and where the source is then, in one step. Only when it resolves may the source
   * acknowledge them to wherever they came from. Ids must derive from the source, so that an event that is read twice
   * is stored once. `depth`: how many events led to these, one from another, where the source knows.
   */
  publish(
    events: readonly (CloudEvent | SealedEvent)[],
    position: string | undefined,
    depth?: number,
  ): Promise<Published[]>;
  /** The value of a secret of the app, or else of a variable of the function; `undefined`: there is none of that name. */
  secret(this: void, name: string): Promise<string | undefined>;
  /** Where a connection leads at this moment, with its secrets filled in. `E_SECRET_MISSING`. */
  address(this: void, connection: Connection): Promise<Address>;
  /** An event of the app about the source itself, as `lambent.source.lag`; never for the trigger. Durable when it resolves. */
  alert(this: void, type: string, data: Readonly<Record<string, unknown>>): Promise<void>;
  /** Whether the trigger's former event is still owed or under way. */
  isBusy(): Promise<boolean>;
}
