/**
 * One execution of a workflow while it is hot in this process: the author's function, what it waits for, and what it
 * did since the platform last heard of it.
 *
 * Time passes for the function in *turns*: one thing comes in (a result, a signal, the end of a step), the function
 * goes on as far as it can, and what it did becomes part of one message. A replay gives it the recorded things in the
 * same turns, so it does the same; where it does not, that is found and explained (`replay-check.ts`).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Failure, JournalEntry, Payload, Task } from '../../../src/model/journal.ts';
import type { Offer, ProgramAct } from '../../../src/ports/workflow-program.ts';
import { callSite } from './call-site.ts';
import { ReplayCheck } from './replay-check.ts';
import type { OpenedExecution } from './run-messages.ts';
import { SeededChance } from './seeded-chance.ts';
import { type StepBody, type StepClock, StepRunner } from './step-runner.ts';
import { nameOfTask } from './task-name.ts';
import { cancelledFailure, misuse, WorkflowFailure } from './workflow-errors.ts';

/** What a run needs of the process around it. */
export interface RunHost extends StepClock {
  submit(acts: readonly ProgramAct[]): void;
  /** Runs a task when all promises that are ready have been served. */
  defer(task: () => void): void;
  /** Whether what the code prints was printed at an earlier run. */
  replaying(on: boolean): void;
}

/** A branch of the function's work, which can be given up as a whole. */
export interface Branch {
  readonly parent: Branch | undefined;
  readonly scope: number | undefined;
  /** Which item of a map or branch of a parallel it is. */
  readonly item?: number;
  givenUp: Failure | undefined;
}

interface OpenOp {
  readonly op: number;
  readonly task: Task;
  readonly branch: Branch;
  readonly body: StepBody | undefined;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export interface OpenOptions {
  readonly dueInMs?: number | undefined;
  readonly dueMs?: number | undefined;
  readonly body?: StepBody;
  /** Where the author's code asked for it, where that is not where it runs from. */
  readonly at?: string | undefined;
}

type Arrival =
  | { readonly kind: 'offer'; readonly offer: Offer }
  | { readonly kind: 'stepDone'; readonly op: number; readonly output: Payload; readonly atMs: number }
  | { readonly kind: 'task'; readonly task: () => void };

export const ROOT_BRANCH: Branch = { parent: undefined, scope: undefined, givenUp: undefined };

/** The branch that code works for. One for all executions (see `insideStep`). */
const currentBranch = new AsyncLocalStorage<Branch>();

export class WorkflowRun {
  readonly execution: OpenedExecution;
  readonly cancel = new AbortController();
  /** How it went another way than its journal, if it did. */
  divergence: WorkflowFailure | undefined;
  readonly branch = currentBranch;
  readonly #host: RunHost;
  readonly #steps: StepRunner;
  readonly #open = new Map<number, OpenOp>();
  readonly #arrivals: Arrival[] = [];
  readonly #conditions = new Set<{
    readonly holds: () => boolean;
    readonly resolve: (held: boolean) => void;
  }>();
  /** Called with each signal, in order. */
  onSignalled: (name: string, input: unknown, update: string | undefined) => void = () => {};
  #check: ReplayCheck | undefined;
  #chance: SeededChance | undefined;
  #seed = '';
  #acts: ProgramAct[] = [];
  #lastOp = 0;
  #timeMs = 0;
  #inTurn = false;
  #pumping = false;
  #over = false;
  readonly #whenReplayed: (() => void)[] = [];

  constructor(execution: OpenedExecution, host: RunHost) {
    this.execution = execution;
    this.#host = host;
    this.#steps = new StepRunner(host, {
      done: (op, output, atMs) => this.#arrive({ kind: 'stepDone', op, output, atMs }),
      failed: (op, error, retryable) => {
        if (this.#over) return;
        this.#acts.push({ kind: 'fail', op, error, retryable });
        this.#pump();
      },
    });
  }

  get seed(): string {
    return this.#seed;
  }

  get nowMs(): number {
    return this.#timeMs;
  }

  get chance(): SeededChance {
    this.#chance ??= new SeededChance(this.#seed);
    return this.#chance;
  }

  /** The number that the next operation gets. */
  get nextOp(): number {
    return this.#lastOp + 1;
  }

  /** Whether the code goes on after something that is not recorded. */
  get isOutside(): boolean {
    return !this.#inTurn;
  }

  get isReplaying(): boolean {
    return this.#check !== undefined;
  }

  // ---- From the platform.

  /** Replays the journal through the function, then says what it does next. */
  start(history: readonly JournalEntry[], main: (input: unknown) => Promise<void>): void {
    const first = history[0];
    if (first?.kind !== 'started') throw new Error('a journal begins with `started`');
    this.#seed = first.seed;
    this.#timeMs = first.atMs;
    this.#check = new ReplayCheck(this.execution, history);
    this.#host.replaying(history.length > 1);
    this.#pumping = true;
    this.#turn(() => void this.branch.run(ROOT_BRANCH, () => main(jsonOf(first.input))));
    this.#afterTurn(() => this.#replay());
  }

  offer(offers: readonly Offer[]): void {
    for (const offer of offers) this.#arrive({ kind: 'offer', offer });
  }

  /** What these operations are about may begin. */
  committed(ops: readonly number[]): void {
    for (const op of ops) {
      const open = this.#open.get(op);
      if (open?.body !== undefined) this.#steps.run(op, 1, open.body, this.#idempotencyKey(op));
    }
  }

  /** Resolves when the history has been replayed. */
  replayed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#check === undefined) resolve();
      else this.#whenReplayed.push(resolve);
    });
  }

  /** Nothing that happens here counts any more. */
  close(): void {
    this.#over = true;
    this.#steps.abortAll(
      () => new WorkflowFailure(cancelledFailure('the execution was taken away from this process')),
    );
  }

  // ---- From the function.

  /** Opens an operation; the promise follows its end. */
  open<Value>(
    task: Task,
    { dueInMs, dueMs, body, at = callSite() }: OpenOptions = {},
  ): { op: number; ended: Promise<Value> } {
    const branch = this.branch.getStore() ?? ROOT_BRANCH;
    this.#refuseOutside(task);
    if (branch.givenUp !== undefined) throw new WorkflowFailure(branch.givenUp);
    this.#lastOp += 1;
    const op = this.#lastOp;
    const ended = new Promise<Value>((resolve, reject) => {
      this.#open.set(op, { op, task, branch, body, resolve: resolve as (value: unknown) => void, reject });
    });
    // Whoever wants to know awaits it; a failure that nobody awaits is not the process's.
    ended.catch(() => {});
    const act: ProgramAct = {
      kind: 'open',
      op,
      task,
      ...(dueInMs === undefined ? {} : { dueInMs }),
      ...(dueMs === undefined ? {} : { dueMs }),
      ...(at === undefined ? {} : { at }),
      ...(branch.scope === undefined ? {} : { scope: branch.scope }),
      ...(branch.item === undefined ? {} : { item: branch.item }),
    };
    if (this.#check?.opened(op, task, at) !== true) this.#acts.push(act);
    return { op, ended };
  }

  /** Ends an operation that is this process's own: a scope. */
  complete(op: number): void {
    // A cancellation ended it before.
    if (!this.#open.delete(op)) return;
    if (this.#check?.closes(op) !== true)
      this.#acts.push({ kind: 'complete', op, output: { json: null }, atMs: this.#timeMs });
  }

  /** Gives an operation up. */
  giveUp(op: number, failure: Failure): void {
    const open = this.#open.get(op);
    if (open === undefined) return;
    this.#open.delete(op);
    this.#steps.abort(op, new WorkflowFailure(failure));
    if (this.#check?.closes(op) !== true) this.#acts.push({ kind: 'close', op });
    open.reject(new WorkflowFailure(failure));
  }

  /** Gives up a branch and all below it. */
  giveUpBranch(branch: Branch, failure: Failure): void {
    branch.givenUp = failure;
    for (const { op, branch: own } of [...this.#open.values()])
      for (let each: Branch | undefined = own; each !== undefined; each = each.parent)
        if (each === branch) {
          this.giveUp(op, failure);
          break;
        }
  }

  act(act: ProgramAct): void {
    if (this.#check?.repeats(act) === true) return;
    this.#acts.push(act);
    // Outside a turn nobody else would send it: the code went on after something that is not recorded.
    this.#pump();
  }

  /** Waits for the function's own variables. */
  condition(holds: () => boolean): { readonly held: Promise<boolean>; forget(): void } {
    let resolve: (held: boolean) => void = () => {};
    const held = new Promise<boolean>((settle) => {
      resolve = settle;
    });
    if (holds()) {
      resolve(true);
      return { held, forget: () => {} };
    }
    const entry = { holds, resolve };
    this.#conditions.add(entry);
    return { held, forget: () => this.#conditions.delete(entry) };
  }

  /** Rejects when the execution is cancelled, if it is not by now. */
  whenCancelled(): Promise<never> {
    const { signal } = this.cancel;
    return new Promise((_resolve, reject) => {
      if (!signal.aborted)
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }

  end(outcome: Extract<ProgramAct, { kind: 'end' }>['outcome']): void {
    this.act({ kind: 'end', outcome });
    this.#steps.abortAll(() => new WorkflowFailure(cancelledFailure('the workflow has ended')));
  }

  #idempotencyKey(op: number): string {
    return `${this.execution.id}/${op}`;
  }

  /** Found at the first run, not at the replay after a crash: the code waited for something that is not recorded. */
  #refuseOutside(task: Task): void {
    if (this.#inTurn) return;
    throw misuse(
      'E_NON_DETERMINISTIC',
      this.#steps.isInside
        ? `${nameOfTask(task)} was begun inside a step. A step is one unit: use the workflow's operations beside it, not within.`
        : `before ${nameOfTask(task)} the code waited for something that is not recorded: a timer, a network call, a file. Put that into a step (or use ctx.sleep), so that a replay sees the same.`,
    );
  }

  // ---- Turns.

  #arrive(arrival: Arrival): void {
    if (this.#over) return;
    this.#arrivals.push(arrival);
    this.#pump();
  }

  #pump(): void {
    if (this.#pumping || this.#over) return;
    this.#pumping = true;
    this.#next();
  }

  #next(): void {
    if (this.#over) return;
    const arrival = this.#arrivals.shift();
    if (arrival !== undefined) this.#turn(() => this.#deliver(arrival));
    this.#afterTurn(() => {
      if (this.#arrivals.length > 0) {
        this.#next();
        return;
      }
      this.#pumping = false;
      this.#flush(false);
    });
  }

  #turn(work: () => void): void {
    this.#inTurn = true;
    work();
    this.#serveConditions();
  }

  /** True when the function goes on for one that holds now. */
  #serveConditions(): boolean {
    let served = false;
    for (const condition of this.#conditions) {
      if (!condition.holds()) continue;
      this.#conditions.delete(condition);
      condition.resolve(true);
      served = true;
    }
    return served;
  }

  /** Runs a task when the turn is over: all promises were served, and no condition holds that did not before. */
  #afterTurn(task: () => void): void {
    this.#host.defer(() => {
      if (!this.#over && this.#serveConditions()) this.#afterTurn(task);
      else {
        this.#inTurn = false;
        task();
      }
    });
  }

  #flush(always: boolean): void {
    if (this.#over || (this.#acts.length === 0 && !always)) return;
    const acts = this.#acts;
    this.#acts = [];
    this.#host.submit(acts);
  }

  #deliver(arrival: Arrival): void {
    if (arrival.kind === 'task') {
      arrival.task();
      return;
    }
    if (arrival.kind === 'stepDone') {
      const { op, output, atMs } = arrival;
      if (!this.#open.has(op)) return;
      this.#timeMs = Math.max(this.#timeMs, atMs);
      this.#acts.push({ kind: 'complete', op, output, atMs: this.#timeMs });
      this.#settle(op, output);
      return;
    }
    const { offer, input, atMs } = arrival.offer;
    this.#acts.push({ kind: 'took', offer });
    this.#timeMs = Math.max(this.#timeMs, atMs);
    switch (input.kind) {
      case 'attempt': {
        const body = this.#open.get(input.op)?.body;
        if (body !== undefined)
          this.#steps.run(input.op, input.attempt, body, this.#idempotencyKey(input.op));
        break;
      }
      case 'completed':
        this.#settle(input.op, input.output);
        break;
      case 'failed':
        this.#fail(input.op, input.error);
        break;
      case 'signal':
        this.onSignalled(input.name, jsonOf(input.input), input.update);
        break;
      case 'cancel':
        this.#cancelAll(input.reason);
        break;
      case 'heartbeat':
        break;
      default:
        input satisfies never;
    }
  }

  #settle(op: number, output: Payload): void {
    const open = this.#open.get(op);
    this.#open.delete(op);
    open?.resolve(jsonOf(output));
  }

  #fail(op: number, error: Failure): void {
    const open = this.#open.get(op);
    this.#open.delete(op);
    this.#steps.abort(op, new WorkflowFailure(error));
    open?.reject(new WorkflowFailure(error));
  }

  /** All that is awaited now ends; what the function does then (compensation above all) runs as usual. */
  #cancelAll(reason: string): void {
    if (this.cancel.signal.aborted) return;
    const failure = cancelledFailure(reason);
    this.cancel.abort(new WorkflowFailure(failure));
    for (const op of [...this.#open.keys()]) this.giveUp(op, failure);
  }

  // ---- Replay.

  #replay(): void {
    if (this.#over) return;
    const check = this.#check!;
    const entry = check.next(this.#lastOp);
    if (entry instanceof WorkflowFailure) {
      this.#diverged(entry);
      return;
    }
    if (entry !== undefined) {
      this.#turn(() => this.#redeliver(entry));
      this.#afterTurn(() => this.#replay());
      return;
    }
    this.#check = undefined;
    this.#host.replaying(false);
    this.#pumping = false;
    for (const resolve of this.#whenReplayed) resolve();
    if (this.#arrivals.length > 0) this.#pump();
    else this.#flush(true);
  }

  #redeliver(entry: JournalEntry): void {
    this.#timeMs = Math.max(this.#timeMs, entry.atMs);
    if (entry.kind === 'completed') this.#settle(entry.op, entry.output);
    else if (entry.kind === 'failed') this.#fail(entry.op, entry.error);
    else if (entry.kind === 'signalled') this.onSignalled(entry.name, jsonOf(entry.input), entry.update);
    else if (entry.kind === 'cancelRequested') this.#cancelAll(entry.reason);
  }

  #diverged(error: WorkflowFailure): void {
    this.#check = undefined;
    this.divergence = error;
    this.#acts = [{ kind: 'end', outcome: { status: 'failed', error: error.failure } }];
    for (const resolve of this.#whenReplayed) resolve();
    this.#flush(true);
    this.#over = true;
  }
}

/** A payload's value. */
export function jsonOf(payload: Payload): unknown {
  return 'json' in payload ? payload.json : undefined;
}
