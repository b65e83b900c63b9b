/**
 * That something changed, for those who look at the platform while it works. A notice says what to read again, never
 * what is there now: what is read is always the store's. Notices are put together over a short time and kept in a
 * ring, so that who was away for a moment learns what to read; who was away for longer reads everything.
 */

/** What changes: each names what a part of the control API shows. */
export const CHANGE_TOPICS = [
  /** Calls ended; instances came or went with them. */
  'invocations',
  'executions',
  /** Events, what is owed of them, triggers, dead letters. */
  'events',
  /** Deployments, routes, shares of the traffic. */
  'apps',
  /** Tokens, keys, secrets. */
  'settings',
] as const;
export type ChangeTopic = (typeof CHANGE_TOPICS)[number];

export interface Change {
  readonly topics: readonly ChangeTopic[];
  /** The executions that changed; left out: too many to name. */
  readonly executions?: readonly string[];
}

/** Executions that one notice names. */
export const CHANGED_EXECUTIONS_MAX = 64;

export interface Changes {
  /** Quick, never throws. `id`: of an execution. */
  note(topic: ChangeTopic, id?: string): void;
  /** Place of the newest notice: it grows by one with each. */
  readonly newest: number;
  /** All that changed after a place, in one; `undefined`: the ring no longer goes back that far. */
  since(place: number): Change | undefined;
  /** Called with each notice. Returns how to stop. */
  onNotice(listener: () => void): () => void;
}
