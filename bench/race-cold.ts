/**
 * `cold`: from a request to the first byte of its answer when its function has no process, with the isolation that the
 * machine can have; beside it, starting a bare server of the same language until it answers.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HELLO } from './hello-sources.ts';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import { BENCH_ROOT } from './peers.ts';
import { fetchText, findFreePort, startProgram } from './program.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, quantile, rounded } from './report.ts';

/** What the product promises at the median, in ms. */
const BOUNDS = { node: 6, 'node, 4 MB': 20, python: 5, go: 14 } as const;
type Contestant = keyof typeof BOUNDS;
/** Cold calls of each contestant in one round. */
const CALLS = 10;
/** Between calls: time for the next waiting process to be made, as between requests to idle functions. */
const PAUSE_MS = 250;
const WAIT_MS = 30_000;
const LARGE_BYTES = 4 * 1024 * 1024;

export async function raceCold(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const app = join(folder, 'cold-race');
    const dataDir = join(folder, 'data');
    await mkdir(dataDir, { recursive: true });
    const languages = await writeApp(app);
    const bare = await prepareBare(folder, languages);
    const lambent = await startLambent({ mode: 'start', dataDir, folders: [app] });
    try {
      const cold = new Map<Contestant, number[]>(languages.map((name) => [name, []]));
      const bareMs = new Map<Contestant, number[]>(languages.map((name) => [name, []]));
      for (const name of languages) await callCold(lambent, name);
      for (let round = 1; round <= options.rounds; round += 1) {
        for (const name of languages) {
          for (let call = 0; call < CALLS; call += 1) cold.get(name)!.push(await callCold(lambent, name));
          const command = bare.get(name);
          if (command !== undefined) bareMs.get(name)!.push(await timeBare(command));
        }
        console.log(`round ${round} of ${options.rounds} done`);
      }
      report(options, await isolationOf(lambent), cold, bareMs);
    } finally {
      await lambent.stop();
    }
  });
}

/** Languages whose toolchain this machine lacks are left out, and the report says so. */
async function writeApp(app: string): Promise<Contestant[]> {
  const languages: Contestant[] = ['node', 'node, 4 MB'];
  if (spawnSync('python3', ['--version']).error === undefined) languages.push('python');
  if (spawnSync('go', ['version']).error === undefined) languages.push('go');
  await mkdir(join(app, 'functions/go'), { recursive: true });
  for (const [name, { file, text }] of Object.entries(HELLO))
    if (languages.includes(name as Contestant)) await writeFile(join(app, file(name)), text);
  if (languages.includes('go')) await writeFile(join(app, 'go.mod'), 'module race\n\ngo 1.22\n');
  await writeFile(join(app, 'functions/large.js'), largeSource());
  // Processes end as soon as they have nothing to do: each call of the race finds none.
  const functions = languages.map((name) => `  ${nameOf(name)}: { idle: 0s }`);
  await writeFile(join(app, 'lambent.yaml'), `functions:\n${functions.join('\n')}\n`);
  return languages;
}

const nameOf = (name: Contestant): string => (name === 'node, 4 MB' ? 'large' : name);

/** A function as bundlers write it from many dependencies: many modules' worth of code, little of which runs. */
function largeSource(): string {
  const parts: string[] = [];
  let bytes = 0;
  for (let number = 0; bytes < LARGE_BYTES; number += 1) {
    const part = `export function part${number}(input, options = {}) {
  const { depth = ${number % 7}, name = 'part ${number}' } = options;
  if (input === null || typeof input !== 'object') return { name, depth, value: input };
  const entries = Object.entries(input).map(([key, value]) => [key, part${number > 0 ? number - 1 : 0}(value, { depth: depth + 1 })]);
  return { name, depth, entries: Object.fromEntries(entries) };
}
`;
    parts.push(part);
    bytes += part.length;
  }
  const used = `const parts = [${Array.from({ length: parts.length }, (_, number) => `part${number}`).join(', ')}];`;
  return `${parts.join('')}${used}\nexport default { fetch: () => new Response(parts.length > 0 ? 'Hello World!' : '') };\n`;
}

/** One request to a function without a process; resolves with the time to the first byte of its answer. */
async function callCold(lambent: Lambent, name: Contestant): Promise<number> {
  await untilGone(lambent, nameOf(name));
  await sleep(PAUSE_MS);
  return timeRequest(Number(new URL(lambent.origin).port), `/${nameOf(name)}`);
}

function timeRequest(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let sentMs = 0;
    socket.setTimeout(WAIT_MS, () => socket.destroy(new Error(`no answer from ${path} in time`)));
    socket.on('connect', () => {
      sentMs = performance.now();
      socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    });
    socket.once('data', (chunk) => {
      const tookMs = performance.now() - sentMs;
      socket.destroy();
      const line = chunk.toString('latin1').split('\r\n')[0];
      if (line === 'HTTP/1.1 200 OK') resolve(tookMs);
      else reject(new Error(`${path} answered ${line}`));
    });
    socket.on('error', reject);
  });
}

async function untilGone(lambent: Lambent, name: string): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (performance.now() < endMs) {
    const { items } = (await api(lambent, '/instances')) as { items: { function: string }[] };
    if (items.every((instance) => instance.function !== name)) return;
    await sleep(20);
  }
  throw new Error(`the processes of ${name} do not end`);
}

async function api({ origin, token }: Lambent, path: string): Promise<unknown> {
  const response = await fetch(`${origin}/_lambent/api/v1${path}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

async function isolationOf(lambent: Lambent): Promise<string> {
  const { isolation } = (await api(lambent, '/doctor')) as { isolation: { driver: string; level: string } };
  return `${isolation.driver}, level ${isolation.level}`;
}

/** The commands of bare servers, by language; the port is appended. */
async function prepareBare(
  folder: string,
  languages: readonly Contestant[],
): Promise<Map<Contestant, readonly string[]>> {
  const fixture = (path: string): string => join(BENCH_ROOT, 'fixtures', path);
  const commands = new Map<Contestant, readonly string[]>([
    ['node', [process.execPath, fixture('bare-node/server.js')]],
  ]);
  if (languages.includes('python')) commands.set('python', ['python3', fixture('bare-python/server.py')]);
  if (languages.includes('go')) {
    const program = join(folder, 'bare-go');
    const built = spawnSync('go', ['build', '-o', program, '.'], {
      cwd: fixture('bare-go'),
      timeout: 300_000,
    });
    if (built.status !== 0) throw new Error(`bare-go cannot be built: ${built.stderr}`);
    commands.set('go', [program]);
  }
  return commands;
}

/** From the start of a server's process to its first answer. */
async function timeBare(command: readonly string[]): Promise<number> {
  const port = await findFreePort();
  const startMs = performance.now();
  const starting = startProgram({
    command: [...command, String(port)],
    cwd: BENCH_ROOT,
    readyUrl: `http://127.0.0.1:${port}/`,
  });
  let tookMs = 0;
  while (tookMs === 0) {
    if ((await fetchText(`http://127.0.0.1:${port}/`))?.ok === true) tookMs = performance.now() - startMs;
    else await sleep(1);
  }
  await (await starting).stop();
  return tookMs;
}

function report(
  options: RaceOptions,
  isolation: string,
  cold: ReadonlyMap<Contestant, number[]>,
  bare: ReadonlyMap<Contestant, number[]>,
): void {
  const rows = [...cold].map(([name, times]) => {
    const bareMs = median(bare.get(name) ?? []);
    return { name, p50: median(times), p99: quantile(times, 0.99), bareMs };
  });
  const table = [
    ['', 'p50 ms', 'bound ms', 'p99 ms', 'p99 / p50', 'bare server ms', 'of bare'],
    ...rows.map(({ name, p50, p99, bareMs }) => [
      name,
      ...[rounded(p50), BOUNDS[name], rounded(p99), rounded(p99 / p50)].map(String),
      ...(Number.isNaN(bareMs) ? ['', ''] : [rounded(bareMs), rounded(p50 / bareMs)].map(String)),
    ]),
  ];
  console.log(`\nisolation: ${isolation}; ${CALLS * options.rounds} cold calls each\n${formatTable(table)}`);
  const pick = (choose: (row: (typeof rows)[number]) => number): Record<string, number> =>
    Object.fromEntries(
      rows.filter((row) => !Number.isNaN(choose(row))).map((row) => [row.name, rounded(choose(row))]),
    );
  printResult({
    bench: 'cold',
    rounds: options.rounds,
    isolation,
    lambent: pick(({ p50 }) => p50),
    p99: pick(({ p99 }) => p99),
    peers: { bound: BOUNDS, bare: pick(({ bareMs }) => bareMs) },
    ratios: {
      bound: pick(({ name, p50 }) => BOUNDS[name] / p50),
      bare: pick(({ p50, bareMs }) => bareMs / p50),
    },
    unit: 'ms',
  });
}
