import type { Duration } from './app-definition.ts';

/**
 * Durable workflows as plain async functions. What goes through `ctx` is recorded and never done again once its
 * result is: after a crash the function runs from its beginning and gets the recorded results. So the code between
 * must do the same each time: what reads clocks, draws random numbers or does I/O belongs into a `step`
 * (or is `ctx.now`, `ctx.random`, `ctx.uuid`).
 */
export interface Workflow<Input = unknown, Output = unknown> {
  readonly handler: WorkflowHandler<Input, Output>;
}

export type WorkflowHandler<Input, Output> = (ctx: WorkflowContext, input: Input) => Promise<Output> | Output;

/** How often and when to try again. A failure that says `retryable: false`, or a `FatalError`, is final at once. */
export interface RetryOptions {
  /** The first attempt included. Default: 5. */
  readonly attempts?: number;
  /** Pause after the first failure. Default: 1s. */
  readonly initial?: Duration;
  /** Each pause is this many times the one before. Default: 2. */
  readonly factor?: number;
  /** The longest pause. Default: 1m. */
  readonly max?: Duration;
  /** Whether pauses are drawn at random up to their length, so that many do not come back at once. Default: true. */
  readonly jitter?: boolean;
}

export interface StepOptions {
  /** `false`: one attempt. */
  readonly retry?: RetryOptions | false;
  /** The longest one attempt may take; it fails with a `TimeoutError` then. Default: none. */
  readonly timeout?: Duration;
}

/** What the code of a step may want to know. */
export interface StepContext {
  /** From 1. */
  readonly attempt: number;
  /** Aborts when the step is no longer wanted: the workflow was cancelled, or its time is over. */
  readonly signal: AbortSignal;
  /** The same for each attempt of this step and for no other: an idempotency key for services outside. */
  readonly idempotencyKey: string;
}

export interface CallOptions {
  readonly retry?: RetryOptions | false;
  /** The longest all attempts together may take. Default: none. */
  readonly timeout?: Duration;
}

export interface WaitOptions {
  /** Rejects with a `TimeoutError` then. Default: waits for ever. */
  readonly timeout?: Duration;
}

export interface EventOptions extends WaitOptions {
  /** An event pattern, as in EventBridge, over the whole event: `{ data: { orderId: ['42'] } }`. */
  readonly match?: Readonly<Record<string, unknown>>;
}

export interface CallbackOptions extends WaitOptions {
  /** For whoever reads the history. */
  readonly name?: string;
}

/** A question to the world outside: give the token or the address away, then await the result. */
export interface Callback<Answer> {
  readonly token: string;
  /** Where a POST with a JSON body answers. */
  readonly url: string;
  readonly result: Promise<Answer>;
}

/** Another execution, begun by this one. */
export interface Child<Output> {
  readonly id: string;
  readonly result: Promise<Output>;
}

export interface ParallelOptions {
  readonly name?: string;
}

export interface MapOptions {
  readonly name?: string;
  /** How many items are worked on at once. Default: 100. */
  readonly concurrency?: number;
}

export interface TolerantMapOptions extends MapOptions {
  /** How many items may fail: a number, or a share as `'10%'`. With one more, all of it fails. */
  readonly tolerate: number | `${number}%`;
}

export type Settled<Value> =
  | { readonly status: 'ok'; readonly value: Value }
  | { readonly status: 'failed'; readonly error: WorkflowError };

/** An error that came through the platform. `name` is the name of the error's class where it was thrown. */
export interface WorkflowError extends Error {
  /** `E_FUNCTION_ERROR` for what code threw, `E_TIMEOUT`, `E_EXECUTION_CANCELLED`, …: see docs/errors.md. */
  readonly code: string;
}

export interface WorkflowContext {
  /** The id of this execution. */
  readonly id: string;
  readonly app: string;
  readonly workflow: string;
  /** Aborts when the execution is to be cancelled. */
  readonly signal: AbortSignal;

  /** Runs code and records its result, which must be JSON of at most 64 MiB. */
  step<Result>(
    name: string,
    run: (step: StepContext) => Result | Promise<Result>,
    options?: StepOptions,
  ): Promise<Result>;
  /** Calls a function of this app. */
  call<Result = unknown>(functionName: string, input?: unknown, options?: CallOptions): Promise<Result>;
  sleep(duration: Duration): Promise<void>;
  sleepUntil(time: Date | number | string): Promise<void>;
  /** Waits for an event of the app's bus. */
  waitFor<Event = unknown>(type: string, options?: EventOptions): Promise<Event>;
  callback<Answer = unknown>(options?: CallbackOptions): Callback<Answer>;

  /** Runs branches at once. When one fails, the others are given up and its error is thrown. */
  parallel<const Branches extends readonly (() => unknown)[]>(
    branches: Branches,
    options?: ParallelOptions,
  ): Promise<{ -readonly [Place in keyof Branches]: Awaited<ReturnType<Branches[Place]>> }>;
  /** Works on each item, several at once. */
  map<Item, Result>(
    items: readonly Item[],
    work: (item: Item, index: number) => Promise<Result> | Result,
    options: TolerantMapOptions,
  ): Promise<Settled<Result>[]>;
  map<Item, Result>(
    items: readonly Item[],
    work: (item: Item, index: number) => Promise<Result> | Result,
    options?: MapOptions,
  ): Promise<Result[]>;

  /** Begins another workflow of this deployment and waits for its end where `result` is awaited. */
  child<Output = unknown>(workflow: string, input?: unknown, options?: WaitOptions): Child<Output>;
  /** Begins another workflow and leaves it alone. Resolves with its id once it has begun. */
  start(workflow: string, input?: unknown): Promise<{ readonly id: string }>;

  /** Sends a signal to another execution. Rejects with `E_EXECUTION_ENDED` if that has ended. */
  send(execution: string, signal: string, input?: unknown): Promise<void>;
  /** Calls `handle` with each signal of this name, those that came before included. */
  onSignal<Input = unknown>(name: string, handle: (input: Input) => void): void;
  /** The next signal of this name. */
  receive<Input = unknown>(signal: string, options?: WaitOptions): Promise<Input>;
  /** Answers questions about the state. It may not change anything. */
  onQuery<Input = unknown, Answer = unknown>(name: string, answer: (input: Input) => Answer): void;
  /** Like a signal, with an answer to whoever sent it; it may use `ctx`. */
  onUpdate<Input = unknown, Answer = unknown>(
    name: string,
    handle: (input: Input) => Answer | Promise<Answer>,
  ): void;
  /** Resolves with true once the condition over the workflow's own variables holds, false when the time is over. */
  until(condition: () => boolean, options?: WaitOptions): Promise<boolean>;

  /**
   * Says how to undo what was done so far: when the workflow fails or is cancelled, everything said is done, the
   * last first, each as a step.
   */
  compensate(name: string, undo: (step: StepContext) => unknown, options?: StepOptions): void;

  /** Milliseconds since the Unix epoch: when the latest result came in; the same at each replay. */
  now(): number;
  /** Uniform in [0, 1); the same at each replay. Not for secrets. */
  random(): number;
  /** A UUID version 4; the same at each replay. */
  uuid(): string;
  /** Ends this execution and goes on as a new one with an empty history. Does not return. */
  continueAsNew(input: unknown): never;
}

/** Thrown in a step, a workflow or a function: nothing is to try it again. */
export class FatalError extends Error {
  override readonly name: string = 'FatalError';
  readonly retryable = false;
}

const WORKFLOW = Symbol.for('lambent.workflow');

/** Defines a workflow: `export default workflow(async (ctx, input: Order) => { … })`. */
export function workflow<Input = unknown, Output = unknown>(
  handler: WorkflowHandler<Input, Output>,
): Workflow<Input, Output> {
  return Object.assign({ handler }, { [WORKFLOW]: true });
}
