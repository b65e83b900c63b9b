import type { Clock, Timer } from '../base/clock.ts';
import { LambentError, toLambentError } from '../base/errors.ts';
import type { ExecutionId } from '../base/ids.ts';
import type { ExecutionInput, ExecutionRecord } from '../model/execution.ts';
import type { Failure, JournalEntry, Payload } from '../model/journal.ts';
import type { InboxItem, NextState, Transition } from '../ports/journal-store.ts';
import type { DeploymentCatalog } from '../ports/workflow-catalog.ts';
import type {
  Offer,
  ProgramSession,
  QueryOutcome,
  SessionHost,
  Submission,
  WorkflowProgram,
} from '../ports/workflow-program.ts';
import { failure, timeoutFailure } from './failures.ts';
import {
  applyEntry,
  createExecutionState,
  type ExecutionState,
  nextDueMs,
  type OpenOperation,
} from './journal.ts';
import {
  brokenOff,
  type Effect,
  type MadeOffer,
  TransitionBuilder,
  type TransitionTools,
} from './transition.ts';

/** An execution with something due within this time stays hot. */
const NEAR_MS = 1_000;
/** One that waits for something from outside stays hot for this long, because answers often come at once. */
const LINGER_MS = 250;
/** An instance that died is tried again after this time, doubling. */
const LOSS_BACKOFF_MS = 200;
const LOSS_BACKOFF_MAX_MS = 60_000;
/** Code that loses its instance more often than this without getting on, and without a step under way, has failed. */
const LOSSES_MAX = 3;
/** Where no instance is to be had just now, it is asked for again after this time. */
const NO_ROOM_MS = 1_000;
/** No fault of the program: there was no room, or the platform stops. */
const NOBODYS_FAULT: ReadonlySet<string> = new Set([
  'E_OVERLOADED',
  'E_CONCURRENCY_LIMIT',
  'E_SHUTTING_DOWN',
]);

/** What hot executions need of the engine. */
export interface HotHost {
  readonly clock: Clock;
  append(transition: Transition): Promise<boolean>;
  /** Carries out what only the engine can; answers with `offer`. */
  perform(hot: HotExecution, effect: Exclude<Effect, { kind: 'offer' | 'attempt' }>): void;
  /** Nothing that was begun for it counts any more. */
  closed(hot: HotExecution): void;
  /** Inputs went to these executions, or others began. */
  wrote(to: readonly ExecutionId[], started: boolean): void;
  /** It is not hot any more. `dueMs`: when it goes on by itself. */
  cooled(hot: HotExecution, dueMs: number | undefined): void;
  ended(hot: HotExecution, entry: Extract<JournalEntry, { kind: 'ended' }>): void;
  /** The claim must be given back by other means than a transition. */
  stranded(hot: HotExecution, error: LambentError): void;
}

/**
 * One execution while a node holds it: between its program's session and its journal.
 *
 * What the program submits is applied to the state at once and appended; appends may be under way one behind the
 * other, because the store keeps their order and refuses all after one that was refused. Nothing takes effect outside
 * before its append is acknowledged.
 */
export class HotExecution implements SessionHost {
  readonly record: ExecutionRecord;
  readonly fence: number;
  readonly #host: HotHost;
  readonly #tools: TransitionTools;
  readonly #state: ExecutionState = createExecutionState();
  readonly #offers = new Map<number, MadeOffer>();
  /** Operations whose end was offered, and places of the inbox that were. */
  readonly #offeredOps = new Set<number>();
  readonly #offeredPositions = new Set<number>();
  #session: ProgramSession | undefined;
  /** Made before the session was there. */
  readonly #unsent: Offer[] = [];
  #nextOffer = 1;
  #bytes: number;
  /** Appends that are not acknowledged. */
  #appends = 0;
  #losses: number;
  /** The program has said at least once that it has nothing to do but wait. */
  #settled = false;
  #closed = false;
  #timer: Timer | undefined;
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(record: ExecutionRecord, fence: number, host: HotHost, tools: TransitionTools, losses: number) {
    this.record = record;
    this.fence = fence;
    this.#host = host;
    this.#tools = { ...tools, historyBytes: () => this.#bytes };
    this.#bytes = record.bytes;
    this.#losses = losses;
  }

  /** How often its session was lost since it last got on. */
  get losses(): number {
    return this.#losses;
  }

  get state(): ExecutionState {
    return this.#state;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The deployment that it began with. Before `open`. */
  knows(deployment: DeploymentCatalog | undefined): void {
    this.#tools.deployment = deployment;
  }

  /** Folds the journal and opens the program. */
  open(program: WorkflowProgram, entries: readonly JournalEntry[], inbox: readonly InboxItem[]): void {
    for (const entry of entries) applyEntry(this.#state, entry);
    this.#resume();
    if (this.#closed) return;
    this.#session = program.open(this.record, entries, this);
    this.#send(this.#unsent.splice(0));
    this.takeInbox(inbox);
    this.#arm(this.#earliestMs());
  }

  /** What a former holder left behind: attempts under way begin anew, ends that were owed are offered. */
  #resume(): void {
    const builder = this.#build();
    const again: OpenOperation[] = [];
    for (const operation of this.#state.open.values()) {
      const { op, task, exhausted, retryAtMs } = operation;
      if (exhausted !== undefined)
        builder.effects.push({ kind: 'offer', input: { kind: 'failed', op, error: exhausted } });
      else if ((task.kind === 'step' || task.kind === 'call') && retryAtMs === undefined)
        again.push(operation);
      else if (task.kind === 'signal')
        builder.effects.push({ kind: 'checkSignal', op, execution: task.execution as ExecutionId });
      else if (task.kind === 'child')
        builder.effects.push({
          kind: 'checkChild',
          op,
          execution: task.execution as ExecutionId,
          waits: task.waits,
        });
    }
    this.#attempt(builder, again);
    if (builder.entries.length + builder.effects.length > 0) this.#commit(builder);
  }

  // ---- From the program.

  submit({ acts, bytes }: Submission): void {
    if (this.#closed) return;
    this.#settled = true;
    this.#bytes += bytes;
    const builder = this.#build();
    try {
      for (const act of acts) {
        if (act.kind !== 'took') builder.act(act);
        else this.#takeOffer(builder, act.offer);
      }
    } catch (thrown) {
      builder.end(brokenOff(toLambentError(thrown)));
    }
    this.#commit(builder);
  }

  lost(error: Failure, again: boolean): void {
    if (this.#closed) return;
    const builder = this.#build();
    if (NOBODYS_FAULT.has(error.code)) {
      this.#commit(builder, { status: 'waiting', dueMs: this.#host.clock.nowMs() + NO_ROOM_MS });
      return;
    }
    this.#losses += 1;
    let failed = false;
    for (const { op, task, retryAtMs, exhausted } of [...this.#state.open.values()]) {
      if (task.kind !== 'step' || retryAtMs !== undefined || exhausted !== undefined) continue;
      builder.failAttempt(op, error, true);
      failed = true;
    }
    // Steps have attempts of their own to lose; code that breaks its instance by itself does not get on.
    if (!again || (!failed && this.#losses > LOSSES_MAX)) builder.end({ status: 'failed', error });
    this.#session = undefined;
    // Ends of steps are offered when it is opened again.
    builder.effects.length = 0;
    const backoffMs = Math.min(LOSS_BACKOFF_MAX_MS, LOSS_BACKOFF_MS * 2 ** (this.#losses - 1));
    this.#commit(builder, { status: 'waiting', dueMs: this.#host.clock.nowMs() + backoffMs });
  }

  // ---- From outside.

  takeInbox(items: readonly InboxItem[]): void {
    const offers: Offer[] = [];
    for (const { position, input } of items) {
      if (this.#offeredPositions.has(position)) continue;
      this.#offeredPositions.add(position);
      if (input.kind === 'cancel' && input.force === true) {
        this.terminate(input.reason);
        return;
      }
      if (input.kind === 'heartbeat') this.#extend(input.op, position);
      else offers.push(this.#makeOffer(input, position));
    }
    this.#send(offers);
  }

  /** An input that does not come from the inbox: the result of a call, a timer. */
  offer(input: ExecutionInput): void {
    if (!this.#closed) this.#send([this.#makeOffer(input, undefined)]);
  }

  /** An attempt of a call failed. */
  failCall(op: number, error: Failure, retryable: boolean): void {
    if (this.#closed || !this.#state.open.has(op)) return;
    const builder = this.#build();
    builder.failAttempt(op, error, retryable);
    this.#commit(builder);
    this.#arm(this.#earliestMs());
  }

  query(name: string, input: Payload): Promise<QueryOutcome> | undefined {
    return this.#closed ? undefined : this.#session?.query(name, input);
  }

  /** Ends it at once, whatever its program thinks. */
  terminate(reason: string): void {
    if (this.#closed) return;
    const builder = this.#build();
    builder.end({ status: 'cancelled', error: failure('E_EXECUTION_CANCELLED', reason, 'CancelledError') });
    this.#commit(builder);
  }

  /** Drops it without a word to the store: the node stops, or the store is gone. */
  drop(): void {
    if (this.#closed) return;
    this.#close();
  }

  // ---- Timers.

  #arm(atMs: number): void {
    if (atMs >= this.#armedMs || this.#closed) return;
    this.#timer?.cancel();
    this.#armedMs = atMs;
    const delayMs = Math.max(0, atMs - this.#host.clock.nowMs());
    // Timers of 32 bits overflow beyond 24 days; it looks again then.
    this.#timer = this.#host.clock.after(Math.min(delayMs, 2 ** 31 - 1), () => {
      this.#armedMs = Number.POSITIVE_INFINITY;
      this.#onTime();
    });
  }

  #onTime(): void {
    if (this.#closed) return;
    const nowMs = this.#host.clock.nowMs();
    if ((this.record.expiresMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      const builder = this.#build();
      builder.end({ status: 'timedOut', error: timeoutFailure(`workflow ${this.record.workflow}`) });
      this.#commit(builder);
      return;
    }
    const offers: Offer[] = [];
    const again: OpenOperation[] = [];
    for (const operation of this.#state.open.values()) {
      const { op, task, dueMs, retryAtMs } = operation;
      if (this.#offeredOps.has(op)) continue;
      if (dueMs !== undefined && dueMs <= nowMs) {
        const input: ExecutionInput =
          task.kind === 'sleep'
            ? { kind: 'completed', op, output: { json: null } }
            : { kind: 'failed', op, error: timeoutFailure(describe(operation)) };
        offers.push(this.#makeOffer(input, undefined));
      } else if (retryAtMs !== undefined && retryAtMs <= nowMs) again.push(operation);
    }
    if (again.length > 0) {
      const builder = this.#build();
      this.#attempt(builder, again);
      this.#commit(builder);
    }
    this.#send(offers);
    this.#arm(this.#earliestMs());
    this.#restIfIdle();
  }

  #earliestMs(): number {
    let earliest = this.record.expiresMs ?? Number.POSITIVE_INFINITY;
    for (const operation of this.#state.open.values()) {
      const dueMs = this.#offeredOps.has(operation.op) ? undefined : nextDueMs(operation);
      if (dueMs !== undefined && dueMs < earliest) earliest = dueMs;
    }
    return earliest;
  }

  /** Records further attempts; they run once that is durable. */
  #attempt(builder: TransitionBuilder, operations: readonly OpenOperation[]): void {
    for (const { op, task, attempt } of operations) {
      builder.add({ kind: 'attempted', atMs: this.#host.clock.nowMs(), op, attempt: attempt + 1 });
      builder.effects.push(task.kind === 'call' ? { kind: 'call', op } : { kind: 'attempt', op });
    }
  }

  /** A heartbeat: the operation gets its whole time again. */
  #extend(op: number, position: number): void {
    const builder = this.#build();
    builder.take({ input: { kind: 'heartbeat', op }, position, atMs: this.#host.clock.nowMs() });
    builder.extend(op);
    this.#commit(builder);
  }

  // ---- Offers.

  #makeOffer(input: Offer['input'], position: number | undefined): Offer {
    const offer = this.#nextOffer;
    this.#nextOffer += 1;
    const atMs = this.#host.clock.nowMs();
    this.#offers.set(offer, { input, position, atMs });
    if (input.kind === 'completed' || input.kind === 'failed') this.#offeredOps.add(input.op);
    return { offer, input, atMs };
  }

  #send(offers: readonly Offer[]): void {
    if (offers.length === 0) return;
    if (this.#session === undefined) this.#unsent.push(...offers);
    else this.#session.offer(offers);
  }

  #takeOffer(builder: TransitionBuilder, number: number): void {
    const made = this.#offers.get(number);
    if (made === undefined)
      throw new LambentError('E_PROTOCOL', `the program took offer ${number}, which it had not`);
    this.#offers.delete(number);
    const { input } = made;
    builder.take(made);
    if (input.kind === 'completed' || input.kind === 'failed') this.#offeredOps.delete(input.op);
  }

  // ---- Transitions.

  #build(): TransitionBuilder {
    return new TransitionBuilder(this.#state, this.#tools, this.#host.clock.nowMs());
  }

  /** Appends; `next`: what it goes over to, unless it ended. Left out: it stays hot if it has to. */
  #commit(builder: TransitionBuilder, next?: NextState): void {
    const change = builder.finish(this.fence);
    const ended = this.#state.outcome !== undefined;
    const goesOn = next ?? this.#nextState(builder);
    const state: NextState = ended ? { status: 'ended' } : goesOn;
    const nothing = change.entries.length === 0 && change.consumed.length === 0 && state.status === 'running';
    if (nothing) {
      this.#afterCommit(builder, false);
      return;
    }
    this.#appends += 1;
    if (state.status !== 'running') this.#close();
    this.#host.append({ ...change, next: state }).then(
      (appended) => {
        this.#appends -= 1;
        if (!appended) this.#claimLost();
        else this.#afterAppend(builder, state);
      },
      (thrown) => {
        this.#appends -= 1;
        this.#close();
        this.#host.stranded(this, toLambentError(thrown));
      },
    );
  }

  #afterAppend(builder: TransitionBuilder, state: NextState): void {
    this.#host.wrote(builder.messagesTo, builder.started);
    for (const effect of builder.effects) if (effect.kind === 'answered') this.#host.perform(this, effect);
    const last = builder.entries.at(-1);
    if (last?.kind === 'ended') this.#host.ended(this, last);
    if (state.status === 'running') this.#afterCommit(builder, true);
    else this.#host.cooled(this, state.status === 'waiting' ? state.dueMs : undefined);
  }

  #afterCommit(builder: TransitionBuilder, appended: boolean): void {
    if (this.#closed) return;
    if (appended && builder.entries.some(isProgress)) this.#losses = 0;
    if (builder.entries.length > 0) this.#session?.committed(builder.entries, this.#state.seq);
    const offers: Offer[] = [];
    for (const effect of builder.effects) {
      if (effect.kind === 'offer') offers.push(this.#makeOffer(effect.input, undefined));
      else if (effect.kind === 'attempt') {
        const operation = this.#state.open.get(effect.op);
        if (operation !== undefined)
          offers.push(
            this.#makeOffer({ kind: 'attempt', op: effect.op, attempt: operation.attempt }, undefined),
          );
      } else if (effect.kind !== 'answered') this.#host.perform(this, effect);
    }
    this.#send(offers);
    for (const entry of builder.entries) {
      if (entry.kind === 'opened' && entry.dueMs !== undefined) this.#arm(entry.dueMs);
      if (entry.kind === 'attemptFailed' && entry.retryAtMs !== undefined) this.#arm(entry.retryAtMs);
    }
    this.#restIfIdle();
  }

  #claimLost(): void {
    this.#close();
    this.#host.cooled(this, undefined);
  }

  // ---- Rest.

  /** Nothing is under way here: no step, no call, no offer, no append. */
  #isIdle(): boolean {
    if (!this.#settled || this.#offers.size > 0) return false;
    for (const { task, retryAtMs, exhausted, op } of this.#state.open.values()) {
      if (retryAtMs !== undefined) continue;
      if (task.kind === 'step' || task.kind === 'call') return false;
      if (exhausted !== undefined && !this.#offeredOps.has(op)) return false;
    }
    return true;
  }

  /** With a transition that leaves nothing to do but wait long for a clock, the claim is given back at once. */
  #nextState(builder: TransitionBuilder): NextState {
    if (this.#appends > 0 || builder.effects.length > 0 || !this.#isIdle()) return { status: 'running' };
    const dueMs = this.#earliestMs();
    const awaited = [...this.#state.open.values()].some(({ task }) => task.kind !== 'sleep');
    if (awaited || !Number.isFinite(dueMs) || dueMs - this.#host.clock.nowMs() < NEAR_MS)
      return { status: 'running' };
    return { status: 'waiting', dueMs };
  }

  #restIfIdle(): void {
    if (this.#closed || this.#appends > 0 || !this.#isIdle()) return;
    const waitedSince = this.#state.seq;
    this.#host.clock.after(LINGER_MS, () => {
      if (this.#state.seq === waitedSince) this.rest();
    });
  }

  /** Gives the claim back if nothing is under way. False: it has to stay. */
  rest(): boolean {
    if (this.#closed || this.#appends > 0 || !this.#isIdle()) return false;
    const dueMs = this.#earliestMs();
    if (dueMs - this.#host.clock.nowMs() < NEAR_MS) return false;
    this.#commit(this.#build(), { status: 'waiting', dueMs: Number.isFinite(dueMs) ? dueMs : undefined });
    return true;
  }

  #close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#session?.close();
    this.#session = undefined;
    this.#host.closed(this);
  }
}

function isProgress(entry: JournalEntry): boolean {
  return entry.kind === 'completed' || entry.kind === 'failed' || entry.kind === 'opened';
}

function describe({ task }: OpenOperation): string {
  switch (task.kind) {
    case 'call':
      return `the call of ${task.function}`;
    case 'event':
      return `the wait for event ${task.event}`;
    case 'child':
      return `the child workflow ${task.workflow}`;
    case 'resource':
      return `the task ${task.resource}`;
    default:
      return `the ${task.kind} ${'name' in task && task.name !== undefined ? task.name : ''}`.trimEnd();
  }
}
