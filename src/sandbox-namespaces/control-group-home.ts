import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FROZEN_V2, makeControlGroups, THAWED_V1, THAWED_V2 } from '../spawner/control-groups.ts';
import type { ControlGroup, GroupSetting } from '../spawner/spawner-protocol.ts';

/**
 * Where the control groups of instances are made: `lambent-KEY` below the platform's own group, or for version 2 and
 * root below the topmost one, because a group of version 2 cannot hold processes and limited groups at once.
 */

export interface GroupLimits {
  readonly memoryMb: number;
  readonly tasksMax: number;
}

/** Instances begin in the background; builds, for which nobody hastens, with a share of their own. */
type FirstPace = 'background' | 'starting';

export interface ControlGroupHome {
  readonly version: 1 | 2;
  /** Folders that hold the groups of instances; removed with the platform. */
  readonly folders: readonly string[];
  /** The groups of one instance, and the pace that it begins with. */
  groupsOf(id: string, limits: GroupLimits, pace: FirstPace): ControlGroup[];
}

/** Each instance gets the same share of a busy machine. */
const SHARES_V1: Shares = {
  serving: ['cpu.shares', '256'],
  starting: ['cpu.shares', '64'],
  least: ['cpu.shares', '2'],
};
const SHARES_V2: Shares = {
  serving: ['cpu.weight', '25'],
  starting: ['cpu.weight', '6'],
  least: ['cpu.weight', '1'],
};
const CONTROLLERS = ['memory', 'cpu', 'pids'] as const;

type Controller = (typeof CONTROLLERS)[number];

/** Newer kernels know processes that run only while nobody else wants to; older ones get the smallest share. */
const CPU_IDLE = 'cpu.idle';

type Shares = Readonly<Record<'serving' | 'starting' | 'least', GroupSetting>>;

/** What this kernel can do beside limits. */
interface Abilities {
  readonly countsSwap: boolean;
  readonly paces: NonNullable<ControlGroup['paces']>;
}

function pacesOf({ serving, starting, least }: Shares, knowsIdle: boolean): Abilities['paces'] {
  if (!knowsIdle) return { background: [least], starting: [starting], serving: [serving], frozen: [] };
  // Leaving it sets a share of the kernel's own.
  const not: GroupSetting = [CPU_IDLE, '0'];
  return { background: [[CPU_IDLE, '1']], starting: [not, starting], serving: [not, serving], frozen: [] };
}

/** In version 1 a hierarchy of its own, which a system may lack. */
const FREEZER_V1: Settings = {
  settings: [],
  paces: {
    background: [THAWED_V1],
    starting: [THAWED_V1],
    serving: [THAWED_V1],
    frozen: [[THAWED_V1[0], 'FROZEN']],
  },
};

export function withFreezerV2(paces: Abilities['paces']): Abilities['paces'] {
  return {
    background: [THAWED_V2, ...paces.background],
    starting: [THAWED_V2, ...paces.starting],
    serving: [THAWED_V2, ...paces.serving],
    frozen: [FROZEN_V2],
  };
}

/** Where the kernel counts swap, it must not be a way around the limit. */
const SWAP_LIMIT_V1 = 'memory.memsw.limit_in_bytes';
const SWAP_LIMIT_V2 = 'memory.swap.max';

type Settings = Pick<ControlGroup, 'settings' | 'paces'>;

function settingsV1(
  controller: Controller,
  { memoryMb, tasksMax }: GroupLimits,
  { countsSwap, paces }: Abilities,
  pace: FirstPace,
): Settings {
  switch (controller) {
    case 'memory':
      return {
        settings: [
          ['memory.limit_in_bytes', `${memoryMb}M`],
          ...(countsSwap ? [[SWAP_LIMIT_V1, `${memoryMb}M`] as const] : []),
        ],
      };
    case 'cpu':
      return { settings: paces[pace], paces };
    case 'pids':
      return { settings: [['pids.max', String(tasksMax)]] };
  }
}

function settingsV2(
  { memoryMb, tasksMax }: GroupLimits,
  { countsSwap, paces }: Abilities,
  pace: FirstPace,
): Settings {
  return {
    settings: [
      ['memory.max', String(memoryMb * 2 ** 20)],
      ...(countsSwap ? [[SWAP_LIMIT_V2, '0'] as const] : []),
      ['memory.oom.group', '1'],
      ['pids.max', String(tasksMax)],
      ...paces[pace],
    ],
    paces,
  };
}

/** Mount points of version 1 by controller, and that of version 2 as `unified`. */
function mountPoints(): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before, after] = line.split(' - ');
    const path = before?.split(' ')[4];
    const [type, , options] = after?.split(' ') ?? [];
    if (path === undefined) continue;
    if (type === 'cgroup2') found.set('unified', path);
    if (type === 'cgroup') for (const option of options?.split(',') ?? []) found.set(option, path);
  }
  return found;
}

/** The platform's own group by controller; that of version 2 as `unified`. */
function ownGroups(): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').split('\n')) {
    const [, controllers, ...path] = line.split(':');
    if (controllers === undefined) continue;
    for (const name of controllers === '' ? ['unified'] : controllers.split(','))
      found.set(name, path.join(':'));
  }
  return found;
}

function homeV1(
  mounts: Map<string, string>,
  own: Map<string, string>,
  name: string,
): ControlGroupHome | undefined {
  const homes = new Map<Controller, string>();
  for (const controller of CONTROLLERS) {
    const [mount, path] = [mounts.get(controller), own.get(controller)];
    if (mount === undefined || path === undefined) return undefined;
    homes.set(controller, join(mount, path, name));
  }
  const freezer = freezerHomeV1(mounts, own, name);
  const abilities = {
    countsSwap: existsSync(join(mounts.get('memory')!, SWAP_LIMIT_V1)),
    paces: pacesOf(SHARES_V1, existsSync(join(mounts.get('cpu')!, CPU_IDLE))),
  };
  return {
    version: 1,
    folders: [...new Set([...homes.values(), ...(freezer === undefined ? [] : [freezer])])],
    groupsOf(id, limits, pace) {
      const groups = new Map<string, Settings>();
      // Controllers that are mounted together share a folder.
      for (const [controller, home] of homes) {
        const known = groups.get(home);
        const { settings, paces } = settingsV1(controller, limits, abilities, pace);
        groups.set(home, {
          settings: [...(known?.settings ?? []), ...settings],
          paces: paces ?? known?.paces,
        });
      }
      if (freezer !== undefined) groups.set(freezer, FREEZER_V1);
      return [...groups].map(([home, each]) => ({ folder: join(home, id), ...each }));
    },
  };
}

/** Where it is a hierarchy of its own. `undefined`: it is not there; processes are stopped by signals instead. */
function freezerHomeV1(
  mounts: Map<string, string>,
  own: Map<string, string>,
  name: string,
): string | undefined {
  const [mount, path] = [mounts.get('freezer'), own.get('freezer')];
  if (mount === undefined || path === undefined) return undefined;
  const shared = CONTROLLERS.some((controller) => mounts.get(controller) === mount);
  return shared ? undefined : join(mount, path, name);
}

function homeV2(parent: string, name: string): ControlGroupHome | undefined {
  const home = join(parent, name);
  const wanted = CONTROLLERS.map((controller) => `+${controller}`).join(' ');
  try {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(parent, 'cgroup.subtree_control'), wanted);
    writeFileSync(join(home, 'cgroup.subtree_control'), wanted);
  } catch {
    removeFolder(home);
    return undefined;
  }
  const abilities = {
    // Both are files of groups below the topmost one only.
    countsSwap: existsSync(join(home, SWAP_LIMIT_V2)),
    paces: withFreezerV2(pacesOf(SHARES_V2, existsSync(join(home, CPU_IDLE)))),
  };
  return {
    version: 2,
    folders: [home],
    groupsOf: (id, limits, pace) => [{ folder: join(home, id), ...settingsV2(limits, abilities, pace) }],
  };
}

/** In a group that was delegated to us alone: we move into one below, so that it may hold limited groups. */
function makeRoomV2(own: string): void {
  const leaf = join(own, 'lambent-platform');
  try {
    mkdirSync(leaf, { recursive: true });
    writeFileSync(join(leaf, 'cgroup.procs'), String(process.pid));
  } catch {
    removeFolder(leaf);
  }
}

/** Makes a group as for an instance and takes it away again: that it can be made is the only proof that it can. */
function working(home: ControlGroupHome | undefined): ControlGroupHome | undefined {
  if (home === undefined) return undefined;
  const groups = home.groupsOf('probe', { memoryMb: 64, tasksMax: 16 }, 'background');
  try {
    makeControlGroups(groups);
    return home;
  } catch {
    for (const folder of home.folders) removeFolder(folder);
    return undefined;
  } finally {
    for (const { folder } of groups) removeFolder(folder);
  }
}

function removeFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Was not made, or is in use.
  }
}

/** `undefined`: this platform may make no control groups. `key`: anything that tells this platform from others. */
export function findControlGroupHome(key: string): ControlGroupHome | undefined {
  const name = `lambent-${createHash('sha256').update(key).digest('hex').slice(0, 12)}`;
  try {
    const [mounts, own] = [mountPoints(), ownGroups()];
    const unified = mounts.get('unified');
    const offered = unified === undefined ? '' : readFileSync(join(unified, 'cgroup.controllers'), 'latin1');
    if (
      unified !== undefined &&
      CONTROLLERS.every((controller) => offered.split(/\s/).includes(controller))
    ) {
      const topmost = working(homeV2(unified, name));
      if (topmost !== undefined) return topmost;
      const ownPath = join(unified, own.get('unified') ?? '/');
      makeRoomV2(ownPath);
      return working(homeV2(ownPath, name));
    }
    return working(homeV1(mounts, own, name));
  } catch {
    return undefined;
  }
}
