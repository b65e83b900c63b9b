/** `http`: a warm hello through gateway and function process, against servers that answer by themselves. */
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { startLambent, withFolder } from './lambent.ts';
import { chooseLoader, type Loader, type LoadResult } from './load.ts';
import { BENCH_ROOT, type Contestant, startPeers } from './peers.ts';
import { fetchText } from './program.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, rounded } from './report.ts';

const HANDLERS = ['fetch', 'lambda', 'express'] as const;
const MANY = 32;
const WARM_UP_S = 2;

interface Figures {
  readonly many: LoadResult[];
  readonly single: LoadResult[];
}

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
      report(options, await race(contestants, chooseLoader(), options));
    } finally {
      await Promise.all([...new Set(contestants.map(({ program }) => program))].map((one) => one.stop()));
    }
  });
}

async function race(
  contestants: readonly Contestant[],
  loader: Loader,
  options: RaceOptions,
): Promise<Map<string, Figures>> {
  console.log(`load by ${loader.name}; ${options.rounds} rounds of ${options.seconds} s, interleaved`);
  const figures = new Map<string, Figures>();
  for (const { name, origin, path } of contestants) {
    const hello = await fetchText(`${origin}${path}`);
    if (hello?.text !== 'Hello World!') throw new Error(`${name} answers ${JSON.stringify(hello)}`);
    await loader.run({ origin, paths: [path], connections: MANY, durationS: WARM_UP_S });
    figures.set(name, { many: [], single: [] });
  }
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const { name, origin, path } of contestants) {
      const plan = { origin, paths: [path], durationS: options.seconds };
      const many = await loader.run({ ...plan, connections: MANY });
      const single = await loader.run({ ...plan, connections: 1 });
      if (many.failed + single.failed > 0) console.log(`${name}: ${many.failed + single.failed} failed`);
      figures.get(name)!.many.push(many);
      figures.get(name)!.single.push(single);
    }
    console.log(`round ${round} of ${options.rounds} done`);
  }
  return figures;
}

interface Row {
  readonly requestsPerS: number;
  readonly p99Ms: number;
  readonly singleP50Ms: number;
  readonly singleP99Ms: number;
  readonly failed: number;
}

function summarize({ many, single }: Figures): Row {
  return {
    requestsPerS: rounded(median(many.map((one) => one.requestsPerS))),
    p99Ms: rounded(median(many.map((one) => one.p99Ms))),
    singleP50Ms: rounded(median(single.map((one) => one.p50Ms))),
    singleP99Ms: rounded(median(single.map((one) => one.p99Ms))),
    failed: [...many, ...single].reduce((sum, one) => sum + one.failed, 0),
  };
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
