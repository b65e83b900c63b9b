/** Lambent as its users start it: the command, with a data folder of its own. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findFreePort, type Program, startProgram } from './program.ts';

const COMMAND = fileURLToPath(new URL('../bin/lambent.js', import.meta.url));

export interface Lambent {
  readonly origin: string;
  readonly token: string | undefined;
  readonly program: Program;
  /** From the start of the command to the first answer of the platform. */
  readonly startMs: number;
  deploy(folder: string): Promise<void>;
  stop(): Promise<void>;
}

export interface LambentPlan {
  readonly mode: 'start' | 'dev';
  readonly dataDir: string;
  /** Apps that the platform deploys as it starts. */
  readonly folders: readonly string[];
  /** The token of a data folder that has been started before. */
  readonly token?: string | undefined;
  /** Further options of the command. */
  readonly more?: readonly string[];
}

export async function startLambent(plan: LambentPlan): Promise<Lambent> {
  const port = await findFreePort();
  const origin = `http://127.0.0.1:${port}`;
  const args = [
    plan.mode,
    ...plan.folders,
    '--port',
    String(port),
    '--data',
    plan.dataDir,
    ...(plan.more ?? []),
  ];
  const beginMs = performance.now();
  const program = await startProgram({
    command: [process.execPath, COMMAND, ...args],
    cwd: plan.dataDir,
    readyUrl: `${origin}/_lambent/api/v1/health`,
  });
  const startMs = performance.now() - beginMs;
  const token = plan.token ?? /LAMBENT_TOKEN=(\S+)/.exec(program.output())?.[1];
  return {
    origin,
    token,
    program,
    startMs,
    deploy: (folder) => deploy(folder, origin, token),
    stop: () => program.stop(),
  };
}

/** Writes an app from a template. */
export async function initApp(folder: string, template: string): Promise<void> {
  await promisify(execFile)(process.execPath, [COMMAND, 'init', folder, '--template', template]);
}

async function deploy(folder: string, origin: string, token: string | undefined): Promise<void> {
  const access = token === undefined ? [] : ['--token', token];
  await promisify(execFile)(process.execPath, [COMMAND, 'deploy', folder, '--to', origin, ...access], {
    timeout: 300_000,
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** Runs `task` with an empty folder that is gone afterwards. */
export async function withFolder<Result>(task: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-bench-'));
  try {
    return await task(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
