import type { EventRules } from '../aws/event-rules.ts';
import { type ExecutionValue, STATES_APP } from '../aws/execution-value.ts';
import { startExecution } from '../aws/executions.ts';
import { AwsJsonError } from '../aws/json-protocol.ts';
import { createStateServices } from '../aws/state-services.ts';
import { executionArn, machineArn } from '../aws/states-arn.ts';
import type { StatesParts } from '../aws/states-operation.ts';
import { createStepFunctionsApi, type StepFunctionsApi } from '../aws/step-functions.ts';
import type { Clock } from '../base/clock.ts';
import type { MintUuid, NodeId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { ExecutionOrigin, ExecutionRecord } from '../model/execution.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { createActivityBell } from '../ports/activity-bell.ts';
import type { AsyncQueue } from '../ports/async-queue.ts';
import type { ExecutionMeter } from '../ports/traffic.ts';
import type { Authorize } from '../ports/authorize.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { Invoker } from '../ports/invoker.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { ObjectFiles } from '../ports/object-files.ts';
import type { Secrets } from '../ports/secrets.ts';
import type { StateMachineStore } from '../ports/state-machine-store.ts';
import type { WorkflowCatalog, WorkflowTarget } from '../ports/workflow-catalog.ts';
import type { WorkflowProgram } from '../ports/workflow-program.ts';
import { createTryTask } from './try-task.ts';
import { createStateLanguage } from '../workflows/asl/asl-language.ts';
import { createAslProgram, createPrograms } from '../workflows/asl/asl-program.ts';
import type { AslExecution } from '../workflows/asl/asl-session.ts';
import { createMapRunReader } from '../workflows/asl/map-run-reader.ts';
import type { CallFunction } from '../workflows/call-function.ts';
import { WorkflowEngine } from '../workflows/engine.ts';
import { createDeployedDefinitions } from './deployed-definitions.ts';

/**
 * Executions and definitions that are kept in memory, so that most executions begin without asking the store: so many
 * characters of each, and in all before they are forgotten.
 */
const KEPT_CHARACTERS_EACH = 64 * 1024;
const KEPT_CHARACTERS_MAX = 16 * 1024 * 1024;

export interface StateMachinesOptions {
  readonly stateMachines: StateMachineStore;
  readonly journal: JournalStore;
  readonly invoker: Invoker;
  readonly liveApps: LiveApps;
  readonly files: ObjectFiles;
  readonly secrets: Pick<Secrets, 'valueOf'>;
  readonly bus: EventBus;
  readonly buses: Pick<EventRules, 'hasBus'>;
  readonly asyncQueue: AsyncQueue;
  readonly onAsyncAccepted: () => void;
  readonly authorize: Authorize;
  readonly clock: Clock;
  readonly random: Random;
  readonly mintUuid: MintUuid;
  readonly log: Log;
  readonly node: NodeId;
  /** What runs durable code, beside ASL. */
  readonly code: WorkflowProgram;
  readonly catalog: WorkflowCatalog;
  readonly call: CallFunction;
  /** The blobs with the definitions of deployments. */
  readonly blobs: BlobStore;
  /** What state machines that belong to no app may connect to. */
  readonly stateNetwork: NetworkPolicy;
  readonly meter: ExecutionMeter;
}

export interface StateMachines {
  readonly api: StepFunctionsApi;
  readonly engine: WorkflowEngine;
  /** What an execution of one runs, as JSON text. */
  definitionOf(record: ExecutionRecord): Promise<string | undefined>;
  /** The definition of an app's workflow, as JSON text. */
  deployedDefinition(target: WorkflowTarget): Promise<string | undefined>;
  /** Starts one; the same name is the same execution. Rejects as the API's StartExecution does. */
  start(arn: string, name: string, input: string, origin: ExecutionOrigin): Promise<void>;
}

/** State machines: the engine with the ASL front end, and the API that they are made and run by. */
export function createStateMachines(options: StateMachinesOptions): StateMachines {
  const { journal, clock, random, mintUuid, log, node, liveApps, files, authorize } = options;
  const store = keepExecutions(options.stateMachines);
  const apps = createDeployedDefinitions(options.catalog, options.blobs, liveApps);
  const find = (record: ExecutionRecord, input: unknown) =>
    record.app === STATES_APP ? findExecution(store, record) : apps.execution(record, input);
  const bell = createActivityBell();
  const programOf = createPrograms();
  const parts: StatesParts = {
    ...{ store, journal, bell, apps, clock, random, mintUuid },
    language: createStateLanguage(
      () => clock.nowMs(),
      (task) => tryTask(task),
    ),
    mapRuns: createMapRunReader(find, programOf),
    engine: {
      create: (execution, nowMs) => engine.create(execution, nowMs),
      deliver: (id, input) => engine.deliver(id, input),
      poke: (id) => engine.poke(id),
      whenEnded: (id) => engine.whenEnded(id),
    },
  };
  const services = createStateServices({
    ...{ ...parts, liveApps, files, secrets: options.secrets },
    network: (record) => networkOf(record, options),
    ...{ bus: options.bus, buses: options.buses, asyncQueue: options.asyncQueue },
    onAsyncAccepted: options.onAsyncAccepted,
  });
  const tryTask = createTryTask({ call: options.call, services, clock, mintUuid });
  const engine: WorkflowEngine = new WorkflowEngine({
    ...{ clock, random, mintUuid, log, node },
    store: journal,
    programs: {
      code: options.code,
      asl: createAslProgram({ find, services, bell, clock }, programOf),
    },
    catalog: options.catalog,
    call: options.call,
    meter: options.meter,
  });
  return {
    engine,
    api: createStepFunctionsApi({ ...parts, authorize, log }),
    definitionOf: async (record) => (await find(record, null))?.definition,
    deployedDefinition: (target) => apps.definition(target),
    start: (arn, name, input, origin) => startOnce(parts, arn, name, input, origin),
  };
}

async function startOnce(
  parts: StatesParts,
  arn: string,
  name: string,
  input: string,
  origin: ExecutionOrigin,
): Promise<void> {
  try {
    await startExecution(parts, arn, name, input, { origin });
  } catch (thrown) {
    // It began, and ended already.
    if (!(thrown instanceof AwsJsonError) || thrown.type !== 'ExecutionAlreadyExists') throw thrown;
  }
}

/** What the manifest gives an app's own workflows; what the operator gives all others. */
function networkOf(
  { app, deployment, workflow }: ExecutionRecord,
  { catalog, stateNetwork }: StateMachinesOptions,
): NetworkPolicy {
  if (app === STATES_APP) return stateNetwork;
  return catalog.known(app, deployment)?.function(workflow)?.config.network ?? 'none';
}

async function findExecution(
  store: StateMachineStore,
  record: ExecutionRecord,
): Promise<AslExecution | undefined> {
  const [value, definition] = await Promise.all([
    store.get('execution', record.id) as Promise<ExecutionValue | undefined>,
    store.get('definition', record.version) as Promise<string | undefined>,
  ]);
  if (value === undefined || definition === undefined) return undefined;
  const { machine, name, roleArn, input } = value;
  const facts = {
    id: executionArn(machine, name),
    name,
    roleArn,
    stateMachineId: machineArn(machine),
    stateMachineName: machine,
    inputText: input,
  };
  return { definition, facts };
}

/** About how many characters it takes: what can be long in it, and something for the rest. */
function sizeOf(value: unknown): number {
  const text = typeof value === 'string' ? value : (value as { input?: string }).input;
  return 500 + (text?.length ?? 0);
}

/** What never changes is remembered: definitions, and what was just written of an execution. */
function keepExecutions(store: StateMachineStore): StateMachineStore {
  const kept = new Map<string, unknown>();
  let characters = 0;
  const keep = (kind: string, key: string, value: unknown): void => {
    if (kind !== 'execution' && kind !== 'definition') return;
    const size = sizeOf(value);
    if (size > KEPT_CHARACTERS_EACH) return;
    characters += size;
    if (characters > KEPT_CHARACTERS_MAX) {
      kept.clear();
      characters = size;
    }
    kept.set(`${kind}/${key}`, value);
  };
  return {
    ...store,
    async create(objects) {
      const created = await store.create(objects);
      if (created) for (const { kind, key, value } of objects) keep(kind, key, value);
      return created;
    },
    async get(kind, key) {
      const known = kept.get(`${kind}/${key}`);
      if (known !== undefined) return known;
      const value = await store.get(kind, key);
      if (value !== undefined) keep(kind, key, value);
      return value;
    },
    async remove(keys) {
      for (const { kind, key } of keys) kept.delete(`${kind}/${key}`);
      await store.remove(keys);
    },
  };
}
