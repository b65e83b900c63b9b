import type { StepFunctionsApi } from '../aws/step-functions.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { ExecutionStarter } from '../ports/execution-starter.ts';
import type { PayloadStore } from '../ports/payload-store.ts';
import type { InstancePool } from '../ports/instance-pool.ts';
import type { OperationHandler } from '../ports/platform-calls.ts';
import type { Workflows } from '../ports/workflows.ts';
import { createCodeProgram } from '../workflows/code-program.ts';
import { createDeploymentCatalog } from '../workflows/deployment-catalog.ts';
import type { WorkflowEngine } from '../workflows/engine.ts';
import { createFunctionInvoker } from '../workflows/invoke-function.ts';
import { createWorkflowOperations } from '../workflows/platform-operations.ts';
import { createExecutionRetention } from '../workflows/retention.ts';
import { WaitingTeller } from '../workflows/tell-waiting.ts';
import { createWorkflows } from '../workflows/workflows.ts';
import { createStateMachines, type StateMachinesOptions } from './state-machines.ts';

export interface WorkflowParts {
  readonly engine: WorkflowEngine;
  readonly workflows: Workflows;
  readonly stepFunctions: StepFunctionsApi;
  readonly waiting: WaitingTeller;
  /** Ends what needs no order among itself. Before the store is closed. */
  closeRest(): Promise<void>;
  readonly starter: ExecutionStarter;
}

export interface WorkflowPartsOptions extends Omit<StateMachinesOptions, 'code' | 'catalog' | 'call'> {
  readonly pool: InstancePool;
  readonly events: EventStore;
  readonly payloads: PayloadStore;
  /** Where the operations that functions may ask for are added. */
  readonly operations: Map<string, OperationHandler>;
  /** What comes before a token in the address that answers it. */
  callbackUrl(): string;
}

/** One engine with its two front ends, durable code and ASL, and what starts and steers executions. */
export function createWorkflowParts(options: WorkflowPartsOptions): WorkflowParts {
  const { journal, payloads, pool, invoker, liveApps, clock, random, mintUuid, callbackUrl } = options;
  const catalog = createDeploymentCatalog(liveApps);
  const code = createCodeProgram({
    pool,
    clock,
    payloads,
    callbackUrl,
    version: (record) => catalog.known(record.app, record.deployment)?.function(record.workflow),
  });
  const call = createFunctionInvoker({ invoker, liveApps, catalog, mintUuid });
  const machines = createStateMachines({ ...options, code, catalog, call });
  const { engine, api, start, definitionOf, deployedDefinition } = machines;
  const workflows = createWorkflows({
    store: journal,
    payloads,
    catalog,
    code,
    clock,
    random,
    mintUuid,
    engine,
    definitionOf,
    deployedDefinition,
  });
  for (const [name, operation] of createWorkflowOperations(workflows))
    options.operations.set(name, operation);
  const retention = createExecutionRetention({ store: journal, payloads, clock, log: options.log });
  const { events, log } = options;
  const waiting = new WaitingTeller({ store: journal, events, clock, log, poke: (id) => engine.poke(id) });
  void waiting.start();
  const closeRest = async (): Promise<void> => {
    await Promise.all([retention.close(), waiting.close()]);
  };
  const starter: ExecutionStarter = {
    async start(app, what, name, input, origin) {
      if (what.kind === 'stateMachine') return start(what.arn, name, input, origin);
      const options = { key: name, origin };
      await workflows.start({ app, workflow: what.workflow, input: JSON.parse(input) as unknown, options });
    },
  };
  return { engine, workflows, stepFunctions: api, waiting, starter, closeRest };
}
