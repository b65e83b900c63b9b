/** `steps`: durable steps a second of workflows with ten recorded steps, 50 at a time and one at a time. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, rounded } from './report.ts';

const STEPS = 10;
const AT_ONCE = 50;

const WORKFLOW = `
import { workflow } from 'lambent';
export default workflow(async (ctx, input) => {
  let sum = 0;
  for (let step = 0; step < ${STEPS}; step += 1) sum += await ctx.step('add', () => step + input.n);
  return sum;
});`;

interface Figures {
  readonly many: number;
  readonly oneMs: number;
  /** Milliseconds that the disk takes to keep 4 KiB: what no step can be faster than. */
  readonly fsyncMs: number;
}

export async function raceSteps(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const app = join(folder, 'app');
    await mkdir(join(app, 'workflows'), { recursive: true });
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(app, 'lambent.yaml'), 'app: bench\nworkflows: { ten: { routes: ["POST /ten"] } }\n');
    await writeFile(join(app, 'workflows/ten.js'), WORKFLOW);
    const lambent = await startLambent({ mode: 'dev', dataDir: join(folder, 'data'), folders: [app] });
    try {
      const rounds: Figures[] = [];
      for (let round = 0; round <= options.rounds; round += 1) {
        const figures = await measure(lambent, options.seconds * 1_000, folder);
        // The first round warms up.
        if (round > 0) rounds.push(figures);
      }
      report(options, rounds);
    } finally {
      await lambent.stop();
    }
  });
}

/** Durable from its start to its end: the answer comes when the end is. */
async function runOne(lambent: Lambent): Promise<void> {
  const response = await fetch(
    `${lambent.origin}/_lambent/api/v1/apps/bench/workflows/ten/executions?wait=60`,
    {
      method: 'POST',
      body: '{"n":1}',
    },
  );
  const { output } = (await response.json()) as { output?: number };
  if (output !== 55) throw new Error(`a workflow ended with ${output}`);
}

async function measure(lambent: Lambent, forMs: number, folder: string): Promise<Figures> {
  let done = 0;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (performance.now() - startMs < forMs) {
        await runOne(lambent);
        done += 1;
      }
    }),
  );
  const many = (done * STEPS * 1_000) / (performance.now() - startMs);
  const times: number[] = [];
  for (let turn = 0; turn < 40; turn += 1) {
    const beginMs = performance.now();
    await runOne(lambent);
    times.push(performance.now() - beginMs);
  }
  return { many, oneMs: median(times), fsyncMs: measureFsync(join(folder, 'fsync')) };
}

function measureFsync(path: string): number {
  const file = openSync(path, 'a');
  const bytes = randomBytes(4_096);
  const times: number[] = [];
  for (let turn = 0; turn < 40; turn += 1) {
    const beginMs = performance.now();
    writeSync(file, bytes);
    fsyncSync(file);
    times.push(performance.now() - beginMs);
  }
  closeSync(file);
  return median(times);
}

function report(options: RaceOptions, rounds: readonly Figures[]): void {
  const of = (pick: (figures: Figures) => number): number => rounded(median(rounds.map(pick)));
  const many = of((figures) => figures.many);
  const oneMs = of((figures) => figures.oneMs);
  const fsyncMs = of((figures) => figures.fsyncMs);
  console.log(
    formatTable([
      ['ten steps each', 'steps/s, 50 at a time', 'ms, one at a time', 'ms, one fsync'],
      ['Lambent', String(many), String(oneMs), String(fsyncMs)],
    ]),
  );
  printResult({
    bench: 'steps',
    rounds: options.rounds,
    lambent: { many, oneMs },
    peers: { fsync: { oneMs: rounded(fsyncMs * (STEPS + 1)) } },
    ratios: { fsync: rounded((fsyncMs * (STEPS + 1)) / oneMs) },
    unit: 'steps/s',
  });
}
