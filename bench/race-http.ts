/** `http`: a warm hello through gateway and function process, against servers that answer by themselves. */
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { startLambent, withFolder } from './lambent.ts';
import { BENCH_ROOT, type Contestant, startPeers } from './peers.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, printResult, rounded } from './report.ts';
import { type Figures, MANY, type Row, raceWarm, summarize } from './warm-race.ts';

const HANDLERS = ['fetch', 'lambda', 'express'] as const;

export async function raceHttp(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const app = join(folder, 'hello-race');
    const dataDir = join(folder, 'data');
    await mkdir(dataDir);
    await cp(join(BENCH_ROOT, 'fixtures/lambent'), app, { recursive: true });
    await symlink(join(BENCH_ROOT, 'node_modules'), join(app, 'node_modules'));
    const contestants: Contestant[] = [];
    try {
      const lambent = await startLambent({ mode: 'start', dataDir, folders: [app] });
      for (const handler of HANDLERS) {
        const { origin, program } = lambent;
        contestants.push({ name: `lambent ${handler}`, origin, path: `/${handler}`, program });
      }
      contestants.push(...(await startPeers()));
      report(options, await raceWarm(contestants, options));
    } finally {
      await Promise.all([...new Set(contestants.map(({ program }) => program))].map((one) => one.stop()));
    }
  });
}

function report(options: RaceOptions, figures: ReadonlyMap<string, Figures>): void {
  const rows = new Map([...figures].map(([name, one]) => [name, summarize(one)]));
  const lambent = rows.get('lambent fetch')!;
  const table = [
    ['', 'req/s', 'lambent fetch is', `p99 ms (${MANY})`, 'p50 ms (1)', 'p99 ms (1)', 'failed'],
    ...[...rows].map(([name, row]) => [
      name,
      String(row.requestsPerS),
      `${(lambent.requestsPerS / row.requestsPerS).toFixed(2)} x`,
      ...[row.p99Ms, row.singleP50Ms, row.singleP99Ms, row.failed].map(String),
    ]),
  ];
  console.log(`\n${formatTable(table)}`);
  const peers = [...rows].filter(([name]) => !name.startsWith('lambent'));
  const pick = <Value>(choose: (row: Row) => Value): Record<string, Value> =>
    Object.fromEntries(peers.map(([name, row]) => [name, choose(row)]));
  printResult({
    bench: 'http',
    rounds: options.rounds,
    lambent: lambent.requestsPerS,
    peers: pick((row) => row.requestsPerS),
    ratios: pick((row) => rounded(lambent.requestsPerS / row.requestsPerS)),
    unit: 'req/s',
    handlers: Object.fromEntries(HANDLERS.map((name) => [name, rows.get(`lambent ${name}`)])),
    single: {
      unit: 'ms',
      lambent: lambent.singleP50Ms,
      peers: pick((row) => row.singleP50Ms),
      aboveNode: rounded(lambent.singleP50Ms - rows.get('node:http')!.singleP50Ms),
    },
  });
}
