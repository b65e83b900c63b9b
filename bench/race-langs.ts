/** `langs`: a warm hello in each language through gateway and function process, against a bare server of that language. */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startLambent, withFolder } from './lambent.ts';
import { BENCH_ROOT, type Contestant } from './peers.ts';
import { findFreePort, startProgram, waitForText } from './program.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, printResult, rounded } from './report.ts';
import { MANY, type Row, raceWarm, summarize } from './warm-race.ts';

const FIXTURES = join(BENCH_ROOT, 'fixtures/langs');
const PACKAGES = join(BENCH_ROOT, 'node_modules/.python');
/** The first build of a Go program on a machine compiles Go's library. */
const DEPLOY_MS = 300_000;

/** What races what: the rows of Lambent, and the bare server that each is divided by. */
const OWN_ROWS = [
  { name: 'lambent node', path: '/node', bare: 'node:http' },
  { name: 'lambent python asgi', path: '/asgi', bare: 'uvicorn (uvloop, httptools)' },
  { name: 'lambent python handler', path: '/handler', bare: 'uvicorn (uvloop, httptools)' },
  { name: 'lambent go', path: '/go', bare: 'net/http' },
] as const;

interface BareServer {
  readonly name: string;
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Prepares it below `folder`, and says how it is started. */
  command(port: number, folder: string): Promise<string[]>;
}

const uvicorn = (name: string, flags: readonly string[]): BareServer => ({
  name,
  cwd: join(FIXTURES, 'functions'),
  env: { PYTHONPATH: PACKAGES, PYTHONDONTWRITEBYTECODE: '1' },
  command: async (port) => {
    const quiet = ['--no-access-log', '--log-level', 'error', '--lifespan', 'off'];
    return ['python3', '-m', 'uvicorn', 'asgi:app', '--port', String(port), ...quiet, ...flags];
  },
});

const BARE_SERVERS: readonly BareServer[] = [
  {
    name: 'node:http',
    cwd: join(BENCH_ROOT, 'fixtures/bare-node'),
    command: async (port) => [process.execPath, 'server.js', String(port)],
  },
  uvicorn('uvicorn (uvloop, httptools)', ['--loop', 'uvloop', '--http', 'httptools']),
  uvicorn('uvicorn (asyncio, h11)', ['--loop', 'asyncio', '--http', 'h11']),
  {
    name: 'net/http',
    cwd: join(BENCH_ROOT, 'fixtures/bare-go'),
    command: async (port, folder) => {
      const program = join(folder, 'bare-go');
      const path = `${process.env.PATH}:/usr/local/go/bin`;
      const env = { ...process.env, PATH: path, CGO_ENABLED: '0', GOFLAGS: '' };
      const cwd = join(BENCH_ROOT, 'fixtures/bare-go');
      await promisify(execFile)('go', ['build', '-o', program, '.'], { cwd, env });
      return [program, String(port)];
    },
  },
];

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
      for (const { name, path } of OWN_ROWS) {
        contestants.push({ name, origin, path, program });
        await waitForText(`${origin}${path}`, 'Hello World!', DEPLOY_MS);
      }
      for (const server of BARE_SERVERS) contestants.push(await startBare(server, folder));
      const figures = await raceWarm(contestants, options);
      report(options, new Map([...figures].map(([name, one]) => [name, summarize(one)])));
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

async function startBare(server: BareServer, folder: string): Promise<Contestant> {
  const port = await findFreePort();
  const origin = `http://127.0.0.1:${port}`;
  const { name, cwd, env = {} } = server;
  const program = await startProgram({
    command: await server.command(port, folder),
    cwd,
    env,
    readyUrl: `${origin}/`,
  });
  return { name, origin, path: '/', program };
}

function report(options: RaceOptions, rows: ReadonlyMap<string, Row>): void {
  const pairs = OWN_ROWS.map(({ name, bare }) => ({ name, own: rows.get(name)!, bare: rows.get(bare)! }));
  const table = [
    ['', `req/s (${MANY})`, 'of bare', 'p50 ms (1)', 'above bare', 'failed'],
    ...[...rows].map(([name, row]) => {
      const bare = pairs.find((pair) => pair.name === name)?.bare;
      return [
        name,
        String(row.requestsPerS),
        bare === undefined ? '' : `${(row.requestsPerS / bare.requestsPerS).toFixed(2)} x`,
        String(row.singleP50Ms),
        bare === undefined ? '' : `${(row.singleP50Ms - bare.singleP50Ms).toFixed(3)} ms`,
        String(row.failed),
      ];
    }),
  ];
  console.log(`\n${formatTable(table)}`);
  const each = (choose: (own: Row, bare: Row) => number): Record<string, number> =>
    Object.fromEntries(pairs.map(({ name, own, bare }) => [name, rounded(choose(own, bare))]));
  printResult({
    bench: 'langs',
    rounds: options.rounds,
    lambent: each((own) => own.requestsPerS),
    peers: Object.fromEntries(BARE_SERVERS.map(({ name }) => [name, rows.get(name)!.requestsPerS])),
    ratios: each((own, bare) => own.requestsPerS / bare.requestsPerS),
    unit: 'req/s',
    single: { unit: 'ms', aboveBare: each((own, bare) => own.singleP50Ms - bare.singleP50Ms) },
  });
}
