/** `asl`: durable state transitions a second, executions of ten states, 50 at a time and one at a time. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import { chooseLoader, type Loader } from './load.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, rounded } from './report.ts';

/** What the product promises, in transitions a second at 50 executions at a time. */
const BOUND = 5_000;
const STATES = 10;
const AT_ONCE = 50;
const ROLE = 'arn:aws:iam::000000000000:role/any';
const ARN = 'arn:aws:states:us-east-1:000000000000:stateMachine:';

type Kind = 'pass' | 'task';
interface Figures {
  /** Transitions a second, 50 executions at a time. */
  readonly many: number;
  /** Milliseconds of one execution, one at a time. */
  readonly oneMs: number;
}

export async function raceAsl(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const app = join(folder, 'app');
    await mkdir(join(app, 'functions'), { recursive: true });
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(app, 'functions/same.js'), 'export const handler = async (event) => event;\n');
    await writeFile(join(app, 'package.json'), '{"name":"bench","type":"module"}');
    const lambent = await startLambent({ mode: 'start', dataDir: join(folder, 'data'), folders: [app] });
    try {
      await prepare(lambent);
      const loader = chooseLoader();
      const rounds: Record<Kind, Figures[]> = { pass: [], task: [] };
      for (let round = 0; round <= options.rounds; round += 1) {
        for (const kind of ['pass', 'task'] as const) {
          const figures = await measure(lambent, loader, kind, options.seconds);
          // The first round warms up.
          if (round > 0) rounds[kind].push(figures);
        }
      }
      report(options, rounds);
    } finally {
      await lambent.stop();
    }
  });
}

async function prepare(lambent: Lambent): Promise<void> {
  for (const kind of ['pass', 'task'] as const) {
    const states: Record<string, object> = {};
    for (let index = 1; index <= STATES; index += 1) {
      const next = index < STATES ? { Next: `S${index + 1}` } : { End: true };
      const task = { Type: 'Task', Resource: 'arn:aws:lambda:us-east-1:000000000000:function:same' };
      states[`S${index}`] = { ...(kind === 'task' ? task : { Type: 'Pass' }), ...next };
    }
    const definition = JSON.stringify({ StartAt: 'S1', States: states });
    await call(lambent, 'CreateStateMachine', { name: kind, type: 'EXPRESS', roleArn: ROLE, definition });
  }
}

async function call(lambent: Lambent, operation: string, body: object): Promise<{ status?: string }> {
  const response = await fetch(`${lambent.origin}/`, {
    method: 'POST',
    headers: headersOf(lambent, operation),
    body: JSON.stringify(body),
  });
  const json = (await response.json()) as { status?: string };
  if (response.status !== 200) throw new Error(`${operation}: ${JSON.stringify(json)}`);
  return json;
}

function headersOf({ token }: Lambent, operation: string): Record<string, string> {
  return { 'x-amz-target': `AWSStepFunctions.${operation}`, authorization: `Bearer ${token}` };
}

/** Each execution is durable from its start to its end: StartSyncExecution answers when the end is. */
async function measure(lambent: Lambent, loader: Loader, kind: Kind, durationS: number): Promise<Figures> {
  const plan = {
    origin: lambent.origin,
    paths: ['/'],
    post: {
      body: JSON.stringify({ stateMachineArn: `${ARN}${kind}`, input: '{"n":1}' }),
      headers: headersOf(lambent, 'StartSyncExecution'),
      expected: '"status":"SUCCEEDED"',
    },
  };
  const many = await loader.run({ ...plan, connections: AT_ONCE, durationS });
  const one = await loader.run({ ...plan, connections: 1, durationS: 1 });
  if (many.failed + one.failed > 0) throw new Error(`executions of ${kind} failed`);
  return { many: many.requestsPerS * STATES, oneMs: one.p50Ms };
}

function report(options: RaceOptions, rounds: Record<Kind, readonly Figures[]>): void {
  const many = (kind: Kind): number => rounded(median(rounds[kind].map((figures) => figures.many)));
  const oneMs = (kind: Kind): number => rounded(median(rounds[kind].map((figures) => figures.oneMs)));
  console.log(
    formatTable([
      ['ten states each', 'transitions/s, 50 at a time', 'ms, one at a time'],
      ['Pass', String(many('pass')), String(oneMs('pass'))],
      ['Task (a function)', String(many('task')), String(oneMs('task'))],
    ]),
  );
  printResult({
    bench: 'asl',
    rounds: options.rounds,
    lambent: { pass: many('pass'), task: many('task'), passMs: oneMs('pass'), taskMs: oneMs('task') },
    peers: { bound: { pass: BOUND, task: BOUND } },
    ratios: { pass: rounded(many('pass') / BOUND), task: rounded(many('task') / BOUND) },
    unit: 'transitions/s',
  });
}
