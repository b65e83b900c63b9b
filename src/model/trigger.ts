import type { Branded } from '../base/ids.ts';
import type { Connection } from './connection.ts';
import type { AppName, FunctionName } from './function.ts';
import type { MessageSource } from './message-source.ts';
import type { ScheduleTime } from './schedule-time.ts';

/** Name of a trigger within its app: as of a function, at most 128. It keeps its position across deployments. */
export type TriggerName = Branded<'TriggerName'>;
/** `app/trigger`: unique on a node. */
export type TriggerId = Branded<'TriggerId'>;

export const TRIGGER_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
/** … and of a target of a rule, which the platform names itself: `rule:RULE:TARGET` or `schedule:RULE:TARGET`. */
export const RULE_TRIGGER_NAME =
  /^(?:rule|schedule):(?:[A-Za-z0-9._-]{1,256}:)?[A-Za-z0-9._-]{1,64}:[A-Za-z0-9._-]{1,64}$/;

export function triggerIdOf(app: AppName, name: TriggerName): TriggerId {
  return `${app}/${name}` as TriggerId;
}

/** Binds a source of events to a function. */
export interface Trigger {
  readonly name: TriggerName;
  readonly function: FunctionName;
  readonly source: TriggerSource;
  readonly delivery: DeliveryPolicy;
  /** An execution that it starts, or an address that it is sent to, in place of calling a function; `function` is then the name of what is started. */
  readonly starts?: Startable | WebhookTarget | undefined;
  /** The rule of AWS' API that it is a target of; `undefined`: it stands in a manifest. */
  readonly rule?: RuleTarget | undefined;
}

export type Startable =
  /** A durable workflow of the trigger's app. */
  | { readonly kind: 'workflow'; readonly workflow: FunctionName }
  | { readonly kind: 'stateMachine'; readonly arn: string };

/** An address outside that the event is sent to. The trigger's `function` is whose network policy counts. */
export interface WebhookTarget {
  readonly kind: 'webhook';
  readonly url: string;
  /** Names of secrets of the app, each of which signs. */
  readonly secrets: readonly string[];
}

export interface RuleTarget {
  readonly name: string;
  readonly arn: string;
  /** Events come from its schedule, not from its pattern. */
  readonly isScheduled: boolean;
  readonly input: TargetInput;
}

/** What a target gets of the event, which is EventBridge's form of it. Paths are those of event-path.ts. */
export type TargetInput =
  | { readonly kind: 'event' }
  | { readonly kind: 'constant'; readonly json: string }
  | { readonly kind: 'path'; readonly path: string }
  | {
      readonly kind: 'template';
      readonly paths: Readonly<Record<string, string>>;
      readonly template: string;
    };

export type TriggerSource =
  | BusSource
  | ScheduleSource
  | WebhookSource
  | PostgresSource
  | MysqlSource
  | SqliteSource
  | FilesSource
  | MessageSource
  | DestinationSource;

/** Events that match a pattern: those of its own app, and those from outside that are for all apps. */
export interface BusSource {
  readonly kind: 'events';
  /** EventBridge's language over the event: its attributes, and EventBridge's names for them. */
  readonly pattern: Readonly<Record<string, unknown>>;
  /** What the function gets: the CloudEvent, or the same as EventBridge would send it. */
  readonly format: EventFormat;
  /** Events of this shared bus, in place of those of its own app and of everybody. */
  readonly bus?: string | undefined;
}

export type EventFormat = 'cloudevent' | 'eventbridge';

/** Outcomes of other triggers' deliveries. The platform makes these triggers itself. */
export interface DestinationSource {
  readonly kind: 'destination';
}

/** What is due by the clock. */
export interface ScheduleSource {
  readonly kind: 'schedule';
  readonly when: ScheduleTime;
  /** IANA name; instants of `cron` and of an `at` without an offset are read in it. */
  readonly timeZone: string;
  /** Instants that passed while the platform was down: none, the last one, or all (up to MISSED_MAX). */
  readonly missed: 'skip' | 'last' | 'all';
  /** Each instant is put off by up to this, in milliseconds. */
  readonly jitterMs: number;
  /** When the one before still runs: run beside it, wait for it, or leave this one out. */
  readonly overlap: 'allow' | 'wait' | 'skip';
}

/** A URL of its own that checks who calls: `/_lambent/hooks/APP/TRIGGER`. */
export interface WebhookSource {
  readonly kind: 'webhook';
  readonly verify: WebhookScheme;
  /** Names of environment variables of the function, any of whose values may have signed. */
  readonly secrets: readonly string[];
  /** How far the sender's time may be off, in milliseconds. */
  readonly toleranceMs: number;
}

export type WebhookScheme =
  | { readonly kind: 'standard' | 'github' | 'stripe' | 'slack' | 'none' }
  | {
      readonly kind: 'hmac';
      readonly header: string;
      readonly algorithm: 'sha1' | 'sha256' | 'sha384' | 'sha512';
      readonly encoding: 'hex' | 'base64';
      /** Before the signature in the header, such as `sha256=`. */
      readonly prefix: string;
      /** Header with the id of the event, for repetitions. */
      readonly idHeader: string | undefined;
    };

/** Changed rows of a table in PostgreSQL, by logical replication. */
export interface PostgresSource {
  readonly kind: 'postgres';
  /** The database. */
  readonly connection: Connection;
  readonly schema: string;
  readonly table: string;
  readonly actions: readonly TableAction[];
  /** Only these columns are sent; `undefined`: all. */
  readonly columns: readonly string[] | undefined;
  /** Only rows for which this SQL expression holds; `undefined`: all. */
  readonly where: string | undefined;
  /** Changes a minute; further ones wait in the database. `undefined`: no limit. */
  readonly maxPerMinute?: number | undefined;
  /** What the server may keep of its log for the trigger while nothing of it is read, in megabytes; then the slot is dropped. */
  readonly maxLagMb?: number | undefined;
  /** Whether the rows that were there before are told first. */
  readonly backfill?: boolean | undefined;
}

/** Changed rows of a table in MariaDB or MySQL, by the binary log. */
export interface MysqlSource {
  readonly kind: 'mysql';
  readonly connection: Connection;
  /** The database, which the server calls a schema as well; `undefined`: that of the address. */
  readonly schema: string | undefined;
  readonly table: string;
  readonly actions: readonly TableAction[];
  /** Only these columns are told; `undefined`: all. */
  readonly columns: readonly string[] | undefined;
  /** Changes a minute; further ones wait in the database. `undefined`: no limit. */
  readonly maxPerMinute?: number | undefined;
  /** Whether the rows that were there before are told first. */
  readonly backfill?: boolean | undefined;
}

/** Changed rows of a table in a file of SQLite's, by triggers that note them. */
export interface SqliteSource {
  readonly kind: 'sqlite';
  readonly connection: Connection;
  readonly table: string;
  /** No `truncate`: SQLite has none. */
  readonly actions: readonly Exclude<TableAction, 'truncate'>[];
  /** Only these columns are told; `undefined`: all. */
  readonly columns: readonly string[] | undefined;
  /** Only rows for which this SQL expression holds before or after the change; `undefined`: all. */
  readonly where: string | undefined;
  /** Changes a minute; further ones wait in the database. `undefined`: no limit. */
  readonly maxPerMinute?: number | undefined;
  /** Whether the rows that were there before are told first. */
  readonly backfill?: boolean | undefined;
}

/** Files of a folder of this machine. */
export interface FilesSource {
  readonly kind: 'files';
  /** Absolute. The operator must allow it. */
  readonly folder: string;
  /** Globs over the path within the folder, any of which fits. */
  readonly match: readonly string[];
  readonly actions: readonly FileAction[];
  /** A file is told of once it was the same for this long, in milliseconds. */
  readonly settleMs: number;
  /** Whether what is there at the first look counts as created. */
  readonly existing: boolean;
  /** Whether the content of small files goes along. */
  readonly content: boolean;
}

export type FileAction = (typeof FILE_ACTIONS)[number];
export const FILE_ACTIONS = ['create', 'change', 'remove'] as const;

export type TableAction = (typeof TABLE_ACTIONS)[number];
export const TABLE_ACTIONS = ['insert', 'update', 'delete', 'truncate'] as const;

/** How events get to the function. All limits hold for one trigger. */
export interface DeliveryPolicy {
  /** Attempts of one event, the first included; then it is dead. 1 to 1,000. */
  readonly attemptsMax: number;
  /** An event that is older than this after a failure is dead, in milliseconds. */
  readonly ageMaxMs: number;
  /** The first retry comes after up to this, doubling up to `retryMaxMs`, with full jitter. */
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  /** Events in one call. With 1 the function gets an event; with more, and where `batched`, a list. */
  readonly batchMax: number;
  /** Whether the function gets a list, even of one. */
  readonly batched: boolean;
  /** How long the first event of a batch waits for the others, in milliseconds. */
  readonly windowMs: number;
  /** When a batch fails as a whole: try its halves, instead of all of it again. */
  readonly bisect: boolean;
  /** Calls at the same time. 1 to 10,000. */
  readonly concurrency: number;
  /** Path in the event, as `data.customer`: events with the same value there are delivered one after another. */
  readonly key: string | undefined;
  /** Calls per second, as a token bucket of one second; 0: no limit. */
  readonly ratePerSecond: number;
  /** Only the last event counts (of each key) once none came for this long, in milliseconds; 0: every event. */
  readonly debounceMs: number;
  /** Path whose value makes a later event within `dedupeMs` a repetition; `undefined`: none. */
  readonly dedupeKey: string | undefined;
  readonly dedupeMs: number;
  readonly onSuccess: Destination | undefined;
  readonly onFailure: Destination | undefined;
}

/** Where the outcome of a delivery goes: as an event to a function or workflow of the app, outside, or onto the bus. */
export type Destination =
  | { readonly kind: 'function'; readonly function: FunctionName }
  | { readonly kind: 'workflow'; readonly workflow: FunctionName }
  | WebhookTarget
  | { readonly kind: 'emit'; readonly type: string };

export const DELIVERY_DEFAULTS: DeliveryPolicy = {
  attemptsMax: 8,
  ageMaxMs: 24 * 3_600_000,
  retryFirstMs: 1_000,
  retryMaxMs: 300_000,
  batchMax: 1,
  batched: false,
  windowMs: 0,
  bisect: false,
  concurrency: 64,
  key: undefined,
  ratePerSecond: 0,
  debounceMs: 0,
  dedupeKey: undefined,
  dedupeMs: 300_000,
  onSuccess: undefined,
  onFailure: undefined,
};
