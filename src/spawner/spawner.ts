/**
 * The spawner: a small process of its own that starts instances for the platform. `spawn` copies page tables,
 * so from a large process it stalls the event loop for tens of milliseconds; from this one it takes two. It
 * hands the instance's channel (a socketpair) to the platform and keeps out of the way afterwards.
 *
 * It is also the last line against orphans: when the platform's end of the IPC channel closes, however that
 * came about, it kills every instance and ends.
 *
 * It knows nothing of how instances are contained: the command it is given sees to that.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { ConnectionBudget } from './connection-budget.ts';
import {
  applyPace,
  type Counter,
  countersOf,
  endControlGroups,
  exceededOf,
  makeControlGroups,
  removeControlGroups,
} from './control-groups.ts';
import { EgressProxy } from './egress-proxy.ts';
import { descendantsOf, killNow, usageOf } from './process-tree.ts';
import type { Exceeded, Launch, SpawnerReport, SpawnerRequest } from './spawner-protocol.ts';
import { Stages } from './stages.ts';

/** How often the memory of each instance is looked at. */
const MEMORY_CHECK_MS = 100;
const CHECKS_PER_LOOK_AT_GROUPS = 5;
/** How often it is looked at whether the platform is still there. */
const CONNECTION_CHECK_MS = 100;
/** Raw output of one instance that may be forwarded in one period of OUTPUT_PERIOD_MS; the rest is dropped and counted. */
const OUTPUT_BYTES_MAX = 256 * 1024;
const OUTPUT_PERIOD_MS = 1_000;
/** The channel to the platform, after the three that every program has. */
const PLATFORM_FD = 3;
/** O_CLOEXEC. */
const CLOSE_ON_EXEC = 0o2000000;
/** How long the end waits for the kernel to let go of control groups. */
const END_RETRY_MS = 10;
const END_TRIES_MAX = 200;
/** A sandbox reports a program that was ended by a signal with an exit code above this one. */
const SIGNAL_CODE_BASE = 128;

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

interface Child {
  readonly process: ChildProcess;
  readonly launch: Launch;
  readonly egress: EgressProxy | undefined;
  readonly counters: readonly Counter[];
  exceeded: Exceeded | undefined;
  outputBytes: number;
}

const connections = new ConnectionBudget();
const children = new Map<string, Child>();
/** Folders that held control groups: they go with this process. */
const groupFolders = new Set<string>();
const [stagePlace] = process.argv.slice(2);
const stages = stagePlace === undefined ? undefined : new Stages(stagePlace);

function report(message: SpawnerReport, handle?: Socket): void {
  if (process.connected) process.send?.(message, handle, { keepOpen: false }, () => {});
}

/**
 * `sh` sets the limits that Node cannot set and joins the control groups, then becomes the program. Where `setpriv`
 * exists the kernel kills the instance when this spawner dies, even if both are killed at the same moment.
 */
function wrapCommand({ command, controlGroups, filesMax, fileMb, uid }: Launch): string[] {
  const joins = controlGroups.map(({ folder }) => `echo 0 > '${join(folder, 'cgroup.procs')}' &&`).join(' ');
  const identity = uid === undefined ? '' : `--reuid ${uid} --regid ${uid} --clear-groups`;
  // Counted in blocks of 512 bytes, as POSIX has it.
  const files = fileMb === undefined ? '' : `ulimit -f ${fileMb * 2048} && `;
  const become = existsSync('/usr/bin/setpriv')
    ? `exec /usr/bin/setpriv ${identity} --pdeathsig KILL -- "$@"`
    : 'exec "$@"';
  return [
    '/bin/sh',
    '-c',
    `${joins} ulimit -n ${filesMax} && ulimit -c 0 && ${files}${become}`,
    'instance',
    ...command,
  ];
}

function start(launch: Launch): void {
  const { id, folder } = launch;
  const opened: number[] = [];
  let egress: EgressProxy | undefined;
  try {
    // To be entered, not to be listed, by the instance's own user.
    mkdirSync(folder, { recursive: true, mode: launch.uid === undefined ? 0o700 : 0o711 });
    stages?.ensure(launch.stages);
    makeControlGroups(launch.controlGroups);
    for (const group of launch.controlGroups) groupFolders.add(dirname(group.folder));
    for (const input of launch.inputs) opened.push(openInput(folder, input));
    egress = openEgress(launch);
    const [program, ...args] = wrapCommand(launch);
    const child = spawn(program!, args, {
      cwd: launch.contained ? '/' : folder,
      env: { ...launch.env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', ...opened],
      // Its own session: one signal to the group reaches all it started.
      detached: true,
    });
    child.once('error', (error) => {
      discard(launch, egress);
      report({ kind: 'failed', id, message: error.message });
    });
    if (child.pid === undefined) return;
    const entry: Child = {
      process: child,
      launch,
      egress,
      counters: countersOf(launch.controlGroups),
      exceeded: undefined,
      outputBytes: 0,
    };
    children.set(id, entry);
    forwardOutput(id, entry);
    child.once('exit', (code, signal) => ended(id, entry, code, signal));
    report({ kind: 'started', id, pid: child.pid }, child.stdio[3] as Socket);
  } catch (error) {
    discard(launch, egress);
    report({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) });
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

function openEgress({ id, folder, egress }: Launch): EgressProxy | undefined {
  if (egress === undefined) return undefined;
  return new EgressProxy({
    path: join(folder, egress.socket),
    policy: egress.policy,
    build: egress.build,
    budget: connections,
    onRefused: (text) =>
      report({ kind: 'output', id, stream: 'stderr', chunk: Buffer.from(`[network] ${text}\n`) }),
  });
}

/** Bytes become a file without a name: the program reads them to their end, and nobody else can. */
function openInput(folder: string, input: Uint8Array | string): number {
  if (typeof input === 'string') return openSync(input, 'r');
  const path = join(folder, 'input');
  writeFileSync(path, input, { mode: 0o600 });
  const descriptor = openSync(path, 'r');
  rmSync(path);
  return descriptor;
}

/** Removes what was made for a launch. */
function discard({ folder, controlGroups }: Launch, egress: EgressProxy | undefined): void {
  egress?.close();
  rmSync(folder, { recursive: true, force: true });
  removeControlGroups(controlGroups, systemClock, (stuck) =>
    process.stderr.write(`the control group ${stuck} could not be removed\n`),
  );
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
  killTree(entry);
  entry.exceeded ??= exceededOf(entry.counters);
  const innerSignal = entry.launch.contained ? SIGNAL_NAMES.get((code ?? 0) - SIGNAL_CODE_BASE) : undefined;
  const endSignal = signal ?? innerSignal ?? null;
  let open = 2;
  const settle = (): void => {
    open -= 1;
    if (open > 0) return;
    renewOutput(id, entry);
    children.delete(id);
    discard(entry.launch, entry.egress);
    report({
      kind: 'exited',
      id,
      code: endSignal === null ? code : null,
      signal: endSignal,
      exceeded: entry.exceeded,
    });
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

/**
 * What is below goes first. A sandbox's outermost process then ends by itself once it has seen its inner ones end;
 * killed before them, it would leave them to be reaped by somebody else.
 */
function kill(entry: Child): void {
  applyPace(entry.launch.controlGroups, 'serving');
  const below = descendantsOf(entry.process.pid!);
  if (entry.launch.contained && below.length > 0) for (const pid of below) killNow(pid);
  else killTree(entry);
}

function killTree(entry: Child): void {
  const pid = entry.process.pid!;
  const tree = descendantsOf(pid);
  for (const target of [-pid, ...tree]) killNow(target);
}

let usageChecks = 0;

function checkUsage(): void {
  usageChecks += 1;
  // Where the kernel holds the limits it is only to be learnt that it did: that may take a little longer.
  const looksAtGroups = usageChecks % CHECKS_PER_LOOK_AT_GROUPS === 0;
  for (const entry of children.values()) {
    entry.exceeded ??= exceededNow(entry, looksAtGroups);
    if (entry.exceeded !== undefined) kill(entry);
  }
}

/** The kernel ends one process, or refuses one; what is left of the instance is not the program it was. */
function exceededNow(
  { process: child, launch, counters }: Child,
  looksAtGroups: boolean,
): Exceeded | undefined {
  const { controlGroups, memoryMb, tasksMax } = launch;
  if (controlGroups.length > 0) return looksAtGroups ? exceededOf(counters) : undefined;
  const { residentMb, tasks } = usageOf(child.pid!);
  if (residentMb > memoryMb) return 'memory';
  return tasks > tasksMax ? 'processes' : undefined;
}

/** The last act. It must not return to the event loop, which would go on without the platform, so it waits in place. */
function killAll(): void {
  for (const entry of children.values()) {
    applyPace(entry.launch.controlGroups, 'serving');
    killTree(entry);
  }
  for (const { launch } of children.values()) rmSync(launch.folder, { recursive: true, force: true });
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < END_TRIES_MAX && !endControlGroups(groupFolders); tries++)
    Atomics.wait(pause, 0, 0, END_RETRY_MS);
}

/**
 * Descriptors that came from whoever started the platform would go on to every instance. Those that Node.js opened by
 * itself are closed by the kernel at each `exec`; the others are not for instances.
 */
function closeStrayDescriptors(): void {
  if (!existsSync('/proc/self/fdinfo')) return;
  for (const descriptor of readdirSync('/proc/self/fd').map(Number)) {
    if (descriptor <= PLATFORM_FD) continue;
    try {
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1];
      if (flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0) closeSync(descriptor);
    } catch {
      // It was the one that the folder was read with.
    }
  }
}

function main(): void {
  closeStrayDescriptors();
  process.on('message', (request: SpawnerRequest) => {
    if (request.kind === 'start') start(request.launch);
    else {
      const entry = children.get(request.id);
      if (entry !== undefined) kill(entry);
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
  if (existsSync('/proc/self/statm')) systemClock.every(MEMORY_CHECK_MS, checkUsage);
  systemClock.every(OUTPUT_PERIOD_MS, () => {
    for (const [id, entry] of children) renewOutput(id, entry);
  });
}

main();
