import { mkdtemp, rm } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { fileURLToPath } from 'node:url';
import type { ToolExit } from '../../ports/build-sandbox.ts';
import { watchDisk } from './disk-watch.ts';
import type { ToolLimits, ToolListener, ToolRun } from './tool-run.ts';

/** What one tool may have, on a machine with enough of it. */
const MEMORY_MB_MAX = 4_096;
/** The tool's home and all that it writes to, together. */
const DISK_MB_MAX = 4_096;
export const TOOL_LIMITS: ToolLimits = {
  memoryMb: Math.min(MEMORY_MB_MAX, Math.floor(totalmem() / 2 ** 21)),
  tasksMax: 1_024,
  filesMax: 4_096,
  diskMb: DISK_MB_MAX,
};
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const RUNTIMES = fileURLToPath(new URL('../../../runtimes', import.meta.url));
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning'] as const;
/** Opens the way out for a tool. */
const WITH_NETWORK = join(RUNTIMES, 'build', `main.${extension}`);
const SHIM_PATHS = ['build', 'child'].map((name) => join(RUNTIMES, name));

const LOOPBACK = /^(localhost|127\.[\d.]+|::1):\d+$/;

/** Returns what ends it. */
export function startContained(run: ToolRun, listener: ToolListener): () => void {
  let end = (): void => {};
  let isEnded = false;
  void start(run, listener, (kill) => {
    end = kill;
    if (isEnded) kill();
  }).catch((thrown: unknown) => listener.onFailed(thrown instanceof Error ? thrown.message : String(thrown)));
  return () => {
    isEnded = true;
    end();
  };
}

async function start(
  { command, cwd, env, input, clock, containing }: ToolRun,
  listener: ToolListener,
  onStarted: (kill: () => void) => void,
): Promise<void> {
  const { place, network, ...more } = containing!;
  const temporary = await mkdtemp(join(place.buildsDir, 'tmp-'));
  const writeDirs = [temporary, ...more.writeDirs];
  const text = { stdout: new StringDecoder(), stderr: new StringDecoder() };
  let exceeded: string | undefined;
  const forget = (): Promise<void> => rm(temporary, { recursive: true, force: true });
  const tool = {
    command: (network ? [...NODE, WITH_NETWORK, ...command] : command) as [string, ...string[]],
    cwd,
    env: {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      ...{ LANG: 'C.UTF-8', ...place.env, HOME: place.home, TMPDIR: temporary },
      ...(place.network.granted.some((each) => LOOPBACK.test(each)) ? { LAMBENT_EGRESS_LOOPBACK: '1' } : {}),
      ...env,
    },
    input: input ?? '',
    home: place.home,
    readPaths: [...place.readPaths, ...more.readPaths, process.execPath, ...SHIM_PATHS],
    writeDirs,
    network: network ? place.network : undefined,
    limits: { ...place.limits, fileMb: place.limits.diskMb },
  };
  const onExit = (exit: ToolExit): void => {
    watch.cancel();
    listener.onStdout(text.stdout.end());
    listener.onStderr(text.stderr.end());
    const what = exceeded ?? exceededOf(exit, place.limits);
    void forget().finally(() => {
      if (what === undefined) listener.onEnd(exit.code, exit.signal);
      else listener.onFailed(what, { code: 'E_BUILD_LIMIT', hint: HINT });
    });
  };
  const watch = watchDisk([place.home, ...writeDirs], place.limits.diskMb, clock, (what) => {
    exceeded = what;
    running?.kill();
  });
  let running: { kill(): void } | undefined;
  try {
    const started = await place.sandbox.start(tool, {
      onOutput: (stream, chunk) =>
        (stream === 'stdout' ? listener.onStdout : listener.onStderr)(text[stream].write(chunk)),
      onExit,
    });
    running = started;
    onStarted(() => started.kill());
  } catch (thrown) {
    watch.cancel();
    await forget();
    throw thrown;
  }
}

const HINT =
  'Builds have limits, so that one app cannot take the machine (docs/isolation.md, "Builds"). Build less at once, or build before deploying and deploy what was made.';

function exceededOf({ exceeded }: ToolExit, limits: ToolLimits): string | undefined {
  switch (exceeded) {
    case undefined:
      return undefined;
    case 'memory':
      return `stopped: it took more than ${limits.memoryMb} MB of memory`;
    case 'processes':
      return `stopped: it had more than ${limits.tasksMax} processes and threads`;
  }
}
