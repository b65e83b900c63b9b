import type { AppName, FunctionName } from '../model/function.ts';
import type { TriggerId } from '../model/trigger.ts';
import type { CallVia } from './activity.ts';

/** Calls that came to a function by one way within the last minute. */
export interface TrafficFlow {
  readonly app: AppName;
  readonly function: FunctionName;
  readonly via: CallVia;
  readonly calls: number;
  /** Those that ended otherwise than `ok`. */
  readonly errors: number;
}

/** Told of what triggers start in place of calling a function. */
export interface StartMeter {
  /** An execution was begun for a delivery or a batch, or could not be. `what`: the workflow. */
  started(app: AppName, what: FunctionName, trigger: TriggerId, failed: boolean): void;
}

/** Told of executions, whoever began them. Quick, never throws. */
export interface ExecutionMeter {
  /** `parent`: the execution that it is a child of. */
  began(execution: WorkflowName, parent: WorkflowName | undefined): void;
  ended(execution: WorkflowName, failed: boolean): void;
}

export interface WorkflowName {
  readonly app: AppName;
  readonly workflow: string;
}

/** Executions of a workflow within the last minute. */
export interface ExecutionFlow extends WorkflowName {
  readonly began: number;
  readonly ended: number;
  /** Of those that ended. */
  readonly failed: number;
}

export interface TrafficView {
  /** Those of which there was a call. The minute ends now and is known to 5 seconds. */
  flows(): TrafficFlow[];
  /** Of workflows of which executions began or ended. */
  executions(): ExecutionFlow[];
}
