import type { AppName } from '../model/function.ts';
import type { Trigger, TriggerId } from '../model/trigger.ts';
import type { EventFilter } from './event-store.ts';
import type { SourcePlan } from './source.ts';

/** What people do with triggers and dead letters. */
export interface EventControl {
  /** Every live trigger, and those that are not but are owed something, have dead letters, or left something outside. */
  listTriggers(): Promise<TriggerView[]>;
  /** One of these. */
  findTrigger(id: TriggerId): Promise<TriggerView | undefined>;
  /** Durable when it resolves. `E_NOT_FOUND` for a trigger that is not live. */
  setPaused(id: TriggerId, paused: boolean): Promise<void>;
  /** Makes a schedule due now, besides its instants. `E_NOT_FOUND`, `E_BAD_REQUEST` for what is no schedule. */
  runNow(id: TriggerId): Promise<void>;
  /**
   * Owes stored events once more: to one trigger, whatever its pattern, or to all whose pattern matches. Goes through
   * the log in steps; what was replayed stays so when it breaks off. `E_NOT_FOUND` for a trigger that is not live.
   */
  replay(request: ReplayRequest): Promise<ReplayResult>;
  /** Owes dead letters again: these, or all (of one trigger). Returns how many. */
  redrive(which: DeadSelection): Promise<number>;
  removeDead(which: DeadSelection): Promise<number>;
  /** Puts another event in a dead letter's place, for its redrive. `E_NOT_FOUND`, `E_EVENT_INVALID`. */
  editDead(key: number, event: unknown): Promise<void>;
}

export interface TriggerView {
  readonly id: TriggerId;
  /** `undefined`: no live deployment has it; what is owed waits for its return. */
  readonly live: { readonly app: AppName; readonly trigger: Trigger } | undefined;
  readonly paused: boolean;
  readonly owed: number;
  readonly delivered: number;
  /** Attempts that failed since the platform started. */
  readonly failed: number;
  readonly dead: number;
  /** Since when the oldest delivery is owed, as far as it is known; epoch ms. */
  readonly oldestMs: number | undefined;
  /** Calls under way. */
  readonly running: number;
  /** Where its source is: the last instant of a schedule, the position in a stream. */
  readonly position: string | undefined;
  /** When a schedule is due next, epoch ms. */
  readonly nextMs: number | undefined;
  /** Why its source does not work now. */
  readonly trouble: string | undefined;
  /** What its source's server holds that is not stored here yet, in bytes. */
  readonly lagBytes: number | undefined;
  /** Messages that its broker has still to give, where it tells. */
  readonly lagMessages: number | undefined;
  /** What its source has in a service outside, or is about to make there. */
  readonly plan: SourcePlan | undefined;
  /** Of a trigger that is not live: what it has left outside. */
  readonly left: SourcePlan['left'];
}

export interface ReplayRequest {
  readonly filter: EventFilter;
  /** `undefined`: all whose pattern matches. */
  readonly trigger: TriggerId | undefined;
  /** Only counts what would be owed. */
  readonly dryRun?: boolean;
  /** Events with a higher place in the log. Default 0. */
  readonly after?: number;
  /** Stops once it found so many events, or looked through much of the log without. Left out: at its end. */
  readonly limit?: number | undefined;
}

export interface ReplayResult {
  readonly events: number;
  readonly deliveries: number;
  /** `after` of the next part; `undefined`: that was all. */
  readonly next: number | undefined;
}

export type DeadSelection =
  | { readonly kind: 'keys'; readonly keys: readonly number[] }
  | { readonly kind: 'all'; readonly trigger: TriggerId | undefined };
