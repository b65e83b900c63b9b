import type { ConnectionKind } from '../model/connection.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { TriggerName } from '../model/trigger.ts';
import type { ConnectionCheck } from './connection-driver.ts';

/** What may be shown of a connection. */
export interface ConnectionView {
  readonly app: AppName;
  readonly name: string;
  readonly kind: ConnectionKind;
  /** Its host and port, or the name of the secret with its address. */
  readonly place: string;
  /** Names of the secrets that it needs. */
  readonly secrets: readonly string[];
  /** Triggers of the app that read from it. */
  readonly triggers: readonly TriggerName[];
  /** Functions of the app that may send through it. */
  readonly functions: readonly FunctionName[];
}

export interface ConnectionReport {
  readonly app: AppName;
  readonly name: string;
  readonly kind: ConnectionKind;
  /** Whether every check is well. */
  readonly ok: boolean;
  readonly checks: readonly ConnectionCheck[];
}

/** The connections of the live deployments. */
export interface Connections {
  list(): readonly ConnectionView[];
  /** Tries it, from looking up its secrets to what its triggers need. `E_NOT_FOUND`. */
  test(app: AppName, name: string): Promise<ConnectionReport>;
}
