/**
 * What AWS' APIs keep. Of the Step Functions API, beside the journal: state machines with their definitions, versions and aliases,
 * activities, tags, and the names that callers gave to executions. Of EventBridge: rules. Small objects of a kind, each under its key.
 */
export interface StateMachineStore {
  /** Stores all or none: false when the first is there already. Durable when it resolves. */
  create(objects: readonly StoredObject[]): Promise<boolean>;
  /** Stores all, in place of what is there. Durable when it resolves. */
  put(objects: readonly StoredObject[]): Promise<void>;
  /** Those that are not there are passed over. */
  remove(keys: readonly ObjectKey[]): Promise<void>;
  get(kind: ObjectKind, key: string): Promise<unknown>;
  /** Keys that begin with `prefix`, in order, after the key `after`; at most `limit`. */
  list(kind: ObjectKind, prefix: string, after: string, limit: number): Promise<StoredObject[]>;
}

export type ObjectKind =
  /** By name. */
  | 'machine'
  /** A definition's text, by its SHA-256. */
  | 'definition'
  /** `machine:0000000007` */
  | 'version'
  /** `machine:alias` */
  | 'alias'
  /** By name. */
  | 'activity'
  /** Of a resource, by its ARN. */
  | 'tags'
  /** What a caller called an execution: `machine:name`. */
  | 'executionName'
  /** Of AWS' clients, by its id. */
  | 'accessKey'
  /** Of EventBridge, by name, with its targets. */
  | 'eventRule'
  /** An event bus that a client made, by its name. */
  | 'eventBus'
  /** What the API knows of an execution, by its id. */
  | 'execution';

export interface ObjectKey {
  readonly kind: ObjectKind;
  /** At most 512 characters. */
  readonly key: string;
}

export interface StoredObject extends ObjectKey {
  /** JSON. */
  readonly value: unknown;
}
