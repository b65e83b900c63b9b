import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Pace } from '../ports/sandbox.ts';
import { killNow } from './process-tree.ts';
import type { ControlGroup, Exceeded, GroupSetting } from './spawner-protocol.ts';

/** The kernel needs a moment to let go of a group whose last process has just ended. */
const REMOVE_RETRY_MS = 20;
const REMOVE_TRIES_MAX = 250;

/** Makes the groups and writes their limits. Throws what the kernel answers; nothing is left then. */
export function makeControlGroups(groups: readonly ControlGroup[]): void {
  try {
    for (const { folder, settings } of groups) {
      mkdirSync(folder, { recursive: true });
      for (const [file, value] of settings) writeFileSync(join(folder, file), value);
    }
  } catch (error) {
    for (const { folder } of groups) removeOnce(folder);
    throw error;
  }
}

/** Of version 1: what is frozen there takes no signals, not even the last one. */
export const THAWED_V1: GroupSetting = ['freezer.state', 'THAWED'];

/** Of version 2, which needs no controller for it: what is frozen there can be ended all the same. */
export const FROZEN_V2: GroupSetting = ['cgroup.freeze', '1'];
export const THAWED_V2: GroupSetting = ['cgroup.freeze', '0'];

/** Whether the kernel can freeze these groups. */
export function canFreeze(groups: readonly ControlGroup[]): boolean {
  return groups.some(({ paces }) => paces !== undefined && paces.frozen.length > 0);
}

/**
 * Writes what a pace means to these groups, where that is not what the pace before it meant. Groups that are gone meanwhile
 * stay so.
 */
export function applyPace(groups: readonly ControlGroup[], pace: Pace, before?: Pace): void {
  for (const { folder, paces } of groups) {
    const known = before === undefined ? [] : (paces?.[before] ?? []);
    for (const setting of paces?.[pace] ?? []) {
      const [file, value] = setting;
      if (known.some((each) => each[0] === file && each[1] === value)) continue;
      try {
        writeFileSync(join(folder, file), value);
      } catch {
        // The process has ended, and its groups with it.
      }
    }
  }
}

/** What the kernel counts when it ends or refuses a process. Versions 1 and 2 differ in the files, not in the words. */
const COUNTERS: readonly (readonly [file: string, counted: RegExp, Exceeded])[] = [
  ['memory.oom_control', /^oom_kill [1-9]/m, 'memory'],
  ['memory.events', /^oom_kill [1-9]/m, 'memory'],
  ['pids.events', /^max [1-9]/m, 'processes'],
];

export interface Counter {
  readonly path: string;
  readonly counted: RegExp;
  readonly exceeded: Exceeded;
}

/** The counters that these groups have. */
export function countersOf(groups: readonly ControlGroup[]): Counter[] {
  return groups.flatMap(({ folder }) =>
    COUNTERS.map(([file, counted, exceeded]) => ({ path: join(folder, file), counted, exceeded })).filter(
      ({ path }) => existsSync(path),
    ),
  );
}

/** The limit that the groups' processes ran into, if they did. */
export function exceededOf(counters: readonly Counter[]): Exceeded | undefined {
  return counters.find(({ path, counted }) => counted.test(readOrEmpty(path)))?.exceeded;
}

/** Ends whatever is still in the groups and removes them, at once where the kernel lets it, else a little later. */
export function removeControlGroups(
  groups: readonly ControlGroup[],
  clock: Clock,
  onStuck: (folder: string) => void,
  triesLeft = REMOVE_TRIES_MAX,
): void {
  const left = groups.filter(({ folder }) => {
    endMembers(folder);
    return !removeOnce(folder);
  });
  if (left.length === 0) return;
  if (triesLeft === 0) for (const { folder } of left) onStuck(folder);
  else clock.after(REMOVE_RETRY_MS, () => removeControlGroups(left, clock, onStuck, triesLeft - 1));
}

/** Ends and removes all groups in these folders, and the folders. False: not all are gone yet. */
export function endControlGroups(folders: Iterable<string>): boolean {
  let gone = true;
  for (const folder of folders) {
    emptyControlGroups([folder]);
    if (!removeOnce(folder)) gone = false;
  }
  return gone;
}

/** Ends and removes all groups in these folders. False: not all are gone yet. */
export function emptyControlGroups(folders: Iterable<string>): boolean {
  let gone = true;
  for (const folder of folders) {
    for (const name of childrenOf(folder)) {
      const group = join(folder, name);
      endMembers(group);
      if (!removeOnce(group)) gone = false;
    }
  }
  return gone;
}

function childrenOf(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

function endMembers(folder: string): void {
  const members = membersOf(folder);
  if (members.length === 0) return;
  const [file, value] = THAWED_V1;
  if (existsSync(join(folder, file))) writeFileSync(join(folder, file), value);
  for (const pid of members) killNow(pid);
}

function membersOf(folder: string): number[] {
  return readOrEmpty(join(folder, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function removeOnce(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
