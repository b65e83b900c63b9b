import type { Clock } from '../base/clock.ts';
import type { MintUuid } from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import type { ActivityBell } from '../ports/activity-bell.ts';
import type { DeployedMachines } from '../ports/deployed-machines.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import type { MapRunReader } from '../ports/map-run-reader.ts';
import type { StateLanguage } from '../ports/state-language.ts';
import type { StateMachineStore } from '../ports/state-machine-store.ts';
import type { WorkflowEngine } from '../ports/workflow-engine.ts';
import type { RequestFields } from './json-protocol.ts';

/** What the operations of the Step Functions API work with. */
export interface StatesParts {
  readonly store: StateMachineStore;
  readonly language: StateLanguage;
  readonly engine: WorkflowEngine;
  readonly journal: JournalStore;
  readonly bell: ActivityBell;
  readonly apps: DeployedMachines;
  readonly mapRuns: MapRunReader;
  readonly clock: Clock;
  readonly random: Random;
  readonly mintUuid: MintUuid;
}

/** One operation: takes its request's fields, gives its answer's. `signal`: the caller went away. */
export type StatesOperation = (
  parts: StatesParts,
  fields: RequestFields,
  signal: AbortSignal,
) => Promise<object>;
