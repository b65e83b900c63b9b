import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BoundedQueue } from '../../base/bounded-queue.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { COMPILE_FLAGS } from '../../model/code-cache.ts';
import type { BuilderReply, BuilderRequest, BuildJob, BuildOutput } from './build-job.ts';

/** Builds that run at the same time; the bundler uses several threads for each. */
export const BUILDS_PARALLEL_MAX = 4;
/** Builds that may wait for one of those places. */
export const BUILDS_WAITING_MAX = 1_024;
/** How long one build may take. */
export const BUILD_MS_MAX = 60_000;
/** How long the builder process lives on without work. Starting it costs a deploy about 150 ms. */
export const BUILDER_IDLE_MS = 30 * 60_000;
const WORKER_FILE = import.meta.url.endsWith('.ts') ? './build-worker.ts' : './build-worker.js';
/** Memory of the builder's JavaScript, in megabytes; the bundler's own comes on top. */
const BUILDER_HEAP_MB = 1_024;

export interface BuilderOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** A folder of its own: working folder, and cache of compiled code. */
  readonly workDir: string;
  readonly buildMsMax?: number;
  readonly idleMs?: number;
}

interface Pending {
  readonly job: BuildJob;
  readonly resolve: (output: BuildOutput) => void;
  readonly reject: (error: LambentError) => void;
  /** Set after the process died under it and others: the next time it runs alone, so that blame is certain. */
  alone: boolean;
  timer: Timer | undefined;
}

/**
 * Runs builds in the builder process, which it starts when needed. When the process dies, the builds that were
 * running are tried once more, one at a time; one that kills it again has failed, and the others have not.
 */
export class Builder {
  readonly #options: BuilderOptions;
  readonly #waiting = new BoundedQueue<Pending>(BUILDS_WAITING_MAX);
  readonly #suspects = new BoundedQueue<Pending>(BUILDS_PARALLEL_MAX);
  readonly #active = new Map<number, Pending>();
  #process: ChildProcess | undefined;
  #lastId = 0;
  #idle: Timer | undefined;
  /** True from the moment a stuck process was killed until it is gone. */
  #stopping = false;
  #closed = false;

  constructor(options: BuilderOptions) {
    this.#options = options;
  }

  /** The process's id while there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Rejects with `E_BUILD_FAILED`, or `E_OVERLOADED` when too many wait. */
  build(job: BuildJob): Promise<BuildOutput> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { job, resolve, reject, alone: false, timer: undefined };
      if (this.#closed)
        reject(new LambentError('E_SHUTTING_DOWN', 'the platform is stopping; nothing is built any more'));
      else if (this.#waiting.push(pending)) this.#fill();
      else
        reject(
          new LambentError('E_OVERLOADED', `more than ${BUILDS_WAITING_MAX} builds wait already`, {
            retryAfterS: 5,
          }),
        );
    });
  }

  /** Ends the process at once; builds that run or wait are rejected with `E_SHUTTING_DOWN`. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    const pendings = [...this.#active.values()];
    this.#active.clear();
    for (const queue of [this.#suspects, this.#waiting])
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) pendings.push(next);
    for (const pending of pendings) {
      pending.timer?.cancel();
      pending.reject(new LambentError('E_SHUTTING_DOWN', 'the platform is stopping; the build was given up'));
    }
    const child = this.#process;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  #fill(): void {
    if (this.#stopping || this.#closed) return;
    this.#idle?.cancel();
    this.#idle = undefined;
    while (this.#active.size < BUILDS_PARALLEL_MAX) {
      const next = this.#next();
      if (next === undefined) break;
      this.#send(next);
      if (next.alone) break;
    }
    this.#restIfIdle();
  }

  /** What may start now: suspects go first, and alone. */
  #next(): Pending | undefined {
    if (this.#suspects.size > 0) return this.#active.size === 0 ? this.#suspects.shift() : undefined;
    for (const running of this.#active.values()) if (running.alone) return undefined;
    return this.#waiting.shift();
  }

  #send(pending: Pending): void {
    const { clock, buildMsMax = BUILD_MS_MAX } = this.#options;
    this.#lastId += 1;
    const id = this.#lastId;
    this.#active.set(id, pending);
    pending.timer = clock.after(buildMsMax, () => this.#onTooSlow(id, buildMsMax));
    this.#process ??= this.#start();
    const request: BuilderRequest = { id, job: pending.job };
    // A process that cannot be written to is about to report its end.
    this.#process.send(request, () => {});
  }

  #start(): ChildProcess {
    const { workDir, log } = this.#options;
    const program = fileURLToPath(new URL(WORKER_FILE, import.meta.url));
    const child = fork(program, [], {
      cwd: workDir,
      execArgv: [
        `--max-old-space-size=${BUILDER_HEAP_MB}`,
        '--disable-warning=ExperimentalWarning',
        ...COMPILE_FLAGS,
      ],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: join(workDir, 'compile-cache') },
      // Out of the terminal's group: a signal to that group must not end it before its time.
      detached: true,
    });
    // It must not keep the platform alive; it ends by itself when the channel closes.
    child.unref();
    child.channel?.unref();
    child.on('message', (reply) => this.#onReply(reply as BuilderReply));
    child.on('error', (error) => {
      log.error('the builder process failed', { error: error.message });
      // One that never started does not exit either.
      if (child.pid === undefined) this.#onGone(child, error.message);
    });
    child.once('exit', (code, signal) => this.#onGone(child, signal ?? `exit code ${code}`));
    return child;
  }

  #onReply(reply: BuilderReply): void {
    const pending = this.#active.get(reply.id);
    if (pending === undefined) return;
    this.#active.delete(reply.id);
    pending.timer?.cancel();
    if ('output' in reply) pending.resolve(reply.output);
    else {
      const { code, message, hint, details } = reply.fault;
      pending.reject(
        new LambentError(code, message, {
          ...(hint === undefined ? {} : { hint }),
          ...(details === undefined ? {} : { details }),
        }),
      );
    }
    this.#fill();
  }

  #onTooSlow(id: number, buildMsMax: number): void {
    const pending = this.#active.get(id);
    if (pending === undefined) return;
    this.#active.delete(id);
    pending.reject(
      new LambentError(
        'E_BUILD_FAILED',
        `building ${pending.job.entry} took longer than ${buildMsMax} ms and was stopped`,
        {
          hint: 'Look for generated or very large sources; bundle less with `external`.',
          details: { entry: pending.job.entry },
        },
      ),
    );
    // The bundler cannot be interrupted: its process is. Builds beside this one are tried again.
    if (this.#process === undefined) return;
    this.#stopping = true;
    this.#process.kill('SIGKILL');
  }

  #onGone(child: ChildProcess, how: string): void {
    if (this.#process !== child) return;
    const wasStopped = this.#stopping;
    this.#process = undefined;
    this.#stopping = false;
    if (this.#closed) return;
    const running = [...this.#active.values()];
    this.#active.clear();
    if (running.length > 0 && !wasStopped)
      this.#options.log.warn('the builder process died', { how, builds: running.length });
    for (const pending of running) {
      pending.timer?.cancel();
      if (!wasStopped && (pending.alone || running.length === 1)) pending.reject(crashed(pending.job, how));
      else {
        pending.alone = true;
        this.#suspects.push(pending);
      }
    }
    this.#fill();
  }

  #restIfIdle(): void {
    if (this.#process === undefined || this.#active.size > 0 || this.#idle !== undefined) return;
    const { clock, idleMs = BUILDER_IDLE_MS } = this.#options;
    this.#idle = clock.after(idleMs, () => {
      this.#idle = undefined;
      // Closing the channel is its sign to end; a build that comes now gets a new process.
      const child = this.#process;
      this.#process = undefined;
      if (child?.connected) child.disconnect();
    });
  }
}

function crashed(job: BuildJob, how: string): LambentError {
  return new LambentError(
    'E_BUILD_FAILED',
    `the bundler crashed (${how}) on ${job.entry} or a file that it imports`,
    {
      hint: 'This happens with code that is nested very deeply; look for generated or minified sources.',
      details: { entry: job.entry },
    },
  );
}
