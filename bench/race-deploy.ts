/**
 * `deploy`: from the command to the first new answer; in dev, from saving a file to the new answer; and the whole command
 * for an app in three languages of which nothing has changed, also as the first after a restart.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { initApp, type Lambent, startLambent, withFolder } from './lambent.ts';
import { findFreePort, startProgram, waitForText } from './program.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, rounded } from './report.ts';

/** What the product promises, in ms. */
const BOUNDS = { deploy: 400, reload: 300, again: 1_000, afterRestart: 1_000 } as const;
const WAIT_MS = 30_000;

export async function raceDeploy(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const deploy = await timeDeploys(join(folder, 'deploy'), options.rounds);
    const reload = await timeReloads(join(folder, 'reload'), options.rounds);
    const watch = await timeNodeWatch(join(folder, 'watch'), options.rounds);
    const unchanged = await timeUnchanged(join(folder, 'unchanged'), options.rounds);
    report(options, { deploy, reload, ...unchanged }, watch);
  });
}

const functionText = (answer: string): string =>
  `export default { fetch: () => new Response(${JSON.stringify(answer)}) };\n`;

async function writeApp(folder: string, answer: string): Promise<string> {
  const app = join(folder, 'one-file');
  await mkdir(join(app, 'functions'), { recursive: true });
  await mkdir(join(folder, 'data'), { recursive: true });
  await writeFile(join(app, 'functions/one.js'), functionText(answer));
  return app;
}

async function timeDeploys(folder: string, rounds: number): Promise<number[]> {
  const app = await writeApp(folder, 'round 0');
  const lambent = await startLambent({ mode: 'start', dataDir: join(folder, 'data'), folders: [] });
  try {
    const times: number[] = [];
    // The first one also warms the machine's caches, as in daily use; it does not count.
    for (let round = 0; round <= rounds; round += 1) {
      await writeApp(folder, `round ${round}`);
      times.push(await timeOne(lambent, () => lambent.deploy(app), `round ${round}`));
    }
    return times.slice(1);
  } finally {
    await lambent.stop();
  }
}

async function timeReloads(folder: string, rounds: number): Promise<number[]> {
  const app = await writeApp(folder, 'round 0');
  const lambent = await startLambent({ mode: 'dev', dataDir: join(folder, 'data'), folders: [app] });
  try {
    await waitForText(`${lambent.origin}/one`, 'round 0', WAIT_MS);
    const times: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      times.push(await timeOne(lambent, () => writeApp(folder, `round ${round}`), `round ${round}`));
    }
    return times;
  } finally {
    await lambent.stop();
  }
}

/** The template with functions in TypeScript, Python and Go, deployed as it is again and again. */
async function timeUnchanged(
  folder: string,
  rounds: number,
): Promise<{ again: number[]; afterRestart: number[] }> {
  const app = join(folder, 'mixed');
  const dataDir = join(folder, 'data');
  await mkdir(dataDir, { recursive: true });
  await initApp(app, 'mixed');
  const again: number[] = [];
  const afterRestart: number[] = [];
  let token: string | undefined;
  for (let round = 0; round <= rounds; round += 1) {
    const lambent = await startLambent({ mode: 'start', dataDir, folders: [], token });
    token = lambent.token;
    try {
      // The very first one compiles everything.
      for (const times of [afterRestart, again]) {
        const startMs = performance.now();
        await lambent.deploy(app);
        if (round > 0) times.push(performance.now() - startMs);
      }
    } finally {
      await lambent.stop();
    }
  }
  return { again, afterRestart };
}

async function timeOne(lambent: Lambent, act: () => Promise<unknown>, answer: string): Promise<number> {
  const startMs = performance.now();
  const [endMs] = await Promise.all([waitForText(`${lambent.origin}/one`, answer, WAIT_MS), act()]);
  return endMs - startMs;
}

/** The peer of reload: a bare server that `node --watch` restarts. */
async function timeNodeWatch(folder: string, rounds: number): Promise<number[]> {
  await mkdir(folder, { recursive: true });
  const port = await findFreePort();
  const save = (answer: string): Promise<void> =>
    writeFile(
      join(folder, 'server.mjs'),
      `import { createServer } from 'node:http';\ncreateServer((_, r) => r.end(${JSON.stringify(answer)})).listen(${port}, '127.0.0.1');\n`,
    );
  await save('round 0');
  const url = `http://127.0.0.1:${port}/`;
  const program = await startProgram({
    command: [process.execPath, '--watch', 'server.mjs'],
    cwd: folder,
    readyUrl: url,
  });
  try {
    const times: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const startMs = performance.now();
      await save(`round ${round}`);
      times.push((await waitForText(url, `round ${round}`, WAIT_MS)) - startMs);
    }
    return times;
  } finally {
    await program.stop();
  }
}

function report(
  options: RaceOptions,
  lambent: Record<keyof typeof BOUNDS, number[]>,
  watch: readonly number[],
): void {
  const ms = {
    deploy: rounded(median(lambent.deploy)),
    reload: rounded(median(lambent.reload)),
    again: rounded(median(lambent.again)),
    afterRestart: rounded(median(lambent.afterRestart)),
  };
  const watchMs = rounded(median(watch));
  const worst = (times: readonly number[]): string => String(rounded(Math.max(...times)));
  const row = (what: string, name: keyof typeof BOUNDS): string[] => [
    what,
    String(ms[name]),
    worst(lambent[name]),
    String(BOUNDS[name]),
  ];
  const table = [
    ['', 'median ms', 'worst ms', 'bound ms'],
    row('lambent deploy -> first response', 'deploy'),
    row('lambent dev: save -> new response', 'reload'),
    row('lambent deploy, three languages, nothing changed', 'again'),
    row('  the same, the first after a restart', 'afterRestart'),
    ['node --watch: save -> new response', String(watchMs), worst(watch), ''],
  ];
  console.log(`\n${formatTable(table)}`);
  printResult({
    bench: 'deploy',
    rounds: options.rounds,
    lambent: ms,
    peers: { bound: BOUNDS, 'node --watch': { reload: watchMs } },
    ratios: {
      bound: {
        deploy: rounded(BOUNDS.deploy / ms.deploy),
        reload: rounded(BOUNDS.reload / ms.reload),
        again: rounded(BOUNDS.again / ms.again),
        afterRestart: rounded(BOUNDS.afterRestart / ms.afterRestart),
      },
      'node --watch': { reload: rounded(watchMs / ms.reload) },
    },
    unit: 'ms',
  });
}
