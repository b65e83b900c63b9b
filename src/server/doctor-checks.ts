import { access, constants, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { DoctorCheck, DoctorFinding } from '../admin/doctor.ts';
import type { Clock } from '../base/clock.ts';
import type { Defects } from '../base/defects.ts';
import { bubblewrapCheck } from './bubblewrap-check.ts';

const MB = 1024 * 1024;
/** Below this a small platform with a few functions gets into trouble. */
const DISK_MB_MIN = 1_024;
/** Below this the next instance of a function may not start. */
const MEMORY_MB_MIN = 256;
/** A connection on one machine is there at once, or never. */
const CONNECT_WAIT_MS = 1_000;

/** Where a server listens. */
export interface ListeningAddress {
  readonly address: string;
  readonly port: number;
}

/** What only the server knows of itself. `listening`: `undefined` before it listens. */
export function createDoctorChecks(
  dataDir: string,
  listening: () => ListeningAddress | undefined,
  clock: Clock,
  defects: Defects,
): readonly DoctorCheck[] {
  return [
    { name: 'disk', run: () => checkDisk(dataDir) },
    { name: 'memory', run: async () => checkMemory(process.availableMemory(), process.memoryUsage.rss()) },
    { name: 'port', run: () => checkListening(listening(), clock) },
    { name: 'defects', run: async () => checkDefects(defects) },
    bubblewrapCheck,
  ];
}

function checkDefects({ count }: Defects): DoctorFinding {
  const name = 'defects';
  if (count === 0) return { name, status: 'ok', text: 'No defect of Lambent showed since the start.' };
  return {
    name,
    status: 'warn',
    text: `${count} defects of Lambent were contained since the start.`,
    fix: 'Look for "a defect in Lambent" in the log of the platform, and please report what it says.',
  };
}

/** What the machine, or the group that limits this process, has left; each instance of a function takes its own. In bytes. */
export function checkMemory(available: number, own: number): DoctorFinding {
  const [availableMb, ownMb] = [Math.round(available / MB), Math.round(own / MB)];
  const text = `${availableMb} MB of memory are available; the platform itself has ${ownMb} MB.`;
  if (availableMb >= MEMORY_MB_MIN) return { name: 'memory', status: 'ok', text };
  return {
    name: 'memory',
    status: 'warn',
    text,
    fix: `Functions may fail to start below ${MEMORY_MB_MIN} MB: end other programs, or give the machine more.`,
  };
}

/** Whether the data folder, or the folder that it would be made in, can be written to and has space. */
export async function checkDisk(dataDir: string): Promise<DoctorFinding> {
  const folder = await nearestExisting(dataDir);
  const writable = await access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!writable) {
    return {
      name: 'disk',
      status: 'fail',
      text: `${folder} is not writable.`,
      fix: 'Give this user the right to write there, or name another folder with --data.',
    };
  }
  const { bavail, bsize } = await statfs(folder);
  const freeMb = Math.round((bavail * bsize) / MB);
  const text = `${freeMb} MB are free for ${dataDir}.`;
  if (freeMb >= DISK_MB_MIN) return { name: 'disk', status: 'ok', text };
  return { name: 'disk', status: 'warn', text, fix: `Free some space: at least ${DISK_MB_MIN} MB.` };
}

async function nearestExisting(folder: string): Promise<string> {
  for (let candidate = folder; ; candidate = dirname(candidate)) {
    const there = await access(candidate).then(
      () => true,
      () => false,
    );
    if (there || candidate === dirname(candidate)) return candidate;
  }
}

/**
 * Who can reach the server, and whether `localhost` leads to it: a server on IPv4 alone may share its port number
 * with another program on IPv6, and browsers try that first.
 */
async function checkListening(at: ListeningAddress | undefined, clock: Clock): Promise<DoctorFinding> {
  const name = 'port';
  if (at === undefined) return { name, status: 'fail', text: 'The server does not listen.' };
  const loopback = at.address.startsWith('127.') || at.address === '::1';
  const reach = loopback ? 'from this machine alone' : 'from every network that leads to this machine';
  const shown = at.address.includes(':') ? `[${at.address}]` : at.address;
  const text = `Listens on ${shown}:${at.port}, ${reach}.`;
  const ipv4Alone = at.address === '0.0.0.0' || at.address === '127.0.0.1';
  if (!ipv4Alone || !(await answers('::1', at.port, clock))) return { name, status: 'ok', text };
  return {
    name,
    status: 'warn',
    text: `${text} Another program listens on [::1]:${at.port}, and localhost may lead there.`,
    fix: 'Stop it, choose another port with --port, or call 127.0.0.1 instead of localhost.',
  };
}

function answers(host: string, port: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = clock.after(CONNECT_WAIT_MS, () => settle(false));
    const settle = (answered: boolean): void => {
      timer.cancel();
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
