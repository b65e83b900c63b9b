import type { ExecutionId } from '../base/ids.ts';
import { isTooDeep, JSON_DEPTH_MAX } from '../base/json-depth.ts';
import type { ExecutionInput } from '../model/execution.ts';
import type { JournalEntry } from '../model/journal.ts';
import { callbackToken } from '../model/workflow-wire.ts';
import type { Awaiting } from '../ports/journal-store.ts';
import { readJournal } from './execution-journal.ts';
import { AwsJsonError, type RequestFields } from './json-protocol.ts';
import { decodePage, page } from './page-token.ts';
import { activityArn, checkName, requireArn } from './states-arn.ts';
import type { StatesOperation, StatesParts } from './states-operation.ts';

/*
 * Activities, and answers to task tokens. A token names the operation that waits for it and proves with a secret of
 * its execution that it was given out.
 */

const PAGE_MAX = 1_000;
const PAGE_DEFAULT = 100;
/** How long GetActivityTask waits for work (AWS' own figure), and how many waiting tasks it looks at. */
const POLL_MS = 60_000;
const CANDIDATES = 20;
const OUTPUT_BYTES_MAX = 262_144;

interface ActivityValue {
  readonly name: string;
  readonly createdMs: number;
}

const seconds = (ms: number): number => ms / 1000;

async function findActivity({ store }: StatesParts, arn: string): Promise<ActivityValue> {
  const { name } = requireArn(arn, 'activity');
  const value = (await store.get('activity', name)) as ActivityValue | undefined;
  if (value !== undefined) return value;
  throw new AwsJsonError('ActivityDoesNotExist', `Activity Does Not Exist: '${activityArn(name)}'`);
}

const shown = ({ name, createdMs }: ActivityValue): object => ({
  activityArn: activityArn(name),
  name,
  creationDate: seconds(createdMs),
});

/** A task of the activity that nobody has taken yet, taken for this worker. */
async function takeTask(
  parts: StatesParts,
  arn: string,
  worker: string | undefined,
): Promise<object | undefined> {
  const { journal, engine, clock } = parts;
  for (const waiting of await journal.findAwaiting(`resource:${arn}`, CANDIDATES)) {
    const { execution, op } = waiting;
    const input: ExecutionInput = {
      kind: 'signal',
      name: 'asl:taken',
      input: { json: { op, worker: worker ?? null } },
    };
    if (!(await journal.settleAwaiting(execution, op, input, clock.nowMs()))) continue;
    engine.poke(execution);
    const task = await describeTask(parts, waiting);
    if (task !== undefined) return task;
  }
  return undefined;
}

async function describeTask(
  { journal }: StatesParts,
  { execution, op }: Awaiting,
): Promise<object | undefined> {
  let seed = '';
  for await (const entry of readJournal(journal, execution)) {
    if (entry.kind === 'started') seed = entry.seed;
    if (entry.kind !== 'opened' || entry.op !== op || entry.task.kind !== 'resource') continue;
    const { input } = entry.task;
    return {
      taskToken: callbackToken(execution, op, seed),
      input: JSON.stringify('json' in input ? input.json : null),
    };
  }
  return undefined;
}

const getTask: StatesOperation = async (parts, fields, signal) => {
  const { name } = await findActivity(parts, fields.text('activityArn'));
  const worker = fields.optionalText('workerName', 80);
  const arn = activityArn(name);
  const untilMs = parts.clock.nowMs() + POLL_MS;
  for (;;) {
    let stop = (): void => {};
    const rung = new Promise<void>((resolve) => {
      const unlisten = parts.bell.listen(arn, resolve);
      const timer = parts.clock.after(Math.max(0, untilMs - parts.clock.nowMs()), resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      stop = () => {
        unlisten();
        timer.cancel();
      };
    });
    try {
      const task = await takeTask(parts, arn, worker);
      if (task !== undefined) return task;
      await rung;
    } finally {
      stop();
    }
    if (signal.aborted || parts.clock.nowMs() >= untilMs) return {};
  }
};

const TOKEN = /^cb1_([0-9a-f-]{36})_([1-9]\d{0,7})_[\w-]{22}$/;

interface TokenTask {
  readonly execution: ExecutionId;
  readonly op: number;
}

/** The operation that a token stands for. `InvalidToken`, or `TaskTimedOut` when it has ended. */
async function findTask({ journal }: StatesParts, token: string): Promise<TokenTask> {
  const found = TOKEN.exec(token);
  const execution = (found?.[1] ?? '') as ExecutionId;
  const op = Number(found?.[2]);
  let open = false;
  let known = false;
  if (found !== null) {
    for await (const entry of readJournal(journal, execution)) {
      if (entry.kind === 'started') known = callbackToken(execution, op, entry.seed) === token;
      if (!known) break;
      open = isOpenAfter(open, entry, op);
    }
  }
  if (!known) throw new AwsJsonError('InvalidToken', "Invalid Token: 'Invalid token'");
  if (!open) throw new AwsJsonError('TaskTimedOut', "Task Timed Out: 'Provided task does not exist anymore'");
  return { execution, op };
}

function isOpenAfter(open: boolean, entry: JournalEntry, op: number): boolean {
  if (entry.kind === 'ended') return false;
  if (!('op' in entry) || entry.op !== op) return open;
  if (entry.kind === 'opened') return true;
  return entry.kind === 'completed' || entry.kind === 'failed' || entry.kind === 'closed' ? false : open;
}

async function answer(
  parts: StatesParts,
  { execution, op }: TokenTask,
  input: ExecutionInput,
): Promise<void> {
  const { journal, engine, clock } = parts;
  // A task token waits under a key of its own; a task that a worker took no longer does.
  if (await journal.settleAwaiting(execution, op, input, clock.nowMs())) engine.poke(execution);
  else await engine.deliver(execution, input);
}

function readOutput(fields: RequestFields): unknown {
  const output = fields.text('output');
  if (Buffer.byteLength(output) > OUTPUT_BYTES_MAX) {
    throw new AwsJsonError('InvalidOutput', `Invalid Output: it is over ${OUTPUT_BYTES_MAX} bytes`);
  }
  if (isTooDeep(output))
    throw new AwsJsonError('InvalidOutput', `Invalid Output: it nests deeper than ${JSON_DEPTH_MAX}`);
  try {
    return JSON.parse(output) as unknown;
  } catch (thrown) {
    throw new AwsJsonError('InvalidOutput', `Invalid Output: '${(thrown as Error).message}'`);
  }
}

export const ACTIVITY_OPERATIONS: Readonly<Record<string, StatesOperation>> = {
  async CreateActivity({ store, clock }, fields) {
    const name = checkName(fields.text('name'));
    const value: ActivityValue = { name, createdMs: clock.nowMs() };
    const tags = fields.list('tags');
    const created = await store.create([
      { kind: 'activity', key: name, value },
      ...(tags.length > 0 ? [{ kind: 'tags' as const, key: activityArn(name), value: tags }] : []),
    ]);
    const known = created ? value : ((await store.get('activity', name)) as ActivityValue);
    return { activityArn: activityArn(name), creationDate: seconds(known.createdMs) };
  },
  async DescribeActivity(parts, fields) {
    return shown(await findActivity(parts, fields.text('activityArn')));
  },
  async DeleteActivity({ store }, fields) {
    const { name } = requireArn(fields.text('activityArn'), 'activity');
    await store.remove([
      { kind: 'activity', key: name },
      { kind: 'tags', key: activityArn(name) },
    ]);
    return {};
  },
  async ListActivities({ store }, fields) {
    const size = fields.number('maxResults', 0, PAGE_MAX) || PAGE_DEFAULT;
    const after = decodePage<string>(fields.optionalText('nextToken'), 'string') ?? '';
    const { items, nextToken } = page(
      await store.list('activity', '', after, size + 1),
      size,
      ({ key }) => key,
    );
    const activities = items.map(({ value }) => shown(value as ActivityValue));
    return { activities, ...(nextToken !== undefined && { nextToken }) };
  },
  GetActivityTask: getTask,
  async SendTaskSuccess(parts, fields) {
    const output = readOutput(fields);
    const task = await findTask(parts, fields.text('taskToken', 2_048));
    await answer(parts, task, { kind: 'completed', op: task.op, output: { json: output } });
    return {};
  },
  async SendTaskFailure(parts, fields) {
    const task = await findTask(parts, fields.text('taskToken', 2_048));
    const error = {
      code: 'E_TASK_FAILED',
      errorType: fields.optionalText('error', 256) ?? '',
      errorMessage: fields.optionalText('cause', 32_768) ?? '',
      stackTrace: [],
    };
    await answer(parts, task, { kind: 'failed', op: task.op, error });
    return {};
  },
  async SendTaskHeartbeat(parts, fields) {
    const { execution, op } = await findTask(parts, fields.text('taskToken', 2_048));
    await parts.engine.deliver(execution, { kind: 'heartbeat', op });
    return {};
  },
};
