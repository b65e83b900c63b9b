import type { ExecutionId } from '../base/ids.ts';
import type { ExecutionRecord } from '../model/execution.ts';
import type { DeployedMachine } from '../ports/deployed-machines.ts';
import { type ExecutionValue, STATES_APP } from './execution-value.ts';
import { AwsJsonError } from './json-protocol.ts';
import { machineArn } from './states-arn.ts';
import type { StatesParts } from './states-operation.ts';

/*
 * Workflows of apps as state machines: `APP--WORKFLOW`, as functions are called here, or the workflow's name where one
 * app alone has it and no state machine of the API is called so. They are looked at, started and stopped like others;
 * a deploy changes them, so the API does not.
 */

/** Roles mean nothing here, but clients expect one. */
export const APP_ROLE = 'arn:aws:iam::000000000000:role/lambent';

export function appMachineName({
  app,
  workflow,
}: {
  readonly app: string;
  readonly workflow: string;
}): string {
  return `${app}--${workflow}`;
}

export function findAppMachine({ apps }: StatesParts, name: string): DeployedMachine | undefined {
  const all = apps.list();
  const exact = all.find(({ target }) => appMachineName(target) === name);
  if (exact !== undefined) return exact;
  const [found, second] = all.filter(({ target }) => target.workflow === name);
  return second === undefined ? found : undefined;
}

/** Refuses what only a deploy can do. */
export function refuseAppMachine(parts: StatesParts, name: string): void {
  const found = findAppMachine(parts, name);
  if (found === undefined) return;
  throw new AwsJsonError(
    'ConflictException',
    `State machine '${machineArn(name)}' is a part of app ${found.target.app}: it changes when that is deployed.`,
  );
}

/** What the API says of an execution that was begun in some other way. Its name is its id. */
export function valueOfRecord(record: ExecutionRecord, input: string): ExecutionValue {
  const { id, app, workflow, deployment, version, createdMs } = record;
  return {
    ...{ id, name: id, input, machine: appMachineName(record), type: 'STANDARD', roleArn: APP_ROLE },
    ...{ definition: version, startedMs: createdMs, redrives: 0, deployed: { app, workflow, deployment } },
  };
}

/** An execution of an app's workflow by its id. */
export async function findAppExecution(
  { journal }: StatesParts,
  machine: string,
  name: string,
): Promise<{ value: ExecutionValue; record: ExecutionRecord } | undefined> {
  const record = await journal.find(name as ExecutionId);
  if (record === undefined || record.kind !== 'asl' || record.app === STATES_APP) return undefined;
  if (machine !== record.workflow && machine !== appMachineName(record)) return undefined;
  const [first] = await journal.history(record.id, 0, 1);
  const input = first?.kind === 'started' && 'json' in first.input ? first.input.json : null;
  return { value: valueOfRecord(record, JSON.stringify(input)), record };
}

export async function describeAppMachine(
  parts: StatesParts,
  name: string,
): Promise<Record<string, unknown> | undefined> {
  const found = findAppMachine(parts, name);
  if (found === undefined) return undefined;
  const { target, deployedMs } = found;
  return {
    stateMachineArn: machineArn(appMachineName(target)),
    name: appMachineName(target),
    status: 'ACTIVE',
    definition: await parts.apps.definition(target),
    roleArn: APP_ROLE,
    type: 'STANDARD',
    creationDate: deployedMs / 1000,
    revisionId: target.version,
    loggingConfiguration: { level: 'OFF', includeExecutionData: false },
    tracingConfiguration: { enabled: false },
    encryptionConfiguration: { type: 'AWS_OWNED_KEY' },
  };
}
