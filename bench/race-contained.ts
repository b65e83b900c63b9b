/** `contained`: what full isolation costs a warm function: the driver `namespaces` beside `process`, which contains nothing. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startLambent, withFolder } from './lambent.ts';
import type { Contestant } from './peers.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult } from './report.ts';
import { type Figures, MANY, raceWarm, summarize } from './warm-race.ts';

const DRIVERS = ['namespaces', 'process'] as const;
/** What the product promises: within 3 %. */
const BOUND = 0.97;

export async function raceContained(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const app = join(folder, 'contained-race');
    await mkdir(join(app, 'functions'), { recursive: true });
    await writeFile(join(app, 'lambent.yaml'), 'functions: { hello: {} }\n');
    const text = `export default { fetch: () => new Response('Hello World!') };\n`;
    await writeFile(join(app, 'functions/hello.js'), text);
    const contestants: Contestant[] = [];
    try {
      for (const name of DRIVERS) {
        const dataDir = join(folder, name);
        await mkdir(dataDir);
        const { origin, program } = await startLambent({
          mode: 'start',
          dataDir,
          folders: [app],
          more: ['--isolation', name === 'process' ? 'process' : 'best', '--accept-isolation', 'E'],
        });
        contestants.push({ name, origin, path: '/hello', program });
      }
      report(options, await raceWarm(contestants, options));
    } finally {
      await Promise.all(contestants.map(({ program }) => program.stop()));
    }
  });
}

function report(options: RaceOptions, figures: ReadonlyMap<string, Figures>): void {
  const [contained, bare] = DRIVERS.map((name) => figures.get(name)!);
  const rows = DRIVERS.map((name) => ({ name, ...summarize(figures.get(name)!) }));
  // Of the two measurements of each round, which lie beside each other in time.
  const ratio = median(contained!.many.map((one, at) => one.requestsPerS / bare!.many[at]!.requestsPerS));
  const table = [
    ['a warm hello', 'req/s', `p99 ms (${MANY})`, 'p50 ms (1)', 'p99 ms (1)', 'failed'],
    ...rows.map(({ name, ...row }) => [
      name,
      ...[row.requestsPerS, row.p99Ms, row.singleP50Ms, row.singleP99Ms, row.failed].map(String),
    ]),
    ['namespaces / process, median of the rounds', ratio.toFixed(3), `bound ${BOUND}`],
  ];
  console.log(`\n${formatTable(table)}`);
  printResult({
    bench: 'contained',
    rounds: options.rounds,
    lambent: rows[0]!.requestsPerS,
    peers: { process: rows[1]!.requestsPerS },
    ratios: { process: Number(ratio.toFixed(3)) },
    unit: 'req/s',
  });
}
