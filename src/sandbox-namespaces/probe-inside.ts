/**
 * Runs as an instance, once, when the platform starts: tries what must not work there and says on the channel what
 * did. Told to go on, by any byte, it takes more memory than it may have, and is not expected to come back.
 */
import { readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';

/** What the driver prepared outside, to be tried from inside. */
export interface ProbeTargets {
  /** A file of the platform's user. */
  readonly file: string;
  /** A port on the host's loopback where something listens. */
  readonly port: number;
  /** A process outside. */
  readonly pid: number;
  /** Memory that is taken at the end. */
  readonly takeMb: number;
}

/** What was seen inside. True is good. */
export interface ProbeFindings {
  readonly hidesFiles: boolean;
  readonly refusesWrites: boolean;
  readonly hidesProcesses: boolean;
  readonly hidesNetwork: boolean;
  readonly hasNoPrivileges: boolean;
  readonly filtersSystemCalls: boolean;
  readonly hidesEnvironment: boolean;
  /** Every other layer lets a process name itself by this file. */
  readonly isLandlocked: boolean;
}

const CHANNEL_FD = 3;
/** Names that bubblewrap and the shell set for themselves. */
const HARMLESS_NAMES = /^(PWD|OLDPWD|SHLVL|_)=/;
const STEP_MB = 8;

function fails(act: () => unknown): boolean {
  try {
    act();
    return false;
  } catch {
    return true;
  }
}

function statusField(name: string): string {
  return new RegExp(`^${name}:\\s*(\\S*)`, 'm').exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '';
}

function cannotConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(false));
    socket.once('error', () => resolve(true));
  });
}

/** Of the process that made the sandbox; empty where it cannot be read, as with Landlock. */
function environmentOfFirst(): string[] {
  try {
    return readFileSync('/proc/1/environ', 'latin1').split('\0').filter(Boolean);
  } catch {
    return [];
  }
}

async function look({ file, port, pid }: ProbeTargets): Promise<ProbeFindings> {
  return {
    hidesFiles: fails(() => readFileSync(file)),
    refusesWrites: ['/', '/usr', '/etc', '/dev'].every((folder) =>
      fails(() => writeFileSync(`${folder}/lambent-probe`, '')),
    ),
    hidesProcesses: fails(() => process.kill(pid, 0)) && fails(() => readFileSync(`/proc/${pid}/stat`)),
    hidesNetwork:
      Object.keys(networkInterfaces()).every((name) => name === 'lo') && (await cannotConnect(port)),
    hasNoPrivileges: Number.parseInt(statusField('CapEff'), 16) === 0 && statusField('NoNewPrivs') === '1',
    filtersSystemCalls: statusField('Seccomp') === '2',
    hidesEnvironment: environmentOfFirst().every((entry) => HARMLESS_NAMES.test(entry)),
    isLandlocked: fails(() => writeFileSync('/proc/self/comm', 'probe')),
  };
}

const targets = JSON.parse(process.argv[2]!) as ProbeTargets;
writeSync(CHANNEL_FD, `${JSON.stringify(await look(targets))}\n`);
// Until the platform has looked at this process from outside.
readSync(CHANNEL_FD, Buffer.alloc(1));
const taken: Buffer[] = [];
while (taken.length * STEP_MB < targets.takeMb) taken.push(Buffer.alloc(STEP_MB * 2 ** 20, 1));
