/** `langs`: a warm hello in other languages than JavaScript, each against a bare server of its own language. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startLambent, withFolder } from './lambent.ts';
import { chooseLoader, type Loader, type LoadResult } from './load.ts';
import { BENCH_ROOT, type Contestant } from './peers.ts';
import { fetchText, findFreePort, startProgram } from './program.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, rounded } from './report.ts';

const MANY = 32;
const WARM_UP_S = 2;
const FIXTURES = join(BENCH_ROOT, 'fixtures/langs');
const PACKAGES = join(BENCH_ROOT, 'node_modules/.python');

/** What races what: the rows of Lambent, and the bare servers that they are divided by. */
const LAMBENT_ROWS = [
  { name: 'lambent python asgi', path: '/asgi' },
  { name: 'lambent python handler', path: '/handler' },
] as const;
const PEER_ROWS = [
  { name: 'uvicorn (uvloop, httptools)', flags: ['--loop', 'uvloop', '--http', 'httptools'] },
  { name: 'uvicorn (asyncio, h11)', flags: ['--loop', 'asyncio', '--http', 'h11'] },
] as const;

interface Figures {
  readonly many: LoadResult[];
  readonly single: LoadResult[];
}

interface Row {
  readonly requestsPerS: number;
  readonly singleP50Ms: number;
  readonly failed: number;
}

export async function raceLangs(options: RaceOptions): Promise<void> {
  installPythonPeers();
  await withFolder(async (folder) => {
    const app = join(folder, 'langs');
    const dataDir = join(folder, 'data');
    await mkdir(dataDir);
    await cp(FIXTURES, app, { recursive: true });
    const contestants: Contestant[] = [];
    try {
      const { origin, program } = await startLambent({ mode: 'start', dataDir, folders: [app] });
      for (const { name, path } of LAMBENT_ROWS) contestants.push({ name, origin, path, program });
      for (const { name, flags } of PEER_ROWS) contestants.push(await startUvicorn(name, flags));
      report(options, await race(contestants, chooseLoader(), options));
    } finally {
      await Promise.all([...new Set(contestants.map(({ program }) => program))].map((one) => one.stop()));
    }
  });
}

/** Installs what bench/requirements.txt names, once for each state of that file. */
function installPythonPeers(): void {
  const list = join(BENCH_ROOT, 'requirements.txt');
  const digest = createHash('sha256').update(readFileSync(list)).digest('hex');
  const mark = join(PACKAGES, '.installed-from');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === digest) return;
  console.log('installing the peers (bench/requirements.txt) …');
  const args = [
    '-m',
    'pip',
    'install',
    '-q',
    '--upgrade',
    '--only-binary',
    ':all:',
    '--target',
    PACKAGES,
    '-r',
    list,
  ];
  const { status } = spawnSync('python3', args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 300_000,
  });
  if (status !== 0) throw new Error('the peers could not be installed; pip says why above');
  writeFileSync(mark, digest);
}

async function startUvicorn(name: string, flags: readonly string[]): Promise<Contestant> {
  const port = await findFreePort();
  const origin = `http://127.0.0.1:${port}`;
  const quiet = ['--no-access-log', '--log-level', 'error', '--lifespan', 'off'];
  const program = await startProgram({
    command: ['python3', '-m', 'uvicorn', 'asgi:app', '--port', String(port), ...quiet, ...flags],
    cwd: join(FIXTURES, 'functions'),
    env: { PYTHONPATH: PACKAGES, PYTHONDONTWRITEBYTECODE: '1' },
    readyUrl: origin,
  });
  return { name, origin, path: '/', program };
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
      figures.get(name)!.many.push(await loader.run({ ...plan, connections: MANY }));
      figures.get(name)!.single.push(await loader.run({ ...plan, connections: 1 }));
    }
    console.log(`round ${round} of ${options.rounds} done`);
  }
  return figures;
}

function summarize({ many, single }: Figures): Row {
  return {
    requestsPerS: rounded(median(many.map((one) => one.requestsPerS))),
    singleP50Ms: rounded(median(single.map((one) => one.p50Ms))),
    failed: [...many, ...single].reduce((sum, one) => sum + one.failed, 0),
  };
}

function report(options: RaceOptions, figures: ReadonlyMap<string, Figures>): void {
  const rows = new Map([...figures].map(([name, one]) => [name, summarize(one)]));
  const own = rows.get(LAMBENT_ROWS[0].name)!;
  const table = [
    ['', 'req/s', `${LAMBENT_ROWS[0].name} is`, 'p50 ms (1)', 'it is above by', 'failed'],
    ...[...rows].map(([name, row]) => [
      name,
      String(row.requestsPerS),
      `${(own.requestsPerS / row.requestsPerS).toFixed(2)} x`,
      String(row.singleP50Ms),
      `${(own.singleP50Ms - row.singleP50Ms).toFixed(3)} ms`,
      String(row.failed),
    ]),
  ];
  console.log(`\n${formatTable(table)}`);
  const peers = PEER_ROWS.map(({ name }) => [name, rows.get(name)!] as const);
  printResult({
    bench: 'langs',
    rounds: options.rounds,
    lambent: Object.fromEntries(LAMBENT_ROWS.map(({ name }) => [name, rows.get(name)!.requestsPerS])),
    peers: Object.fromEntries(peers.map(([name, row]) => [name, row.requestsPerS])),
    ratios: Object.fromEntries(
      peers.map(([name, row]) => [name, rounded(own.requestsPerS / row.requestsPerS)]),
    ),
    unit: 'req/s',
    single: {
      unit: 'ms',
      lambent: own.singleP50Ms,
      peers: Object.fromEntries(peers.map(([name, row]) => [name, row.singleP50Ms])),
    },
  });
}
