/**
 * The `namespaces` driver: each instance is a process in Linux namespaces of its own, set up by bubblewrap. It sees
 * its code, its runtime, a private `/tmp`, and nothing else of the machine: no file, no process, no network, no
 * environment. It has a user of its own (where the platform runs as root), limits that the kernel holds, and a
 * filter on system calls.
 *
 * It contains hostile functions as long as the kernel has no bug that they can reach. It cannot promise more: those
 * who are each other's enemies need machines of their own.
 *
 * Deliberately absent: trust in a check that was not made. What is promised here is what `probe-isolation.ts` saw.
 */
import assert from 'node:assert/strict';
import { existsSync, lstatSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, join, relative } from 'node:path';
import { type Clock, delay } from '../base/clock.ts';
import type { InstanceId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { BuildSandbox, BuildTool } from '../ports/build-sandbox.ts';
import type {
  Sandbox,
  SandboxDescription,
  SandboxListener,
  SandboxProcess,
  SandboxSpec,
} from '../ports/sandbox.ts';
import { emptyControlGroups, endControlGroups } from '../spawner/control-groups.ts';
import { SpawnerClient } from '../spawner/spawner-client.ts';
import type { Egress, Launch, Stage } from '../spawner/spawner-protocol.ts';
import {
  bubblewrapArguments,
  CLOSING_ARGUMENTS,
  closingArguments,
  egressArguments,
  encodeArguments,
  isInside,
  withoutNested,
} from './bubblewrap-arguments.ts';
import { CodeSlots } from './code-slots.ts';
import { ContainedBuilds, type EnclosedTool } from './contained-builds.ts';
import { type ControlGroupHome, findControlGroupHome } from './control-group-home.ts';
import { InstanceUsers } from './instance-users.ts';
import { findLandlockLauncher } from './landlock-launcher.ts';
import { describeIsolation, probeIsolation } from './probe-isolation.ts';
import { RuntimeRoot } from './runtime-root.ts';
import { type Architecture, createSeccompFilter } from './seccomp-filter.ts';
import { ToolUsers } from './tool-users.ts';

export interface NamespacesSandboxOptions {
  /** Where scratch folders of instances are made; emptied at start. */
  readonly runDir: string;
  /** The folder that holds the code of all versions. */
  readonly codeRoot: string;
  /** The folder that holds all that builds write to; left out: there are none. */
  readonly scratchRoot?: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Only for tests, which show with it that they would notice: the sandbox is made without these layers. */
  readonly leaveOut?: readonly Layer[];
}

export type Layer = 'filter' | 'network' | 'groups' | 'user' | 'landlock';

/** Processes and threads of one instance. Node.js alone has about a dozen. */
const TASKS_MAX = 256;
/** `/tmp` and `/dev/shm`, each; what is in them counts as memory of the instance. */
const SCRATCH_BYTES = 256 * 2 ** 20;
/** A folder that every system has and no platform needs: the spawner covers it for itself. */
const STAGE_PLACES = ['/boot', '/media', '/mnt', '/srv', '/opt'];

/** Where processes find code that was given to them later: AWS Lambda's own place. */
const SLOT_PLACE = '/var/task';

/** How long the kernel may take to let go of control groups that an earlier platform left. */
const SWEEP_TRIES_MAX = 50;
const SWEEP_RETRY_MS = 20;
/** Versions whose arguments are kept. */
const ENCLOSURES_MAX = 1_000;

/** What starts of one version have in common. */
interface Enclosed {
  readonly args: Uint8Array;
  readonly stages: readonly Stage[];
}

class NamespacesSandbox implements Sandbox {
  readonly builds: BuildSandbox | undefined;
  readonly #options: NamespacesSandboxOptions;
  readonly #root: RuntimeRoot;
  readonly #slots: CodeSlots;
  readonly #groups: ControlGroupHome | undefined;
  readonly #spawner: SpawnerClient;
  readonly #users: InstanceUsers | undefined;
  readonly #stagePlace: string | undefined;
  readonly #stages = new Map<string, Stage>();
  readonly #enclosures = new Map<string, Promise<Enclosed>>();
  readonly #filterPath: string;
  /** Through which every program is started, where the kernel has Landlock. */
  #launcher: readonly string[] = [];
  #description: SandboxDescription | undefined;

  constructor(options: NamespacesSandboxOptions, groups: ControlGroupHome | undefined) {
    this.#options = options;
    this.#groups = groups;
    this.#root = new RuntimeRoot(join(options.runDir, 'root'));
    this.#slots = new CodeSlots(join(options.runDir, 'slots'));
    this.#filterPath = join(options.runDir, 'system-calls.bpf');
    if (process.getuid?.() === 0) {
      if (!this.#lacks('user')) this.#users = new InstanceUsers();
      this.#stagePlace = STAGE_PLACES.find(
        (place) =>
          existsSync(place) && ![options.runDir, process.execPath].some((path) => isInside(path, place)),
      );
    }
    this.#spawner = new SpawnerClient(options.log, this.#stagePlace);
    const { scratchRoot } = options;
    this.builds =
      scratchRoot === undefined
        ? undefined
        : new ContainedBuilds({
            spawner: this.#spawner,
            users: this.#users && new ToolUsers(scratchRoot),
            enclose: (id, tool, egress) => this.#encloseTool(id, tool, egress),
          });
  }

  async prepare(): Promise<void> {
    const { runDir, clock } = this.#options;
    // A platform that was killed together with its spawner could not clean up.
    const left = this.#groups?.folders ?? [];
    for (let tries = 0; tries < SWEEP_TRIES_MAX && !emptyControlGroups(left); tries++)
      await delay(clock, SWEEP_RETRY_MS);
    await rm(runDir, { recursive: true, force: true });
    await mkdir(runDir, { recursive: true, mode: 0o711 });
    await mkdir(this.#slots.folder, { mode: 0o711 });
    await this.#root.prepare();
    if (!this.#lacks('landlock')) {
      const launcher = await findLandlockLauncher(runDir);
      if (launcher !== undefined) this.#launcher = [await this.#root.addProgram('launch', launcher)];
    }
    await writeFile(this.#filterPath, createSeccompFilter(process.arch as Architecture), { mode: 0o600 });
  }

  async start(id: InstanceId, spec: SandboxSpec, listener: SandboxListener): Promise<SandboxProcess> {
    const slot = spec.codeDir === undefined ? await this.#slots.make(id) : undefined;
    const { args, stages } =
      slot === undefined ? await this.#enclosureOf(spec) : await this.#enclose(spec, slot);
    const folder = join(this.#options.runDir, id);
    const egress = spec.network === 'none' ? undefined : { policy: spec.network, socket: 'egress' };
    const exitArguments = this.#exitArguments(folder, egress);
    const uid = this.#users?.take();
    const launch: Launch = {
      id,
      command: [...this.#opening(), ...this.#launcher, ...spec.command],
      contained: true,
      env: {},
      folder,
      memoryMb: spec.memoryMb,
      tasksMax: TASKS_MAX,
      filesMax: spec.filesMax,
      controlGroups:
        this.#groups?.groupsOf(id, { memoryMb: spec.memoryMb, tasksMax: TASKS_MAX }, 'background') ?? [],
      egress,
      uid,
      inputs: [
        Buffer.concat([args, encodeArguments([...exitArguments, ...CLOSING_ARGUMENTS])]),
        this.#filterPath,
      ],
      stages,
    };
    const release = (): void => {
      if (uid !== undefined) this.#users?.release(uid);
      if (slot !== undefined) void this.#slots.remove(slot).catch(() => {});
    };
    const placeCode = async (codeDir: string): Promise<string | undefined> =>
      slot !== undefined && (await this.#slots.fill(slot, codeDir)) ? SLOT_PLACE : undefined;
    try {
      return await this.#spawner.start(
        launch,
        {
          onData: (chunk) => listener.onData(chunk),
          onOutput: (stream, chunk) => listener.onOutput(stream, chunk),
          onExit(exit) {
            release();
            listener.onExit(exit);
          },
        },
        placeCode,
      );
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Rejects with why no instance can be started. */
  async probe(clock: Clock): Promise<SandboxDescription> {
    const result = await probeIsolation(this, this.#options.runDir, clock);
    this.#description = describeIsolation(result, {
      groupsVersion: this.#groups?.version,
      platformUid: process.getuid?.() ?? 0,
    });
    return this.#description;
  }

  async describe(): Promise<SandboxDescription> {
    assert.ok(this.#description !== undefined, 'used before it was probed');
    return this.#description;
  }

  async close(): Promise<void> {
    await this.#spawner.close();
    endControlGroups(this.#groups?.folders ?? []);
    await rm(this.#options.runDir, { recursive: true, force: true });
  }

  async #encloseTool(id: InstanceId, tool: BuildTool, egress: Egress | undefined): Promise<EnclosedTool> {
    const system = systemFolders();
    const read = withoutNested([...system, ...tool.readPaths]);
    // Below a folder that a tool writes to nothing is mounted: it could have put a link there.
    for (const path of [...read, ...tool.writeDirs])
      assert.ok(![tool.home, ...tool.writeDirs].some((dir) => dir !== path && isInside(path, dir)), path);
    const { args, stages } = await this.#bind(system, read, [tool.home, ...tool.writeDirs], {
      env: tool.env,
      slot: undefined,
    });
    const folder = join(this.#options.runDir, id);
    const more = [...this.#exitArguments(folder, egress), ...closingArguments(tool.cwd)];
    return {
      ...{ folder, stages, opening: this.#opening() },
      inputs: [Buffer.concat([args, encodeArguments(more)]), this.#filterPath],
      controlGroups: this.#groups?.groupsOf(id, tool.limits, 'starting') ?? [],
    };
  }

  /** What the arguments from descriptor 4 and the filter from descriptor 5 are given to. */
  #opening(): string[] {
    return ['bwrap', '--args', '4', ...(this.#lacks('filter') ? [] : ['--seccomp', '5']), '--'];
  }

  #exitArguments(folder: string, egress: Egress | undefined): string[] {
    if (egress === undefined) return [];
    return egressArguments(this.#reach(join(folder, egress.socket)).from, egress.policy);
  }

  #lacks(layer: Layer): boolean {
    return this.#options.leaveOut?.includes(layer) === true;
  }

  /** The same for all instances of a version. */
  #enclosureOf(spec: SandboxSpec): Promise<Enclosed> {
    const key = JSON.stringify([spec.command[0], spec.env, spec.readDirs, spec.codeDir, spec.seesSystem]);
    const known = this.#enclosures.get(key);
    if (known !== undefined) return known;
    if (this.#enclosures.size >= ENCLOSURES_MAX) this.#enclosures.clear();
    const enclosure = this.#enclose(spec);
    this.#enclosures.set(key, enclosure);
    // A path that is missing today may be there tomorrow.
    enclosure.catch(() => this.#enclosures.delete(key));
    return enclosure;
  }

  /** `slot`: the folder on the host where the code will be, of a process that waits for it. */
  async #enclose(spec: SandboxSpec, slot?: string): Promise<Enclosed> {
    const { codeRoot } = this.#options;
    const [program] = spec.command;
    const trusted = [program!, ...spec.readDirs].filter((path) => !isInside(path, codeRoot));
    await this.#root.addLibrariesOf(trusted);
    const system = spec.seesSystem === true ? systemFolders() : [];
    const code = spec.codeDir === undefined ? [] : [spec.codeDir];
    const paths = withoutNested([...system, ...trusted, ...spec.readDirs, ...code]);
    return this.#bind(system, paths, [], { env: spec.env, slot });
  }

  /** Shows these paths of the host, and the private root where the system's own folders are not shown. */
  async #bind(
    system: readonly string[],
    paths: readonly string[],
    writable: readonly string[],
    { env, slot }: { readonly env: SandboxSpec['env']; readonly slot: string | undefined },
  ): Promise<Enclosed> {
    for (const path of paths) await this.#root.addMountPoint(path);
    const { folders, links } = await this.#root.entries();
    const reached = [
      ...folders
        .filter((name) => !system.includes(`/${name}`))
        .map((name) => [join(this.#root.folder, name), `/${name}`] as const),
      ...paths.map((path) => [path, path] as const),
      ...(slot === undefined ? [] : [[slot, SLOT_PLACE] as const]),
      ...writable.map((path) => [path, path] as const),
    ].map(([from, to]) => ({ to, writable: writable.includes(to), ...this.#reach(from) }));
    const args = bubblewrapArguments({
      sharesNetwork: this.#lacks('network'),
      env,
      bindings: reached,
      links,
      scratchBytes: SCRATCH_BYTES,
    });
    const stages = new Map(reached.flatMap(({ stage }) => (stage === undefined ? [] : [[stage.to, stage]])));
    return { args: encodeArguments(args), stages: [...stages.values()] };
  }

  /** The path under which bubblewrap, no longer root, finds what lies at this one; and the stage that makes it so. */
  #reach(path: string): { from: string; stage: Stage | undefined } {
    if (this.#stagePlace === undefined) return { from: path, stage: undefined };
    const { codeRoot, runDir, scratchRoot } = this.#options;
    // Few mounts for many paths: each makes every start a little slower. What the run folder holds (the runtime's root,
    // the ways out, places for code) is needed by every start.
    const roots = [codeRoot, runDir, ...(scratchRoot === undefined ? [] : [scratchRoot])];
    const from = roots.find((root) => isInside(path, root)) ?? path;
    const to = join(this.#stagePlace, String(this.#stages.size));
    const stage = this.#stages.get(from) ?? { from, to, writable: from === scratchRoot };
    this.#stages.set(from, stage);
    return { from: join(stage.to, relative(from, path)), stage };
  }
}

/** Where the machine's programs are, and what they need to find each other and to trust servers. No other part of `/etc`. */
const SYSTEM_FOLDERS = ['/usr', '/bin', '/sbin', '/lib', '/lib64', '/etc/alternatives', '/etc/ssl/certs'];

function systemFolders(): string[] {
  // Most systems have links in place of some, which the private root has too.
  return SYSTEM_FOLDERS.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true);
}

/** Why the driver cannot be used here, and what would help. */
export interface Unavailable {
  readonly reason: string;
  readonly advice: string | undefined;
}

/** Starts the driver and proves on a live instance what it promises. */
export async function openNamespacesSandbox(
  options: NamespacesSandboxOptions,
): Promise<Sandbox | Unavailable> {
  const missing = missingPrograms();
  if (process.platform !== 'linux') return { reason: 'this is not Linux', advice: 'Isolation needs Linux.' };
  if (missing !== undefined) return missing;
  const groups = options.leaveOut?.includes('groups') ? undefined : findControlGroupHome(options.runDir);
  const sandbox = new NamespacesSandbox(options, groups);
  try {
    await sandbox.prepare();
    const { level, summary } = await sandbox.probe(options.clock);
    if (level !== 'E' || options.leaveOut !== undefined) return sandbox;
    await sandbox.close();
    return { reason: summary, advice: undefined };
  } catch (error) {
    await sandbox.close();
    const reason = `bubblewrap cannot make a sandbox here: ${error instanceof Error ? error.message : error}`;
    return {
      reason,
      advice:
        'Allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns).',
    };
  }
}

/** Programs of the system that starting an instance takes, and the Debian packages that bring them. */
const PROGRAMS = [
  ['bwrap', 'bubblewrap'],
  ['setpriv', 'util-linux'],
  ['unshare', 'util-linux'],
  ['mount', 'mount'],
  ['ldd', 'libc-bin'],
] as const;

function missingPrograms(): Unavailable | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const missing = PROGRAMS.filter(
    ([program]) => !folders.some((folder) => existsSync(join(folder, program))),
  );
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
  return {
    reason: `not installed: ${missing.map(([program]) => program).join(', ')}`,
    advice: `Run \`apt-get install ${packages}\`.`,
  };
}
