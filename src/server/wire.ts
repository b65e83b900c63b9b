/**
 * Puts the platform together: the only place that names concrete adapters. Read it to see who knows whom.
 */
import { chmod, mkdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { ADMIN_PREFIX, type AdminApi, type AdminDeps, createAdminApi } from '../admin/admin.ts';
import type { ConsoleFiles } from '../admin/console.ts';
import { createAccessKeys } from '../aws/access-keys.ts';
import { createEventBridgeApi } from '../aws/event-bridge.ts';
import { EventRules } from '../aws/event-rules.ts';
import { type AwsJsonApi, joinJsonApis } from '../aws/json-apis.ts';
import { createLambdaApi, type LambdaApi } from '../aws/lambda-invoke.ts';
import { authorizeSigned } from '../aws/signature.ts';
import { type Clock, createTurnClock, systemClock } from '../base/clock.ts';
import { containTimers, createDefects, type Defects } from '../base/defects.ts';
import { LambentError } from '../base/errors.ts';
import { createUuidMinter, type NodeId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { AWS_SYNC_HOST } from '../base/own-addresses.ts';
import { systemRandom } from '../base/random.ts';
import { createConnections } from '../connections/connections.ts';
import type { EventsKept } from '../events/retention.ts';
import { createSendCall } from '../connections/send-call.ts';
import { Senders } from '../connections/senders.ts';
import { createEmitCall } from '../events/emit-call.ts';
import { type AsyncDispatch, createAsyncDispatch } from '../functions/async-dispatch.ts';
import { createLanguages } from '../functions/build/languages.ts';
import { LANGUAGE_LOOKS } from '../functions/build/look-languages.ts';
import { type ClosableDeployer, createDeployer } from '../functions/deploy.ts';
import { createInvoker } from '../functions/invoke.ts';
import { createInvokeCall } from '../functions/invoke-call.ts';
import { createLiveApps } from '../functions/live-apps.ts';
import { Gateway } from '../gateway/gateway.ts';
import type { GatewayLimits } from '../gateway/gateway-limits.ts';
import type { PlatformHandler } from '../gateway/general-connection.ts';
import type { Refusal } from '../gateway/handle-request.ts';
import { Routing } from '../gateway/routing.ts';
import { type AppDomain, AppHosts } from '../model/app-hosts.ts';
import { createPool } from '../pool/pool.ts';
import type { PayloadStore } from '../ports/payload-store.ts';
import type { Authorize } from '../ports/authorize.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { ExecutionStarter } from '../ports/execution-starter.ts';
import type { InstancePool } from '../ports/instance-pool.ts';
import { LATENCY_MINUTES } from '../ports/latency.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { OperationHandler } from '../ports/platform-calls.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import type { Secrets } from '../ports/secrets.ts';
import type { SourcePlans } from '../ports/source-plans.ts';
import type { Workflows } from '../ports/workflows.ts';
import { redactActivity } from '../secrets/redacting-sink.ts';
import { openSecretVault } from '../secrets/secret-vault.ts';
import { createFileSources, isWithin } from '../sources/files/file-source.ts';
import { createMessageDrivers, messageSources } from '../sources/messages/message-sources.ts';
import { mysqlDriver } from '../sources/mysql/check-database.ts';
import { mysqlSources } from '../sources/mysql/mysql-source.ts';
import { postgresDriver } from '../sources/postgres/check-database.ts';
import { postgresSources } from '../sources/postgres/postgres-source.ts';
import { scheduleSources } from '../sources/schedule/schedule-source.ts';
import { createSqliteDriver } from '../sources/sqlite/check-file.ts';
import { createSqliteSources } from '../sources/sqlite/sqlite-source.ts';
import {
  createWebhookSources,
  HOOKS_PREFIX,
  type WebhookSources,
} from '../sources/webhook/webhook-source.ts';
import { openPayloadStore } from '../store-files/payload-store.ts';
import { openBlobStore } from '../store-files/blob-store.ts';
import { openObjectFiles } from '../store-files/object-files.ts';
import { openRootSecret } from '../store-files/root-secret.ts';
import { openStore, type Store } from '../store-sqlite/store.ts';
import { awsLambdaCost } from '../telemetry/cost.ts';
import { createChangeRing } from '../telemetry/change-ring.ts';
import { createDetailRecorder } from '../telemetry/detail-recorder.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { createRecorder, type Recorder } from '../telemetry/recorder.ts';
import { createRetention } from '../telemetry/retention.ts';
import { createLatencyMeter } from '../telemetry/latency-meter.ts';
import { createTrafficMeter } from '../telemetry/traffic-meter.ts';
import { renderTriggerMetrics } from '../telemetry/trigger-metrics.ts';
import { watchCalls } from '../telemetry/watch-calls.ts';
import { createStateLanguage } from '../workflows/asl/asl-language.ts';
import type { WorkflowEngine } from '../workflows/engine.ts';
import { startByCall } from '../workflows/start-by-call.ts';
import type { WaitingTeller } from '../workflows/tell-waiting.ts';
import { createDoctorChecks } from './doctor-checks.ts';
import { createEventParts, type EventParts, type EventPartsOptions } from './event-parts.ts';
import { type IsolationChoice, openSandbox } from './open-sandbox.ts';
import { noteEvents, noteExecutions } from './note-changes.ts';
import { createOwnRoutes } from './own-routes.ts';
import { createStarter } from './runtimes.ts';
import { createWebhookSender } from './webhook-sender.ts';
import { createWorkflowParts } from './workflow-parts.ts';

export interface WireOptions {
  readonly mode: 'dev' | 'start';
  readonly dataDir: string;
  readonly allowHosts: readonly string[];
  /** What state machines that belong to no app may connect to, beside every public address. */
  readonly allowNetwork: readonly string[];
  /** `host:port` of what builds of uploads may connect to, beside every public address. */
  readonly allowBuildHosts: readonly string[];
  /** Folders that triggers may watch, by their real paths; in `dev` any. */
  readonly allowFolders: readonly string[];
  /** How long events are kept, where not as usual. */
  readonly eventsKept: EventsKept | undefined;
  readonly domain: AppDomain | undefined;
  readonly version: string;
  readonly log: Log;
  readonly isolation: IsolationChoice;
  readonly gatewayLimits: Partial<GatewayLimits> | undefined;
  /** A store thread died: nothing can be kept any more, and the platform must end. */
  onStoreFailed(error: LambentError): void;
  /** The web console's files. */
  readonly console: ConsoleFiles;
  /** Hears of each request that the gateway refused by itself; left out: nobody wants to know. */
  readonly onRefused: ((refusal: Refusal) => void) | undefined;
}

/** The parts that main.ts drives. */
export interface Wired {
  readonly clock: Clock;
  readonly store: Store;
  readonly mode: 'dev' | 'start';
  readonly deployer: ClosableDeployer;
  readonly liveApps: LiveApps;
  readonly recorder: Recorder;
  readonly pool: InstancePool;
  readonly sandbox: Sandbox;
  readonly gateway: Gateway;
  readonly admin: AdminApi;
  readonly asyncDispatch: AsyncDispatch;
  readonly events: EventParts;
  readonly engine: WorkflowEngine;
  /** Ends what needs no order among itself: metrics, retention, programs of runtimes that are being made. */
  closeRest(): Promise<void>;
}

/** One for each kind of connection. */
const driversOf = (dataDir: string, clock: Clock) => [
  ...[postgresDriver, mysqlDriver, createSqliteDriver(dataDir)],
  ...createMessageDrivers(clock),
];
const AWS_PREFIX = '/2015-03-31/';
const CALLBACKS_PATH = '/_lambent/api/v1/callbacks/';

function isPlatformPath(path: string): boolean {
  return path.startsWith(ADMIN_PREFIX) || path === ADMIN_PREFIX.slice(0, -1) || path.startsWith(AWS_PREFIX);
}

/** In `dev` only names of this machine are answered for, so that a page elsewhere cannot reach it by a name of its own. */
function createHostCheck(allowHosts: readonly string[]): (host: string) => boolean {
  const exact = new Set(allowHosts.map((host) => host.toLowerCase()));
  const wildcards = [...exact].filter((host) => host.startsWith('*.')).map((host) => host.slice(1));
  let last = '';
  return (host) => {
    if (host === last) return true;
    const loopback =
      host === 'localhost' ||
      host === AWS_SYNC_HOST ||
      host.endsWith('.localhost') ||
      host === '[::1]' ||
      (isIP(host) === 4 && host.startsWith('127.'));
    if (!loopback && !exact.has(host) && !wildcards.some((suffix) => host.endsWith(suffix))) return false;
    last = host;
    return true;
  };
}

/** A new value reaches functions by new instances. */
function renewOnChange(pool: InstancePool, secrets: Secrets): void {
  secrets.subscribe((app, name) =>
    pool.renew((version) => version.app === app && version.config.secrets?.includes(name) === true),
  );
}

/** What some parts need and only later ones bring: the control API, the gateway, the workflows. */
interface LaterParts {
  authorize: Authorize;
  callbackUrl: () => string;
  workflows: Pick<Workflows, 'start' | 'result' | 'payload'>;
  tell: WaitingTeller['tell'];
  start: ExecutionStarter['start'];
  changes: SourcePlans['changes'];
}

function createLaterParts(): LaterParts {
  const starting = () => Promise.reject(new LambentError('E_SHUTTING_DOWN', 'the platform is starting'));
  return {
    authorize: starting,
    callbackUrl: () => CALLBACKS_PATH,
    workflows: { start: starting, result: starting, payload: starting },
    tell: () => Promise.resolve(),
    start: starting,
    changes: starting,
  };
}

/** What percentiles are shown of. */
const LATENCY_MS = LATENCY_MINUTES * 60_000;

/** All that hears of each call that ends. */
async function watchActivity(recorder: Recorder, secrets: Secrets, store: Store, clock: Clock, log: Log) {
  const callDetails = createDetailRecorder({
    ...{ store: store.callDetails, clock, log },
    redact: (app, text) => secrets.redact(app, text),
  });
  const traffic = createTrafficMeter(clock);
  const latency = createLatencyMeter(clock);
  // Before the first call: what this start counts itself is not in it.
  latency.add(await store.telemetry.latencyMinutes(clock.nowMs() - LATENCY_MS));
  const watchers = [callDetails.take.bind(callDetails), traffic.count, latency.count];
  return {
    activity: redactActivity(watchCalls(recorder, log, watchers), secrets),
    ...{ callDetails, traffic, latency },
  };
}

function fillLater(
  later: LaterParts,
  parts: ReturnType<typeof createWorkflowParts>,
  { plans }: EventParts,
): void {
  later.changes = plans.changes;
  later.workflows = parts.workflows;
  later.tell = (stored) => parts.waiting.tell(stored);
  later.start = parts.starter.start;
}

async function createParts(options: WireOptions, store: Stores, blobs: BlobStore, rootSecret: string) {
  const { dataDir, log } = options;
  const defects = createDefects(log);
  const [clock, random] = [containTimers(systemClock, defects), systemRandom];
  const turnClock = createTurnClock(clock);
  const mintUuid = createUuidMinter(turnClock, random);
  const recorder = createRecorder({ telemetry: store.telemetry, clock, log });
  const secrets = await openSecretVault({ store: store.secrets, rootSecret, clock, random, log });
  const { activity, ...watched } = await watchActivity(recorder, secrets, store, clock, log);
  const liveApps = await createLiveApps({ apps: store.apps, random });
  const sandbox = await openSandbox(dataDir, options.isolation, log);
  // Filled below, because some of it runs functions again.
  const operations = new Map<string, OperationHandler>();
  const runtimes = createStarter(blobs, dataDir, clock, secrets);
  const pool = createPool({
    ...{ sandbox, operations, activity, clock, log, defects, prepare: runtimes.prepare },
    mintInstanceId: mintUuid,
  });
  renewOnChange(pool, secrets);
  const later = createLaterParts();
  const invoker = startByCall(createInvoker({ pool, activity, clock: turnClock }), () => later.workflows);
  const scratchDir = join(dataDir, 'scratch');
  const stateLanguage = createStateLanguage(() => clock.nowMs());
  const languages = createLanguages({ clock, log, blobs, scratchDir, stateLanguage });
  const { apps, asyncQueue } = store;
  const deployer = createDeployer({
    ...{ languages, apps, blobs, liveApps, clock, log, scratchDir, builds: sandbox.builds },
    ...{ buildHosts: options.allowBuildHosts, sourcePlans: later },
    missingSecrets: (version) => secrets.missing(version),
  });
  const nodeId = mintUuid() as NodeId;
  const shared = { invoker, liveApps, secrets, clock, random, log, node: nodeId, mintUuid };
  const asyncDispatch = createAsyncDispatch({ ...shared, queue: asyncQueue });
  const onAsyncAccepted = () => asyncDispatch.wake();
  const rules = await EventRules.open(store.stateMachines, liveApps);
  const { events, webhooks } = await openEvents(
    {
      ...{ ...shared, store: store.events, supply: rules, kept: options.eventsKept, starts: watched.traffic },
      webhooks: createWebhookSender({ liveApps, secrets, clock }),
      starter: { start: (...execution) => later.start(...execution) },
      onStored: (stored) => void later.tell(stored),
    },
    operations,
    options,
  );
  const workflowParts = createWorkflowParts({
    ...{ ...shared, pool, operations, bus: events.bus, buses: rules },
    ...{ stateMachines: store.stateMachines, journal: store.journal, events: store.events },
    payloads: store.payloads,
    ...{ blobs, asyncQueue, onAsyncAccepted },
    stateNetwork: ['internet', ...options.allowNetwork],
    files: openObjectFiles({ folder: join(dataDir, 'objects'), mintUuid }),
    authorize: (...request) => later.authorize(...request),
    ...{ callbackUrl: () => later.callbackUrl(), meter: watched.traffic.workflows },
  });
  fillLater(later, workflowParts, events);
  const senders = new Senders(clock);
  const drivers = createMessageDrivers(clock);
  operations.set('send', createSendCall({ liveApps, secrets, drivers, senders, mintUuid }));
  operations.set(
    'invoke',
    createInvokeCall({ liveApps, invoker, asyncQueue, clock, mintUuid, onAsyncAccepted }),
  );
  return {
    ...{ clock, turnClock, random, mintUuid, nodeId, defects, recorder, secrets, ...watched },
    hosts: new AppHosts(options.domain),
    ...{ liveApps, sandbox, runtimes, pool, invoker, deployer, asyncDispatch },
    ...{ events, webhooks, rules, senders, ...workflowParts, later },
  };
}

async function openEvents(
  shared: Omit<EventPartsOptions, 'factories'>,
  operations: Map<string, OperationHandler>,
  { mode, dataDir, allowFolders }: WireOptions,
): Promise<{ events: EventParts; webhooks: WebhookSources }> {
  const webhooks = createWebhookSources();
  const mayWatch = (folder: string): boolean =>
    !isWithin(folder, [dataDir]) &&
    !isWithin(dataDir, [folder]) &&
    (mode === 'dev' || isWithin(folder, allowFolders));
  const events = await createEventParts({
    ...shared,
    factories: [
      scheduleSources,
      ...messageSources,
      postgresSources,
      mysqlSources,
      createSqliteSources(dataDir),
      webhooks.factory,
      createFileSources(mayWatch),
    ],
  });
  operations.set('emit', createEmitCall({ ...shared, bus: events.bus }));
  return { events, webhooks };
}

type Parts = Awaited<ReturnType<typeof createParts>>;

function openConnections({ liveApps, secrets, clock }: Parts, dataDir: string) {
  return createConnections({ liveApps, secrets, clock, drivers: driversOf(dataDir, clock) });
}

/** The platform's own interfaces speak fetch; connections speak `node:http`. */
function createPlatformHandler(
  admin: AdminApi,
  lambda: LambdaApi,
  awsJson: AwsJsonApi,
  webhooks: WebhookSources,
  defects: Defects,
): PlatformHandler {
  const listener = getRequestListener(
    (request, { incoming }) => {
      const remoteAddress = incoming.socket?.remoteAddress ?? '';
      const path = new URL(request.url).pathname;
      if (path === '/') return awsJson.fetch(request, remoteAddress);
      if (path.startsWith(HOOKS_PREFIX)) return webhooks.fetch(request);
      return lambda.matches(request.method, path)
        ? lambda.fetch(request, remoteAddress)
        : admin.fetch(request, remoteAddress);
    },
    { overrideGlobalObjects: false },
  );
  return (request, response) =>
    void listener(request, response).catch((thrown) => {
      defects.note('the control API answered', thrown);
      response.destroy();
    });
}

/** What must last: the database, and large values beside it. */
interface Stores extends Store {
  readonly payloads: PayloadStore;
}

async function openStores({ dataDir, log, onStoreFailed }: WireOptions) {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  // Also one that was there before, because what is in it relies on that; whose folder it is not, cannot, and need not.
  await chmod(dataDir, 0o700).catch(() => {});
  const opened = await openStore({ folder: dataDir, clock: systemClock, log, onFailed: onStoreFailed });
  const changes = createChangeRing(systemClock);
  const store: Stores = {
    ...opened,
    payloads: await openPayloadStore({ folder: join(dataDir, 'payloads') }),
    journal: noteExecutions(opened.journal, changes),
    events: noteEvents(opened.events, changes),
  };
  const blobs = await openBlobStore({ folder: join(dataDir, 'blobs') });
  const secret = await openRootSecret(dataDir, systemRandom);
  const accessKeys = createAccessKeys(store.stateMachines, secret, systemClock, systemRandom);
  return { store, blobs, accessKeys, rootSecret: secret, changes };
}

function createGateway(
  { mode, allowHosts, domain, gatewayLimits, onRefused }: WireOptions,
  { hosts, liveApps, random, invoker, mintUuid, turnClock, defects }: Parts,
  awsJson: AwsJsonApi,
  platform: PlatformHandler,
): Gateway {
  const isDev = mode === 'dev';
  const answered = domain === undefined ? allowHosts : [...allowHosts, `*.${domain.name}`];
  return new Gateway({
    parts: {
      routing: new Routing(liveApps, random, hosts),
      invoker,
      mintId: mintUuid,
      isPlatformPath,
      isPlatformTarget: awsJson.matches,
      allowsHost: isDev ? createHostCheck(answered) : undefined,
      tellsFailures: isDev,
      onRefused,
    },
    platform,
    clock: turnClock,
    defects,
    limits: gatewayLimits,
  });
}

/** How others reach this server: as its operator said, or from this machine. */
function originOf(domain: AppDomain | undefined, { address }: Gateway): string {
  if (domain?.origin !== undefined) {
    const { protocol, port } = domain.origin;
    return `${protocol}//${domain.name}${port === '' ? '' : `:${port}`}`;
  }
  return address === undefined ? '' : `http://localhost:${address.port}`;
}

function withTriggers(metrics: Metrics, { control }: EventParts, clock: Clock): AdminDeps['metrics'] {
  return {
    contentType: metrics.contentType,
    render: async () => metrics.render() + renderTriggerMetrics(await control.listTriggers(), clock.nowMs()),
  };
}

export async function wire(options: WireOptions): Promise<Wired> {
  const { mode, dataDir, allowHosts, version, log } = options;
  const { store, blobs, accessKeys, rootSecret, changes } = await openStores(options);
  const parts = await createParts(options, store, blobs, rootSecret);
  const { clock, random, recorder, liveApps, sandbox, pool, invoker, deployer } = parts;
  const { nodeId, asyncDispatch, events, defects } = parts;
  recorder.onInvocation(() => changes.note('invocations'));
  liveApps.subscribe(() => changes.note('apps'));
  const metrics = createMetrics({
    ...{ feed: recorder, pool, clock, defects, version },
    sourceLags: () => events.sourceLags(),
  });
  const retention = createRetention({ ...store, details: store.callDetails, clock, log });
  const { apps, telemetry, asyncQueue, access } = store;
  const shared = {
    ...{ liveApps, invoker, asyncQueue, telemetry, feed: recorder, clock, random, log },
    onAsyncAccepted: () => asyncDispatch.wake(),
    ...{ events: store.events, eventBus: events.bus, eventControl: events.control },
    ...{ workflows: parts.workflows, changes },
  };
  const admin = createAdminApi({
    ...shared,
    ...{ apps, deployer, sandbox, pool, mode, version, nodeId },
    ...{ hosts: parts.hosts, callDetails: parts.callDetails, traffic: parts.traffic, latency: parts.latency },
    sendToRoutes: createOwnRoutes(() => gateway.address, clock),
    ...{ access, accessKeys, secrets: parts.secrets, savedEvents: store.savedEvents },
    connections: openConnections(parts, dataDir),
    allowHosts,
    ...{ metrics: withTriggers(metrics, events, clock), console: options.console },
    cost: awsLambdaCost,
    doctorChecks: [...createDoctorChecks(dataDir, () => gateway.address, clock, defects), ...LANGUAGE_LOOKS],
  });
  const authorize = authorizeSigned(admin.authorize, accessKeys, clock);
  const lambda = createLambdaApi({ ...shared, authorize });
  parts.later.authorize = authorize;
  const eventBridge = createEventBridgeApi({ ...parts, ...shared, bus: events.bus, authorize });
  const awsJson = joinJsonApis([parts.stepFunctions, eventBridge]);
  const platform = createPlatformHandler(admin, lambda, awsJson, parts.webhooks, defects);
  const gateway: Gateway = createGateway(options, parts, awsJson, platform);
  parts.later.callbackUrl = () => `${originOf(options.domain, gateway)}${CALLBACKS_PATH}`;
  return {
    mode,
    clock,
    store,
    deployer,
    liveApps,
    recorder,
    pool,
    sandbox,
    gateway,
    admin,
    asyncDispatch,
    events,
    engine: parts.engine,
    async closeRest() {
      metrics.close();
      parts.senders.close();
      await retention.close();
      await parts.callDetails.close();
      await parts.closeRest();
      await parts.runtimes.close();
    },
  };
}
