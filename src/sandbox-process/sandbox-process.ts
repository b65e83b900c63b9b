/**
 * The `process` driver: each instance is a plain process with an empty environment, a scratch folder of its own,
 * and limits on open files and memory. It keeps honest functions out of each other's way; it does NOT contain
 * hostile ones, and says so (level E): an instance can read what the platform's user can read and open any
 * network connection. It is for development and for machines without Linux namespaces.
 *
 * Deliberately absent: any claim of isolation.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type {
  Sandbox,
  SandboxDescription,
  SandboxListener,
  SandboxProcess,
  SandboxSpec,
} from '../ports/sandbox.ts';
import { SpawnerClient } from '../spawner/spawner-client.ts';

export interface ProcessSandboxOptions {
  /** Where scratch folders of instances are made; emptied at start. */
  readonly runDir: string;
  readonly log: Log;
  /** What would get functions isolated here. */
  readonly advice: string | undefined;
}

class ProcessSandbox implements Sandbox {
  readonly builds = undefined;
  readonly #runDir: string;
  readonly #advice: string | undefined;
  readonly #spawner: SpawnerClient;

  constructor({ runDir, log, advice }: ProcessSandboxOptions) {
    this.#runDir = runDir;
    this.#advice = advice;
    this.#spawner = new SpawnerClient(log);
  }

  start(id: InstanceId, spec: SandboxSpec, listener: SandboxListener): Promise<SandboxProcess> {
    const folder = join(this.#runDir, id);
    const launch = {
      id,
      command: spec.command,
      contained: false,
      env: { ...spec.env, TMPDIR: folder },
      folder,
      memoryMb: spec.memoryMb,
      tasksMax: Number.POSITIVE_INFINITY,
      filesMax: spec.filesMax,
      controlGroups: [],
      egress: undefined,
      uid: undefined,
      inputs: [],
      stages: [],
    };
    return this.#spawner.start(launch, listener);
  }

  async describe(): Promise<SandboxDescription> {
    const linux = process.platform === 'linux';
    return {
      driver: 'process',
      level: 'E',
      advice: this.#advice,
      summary: 'not isolated: functions are plain processes of the platform’s own user',
      protections: [
        { name: 'environment', enforced: true, note: 'starts empty; holds only what the manifest sets' },
        { name: 'open files', enforced: true, note: 'limited by rlimit' },
        {
          name: 'memory',
          enforced: false,
          note: linux
            ? 'looked at ten times a second; over the limit the instance is ended'
            : 'not watched on this system',
        },
        { name: 'files', enforced: false, note: 'a function can read what the platform’s user can read' },
        { name: 'network', enforced: false, note: 'a function can open any connection' },
        { name: 'system calls', enforced: false, note: 'no filter' },
        { name: 'builds', enforced: false, note: 'tools of builds run as the platform’s user' },
      ],
    };
  }

  async close(): Promise<void> {
    await this.#spawner.close();
    await rm(this.#runDir, { recursive: true, force: true });
  }
}

/** Starts the driver. Its spawner process begins with the first instance. */
export async function createProcessSandbox(options: ProcessSandboxOptions): Promise<Sandbox> {
  await rm(options.runDir, { recursive: true, force: true });
  await mkdir(options.runDir, { recursive: true, mode: 0o700 });
  return new ProcessSandbox(options);
}
