import type { ExecutionRecord } from '../model/execution.ts';
import type { WorkflowTarget } from './workflow-catalog.ts';

/** Workflows in Amazon States Language that are parts of apps, for the API of AWS, which knows no apps. */
export interface DeployedMachines {
  /** Those that are live, in no order. */
  list(): readonly DeployedMachine[];
  /** The text of what an execution runs, or of what a new one would; `undefined`: its deployment is gone. */
  definition(
    of: Pick<ExecutionRecord, 'app' | 'deployment' | 'workflow' | 'version'>,
  ): Promise<string | undefined>;
}

export interface DeployedMachine {
  readonly target: WorkflowTarget;
  /** When its deployment was made, epoch milliseconds. */
  readonly deployedMs: number;
}
