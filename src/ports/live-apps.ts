import type { Deployment, LiveApp } from '../model/deployment.ts';
import type { AppName, FunctionName, FunctionVersion } from '../model/function.ts';

/** A function as a caller names it, found among the live deployments. */
export interface ResolvedFunction {
  readonly version: FunctionVersion;
  readonly deployment: number;
}

/**
 * The live deployments, in memory. Reading is synchronous: it is on the hot path. A switch replaces an app's
 * entry in one step, so that a reader sees the old snapshot or the new one, never a mixture.
 */
export interface LiveApps {
  /** Picks a deployment by weight when two share the traffic. */
  resolve(app: AppName, name: FunctionName): ResolvedFunction | undefined;
  /** Every live app with its deployments (one or two). */
  snapshot(): readonly LiveAppEntry[];
  find(app: AppName): LiveAppEntry | undefined;
  /** A deployment that is not live, for its preview host; loaded from the store when needed. */
  preview(app: AppName, number: number): Promise<Deployment | undefined>;
  /** Calls `listener` after every change with the app's new entry (`undefined`: the app is gone). Returns how to stop. */
  subscribe(listener: (app: AppName, entry: LiveAppEntry | undefined) => void): () => void;
}

export interface LiveAppEntry {
  readonly live: LiveApp;
  /** The deployments of `live.traffic`, in the same order. */
  readonly deployments: readonly Deployment[];
}
