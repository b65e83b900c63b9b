import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import { type Connection, type ConnectionKind, connectionByUrl } from '../model/connection.ts';
import type { EventShare } from '../model/event-scope.ts';
import type { Deployment, LiveApp, Route, TrafficShare } from '../model/deployment.ts';
import type { AppName, BlobDigest, FunctionName, FunctionVersion, VersionId } from '../model/function.ts';
import { DELIVERY_DEFAULTS, type Trigger, type TriggerSource } from '../model/trigger.ts';
import type { AppStore, DeploymentSummary, NewDeployment, SwitchOutcome } from '../ports/app-store.ts';
import type { Caller } from './operation.ts';
import { jsonOf, numberOf, type Row, textOf } from './row.ts';

export type AppWrites = ReturnType<typeof createAppWrites>;
export type AppReads = ReturnType<typeof createAppReads>;

/** Shape of the stored JSON. A change that older programs cannot read gets the next number. */
const FORMAT = 1;
/** Most functions of one deployment. */
export const DEPLOYMENT_FUNCTIONS_MAX = 20_000;
/** What a function takes in memory on its way to the store, roughly, in bytes. */
const FUNCTION_BYTES = 1_024;

export function createAppStore(write: Caller<AppWrites>, read: Caller<AppReads>): AppStore {
  return {
    async createDeployment(deployment) {
      const cost = { bytes: deployment.functions.length * FUNCTION_BYTES };
      const number = await write('createDeployment', [toStored(deployment)], cost);
      return { ...deployment, number };
    },
    switchTraffic: (app, traffic, expectedGeneration) =>
      write('switchTraffic', [app, traffic, expectedGeneration]),
    async findDeployment(app, number) {
      const stored = await read('findDeployment', [app, number]);
      return stored && fromStored(stored);
    },
    listDeployments: (app, limit, before) => read('listDeployments', [app, limit, before]),
    listApps: () => read('listApps', []),
    deleteApp: (app) => write('deleteApp', [app]),
    pruneDeployments: (app, keep) => write('pruneDeployments', [app, keep]),
    referencedBlobs: () => read('referencedBlobs', []),
  };
}

/** What is stored as the JSON of a list. */
type JsonList = 'routes' | 'triggers' | 'connections' | 'shares';

/** A deployment as it is stored: text crosses threads many times faster than objects within objects. */
interface StoredDeployment extends Omit<NewDeployment, 'functions' | JsonList> {
  /** JSON, as the two after it. */
  readonly routes: string;
  readonly triggers: string;
  readonly connections: string;
  readonly shares: string;
  readonly functions: readonly {
    readonly name: string;
    readonly id: string;
    readonly code: string;
    /** JSON of what else there is. */
    readonly body: string;
  }[];
}

/** The same on its way back. */
interface FoundDeployment extends Omit<Deployment, 'functions' | JsonList> {
  /** JSON, as the two after it. */
  readonly routes: string;
  readonly triggers: string;
  readonly connections: string;
  readonly shares: string;
  /** JSON of an array for each function: name, id, code, and JSON of what else there is. */
  readonly functions: string;
}

function fromStored(found: FoundDeployment): Deployment {
  const routes = jsonOf({ ...found }, 'routes') as Route[];
  const functions = jsonOf({ ...found }, 'functions') as Row[];
  const triggers = jsonOf({ ...found }, 'triggers') as StoredTrigger[];
  const connections = jsonOf({ ...found }, 'connections') as Connection[];
  const shares = jsonOf({ ...found }, 'shares') as EventShare[];
  return {
    ...found,
    routes: routes.map(toRoute),
    triggers: triggers.map(toTrigger),
    connections: connections.map(toConnection),
    shares: shares.map(({ bus, pattern }) => ({ bus, pattern })),
    functions: functions.map((each) => toVersion(found.app, each)),
  };
}

function toStored(deployment: NewDeployment): StoredDeployment {
  if (deployment.functions.length > DEPLOYMENT_FUNCTIONS_MAX)
    throw new LambentError(
      'E_BAD_REQUEST',
      `The deployment has ${deployment.functions.length} functions; an app may have ${DEPLOYMENT_FUNCTIONS_MAX}.`,
    );
  const functions = deployment.functions.map(({ app: _app, name, id, code, ...body }) => ({
    name,
    id,
    code,
    body: JSON.stringify(body),
  }));
  return {
    ...deployment,
    routes: JSON.stringify(deployment.routes),
    triggers: JSON.stringify(deployment.triggers),
    connections: JSON.stringify(deployment.connections),
    shares: JSON.stringify(deployment.shares),
    functions,
  };
}

export function createAppWrites(db: DatabaseSync) {
  const storeDeployment = createDeploymentWriter(db);
  const findApp = db.prepare('SELECT generation, traffic FROM apps WHERE name = ?');
  const hasDeployment = db.prepare('SELECT 1 AS one FROM deployments WHERE app = ? AND number = ?');
  const setTraffic = db.prepare('UPDATE apps SET generation = ?, traffic = ? WHERE name = ?');
  const removeApp = db.prepare('DELETE FROM apps WHERE name = ?');
  const listBeyond = db.prepare(
    'SELECT number FROM deployments WHERE app = ? ORDER BY number DESC LIMIT -1 OFFSET ?',
  );
  // An execution stays on the deployment that it began with.
  const isUnderWay = db.prepare(
    'SELECT 1 AS one FROM executions WHERE app = ? AND deployment = ? AND ended_ms IS NULL LIMIT 1',
  );
  const removeDeployment = db.prepare('DELETE FROM deployments WHERE app = ? AND number = ?');
  const removeUnusedVersions = db.prepare(
    'DELETE FROM versions WHERE NOT EXISTS (SELECT 1 FROM deployment_functions WHERE version = versions.key)',
  );

  return {
    createDeployment: (deployment: StoredDeployment): number => storeDeployment(deployment),

    switchTraffic(app: AppName, traffic: readonly TrafficShare[], expectedGeneration: number): SwitchOutcome {
      const row = findApp.get(app);
      if (row === undefined) throw new LambentError('E_NOT_FOUND', `There is no app ${app}.`);
      const generation = numberOf(row, 'generation');
      if (generation !== expectedGeneration) return { status: 'stale', generation };
      checkTraffic(traffic);
      for (const { number } of traffic) {
        if (hasDeployment.get(app, number) === undefined)
          throw new LambentError('E_NOT_FOUND', `App ${app} has no deployment ${number}.`);
      }
      const shares = traffic.map(({ number, weight }) => ({ number, weight }));
      setTraffic.run(generation + 1, JSON.stringify(shares), app);
      return { status: 'switched', live: { app, generation: generation + 1, traffic: shares } };
    },

    deleteApp(app: AppName): boolean {
      if (removeApp.run(app).changes === 0) return false;
      removeUnusedVersions.run();
      return true;
    },

    pruneDeployments(app: AppName, keep: number): number {
      const row = findApp.get(app);
      if (row === undefined) return 0;
      const live = new Set(toTraffic(row).map((share) => share.number));
      const gone = listBeyond
        .all(app, Math.max(0, keep))
        .map((each) => numberOf(each, 'number'))
        .filter((number) => !live.has(number) && isUnderWay.get(app, number) === undefined);
      for (const number of gone) removeDeployment.run(app, number);
      if (gone.length > 0) removeUnusedVersions.run();
      return gone.length;
    },
  };
}

/** Stores a deployment, sharing the versions that are there already; returns its number. */
function createDeploymentWriter(db: DatabaseSync): (deployment: StoredDeployment) => number {
  const takeNumber = db.prepare(`
    INSERT INTO apps (name, next_number, position)
    SELECT ?, 2, coalesce(max(position), 0) + 1 FROM apps WHERE true
    ON CONFLICT (name) DO UPDATE SET next_number = next_number + 1
    RETURNING next_number - 1 AS number`);
  const insertDeployment = db.prepare(`
    INSERT INTO deployments
      (app, number, created_ms, created_by, note, function_count, format, routes, triggers, connections,
        shares)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const findVersion = db.prepare('SELECT key FROM versions WHERE digest = ?');
  const insertVersion = db.prepare(
    'INSERT INTO versions (digest, id, code, body) VALUES (?, ?, ?, ?) RETURNING key',
  );
  const insertFunction = db.prepare(
    'INSERT INTO deployment_functions (app, number, position, name, version) VALUES (?, ?, ?, ?, ?)',
  );

  return ({ app, functions, routes, triggers, connections, shares, createdMs, createdBy, note }) => {
    const number = numberOf(takeNumber.get(app)!, 'number');
    const lists = [routes, triggers, connections, shares];
    insertDeployment.run(app, number, createdMs, createdBy, note, functions.length, FORMAT, ...lists);
    functions.forEach(({ name, id, code, body }, position) => {
      const digest = createHash('sha256').update(`${id}\n${code}\n${body}`).digest('hex');
      const version = findVersion.get(digest) ?? insertVersion.get(digest, id, code, body);
      insertFunction.run(app, number, position, name, numberOf(version!, 'key'));
    });
    return number;
  };
}

export function createAppReads(db: DatabaseSync) {
  const summaryColumns = 'app, number, created_ms, created_by, note, function_count';
  const findDeployment = db.prepare(
    `SELECT ${summaryColumns}, format, routes, triggers, connections, shares FROM deployments WHERE app = ? AND number = ?`,
  );
  const listFunctions = db.prepare(`
    SELECT json_group_array(json_array(f.name, v.id, v.code, v.body) ORDER BY f.position) AS functions
    FROM deployment_functions f JOIN versions v ON v.key = f.version
    WHERE f.app = ? AND f.number = ?`);
  const listDeployments = db.prepare(
    `SELECT ${summaryColumns} FROM deployments WHERE app = ? AND number < ? ORDER BY number DESC LIMIT ?`,
  );
  const listApps = db.prepare('SELECT name, generation, traffic FROM apps ORDER BY position');
  const listBlobs = db.prepare(`
    SELECT code FROM versions
    UNION SELECT json_extract(body, '$.packages') FROM versions WHERE json_extract(body, '$.packages') IS NOT NULL`);

  return {
    findDeployment(app: AppName, number: number): FoundDeployment | undefined {
      const row = findDeployment.get(app, number);
      if (row === undefined) return undefined;
      const format = numberOf(row, 'format');
      if (format !== FORMAT)
        throw new LambentError('E_STORE_NEWER', `Deployment ${number} of ${app} has format ${format}.`);
      const { createdMs, createdBy, note } = toSummary(row);
      const functions = textOf(listFunctions.get(app, number)!, 'functions');
      const [routes, triggers] = [textOf(row, 'routes'), textOf(row, 'triggers')];
      const connections = textOf(row, 'connections');
      const shares = textOf(row, 'shares');
      return { app, number, createdMs, createdBy, note, functions, routes, triggers, connections, shares };
    },
    listDeployments: (app: AppName, limit: number, before?: number): DeploymentSummary[] =>
      listDeployments.all(app, before ?? Number.MAX_SAFE_INTEGER, Math.max(0, limit)).map(toSummary),
    listApps: (): LiveApp[] =>
      listApps.all().map((row) => ({
        app: textOf(row, 'name') as AppName,
        generation: numberOf(row, 'generation'),
        traffic: toTraffic(row),
      })),
    referencedBlobs: (): Set<BlobDigest> =>
      new Set(listBlobs.all().map((row) => textOf(row, 'code') as BlobDigest)),
  };
}

function checkTraffic(traffic: readonly TrafficShare[]): void {
  const total = traffic.reduce((sum, share) => sum + share.weight, 0);
  const whole = traffic.every(({ weight }) => Number.isInteger(weight) && weight >= 1);
  const distinct = new Set(traffic.map((share) => share.number)).size === traffic.length;
  if (traffic.length < 1 || traffic.length > 2 || total !== 100 || !whole || !distinct)
    throw new LambentError(
      'E_BAD_REQUEST',
      'Traffic goes to one or two deployments with whole weights from 1 that add up to 100.',
    );
}

function toSummary(row: Row): DeploymentSummary {
  return {
    app: textOf(row, 'app') as AppName,
    number: numberOf(row, 'number'),
    createdMs: numberOf(row, 'created_ms'),
    createdBy: textOf(row, 'created_by'),
    note: textOf(row, 'note'),
    functionCount: numberOf(row, 'function_count'),
  };
}

function toTraffic(row: Row): TrafficShare[] {
  return jsonOf(row, 'traffic') as TrafficShare[];
}

// JSON leaves out what is undefined; the model's types name it.

function toRoute(stored: Route): Route {
  return { ...stored, host: stored.host ?? undefined, cors: stored.cors ?? undefined };
}

/** Triggers from before there were connections have the secret's name as `url`. */
type StoredTrigger = Trigger & { readonly source: { readonly url?: string } };

function toTrigger(stored: StoredTrigger): Trigger {
  const { source } = stored;
  const delivery = { ...DELIVERY_DEFAULTS, ...stored.delivery };
  if (!('connection' in source) && source.url === undefined) return { ...stored, delivery };
  const { url, ...rest } = source as { kind: ConnectionKind; url?: string; connection?: Connection };
  const connection = url === undefined ? toConnection(rest.connection!) : connectionByUrl(rest.kind, url);
  return { ...stored, delivery, source: { ...rest, connection } as TriggerSource };
}

function toConnection(stored: Connection): Connection {
  const { name, kind, at, tls } = stored;
  return { name: name ?? undefined, kind, at, tls: tls ?? undefined };
}

function toVersion(app: AppName, stored: Row): FunctionVersion {
  const body = jsonOf(stored, '3') as Omit<FunctionVersion, 'app' | 'name' | 'id' | 'code'>;
  return {
    ...body,
    id: textOf(stored, '1') as VersionId,
    app,
    name: textOf(stored, '0') as FunctionName,
    code: textOf(stored, '2') as BlobDigest,
    runtimePin: body.runtimePin ?? '',
    packages: body.packages ?? undefined,
    handler: body.handler ?? undefined,
    config: {
      ...body.config,
      concurrency: body.config.concurrency ?? undefined,
      // Versions from before there was a choice could connect to anything.
      network: body.config.network ?? 'internet',
    },
  };
}
