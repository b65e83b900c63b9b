/** How a warm hello is measured: interleaved rounds, many connections for throughput and one for latency. */
import { chooseLoader, type LoadResult } from './load.ts';
import type { Contestant } from './peers.ts';
import { fetchText } from './program.ts';
import type { RaceOptions } from './race-options.ts';
import { median, rounded } from './report.ts';

/** Connections at once. */
export const MANY = 32;
const WARM_UP_S = 2;

export interface Figures {
  readonly many: LoadResult[];
  readonly single: LoadResult[];
}

/** The figures of each contestant by its name; every one must answer `Hello World!`. */
export async function raceWarm(
  contestants: readonly Contestant[],
  options: RaceOptions,
): Promise<Map<string, Figures>> {
  const loader = chooseLoader();
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

export interface Row {
  readonly requestsPerS: number;
  readonly p99Ms: number;
  readonly singleP50Ms: number;
  readonly singleP99Ms: number;
  readonly failed: number;
}

/** The medians of the rounds. */
export function summarize({ many, single }: Figures): Row {
  return {
    requestsPerS: rounded(median(many.map((one) => one.requestsPerS))),
    p99Ms: rounded(median(many.map((one) => one.p99Ms))),
    singleP50Ms: rounded(median(single.map((one) => one.p50Ms))),
    singleP99Ms: rounded(median(single.map((one) => one.p99Ms))),
    failed: [...many, ...single].reduce((sum, one) => sum + one.failed, 0),
  };
}
