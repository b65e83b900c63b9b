/**
 * `events`: durable accepted -> delivered to a warm function, a second, beside graphile-worker's jobs done a second on
 * PostgreSQL; the time from 202 to the function's start when little happens; and what 1,000,000 waiting events change.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type FunctionStarts, openFunctionStarts } from './function-starts.ts';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import { BENCH_ROOT } from './peers.ts';
import { startPostgres } from './postgres.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, rounded } from './report.ts';

const EVENTS = 20_000;
const JOBS = 10_000;
const BATCH = 500;
const CONNECTIONS = 4;
const WAITING = 1_000_000;
const SINGLES = 200;
/** Until code is compiled and memory is what it is under load. */
const WARM_ROUNDS = 3;
/** Memory is steady when a round more takes less than this of it, and in the end it has to be. */
const STEADY = 1.01;
const STEADY_ROUNDS_MAX = 12;

/** Events or jobs a second, by round. */
type Rates = Record<'single' | 'batch' | 'plain' | 'tuned', number[]>;

export async function raceEvents(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const database = await startPostgres(join(folder, 'postgres'));
    const starts = await openFunctionStarts();
    const lambent = await startApp(join(folder, 'one'), starts);
    const crowded = await startApp(join(folder, 'crowded'), starts);
    try {
      const rates: Rates = { single: [], batch: [], plain: [], tuned: [] };
      for (let round = 0; round < WARM_ROUNDS; round += 1) {
        await measure(lambent, 'single', EVENTS);
        await measure(lambent, 'batch', EVENTS);
      }
      for (let round = 0; round < options.rounds; round += 1) {
        rates.single.push(await measure(lambent, 'single', EVENTS));
        rates.plain.push(await doJobs(database.url, 'plain'));
        rates.batch.push(await measure(lambent, 'batch', EVENTS));
        rates.tuned.push(await doJobs(database.url, 'tuned'));
      }
      const latencies = await measureLatency(lambent, starts.next);
      const waiting = await measureWaiting(lambent, crowded, options.rounds);
      report(options, rates, latencies, waiting);
    } finally {
      await lambent.stop();
      await crowded.stop();
      starts.close();
      database.stop();
    }
  });
}

async function startApp(folder: string, starts: FunctionStarts): Promise<Lambent> {
  const app = join(folder, 'app');
  await mkdir(join(app, 'functions'), { recursive: true });
  await mkdir(join(folder, 'data'), { recursive: true });
  const quick = 'export default async () => null;\n';
  await writeFile(join(app, 'functions/single.js'), quick);
  await writeFile(join(app, 'functions/batch.js'), quick);
  await writeFile(join(app, 'functions/idle.js'), quick);
  await writeFile(join(app, 'functions/start.js'), starts.handler);
  await writeFile(
    join(app, 'lambent.yaml'),
    `app: bench
functions:
  single: { concurrency: 500, on: [{ events: { type: [single] }, concurrency: 500 }] }
  batch: { concurrency: 100, on: [{ events: { type: [batch] }, batch: 100 }] }
  start: { concurrency: 100, minInstances: 1, on: [{ events: { type: [start] } }] }
  idle: { on: [{ name: idle, events: { type: [idle] } }] }
`,
  );
  const env = { LAMBENT_ISOLATION: 'process', LAMBENT_ACCEPT_ISOLATION: 'E' };
  Object.assign(process.env, env);
  return startLambent({ mode: 'start', dataDir: join(folder, 'data'), folders: [app] });
}

let sent = 0;

async function publish(lambent: Lambent, type: string, count: number): Promise<void> {
  const body = JSON.stringify(
    Array.from({ length: count }, () => {
      sent += 1;
      return { specversion: '1.0', id: `e${sent}`, source: '/bench', type, data: { n: sent } };
    }),
  );
  const answer = await fetch(`${lambent.origin}/_lambent/events`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${lambent.token}`,
      'content-type': 'application/cloudevents-batch+json',
    },
    body,
  });
  const text = await answer.text();
  if (answer.status !== 202) throw new Error(`the events were not taken: ${answer.status} ${text}`);
}

async function publishMany(lambent: Lambent, type: string, count: number): Promise<void> {
  let left = count;
  const send = async (): Promise<void> => {
    while (left > 0) {
      const size = Math.min(BATCH, left);
      left -= size;
      await publish(lambent, type, size);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, send));
}

async function api<Answer>(lambent: Lambent, method: string, path: string): Promise<Answer> {
  const answer = await fetch(`${lambent.origin}/_lambent/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${lambent.token}` },
  });
  return (await answer.json()) as Answer;
}

/** Events a second, from the first request until the last is delivered and that is durable. */
async function measure(lambent: Lambent, type: string, count: number): Promise<number> {
  const startMs = performance.now();
  await publishMany(lambent, type, count);
  for (;;) {
    const { items } = await api<{ items: { id: string; owed: number }[] }>(lambent, 'GET', '/triggers');
    if (items.find(({ id }) => id === `bench/${type}-events`)?.owed === 0) break;
    await sleep(5);
  }
  return count / ((performance.now() - startMs) / 1_000);
}

/** From the answer to a sender until the function starts, in ms; below zero where it was faster than the answer. */
async function measureLatency(lambent: Lambent, next: () => Promise<number>): Promise<number[]> {
  const latencies: number[] = [];
  for (let at = 0; at < SINGLES; at += 1) {
    const started = next();
    await publish(lambent, 'start', 1);
    const answeredMs = performance.timeOrigin + performance.now();
    latencies.push((await started) - answeredMs);
    await sleep(5);
  }
  return latencies;
}

function residentMb(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1_024;
}

interface Waiting {
  readonly share: number;
  readonly beforeMb: number;
  readonly afterMb: number;
}

/** New events on a platform where many wait, beside one where none does; and what those that wait take of memory. */
async function measureWaiting(empty: Lambent, crowded: Lambent, rounds: number): Promise<Waiting> {
  const { pid } = crowded.program;
  // As warm as the other one, and with the memory that events take whether they wait or not.
  let beforeMb = 0;
  for (let round = 0; round < STEADY_ROUNDS_MAX; round += 1) {
    await measure(crowded, 'single', EVENTS);
    const formerMb = beforeMb;
    beforeMb = residentMb(pid);
    if (round >= WARM_ROUNDS && beforeMb < formerMb * STEADY) break;
  }
  await api(crowded, 'POST', '/apps/bench/triggers/idle/pause');
  await publishMany(crowded, 'idle', WAITING);
  const afterMb = residentMb(pid);
  const rates: Record<'empty' | 'crowded', number[]> = { empty: [], crowded: [] };
  for (let round = 0; round < rounds; round += 1) {
    rates.empty.push(await measure(empty, 'single', EVENTS));
    rates.crowded.push(await measure(crowded, 'single', EVENTS));
  }
  return { share: median(rates.crowded) / median(rates.empty), beforeMb, afterMb };
}

async function doJobs(url: string, tuning: 'plain' | 'tuned'): Promise<number> {
  const script = join(BENCH_ROOT, 'fixtures/graphile-worker/worker.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [script, url, String(JOBS), tuning], {
    timeout: 120_000,
  });
  const line = stdout.split('\n').find((each) => each.startsWith('{"donePerS"'));
  return (JSON.parse(line!) as { donePerS: number }).donePerS;
}

function report(options: RaceOptions, rates: Rates, latencies: readonly number[], waiting: Waiting): void {
  const single = rounded(median(rates.single));
  const batch = rounded(median(rates.batch));
  const plain = rounded(median(rates.plain));
  const tuned = rounded(median(rates.tuned));
  const p50 = rounded(median(latencies));
  console.log(
    `\n${formatTable([
      ['', 'a second'],
      ['Lambent, an event a call', String(single)],
      ['Lambent, 100 events a call', String(batch)],
      ['graphile-worker, jobs done', String(plain)],
      ['graphile-worker, tuned for batches', String(tuned)],
    ])}`,
  );
  console.log(`\n202 -> function start, p50: ${p50} ms`);
  console.log(
    `${WAITING} waiting: new events at ${rounded(waiting.share)} of the speed where none waits; memory ${Math.round(waiting.beforeMb)} -> ${Math.round(waiting.afterMb)} MB`,
  );
  printResult({
    bench: 'events',
    rounds: options.rounds,
    lambent: { single, batch, startMs: p50, waitingShare: rounded(waiting.share) },
    peers: { 'graphile-worker': plain, 'graphile-worker tuned': tuned },
    ratios: {
      'graphile-worker': { single: rounded(single / plain), batch: rounded(batch / plain) },
      'graphile-worker tuned': { single: rounded(single / tuned), batch: rounded(batch / tuned) },
    },
    unit: 'events/s',
  });
}
