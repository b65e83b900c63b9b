import type { Failure, Payload, RetryPolicy } from '../../../src/model/journal.ts';
import { callbackToken, childExecutionId } from '../../../src/model/workflow-wire.ts';
import type {
  Callback,
  CallbackOptions,
  CallOptions,
  Child,
  EventOptions,
  MapOptions,
  ParallelOptions,
  RetryOptions,
  Settled,
  StepContext,
  StepOptions,
  TolerantMapOptions,
  WaitOptions,
  WorkflowContext,
  WorkflowError,
} from '../../../sdk/node/workflow.ts';
import { callSite } from './call-site.ts';
import { parseDurationMs } from './duration.ts';
import type { Mailbox } from './mailbox.ts';
import { cancelledFailure, failureOfThrown, misuse, toPayload, WorkflowFailure } from './workflow-errors.ts';
import { type Branch, ROOT_BRANCH, type WorkflowRun } from './workflow-run.ts';

const MAP_CONCURRENCY = 100;
const FIVE_ATTEMPTS: RetryPolicy = { attemptsMax: 5, firstMs: 1_000, factor: 2, maxMs: 60_000, jitter: true };

interface Compensation {
  readonly name: string;
  readonly at: string | undefined;
  readonly undo: (step: StepContext) => unknown;
  readonly options: StepOptions | undefined;
}

/** Thrown by `continueAsNew`, so that the function ends where it stands. */
export class ContinueAsNew extends Error {
  readonly input: Payload;
  constructor(input: Payload) {
    super('the workflow goes on as a new execution');
    this.name = 'ContinueAsNew';
    this.input = input;
  }
}

/** What a workflow's function sees. */
export class RunContext implements WorkflowContext {
  readonly id: string;
  readonly app: string;
  readonly workflow: string;
  readonly compensations: Compensation[] = [];
  readonly #run: WorkflowRun;
  readonly #mailbox: Mailbox;
  readonly #callbackUrl: string;

  constructor(run: WorkflowRun, mailbox: Mailbox, callbackUrl: string) {
    this.#run = run;
    this.#mailbox = mailbox;
    this.#callbackUrl = callbackUrl;
    const { id, app, workflow } = run.execution;
    this.id = id;
    this.app = app;
    this.workflow = workflow;
  }

  get signal(): AbortSignal {
    return this.#run.cancel.signal;
  }

  async step<Result>(
    name: string,
    run: (step: StepContext) => Result | Promise<Result>,
    options: StepOptions = {},
    at: string | undefined = callSite(RunContext.prototype.step),
  ): Promise<Result> {
    if (typeof run !== 'function') throw new TypeError(`step ${name} needs a function to run`);
    const timeoutMs = durationOf(options.timeout);
    const retry = policyOf(options.retry);
    const task = {
      kind: 'step',
      name: nameOf(name),
      retry,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    } as const;
    return await this.#run.open<Result>(task, { body: { name, timeoutMs, run }, at }).ended;
  }

  async call<Result>(functionName: string, input?: unknown, options: CallOptions = {}): Promise<Result> {
    const payload = toPayload(input, `the input of ${functionName}`);
    const task = {
      kind: 'call',
      function: functionName,
      input: payload,
      retry: policyOf(options.retry),
    } as const;
    return await this.#run.open<Result>(task, { dueInMs: durationOf(options.timeout) }).ended;
  }

  async sleep(duration: number | string): Promise<void> {
    await this.#run.open({ kind: 'sleep' }, { dueMs: this.#run.nowMs + parseDurationMs(duration) }).ended;
  }

  async sleepUntil(time: Date | number | string): Promise<void> {
    const dueMs = time instanceof Date ? time.getTime() : typeof time === 'number' ? time : Date.parse(time);
    if (!(dueMs >= 0 && dueMs <= 8.64e15))
      throw new TypeError(`sleepUntil takes a date, milliseconds or an ISO 8601 text, not ${String(time)}`);
    await this.#run.open({ kind: 'sleep' }, { dueMs }).ended;
  }

  async waitFor<Event>(type: string, options: EventOptions = {}): Promise<Event> {
    const task = { kind: 'event', event: nameOf(type), match: options.match ?? {} } as const;
    return await this.#run.open<Event>(task, { dueInMs: durationOf(options.timeout) }).ended;
  }

  callback<Answer>(options: CallbackOptions = {}): Callback<Answer> {
    const name = options.name === undefined ? {} : { name: nameOf(options.name) };
    const { op, ended } = this.#run.open<Answer>(
      { kind: 'callback', ...name, token: '' },
      { dueInMs: durationOf(options.timeout) },
    );
    const token = callbackToken(this.id, op, this.#run.seed);
    return { token, url: `${this.#callbackUrl}${token}`, result: ended };
  }

  parallel<const Branches extends readonly (() => unknown)[]>(
    branches: Branches,
    options: ParallelOptions = {},
  ): Promise<{ -readonly [Place in keyof Branches]: Awaited<ReturnType<Branches[Place]>> }> {
    const work = this.#inScope('parallel', options.name ?? 'parallel', (scope) =>
      this.#race(
        branches.map((branch) => async () => await branch()),
        branches.length,
        scope,
        0,
      ),
    );
    return work.then((settled) => settled.map(valueOrThrow)) as Promise<never>;
  }

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
  async map<Item, Result>(
    items: readonly Item[],
    work: (item: Item, index: number) => Promise<Result> | Result,
    options: MapOptions | TolerantMapOptions = {},
  ): Promise<Settled<Result>[] | Result[]> {
    const concurrency = options.concurrency ?? MAP_CONCURRENCY;
    if (!(concurrency >= 1))
      throw new RangeError(`map needs a concurrency of at least 1, not ${concurrency}`);
    const tolerate = 'tolerate' in options ? toleranceOf(options.tolerate, items.length) : undefined;
    const tasks = items.map((item, index) => async () => await work(item, index));
    const settled = await this.#inScope('map', options.name ?? 'map', (scope) =>
      this.#race(tasks, concurrency, scope, tolerate ?? 0),
    );
    return tolerate === undefined ? settled.map(valueOrThrow) : settled;
  }

  child<Output>(workflow: string, input?: unknown, options: WaitOptions = {}): Child<Output> {
    const { id, ended } = this.#child<Output>(workflow, input, true, options);
    return { id, result: ended };
  }

  async start(workflow: string, input?: unknown): Promise<{ readonly id: string }> {
    const { id, ended } = this.#child(workflow, input, false, {});
    await ended;
    return { id };
  }

  async send(execution: string, signal: string, input?: unknown): Promise<void> {
    const payload = toPayload(input, `the input of signal ${signal}`);
    await this.#run.open({ kind: 'signal', execution, name: nameOf(signal), input: payload }).ended;
  }

  onSignal<Input>(name: string, handle: (input: Input) => void): void {
    this.#mailbox.onSignal(name, handle as (input: unknown) => void);
  }

  onQuery<Input, Answer>(name: string, answer: (input: Input) => Answer): void {
    this.#mailbox.queries.set(name, answer as (input: unknown) => unknown);
  }

  onUpdate<Input, Answer>(name: string, handle: (input: Input) => Answer | Promise<Answer>): void {
    this.#mailbox.onUpdate(name, handle as (input: unknown) => unknown);
  }

  async receive<Input>(signal: string, options: WaitOptions = {}): Promise<Input> {
    const { message, forget } = this.#mailbox.take(signal);
    const found = await this.#within(message, options.timeout);
    if (found !== undefined) return found.input as Input;
    forget();
    throw misuse('E_TIMEOUT', `no signal ${signal} came in time`, 'TimeoutError');
  }

  async until(condition: () => boolean, options: WaitOptions = {}): Promise<boolean> {
    const { held, forget } = this.#run.condition(condition);
    const found = await this.#within(held, options.timeout);
    forget();
    return found === true;
  }

  compensate(name: string, undo: (step: StepContext) => unknown, options?: StepOptions): void {
    this.compensations.push({ name: nameOf(name), undo, options, at: callSite() });
  }

  now(): number {
    return this.#run.nowMs;
  }

  random(): number {
    return this.#run.chance.fraction();
  }

  uuid(): string {
    return this.#run.chance.uuid();
  }

  continueAsNew(input: unknown): never {
    throw new ContinueAsNew(toPayload(input, 'the input of the new execution'));
  }

  #child<Output>(
    workflow: string,
    input: unknown,
    waits: boolean,
    options: WaitOptions,
  ): { id: string; ended: Promise<Output> } {
    const payload = toPayload(input, `the input of workflow ${workflow}`);
    const id = childExecutionId(this.#run.nextOp, this.#run.nowMs, this.#run.seed);
    const task = { kind: 'child', workflow: nameOf(workflow), input: payload, execution: id, waits } as const;
    const { ended } = this.#run.open<Output>(task, { dueInMs: durationOf(options.timeout) });
    return { id, ended };
  }

  /** A promise of this process with a recorded limit; `undefined` when the time is over first. */
  async #within<Value>(
    promise: Promise<Value>,
    timeout: number | string | undefined,
  ): Promise<Value | undefined> {
    // A cancellation ends this wait as it ends operations.
    const cancelled = this.#run.whenCancelled();
    if (timeout === undefined) return await Promise.race([promise, cancelled]);
    const { op, ended } = this.#run.open(
      { kind: 'sleep' },
      { dueMs: this.#run.nowMs + parseDurationMs(timeout) },
    );
    const value = await Promise.race([promise, cancelled, ended.then(() => undefined)]);
    this.#run.giveUp(op, cancelledFailure('no longer needed'));
    return value;
  }

  async #inScope<Value>(form: string, name: string, work: (scope: Branch) => Promise<Value>): Promise<Value> {
    const parent = this.#run.branch.getStore() ?? ROOT_BRANCH;
    const { op } = this.#run.open({ kind: 'scope', form, name: nameOf(name) });
    const scope: Branch = { parent, scope: op, givenUp: undefined };
    try {
      return await work(scope);
    } finally {
      this.#run.complete(op);
    }
  }

  /** Runs tasks, some at once. With more failures than are tolerated the rest is given up. Waits for all. */
  async #race<Value>(
    tasks: readonly (() => Promise<Value>)[],
    concurrency: number,
    scope: Branch,
    tolerate: number,
  ): Promise<Settled<Value>[]> {
    const settled: Settled<Value>[] = [];
    let next = 0;
    let failures = 0;
    let first: unknown;
    const worker = async (): Promise<void> => {
      while (next < tasks.length && scope.givenUp === undefined) {
        const place = next;
        next += 1;
        try {
          const branch: Branch = { parent: scope, scope: scope.scope, item: place, givenUp: undefined };
          settled[place] = { status: 'ok', value: await this.#run.branch.run(branch, tasks[place]!) };
        } catch (thrown) {
          settled[place] = { status: 'failed', error: asWorkflowError(thrown) };
          failures += 1;
          if (failures <= tolerate || scope.givenUp !== undefined) continue;
          first = thrown;
          this.#run.giveUpBranch(scope, cancelledFailure('another branch failed'));
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, tasks.length) }, worker));
    if (failures > tolerate) throw first;
    return settled;
  }
}

function valueOrThrow<Value>(settled: Settled<Value>): Value {
  if (settled.status === 'failed') throw settled.error;
  return settled.value;
}

function asWorkflowError(thrown: unknown): WorkflowError {
  return thrown instanceof WorkflowFailure ? thrown : new WorkflowFailure(failureOfThrown(thrown) as Failure);
}

function nameOf(name: string): string {
  if (typeof name !== 'string' || name === '' || name.length > 256)
    throw new TypeError(`a name has 1 to 256 characters; this one is ${JSON.stringify(name)?.slice(0, 300)}`);
  return name;
}

function durationOf(duration: number | string | undefined): number | undefined {
  return duration === undefined ? undefined : Math.max(1, parseDurationMs(duration));
}

function toleranceOf(tolerate: number | string, items: number): number {
  const share = typeof tolerate === 'string' ? /^(\d+(?:\.\d+)?)%$/.exec(tolerate) : null;
  if (share !== null) return Math.floor((Number(share[1]) / 100) * items);
  if (typeof tolerate === 'number' && tolerate >= 0) return tolerate;
  throw new TypeError(`tolerate takes a number or a share such as '10%', not ${tolerate}`);
}

export function policyOf(retry: RetryOptions | false | undefined): RetryPolicy {
  if (retry === undefined) return FIVE_ATTEMPTS;
  if (retry === false) return { ...FIVE_ATTEMPTS, attemptsMax: 1 };
  const { attempts, initial, factor, max, jitter } = retry;
  const attemptsMax = attempts ?? FIVE_ATTEMPTS.attemptsMax;
  if (!Number.isInteger(attemptsMax) || attemptsMax < 1 || attemptsMax > 1_000_000)
    throw new RangeError(`attempts takes a whole number from 1 to 1,000,000, not ${attempts}`);
  if (factor !== undefined && !(factor >= 1 && factor <= 100))
    throw new RangeError(`factor takes a number from 1 to 100, not ${factor}`);
  return {
    attemptsMax,
    firstMs: initial === undefined ? FIVE_ATTEMPTS.firstMs : parseDurationMs(initial),
    factor: factor ?? FIVE_ATTEMPTS.factor,
    maxMs: max === undefined ? FIVE_ATTEMPTS.maxMs : parseDurationMs(max),
    jitter: jitter ?? true,
  };
}
