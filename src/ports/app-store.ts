import type { Deployment, LiveApp, TrafficShare } from '../model/deployment.ts';
import type { AppName, BlobDigest } from '../model/function.ts';

/** A deployment before it has its number. */
export type NewDeployment = Omit<Deployment, 'number'>;

/** What lists show of a deployment, without its functions. */
export interface DeploymentSummary {
  readonly app: AppName;
  readonly number: number;
  readonly createdMs: number;
  readonly createdBy: string;
  readonly note: string;
  readonly functionCount: number;
}

/** Outcome of a switch: `stale` when `expectedGeneration` is no longer the present one, and nothing was changed. */
export type SwitchOutcome =
  | { readonly status: 'switched'; readonly live: LiveApp }
  | { readonly status: 'stale'; readonly generation: number };

/** Apps, their immutable deployments, and which of them are live. Every write is durable when its promise resolves. */
export interface AppStore {
  /** Stores a deployment under the app's next number (the app comes into being with its first). It is not live yet. */
  createDeployment(deployment: NewDeployment): Promise<Deployment>;
  /**
   * Makes these deployments live, all at once. Generation 0 means: the app was never live. `E_NOT_FOUND` when the app
   * or a deployment is not there, `E_BAD_REQUEST` for weights that do not add up to 100.
   */
  switchTraffic(
    app: AppName,
    traffic: readonly TrafficShare[],
    expectedGeneration: number,
  ): Promise<SwitchOutcome>;
  findDeployment(app: AppName, number: number): Promise<Deployment | undefined>;
  /** Newest first; `before` is a deployment number to continue from. */
  listDeployments(app: AppName, limit: number, before?: number): Promise<DeploymentSummary[]>;
  /** Every app, the oldest first, with what it serves (`generation` 0 and no traffic: never live). */
  listApps(): Promise<LiveApp[]>;
  /** Forgets the app and all its deployments; false when there is none. */
  deleteApp(app: AppName): Promise<boolean>;
  /** Deployments of an app beyond the newest `keep` that are not live are forgotten; returns how many. */
  pruneDeployments(app: AppName, keep: number): Promise<number>;
  /** Every blob that a stored deployment needs: all others may be deleted. */
  referencedBlobs(): Promise<Set<BlobDigest>>;
}
