/** Starting the programs that race, waiting until they answer, and ending them with all they started. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Program {
  readonly pid: number;
  /** What it printed so far, both streams, at most the last 64 KiB. */
  output(): string;
  /** SIGTERM to the program and all it started; SIGKILL after five seconds. */
  stop(): Promise<void>;
}

export interface ProgramPlan {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The program counts as started when this address answers with a success. */
  readonly readyUrl: string;
  readonly readyMs?: number;
}

const OUTPUT_MAX = 64 * 1024;
const STOP_MS = 5000;
const POLL_MS = 5;
const running = new Set<ChildProcess>();

// A race that is broken off must not leave servers behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) signalGroup(child, 'SIGKILL');
    process.exit(130);
  });
}
process.once('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
});

export async function startProgram(plan: ProgramPlan): Promise<Program> {
  const [file, ...args] = plan.command;
  const child = spawn(file!, args, {
    cwd: plan.cwd,
    env: { ...process.env, NODE_ENV: 'production', ...plan.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  let output = '';
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_MAX);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const exited = once(child, 'exit').catch((error: unknown) => collect(Buffer.from(String(error))));
  const stop = async (): Promise<void> => {
    signalGroup(child, 'SIGTERM');
    const late = setTimeout(() => signalGroup(child, 'SIGKILL'), STOP_MS);
    if (child.exitCode === null && child.signalCode === null) await exited;
    clearTimeout(late);
    signalGroup(child, 'SIGKILL');
    running.delete(child);
  };
  try {
    await waitUntilReady(plan, child);
  } catch (error) {
    await stop();
    throw new Error(`${plan.command.join(' ')}\n${String(error)}\n${output}`);
  }
  return { pid: child.pid!, output: () => output, stop };
}

async function waitUntilReady(plan: ProgramPlan, child: ChildProcess): Promise<void> {
  const endMs = performance.now() + (plan.readyMs ?? 60_000);
  while (performance.now() < endMs) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw new Error('it ended before it answered');
    }
    if ((await fetchText(plan.readyUrl))?.ok === true) return;
    await sleep(POLL_MS);
  }
  throw new Error(`it did not answer at ${plan.readyUrl} in time`);
}

export interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly text: string;
}

/** `undefined` when nobody answers. */
export async function fetchText(url: string): Promise<Answer | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    return { ok: response.ok, status: response.status, text: await response.text() };
  } catch {
    return undefined;
  }
}

/** Asks again and again until the answer is the wanted text; resolves with the time it came, on `performance.now()`. */
export async function waitForText(url: string, text: string, limitMs: number): Promise<number> {
  const endMs = performance.now() + limitMs;
  let last: Answer | undefined;
  while (performance.now() < endMs) {
    last = await fetchText(url);
    if (last?.text === text) return performance.now();
    await sleep(POLL_MS);
  }
  throw new Error(`${url} did not answer ${JSON.stringify(text)} in time, but ${JSON.stringify(last)}`);
}

/** A port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Everything has ended already.
  }
}
