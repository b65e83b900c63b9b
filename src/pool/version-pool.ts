import type { Clock } from '../base/clock.ts';
import { defectError } from '../base/defects.ts';
import { LambentError } from '../base/errors.ts';
import type { InvocationId } from '../base/ids.ts';
import { CANCEL_REASON, type FailureMessage } from '../model/frames.ts';
import type { FunctionVersion } from '../model/function.ts';
import type { LogSeverity, LogStream } from '../model/invocation.ts';
import type { LeaseWaiter } from '../ports/instance-pool.ts';
import { BootFailures, cannotBeLoaded } from './boot-failures.ts';
import type { PlacesTaken } from './call-deadlock.ts';
import type { Instance } from './instance.ts';
import type { InstanceEvents } from './instance-events.ts';
import { begunByNone } from './instance-failures.ts';
import { InstanceLease } from './instance-lease.ts';
import { KeepWarm } from './keep-warm.ts';
import { type Capacity, Places } from './places.ts';
import { ScaleUp, type ScaleUpOptions } from './scale-up.ts';
import { isWaitedFor, levelOf, SelfCalls } from './self-calls.ts';
import { ShortCalls } from './short-calls.ts';
import { type Waiting, WaitingLine } from './waiting-line.ts';

/** An instance without work is frozen after this time: not between calls that follow each other. */
const REST_AFTER_MS = 2_000;
/** A call waits this long before another instance is started for it beside those that run. */
const SCALE_UP_WAIT_MS = 20;

/** So often a call may come back from instances that did not begin it. More, and it would go from one to the next for ever. */
const RETURNS_MAX = 8;

/** What a version's pool needs from the pool of the node. */
export interface VersionPoolHost {
  readonly clock: Clock;
  readonly scaleUp: ScaleUpOptions;
  /** See `PoolLimits`. */
  readonly heldWaitMs: number;
  /** Begins the start of an instance; false when the node starts as many as it can just now (it will call `pump`). */
  startInstance(pool: VersionPool): boolean;
  startEnded(): void;
  /** Room under the node's total of running invocations for one more of this version. */
  mayRun(pool: VersionPool): boolean;
  ran(pool: VersionPool, delta: 1 | -1): void;
  waits(pool: VersionPool, delta: 1 | -1): void;
  /** Why no more of this version may wait on the node; `undefined`: it may. */
  waitRefusal(pool: VersionPool): LambentError | undefined;
  /** Whether none of the places of this version becomes free any more. */
  isDeadlocked(pool: VersionPool): boolean;
  /** Nothing new is begun any more. */
  readonly closed: boolean;
  defect(during: string, thrown: unknown): void;
  log(
    instance: Instance,
    invocation: InvocationId | undefined,
    from: LogStream,
    severity: LogSeverity,
    timeMs: number,
    text: string,
  ): void;
}

function nothingToWithdraw(): void {}

/** What calls hear that come, or wait, while the platform stops. */
export function stoppingError(): LambentError {
  return new LambentError('E_SHUTTING_DOWN', 'the platform is stopping', { retryAfterS: 1 });
}

/** The instances of one version and the calls that wait for them. */
export class VersionPool implements Omit<InstanceEvents<Instance>, 'onDefect'>, PlacesTaken {
  readonly version: FunctionVersion;
  readonly deployment: number;
  /** True once its deployment is no longer live: no new starts beyond what waits, and idle instances end at once. */
  retired = false;
  running = 0;
  readonly #host: VersionPoolHost;
  readonly #instances: Instance[] = [];
  readonly #line: WaitingLine;
  readonly #shortCalls: ShortCalls;
  readonly #selfCalls = new SelfCalls();
  readonly #places: Places;
  readonly #scaleUp: ScaleUp;
  readonly #kept: KeepWarm;
  #starting = 0;
  #lastReadyMs = 0;
  /** How often calls came back; of most there is nothing. */
  readonly #returns = new WeakMap<LeaseWaiter, number>();
  readonly #boots: BootFailures;

  constructor(version: FunctionVersion, deployment: number, host: VersionPoolHost) {
    this.version = version;
    this.deployment = deployment;
    this.#host = host;
    this.#boots = new BootFailures(host.clock);
    this.#scaleUp = new ScaleUp(host.scaleUp);
    this.#shortCalls = new ShortCalls(host.heldWaitMs);
    this.#places = new Places(version, this.#instances, this.#shortCalls);
    this.#line = new WaitingLine(version.id, version.config.queueMax);
    this.#kept = new KeepWarm(version.config, host.clock, () => this.pump());
  }

  get instances(): readonly Instance[] {
    return this.#instances;
  }

  /** All but those that the author wants to stay up. */
  get dispensable(): readonly Instance[] {
    return this.#instances.slice(this.#kept.instances);
  }

  get waiting(): number {
    return this.#line.size;
  }

  get isEmpty(): boolean {
    return this.#instances.length === 0 && this.waiting === 0;
  }

  get isFull(): boolean {
    return this.running >= this.#places.concurrencyMax || this.#places.areTaken;
  }

  get waiters(): LeaseWaiter[] {
    return Array.from(this.#line, ({ waiter }) => waiter);
  }

  get holders(): InvocationId[] {
    return this.#instances.flatMap((instance) => instance.holders);
  }

  /** How many calls at once one of its instances takes; `undefined` until it is ready. */
  capacityOf(instance: Instance): Capacity | undefined {
    return this.#places.explain(instance);
  }

  /** Whether this instance stays up without work. */
  keeps(instance: Instance): boolean {
    return !this.retired && this.#instances.indexOf(instance) < this.#kept.instances;
  }

  acquire(waiter: LeaseWaiter): () => void {
    // The usual case first: someone is warm, has room, and nobody waits before us.
    if (this.waiting === 0 && this.#mayRun(waiter)) {
      const instance = this.#places.findRoom(waiter);
      if (instance !== undefined) {
        this.#lease(instance, waiter, 0, 0, false);
        return nothingToWithdraw;
      }
      const holder = this.#places.findHolder(waiter);
      if (holder !== undefined) {
        this.#lease(holder, waiter, 0, 0, false, true);
        return nothingToWithdraw;
      }
    }
    return this.#wait(waiter);
  }

  /** Starts what is needed and serves what waits. */
  pump(): void {
    for (let first = this.#line.first; first !== undefined; first = this.#line.first) {
      if (!this.#mayRun(first.waiter)) break;
      const free = this.#places.findRoom(first.waiter);
      const instance = free ?? (first.tookBack ? undefined : this.#places.findHolder(first.waiter));
      if (instance === undefined) break;
      this.#line.shift();
      this.#host.waits(this, -1);
      this.#serve(instance, first, free === undefined);
    }
    this.#startWanted();
  }

  /** Starts as many instances as stay up, now and whenever that becomes more. */
  keep(): void {
    this.#kept.watch();
  }

  /** The same, and at least one now. */
  warm(): void {
    this.keep();
    this.#startUpTo(1);
  }

  /** Ends idle instances whose time is over, lets others rest, and streams past their deadline. */
  sweep(nowMs: number, monotonicMs: number): void {
    const { idleMs, freeze } = this.version.config;
    this.#places.look(monotonicMs);
    let idle = 0;
    for (const instance of [...this.#instances]) {
      if (instance.active > 0) instance.expire(nowMs);
      else if (instance.state === 'ready') {
        idle += 1;
        const keep =
          !this.retired && (idle <= this.#kept.instances || monotonicMs - instance.idleSinceMs < idleMs);
        if (!keep) instance.retire();
        else if (freeze !== false && monotonicMs - instance.idleSinceMs >= REST_AFTER_MS)
          instance.rest.ask(instance.served, monotonicMs);
      }
    }
  }

  /** All instances there are take no more calls, and end once they have finished; new ones take their place. */
  renew(): void {
    this.#boots.forget();
    for (const instance of [...this.#instances]) instance.retire();
    this.pump();
  }

  retire(): void {
    this.retired = true;
    this.#kept.stop();
    if (this.waiting > 0) return;
    for (const instance of [...this.#instances]) instance.retire();
  }

  refuseAll(error: LambentError): void {
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) {
      this.#host.waits(this, -1);
      this.#refuse(next.waiter, error);
    }
  }

  /** The node began to start this instance. */
  adopt(instance: Instance): void {
    this.#instances.push(instance);
  }

  /** The start did not even make a process. */
  startFailed(instance: Instance, error: LambentError): void {
    if (instance.state !== 'starting') return;
    instance.state = 'gone';
    if (error.facts.fault === 'author') {
      const text = `${error.code}: ${error.message}. ${error.hint}`;
      this.#host.log(instance, undefined, 'platform', 'error', this.#host.clock.nowMs(), text);
    }
    this.#boots.failed(error);
    this.#forget(instance, true);
  }

  onReady(instance: Instance): void {
    this.#starting -= 1;
    this.#boots.succeeded();
    this.#lastReadyMs = this.#host.clock.monotonicMs();
    this.#scaleUp.started(this.#countReady(), this.#lastReadyMs - instance.startedMonotonicMs);
    this.#host.startEnded();
    this.pump();
    if (this.retired && this.waiting === 0) this.retire();
  }

  onBootFailed(instance: Instance, failure: FailureMessage): void {
    const error = cannotBeLoaded(this.version.name, failure);
    this.#host.log(
      instance,
      undefined,
      'platform',
      'error',
      this.#host.clock.nowMs(),
      [error.message, ...failure.stackTrace].join('\n'),
    );
    this.#boots.failed(error);
    instance.kill(error);
  }

  onAnswered(instance: Instance, beganMs: number, among: number): void {
    if (this.#places.learnsOf(instance))
      this.#places.answered(this.#host.clock.monotonicMs(), beganMs, among);
  }

  onRoom(instance: Instance, beganMs?: number): void {
    if (beganMs !== undefined) {
      const tookMs = this.#host.clock.monotonicMs() - beganMs;
      this.#scaleUp.ran(beganMs, tookMs, instance.served === 1);
      this.#shortCalls.ran(tookMs);
    }
    this.running -= 1;
    this.#host.ran(this, -1);
    if (this.waiting > 0) this.pump();
  }

  onTakenBack(instance: Instance, waiter: LeaseWaiter, sinceMs: number): void {
    if (instance.state !== 'retiring') this.#shortCalls.tookLong();
    const times = (this.#returns.get(waiter) ?? 0) + 1;
    this.#returns.set(waiter, times);
    if (times > RETURNS_MAX) this.#refuse(waiter, begunByNone(this.version, times));
    else waiter.onTakenBack?.(this.#enqueue({ waiter, sinceMs, tookBack: true }));
    if (this.#host.closed) this.refuseAll(stoppingError());
    this.onRoom(instance);
  }

  onRetire(): void {
    if (this.waiting > 0) this.pump();
  }

  onGone(instance: Instance): void {
    const wasStarting = instance.ready === undefined;
    const reason = instance.lossReason;
    // An instance that was no longer wanted says nothing about the code.
    if (wasStarting && this.#boots.last === undefined && reason?.facts.fault === 'author') {
      this.#host.log(instance, undefined, 'platform', 'error', this.#host.clock.nowMs(), reason.message);
      // What waits is served by another start, which `#forget` makes.
      this.#boots.ended(reason, instance.bootInterrupted);
    }
    this.#forget(instance, wasStarting);
  }

  onLog(
    instance: Instance,
    invocation: InvocationId | undefined,
    from: LogStream,
    severity: LogSeverity,
    timeMs: number,
    text: string,
  ): void {
    this.#host.log(instance, invocation, from, severity, timeMs, text);
  }

  #forget(instance: Instance, wasStarting: boolean): void {
    const at = this.#instances.indexOf(instance);
    if (at >= 0) this.#instances.splice(at, 1);
    if (wasStarting) {
      this.#starting -= 1;
      this.#host.startEnded();
      if (this.#boots.last !== undefined && this.#instances.length === 0) this.refuseAll(this.#boots.last);
    }
    this.pump();
  }

  #wait(waiter: LeaseWaiter): () => void {
    const level = levelOf(this.version.id, waiter);
    const refusal = this.#deadlock(level) ?? this.#refusal();
    if (refusal !== undefined) {
      this.#refuse(waiter, refusal);
      return nothingToWithdraw;
    }
    const waiting: Waiting = { waiter, sinceMs: this.#host.clock.monotonicMs(), tookBack: false };
    const withdraw = this.#enqueue(waiting);
    this.#selfCalls.saw(level);
    // One that goes before those that wait may find a place at once.
    if (level > 0) this.pump();
    else this.#startWanted();
    // … or it is the one that closes a circle.
    if (isWaitedFor(waiter) && this.isFull && this.#host.isDeadlocked(this)) this.#refuseDeadlocked(waiting);
    return withdraw;
  }

  #enqueue(waiting: Waiting): () => void {
    this.#line.push(waiting);
    this.#host.waits(this, 1);
    return () => {
      if (this.#line.remove(waiting)) this.#host.waits(this, -1);
    };
  }

  /** Whether those that wait for this very call have every place there may be, so that none can become free. */
  #deadlock(level: number): LambentError | undefined {
    return level > 0 && level >= this.#places.placesMax ? this.#deadlockError() : undefined;
  }

  /** Ends a circle of calls that wait for each other by refusing one of them. */
  breakDeadlock(): void {
    for (const waiting of this.#line)
      if (isWaitedFor(waiting.waiter)) {
        this.#refuseDeadlocked(waiting);
        return;
      }
  }

  #refuseDeadlocked(waiting: Waiting): void {
    if (!this.#line.remove(waiting)) return;
    this.#host.waits(this, -1);
    this.#refuse(waiting.waiter, this.#deadlockError());
  }

  #deadlockError(): LambentError {
    const message = `function ${this.version.name} calls itself, directly or through others, and all of its ${this.#places.placesMax} places at once are taken by calls that wait for such calls, as for this one`;
    return new LambentError('E_CALL_DEADLOCK', message);
  }

  #refusal(): LambentError | undefined {
    const { name, config } = this.version;
    if (this.#boots.last !== undefined && this.#instances.length === 0) {
      if (this.#boots.areBlocking) return this.#boots.last;
      this.#boots.retry();
    }
    if (this.waiting >= config.queueMax) {
      const message = `function ${name} runs ${this.running} of at most ${this.#places.concurrencyMax} at once, and ${this.waiting} of at most ${config.queueMax} wait`;
      return new LambentError('E_CONCURRENCY_LIMIT', message, { retryAfterS: 1 });
    }
    return this.#host.waitRefusal(this);
  }

  #serve(instance: Instance, waiting: Waiting, ahead: boolean): void {
    const waitedMs = this.#host.clock.monotonicMs() - waiting.sinceMs;
    // The part of the wait during which this very instance was being started.
    const cold = instance.startedMonotonicMs >= waiting.sinceMs - 1 || instance.served === 0;
    const startMs = cold
      ? Math.min(waitedMs, this.#host.clock.monotonicMs() - instance.startedMonotonicMs)
      : 0;
    this.#lease(instance, waiting.waiter, waitedMs - startMs, startMs, cold, ahead);
  }

  #lease(
    instance: Instance,
    waiter: LeaseWaiter,
    queueMs: number,
    startMs: number,
    cold: boolean,
    ahead = false,
  ): void {
    this.running += 1;
    this.#host.ran(this, 1);
    const aheadMs = ahead ? this.#host.clock.monotonicMs() : 0;
    const lease = new InstanceLease(instance, waiter, cold, queueMs, startMs, aheadMs);
    try {
      waiter.onLease(lease);
    } catch (thrown) {
      this.#host.defect('a call was handed to its instance', thrown);
      // With a stream open, the end of that gives the place back.
      if (lease.isOpen) lease.cancel(CANCEL_REASON.responseRefused);
      else this.onRoom(instance);
      this.#refuse(waiter, defectError());
    }
  }

  #refuse(waiter: LeaseWaiter, error: LambentError): void {
    try {
      waiter.onRefused(error);
    } catch (thrown) {
      this.#host.defect('a call was refused', thrown);
    }
  }

  #mayRun(waiter: LeaseWaiter): boolean {
    if (this.running >= this.#places.concurrencyMax || !this.#host.mayRun(this)) return false;
    return this.#selfCalls.mayTake(levelOf(this.version.id, waiter), this.running, this.#places);
  }

  /**
   * More instances are worth their start only where the ones there are do not keep up: a queue of short calls is
   * empty again before a process could be ready. So the first waiting call has to have waited a while, counted from
   * the moment when the newest instance began to help; and then only as many as help (ScaleUp).
   */
  #startWanted(): void {
    if (!this.retired) this.#startUpTo(this.#kept.instances);
    const head = this.#line.first;
    if (head === undefined) return;
    const known = this.#instances.find((instance) => instance.ready !== undefined);
    if (known === undefined) {
      this.#scaleUp.restart();
      this.#startWhile(1, Number.POSITIVE_INFINITY);
      return;
    }
    if (this.#places.areFewer) return;
    const waitedMs = this.#host.clock.monotonicMs() - Math.max(head.sinceMs, this.#lastReadyMs);
    if (waitedMs < SCALE_UP_WAIT_MS) return;
    const each = this.#places.capacityOf(known);
    const ready = this.#countReady();
    const stuck = this.#isStuck();
    const target = this.#scaleUp.target({ ready, waiting: this.waiting, waitedMs, each, stuck });
    if (target < ready) this.#retireDownTo(Math.max(target, this.#kept.instances));
    const room = this.#places.concurrencyMax - this.running;
    this.#startWhile(Math.ceil(Math.min(this.waiting, room) / each), target - ready);
  }

  /** Whether no place becomes free before there are more: calls that wait for others in the line have them all. */
  #isStuck(): boolean {
    if (this.#line.nested === 0) return false;
    return this.#instances.every(({ state, calls, active }) => state !== 'ready' || calls.callers >= active);
  }

  #countReady(): number {
    let ready = 0;
    for (const instance of this.#instances) if (instance.state === 'ready') ready += 1;
    return ready;
  }

  /** The newest go: the ones there longest are the ones whose code is compiled. */
  #retireDownTo(count: number): void {
    const ready = this.#instances.filter((instance) => instance.state === 'ready');
    for (const instance of ready.slice(count)) instance.retire();
  }

  #startWhile(wanted: number, most: number): void {
    const { maxInstances } = this.version.config;
    const starting = Math.min(wanted, most);
    while (this.#starting < starting && this.#instances.length < maxInstances) if (!this.#start()) return;
  }

  #startUpTo(count: number): void {
    while (this.#instances.length < count) if (!this.#start()) return;
  }

  #start(): boolean {
    if (this.#boots.areBlocking) return false;
    if (!this.#host.startInstance(this)) return false;
    this.#starting += 1;
    return true;
  }
}
