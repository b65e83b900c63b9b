import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Clock, systemClock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Pace, SandboxExit, SandboxListener, SandboxProcess } from '../ports/sandbox.ts';
import { applyPace, canFreeze } from './control-groups.ts';
import { killNow, signalTree } from './process-tree.ts';
import type { Launch, SpawnerReport, SpawnerRequest } from './spawner-protocol.ts';

/** How long the last bytes of a process may take after its end was reported. */
const LAST_BYTES_MS = 1_000;

type PlaceCode = SandboxProcess['placeCode'];

/** Where the program sees the files of the host, code is where it is. */
const AS_IT_IS: PlaceCode = async (codeDir) => codeDir;

interface Running {
  readonly launch: Launch;
  readonly listener: SandboxListener;
  readonly placeCode: PlaceCode;
  readonly resolve: (process: SandboxProcess) => void;
  readonly reject: (error: LambentError) => void;
  process: ChannelProcess | undefined;
}

class ChannelProcess implements SandboxProcess {
  readonly pid: number;
  readonly placeCode: PlaceCode;
  readonly #socket: Socket;
  readonly #launch: Launch;
  readonly #kill: () => void;
  #pace: Pace = 'background';
  #atEnd: () => void = () => {};

  constructor(pid: number, socket: Socket, { launch, listener, placeCode }: Running, kill: () => void) {
    this.pid = pid;
    this.#launch = launch;
    this.placeCode = placeCode;
    this.#socket = socket;
    this.#kill = kill;
    socket.on('data', (chunk: Buffer) => listener.onData(chunk));
    // The exit report tells the story; the socket's own error adds nothing to it.
    socket.on('error', () => {});
    socket.on('end', () => this.#atEnd());
    socket.on('close', () => this.#atEnd());
  }

  /** Runs `task` once everything has come that the process said, or when that takes too long after its end. */
  whenHeard(clock: Clock, task: () => void): void {
    if (this.#socket.readableEnded || this.#socket.destroyed) {
      task();
      return;
    }
    const late = clock.after(LAST_BYTES_MS, () => this.#atEnd());
    this.#atEnd = () => {
      this.#atEnd = () => {};
      late.cancel();
      task();
    };
    this.#socket.resume();
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket.destroyed) return true;
    this.#socket.write(bytes);
    return this.#socket.writableLength === 0;
  }

  setPace(pace: Pace): void {
    if (pace === this.#pace || this.#socket.destroyed) return;
    const { controlGroups } = this.#launch;
    const before = this.#pace;
    this.#pace = pace;
    // By the platform itself: through the spawner it would have to wait until that has started others.
    applyPace(controlGroups, pace, before);
    if (canFreeze(controlGroups)) return;
    if (pace === 'frozen') signalTree(this.pid, 'SIGSTOP');
    else if (before === 'frozen') signalTree(this.pid, 'SIGCONT');
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  kill(): void {
    this.setPace('serving');
    this.#kill();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/**
 * The platform's side of the spawner: starts instances through it and brings what it reports to their listeners. What
 * every driver shares; how an instance is contained is in the `Launch` that the driver writes.
 */
export class SpawnerClient {
  readonly #log: Log;
  readonly #stagePlace: string | undefined;
  readonly #clock: Clock;
  readonly #running = new Map<string, Running>();
  #spawner: ChildProcess | undefined;
  #closing = false;

  /** `stagePlace`: see `Stages`; set only for a platform that runs as root. */
  constructor(log: Log, stagePlace?: string, clock: Clock = systemClock) {
    this.#log = log;
    this.#clock = clock;
    this.#stagePlace = stagePlace;
  }

  /** Rejects with `E_START_FAILED`, and `E_SHUTTING_DOWN` after `close`. The spawner begins with the first launch. */
  start(launch: Launch, listener: SandboxListener, placeCode = AS_IT_IS): Promise<SandboxProcess> {
    if (this.#closing) return Promise.reject(new LambentError('E_SHUTTING_DOWN', 'the platform is stopping'));
    const { id } = launch;
    return new Promise((resolve, reject) => {
      this.#running.set(id, { launch, listener, placeCode, resolve, reject, process: undefined });
      this.#send({ kind: 'start', launch });
    });
  }

  /** Ends every instance and the spawner. */
  async close(): Promise<void> {
    this.#closing = true;
    const spawner = this.#spawner;
    if (spawner?.connected !== true) return;
    await new Promise<void>((resolve) => {
      spawner.once('exit', () => resolve());
      spawner.disconnect();
    });
  }

  #send(request: SpawnerRequest): void {
    this.#spawner ??= this.#startSpawner();
    this.#spawner.send(request, (error) => {
      if (error !== null && request.kind === 'start') this.#failed(request.launch.id, error.message);
    });
  }

  #startSpawner(): ChildProcess {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const program = fileURLToPath(new URL(`./spawner.${extension}`, import.meta.url));
    const command = [
      // Mounts that the spawner makes are its own, and end with it.
      ...(this.#stagePlace === undefined ? [] : ['unshare', '--mount', '--propagation', 'private', '--']),
      process.execPath,
      '--max-old-space-size=64',
      '--disable-warning=ExperimentalWarning',
      program,
      ...(this.#stagePlace === undefined ? [] : [this.#stagePlace]),
    ];
    const spawner = spawn(command[0]!, command.slice(1), {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Half of these threads resolve names for the ways out: one instance's slow ones must not keep all others waiting.
      env: { PATH: process.env.PATH ?? '', UV_THREADPOOL_SIZE: '64' },
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
        this.#exited(running, { code: report.code, signal: report.signal, exceeded: report.exceeded });
        break;
    }
  }

  #started(running: Running, pid: number, handle: Socket | undefined): void {
    const { id } = running.launch;
    if (handle === undefined) {
      this.#failed(id, 'it ended at once, or its channel did not arrive');
      // Whatever became of it: nobody can speak to it.
      this.#send({ kind: 'kill', id });
      return;
    }
    running.process = new ChannelProcess(pid, handle, running, () => this.#send({ kind: 'kill', id }));
    running.resolve(running.process);
  }

  #failed(id: string, message: string): void {
    const running = this.#running.get(id);
    this.#running.delete(id);
    running?.reject(new LambentError('E_START_FAILED', `a process could not be started: ${message}`));
  }

  #exited(running: Running, exit: SandboxExit): void {
    this.#running.delete(running.launch.id);
    running.reject(new LambentError('E_START_FAILED', 'the process ended while it was starting'));
    const { process, listener } = running;
    const tell = (): void => {
      process?.close();
      listener.onExit(exit);
    };
    // Its last answers may come after the news of its end, which takes another way.
    if (process === undefined) tell();
    else process.whenHeard(this.#clock, tell);
  }

  /** Without its spawner an instance's end would go unseen: all are ended, and the next start makes a new spawner. */
  #onSpawnerGone(spawner: ChildProcess, code: number | null, signal: string | null): void {
    if (this.#spawner === spawner) this.#spawner = undefined;
    if (!this.#closing) this.#log.error('the spawner ended; its instances are stopped', { code, signal });
    for (const running of [...this.#running.values()]) {
      running.process?.setPace('serving');
      if (running.process !== undefined) killNow(-running.process.pid);
      this.#exited(running, { code: null, signal: 'SIGKILL', exceeded: undefined, orphaned: true });
    }
  }
}
