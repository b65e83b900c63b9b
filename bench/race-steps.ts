/** `steps`: durable steps a second of workflows with ten recorded steps, 50 at a time and one at a time. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import { chooseLoader, type Loader } from './load.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, rounded } from './report.ts';
import { startDbos, startRestate } from './step-peers.ts';

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
}

interface Contestant {
  readonly name: string;
  /** A POST there runs a workflow, durable from its start to its end: the answer comes when the end is. */
  readonly url: string;
}

export async function raceSteps(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const loader = chooseLoader();
    const stops: (() => Promise<void>)[] = [];
    try {
      const lambent = await startOwn(folder);
      stops.push(() => lambent.stop());
      const contestants: Contestant[] = [{ name: 'Lambent', url: `${lambent.origin}/ten` }];
      for (const start of [startRestate, startDbos]) {
        const { name, url, stop } = await start(folder);
        stops.push(stop);
        contestants.push({ name, url });
      }
      const rounds = contestants.map((): Figures[] => []);
      const fsyncs: number[] = [];
      for (let round = 0; round <= options.rounds; round += 1)
        for (const [place, contestant] of contestants.entries()) {
          const figures = await measure(contestant, loader, options.seconds);
          // The first round warms up.
          if (round > 0) rounds[place]!.push(figures);
          fsyncs.push(measureFsync(join(folder, 'fsync')));
        }
      report(options, contestants, rounds, rounded(median(fsyncs)));
      console.log(`Load by ${loader.name}.`);
    } finally {
      await Promise.all(stops.map((stop) => stop()));
    }
  });
}

async function startOwn(folder: string): Promise<Lambent> {
  const app = join(folder, 'app');
  await mkdir(join(app, 'workflows'), { recursive: true });
  await mkdir(join(folder, 'data'), { recursive: true });
  await writeFile(join(app, 'lambent.yaml'), 'app: bench\nworkflows: { ten: { routes: ["POST /ten"] } }\n');
  await writeFile(join(app, 'workflows/ten.js'), WORKFLOW);
  return startLambent({ mode: 'start', dataDir: join(folder, 'data'), folders: [app] });
}

async function measure({ name, url }: Contestant, loader: Loader, durationS: number): Promise<Figures> {
  const { origin, pathname } = new URL(url);
  const plan = { origin, paths: [pathname], post: { body: '{"n":1}', expected: '55' } };
  const many = await loader.run({ ...plan, connections: AT_ONCE, durationS });
  const one = await loader.run({ ...plan, connections: 1, durationS: 1 });
  if (many.failed + one.failed > 0) throw new Error(`workflows of ${name} failed`);
  return { many: many.requestsPerS * STEPS, oneMs: one.p50Ms };
}

/** Milliseconds that the disk takes to keep 4 KiB: no step that is kept by itself can be faster. */
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

function report(
  options: RaceOptions,
  contestants: readonly Contestant[],
  rounds: readonly (readonly Figures[])[],
  fsyncMs: number,
): void {
  const figures = rounds.map((own) => ({
    many: rounded(median(own.map(({ many }) => many))),
    oneMs: rounded(median(own.map(({ oneMs }) => oneMs))),
  }));
  console.log(
    formatTable([
      ['ten steps each', 'steps/s, 50 at a time', 'ms, one at a time'],
      ...contestants.map(({ name }, place) => [
        name,
        String(figures[place]!.many),
        String(figures[place]!.oneMs),
      ]),
      ['(eleven fsyncs)', '', String(rounded(fsyncMs * (STEPS + 1)))],
    ]),
  );
  const [own, ...peers] = figures;
  const names = contestants.slice(1).map(({ name }) => name);
  printResult({
    bench: 'steps',
    rounds: options.rounds,
    lambent: own,
    peers: { ...Object.fromEntries(names.map((name, place) => [name, peers[place]])), fsyncMs },
    ratios: Object.fromEntries(
      names.map((name, place) => [
        name,
        {
          many: rounded(own!.many / peers[place]!.many),
          oneMs: rounded(peers[place]!.oneMs / own!.oneMs),
        },
      ]),
    ),
    unit: 'steps/s',
  });
}
