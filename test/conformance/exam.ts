/** The recorded vectors through the Step Functions API of a real platform, by AWS' own client. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  type ExecutionStatus,
  GetExecutionHistoryCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
  ValidateStateMachineDefinitionCommand,
} from '@aws-sdk/client-sfn';
import { delay, systemClock } from '../../src/base/clock.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from '../platform-harness.ts';
import {
  type DefinitionVector,
  difference,
  type ExecutionVector,
  groupOf,
  type Outcome,
  rebuildObject,
} from './vectors.ts';

export interface ExamResult {
  readonly groups: ReadonlyMap<string, { passed: number; failed: number }>;
  readonly failures: readonly string[];
}

/** The functions that the definitions name: in the recordings each gave back what it got. */
function appOf(executions: readonly ExecutionVector[]): AppFiles {
  const files: Record<string, string> = { 'package.json': '{"name":"recordings","type":"module"}' };
  for (const { definition } of executions) {
    for (const [, name] of JSON.stringify(definition).matchAll(/(?::function:|"FunctionName":")([\w-]+)/g)) {
      files[`functions/${name}.js`] = 'export const handler = async (event) => event;';
    }
  }
  return files;
}

const AT_ONCE = 20;
const POLL_MS = 20;
const EXECUTION_MS_MAX = 60_000;
const ROLE = 'arn:aws:iam::000000000000:role/any';

export async function runExam(
  executions: readonly ExecutionVector[],
  definitions: readonly DefinitionVector[],
): Promise<ExamResult> {
  const groups = new Map<string, { passed: number; failed: number }>();
  const failures: string[] = [];
  const judge = (group: string, id: string, problem: string | undefined): void => {
    const counts = groups.get(group) ?? { passed: 0, failed: 0 };
    groups.set(group, counts);
    if (problem === undefined) counts.passed += 1;
    else {
      counts.failed += 1;
      failures.push(`${id}: ${problem}`);
    }
  };
  const platform = await startTestPlatform({ recordings: appOf(executions) });
  const client = clientOf(platform.url);
  try {
    for (const { id, definition, expected } of definitions) {
      const { result } = await client.send(new ValidateStateMachineDefinitionCommand({ definition }));
      const found = result === 'OK' ? 'valid' : 'invalid';
      judge('definitions', id, found === expected ? undefined : `is ${found}, should be ${expected}`);
    }
    const readers = executions.filter(({ definition }) =>
      JSON.stringify(definition).includes('"ItemReader"'),
    );
    const others = executions.filter((vector) => !readers.includes(vector));
    const run = async (vector: ExecutionVector): Promise<void> => {
      const problem = await runVector(client, vector).then((outcome) => difference(vector, outcome), String);
      judge(groupOf(vector), vector.id, problem);
    };
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let vector = others.shift(); vector !== undefined; vector = others.shift()) await run(vector);
      }),
    );
    // These read the same object, each another content.
    for (const vector of readers) {
      await putObject(platform, vector);
      await run(vector);
    }
  } finally {
    client.destroy();
    await platform.close();
  }
  return { groups, failures };
}

export function clientOf(endpoint: string): SFNClient {
  return new SFNClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
  });
}

let count = 0;

async function runVector(client: SFNClient, vector: ExecutionVector): Promise<Outcome> {
  count += 1;
  const { stateMachineArn } = await client.send(
    new CreateStateMachineCommand({
      name: `vector-${count}`,
      definition: JSON.stringify(vector.definition),
      roleArn: ROLE,
    }),
  );
  const { executionArn } = await client.send(
    new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(vector.input) }),
  );
  if (vector.expected.type === 'ExecutionAborted') {
    await untilHistory(client, executionArn!, vector.events.length - 1);
    await client.send(new StopExecutionCommand({ executionArn }));
  }
  const { output, error, cause } = await untilEnded(client, executionArn!);
  return {
    types: await historyTypes(client, executionArn!),
    output: output === undefined ? undefined : JSON.parse(output),
    error,
    cause,
  };
}

async function untilEnded(
  client: SFNClient,
  executionArn: string,
): Promise<{ output?: string; error?: string; cause?: string }> {
  const untilMs = systemClock.nowMs() + EXECUTION_MS_MAX;
  const running: ExecutionStatus = 'RUNNING';
  for (;;) {
    const { status, output, error, cause } = await client.send(
      new DescribeExecutionCommand({ executionArn }),
    );
    if (status !== running)
      return { ...(output && { output }), ...(error && { error }), ...(cause && { cause }) };
    if (systemClock.nowMs() > untilMs) throw new Error(`still running after ${EXECUTION_MS_MAX} ms`);
    await delay(systemClock, POLL_MS);
  }
}

async function untilHistory(client: SFNClient, executionArn: string, length: number): Promise<void> {
  const untilMs = systemClock.nowMs() + EXECUTION_MS_MAX;
  while ((await historyTypes(client, executionArn)).length < length) {
    if (systemClock.nowMs() > untilMs) throw new Error(`no ${length} events after ${EXECUTION_MS_MAX} ms`);
    await delay(systemClock, POLL_MS);
  }
}

async function historyTypes(client: SFNClient, executionArn: string): Promise<string[]> {
  const types: string[] = [];
  let nextToken: string | undefined;
  do {
    const page = await client.send(
      new GetExecutionHistoryCommand({
        executionArn,
        maxResults: 50,
        ...(nextToken !== undefined && { nextToken }),
      }),
    );
    types.push(...(page.events ?? []).map(({ type }) => String(type)));
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  return types;
}

async function putObject({ folder }: TestPlatform, vector: ExecutionVector): Promise<void> {
  const { Bucket: bucket, Key: key } = vector.input as { Bucket: string; Key: string };
  const place = join(folder, 'data', 'objects', bucket);
  await mkdir(place, { recursive: true });
  await writeFile(join(place, key), rebuildObject(vector, readerOf(vector.definition) ?? {}));
}

/** The first ReaderConfig in a definition. */
function readerOf(value: unknown): { InputType?: unknown; MaxItems?: unknown } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('ReaderConfig' in value) return value.ReaderConfig as { InputType?: unknown };
  for (const inner of Object.values(value)) {
    const found = readerOf(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}
