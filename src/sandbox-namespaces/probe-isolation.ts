import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.ts';
import type { InstanceId } from '../base/ids.ts';
import type { Sandbox, SandboxDescription, SandboxExit } from '../ports/sandbox.ts';
import type { ProbeFindings, ProbeTargets } from './probe-inside.ts';

/** A probe that takes longer has failed. */
const PROBE_MS_MAX = 10_000;
/** Enough for Node.js to start, and to say something. */
const PROBE_MEMORY_MB = 96;
const FINDINGS_BYTES_MAX = 16 * 1024;
/** Any byte tells the probe, which waits after its findings, to take memory until it is killed. */
const GO_ON = Buffer.of(1);

export interface ProbeResult {
  readonly findings: ProbeFindings;
  readonly memoryIsLimited: boolean;
  /** The user that the instance had outside. */
  readonly uid: number;
}

/** Starts a real instance that tries to get out. Rejects with why it could not even start. */
export async function probeIsolation(
  sandbox: Pick<Sandbox, 'start'>,
  runDir: string,
  clock: Clock,
): Promise<ProbeResult> {
  const file = join(runDir, 'canary');
  const listener = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  try {
    await once(listener, 'listening');
    await writeFile(file, 'seen', { mode: 0o644 });
    const { port } = listener.address() as AddressInfo;
    return await run(sandbox, { file, port, pid: process.pid, takeMb: PROBE_MEMORY_MB * 2 }, clock);
  } finally {
    listener.close();
    await rm(file, { force: true });
  }
}

async function run(
  sandbox: Pick<Sandbox, 'start'>,
  targets: ProbeTargets,
  clock: Clock,
): Promise<ProbeResult> {
  const program = fileURLToPath(new URL(`./probe-inside${import.meta.url.slice(-3)}`, import.meta.url));
  let said = '';
  let printed = '';
  const found = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<SandboxExit>();
  const process_ = await sandbox.start(
    'probe' as InstanceId,
    {
      command: [process.execPath, '--disable-warning=ExperimentalWarning', program, JSON.stringify(targets)],
      env: {},
      codeDir: dirname(program),
      readDirs: [],
      memoryMb: PROBE_MEMORY_MB,
      filesMax: 256,
      network: 'none',
    },
    {
      onData(chunk) {
        if (said.length < FINDINGS_BYTES_MAX) said += chunk.toString('latin1');
        if (said.includes('\n')) found.resolve();
      },
      onOutput(_stream, chunk) {
        if (printed.length < FINDINGS_BYTES_MAX) printed += chunk.toString();
      },
      onExit: ended.resolve,
    },
  );
  // The platform waits for it, whatever else the machine does.
  process_.setPace('serving');
  const timer = clock.after(PROBE_MS_MAX, () => process_.kill());
  await Promise.race([found.promise, ended.promise]);
  const uid = said.includes('\n') ? uidOf(process_.pid) : 0;
  process_.write(GO_ON);
  const exit = await ended.promise;
  timer.cancel();
  if (!said.includes('\n')) throw new Error(lastLine(printed) || `it ended with ${exit.code ?? exit.signal}`);
  return { findings: JSON.parse(said) as ProbeFindings, memoryIsLimited: exit.exceeded === 'memory', uid };
}

/** Whose process this is; it must still be there, that is, wait. */
function uidOf(pid: number): number {
  return Number(/^Uid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

export interface Circumstances {
  readonly groupsVersion: 1 | 2 | undefined;
  /** The user of the platform. */
  readonly platformUid: number;
}

const ADVICE_D =
  'Run Lambent as root, or under `systemd-run --user --scope -p Delegate=yes`, so that it may make control groups.';
const ADVICE_B =
  'Landlock, the last layer, is missing: it needs a kernel from 5.13 on that has it enabled (`lsm=` of its command line), on x64.';
const SUMMARIES = {
  A: 'functions are contained by Linux namespaces, a filter on system calls, Landlock, and limits of the kernel',
  B: 'functions are contained by Linux namespaces, a filter on system calls, and limits of the kernel',
  D: 'functions are contained by Linux namespaces and a filter on system calls; memory is watched, not limited',
  E: 'not isolated: a function on this machine gets out of its namespaces',
} as const;

/** What may be promised after a probe. */
export function describeIsolation(result: ProbeResult, circumstances: Circumstances): SandboxDescription {
  const { hidesFiles, refusesWrites, hidesProcesses, hidesNetwork, ...others } = result.findings;
  const { hasNoPrivileges, filtersSystemCalls, hidesEnvironment } = others;
  const contained =
    hidesFiles &&
    refusesWrites &&
    hidesProcesses &&
    hidesNetwork &&
    hasNoPrivileges &&
    filtersSystemCalls &&
    hidesEnvironment;
  const limited = circumstances.groupsVersion !== undefined && result.memoryIsLimited;
  const level = !contained ? 'E' : !limited ? 'D' : others.isLandlocked ? 'A' : 'B';
  return {
    driver: 'namespaces',
    level,
    summary: SUMMARIES[level],
    advice: level === 'D' ? ADVICE_D : level === 'B' ? ADVICE_B : undefined,
    protections: [
      ...containment(result, circumstances),
      ...limits(limited ? circumstances.groupsVersion : undefined),
      {
        name: 'Landlock',
        enforced: others.isLandlocked,
        note: others.isLandlocked
          ? 'whatever is mounted, only /tmp and /dev/shm can be written to'
          : 'this kernel does not have it, or the processor is not x64',
      },
      {
        name: 'builds',
        enforced: contained,
        note: 'tools of builds of uploaded apps run in such a sandbox, without Landlock; `lambent dev` builds the folders that it serves as you would',
      },
    ],
  };
}

type Protections = SandboxDescription['protections'];

function containment({ findings, uid }: ProbeResult, { platformUid }: Circumstances): Protections {
  const ownUser = uid !== platformUid;
  return [
    {
      name: 'files',
      enforced: findings.hidesFiles && findings.refusesWrites,
      note: 'a function sees its code and its runtime, read-only, and a /tmp of its own',
    },
    { name: 'processes', enforced: findings.hidesProcesses, note: 'a function sees its own alone' },
    {
      name: 'network',
      enforced: findings.hidesNetwork,
      note: 'no interface but a loopback of its own; out only through the platform, to what `network` allows',
    },
    {
      name: 'environment',
      enforced: findings.hidesEnvironment,
      note: 'starts empty; holds only what the manifest sets',
    },
    {
      name: 'identity',
      enforced: ownUser && findings.hasNoPrivileges,
      note: ownUser
        ? 'each instance has a user of its own, without groups and privileges'
        : 'no privileges, but all instances are the platform’s user; only root can give each its own',
    },
    {
      name: 'system calls',
      enforced: findings.filtersSystemCalls,
      note: 'dangerous ones are refused (seccomp)',
    },
  ];
}

function limits(groupsVersion: 1 | 2 | undefined): Protections {
  const enforced = groupsVersion !== undefined;
  const note = enforced
    ? `held by the kernel (control groups, version ${groupsVersion})`
    : 'looked at ten times a second; over the limit the instance is ended';
  return [
    { name: 'memory', enforced, note },
    { name: 'processes and threads', enforced, note },
    {
      name: 'processor',
      enforced,
      note: enforced ? 'equal shares on a busy machine' : 'the system’s own fairness between processes',
    },
    { name: 'open files', enforced: true, note: 'limited by rlimit' },
    {
      name: 'disk',
      enforced: true,
      note: 'only /tmp and /dev/shm can be written to; they have a size and count as memory',
    },
  ];
}
