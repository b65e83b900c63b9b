import { readFileSync } from 'node:fs';

/** What Linux tells of processes in `/proc`. Elsewhere everything is empty or zero. */

const PAGE_BYTES = 4096;
/** How many processes of one tree are looked at. */
const TREE_MAX = 1_024;

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Processes below `pid`, at any depth. */
export function descendantsOf(pid: number): number[] {
  const found: number[] = [];
  const open = [pid];
  while (open.length > 0 && found.length < TREE_MAX) {
    const parent = open.pop()!;
    for (const child of read(`/proc/${parent}/task/${parent}/children`)
      .split(' ')
      .filter(Boolean)
      .map(Number)) {
      found.push(child);
      open.push(child);
    }
  }
  return found;
}

export interface TreeUsage {
  readonly residentMb: number;
  /** Processes and their threads; counted only up to the processes that are looked at. */
  readonly tasks: number;
}

/** What a process and everything below it use. */
export function usageOf(pid: number): TreeUsage {
  let residentMb = 0;
  let tasks = 0;
  for (const each of [pid, ...descendantsOf(pid)]) {
    residentMb += (Number(read(`/proc/${each}/statm`).split(' ')[1] ?? 0) * PAGE_BYTES) / 2 ** 20;
    const stat = read(`/proc/${each}/stat`);
    // The name in parentheses may hold anything; the number of threads is the 18th field after it.
    tasks += Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[17] ?? 0);
  }
  return { residentMb, tasks };
}

/** Sends a signal to a process's group and to everything below it. */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  for (const target of [-pid, ...descendantsOf(pid)]) {
    try {
      process.kill(target, signal);
    } catch {
      // Already gone.
    }
  }
}

/** Ends a process, or with a negative number a process group. */
export function killNow(target: number): void {
  try {
    process.kill(target, 'SIGKILL');
  } catch {
    // Already gone.
  }
}
