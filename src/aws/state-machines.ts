import { createHash } from 'node:crypto';
import type { StateMachineStore } from '../ports/state-machine-store.ts';
import { appMachineName, describeAppMachine, refuseAppMachine } from './app-machines.ts';
import { AwsJsonError, invalid, type RequestFields } from './json-protocol.ts';
import { decodePage, page } from './page-token.ts';
import { aliasArn, checkName, machineArn, requireArn, versionArn } from './states-arn.ts';
import type { StatesOperation, StatesParts } from './states-operation.ts';

/* State machines with their versions and aliases. */

/** Versions of one state machine (AWS' own figure), and aliases. */
const VERSIONS_MAX = 1_000;
const ALIASES_MAX = 100;
const PAGE_MAX = 1_000;
const PAGE_DEFAULT = 100;

export interface MachineValue {
  readonly name: string;
  readonly type: 'STANDARD' | 'EXPRESS';
  readonly roleArn: string;
  /** SHA-256 of the definition's text. */
  readonly definition: string;
  readonly revisionId: string;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly nextVersion: number;
  /** Kept and shown, without an effect here: logging, tracing, encryption. */
  readonly configuration: Readonly<Record<string, unknown>>;
}

export interface VersionValue {
  readonly version: number;
  readonly definition: string;
  readonly revisionId: string;
  readonly roleArn: string;
  readonly description: string | undefined;
  readonly createdMs: number;
}

export interface AliasValue {
  readonly name: string;
  readonly description: string | undefined;
  readonly routes: readonly { readonly version: number; readonly weight: number }[];
  readonly createdMs: number;
  readonly updatedMs: number;
}

const versionKey = (machine: string, version: number): string =>
  `${machine}:${String(version).padStart(10, '0')}`;
const aliasKey = (machine: string, alias: string): string => `${machine}:${alias}`;
const seconds = (ms: number): number => ms / 1000;

export async function findMachine(store: StateMachineStore, machine: string): Promise<MachineValue> {
  const value = (await store.get('machine', machine)) as MachineValue | undefined;
  if (value !== undefined) return value;
  throw new AwsJsonError(
    'StateMachineDoesNotExist',
    `State Machine Does Not Exist: '${machineArn(machine)}'`,
  );
}

export async function findVersion(
  store: StateMachineStore,
  machine: string,
  version: number,
): Promise<VersionValue> {
  const value = (await store.get('version', versionKey(machine, version))) as VersionValue | undefined;
  if (value !== undefined) return value;
  throw new AwsJsonError(
    'StateMachineDoesNotExist',
    `State Machine Does Not Exist: '${versionArn(machine, version)}'`,
  );
}

export async function findAlias(
  store: StateMachineStore,
  machine: string,
  alias: string,
): Promise<AliasValue> {
  const value = (await store.get('alias', aliasKey(machine, alias))) as AliasValue | undefined;
  if (value !== undefined) return value;
  throw new AwsJsonError(
    'ResourceNotFound',
    `Request references a resource that does not exist: '${aliasArn(machine, alias)}'`,
  );
}

function readDefinition(parts: StatesParts, text: string, type: MachineValue['type']): string {
  const faults = parts.language.check(text, type).filter(({ severity }) => severity === 'ERROR');
  if (faults.length > 0) {
    const list = faults.map(({ code, message, location }) => `${code}: ${message} at ${location}`).join('; ');
    throw new AwsJsonError('InvalidDefinition', `Invalid State Machine Definition: '${list}'`);
  }
  return createHash('sha256').update(text).digest('hex');
}

function configurationOf(
  fields: RequestFields,
  before: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const configuration: Record<string, unknown> = { ...before };
  for (const name of ['loggingConfiguration', 'tracingConfiguration', 'encryptionConfiguration']) {
    const given = fields.object(name);
    if (given !== undefined) configuration[name] = given;
  }
  return configuration;
}

const create: StatesOperation = async (parts, fields) => {
  const { store, clock } = parts;
  const name = checkName(fields.text('name'));
  const text = fields.text('definition');
  const roleArn = fields.text('roleArn', 256);
  const type = fields.choice('type', ['STANDARD', 'EXPRESS']);
  const definition = readDefinition(parts, text, type);
  const nowMs = clock.nowMs();
  const value: MachineValue = {
    ...{ name, type, roleArn, definition },
    revisionId: parts.mintUuid(),
    createdMs: nowMs,
    updatedMs: nowMs,
    nextVersion: 1,
    configuration: configurationOf(fields),
  };
  const tags = fields.list('tags');
  const created = await store.create([
    { kind: 'machine', key: name, value },
    { kind: 'definition', key: definition, value: text },
    ...(tags.length > 0 ? [{ kind: 'tags' as const, key: machineArn(name), value: tags }] : []),
  ]);
  const known = created ? value : await findMachine(store, name);
  if (!created && (known.definition !== definition || known.type !== type || known.roleArn !== roleArn)) {
    throw new AwsJsonError(
      'StateMachineAlreadyExists',
      `State Machine Already Exists: '${machineArn(name)}'`,
    );
  }
  const answer = { stateMachineArn: machineArn(name), creationDate: seconds(known.createdMs) };
  if (fields.flag('publish') !== true) return answer;
  const published = await publishVersion(parts, known, fields.optionalText('versionDescription', 256));
  return { ...answer, stateMachineVersionArn: versionArn(name, published.version) };
};

/** One version for each revision: publishing the same again gives the same. */
async function publishVersion(
  parts: StatesParts,
  machine: MachineValue,
  description: string | undefined,
): Promise<VersionValue> {
  const { store, clock } = parts;
  const { name, definition, revisionId, roleArn, nextVersion } = machine;
  const all = (await store.list('version', `${name}:`, '', VERSIONS_MAX + 1)).map(
    ({ value }) => value as VersionValue,
  );
  const same = all.find((version) => version.revisionId === revisionId);
  if (same !== undefined) return same;
  if (all.length >= VERSIONS_MAX) {
    throw new AwsJsonError(
      'ServiceQuotaExceededException',
      `A state machine has at most ${VERSIONS_MAX} versions.`,
    );
  }
  const value: VersionValue = {
    version: nextVersion,
    definition,
    revisionId,
    roleArn,
    description,
    createdMs: clock.nowMs(),
  };
  await store.put([
    { kind: 'version', key: versionKey(name, nextVersion), value },
    { kind: 'machine', key: name, value: { ...machine, nextVersion: nextVersion + 1 } },
  ]);
  return value;
}

const publish: StatesOperation = async (parts, fields) => {
  const { machine } = requireArn(fields.text('stateMachineArn'), 'stateMachine');
  const value = await findMachine(parts.store, machine);
  checkRevision(value, fields);
  const { version, createdMs } = await publishVersion(parts, value, fields.optionalText('description', 256));
  return { stateMachineVersionArn: versionArn(machine, version), creationDate: seconds(createdMs) };
};

function checkRevision({ revisionId }: MachineValue, fields: RequestFields): void {
  const given = fields.optionalText('revisionId');
  if (given === undefined || given === revisionId) return;
  throw new AwsJsonError(
    'ConflictException',
    'Failed to publish the State Machine version: the revision is not the current one.',
  );
}

const update: StatesOperation = async (parts, fields) => {
  const { store, clock } = parts;
  const { machine } = requireArn(fields.text('stateMachineArn'), 'stateMachine');
  if ((await store.get('machine', machine)) === undefined) refuseAppMachine(parts, machine);
  const before = await findMachine(store, machine);
  const text = fields.optionalText('definition');
  const roleArn = fields.optionalText('roleArn', 256) ?? before.roleArn;
  const configuration = configurationOf(fields, before.configuration);
  if (
    text === undefined &&
    !['roleArn', 'loggingConfiguration', 'tracingConfiguration', 'encryptionConfiguration'].some((name) =>
      fields.has(name),
    )
  ) {
    throw new AwsJsonError(
      'MissingRequiredParameter',
      'Either the definition, the role ARN, the LoggingConfiguration, the TracingConfiguration or the EncryptionConfiguration must be specified',
    );
  }
  const definition = text === undefined ? before.definition : readDefinition(parts, text, before.type);
  const after: MachineValue = {
    ...before,
    ...{ definition, roleArn, configuration },
    revisionId: parts.mintUuid(),
    updatedMs: clock.nowMs(),
  };
  await store.put([
    { kind: 'machine', key: machine, value: after },
    ...(text === undefined ? [] : [{ kind: 'definition' as const, key: definition, value: text }]),
  ]);
  const answer = { updateDate: seconds(after.updatedMs), revisionId: after.revisionId };
  if (fields.flag('publish') !== true) return answer;
  const published = await publishVersion(parts, after, fields.optionalText('versionDescription', 256));
  return { ...answer, stateMachineVersionArn: versionArn(machine, published.version) };
};

const describe: StatesOperation = async (parts, fields) => {
  const { store } = parts;
  const { machine, qualifier } = requireArn(fields.text('stateMachineArn'), 'stateMachine');
  if (qualifier === undefined && (await store.get('machine', machine)) === undefined) {
    const ofApp = await describeAppMachine(parts, machine);
    if (ofApp !== undefined) return ofApp;
  }
  const value = await findMachine(store, machine);
  const version = qualifier === undefined ? undefined : await findVersion(store, machine, Number(qualifier));
  const digest = version?.definition ?? value.definition;
  const revisionId = version?.revisionId ?? value.revisionId;
  return {
    stateMachineArn: version === undefined ? machineArn(machine) : versionArn(machine, version.version),
    name: machine,
    status: 'ACTIVE',
    definition: await store.get('definition', digest),
    roleArn: version?.roleArn ?? value.roleArn,
    type: value.type,
    creationDate: seconds(version?.createdMs ?? value.createdMs),
    ...(version?.description !== undefined && { description: version.description }),
    revisionId,
    loggingConfiguration: { level: 'OFF', includeExecutionData: false },
    tracingConfiguration: { enabled: false },
    encryptionConfiguration: { type: 'AWS_OWNED_KEY' },
    ...value.configuration,
  };
};

/** Executions that run go on to their end: they keep the definition that they began with. */
const remove: StatesOperation = async (parts, fields) => {
  const { store } = parts;
  const { machine } = requireArn(fields.text('stateMachineArn'), 'stateMachine');
  if ((await store.get('machine', machine)) === undefined) refuseAppMachine(parts, machine);
  const versions = await store.list('version', `${machine}:`, '', VERSIONS_MAX + 1);
  const aliases = await store.list('alias', `${machine}:`, '', ALIASES_MAX + 1);
  await store.remove([
    { kind: 'machine', key: machine },
    { kind: 'tags', key: machineArn(machine) },
    ...versions,
    ...aliases,
  ]);
  return {};
};

const list: StatesOperation = async ({ store, apps }, fields) => {
  const size = fields.number('maxResults', 0, PAGE_MAX) || PAGE_DEFAULT;
  const after = decodePage<string>(fields.optionalText('nextToken'), 'string') ?? '';
  const own = (await store.list('machine', '', after, size + 1)).map(({ value }) => value as MachineValue);
  const ofApps = apps.list().map(({ target, deployedMs }) => ({
    ...{ name: appMachineName(target), type: 'STANDARD', createdMs: deployedMs },
  }));
  const found = [...own, ...ofApps.filter(({ name }) => name > after)].toSorted((left, right) =>
    left.name < right.name ? -1 : 1,
  );
  const { items, nextToken } = page(found, size, ({ name }) => name);
  return {
    stateMachines: items.map(({ name, type, createdMs }) => ({
      ...{ stateMachineArn: machineArn(name), name, type, creationDate: seconds(createdMs) },
    })),
    ...(nextToken !== undefined && { nextToken }),
  };
};

const listVersions: StatesOperation = async ({ store }, fields) => {
  const { machine } = requireArn(fields.text('stateMachineArn'), 'stateMachine');
  await findMachine(store, machine);
  const size = fields.number('maxResults', 0, PAGE_MAX) || PAGE_DEFAULT;
  const before = decodePage<number>(fields.optionalText('nextToken'), 'number') ?? Number.POSITIVE_INFINITY;
  const all = (await store.list('version', `${machine}:`, '', VERSIONS_MAX + 1)).map(
    ({ value }) => value as VersionValue,
  );
  const newest = all.reverse().filter(({ version }) => version < before);
  const { items, nextToken } = page(newest, size, ({ version }) => version);
  return {
    stateMachineVersions: items.map(({ version, createdMs }) => ({
      stateMachineVersionArn: versionArn(machine, version),
      creationDate: seconds(createdMs),
    })),
    ...(nextToken !== undefined && { nextToken }),
  };
};

const removeVersion: StatesOperation = async ({ store }, fields) => {
  const { machine, qualifier } = requireArn(fields.text('stateMachineVersionArn'), 'stateMachine');
  const version = Number(qualifier);
  const aliases = await store.list('alias', `${machine}:`, '', ALIASES_MAX + 1);
  const user = aliases
    .map(({ value }) => value as AliasValue)
    .find(({ routes }) => routes.some((route) => route.version === version));
  if (user !== undefined) {
    throw new AwsJsonError(
      'ConflictException',
      `The version is referenced by the alias '${aliasArn(machine, user.name)}'.`,
    );
  }
  await store.remove([{ kind: 'version', key: versionKey(machine, version) }]);
  return {};
};

async function readRoutes(
  store: StateMachineStore,
  fields: RequestFields,
): Promise<{ machine: string; routes: AliasValue['routes'] }> {
  const given = fields.list('routingConfiguration') as {
    stateMachineVersionArn?: unknown;
    weight?: unknown;
  }[];
  const routes: { version: number; weight: number }[] = [];
  const machines = new Set<string>();
  for (const { stateMachineVersionArn, weight } of given) {
    const { machine, qualifier } = requireArn(String(stateMachineVersionArn), 'stateMachine');
    await findVersion(store, machine, Number(qualifier));
    machines.add(machine);
    routes.push({ version: Number(qualifier), weight: typeof weight === 'number' ? weight : Number.NaN });
  }
  const whole = routes.reduce((total, { weight }) => total + weight, 0) === 100;
  if (routes.length < 1 || routes.length > 2 || !whole || machines.size !== 1) {
    throw invalid(
      "Value at 'routingConfiguration' failed to satisfy constraint: one or two versions of one state machine with weights that make 100",
    );
  }
  return { machine: [...machines][0]!, routes };
}

const ALIAS_NAME = /^(?=.*[a-zA-Z_\-.])[a-zA-Z0-9_\-.]+$/;

const createAlias: StatesOperation = async ({ store, clock }, fields) => {
  const name = fields.text('name', 80);
  if (!ALIAS_NAME.test(name))
    throw invalid(
      `Value '${name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ${ALIAS_NAME.source}`,
    );
  const { machine, routes } = await readRoutes(store, fields);
  if ((await store.list('alias', `${machine}:`, '', ALIASES_MAX)).length >= ALIASES_MAX) {
    throw new AwsJsonError(
      'ServiceQuotaExceededException',
      `A state machine has at most ${ALIASES_MAX} aliases.`,
    );
  }
  const nowMs = clock.nowMs();
  const value: AliasValue = {
    name,
    routes,
    description: fields.optionalText('description', 256),
    createdMs: nowMs,
    updatedMs: nowMs,
  };
  if (!(await store.create([{ kind: 'alias', key: aliasKey(machine, name), value }]))) {
    throw new AwsJsonError('ConflictException', `The alias '${aliasArn(machine, name)}' exists already.`);
  }
  return { stateMachineAliasArn: aliasArn(machine, name), creationDate: seconds(nowMs) };
};

const updateAlias: StatesOperation = async ({ store, clock }, fields) => {
  const { machine, qualifier } = requireArn(fields.text('stateMachineAliasArn'), 'stateMachine');
  const before = await findAlias(store, machine, qualifier ?? '');
  const routes = fields.has('routingConfiguration')
    ? (await readRoutes(store, fields)).routes
    : before.routes;
  const updatedMs = clock.nowMs();
  const description = fields.optionalText('description', 256) ?? before.description;
  await store.put([
    {
      kind: 'alias',
      key: aliasKey(machine, before.name),
      value: { ...before, routes, description, updatedMs },
    },
  ]);
  return { updateDate: seconds(updatedMs) };
};

const describeAlias: StatesOperation = async ({ store }, fields) => {
  const { machine, qualifier } = requireArn(fields.text('stateMachineAliasArn'), 'stateMachine');
  const { name, description, routes, createdMs, updatedMs } = await findAlias(
    store,
    machine,
    qualifier ?? '',
  );
  return {
    stateMachineAliasArn: aliasArn(machine, name),
    name,
    ...(description !== undefined && { description }),
    routingConfiguration: routes.map(({ version, weight }) => ({
      stateMachineVersionArn: versionArn(machine, version),
      weight,
    })),
    creationDate: seconds(createdMs),
    updateDate: seconds(updatedMs),
  };
};

const removeAlias: StatesOperation = async ({ store }, fields) => {
  const { machine, qualifier } = requireArn(fields.text('stateMachineAliasArn'), 'stateMachine');
  await findAlias(store, machine, qualifier ?? '');
  await store.remove([{ kind: 'alias', key: aliasKey(machine, qualifier ?? '') }]);
  return {};
};

const listAliases: StatesOperation = async ({ store }, fields) => {
  const { machine } = requireArn(fields.text('stateMachineArn'), 'stateMachine');
  await findMachine(store, machine);
  const size = fields.number('maxResults', 0, PAGE_MAX) || PAGE_DEFAULT;
  const after = decodePage<string>(fields.optionalText('nextToken'), 'string') ?? '';
  const { items, nextToken } = page(
    await store.list('alias', `${machine}:`, after, size + 1),
    size,
    ({ key }) => key,
  );
  return {
    stateMachineAliases: items.map(({ value }) => {
      const { name, createdMs } = value as AliasValue;
      return { stateMachineAliasArn: aliasArn(machine, name), creationDate: seconds(createdMs) };
    }),
    ...(nextToken !== undefined && { nextToken }),
  };
};

export const STATE_MACHINE_OPERATIONS: Readonly<Record<string, StatesOperation>> = {
  CreateStateMachine: create,
  UpdateStateMachine: update,
  DescribeStateMachine: describe,
  DeleteStateMachine: remove,
  ListStateMachines: list,
  PublishStateMachineVersion: publish,
  DeleteStateMachineVersion: removeVersion,
  ListStateMachineVersions: listVersions,
  CreateStateMachineAlias: createAlias,
  UpdateStateMachineAlias: updateAlias,
  DescribeStateMachineAlias: describeAlias,
  DeleteStateMachineAlias: removeAlias,
  ListStateMachineAliases: listAliases,
};
