import type { ExecutionId } from '../base/ids.ts';
import { valueOfRecord } from './app-machines.ts';
import { historyNote, type MapRunNote, readJournal } from './execution-journal.ts';
import type { ExecutionValue } from './execution-value.ts';
import { findExecution } from './executions.ts';
import { AwsJsonError, invalid } from './json-protocol.ts';
import { decodePage, encodePage } from './page-token.ts';
import { executionArn, machineArn, requireArn } from './states-arn.ts';
import type { StatesOperation, StatesParts } from './states-operation.ts';

/* Distributed Maps at work and after it. */

const PAGE_MAX = 1_000;
const PAGE_DEFAULT = 100;
const seconds = (ms: number): number => ms / 1000;

/** The distributed Maps of an execution as its latest note has them. */
async function mapRunsOf(parts: StatesParts, id: ExecutionId): Promise<readonly MapRunNote[]> {
  let latest: readonly MapRunNote[] = [];
  for await (const entry of readJournal(parts.journal, id)) latest = historyNote(entry)?.mapRuns ?? latest;
  return latest;
}

const listMapRuns: StatesOperation = async (parts, fields) => {
  const arn = fields.text('executionArn');
  const { value, record } = await findExecution(parts, arn);
  const size = fields.number('maxResults', 0, PAGE_MAX) || PAGE_DEFAULT;
  const from = decodePage<number>(fields.optionalText('nextToken'), 'number') ?? 0;
  const all = await mapRunsOf(parts, record.id);
  const items = all.slice(from, from + size);
  return {
    mapRuns: items.map(({ name, startedMs, endedMs }) => ({
      executionArn: executionArn(value.machine, value.name),
      mapRunArn: name,
      stateMachineArn: machineArn(value.machine),
      startDate: seconds(startedMs),
      ...(endedMs !== undefined && { stopDate: seconds(endedMs) }),
    })),
    ...(all.length > from + size && { nextToken: encodePage(from + size) }),
  };
};

const describeMapRun: StatesOperation = async (parts, fields) => {
  const arn = fields.text('mapRunArn');
  const { id } = requireArn(arn, 'mapRun');
  const run = (await mapRunsOf(parts, id.slice(0, 36) as ExecutionId)).find(({ name }) => name === arn);
  const kept = (await parts.store.get('execution', id.slice(0, 36))) as ExecutionValue | undefined;
  const record = kept === undefined ? await parts.journal.find(id.slice(0, 36) as ExecutionId) : undefined;
  const value = kept ?? (record && valueOfRecord(record, ''));
  if (run !== undefined && value !== undefined) return describeRun(run, value);
  throw new AwsJsonError('ResourceNotFound', `Map Run does not exist: '${arn}'`);
};

function describeRun(run: MapRunNote, value: ExecutionValue): Record<string, unknown> {
  const counts = (total: number, done: number): Record<string, number> => ({
    ...{ pending: 0, running: run.endedMs === undefined ? total - done : 0 },
    ...{
      succeeded: run.succeeded,
      failed: run.failed,
      timedOut: 0,
      aborted: run.endedMs === undefined ? 0 : total - done,
    },
    ...{ total, resultsWritten: run.succeeded + run.failed, failuresNotRedrivable: 0, pendingRedrive: 0 },
  });
  return {
    mapRunArn: run.name,
    executionArn: executionArn(value.machine, value.name),
    status: run.status,
    startDate: seconds(run.startedMs),
    ...(run.endedMs !== undefined && { stopDate: seconds(run.endedMs) }),
    maxConcurrency: run.concurrency,
    toleratedFailurePercentage: run.toleratedPercentage ?? 0,
    toleratedFailureCount: run.toleratedCount ?? 0,
    itemCounts: counts(run.items, run.items),
    executionCounts: counts(run.total, run.succeeded + run.failed),
    redriveCount: run.redrives ?? 0,
    ...(run.redrivenMs !== undefined && { redriveDate: seconds(run.redrivenMs) }),
  };
}

const TOLERATED_MAX = 100_000_000;

/** Limits of a Map at work. The execution takes them in as it takes in anything else, so a replay sees them as well. */
const updateMapRun: StatesOperation = async (parts, fields) => {
  const arn = fields.text('mapRunArn');
  const { id } = requireArn(arn, 'mapRun');
  const execution = id.slice(0, 36) as ExecutionId;
  const limits = {
    concurrency: fields.number('maxConcurrency', 0, TOLERATED_MAX),
    toleratedCount: fields.number('toleratedFailureCount', 0, TOLERATED_MAX),
    toleratedPercentage: fields.number('toleratedFailurePercentage', 0, 100),
  };
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  if (given.length === 0)
    throw new AwsJsonError(
      'MissingRequiredParameter',
      'One of maxConcurrency, toleratedFailureCount and toleratedFailurePercentage must be specified',
    );
  const run = (await mapRunsOf(parts, execution)).find(({ name }) => name === arn);
  if (run === undefined) throw new AwsJsonError('ResourceNotFound', `Map Run does not exist: '${arn}'`);
  if (run.status !== 'RUNNING') throw invalid(`Map Run is ${run.status}: '${arn}'`);
  const value = { name: arn, ...Object.fromEntries(given) };
  await parts.engine.deliver(execution, { kind: 'signal', name: 'asl:mapRun', input: { json: value } });
  return {};
};

export const MAP_RUN_OPERATIONS: Readonly<Record<string, StatesOperation>> = {
  ListMapRuns: listMapRuns,
  DescribeMapRun: describeMapRun,
  UpdateMapRun: updateMapRun,
};
