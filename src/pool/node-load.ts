import { LambentError } from '../base/errors.ts';
import type { AppName, FunctionVersion } from '../model/function.ts';

/** One app may have at most this share of what a node runs and lets wait: something is always left for the others. */
const APP_SHARE_MAX = 0.75;

export interface NodeLimits {
  /** Invocations that may run at once on this node. */
  readonly runningMax: number;
  /** Invocations that may wait for an instance on this node. */
  readonly waitingMax: number;
}

interface Counts {
  running: number;
  waiting: number;
}

/** What runs and what waits on this node, in all and of each app, and whether there may be more. */
export class NodeLoad {
  readonly #limits: NodeLimits;
  readonly #all: Counts = { running: 0, waiting: 0 };
  /** Of apps that have any. */
  readonly #apps = new Map<AppName, Counts>();
  /** What functions have reserved is theirs, and in no sum. */
  #reserved = 0;

  constructor(limits: NodeLimits) {
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#all.waiting;
  }

  reserve(delta: number): void {
    this.#reserved += delta;
  }

  mayRun({ app, config }: FunctionVersion): boolean {
    if (config.reservedConcurrency > 0) return true;
    const most = this.#limits.runningMax - this.#reserved;
    return this.#all.running < most && this.#of(app).running < shareOf(most);
  }

  ran({ app, config }: FunctionVersion, delta: 1 | -1): void {
    if (config.reservedConcurrency > 0) return;
    this.#all.running += delta;
    this.#of(app).running += delta;
  }

  /** Why no more of it may wait; `undefined`: it may. */
  waitRefusal({ app }: FunctionVersion): LambentError | undefined {
    const { waitingMax } = this.#limits;
    if (this.#all.waiting < waitingMax && this.#of(app).waiting < shareOf(waitingMax)) return undefined;
    const message = `too many invocations wait on this node, or too many of app ${app}`;
    return new LambentError('E_OVERLOADED', message, { retryAfterS: 1 });
  }

  waits({ app }: FunctionVersion, delta: 1 | -1): void {
    this.#all.waiting += delta;
    this.#of(app).waiting += delta;
  }

  /** The last function of this app is gone. */
  forget(app: AppName): void {
    this.#apps.delete(app);
  }

  #of(app: AppName): Counts {
    const known = this.#apps.get(app);
    if (known !== undefined) return known;
    const counts = { running: 0, waiting: 0 };
    this.#apps.set(app, counts);
    return counts;
  }
}

/** What one app may have of something that a node has so much of. */
export function shareOf(most: number): number {
  return Math.max(1, Math.floor(most * APP_SHARE_MAX));
}
