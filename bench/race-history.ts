/** `history`: every list and filter of the control API over a long history, as the console asks them. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fillHistory, HISTORY } from './fill-history.ts';
import { startLambent, withFolder } from './lambent.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, printResult, quantile, rounded } from './report.ts';

/** The bound of the product: 95 of 100 answers come within this time, in milliseconds. */
const BOUND_MS = 100;
const REQUESTS = 100;

/** Times of the middle of the history, and of what lies about there. */
function questions(middleMs: number, ids: { invocation: string; execution: string }): string[] {
  const hourMs = 3_600_000;
  return [
    '/invocations?limit=200',
    '/invocations?limit=1000',
    '/invocations?limit=200&status=error',
    '/invocations?limit=200&status=timeout',
    '/invocations?limit=200&status=refused',
    '/invocations?limit=200&app=app-3',
    '/invocations?limit=200&app=app-3&function=f-7',
    '/invocations?limit=200&app=app-3&function=f-7&status=crashed',
    '/invocations?limit=200&minMs=1000',
    '/invocations?limit=200&minMs=100000',
    '/invocations?limit=200&trigger=event',
    '/invocations?limit=200&trigger=websocket',
    '/invocations?limit=200&text=needle',
    '/invocations?limit=200&text=nowhere-to-be-found',
    `/invocations?limit=200&to=${middleMs}`,
    `/invocations?limit=200&from=${middleMs - hourMs}&to=${middleMs}&status=error`,
    `/invocations/${ids.invocation}`,
    '/activity?steps=60',
    '/activity?stepMinutes=1440&steps=14',
    '/usage',
    '/logs?limit=300',
    '/logs?limit=300&app=app-3',
    '/logs?limit=300&app=app-3&function=f-7',
    '/logs?limit=300&severity=error',
    '/logs?limit=300&text=needle',
    `/logs?invocation=${ids.invocation}`,
    '/executions?limit=200',
    '/executions?limit=200&app=app-1',
    '/executions?limit=200&app=app-1&workflow=w-2',
    '/executions?limit=200&status=failed',
    '/executions?limit=200&status=cancelled',
    '/executions?limit=200&app=app-1&status=failed',
    '/executions?limit=200&app=app-1&workflow=w-2&status=cancelled',
    `/executions?limit=200&before=${ids.execution}`,
    `/executions?parent=${ids.execution}`,
    `/executions/${ids.execution}/steps`,
    '/events?limit=200',
    '/events?limit=200&type=order.placed-3',
    '/events?limit=200&type=nothing',
    '/events?limit=200&source=/shop-2',
    '/triggers',
    '/dead-letters?limit=200',
    '/dead-letters?limit=200&trigger=app-1/t-1',
  ];
}

export async function raceHistory(_options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const dataDir = join(folder, 'data');
    await mkdir(dataDir, { recursive: true });
    const beginMs = performance.now();
    const ids = await fillHistory(dataDir);
    console.log(`filled in ${rounded((performance.now() - beginMs) / 1_000)} s: ${JSON.stringify(HISTORY)}`);
    const lambent = await startLambent({ mode: 'start', dataDir, folders: [] });
    try {
      const headers = { authorization: `Bearer ${lambent.token}` };
      const figures: { question: string; p50: number; p95: number }[] = [];
      for (const question of questions(ids.middleMs, ids)) {
        const times: number[] = [];
        for (let at = 0; at < REQUESTS; at += 1) {
          const sentMs = performance.now();
          const answer = await fetch(`${lambent.origin}/_lambent/api/v1${question}`, { headers });
          const text = await answer.text();
          times.push(performance.now() - sentMs);
          if (!answer.ok) throw new Error(`${question} answers ${answer.status}: ${text.slice(0, 300)}`);
        }
        figures.push({ question, p50: quantile(times, 0.5), p95: quantile(times, 0.95) });
      }
      report(figures);
    } finally {
      await lambent.stop();
    }
  });
}

function report(figures: readonly { question: string; p50: number; p95: number }[]): void {
  const rows = figures.map(({ question, p50, p95 }) => [
    question,
    `${rounded(p50)} ms`,
    `${rounded(p95)} ms`,
    p95 <= BOUND_MS ? '' : 'TOO SLOW',
  ]);
  console.log(formatTable([['question', 'p50', 'p95', ''], ...rows]));
  const slowest = figures.reduce((a, b) => (b.p95 > a.p95 ? b : a));
  const isKept = slowest.p95 <= BOUND_MS;
  printResult({
    ...{ race: 'history', ...HISTORY, boundMs: BOUND_MS, isKept },
    ...{ slowest: slowest.question, slowestP95Ms: rounded(slowest.p95) },
  });
  if (!isKept) process.exitCode = 1;
}
