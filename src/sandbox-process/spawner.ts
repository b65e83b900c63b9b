/**
 * The spawner: a small process of its own that starts instances for the platform. `spawn` copies page tables,
 * so from a large process it stalls the event loop for tens of milliseconds; from this one it takes two. It
 * hands the instance's channel (a socketpair) to the platform and keeps out of the way afterwards.
 *
 * It is also the last line against orphans: when the platform's end of the IPC channel closes, however that
 * came about, it kills every instance and ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { systemClock } from '../base/clock.ts';
import type { SpawnerReport, SpawnerRequest } from './spawner-protocol.ts';

/** How often the memory of each instance is looked at. */
const MEMORY_CHECK_MS = 100;
/** How often it is looked at whether the platform is still there. */
const CONNECTION_CHECK_MS = 100;
/** Raw output of one instance that may be forwarded in one period of OUTPUT_PERIOD_MS; the rest is dropped and counted. */
const OUTPUT_BYTES_MAX = 256 * 1024;
const OUTPUT_PERIOD_MS = 1_000;
const PAGE_BYTES = 4096;
/** How many levels and processes of an instance's process tree are looked at. */
const TREE_MAX = 256;

interface Child {
  readonly process: ChildProcess;
  readonly folder: string;
  readonly memoryMb: number;
  outOfMemory: boolean;
  outputBytes: number;
}

const children = new Map<string, Child>();

function report(message: SpawnerReport, handle?: Socket): void {
  if (process.connected) process.send?.(message, handle, { keepOpen: false }, () => {});
}

/**
 * `sh` sets the limits that Node cannot set, then becomes the program. Where `setpriv` exists the kernel kills the
 * instance when this spawner dies, even if both are killed at the same moment.
 */
function wrapCommand(command: readonly string[], filesMax: number): string[] {
  const deathSignal = existsSync('/usr/bin/setpriv')
    ? 'exec /usr/bin/setpriv --pdeathsig KILL -- "$@"'
    : 'exec "$@"';
  return ['/bin/sh', '-c', `ulimit -n ${filesMax}; ulimit -c 0; ${deathSignal}`, 'instance', ...command];
}

function start(request: Extract<SpawnerRequest, { kind: 'start' }>): void {
  const { id } = request;
  try {
    mkdirSync(request.cwd, { recursive: true, mode: 0o700 });
    const [program, ...args] = wrapCommand(request.command, request.filesMax);
    const child = spawn(program!, args, {
      cwd: request.cwd,
      env: { ...request.env, TMPDIR: request.cwd },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // Its own session: one signal to the group reaches all it started.
      detached: true,
    });
    child.once('error', (error) => report({ kind: 'failed', id, message: error.message }));
    if (child.pid === undefined) return;
    const entry: Child = {
      process: child,
      folder: request.cwd,
      memoryMb: request.memoryMb,
      outOfMemory: false,
      outputBytes: 0,
    };
    children.set(id, entry);
    forwardOutput(id, entry);
    child.once('exit', (code, signal) => ended(id, entry, code, signal));
    report({ kind: 'started', id, pid: child.pid }, child.stdio[3] as Socket);
  } catch (error) {
    report({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) });
  }
}

function forwardOutput(id: string, entry: Child): void {
  for (const stream of ['stdout', 'stderr'] as const) {
    entry.process[stream]!.on('data', (chunk: Buffer) => {
      const room = OUTPUT_BYTES_MAX - entry.outputBytes;
      entry.outputBytes += chunk.length;
      if (room > 0) report({ kind: 'output', id, stream, chunk: chunk.subarray(0, room) });
    });
  }
}

/** Begins a new period, and says what was dropped in the last one. */
function renewOutput(id: string, entry: Child): void {
  const dropped = entry.outputBytes - OUTPUT_BYTES_MAX;
  entry.outputBytes = 0;
  if (dropped <= 0) return;
  const text = `\n[${dropped} bytes of output were dropped: more than ${OUTPUT_BYTES_MAX / 1024} KiB came in a second]\n`;
  report({ kind: 'output', id, stream: 'stderr', chunk: Buffer.from(text) });
}

function ended(id: string, entry: Child, code: number | null, signal: string | null): void {
  killGroup(entry);
  let open = 2;
  const settle = (): void => {
    open -= 1;
    if (open > 0) return;
    renewOutput(id, entry);
    children.delete(id);
    rmSync(entry.folder, { recursive: true, force: true });
    report({ kind: 'exited', id, code, signal, outOfMemory: entry.outOfMemory });
  };
  // The last words of a crash arrive on the pipes after the exit; a child that kept them open is cut off.
  for (const pipe of [entry.process.stdout!, entry.process.stderr!]) {
    if (pipe.closed) settle();
    else {
      pipe.once('close', settle);
      systemClock.after(200, () => pipe.destroy());
    }
  }
}

function killGroup(entry: Child): void {
  const pid = entry.process.pid!;
  const tree = descendants(pid);
  for (const target of [-pid, ...tree]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // Already gone.
    }
  }
}

/** Processes below `pid`, where the kernel tells (Linux). */
function descendants(pid: number): number[] {
  const found: number[] = [];
  const open = [pid];
  while (open.length > 0 && found.length < TREE_MAX) {
    const parent = open.pop()!;
    let text = '';
    try {
      text = readFileSync(`/proc/${parent}/task/${parent}/children`, 'latin1');
    } catch {
      continue;
    }
    for (const child of text.split(' ').filter(Boolean).map(Number)) {
      found.push(child);
      open.push(child);
    }
  }
  return found;
}

function residentMb(pid: number): number {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE_BYTES) / 2 ** 20;
  } catch {
    return 0;
  }
}

function checkMemory(): void {
  for (const entry of children.values()) {
    const pid = entry.process.pid!;
    let usedMb = residentMb(pid);
    for (const child of descendants(pid)) usedMb += residentMb(child);
    if (usedMb <= entry.memoryMb) continue;
    entry.outOfMemory = true;
    killGroup(entry);
  }
}

function killAll(): void {
  for (const entry of children.values()) {
    killGroup(entry);
    rmSync(entry.folder, { recursive: true, force: true });
  }
}

function main(): void {
  process.on('message', (request: SpawnerRequest) => {
    if (request.kind === 'start') start(request);
    else {
      const entry = children.get(request.id);
      if (entry !== undefined) killGroup(entry);
    }
  });
  const end = (): void => {
    killAll();
    process.exit(0);
  };
  process.on('disconnect', end);
  // Node.js does not emit 'disconnect' while a channel that was handed over has not been acknowledged, and a platform
  // that is killed just then never does.
  systemClock.every(CONNECTION_CHECK_MS, () => {
    if (!process.connected) end();
  });
  // The platform decides when to stop: a Ctrl-C in the terminal is for it alone.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  if (existsSync('/proc/self/statm')) systemClock.every(MEMORY_CHECK_MS, checkMemory);
  systemClock.every(OUTPUT_PERIOD_MS, () => {
    for (const [id, entry] of children) renewOutput(id, entry);
  });
}

main();
