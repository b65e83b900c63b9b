import type { ExecutionId } from '../base/ids.ts';
import { isTooDeep, JSON_DEPTH_MAX } from '../base/json-depth.ts';
import {
  type ExecutionRecord,
  type ExecutionStatus,
  isFinal,
  type ExecutionOrigin,
  type ParentOperation,
} from '../model/execution.ts';
import type { JournalEntry, Outcome, Payload } from '../model/journal.ts';
import { entriesWithoutEnd } from '../model/journal-restart.ts';
import type { NewExecution } from '../ports/journal-store.ts';
import { APP_ROLE, appMachineName, findAppExecution, findAppMachine, valueOfRecord } from './app-machines.ts';
import { type ExecutionValue, STATES_APP } from './execution-value.ts';
import { type HistoryEvent, historyNote, readJournal } from './execution-journal.ts';
import { AwsJsonError, invalid, type RequestFields } from './json-protocol.ts';
import { describeChild, findChild, listChildren } from './map-run-children.ts';
import { decodePage, encodePage } from './page-token.ts';
import { findAlias, findMachine, findVersion } from './state-machines.ts';
import { aliasArn, checkName, executionArn, machineArn, requireArn, versionArn } from './states-arn.ts';
import type { StatesOperation, StatesParts } from './states-operation.ts';

/* Executions: start, stop, look, redrive. */

/** Input of an execution in bytes (AWS' own figure). */
const INPUT_BYTES_MAX = 262_144;
const PAGE_MAX = 1_000;
const PAGE_DEFAULT = 100;
/** How long StopExecution and StartSyncExecution wait for the end: AWS' limit of EXPRESS executions is 5 minutes. */
const STOP_WAIT_MS = 10_000;
const SYNC_WAIT_MS = 300_000;

interface Started {
  readonly value: ExecutionValue;
  readonly startedMs: number;
}

const seconds = (ms: number): number => ms / 1000;
const STATUS: Readonly<Record<ExecutionStatus, string>> = {
  queued: 'RUNNING',
  ready: 'RUNNING',
  running: 'RUNNING',
  waiting: 'RUNNING',
  succeeded: 'SUCCEEDED',
  failed: 'FAILED',
  cancelled: 'ABORTED',
  timedOut: 'TIMED_OUT',
  continued: 'SUCCEEDED',
};

type ExecutionTarget = Pick<
  ExecutionValue,
  'machine' | 'type' | 'roleArn' | 'definition' | 'version' | 'alias' | 'deployed'
>;

/** Which definition an ARN stands for now: the machine's own, a version's, or by weight one of an alias'. */
async function resolveTarget(parts: StatesParts, arn: string): Promise<ExecutionTarget> {
  const { store, random } = parts;
  const { machine, qualifier } = requireArn(arn, 'stateMachine');
  const ofApp = qualifier === undefined ? await appTarget(parts, machine) : undefined;
  if (ofApp !== undefined) return ofApp;
  const { type, roleArn, definition } = await findMachine(store, machine);
  if (qualifier === undefined) return { machine, type, roleArn, definition };
  if (/^\d+$/.test(qualifier)) {
    const found = await findVersion(store, machine, Number(qualifier));
    return { machine, type, roleArn: found.roleArn, definition: found.definition, version: found.version };
  }
  const { routes } = await findAlias(store, machine, qualifier);
  const [first, second] = routes;
  const picked = second === undefined || random.fraction() * 100 < first!.weight ? first! : second;
  const found = await findVersion(store, machine, picked.version);
  return {
    machine,
    type,
    roleArn: found.roleArn,
    definition: found.definition,
    version: found.version,
    alias: qualifier,
  };
}

/** The state machines of the API come first. */
async function appTarget(parts: StatesParts, name: string): Promise<ExecutionTarget | undefined> {
  const found = findAppMachine(parts, name);
  if (found === undefined || (await parts.store.get('machine', name)) !== undefined) return undefined;
  const { app, workflow, deployment, version } = found.target;
  const deployed = { app, workflow, deployment };
  return {
    machine: appMachineName(deployed),
    type: 'STANDARD',
    roleArn: APP_ROLE,
    definition: version,
    deployed,
  };
}

function readInput(fields: RequestFields): string {
  const input = fields.optionalText('input') ?? '{}';
  if (Buffer.byteLength(input) > INPUT_BYTES_MAX) {
    throw invalid(
      `Value at 'input' failed to satisfy constraint: Member must have length less than or equal to ${INPUT_BYTES_MAX}`,
    );
  }
  if (isTooDeep(input)) {
    throw new AwsJsonError('InvalidExecutionInput', `The input nests deeper than ${JSON_DEPTH_MAX}.`);
  }
  try {
    JSON.parse(input);
    return input;
  } catch (thrown) {
    throw new AwsJsonError(
      'InvalidExecutionInput',
      `Invalid State Machine Execution Input: '${(thrown as Error).message}'`,
    );
  }
}

/** What led to an execution, and who waits for its end. */
export interface ExecutionCause {
  /** The id that it gets, unless it was started before. */
  readonly id?: ExecutionId | undefined;
  readonly parent?: ParentOperation | undefined;
  readonly origin?: ExecutionOrigin | undefined;
}

/** Starts an execution; the same name with the same input is the same execution. */
export async function startExecution(
  parts: StatesParts,
  arn: string,
  name: string | undefined,
  input: string,
  cause: ExecutionCause = {},
): Promise<Started> {
  const { store, clock, mintUuid } = parts;
  const target = await resolveTarget(parts, arn);
  const called = checkName(name ?? mintUuid());
  const id = cause.id ?? (mintUuid() as ExecutionId);
  const nowMs = clock.nowMs();
  const value: ExecutionValue = { id, ...target, name: called, input, startedMs: nowMs, redrives: 0 };
  const nameKey = `${target.machine}:${called}`;
  const isNew = await store.create([
    { kind: 'executionName', key: nameKey, value: { id, startedMs: nowMs } },
    { kind: 'execution', key: id, value },
  ]);
  if (isNew) return launch(parts, value, nowMs, cause);
  const known = (await store.get('executionName', nameKey)) as { id: ExecutionId; startedMs: number };
  const before = (await store.get('execution', known.id)) as ExecutionValue;
  const record = await parts.journal.find(known.id);
  // Whoever reserved the name may have died before the execution began.
  if (record === undefined && before.input === input) return launch(parts, before, known.startedMs, cause);
  const same = before.input === input && record !== undefined && !isFinal(record.status);
  if (same) return { value: before, startedMs: known.startedMs };
  throw new AwsJsonError(
    'ExecutionAlreadyExists',
    `Execution Already Exists: '${executionArn(target.machine, called)}'`,
  );
}

async function launch(
  parts: StatesParts,
  value: ExecutionValue,
  startedMs: number,
  cause: ExecutionCause,
): Promise<Started> {
  const seed = Buffer.from(parts.random.bytes(16)).toString('hex');
  const input: Payload = { json: JSON.parse(value.input) as unknown };
  await createExecution(parts, value, [{ kind: 'started', atMs: startedMs, input, seed }], cause);
  return { value, startedMs };
}

async function createExecution(
  parts: StatesParts,
  value: ExecutionValue,
  entries: readonly JournalEntry[],
  { parent, origin }: ExecutionCause = {},
  rules?: number,
): Promise<void> {
  const { id, machine, definition, deployed } = value;
  const execution: NewExecution = {
    ...{ id, entries },
    ...(rules === undefined ? {} : { rules }),
    ...(deployed ?? { app: STATES_APP, workflow: machine, deployment: 0 }),
    kind: 'asl',
    version: definition,
    priority: 0,
    parent,
    origin,
    expiresMs: undefined,
  };
  // Not when it was started: a death may have come between its name and this.
  await parts.engine.create(execution, parts.clock.nowMs());
}

const start: StatesOperation = async (parts, fields) => {
  const input = readInput(fields);
  const { value, startedMs } = await startExecution(
    parts,
    fields.text('stateMachineArn'),
    fields.optionalText('name', 80),
    input,
  );
  return { executionArn: executionArn(value.machine, value.name), startDate: seconds(startedMs) };
};

const startSync: StatesOperation = async (parts, fields, signal) => {
  const input = readInput(fields);
  const arn = fields.text('stateMachineArn');
  const { type } = await resolveTarget(parts, arn);
  if (type !== 'EXPRESS') {
    throw new AwsJsonError(
      'StateMachineTypeNotSupported',
      'This operation is not supported by this type of state machine',
    );
  }
  const { value } = await startExecution(parts, arn, fields.optionalText('name', 80), input);
  await untilEnded(parts, value.id, SYNC_WAIT_MS, signal);
  const found = await look(parts, executionArn(value.machine, value.name));
  const {
    stateMachineVersionArn,
    stateMachineAliasArn,
    redriveCount,
    redriveStatus,
    redriveStatusReason,
    ...answer
  } = describeValue(found);
  const billedMs =
    Math.ceil(((found.record.endedMs ?? parts.clock.nowMs()) - found.record.createdMs) / 100) * 100;
  return { ...answer, billingDetails: { billedMemoryUsedInMB: 64, billedDurationInMilliseconds: billedMs } };
};

/** Waits until the execution ends, at most `waitMs`, or until the caller goes away. */
async function untilEnded(
  { engine, journal, clock }: StatesParts,
  id: ExecutionId,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { outcome, forget } = engine.whenEnded(id);
  const record = await journal.find(id);
  if (record === undefined || isFinal(record.status)) return forget();
  await new Promise<void>((resolve) => {
    const timer = clock.after(waitMs, resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    void outcome.then(() => {
      timer.cancel();
      resolve();
    });
  });
  forget();
}

interface Found {
  readonly value: ExecutionValue;
  readonly record: ExecutionRecord;
  readonly outcome: Outcome | undefined;
}

export async function findExecution(
  parts: StatesParts,
  arn: string,
): Promise<{ value: ExecutionValue; record: ExecutionRecord }> {
  const { machine, name } = requireArn(arn, 'execution');
  const known = (await parts.store.get('executionName', `${machine}:${name}`)) as
    | { id: ExecutionId }
    | undefined;
  const value = known && ((await parts.store.get('execution', known.id)) as ExecutionValue | undefined);
  const record = known && (await parts.journal.find(known.id));
  if (value !== undefined && record !== undefined) return { value, record };
  const ofApp = await findAppExecution(parts, machine, name);
  if (ofApp !== undefined) return ofApp;
  throw new AwsJsonError(
    'ExecutionDoesNotExist',
    `Execution Does Not Exist: '${executionArn(machine, name)}'`,
  );
}

async function look(parts: StatesParts, arn: string): Promise<Found> {
  const found = await findExecution(parts, arn);
  const { record } = found;
  if (!isFinal(record.status)) return { ...found, outcome: undefined };
  const [last] = await parts.journal.history(record.id, record.entries - 1, 1);
  return { ...found, outcome: last?.kind === 'ended' ? last.outcome : undefined };
}

function describeValue({ value, record, outcome }: Found): Record<string, unknown> {
  const { machine, name, version, alias, input, redrives, redrivenMs } = value;
  // That it took too long is its status, and no error beside that.
  const tells = outcome !== undefined && 'error' in outcome && outcome.status !== 'timedOut';
  const failed = tells ? outcome.error : undefined;
  const ended = isFinal(record.status);
  const redrivable = ended && record.status !== 'succeeded' && value.type === 'STANDARD';
  return {
    executionArn: executionArn(machine, name),
    stateMachineArn: machineArn(machine),
    name,
    status: STATUS[record.status],
    startDate: seconds(value.startedMs),
    ...(ended && { stopDate: seconds(record.endedMs ?? record.createdMs) }),
    input,
    inputDetails: { included: true },
    ...(outcome?.status === 'succeeded' && {
      output: JSON.stringify('json' in outcome.output ? outcome.output.json : null),
      outputDetails: { included: true },
    }),
    ...(failed?.errorType && { error: failed.errorType }),
    ...(failed?.errorMessage && { cause: failed.errorMessage }),
    ...(version !== undefined && { stateMachineVersionArn: versionArn(machine, version) }),
    ...(alias !== undefined && { stateMachineAliasArn: aliasArn(machine, alias) }),
    redriveCount: redrives,
    ...(redrivenMs !== undefined && { redriveDate: seconds(redrivenMs) }),
    redriveStatus: redrivable ? 'REDRIVABLE' : 'NOT_REDRIVABLE',
    ...(!redrivable && {
      redriveStatusReason: ended
        ? 'Execution is SUCCEEDED and cannot be redriven'
        : 'Execution is RUNNING and cannot be redriven',
    }),
  };
}

const describe: StatesOperation = async (parts, fields) => {
  const arn = fields.text('executionArn');
  const child = await findChild(parts, arn);
  return child === undefined ? describeValue(await look(parts, arn)) : describeChild(child);
};

const describeMachineOf: StatesOperation = async (parts, fields) => {
  const { value, record } = await findExecution(parts, fields.text('executionArn'));
  if (value.deployed !== undefined)
    return {
      ...{ stateMachineArn: machineArn(value.machine), name: value.machine, roleArn: value.roleArn },
      definition: await parts.apps.definition(record),
      updateDate: seconds(value.startedMs),
      revisionId: value.definition,
    };
  const machine = await findMachine(parts.store, value.machine);
  return {
    stateMachineArn: machineArn(value.machine),
    name: value.machine,
    definition: await parts.store.get('definition', value.definition),
    roleArn: value.roleArn,
    updateDate: seconds(machine.updatedMs),
    revisionId: machine.revisionId,
    loggingConfiguration: { level: 'OFF', includeExecutionData: false },
    tracingConfiguration: { enabled: false },
    ...machine.configuration,
  };
};

const stop: StatesOperation = async (parts, fields, signal) => {
  const { value, record } = await findExecution(parts, fields.text('executionArn'));
  const error = fields.optionalText('error', 256);
  const cause = fields.optionalText('cause', 32_768);
  if (value.type === 'EXPRESS') {
    throw new AwsJsonError(
      'StateMachineTypeNotSupported',
      'This operation is not supported by this type of state machine',
    );
  }
  if (!isFinal(record.status)) {
    await parts.engine.deliver(record.id, { kind: 'cancel', reason: JSON.stringify({ error, cause }) });
    await untilEnded(parts, record.id, STOP_WAIT_MS, signal);
  }
  const after = await parts.journal.find(record.id);
  return { stopDate: seconds(after?.endedMs ?? parts.clock.nowMs()) };
};

const STATUSES = ['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED', 'PENDING_REDRIVE'] as const;

const list: StatesOperation = async (parts, fields) => {
  const { store, journal } = parts;
  const mapRun = fields.optionalText('mapRunArn');
  if (mapRun !== undefined)
    return listChildren(parts, fields, mapRun, fields.optionalChoice('statusFilter', STATUSES));
  const { machine, qualifier } = requireArn(fields.text('stateMachineArn'), 'stateMachine');
  const ofApp = qualifier === undefined ? (await appTarget(parts, machine))?.deployed : undefined;
  if (ofApp === undefined) await findMachine(store, machine);
  const wanted = fields.optionalChoice('statusFilter', STATUSES);
  const size = fields.number('maxResults', 0, PAGE_MAX) || PAGE_DEFAULT;
  let before = decodePage<string>(fields.optionalText('nextToken'), 'string') as ExecutionId | undefined;
  const shown: Record<string, unknown>[] = [];
  for (;;) {
    const records = await journal.list({
      ...(ofApp === undefined
        ? { app: STATES_APP, workflow: machine }
        : { app: ofApp.app, workflow: ofApp.workflow }),
      limit: PAGE_DEFAULT,
      ...(before !== undefined && { before }),
    });
    for (const record of records) {
      if (shown.length === size) return { executions: shown, nextToken: encodePage(before) };
      before = record.id;
      if (wanted !== undefined && STATUS[record.status] !== wanted) continue;
      const kept = (await store.get('execution', record.id)) as ExecutionValue | undefined;
      const value = ofApp === undefined ? kept : (kept ?? valueOfRecord(record, ''));
      if (value === undefined || !isOf(value, qualifier)) continue;
      shown.push(listed(value, record));
    }
    if (records.length < PAGE_DEFAULT) return { executions: shown };
  }
};

function isOf({ version, alias }: ExecutionValue, qualifier: string | undefined): boolean {
  return qualifier === undefined || alias === qualifier || String(version) === qualifier;
}

function listed(value: ExecutionValue, record: ExecutionRecord): Record<string, unknown> {
  const { machine, name, version, alias, redrives, redrivenMs } = value;
  return {
    executionArn: executionArn(machine, name),
    stateMachineArn: machineArn(machine),
    name,
    status: STATUS[record.status],
    startDate: seconds(value.startedMs),
    ...(record.endedMs !== undefined && { stopDate: seconds(record.endedMs) }),
    ...(version !== undefined && { stateMachineVersionArn: versionArn(machine, version) }),
    ...(alias !== undefined && { stateMachineAliasArn: aliasArn(machine, alias) }),
    redriveCount: redrives,
    ...(redrivenMs !== undefined && { redriveDate: seconds(redrivenMs) }),
  };
}

const history: StatesOperation = async (parts, fields) => {
  const size = fields.number('maxResults', 0, PAGE_MAX) || PAGE_DEFAULT;
  const from = decodePage<number>(fields.optionalText('nextToken'), 'number') ?? 0;
  const all = await eventsOf(parts, fields.text('executionArn'));
  if (fields.flag('reverseOrder') === true) all.reverse();
  const bare = fields.flag('includeExecutionData') === false;
  const events = all.slice(from, from + size).map((event) => shownEvent(event, bare));
  return { events, ...(all.length > from + size && { nextToken: encodePage(from + size) }) };
};

async function eventsOf(parts: StatesParts, arn: string): Promise<HistoryEvent[]> {
  const child = await findChild(parts, arn);
  if (child !== undefined) return [...child.iteration.events];
  const { record } = await findExecution(parts, arn);
  const all: HistoryEvent[] = [];
  for await (const entry of readJournal(parts.journal, record.id))
    all.push(...(historyNote(entry)?.events ?? []));
  return all;
}

function shownEvent({ timestampMs, ...event }: HistoryEvent, bare: boolean): Record<string, unknown> {
  const shown: Record<string, unknown> = { timestamp: seconds(timestampMs), ...event };
  if (!bare) return shown;
  const data = new Set([
    'input',
    'output',
    'parameters',
    'inputDetails',
    'outputDetails',
    'assignedVariables',
  ]);
  for (const [name, details] of Object.entries(shown)) {
    if (typeof details !== 'object' || details === null) continue;
    shown[name] = Object.fromEntries(Object.entries(details).filter(([field]) => !data.has(field)));
  }
  return shown;
}

/**
 * An execution that ended is never written to again. Redriving begins another with the same journal but for its end,
 * under the same name: the front end sees that it has failed and takes its failed states up again.
 */
const redrive: StatesOperation = async (parts, fields) => {
  const { store, journal, clock, mintUuid } = parts;
  const { value, record } = await findExecution(parts, fields.text('executionArn'));
  if (!isFinal(record.status) || record.status === 'succeeded' || value.type !== 'STANDARD') {
    throw new AwsJsonError(
      'ExecutionNotRedrivable',
      `Execution is not redrivable: it is ${STATUS[record.status]}.`,
    );
  }
  const nowMs = clock.nowMs();
  const entries = entriesWithoutEnd(await Array.fromAsync(readJournal(journal, record.id)), nowMs);
  const id = mintUuid() as ExecutionId;
  const next: ExecutionValue = { ...value, id, redrives: value.redrives + 1, redrivenMs: nowMs };
  // What the front end looks up is there before it does; the name moves on when the execution has begun.
  await store.put([{ kind: 'execution', key: id, value: next }]);
  await createExecution(parts, next, entries, {}, record.rules);
  const named = { id, startedMs: record.createdMs };
  await store.put([{ kind: 'executionName', key: `${value.machine}:${value.name}`, value: named }]);
  await store.remove([{ kind: 'execution', key: record.id }]);
  return { redriveDate: seconds(nowMs) };
};

export const EXECUTION_OPERATIONS: Readonly<Record<string, StatesOperation>> = {
  StartExecution: start,
  StartSyncExecution: startSync,
  DescribeExecution: describe,
  DescribeStateMachineForExecution: describeMachineOf,
  StopExecution: stop,
  ListExecutions: list,
  GetExecutionHistory: history,
  RedriveExecution: redrive,
};
