import type { WorkflowKind } from '../model/execution.ts';
import type { AppName, FunctionVersion } from '../model/function.ts';

/** What an execution of a workflow runs: fixed when it begins. */
export interface WorkflowTarget {
  readonly app: AppName;
  readonly workflow: string;
  readonly kind: WorkflowKind;
  /** A function's version, or the digest of a definition. */
  readonly version: string;
  readonly deployment: number;
}

/** Where workflows and the functions that they call are found by name. */
export interface WorkflowCatalog {
  /** What a new execution runs now; `undefined`: the app has no such workflow. */
  live(app: AppName, workflow: string): WorkflowTarget | undefined;
  /** The workflows that are live in an app. */
  names(app: AppName): readonly string[];
  /** A deployment, if it is in memory. */
  known(app: AppName, number: number): DeploymentCatalog | undefined;
  /** A deployment, live or not; `undefined` when it is gone. */
  deployment(app: AppName, number: number): Promise<DeploymentCatalog | undefined>;
}

export interface DeploymentCatalog {
  workflow(name: string): WorkflowTarget | undefined;
  function(name: string): FunctionVersion | undefined;
}
