/**
 * The `process` driver: each instance is a plain process with an empty environment, a scratch folder of its own,
 * and limits on open files and memory. It keeps honest functions out of each other's way; it does NOT contain
 * hostile ones, and says so (level E): an instance can read what the platform's user can read and open any
 * network connection. It is for development and for machines without Linux namespaces.
 *
 * Deliberately absent: any claim of isolation.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LambentError } from '../base/errors.ts';
import type { InstanceId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type {
  Sandbox,
  SandboxDescription,
  SandboxListener,
  SandboxProcess,
  SandboxSpec,
} from '../ports/sandbox.ts';
import type { SpawnerReport, SpawnerRequest } from './spawner-protocol.ts';

export interface ProcessSandboxOptions {
  /** Where scratch folders of instances are made; emptied at start. */
  readonly runDir: string;
  readonly log: Log;
}

interface Running {
  readonly id: InstanceId;
  readonly listener: SandboxListener;
  readonly resolve: (process: SandboxProcess) => void;
  readonly reject: (error: LambentError) => void;
  process: ChannelProcess | undefined;
}

/** How a process is ended when its spawner died: the spawner's own way is gone then. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

class ChannelProcess implements SandboxProcess {
  readonly pid: number;
  readonly #socket: Socket;
  readonly #kill: () => void;

  constructor(pid: number, socket: Socket, listener: SandboxListener, kill: () => void) {
    this.pid = pid;
    this.#socket = socket;
    this.#kill = kill;
    socket.on('data', (chunk: Buffer) => listener.onData(chunk));
    // The exit report tells the story; the socket's own error adds nothing to it.
    socket.on('error', () => {});
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket.destroyed) return true;
    this.#socket.write(bytes);
    return this.#socket.writableLength === 0;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  kill(): void {
    this.#kill();
  }

  close(): void {
    this.#socket.destroy();
  }
}

class ProcessSandbox implements Sandbox {
  readonly #runDir: string;
  readonly #log: Log;
  readonly #running = new Map<string, Running>();
  #spawner: ChildProcess | undefined;
  #closing = false;

  constructor(options: ProcessSandboxOptions) {
    this.#runDir = options.runDir;
    this.#log = options.log;
  }

  start(id: InstanceId, spec: SandboxSpec, listener: SandboxListener): Promise<SandboxProcess> {
    if (this.#closing) return Promise.reject(new LambentError('E_SHUTTING_DOWN', 'the platform is stopping'));
    return new Promise((resolve, reject) => {
      this.#running.set(id, { id, listener, resolve, reject, process: undefined });
      this.#send({
        kind: 'start',
        id,
        command: spec.command,
        env: spec.env,
        cwd: join(this.#runDir, id),
        memoryMb: spec.memoryMb,
        filesMax: spec.filesMax,
      });
    });
  }

  async describe(): Promise<SandboxDescription> {
    const linux = process.platform === 'linux';
    return {
      driver: 'process',
      level: 'E',
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
      ],
    };
  }

  async close(): Promise<void> {
    this.#closing = true;
    const spawner = this.#spawner;
    if (spawner?.connected) {
      await new Promise<void>((resolve) => {
        spawner.once('exit', () => resolve());
        spawner.disconnect();
      });
    }
    await rm(this.#runDir, { recursive: true, force: true });
  }

  #send(request: SpawnerRequest): void {
    this.#spawner ??= this.#startSpawner();
    this.#spawner.send(request, (error) => {
      if (error !== null && request.kind === 'start') this.#failed(request.id, error.message);
    });
  }

  #startSpawner(): ChildProcess {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const program = fileURLToPath(new URL(`./spawner.${extension}`, import.meta.url));
    const spawner = fork(program, [], {
      serialization: 'advanced',
      execArgv: ['--max-old-space-size=64', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { PATH: process.env.PATH ?? '' },
      // Out of the platform's process group, so that a signal to that group does not take it first.
      detached: true,
    });
    spawner.on('message', (message, handle) =>
      this.#onReport(message as SpawnerReport, handle as Socket | undefined),
    );
    spawner.once('exit', (code, signal) => this.#onSpawnerGone(spawner, code, signal));
    spawner.on('error', (error) => this.#log.error('the spawner failed', { error: error.message }));
    return spawner;
  }

  #onReport(report: SpawnerReport, handle: Socket | undefined): void {
    const running = this.#running.get(report.id);
    if (running === undefined) {
      handle?.destroy();
      return;
    }
    switch (report.kind) {
      case 'started':
        this.#started(running, report.pid, handle);
        break;
      case 'failed':
        this.#failed(report.id, report.message);
        break;
      case 'output':
        running.listener.onOutput(report.stream, Buffer.from(report.chunk));
        break;
      case 'exited':
        this.#exited(running, report);
        break;
    }
  }

  #started(running: Running, pid: number, handle: Socket | undefined): void {
    const { id } = running;
    if (handle === undefined) {
      this.#failed(id, 'the channel did not arrive');
      return;
    }
    running.process = new ChannelProcess(pid, handle, running.listener, () =>
      this.#send({ kind: 'kill', id }),
    );
    running.resolve(running.process);
  }

  #failed(id: string, message: string): void {
    const running = this.#running.get(id);
    this.#running.delete(id);
    running?.reject(new LambentError('E_START_FAILED', `a process could not be started: ${message}`));
  }

  #exited(
    running: Running,
    exit: { code: number | null; signal: string | null; outOfMemory: boolean },
  ): void {
    this.#running.delete(running.id);
    running.process?.close();
    running.reject(new LambentError('E_START_FAILED', 'the process ended while it was starting'));
    running.listener.onExit({ code: exit.code, signal: exit.signal, outOfMemory: exit.outOfMemory });
  }

  /** Without its spawner an instance's end would go unseen: all are ended, and the next start makes a new spawner. */
  #onSpawnerGone(spawner: ChildProcess, code: number | null, signal: string | null): void {
    if (this.#spawner === spawner) this.#spawner = undefined;
    if (!this.#closing) this.#log.error('the spawner ended; its instances are stopped', { code, signal });
    for (const running of [...this.#running.values()]) {
      if (running.process !== undefined) killGroup(running.process.pid);
      this.#exited(running, { code: null, signal: 'SIGKILL', outOfMemory: false });
    }
  }
}

/** Starts the driver. Its spawner process begins with the first instance. */
export async function createProcessSandbox(options: ProcessSandboxOptions): Promise<Sandbox> {
  await rm(options.runDir, { recursive: true, force: true });
  await mkdir(options.runDir, { recursive: true, mode: 0o700 });
  return new ProcessSandbox(options);
}
