import { BoundedQueue } from '../base/bounded-queue.ts';
import { LambentError } from '../base/errors.ts';

/** Deploys that run at the same time, over all apps. */
export const DEPLOYS_PARALLEL_MAX = 4;
/** Deploys and other changes that may wait. */
export const DEPLOYS_WAITING_MAX = 64;

interface Waiting {
  readonly key: string;
  readonly start: (waited: boolean) => void;
}

/** Lets a bounded number of tasks run, and of those with the same key one at a time, in the order they came. */
export class DeployQueue {
  readonly #waiting = new BoundedQueue<Waiting>(DEPLOYS_WAITING_MAX);
  readonly #running = new Set<string>();

  /** How many run. */
  get running(): number {
    return this.#running.size;
  }

  /** Rejects with `E_OVERLOADED` when too many wait, or as the task does. The task learns whether it had to wait. */
  async run<Result>(key: string, task: (waited: boolean) => Promise<Result>): Promise<Result> {
    const waited = await this.#turn(key);
    try {
      return await task(waited);
    } finally {
      this.#running.delete(key);
      this.#startWaiting();
    }
  }

  #turn(key: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const start = (waited: boolean): void => {
        this.#running.add(key);
        resolve(waited);
      };
      if (!this.#waiting.push({ key, start }))
        reject(
          new LambentError('E_OVERLOADED', `more than ${DEPLOYS_WAITING_MAX} deploys wait already`, {
            retryAfterS: 5,
          }),
        );
      else this.#startWaiting(key);
    });
  }

  /** @param newest the key that was added just now, and so has not waited yet */
  #startWaiting(newest?: string): void {
    // Those that must wait for their own app keep their place; others may pass them.
    const kept: Waiting[] = [];
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const mustWait =
        this.#running.size >= DEPLOYS_PARALLEL_MAX ||
        this.#running.has(next.key) ||
        kept.some(({ key }) => key === next.key);
      if (mustWait) kept.push(next);
      else next.start(next.key !== newest);
    }
    for (const each of kept) this.#waiting.push(each);
  }
}
