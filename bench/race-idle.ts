/** `idle`: what a warm instance without work costs: memory, as one of eight of its language. */
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HELLO } from './hello-sources.ts';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import { readMemoryKb } from './process-memory.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, rounded } from './report.ts';
import { timeGet } from './timed-request.ts';

const EACH = 8;
/** What the product promises, in MB, the sandbox included. */
const BOUNDS = { node: 16, python: 7, go: 2 } as const;
type Language = keyof typeof BOUNDS;
const WAIT_MS = 60_000;

export async function raceIdle(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const app = join(folder, 'idle-race');
    const dataDir = join(folder, 'data');
    await mkdir(dataDir, { recursive: true });
    const functions = await writeApp(app);
    const lambent = await startLambent({ mode: 'start', dataDir, folders: [app] });
    try {
      const memoryMb = new Map<Language, number[]>();
      for (let round = 1; round <= options.rounds; round += 1) {
        for (const [language, names] of functions) {
          for (const name of names) await answer(lambent, name);
          const found = await untilFrozen(lambent, names);
          const each = found.map((pid) => readMemoryKb(pid) / 1024);
          memoryMb.set(language, [...(memoryMb.get(language) ?? []), ...each]);
        }
      }
      report(options, memoryMb);
    } finally {
      await lambent.stop();
    }
  });
}

/** Eight functions of each language that the machine has. */
async function writeApp(app: string): Promise<Map<Language, string[]>> {
  const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).error === undefined;
  const languages: Language[] = ['node'];
  if (has('python3', '--version')) languages.push('python');
  if (has('go', 'version')) languages.push('go');
  const functions = new Map<Language, string[]>();
  for (const language of languages) {
    const names = Array.from({ length: EACH }, (_, number) => `${language}${number}`);
    for (const name of names) {
      const path = join(app, HELLO[language].file(name));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, HELLO[language].text);
    }
    functions.set(language, names);
  }
  if (languages.includes('go')) await writeFile(join(app, 'go.mod'), 'module race\n\ngo 1.22\n');
  return functions;
}

/** Until it is deployed, too: the first build of Go takes a while. */
async function answer({ origin }: Lambent, name: string): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while ((await timeGet(`${origin}/${name}`)).status !== 200) {
    if (performance.now() > endMs) throw new Error(`${name} does not answer`);
    await sleep(100);
  }
}

async function untilFrozen({ origin, token }: Lambent, names: readonly string[]): Promise<number[]> {
  const endMs = performance.now() + WAIT_MS;
  while (performance.now() < endMs) {
    const response = await fetch(`${origin}/_lambent/api/v1/instances`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    const { items } = (await response.json()) as {
      items: { function: string; state: string; pid: number }[];
    };
    const own = items.filter((instance) => names.includes(instance.function));
    if (own.length === names.length && own.every(({ state }) => state === 'frozen'))
      return own.map(({ pid }) => pid);
    await sleep(200);
  }
  throw new Error(`the instances of ${names[0]} and the others are not frozen`);
}

function report(options: RaceOptions, memoryMb: ReadonlyMap<Language, number[]>): void {
  const rows = [...memoryMb].map(([language, each]) => ({ language, mb: rounded(median(each)) }));
  console.log(
    `\n${formatTable([
      [`one of ${EACH} warm instances`, 'MB', 'bound MB'],
      ...rows.map(({ language, mb }) => [language, String(mb), String(BOUNDS[language])]),
    ])}`,
  );
  printResult({
    bench: 'idle',
    rounds: options.rounds,
    lambent: Object.fromEntries(rows.map(({ language, mb }) => [language, mb])),
    peers: { bound: BOUNDS },
    ratios: {
      bound: Object.fromEntries(rows.map(({ language, mb }) => [language, rounded(BOUNDS[language] / mb)])),
    },
    unit: 'MB',
  });
}
