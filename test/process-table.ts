/** What runs on this machine, for tests that must know that something is gone. Linux only, where it reads `/proc`. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** True while a process has this id; a zombie, which only waits to be noticed by its parent, counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return stateOf(pid) !== 'Z';
}

function stateOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2] ?? '';
  } catch {
    return '';
  }
}

/** Command lines of the running processes that contain `text`, with their ids. */
export function processesWith(text: string): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      if (command.includes(text)) found.push({ pid, command });
    } catch {
      // It ended while it was looked at.
    }
  }
  return found;
}

/** Waits for a condition of the outside world that announces itself to nobody. The test's own timeout bounds it. */
export async function poll(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await delay(10);
}
