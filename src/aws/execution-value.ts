import type { ExecutionId } from '../base/ids.ts';
import type { AppName } from '../model/function.ts';

/** What executions of state machines that belong to no app have as their app; no app can have this name. */
export const STATES_APP = '$states' as AppName;

/** What the API knows of an execution beside its journal. */
export interface ExecutionValue {
  readonly id: ExecutionId;
  readonly machine: string;
  readonly name: string;
  readonly type: 'STANDARD' | 'EXPRESS';
  readonly roleArn: string;
  /** The digest of the definition, or the version of an app's workflow. */
  readonly definition: string;
  /** As the caller wrote it. */
  readonly input: string;
  readonly version?: number;
  readonly alias?: string;
  readonly startedMs: number;
  readonly redrives: number;
  readonly redrivenMs?: number;
  /** Of a workflow of an app. */
  readonly deployed?: { readonly app: AppName; readonly workflow: string; readonly deployment: number };
}
