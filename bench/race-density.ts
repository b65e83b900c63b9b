/** `density`: what ten thousand deployed functions cost a platform, beside ten. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import { chooseLoader } from './load.ts';
import { readMemoryKb } from './process-memory.ts';
import { fetchText } from './program.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, rounded } from './report.ts';

const FEW = 10;
const MANY = 10_000;
/** Functions of one app. */
const APP_SIZE = 100;
/** How many functions are called: the same number at both sizes, so that as many processes run. */
const CALLED = 10;
const CONNECTIONS = 32;
/** Bounds of the product. */
const BOUNDS = { routingRatio: 0.95, bytesPerFunction: 4096, startMs: 2000 } as const;

interface Platform {
  readonly functions: number;
  readonly dataDir: string;
  readonly paths: readonly string[];
}

interface Idle {
  readonly startMs: number[];
  readonly memoryKb: number[];
}

export async function raceDensity(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const few = await fillPlatform(join(folder, 'few'), FEW);
    const many = await fillPlatform(join(folder, 'many'), MANY);
    const idle = { few: await timeStarts(few, options.rounds), many: await timeStarts(many, options.rounds) };
    const rates = await raceRouting(few, many, options);
    report(options, idle, rates);
  });
}

/** Writes apps with that many one-file functions, and deploys them with the command line. */
async function fillPlatform(folder: string, functions: number): Promise<Platform> {
  const dataDir = join(folder, 'data');
  await mkdir(dataDir, { recursive: true });
  const lambent = await startLambent({ mode: 'start', dataDir, folders: [] });
  const beginMs = performance.now();
  try {
    for (let first = 0; first < functions; first += APP_SIZE) {
      const app = join(folder, `app-${first / APP_SIZE}`);
      await writeApp(app, first, Math.min(APP_SIZE, functions - first));
      await lambent.deploy(app);
    }
  } finally {
    await lambent.stop();
  }
  console.log(`deployed ${functions} functions in ${rounded((performance.now() - beginMs) / 1000)} s`);
  const step = functions / CALLED;
  const paths = Array.from({ length: CALLED }, (_, index) => `/f${Math.floor(index * step)}`);
  return { functions, dataDir, paths };
}

async function writeApp(app: string, first: number, count: number): Promise<void> {
  await mkdir(join(app, 'functions'), { recursive: true });
  for (let number = first; number < first + count; number += 1) {
    const text = `export default { fetch: () => new Response('f${number}') };\n`;
    await writeFile(join(app, 'functions', `f${number}.js`), text);
  }
}

/** Starts the filled platform several times, idle, and looks at time and memory. */
async function timeStarts({ dataDir }: Platform, rounds: number): Promise<Idle> {
  const idle: Idle = { startMs: [], memoryKb: [] };
  for (let round = 0; round < rounds; round += 1) {
    const lambent = await startLambent({ mode: 'start', dataDir, folders: [] });
    idle.startMs.push(lambent.startMs);
    idle.memoryKb.push(readMemoryKb(lambent.program.pid));
    await lambent.stop();
  }
  return idle;
}

async function raceRouting(
  few: Platform,
  many: Platform,
  options: RaceOptions,
): Promise<{ few: number[]; many: number[] }> {
  const loader = chooseLoader();
  const started: { platform: Platform; lambent: Lambent; rates: number[] }[] = [];
  try {
    for (const platform of [few, many]) {
      const lambent = await startLambent({ mode: 'start', dataDir: platform.dataDir, folders: [] });
      started.push({ platform, lambent, rates: [] });
      for (const path of platform.paths) {
        const answer = await fetchText(`${lambent.origin}${path}`);
        if (answer?.ok !== true) throw new Error(`${path} answers ${JSON.stringify(answer)}`);
      }
      await loader.run({ ...plan(lambent, platform), durationS: 2 });
    }
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const { platform, lambent, rates } of started) {
        const result = await loader.run({ ...plan(lambent, platform), durationS: options.seconds });
        if (result.failed > 0) throw new Error(`${result.failed} requests failed`);
        rates.push(result.requestsPerS);
      }
      console.log(`round ${round} of ${options.rounds} done`);
    }
  } finally {
    await Promise.all(started.map(({ lambent }) => lambent.stop()));
  }
  return { few: started[0]!.rates, many: started[1]!.rates };
}

const plan = (lambent: Lambent, platform: Platform) => ({
  origin: lambent.origin,
  paths: platform.paths,
  connections: CONNECTIONS,
});

function report(
  options: RaceOptions,
  idle: { few: Idle; many: Idle },
  rates: { few: number[]; many: number[] },
): void {
  const kb = { few: median(idle.few.memoryKb), many: median(idle.many.memoryKb) };
  const startMs = { few: median(idle.few.startMs), many: median(idle.many.startMs) };
  const rate = { few: median(rates.few), many: median(rates.many) };
  const bytes = ((kb.many - kb.few) * 1024) / (MANY - FEW);
  const table = [
    ['', `${FEW} functions`, `${MANY} functions`, '', 'bound'],
    row('routing, req/s', rate, `${(rate.many / rate.few).toFixed(3)} x`, `${BOUNDS.routingRatio} x`),
    row(
      'memory, MB',
      { few: kb.few / 1024, many: kb.many / 1024 },
      `${rounded(bytes)} B each`,
      '4096 B each',
    ),
    row('start-up, ms', startMs, '', `${BOUNDS.startMs}`),
  ];
  console.log(`\n${formatTable(table)}`);
  const routing = rounded(rate.many / rate.few);
  printResult({
    bench: 'density',
    rounds: options.rounds,
    lambent: { routingRatio: routing, bytesPerFunction: rounded(bytes), startMs: rounded(startMs.many) },
    peers: { bound: BOUNDS },
    ratios: {
      bound: {
        routingRatio: rounded(routing / BOUNDS.routingRatio),
        bytesPerFunction: rounded(BOUNDS.bytesPerFunction / bytes),
        startMs: rounded(BOUNDS.startMs / startMs.many),
      },
    },
    unit: 'ratio, bytes, ms',
  });
}

function row(name: string, value: { few: number; many: number }, note: string, bound: string): string[] {
  return [name, String(rounded(value.few)), String(rounded(value.many)), note, bound];
}
