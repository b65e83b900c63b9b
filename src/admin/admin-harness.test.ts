/* What the tests of this room share: the API over a real store. It has no tests of its own. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAccessKeys } from '../aws/access-keys.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { createDefects } from '../base/defects.ts';
import { type ErrorRecord, LambentError } from '../base/errors.ts';
import { createUuidMinter, type InstanceId, type InvocationId, type NodeId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { createSeededRandom, type Random } from '../base/random.ts';
import { createEventControl } from '../events/control.ts';
import { createDispatch } from '../events/dispatch.ts';
import { SourceHost } from '../events/source-host.ts';
import { createSourcePlans } from '../events/source-plans.ts';
import { AppHosts } from '../model/app-hosts.ts';
import type { Deployment, LiveApp, TrafficShare } from '../model/deployment.ts';
import {
  type AppName,
  type BlobDigest,
  FUNCTION_DEFAULTS,
  type FunctionConfig,
  type FunctionName,
  type FunctionVersion,
  type VersionId,
} from '../model/function.ts';
import type { InvocationRecord, LogLine } from '../model/invocation.ts';
import type { InstanceView } from '../ports/activity.ts';
import type { Deployer, DeployPlan, DeployRequest, DeployResult } from '../ports/deployer.ts';
import type { EventCall, EventOutcome, Invoker } from '../ports/invoker.ts';
import type { LiveAppEntry, LiveApps } from '../ports/live-apps.ts';
import type { SandboxDescription } from '../ports/sandbox.ts';
import { createConnections } from '../connections/connections.ts';
import { openSecretVault } from '../secrets/secret-vault.ts';
import { scheduleSources } from '../sources/schedule/schedule-source.ts';
import { openPayloadStore } from '../store-files/payload-store.ts';
import { openStore, type Store } from '../store-sqlite/store.ts';
import { awsLambdaCost } from '../telemetry/cost.ts';
import { createChangeRing } from '../telemetry/change-ring.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { createLatencyMeter } from '../telemetry/latency-meter.ts';
import { createTrafficMeter } from '../telemetry/traffic-meter.ts';
import { createRecorder } from '../telemetry/recorder.ts';
import { createDeploymentCatalog } from '../workflows/deployment-catalog.ts';
import { WorkflowEngine } from '../workflows/engine.ts';
import { createFunctionInvoker } from '../workflows/invoke-function.ts';
import { createWorkflows } from '../workflows/workflows.ts';
import { hashToken } from './access-token.ts';
import { type AdminDeps, createAdminApi } from './admin.ts';
import type { DoctorFinding } from './doctor.ts';

export const BASE = '/_lambent/api/v1';
export const TOKEN = 'lmb_test-token';

export interface CallOptions {
  body?: BodyInit;
  json?: unknown;
  headers?: Record<string, string>;
  remoteAddress?: string;
}

/** Every field that a test reads of some answer. Which of them an answer has is what the tests assert. */
export interface AnswerBody {
  readonly error: ErrorRecord;
  readonly requestId: string;
  readonly items: readonly AnswerItem[];
  readonly next: string;
  readonly last: number;
  readonly id: string;
  readonly name: string;
  readonly token: string;
  readonly status: string;
  readonly result: unknown;
  readonly version: string;
  readonly mode: string;
  readonly nodeId: string;
  readonly uptimeMs: number;
  readonly number: number;
  readonly deployment: number;
  readonly functions: unknown;
  readonly traffic: readonly TrafficShare[];
  readonly checks: readonly DoctorFinding[];
  readonly isolation: SandboxDescription;
  readonly totals: AnswerItem;
  readonly priceTable: { readonly cpu: string; readonly date: string };
}

export interface AnswerItem {
  readonly id: string;
  readonly app: string;
  readonly function: string;
  readonly name: string;
  readonly text: string;
  readonly sequence: number;
  readonly number: number;
  readonly deployment: number;
  readonly weight: number;
  readonly instances: number;
  readonly routes: readonly unknown[];
  readonly config: FunctionConfig;
  readonly invocations: number;
  readonly errors: number;
  readonly coldStarts: number;
  readonly billedMs: number;
  readonly awsCostUsd: number;
  readonly awsRequestsUsd: number;
  readonly awsComputeUsd: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The text as it came. */
  readonly text: string;
  /** The text read as JSON; empty where it is none. */
  readonly body: AnswerBody;
}

export type Bench = Awaited<ReturnType<typeof openBench>>;

const SETTINGS = {
  mode: 'dev',
  version: '1.2.3',
  nodeId: 'node-1' as NodeId,
  log: silentLog,
  allowHosts: [],
  cost: awsLambdaCost,
  doctorChecks: [],
  console: { find: () => undefined },
  hosts: new AppHosts(undefined),
  sandbox: { describe: async () => ISOLATION },
} as const;

const METRIC_SETTINGS = { defects: createDefects(silentLog), version: '1.2.3' };

async function openEvents(store: Store, invoker: Invoker, liveApps: LiveApps, clock: Clock, random: Random) {
  const secrets = await openSecretVault({
    store: store.secrets,
    rootSecret: 'root',
    clock,
    random,
    log: silentLog,
  });
  const dispatch = await createDispatch({
    ...{ store: store.events, invoker, liveApps, clock, random, log: silentLog, node: SETTINGS.nodeId },
    mintUuid: createUuidMinter(clock, random),
    webhooks: { send: async () => ({ kind: 'taken' }) },
    ...{ starter: { start: async () => {} }, starts: { started() {} } },
    supply: { list: () => [], subscribe: () => () => {} },
  });
  const factories = [scheduleSources];
  const sources = new SourceHost({
    ...{ dispatch, store: store.events, liveApps, secrets, clock, random, log: silentLog, factories },
  });
  const plans = createSourcePlans({ dispatch, store: store.events, factories });
  const eventControl = createEventControl({ dispatch, store: store.events, sources, plans, clock });
  return {
    deps: {
      events: store.events,
      eventBus: dispatch,
      eventControl,
      invoker,
      liveApps,
      secrets,
      connections: createConnections({ liveApps, secrets, drivers: [], clock }),
      clock,
      random,
    },
    async close() {
      await sources.close();
      await dispatch.close();
    },
  };
}

/** Nothing starts instances here, so that executions of code wait for ever. */
async function openWorkflows(
  store: Store,
  folder: string,
  invoker: Invoker,
  liveApps: LiveApps,
  clock: Clock,
) {
  const random = createSeededRandom(2);
  const mintUuid = createUuidMinter(clock, random);
  const catalog = createDeploymentCatalog(liveApps);
  const shared = { store: store.journal, catalog, clock, random, mintUuid };
  const call = createFunctionInvoker({ invoker, liveApps, catalog, mintUuid });
  const engine = new WorkflowEngine({ ...shared, programs: {}, call, log: silentLog, node: SETTINGS.nodeId });
  return createWorkflows({
    payloads: await openPayloadStore({ folder: join(folder, 'payloads') }),
    ...{ ...shared, engine, code: undefined },
    ...{ definitionOf: async () => undefined, deployedDefinition: async () => undefined },
  });
}

export async function openBench(changes: Partial<AdminDeps> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-admin-'));
  const store = await openStore({ folder, clock: systemClock, log: silentLog });
  const clock = new ManualClock();
  const recorder = createRecorder({ telemetry: store.telemetry, clock, log: silentLog });
  const liveApps = new StoredLiveApps();
  const invoker = new ScriptedInvoker();
  const deployer = new StoringDeployer(store.apps, liveApps);
  const instances: InstanceView[] = [];
  const pool = { instances: () => instances, waiting: 0, prewarmed: 0 };
  const metrics = createMetrics({ feed: recorder, pool, clock, ...METRIC_SETTINGS });
  const random = createSeededRandom(1);
  const bus = await openEvents(store, invoker, liveApps, clock, random);
  const deps: AdminDeps = {
    ...SETTINGS,
    ...store,
    ...bus.deps,
    accessKeys: createAccessKeys(store.stateMachines, 'root', clock, random),
    workflows: await openWorkflows(store, folder, invoker, liveApps, clock),
    feed: recorder,
    changes: createChangeRing(clock),
    ...{ traffic: createTrafficMeter(clock), latency: createLatencyMeter(clock) },
    sendToRoutes: () => Promise.reject(new Error('there are no routes here')),
    ...{ deployer, pool, metrics, ...changes },
  };
  const api = createAdminApi(deps);
  if (deps.mode === 'start') {
    await store.access.addToken({ name: 'first', hash: hashToken(TOKEN), createdMs: clock.nowMs() });
  }

  const fetch = (method: string, path: string, options: CallOptions = {}): Promise<Response> =>
    api.fetch(requestOf(method, path, options), options.remoteAddress ?? '127.0.0.1');

  return {
    api,
    deps,
    store,
    clock,
    recorder,
    liveApps,
    invoker,
    instances,
    pool,
    fetch,
    async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
      const response = await fetch(method, path.startsWith('/_') ? path : BASE + path, options);
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: isJson ? JSON.parse(text) : {},
      };
    },
    deploy: (app: string, ...functions: string[]) => deployer.store(app, functions, 100),
    deployer,
    async close() {
      api.close();
      metrics.close();
      await bus.close();
      await recorder.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function requestOf(method: string, path: string, options: CallOptions = {}): Request {
  const headers = new Headers({ host: 'localhost:5262', ...options.headers });
  const init: RequestInit & { duplex?: 'half' } = { method, headers };
  if (options.json !== undefined) {
    headers.set('content-type', 'application/json');
    init.body = JSON.stringify(options.json);
  } else if (options.body !== undefined) {
    init.body = options.body;
    init.duplex = 'half';
  }
  return new Request(`http://localhost:5262${path}`, init);
}

export const withToken = { headers: { authorization: `Bearer ${TOKEN}` } };

export const ISOLATION: SandboxDescription = {
  driver: 'process',
  level: 'E',
  summary: 'Functions are plain processes.',
  advice: undefined,
  protections: [{ name: 'files', enforced: false, note: 'nothing is hidden' }],
};

/** Live deployments in memory, switched by the deployer below. */
class StoredLiveApps implements LiveApps {
  readonly entries = new Map<AppName, LiveAppEntry>();

  resolve(app: AppName, name: FunctionName) {
    const deployment = this.entries.get(app)?.deployments.at(-1);
    const version = deployment?.functions.find((candidate) => candidate.name === name);
    return version && deployment && { version, deployment: deployment.number };
  }

  snapshot() {
    return [...this.entries.values()];
  }

  find(app: AppName) {
    return this.entries.get(app);
  }

  async preview(): Promise<Deployment | undefined> {
    return undefined;
  }

  subscribe(): () => void {
    return () => {};
  }
}

/** Stores deployments without building anything: an archive is a list of function names, one a line. */
export class StoringDeployer implements Deployer {
  readonly #apps: AdminDeps['apps'];
  readonly #live: StoredLiveApps;
  requests: Omit<DeployRequest, 'folder'>[] = [];
  /** Awaited after the archive is read and the first line is told. */
  beforeStore: () => Promise<void> = async () => {};

  constructor(apps: AdminDeps['apps'], live: StoredLiveApps) {
    this.#apps = apps;
    this.#live = live;
  }

  async deploy(): Promise<DeployResult> {
    throw new LambentError('E_APP_EMPTY', 'this deployer knows archives only');
  }

  async deployArchive(
    archive: AsyncIterable<Uint8Array>,
    request: Omit<DeployRequest, 'folder'>,
  ): Promise<DeployResult> {
    this.requests.push(request);
    let text = '';
    for await (const chunk of archive) {
      text += new TextDecoder().decode(chunk);
      request.onLine?.({ step: 'read', text: `${text.length} bytes` });
    }
    await this.beforeStore();
    if (text === 'broken') throw new LambentError('E_BUILD_FAILED', 'functions/a.ts:1: no');
    if (text === 'defect') throw new Error('secret path /etc/passwd');
    const [app = '', ...functions] = text.split('\n');
    return this.store(app, functions, request.weight);
  }

  async planArchive(archive: AsyncIterable<Uint8Array>): Promise<DeployPlan> {
    const text = Buffer.concat(await Array.fromAsync(archive)).toString();
    const [app = '', ...functions] = text.split('\n');
    return { app: app as AppName, functions: functions.length, changes: [] };
  }

  async store(app: string, functions: string[], weight: number): Promise<DeployResult> {
    const name = app as AppName;
    const deployment = await this.#apps.createDeployment({
      app: name,
      createdMs: 1_800_000_000_000,
      createdBy: 'test',
      note: '',
      functions: functions.map((each) => sampleVersion(app, each)),
      routes: functions.map((each) => ({
        method: 'GET',
        path: `/${each}`,
        host: undefined,
        function: each as FunctionName,
        cors: undefined,
      })),
      triggers: [],
      connections: [],
      shares: [],
    });
    const before = this.#live.find(name)?.live;
    const older = before?.traffic.at(-1)?.number;
    const traffic: TrafficShare[] =
      weight === 100 || older === undefined
        ? [{ number: deployment.number, weight: 100 }]
        : weight === 0
          ? [...(before?.traffic ?? [])]
          : [
              { number: older, weight: 100 - weight },
              { number: deployment.number, weight },
            ];
    return { deployment, live: await this.setTraffic(name, traffic), tookMs: 12, changes: [] };
  }

  async rollback(app: AppName, number: number | undefined): Promise<LiveApp> {
    const present = this.#live.find(app)?.live.traffic.at(-1)?.number;
    if (present === undefined) throw new LambentError('E_NOT_FOUND', `There is no app named ${app}.`);
    return this.setTraffic(app, [{ number: number ?? present - 1, weight: 100 }]);
  }

  async setTraffic(app: AppName, traffic: readonly TrafficShare[]): Promise<LiveApp> {
    const deployments: Deployment[] = [];
    for (const { number } of traffic) {
      const deployment = await this.#apps.findDeployment(app, number);
      if (deployment === undefined)
        throw new LambentError('E_NOT_FOUND', `${app} has no deployment ${number}.`);
      deployments.push(deployment);
    }
    const generation = this.#live.find(app)?.live.generation ?? 0;
    const outcome = await this.#apps.switchTraffic(app, traffic, generation);
    if (outcome.status === 'stale') throw new LambentError('E_CONFLICT', 'stale');
    this.#live.entries.set(app, { live: outcome.live, deployments });
    return outcome.live;
  }

  deleteApp(app: AppName): Promise<boolean> {
    this.#live.entries.delete(app);
    return this.#apps.deleteApp(app);
  }
}

export function sampleVersion(app: string, name: string): FunctionVersion {
  return {
    id: 'fv_00000000000000000000000000000001' as VersionId,
    app: app as AppName,
    name: name as FunctionName,
    runtime: 'node',
    runtimePin: 'node 26.0.0',
    code: '0'.repeat(64) as BlobDigest,
    packages: undefined,
    entry: 'index.js',
    handler: undefined,
    config: FUNCTION_DEFAULTS,
  };
}

/** Answers event calls as a test says. */
export class ScriptedInvoker implements Invoker {
  readonly calls: EventCall[] = [];
  answer: (call: EventCall) => EventOutcome | Promise<EventOutcome> = (call) => ({
    status: 'ok',
    payload: Buffer.from(call.payload),
    billedMs: 3,
  });

  http(): never {
    throw new Error('the control API makes no HTTP calls');
  }

  async invoke(call: EventCall): Promise<EventOutcome> {
    this.calls.push(call);
    return this.answer(call);
  }
}

let minted = 0;

/** A fresh id in the shape of a UUIDv7. */
export function sampleId(): InvocationId {
  minted += 1;
  return `0199f3a0-5b7e-7c11-8a52-${minted.toString(16).padStart(12, '0')}` as InvocationId;
}

export function sampleRecord(changes: Partial<InvocationRecord> = {}): InvocationRecord {
  return {
    id: sampleId(),
    app: 'shop' as AppName,
    function: 'hello' as FunctionName,
    version: 'fv_00000000000000000000000000000001' as VersionId,
    deployment: 1,
    trigger: 'http',
    status: 'ok',
    cold: false,
    instance: '0199f3a0-5b7e-7c11-8a52-aaaaaaaaaaaa' as InstanceId,
    arrivedMs: 1_800_000_000_000,
    queueUs: 0,
    startUs: 0,
    runUs: 1_500,
    billedMs: 2,
    memoryMb: 1_024,
    memoryPeakMb: 40,
    httpStatus: 200,
    summary: 'GET /hello',
    callerRequestId: undefined,
    attempt: 0,
    error: undefined,
    ...changes,
  };
}

export function sampleLine(text: string, changes: Partial<LogLine> = {}): LogLine {
  return {
    sequence: 0,
    timeMs: 1_800_000_000_000,
    app: 'shop' as AppName,
    function: 'hello' as FunctionName,
    version: 'fv_00000000000000000000000000000001' as VersionId,
    instance: undefined,
    invocation: undefined,
    stream: 'stdout',
    severity: 'info',
    text,
    ...changes,
  };
}
