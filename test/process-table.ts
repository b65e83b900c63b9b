/** What runs on this machine, for tests that must know that something is gone. Linux only, where it reads `/proc`. */
import { readdirSync, readFileSync } from 'node:fs';
import { getTestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

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

/** The command line of a process; empty when it has ended. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
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
    const command = commandOf(pid);
    if (command.includes(text)) found.push({ pid, command });
  }
  return found;
}

/** For hooks, which have no limit of their own. */
const POLL_MS_MAX = 100_000;

/**
 * Waits for a condition of the outside world that announces itself to nobody. The test's own timeout bounds it: then, what
 * was waited for is printed, with what `tell` has to add: how things stand instead.
 */
export async function poll(
  isSo: () => boolean | Promise<boolean>,
  tell: () => unknown = () => '',
): Promise<void> {
  const startedMs = performance.now();
  const test = getTestContext();
  const isGivenUp = (): boolean =>
    test?.signal?.aborted === true || performance.now() - startedMs > POLL_MS_MAX;
  while (!(await isSo())) {
    if (isGivenUp()) {
      const told = await Promise.resolve()
        .then(tell)
        .catch((error: unknown) => error);
      const text = `“${test?.fullName ?? 'a hook'}” waited ${Math.round(performance.now() - startedMs)} ms for ${isSo}\n${inspect(told, { depth: 6 })}`;
      console.error(text);
      throw new Error(text);
    }
    await delay(10);
  }
}

/** The processes below this one, at any depth. */
export function descendantsOf(pid: number): number[] {
  let children = '';
  try {
    children = readdirSync(`/proc/${pid}/task`)
      .map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1'))
      .join(' ');
  } catch {
    // It has ended.
  }
  return children
    .split(' ')
    .filter(Boolean)
    .map(Number)
    .flatMap((child) => [child, ...descendantsOf(child)]);
}
