import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { Failure, Payload } from '../../../src/model/journal.ts';
import { failureOfThrown, isRetryable, misuse, toPayload } from './workflow-errors.ts';

/** What the code of a step is given. */
export interface StepContext {
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly idempotencyKey: string;
}

export interface StepBody {
  readonly name: string;
  readonly timeoutMs: number | undefined;
  run(step: StepContext): unknown;
}

/** The process's time. */
export interface StepClock {
  nowMs(): number;
  /** Runs a task later; returns how to cancel that. */
  after(delayMs: number, task: () => void): () => void;
}

interface Ends {
  done(op: number, output: Payload, atMs: number): void;
  failed(op: number, error: Failure, retryable: boolean): void;
}

/** One attempt. What its code is given is this itself; a signal costs more than all else here, and few ask for it. */
class Attempt implements StepContext {
  readonly attempt: number;
  readonly idempotencyKey: string;
  #cancelTimer: (() => void) | undefined;
  #abort: AbortController | undefined;
  #abortedFor: Error | undefined;

  constructor(attempt: number, idempotencyKey: string, cancelTimer: (() => void) | undefined) {
    this.attempt = attempt;
    this.idempotencyKey = idempotencyKey;
    this.#cancelTimer = cancelTimer;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortedFor !== undefined) this.#abort.abort(this.#abortedFor);
    }
    return this.#abort.signal;
  }

  /** It is over. Not for the step's own code. */
  static end(attempt: Attempt): void {
    attempt.#cancelTimer?.();
  }

  /** It is over because nobody wants it. */
  static abort(attempt: Attempt, reason: Error): void {
    attempt.#cancelTimer?.();
    attempt.#abortedFor = reason;
    attempt.#abort?.abort(reason);
  }
}

/**
 * Whether code is that of a step. One for all executions: each storage that was ever entered in a turn of the event loop
 * makes every later entry of that turn dearer.
 */
const insideStep = new AsyncLocalStorage<true>();

/** Runs the code of steps. An attempt ends once: with its result, its error, its time, or because nobody wants it. */
export class StepRunner {
  readonly #host: StepClock;
  readonly #ends: Ends;
  readonly #running = new Map<number, Attempt>();
  /** The context that steps run in: entering one that is there costs far less than making one. */
  readonly #context = insideStep.run(true, () => new AsyncResource('LambentStep'));

  constructor(host: StepClock, ends: Ends) {
    this.#host = host;
    this.#ends = ends;
  }

  /** Whether the code that asks is that of a step. */
  get isInside(): boolean {
    return insideStep.getStore() === true;
  }

  run(op: number, attempt: number, body: StepBody, idempotencyKey: string): void {
    if (this.#running.has(op)) return;
    const timer = body.timeoutMs === undefined ? undefined : this.#limit(op, body, body.timeoutMs);
    const running = new Attempt(attempt, idempotencyKey, timer);
    this.#running.set(op, running);
    const finish = (): boolean => {
      if (this.#running.get(op) !== running) return false;
      Attempt.end(running);
      this.#running.delete(op);
      return true;
    };
    const fail = (thrown: unknown): void => {
      if (finish()) this.#ends.failed(op, failureOfThrown(thrown), isRetryable(thrown));
    };
    let result: unknown;
    try {
      result = this.#context.runInAsyncScope(body.run, body, running);
    } catch (thrown) {
      fail(thrown);
      return;
    }
    Promise.resolve(result).then((value) => {
      let output: Payload;
      try {
        output = toPayload(value, `the result of step ${body.name}`);
      } catch (thrown) {
        fail(thrown);
        return;
      }
      if (finish()) this.#ends.done(op, output, this.#host.nowMs());
    }, fail);
  }

  abort(op: number, reason: Error): void {
    const running = this.#running.get(op);
    if (running === undefined) return;
    this.#running.delete(op);
    Attempt.abort(running, reason);
  }

  abortAll(reason: () => Error): void {
    for (const op of [...this.#running.keys()]) this.abort(op, reason());
  }

  #limit(op: number, { name }: StepBody, timeoutMs: number): () => void {
    return this.#host.after(timeoutMs, () => {
      const error = misuse('E_TIMEOUT', `step ${name} did not end within ${timeoutMs} ms`, 'TimeoutError');
      this.abort(op, error);
      this.#ends.failed(op, error.failure, true);
    });
  }
}
