import type { FunctionConfig, FunctionVersion, VersionId } from '../model/function.ts';
import type { LeaseWaiter } from '../ports/instance-pool.ts';
import type { Instance } from './instance.ts';
import { CONCURRENCY_LEAST, CONCURRENCY_MOST, LearntConcurrency } from './learnt-concurrency.ts';
import { levelOf } from './self-calls.ts';
import type { ShortCalls } from './short-calls.ts';

/** Invocations one instance takes at once where nobody says: Lambda's promise. Web servers take as many as is learnt. */
const LAMBDA_CONCURRENCY = 1;

export interface Capacity {
  /** Invocations that the instance takes at once. */
  readonly concurrency: number;
  /** In a sentence. */
  readonly why: string;
}

/**
 * Where among the instances of a version a call can go. How many of them an instance takes at once is what the manifest
 * says, or else what its code can do (one for AWS Lambda's shape) and, where that is more than a few, what was learnt.
 */
export class Places {
  readonly #version: VersionId;
  readonly #config: FunctionConfig;
  readonly #instances: readonly Instance[];
  readonly #shortCalls: ShortCalls;
  readonly #learnt = new LearntConcurrency();

  constructor(version: FunctionVersion, instances: readonly Instance[], shortCalls: ShortCalls) {
    this.#version = version.id;
    this.#config = version.config;
    this.#instances = instances;
    this.#shortCalls = shortCalls;
  }

  /** Whether the time of its answers tells how many calls at once it serves well. */
  learnsOf(instance: Instance): boolean {
    return !this.#isFixed && this.mostOf(instance) > CONCURRENCY_LEAST;
  }

  /** Of an instance that it learns of; see `LearntConcurrency`. */
  answered(nowMs: number, beganMs: number, among: number): void {
    this.#learnt.answered(nowMs, beganMs, among);
  }

  /** How many calls an instance takes at once now. */
  capacityOf(instance: Instance): number {
    const most = this.mostOf(instance);
    return this.learnsOf(instance) ? this.#learnt.limit(most) : most;
  }

  /** How many it may ever take. Before it is known what its code is: as many as a web server. */
  mostOf(instance: Instance | undefined): number {
    if (this.#config.concurrency !== undefined) return this.#config.concurrency;
    const { handlerKind: kind, concurrency } = instance?.ready ?? {};
    if (concurrency !== undefined) return concurrency;
    return kind === 'lambda' || kind === 'plain' ? LAMBDA_CONCURRENCY : CONCURRENCY_MOST;
  }

  /** How many invocations may run at once: the smaller of the two limits that the author can set. */
  get concurrencyMax(): number {
    const { maxConcurrency, reservedConcurrency } = this.#config;
    return reservedConcurrency > 0 ? Math.min(maxConcurrency, reservedConcurrency) : maxConcurrency;
  }

  /** How many places there may ever be. */
  get placesMax(): number {
    const known = this.#instances.find((instance) => instance.ready !== undefined);
    return Math.min(this.concurrencyMax, this.#config.maxInstances * this.mostOf(known));
  }

  /** Whether each of them is taken. */
  get areTaken(): boolean {
    const { length } = this.#instances;
    if (length === 0 || length < this.#config.maxInstances) return false;
    return this.#instances.every((instance) => instance.active >= this.mostOf(instance));
  }

  /** To be called now and then. */
  look(nowMs: number): void {
    this.#learnt.look(nowMs);
  }

  /** Whether fewer are tried out, so that it is not for want of instances that calls wait. */
  get areFewer(): boolean {
    return this.#learnt.isTrying;
  }

  /** `undefined` until it is ready. */
  explain(instance: Instance): Capacity | undefined {
    if (instance.ready === undefined) return undefined;
    const most = this.mostOf(instance);
    const concurrency = this.learnsOf(instance) ? this.#learnt.learnt(most) : most;
    return { concurrency, why: this.#why(instance) };
  }

  /** It is not learnt. A workflow's calls are executions, which mostly wait. */
  get #isFixed(): boolean {
    return this.#config.concurrency !== undefined || this.#config.workflow === true;
  }

  #why(instance: Instance): string {
    if (this.#config.concurrency !== undefined) return 'the manifest says so';
    const most = this.mostOf(instance);
    if (most === 1) return 'its code takes one call at a time';
    return this.learnsOf(instance) ? this.#learnt.why : 'as many as its code takes';
  }

  /** The first with room, so that the later ones become idle and end. */
  findRoom(waiter: LeaseWaiter): Instance | undefined {
    // One for which others of this version wait gets in beyond what was learnt: they may have all of those places.
    const isNested = levelOf(this.#version, waiter) > 0;
    for (const instance of this.#instances) {
      const most = isNested ? this.mostOf(instance) : this.capacityOf(instance);
      if (instance.state === 'ready' && instance.active < most) return instance;
    }
    return undefined;
  }

  /** An instance that may hold the call until it has ended those before it. */
  findHolder(waiter: LeaseWaiter): Instance | undefined {
    const { ahead } = this.#shortCalls;
    if (ahead === 0 || waiter.mayBeHeld !== true) return undefined;
    for (const instance of this.#instances) {
      if (instance.state !== 'ready' || this.capacityOf(instance) !== 1) continue;
      if (!instance.holds) instance.askToHold();
      else if (instance.active < 1 + ahead) return instance;
    }
    return undefined;
  }
}
