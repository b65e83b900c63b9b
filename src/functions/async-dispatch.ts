import type { Clock, Timer } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { AsyncQueue, ClaimedInvocation } from '../ports/async-queue.ts';
import type { EventOutcome, Invoker } from '../ports/invoker.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import { errorOfPlatform } from './invocation-settlement.ts';

/** Asynchronous invocations that this node runs at once. */
export const DISPATCH_MAX = 64;
/** The first retry comes after up to this time, doubling with each further one up to the maximum, with full jitter. */
export const RETRY_FIRST_MS = 1_000;
export const RETRY_MAX_MS = 300_000;
/** After the store failed, the next attempt to claim waits this long. */
const STORE_RETRY_MS = 1_000;

export interface AsyncDispatchOptions {
  readonly queue: AsyncQueue;
  readonly invoker: Invoker;
  readonly liveApps: LiveApps;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly node: NodeId;
}

export interface AsyncDispatch {
  /** Something was enqueued: it is looked at without delay. */
  wake(): void;
  /** Takes back what a former platform on these data had claimed, then begins. */
  start(): Promise<void>;
  /** Claims nothing more, and waits for what runs. What does not finish stays owed. */
  close(): Promise<void>;
}

/** Works off the queue behind `202 Accepted`: at least once, each failure after a longer pause, until it is dead. */
class Dispatcher implements AsyncDispatch {
  readonly #options: AsyncDispatchOptions;
  #running = 0;
  #claiming = false;
  #wanted = false;
  #closed = false;
  #timer: Timer | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: AsyncDispatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#options.queue.recover(this.#options.node);
    this.wake();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    if (this.#running === 0 && !this.#claiming) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  wake(): void {
    this.#wanted = true;
    if (!this.#claiming && !this.#closed) void this.#claim();
  }

  async #claim(): Promise<void> {
    const { queue, clock, node, log } = this.#options;
    this.#claiming = true;
    this.#timer?.cancel();
    try {
      while (this.#wanted && !this.#closed && this.#running < DISPATCH_MAX) {
        this.#wanted = false;
        const claimed = await queue.claim(node, clock.nowMs(), DISPATCH_MAX - this.#running);
        for (const invocation of claimed) void this.#run(invocation);
        if (claimed.length > 0) this.#wanted = true;
      }
      const dueMs = this.#running < DISPATCH_MAX && !this.#closed ? await queue.nextDueMs() : undefined;
      if (dueMs !== undefined && !this.#closed)
        this.#timer = clock.after(Math.max(1, dueMs - clock.nowMs()), () => this.wake());
    } catch (error) {
      log.error('the queue of asynchronous invocations cannot be read', { error: String(error) });
      if (!this.#closed) this.#timer = clock.after(STORE_RETRY_MS, () => this.wake());
    } finally {
      this.#claiming = false;
      this.#settleClose();
    }
    if (this.#wanted && this.#running < DISPATCH_MAX) this.wake();
  }

  async #run(claimed: ClaimedInvocation): Promise<void> {
    this.#running += 1;
    try {
      await this.#settle(claimed, await this.#invoke(claimed));
    } catch (error) {
      this.#options.log.error('an asynchronous invocation could not be settled', {
        id: claimed.id,
        error: String(error),
      });
    } finally {
      this.#running -= 1;
      this.wake();
      this.#settleClose();
    }
  }

  async #invoke(claimed: ClaimedInvocation): Promise<EventOutcome> {
    const { invoker, liveApps } = this.#options;
    const resolved = liveApps.resolve(claimed.app, claimed.function);
    if (resolved === undefined) {
      const error = new LambentError(
        'E_NOT_FOUND',
        `function ${claimed.function} is not live in app ${claimed.app}`,
      );
      return { status: 'failed', error: errorOfPlatform(error), retryable: false, billedMs: 0 };
    }
    return await invoker.invoke({
      id: claimed.id,
      version: resolved.version,
      deployment: resolved.deployment,
      trigger: 'async',
      payload: claimed.payload,
      traceparent: claimed.traceparent,
      clientContext: undefined,
      attempt: claimed.attempts,
      caller: claimed.caller,
    });
  }

  async #settle(claimed: ClaimedInvocation, outcome: EventOutcome): Promise<void> {
    const { queue, liveApps } = this.#options;
    if (outcome.status === 'ok') {
      await queue.complete(claimed.id, claimed.fence);
      return;
    }
    // What the platform itself ended while it stops was not the function's attempt to lose.
    if (this.#closed && outcome.error.code === 'E_SHUTTING_DOWN') return;
    const attemptsMax = liveApps.resolve(claimed.app, claimed.function)?.version.config.attemptsMax ?? 1;
    const again = outcome.retryable && claimed.attempts < attemptsMax;
    await queue.fail(
      claimed.id,
      claimed.fence,
      outcome.error,
      again ? this.#retryAtMs(claimed.attempts) : undefined,
    );
  }

  #retryAtMs(attempts: number): number {
    const { clock, random } = this.#options;
    const ceilingMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (attempts - 1));
    return clock.nowMs() + Math.ceil(random.fraction() * ceilingMs);
  }

  #settleClose(): void {
    if (this.#closed && this.#running === 0 && !this.#claiming) this.#onIdle?.();
  }
}

export function createAsyncDispatch(options: AsyncDispatchOptions): AsyncDispatch {
  return new Dispatcher(options);
}
