import type { Deployment, LiveApp, TrafficShare } from '../model/deployment.ts';
import type { AppName } from '../model/function.ts';
import type { SourceChange } from './source-plans.ts';

/** A line of a build, for the person who waits. */
export interface BuildLine {
  /**
   * `plan`: what its triggers make or drop in databases once it is live. `tool`: what a build that takes its time says
   * meanwhile. `skip`: a function was left out. `warn`: it is deployed, and lacks something.
   */
  readonly step: 'read' | 'plan' | 'install' | 'build' | 'tool' | 'skip' | 'warn' | 'store' | 'switch';
  readonly text: string;
}

export interface DeployRequest {
  /** Absolute path of the app's folder. It is only read, except that missing node_modules are installed into a copy. */
  readonly folder: string;
  readonly createdBy: string;
  readonly note: string;
  /** Percent of traffic for the new deployment; 100 replaces. 1 to 99 needs a live deployment beside it. 0: preview only. */
  readonly weight: number;
  /** Deploy what can be built here: functions whose language this machine lacks are told of and left out. */
  readonly partial?: boolean;
  onLine?(line: BuildLine): void;
}

export interface DeployResult {
  readonly deployment: Deployment;
  readonly live: LiveApp;
  readonly tookMs: number;
  /** What its triggers make and drop in services outside. */
  readonly changes: readonly SourceChange[];
}

/** What a deploy would do, as far as it is known without building anything. */
export interface DeployPlan {
  readonly app: AppName;
  readonly functions: number;
  readonly changes: readonly SourceChange[];
}

/** Turns folders into live deployments. All failures leave what is live untouched. */
export interface Deployer {
  /** Rejects with the codes of manifests, builds and stores. */
  deploy(request: DeployRequest): Promise<DeployResult>;
  /** Unpacks an uploaded tar.gz safely, then deploys the folder. `E_ARCHIVE_INVALID`, `E_ARCHIVE_TOO_LARGE` besides. */
  deployArchive(
    archive: AsyncIterable<Uint8Array>,
    request: Omit<DeployRequest, 'folder'>,
  ): Promise<DeployResult>;
  /** Reads an upload and builds nothing. The codes of archives and manifests. */
  planArchive(archive: AsyncIterable<Uint8Array>, weight: number): Promise<DeployPlan>;
  /** Makes an older deployment live again; `number` undefined: the one before the present. `E_NOT_FOUND`. */
  rollback(app: AppName, number: number | undefined): Promise<LiveApp>;
  setTraffic(app: AppName, traffic: readonly TrafficShare[]): Promise<LiveApp>;
  deleteApp(app: AppName): Promise<boolean>;
}
