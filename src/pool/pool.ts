/**
 * The pool keeps instances ready for calls: it starts them when calls wait, shares each among as many calls as
 * its version allows, and ends them when they have been idle, are no longer live, or overstep a limit. Some it keeps
 * without work, always or by the clock (keep-warm).
 *
 * Guarantees: an instance serves one version only; a call that was not handed over yet never fails because an
 * instance died; every wait is bounded in number and every running call in time; no more processes are being
 * started at a time than the machine can start well.
 *
 * Deliberately absent: what frames on a stream mean (functions/invoke), and how processes are contained (Sandbox).
 */
import { availableParallelism, totalmem } from 'node:os';
import type { Clock, Timer } from '../base/clock.ts';
import type { Defects } from '../base/defects.ts';
import { type LambentError, toLambentError } from '../base/errors.ts';
import type { InstanceId, InvocationId, MintUuid } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { BootMessage } from '../model/frames.ts';
import { type FunctionVersion, START_MS, type VersionId } from '../model/function.ts';
import type { LogSeverity, LogStream } from '../model/invocation.ts';
import type { ActivitySink, InstanceView } from '../ports/activity.ts';
import type { InstancePool, LeaseWaiter } from '../ports/instance-pool.ts';
import type { PlatformCalls } from '../ports/platform-calls.ts';
import type { Sandbox, SandboxProcess, SandboxSpec } from '../ports/sandbox.ts';
import { deadlocked } from './call-deadlock.ts';
import { Instance } from './instance.ts';
import { InstanceShares } from './instance-shares.ts';
import { MachineLoad } from './machine-load.ts';
import { chooseIdle, MemoryBudget, memoryToSpare } from './memory-budget.ts';
import { type NodeLimits, NodeLoad } from './node-load.ts';
import { Prewarm } from './prewarm.ts';
import type { ScaleUpOptions } from './scale-up.ts';
import { StartTurns } from './start-turns.ts';
import { stoppingError, VersionPool, type VersionPoolHost } from './version-pool.ts';

/** Deadlines and idle times are looked at this often. */
const SWEEP_MS = 20;
/** … and at whether calls wait for each other in a circle this often. */
const DEADLOCK_LOOK_MS = 500;
const FILES_MAX = 1_024;
/**
 * A start takes processor time that nobody else wants, so that many of them do not slow down those that serve. On a
 * machine that has none left, it gets a small share after this time.
 */
const START_PATIENCE_MS = 100;
/** Waiting processes may take this share of the machine's memory, at this much each: they have most of it in common. */
const PREWARMED_SHARE = 0.05;
const PREWARMED_BYTES = 16 * 2 ** 20;
const PREWARMED_MAX = 64;

export interface PoolLimits extends NodeLimits {
  /** Instances that may exist on this node. */
  readonly instancesMax: number;
  /** Instances that may be starting at a time. */
  readonly startingMax: number;
  /** Processes that may wait without code for a version that needs one. */
  readonly prewarmedMax: number;
  /** Kinds of such processes of which at least one waits. */
  readonly prewarmedKindsMax: number;
  /** Memory that the machine always has left: with less, instances without work end. */
  readonly spareBytes: number;
  /** Calls that are sent to an instance ahead of their turn wait there for about this long at most, in milliseconds. */
  readonly heldWaitMs: number;
}

export const POOL_LIMITS: PoolLimits = {
  runningMax: 10_000,
  waitingMax: 10_000,
  instancesMax: 1_000,
  startingMax: Math.max(4, availableParallelism() * 2),
  prewarmedMax: Math.min(
    PREWARMED_MAX,
    Math.max(1, Math.floor((totalmem() * PREWARMED_SHARE) / PREWARMED_BYTES)),
  ),
  prewarmedKindsMax: 4,
  spareBytes: memoryToSpare(),
  heldWaitMs: 2,
};

export interface PreparedProcess {
  readonly spec: Omit<SandboxSpec, 'filesMax' | 'network'>;
  readonly boot: BootMessage;
  /** What the process reads on its channel before the message; `undefined`: nothing. */
  readonly preamble?: string;
  /** Whether a process may be started ahead of need, without the code. */
  readonly generic?: boolean;
}

export interface PoolOptions {
  readonly sandbox: Sandbox;
  readonly activity: ActivitySink;
  readonly clock: Clock;
  readonly log: Log;
  readonly defects: Defects;
  readonly mintInstanceId: MintUuid;
  readonly limits?: Partial<PoolLimits>;
  /** The machine as decisions about more instances see it; left out: as it is. */
  readonly scaleUp?: ScaleUpOptions;
  /** What instances may ask of the platform. */
  readonly operations: PlatformCalls;
  /**
   * How a version is started: the program for its language, and the message that tells it what to load. `placedAt`: where
   * the process sees the code, if not at its own place. Rejects if the code is gone.
   */
  prepare(version: FunctionVersion, deployment: number, placedAt?: string): Promise<PreparedProcess>;
}

class Pool implements InstancePool, VersionPoolHost {
  readonly clock: Clock;
  readonly scaleUp: ScaleUpOptions;
  readonly #options: PoolOptions;
  readonly #limits: PoolLimits;
  readonly #pools = new Map<VersionId, VersionPool>();
  #lookForDeadlocksMs = 0;
  readonly #load: NodeLoad;
  readonly #shares: InstanceShares;
  #starting = 0;
  readonly #startTurns = new StartTurns<VersionPool>();
  #sweeper: Timer | undefined;
  #closed = false;
  #onEmpty: (() => void) | undefined;
  readonly #prewarm: Prewarm;
  readonly #budget: MemoryBudget;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.clock = options.clock;
    const load = new MachineLoad(this.clock);
    this.scaleUp = options.scaleUp ?? {
      clock: this.clock,
      processors: availableParallelism(),
      isMachineBusy: () => load.isBusy(),
    };
    this.#limits = { ...POOL_LIMITS, ...options.limits };
    this.#load = new NodeLoad(this.#limits);
    this.#shares = new InstanceShares(this.#pools, this.#limits.instancesMax);
    this.#budget = new MemoryBudget(this.clock, this.#limits.spareBytes);
    const { prewarmedMax: waitingMax, prewarmedKindsMax: kindsMax } = this.#limits;
    this.#prewarm = new Prewarm({
      ...options,
      limits: { waitingMax, kindsMax },
      isBusy: () => this.#starting > 0,
    });
  }

  get waiting(): number {
    return this.#load.waiting;
  }

  get heldWaitMs(): number {
    return this.#limits.heldWaitMs;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get prewarmed(): number {
    return this.#prewarm.size;
  }

  acquire(version: FunctionVersion, deployment: number, waiter: LeaseWaiter): () => void {
    if (this.#closed) {
      waiter.onRefused(stoppingError());
      return () => {};
    }
    return this.#poolOf(version, deployment).acquire(waiter);
  }

  warm(version: FunctionVersion, deployment: number): void {
    if (!this.#closed) this.#poolOf(version, deployment).warm();
  }

  keep(version: FunctionVersion, deployment: number): void {
    const { minInstances, keepWarm } = version.config;
    if (this.#closed || (minInstances === 0 && keepWarm === undefined)) return;
    this.#poolOf(version, deployment).keep();
  }

  async foresee(version: FunctionVersion, deployment: number): Promise<void> {
    const prepared = await this.#options.prepare(version, deployment).catch(() => undefined);
    if (prepared?.generic !== true || this.#closed) return;
    const { codeDir: _codeDir, ...kind } = this.#specOf(version, prepared);
    this.#prewarm.foresee(kind);
  }

  renew(isConcerned: (version: FunctionVersion) => boolean): void {
    for (const pool of this.#pools.values()) if (isConcerned(pool.version)) pool.renew();
  }

  retainOnly(isLive: (version: FunctionVersion) => boolean): void {
    for (const pool of this.#pools.values()) {
      if (isLive(pool.version)) pool.retired = false;
      else {
        pool.retire();
        this.#forgetIfDone(pool);
      }
    }
  }

  instances(): readonly InstanceView[] {
    const views: InstanceView[] = [];
    for (const pool of this.#pools.values())
      for (const instance of pool.instances) views.push(viewOf(pool, instance));
    return views;
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#prewarm.close();
    const stopping = stoppingError();
    for (const pool of this.#pools.values()) {
      pool.refuseAll(stopping);
      pool.retire();
    }
    if (this.#instanceCount() > 0) {
      const empty = new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
      const force = this.clock.after(graceMs, () => {
        for (const pool of this.#pools.values())
          for (const instance of pool.instances) instance.kill(stopping);
      });
      await empty;
      force.cancel();
    }
    this.#sweeper?.cancel();
  }

  startInstance(pool: VersionPool): boolean {
    if (this.#closed) return false;
    const { app } = pool.version;
    if (!this.#shares.mayHaveOneMore(app)) {
      // One that serves calls may go on with fewer; it asks again soon, and others need not wait for it.
      this.#evictIdle(1, this.#shares.of(app));
      return false;
    }
    if (!this.#startTurns.mayStart(pool, this.#mayStartOne())) {
      if (this.#instanceCount() >= this.#limits.instancesMax) this.#evictIdle(1);
      return false;
    }
    this.#starting += 1;
    const { version, deployment } = pool;
    let giveUp: Timer | undefined;
    const instance = new Instance(
      this.#options.mintInstanceId() as InstanceId,
      version,
      deployment,
      this.clock,
      this.#options.operations,
      {
        onReady: (which) => {
          giveUp?.cancel();
          pool.onReady(which);
        },
        onBootFailed: (which, failure) => pool.onBootFailed(which, failure),
        onAnswered: (which, beganMs, among) => pool.onAnswered(which, beganMs, among),
        onRoom: (which, beganMs) => pool.onRoom(which, beganMs),
        onTakenBack: (which, waiter, sinceMs) => pool.onTakenBack(which, waiter, sinceMs),
        onRetire: () => pool.onRetire(),
        onGone: (which) => {
          giveUp?.cancel();
          this.#gone(pool, which);
        },
        onLog: (which, invocation, from, severity, timeMs, text) =>
          this.log(which, invocation, from, severity, timeMs, text),
        onDefect: (_which, during, thrown) => this.defect(during, thrown),
      },
    );
    pool.adopt(instance);
    giveUp = this.#giveUpLate(pool, instance);
    void this.#boot(pool, instance, giveUp);
    this.#watch();
    return true;
  }

  startEnded(): void {
    this.#starting -= 1;
    this.#resumeStarts();
  }

  mayRun(pool: VersionPool): boolean {
    return this.#load.mayRun(pool.version);
  }

  ran(pool: VersionPool, delta: 1 | -1): void {
    this.#load.ran(pool.version, delta);
  }

  waits(pool: VersionPool, delta: 1 | -1): void {
    this.#load.waits(pool.version, delta);
  }

  waitRefusal({ version, instances }: VersionPool): LambentError | undefined {
    const refusal = this.#load.waitRefusal(version);
    return refusal ?? (instances.length === 0 ? this.#shares.refusal(version.app) : undefined);
  }

  isDeadlocked(pool: VersionPool): boolean {
    return deadlocked(this.#pools.values()).has(pool);
  }

  defect(during: string, thrown: unknown): void {
    this.#options.defects.note(during, thrown);
  }

  log(
    instance: Instance,
    invocation: InvocationId | undefined,
    stream: LogStream,
    severity: LogSeverity,
    timeMs: number,
    text: string,
  ): void {
    const { app, name, id } = instance.version;
    this.#options.activity.log({
      sequence: 0,
      timeMs,
      app,
      function: name,
      version: id,
      instance: instance.id,
      invocation,
      stream,
      severity,
      text,
    });
  }

  #poolOf(version: FunctionVersion, deployment: number): VersionPool {
    const known = this.#pools.get(version.id);
    if (known !== undefined) return known;
    const pool = new VersionPool(version, deployment, this);
    this.#pools.set(version.id, pool);
    this.#load.reserve(version.config.reservedConcurrency);
    return pool;
  }

  #giveUpLate(pool: VersionPool, instance: Instance): Timer {
    const startMs = pool.version.config.startMs ?? START_MS;
    return this.clock.after(startMs, () => {
      if (instance.state !== 'starting') return;
      pool.onBootFailed(instance, {
        code: 'E_BOOT_FAILED',
        errorType: 'Timeout',
        errorMessage: `its code did not finish within ${startMs / 1000} s; \`startTimeout\` in the manifest sets this limit`,
        stackTrace: [],
      });
    });
  }

  async #boot(pool: VersionPool, instance: Instance, giveUp: Timer): Promise<void> {
    try {
      const prepared = await this.#options.prepare(pool.version, pool.deployment);
      if (prepared.generic === true && (await this.#useWaiting(pool, instance, prepared))) return;
      const spec = this.#specOf(pool.version, prepared);
      this.#attach(instance, await this.#options.sandbox.start(instance.id, spec, instance), prepared);
    } catch (error) {
      giveUp.cancel();
      this.#options.log.warn('an instance could not be started', {
        function: pool.version.name,
        error: String(error),
      });
      pool.startFailed(instance, toLambentError(error));
      this.#afterGone(pool);
    }
  }

  #attach(instance: Instance, process: SandboxProcess, prepared: PreparedProcess): void {
    instance.attach(process, prepared);
    this.clock.after(START_PATIENCE_MS, () => {
      if (instance.state === 'starting') process.setPace('starting');
    });
  }

  #specOf(version: FunctionVersion, { spec }: PreparedProcess): SandboxSpec {
    return { ...spec, filesMax: FILES_MAX, network: version.config.network };
  }

  /** Gives the code to a process that waits for some. False: there is none, or it cannot take this code. */
  async #useWaiting(pool: VersionPool, instance: Instance, prepared: PreparedProcess): Promise<boolean> {
    const { codeDir, ...kind } = this.#specOf(pool.version, prepared);
    const waiting = codeDir === undefined ? undefined : this.#prewarm.take(kind);
    if (codeDir === undefined || waiting === undefined) return false;
    const placedAt = await waiting.process!.placeCode(codeDir).catch(() => undefined);
    if (placedAt === undefined) {
      waiting.process!.kill();
      return false;
    }
    const placed =
      placedAt === codeDir ? prepared : await this.#options.prepare(pool.version, pool.deployment, placedAt);
    // It may have ended meanwhile.
    const process = waiting.handOver(instance);
    if (process !== undefined) this.#attach(instance, process, placed);
    return process !== undefined;
  }

  #gone(pool: VersionPool, instance: Instance): void {
    pool.onGone(instance);
    this.#afterGone(pool);
  }

  #afterGone(pool: VersionPool): void {
    this.#forgetIfDone(pool);
    this.#resumeStarts();
    if (this.#instanceCount() === 0) this.#onEmpty?.();
  }

  #forgetIfDone(pool: VersionPool): void {
    if (!pool.retired || !pool.isEmpty) return;
    this.#pools.delete(pool.version.id);
    this.#startTurns.forget(pool);
    this.#load.reserve(-pool.version.config.reservedConcurrency);
    const { app } = pool.version;
    if (![...this.#pools.values()].some((other) => other.version.app === app)) this.#load.forget(app);
  }

  #resumeStarts(): void {
    this.#startTurns.resume(
      () => this.#mayStartOne(),
      (pool) => pool.pump(),
    );
  }

  #mayStartOne(): boolean {
    return this.#starting < this.#limits.startingMax && this.#instanceCount() < this.#limits.instancesMax;
  }

  /** Makes room for a version that needs an instance, or memory for the machine. */
  #evictIdle(bytes: number, among: Iterable<Pick<VersionPool, 'dispensable'>> = this.#pools.values()): void {
    const dispensable = [...among].flatMap((pool) => pool.dispensable);
    for (const instance of chooseIdle(dispensable, bytes)) instance.retire();
  }

  /** Processes that wait without code go first: nobody's next call is slower by much. */
  #keepBudget(): void {
    const missing = this.#budget.missingBytes();
    if (missing === 0) return;
    this.#prewarm.giveUp();
    this.#evictIdle(missing);
  }

  /** Those that come about otherwise than by a call that comes, as when one is given back by its instance. */
  #breakDeadlocks(monotonicMs: number): void {
    if (monotonicMs < this.#lookForDeadlocksMs) return;
    this.#lookForDeadlocksMs = monotonicMs + DEADLOCK_LOOK_MS;
    for (const pool of deadlocked(this.#pools.values())) pool.breakDeadlock();
  }

  #instanceCount(): number {
    let count = 0;
    for (const pool of this.#pools.values()) count += pool.instances.length;
    return count;
  }

  /** Runs only while there are instances: an idle platform does not wake up. */
  #watch(): void {
    this.#sweeper ??= this.clock.every(SWEEP_MS, () => {
      const nowMs = this.clock.nowMs();
      const monotonicMs = this.clock.monotonicMs();
      this.#keepBudget();
      this.#breakDeadlocks(monotonicMs);
      let left = 0;
      for (const pool of this.#pools.values()) {
        if (pool.isEmpty) continue;
        pool.sweep(nowMs, monotonicMs);
        if (pool.waiting > 0) pool.pump();
        left += pool.instances.length + pool.waiting;
      }
      if (left > 0) return;
      this.#sweeper?.cancel();
      this.#sweeper = undefined;
    });
  }
}

function viewOf(pool: VersionPool, instance: Instance): InstanceView {
  const capacity = pool.capacityOf(instance);
  return {
    id: instance.id,
    app: instance.version.app,
    function: instance.version.name,
    version: instance.version.id,
    state: instance.rest.isFrozen ? 'frozen' : instance.state === 'gone' ? 'retiring' : instance.state,
    pid: instance.pid,
    startedMs: instance.startedMs,
    activeInvocations: instance.active,
    servedInvocations: instance.served,
    memoryPeakMb: Math.ceil(instance.memoryPeakKb / 1024),
    kept: pool.keeps(instance),
    concurrency: capacity?.concurrency ?? 0,
    concurrencyReason: capacity?.why ?? 'it is not ready',
  };
}

export function createPool(options: PoolOptions): InstancePool {
  return new Pool(options);
}
