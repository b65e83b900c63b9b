/**
 * `burst`: many requests at once to functions that have no process, and what a warm function beside them feels of it.
 */
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import type { RaceOptions } from './race-options.ts';
import { type TimedAnswer, timeGet } from './timed-request.ts';
import { formatTable, median, printResult, quantile, rounded } from './report.ts';

const FUNCTIONS = 50;
const REQUESTS = 200;
/** What the product promises. */
const BOUNDS = { p99Ms: 1_200, refused: 0, neighbourRatio: 2 } as const;
const ALONE_MS = 1_500;
/** Between bursts: for the processes of the last one to end, and others to be made ready. */
const PAUSE_MS = 1_500;
const WAIT_MS = 30_000;

interface Burst {
  readonly p99Ms: number;
  readonly slowestMs: number;
  readonly refused: number;
  readonly aloneP99Ms: number;
  readonly besideP99Ms: number;
}

export async function raceBurst(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const app = join(folder, 'burst-race');
    const dataDir = join(folder, 'data');
    await mkdir(dataDir, { recursive: true });
    await writeApp(app);
    const lambent = await startLambent({ mode: 'start', dataDir, folders: [app] });
    const bursts: Burst[] = [];
    let neighbour: Worker | undefined;
    try {
      await untilDeployed(lambent);
      // One client for all rounds: that it starts is not to be taken for what a burst does to it.
      neighbour = new Worker(new URL('./neighbour-thread.ts', import.meta.url), {
        workerData: `${lambent.origin}/neighbour`,
      });
      await sleep(ALONE_MS);
      for (let round = 1; round <= options.rounds; round += 1) {
        bursts.push(await runBurst(lambent, neighbour));
        console.log(`round ${round} of ${options.rounds}: ${JSON.stringify(bursts.at(-1))}`);
      }
    } finally {
      await neighbour?.terminate();
      await lambent.stop();
    }
    report(options, bursts);
  });
}

async function writeApp(app: string): Promise<void> {
  await mkdir(join(app, 'functions'), { recursive: true });
  const text = `export default { fetch: () => new Response('Hello World!') };\n`;
  const names = Array.from({ length: FUNCTIONS }, (_, number) => `f${number}`);
  for (const name of [...names, 'neighbour']) await writeFile(join(app, 'functions', `${name}.js`), text);
  // Processes end soon after they have nothing to do, though not while the burst still goes on: every burst finds none.
  const functions = names.map((name) => `  ${name}: { idle: 1s }`);
  await writeFile(join(app, 'lambent.yaml'), `functions:\n${functions.join('\n')}\n  neighbour: {}\n`);
}

/** The platform answers before its apps are there. */
async function untilDeployed(lambent: Lambent): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while ((await timeGet(`${lambent.origin}/neighbour`)).status !== 200) {
    if (performance.now() > endMs) throw new Error('the app is not deployed in time');
    await sleep(50);
  }
}

async function runBurst(lambent: Lambent, neighbour: Worker): Promise<Burst> {
  await sleep(PAUSE_MS);
  const alone = await hear(neighbour, () => sleep(ALONE_MS));
  let answers: TimedAnswer[] = [];
  const beside = await hear(neighbour, async () => {
    const paths = Array.from({ length: REQUESTS }, (_, number) => `/f${number % FUNCTIONS}`);
    answers = await Promise.all(paths.map((path) => timeGet(`${lambent.origin}${path}`)));
  });
  const times = answers.map(({ tookMs }) => tookMs);
  return {
    p99Ms: rounded(quantile(times, 0.99)),
    slowestMs: rounded(Math.max(...times)),
    refused: answers.filter(({ status }) => status !== 200).length,
    aloneP99Ms: rounded(quantile(alone, 0.99)),
    besideP99Ms: rounded(quantile(beside, 0.99)),
  };
}

/** How long each call of the warm neighbour took that began before the end of `task`, and not before it. */
async function hear(neighbour: Worker, task: () => Promise<unknown>): Promise<number[]> {
  await seen(neighbour);
  await task();
  const answers = await seen(neighbour);
  const refused = answers.find(({ status }) => status !== 200);
  if (refused !== undefined) throw new Error(`the neighbour answered ${refused.status}`);
  return answers.map(({ tookMs }) => tookMs);
}

/** All calls of the neighbour since it was last asked. */
async function seen(neighbour: Worker): Promise<TimedAnswer[]> {
  const told = once(neighbour, 'message') as Promise<[TimedAnswer[]]>;
  neighbour.postMessage('tell');
  return (await told)[0];
}

function report(options: RaceOptions, bursts: readonly Burst[]): void {
  const p99Ms = median(bursts.map((burst) => burst.p99Ms));
  const refused = bursts.reduce((sum, burst) => sum + burst.refused, 0);
  const neighbourRatio = median(bursts.map(({ besideP99Ms, aloneP99Ms }) => besideP99Ms / aloneP99Ms));
  const table = [
    [`${REQUESTS} cold requests to ${FUNCTIONS} functions`, 'seen', 'bound'],
    ['p99 of a burst, ms', String(rounded(p99Ms)), String(BOUNDS.p99Ms)],
    ['refused, of all', String(refused), String(BOUNDS.refused)],
    ['warm neighbour p99, beside / alone', String(rounded(neighbourRatio)), String(BOUNDS.neighbourRatio)],
  ];
  console.log(`\n${formatTable(table)}`);
  printResult({
    bench: 'burst',
    rounds: options.rounds,
    lambent: { p99Ms: rounded(p99Ms), refused, neighbourRatio: rounded(neighbourRatio) },
    peers: { bound: BOUNDS },
    ratios: {
      bound: {
        p99Ms: rounded(BOUNDS.p99Ms / p99Ms),
        neighbourRatio: rounded(BOUNDS.neighbourRatio / neighbourRatio),
      },
    },
    unit: 'ms, requests, ratio',
  });
}
