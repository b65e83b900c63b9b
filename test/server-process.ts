/** The platform as a process of its own, started as its users start it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { delay, systemClock } from '../src/base/clock.ts';
import { REPOSITORY } from './platform-harness.ts';
import { isAlive } from './process-table.ts';
import { noteProgram } from './started-programs.ts';

export interface Server {
  readonly child: ChildProcess;
  readonly url: string;
  /** Everything it printed so far. */
  output(): string;
}

/** Tests meet functions by files, ports and process ids of this machine; those about isolation ask for it. */
const PLAIN_PROCESSES = { LAMBENT_ISOLATION: 'process', LAMBENT_ACCEPT_ISOLATION: 'E' };

/** `lambent start` (or `dev`) as its users run it; resolves when it has printed its address. */
export async function startServer(
  dataDir: string,
  folders: readonly string[] = [],
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  command: 'start' | 'dev' = 'start',
): Promise<Server> {
  const child = spawn(
    process.execPath,
    [
      join(REPOSITORY, 'bin', 'lambent.js'),
      command,
      ...folders,
      '--data',
      dataDir,
      '--port',
      '0',
      ...options,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...PLAIN_PROCESSES, ...env } },
  );
  let output = '';
  noteProgram(child, { output: () => output, kill: () => child.kill('SIGKILL') });
  child.stderr!.on('data', (chunk) => {
    output += chunk;
  });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      output += `${line}\n`;
      const match = /(?:(?:Server|App)\s+|"url":")(http:[^\s"]+)/.exec(line);
      if (match !== null) resolve(match[1]!);
    });
    child.once('exit', (code) => reject(new Error(`lambent ${command} ended with ${code}: ${output}`)));
  });
  return { child, url, output: () => output };
}

export function tokenOf(server: Server): string | undefined {
  return /lmb_[A-Za-z0-9_-]+/.exec(server.output())?.[0];
}

/** The token comes on stderr, which may lag behind stdout. */
export async function waitForToken(server: Server): Promise<string> {
  for (let tries = 0; tokenOf(server) === undefined; tries++) {
    assert.ok(tries < 500, 'no token was printed');
    await delay(systemClock, 10);
  }
  return tokenOf(server)!;
}

/** Waits until none of these processes runs any more. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  for (let tries = 0; pids.some(isAlive); tries++) {
    assert.ok(tries < 1_000, `still alive: ${pids.filter(isAlive)}`);
    await delay(systemClock, 10);
  }
}
