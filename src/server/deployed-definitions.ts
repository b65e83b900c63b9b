import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { executionArn, machineArn } from '../aws/states-arn.ts';
import type { ExecutionRecord } from '../model/execution.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { DeployedMachine, DeployedMachines } from '../ports/deployed-machines.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { WorkflowCatalog } from '../ports/workflow-catalog.ts';
import type { AslExecution } from '../workflows/asl/asl-session.ts';

/** Definitions that are kept in memory, and the characters of those that are. */
const KEPT_MAX = 200;
const KEPT_CHARACTERS_EACH = 64 * 1024;

export interface DeployedDefinitions extends DeployedMachines {
  /** What an execution of an app's workflow runs: the definition of the deployment that it began with. */
  execution(record: ExecutionRecord, input: unknown): Promise<AslExecution | undefined>;
}

export function createDeployedDefinitions(
  catalog: WorkflowCatalog,
  blobs: BlobStore,
  liveApps: LiveApps,
): DeployedDefinitions {
  const kept = new Map<string, string>();
  const definition: DeployedMachines['definition'] = async ({ app, deployment, workflow, version }) => {
    const known = kept.get(version);
    if (known !== undefined) return known;
    const found = catalog.known(app, deployment) ?? (await catalog.deployment(app, deployment));
    const built = found?.function(workflow);
    if (built?.id !== version) return undefined;
    const folder = await blobs.locate(built.code);
    if (folder === undefined) return undefined;
    const text = await readFile(join(folder, built.entry), 'utf8');
    if (text.length <= KEPT_CHARACTERS_EACH) {
      if (kept.size >= KEPT_MAX) kept.clear();
      kept.set(version, text);
    }
    return text;
  };
  const execution: DeployedDefinitions['execution'] = async (record, input) => {
    const text = await definition(record);
    if (text === undefined) return undefined;
    // As AWS would call it: what a definition reads of its context has these forms.
    const facts = {
      id: executionArn(record.workflow, record.id),
      name: record.id,
      roleArn: '',
      stateMachineId: machineArn(record.workflow),
      stateMachineName: record.workflow,
      inputText: JSON.stringify(input),
    };
    return { definition: text, facts };
  };
  const list = (): DeployedMachine[] =>
    liveApps.snapshot().flatMap(({ live, deployments }) =>
      catalog.names(live.app).flatMap((workflow) => {
        const target = catalog.live(live.app, workflow);
        if (target?.kind !== 'asl') return [];
        const deployedMs = deployments.find(({ number }) => number === target.deployment)?.createdMs ?? 0;
        return [{ target, deployedMs }];
      }),
    );
  return { list, definition, execution };
}
