import type { ExecutionId } from '../base/ids.ts';
import type { MapIteration } from '../ports/map-run-reader.ts';
import { readJournal } from './execution-journal.ts';
import { AwsJsonError, type RequestFields } from './json-protocol.ts';
import { decodePage, encodePage } from './page-token.ts';
import { executionArn, machineArn, mapRunArn, parseStatesArn, requireArn } from './states-arn.ts';
import type { StatesParts } from './states-operation.ts';

/*
 * Iterations of distributed Maps as the executions that AWS shows them as: `execution:MACHINE/LABEL:RUN-INDEX`. They run
 * within the execution of their Map; here they are looked at. What steers executions does not know them.
 */

const PAGE_MAX = 1_000;
const PAGE_DEFAULT = 100;
const seconds = (ms: number): number => ms / 1000;

export interface ChildExecution {
  readonly arn: string;
  readonly mapRun: string;
  /** `MACHINE/LABEL`. */
  readonly machine: string;
  readonly name: string;
  readonly iteration: MapIteration;
}

async function childrenOf(parts: StatesParts, mapRun: string): Promise<ChildExecution[]> {
  const { machine, label, id } = requireArn(mapRun, 'mapRun');
  const record = await parts.journal.find(id.slice(0, 36) as ExecutionId);
  if (record === undefined) throw new AwsJsonError('ResourceNotFound', `Map Run does not exist: '${mapRun}'`);
  const history = await Array.fromAsync(readJournal(parts.journal, record.id));
  const iterations = await parts.mapRuns.iterations(record, history, mapRun);
  const whole = `${machine}/${label}`;
  return iterations.map((iteration) => {
    const name = `${id}-${iteration.index}`;
    return { arn: executionArn(whole, name), mapRun, machine: whole, name, iteration };
  });
}

/** The child that an ARN names; `undefined`: it names none, but an execution of its own. */
export async function findChild(parts: StatesParts, arn: string): Promise<ChildExecution | undefined> {
  const parsed = parseStatesArn(arn);
  if (parsed?.kind !== 'execution' || !parsed.machine.includes('/')) return undefined;
  const { machine, name } = parsed;
  const run = /^(.{36}-\d+)-\d+$/.exec(name)?.[1];
  const all = run === undefined ? [] : await childrenOf(parts, mapRunArn(machine, run));
  const found = all.find((child) => child.name === name);
  if (found !== undefined) return found;
  throw new AwsJsonError('ExecutionDoesNotExist', `Execution Does Not Exist: '${arn}'`);
}

function listed({ arn, mapRun, machine, name, iteration }: ChildExecution): Record<string, unknown> {
  const { status, startedMs, endedMs } = iteration;
  return {
    ...{ executionArn: arn, mapRunArn: mapRun, stateMachineArn: machineArn(machine), name, status },
    startDate: seconds(startedMs),
    ...(endedMs !== undefined && { stopDate: seconds(endedMs) }),
    redriveCount: iteration.redrives,
  };
}

export function describeChild(child: ChildExecution): Record<string, unknown> {
  const { input, output, error, cause } = child.iteration;
  const included = { included: true };
  return {
    ...listed(child),
    ...{ input, inputDetails: included },
    ...(output !== undefined && { output, outputDetails: included }),
    ...(error !== undefined && { error }),
    ...(cause !== undefined && { cause }),
    ...redriveOf(child.iteration),
  };
}

/** A child is taken up again with the execution of its Map, and by nothing else. */
function redriveOf({ status }: MapIteration): Record<string, unknown> {
  if (status === 'FAILED' || status === 'ABORTED') return { redriveStatus: 'REDRIVABLE_BY_MAP_RUN' };
  const redriveStatusReason = `Execution is ${status} and cannot be redriven`;
  return { redriveStatus: 'NOT_REDRIVABLE', redriveStatusReason };
}

/** ListExecutions by map run. */
export async function listChildren(
  parts: StatesParts,
  fields: RequestFields,
  mapRun: string,
  status: string | undefined,
): Promise<object> {
  const size = fields.number('maxResults', 0, PAGE_MAX) || PAGE_DEFAULT;
  const from = decodePage<number>(fields.optionalText('nextToken'), 'number') ?? 0;
  const all = (await childrenOf(parts, mapRun)).filter(
    ({ iteration }) => status === undefined || iteration.status === status,
  );
  const executions = all.slice(from, from + size).map(listed);
  return { executions, ...(all.length > from + size && { nextToken: encodePage(from + size) }) };
}
