import { LambentError, toLambentError } from '../base/errors.ts';
import { type ExecutionId, uuidTimeMs } from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import type { ExecutionInput, ExecutionRecord } from '../model/execution.ts';
import {
  type Failure,
  JOURNAL_BYTES_MAX,
  JOURNAL_ENTRIES_MAX,
  type JournalEntry,
  OPEN_OPERATIONS_MAX,
  type Outcome,
  type Task,
} from '../model/journal.ts';
import { callbackToken, childExecutionId, taskExecutionId } from '../model/workflow-wire.ts';
import type { NewExecution, Transition } from '../ports/journal-store.ts';
import type { DeploymentCatalog } from '../ports/workflow-catalog.ts';
import type { Offer, ProgramAct, UpdateResult } from '../ports/workflow-program.ts';
import { callbackHash, callbackKey } from './callback-token.ts';
import { originBelow } from './execution-origin.ts';
import { failure, failureOf } from './failures.ts';
import { applyEntry, type ExecutionState } from './journal.ts';
import { retryDelayMs } from './retry-delay.ts';
import type { EventWait } from './tell-waiting.ts';

/** The resource of a state that begins another execution and waits for it. */
const BEGINS_EXECUTION = /:states:startExecution\.sync(?::2)?$/;

/** A longer reason of a cancellation is cut. */
const REASON_CHARS_MAX = 32_768;
/** An instance's clock may be this far from the engine's. */
const CLOCKS_APART_MS = 60_000;

/** An offer that was made and not taken yet. `position`: its place in the inbox, if it came from there. */
export interface MadeOffer {
  readonly input: Offer['input'];
  /** The time that the program acts upon. */
  readonly atMs: number;
  readonly position: number | undefined;
}

/** What begins once a transition is durable. */
export type Effect =
  | { readonly kind: 'call'; readonly op: number }
  /** Nobody waits for this call any more. */
  | { readonly kind: 'withdraw'; readonly op: number }
  /** A further attempt of a step. */
  | { readonly kind: 'attempt'; readonly op: number }
  /** The engine has the result already: it only had to become durable what it is the result of. */
  | { readonly kind: 'offer'; readonly input: ExecutionInput }
  /** A signal that went along: whether anybody was there to get it. */
  | { readonly kind: 'checkSignal'; readonly op: number; readonly execution: ExecutionId }
  /** Whether a child that should be there is. `waits`: it is waited for. */
  | {
      readonly kind: 'checkChild';
      readonly op: number;
      readonly execution: ExecutionId;
      readonly waits: boolean;
    }
  | { readonly kind: 'answered'; readonly update: string; readonly result: UpdateResult };

export interface TransitionTools {
  readonly record: ExecutionRecord;
  readonly random: Random;
  /** The deployment that the execution began with. */
  deployment: DeploymentCatalog | undefined;
  /** About how large the journal is, in bytes. */
  historyBytes(): number;
  /** What `continue as new` goes on with. */
  successor(outcome: Extract<Outcome, { status: 'continued' }>, nowMs: number): NewExecution | Failure;
}

/**
 * Turns what a program did into one transition: entries in the program's own order, each applied to the state at
 * once, and beside them what else the store is to change and what is to follow. Throws a `LambentError` where a
 * program does what it may not; the execution ends with it.
 */
export class TransitionBuilder {
  readonly entries: JournalEntry[] = [];
  readonly effects: Effect[] = [];
  readonly #consumed: number[] = [];
  readonly #awaits: Transition['awaits'][number][] = [];
  readonly #awaitsNoMore: number[] = [];
  readonly #messages: Transition['messages'][number][] = [];
  readonly #starts: NewExecution[] = [];
  readonly #state: ExecutionState;
  readonly #tools: TransitionTools;
  readonly #nowMs: number;
  readonly #seq: number;

  constructor(state: ExecutionState, tools: TransitionTools, nowMs: number) {
    this.#state = state;
    this.#tools = tools;
    this.#nowMs = nowMs;
    this.#seq = state.seq;
  }

  /** Everything but the state that the execution goes over to. */
  finish(fence: number): Omit<Transition, 'next'> {
    return {
      id: this.#tools.record.id,
      fence,
      seq: this.#seq,
      entries: this.entries,
      consumed: this.#consumed,
      awaits: this.#awaits,
      awaitsNoMore: this.#awaitsNoMore,
      messages: this.#messages,
      starts: this.#starts,
      nowMs: this.#nowMs,
    };
  }

  add(entry: JournalEntry): void {
    applyEntry(this.#state, entry);
    this.entries.push(entry);
  }

  /** The program saw an input. One for an operation that ended meanwhile leaves no entry. */
  take(offer: MadeOffer): void {
    const { input, position, atMs } = offer;
    if (position !== undefined) this.#consumed.push(position);
    if (this.#state.outcome !== undefined) return;
    switch (input.kind) {
      case 'attempt':
        return;
      case 'signal': {
        const { name, input: value, update } = input;
        this.add({
          kind: 'signalled',
          atMs,
          name,
          input: value,
          ...(update === undefined ? {} : { update }),
        });
        return;
      }
      case 'cancel':
        if (!this.#state.cancelRequested)
          this.add({ kind: 'cancelRequested', atMs, reason: input.reason.slice(0, REASON_CHARS_MAX) });
        return;
      case 'heartbeat':
        // Handled by the engine, which knows the interval.
        return;
      case 'completed':
        if (this.#isOpen(input.op))
          this.#end({ kind: 'completed', atMs, op: input.op, output: input.output });
        return;
      case 'failed':
        if (this.#isOpen(input.op)) this.#end({ kind: 'failed', atMs, op: input.op, error: input.error });
        return;
      default:
        input satisfies never;
    }
  }

  act(act: Exclude<ProgramAct, { kind: 'took' }>): void {
    const atMs = this.#nowMs;
    if (this.#state.outcome !== undefined) return;
    switch (act.kind) {
      case 'open':
        this.#open(act);
        break;
      case 'complete':
        this.#own(act.op);
        this.#end({ kind: 'completed', atMs: this.#timeOf(act.atMs), op: act.op, output: act.output });
        break;
      case 'fail':
        this.#own(act.op);
        this.failAttempt(act.op, act.error, act.retryable);
        break;
      case 'close':
        if (this.#isOpen(act.op)) this.#end({ kind: 'closed', atMs, op: act.op });
        break;
      case 'answer':
        this.add({ kind: 'answered', atMs, update: act.update, result: act.result });
        this.effects.push({ kind: 'answered', update: act.update, result: act.result });
        break;
      case 'note':
        this.add({ kind: 'noted', atMs, note: act.note });
        break;
      case 'end':
        this.end(act.outcome);
        break;
      default:
        act satisfies never;
    }
    if (this.#state.outcome === undefined) this.#checkLimits();
  }

  /** An attempt of a step or call failed: another one comes, or the program learns of it. */
  failAttempt(op: number, error: Failure, retryable: boolean): void {
    const operation = this.#state.open.get(op)!;
    const { task } = operation;
    const policy = task.kind === 'step' || task.kind === 'call' ? task.retry : undefined;
    const delayMs =
      retryable && policy !== undefined
        ? retryDelayMs(policy, operation.failures + 1, this.#tools.random)
        : undefined;
    const { attempt } = operation;
    const entry = { kind: 'attemptFailed', atMs: this.#nowMs, op, attempt, error } as const;
    if (delayMs !== undefined) {
      this.add({ ...entry, retryAtMs: this.#nowMs + delayMs });
      return;
    }
    if (task.kind === 'step' || task.kind === 'call') this.add(entry);
    this.effects.push({ kind: 'offer', input: { kind: 'failed', op, error } });
  }

  /** Somebody works on the operation: its time counts anew. */
  extend(op: number): void {
    const spanMs = this.#state.open.get(op)?.spanMs;
    if (spanMs !== undefined)
      this.add({ kind: 'extended', atMs: this.#nowMs, op, dueMs: this.#nowMs + spanMs });
  }

  /** Ends the execution: its parent hears of it, its successor begins. */
  end(outcome: Outcome): void {
    const { record } = this.#tools;
    let last = outcome;
    if (outcome.status === 'continued') {
      const successor = this.#tools.successor(outcome, this.#nowMs);
      if ('code' in successor) last = { status: 'failed', error: successor };
      else {
        this.#starts.push(successor);
        last = { ...outcome, execution: successor.id };
      }
    }
    if (last.status !== 'succeeded' && last.status !== 'continued')
      for (const { op, task } of this.#state.open.values()) this.#giveUp(op, task);
    this.add({ kind: 'ended', atMs: this.#nowMs, outcome: last });
    if (record.parent === undefined || last.status === 'continued') return;
    const { execution: to, op } = record.parent;
    const input: ExecutionInput =
      last.status === 'succeeded'
        ? { kind: 'completed', op, output: last.output }
        : { kind: 'failed', op, error: last.error };
    this.#messages.push({ to, input });
  }

  /** Where messages of this transition went. */
  get messagesTo(): readonly ExecutionId[] {
    return this.#messages.map((message) => message.to);
  }

  get started(): boolean {
    return this.#starts.length > 0;
  }

  #open(act: Extract<ProgramAct, { kind: 'open' }>): void {
    const { op, at, scope, item, dueInMs } = act;
    if (op <= this.#state.lastOp)
      throw new LambentError('E_PROTOCOL', `operation ${op} was opened twice or out of order`);
    if (this.#state.open.size >= OPEN_OPERATIONS_MAX)
      throw new LambentError(
        'E_TOO_MANY_OPERATIONS',
        `the workflow has ${OPEN_OPERATIONS_MAX} operations open at once, its limit`,
      );
    const task = this.#complete(op, act.task);
    const dueMs = act.dueMs ?? (dueInMs === undefined ? undefined : this.#nowMs + dueInMs);
    this.add({
      kind: 'opened',
      atMs: this.#nowMs,
      op,
      task,
      ...(dueMs === undefined ? {} : { dueMs }),
      ...(at === undefined ? {} : { at }),
      ...(scope === undefined ? {} : { scope }),
      ...(item === undefined ? {} : { item }),
    });
    this.#begin(op, task);
  }

  /** Tokens and ids are what follows from the seed, whatever the program says; of a token, only a hash is stored. */
  #complete(op: number, task: Task): Task {
    const { record } = this.#tools;
    const { seed } = this.#state;
    if (task.kind === 'callback') return { ...task, token: callbackHash(callbackToken(record.id, op, seed)) };
    if (task.kind !== 'child') return task;
    // The program chose the moment in it; the rest is not its own to choose.
    const atMs = uuidTimeMs(task.execution) ?? this.#nowMs;
    return { ...task, execution: childExecutionId(op, atMs, seed) };
  }

  #begin(op: number, task: Task): void {
    switch (task.kind) {
      case 'call':
        this.effects.push({ kind: 'call', op });
        break;
      case 'callback':
        this.#awaits.push({
          op,
          key: callbackKey({ execution: this.#tools.record.id, op }),
          detail: task.token,
        });
        break;
      case 'event':
        this.#awaits.push({
          op,
          key: `event:${task.event}`,
          detail: { match: task.match, sinceMs: this.#nowMs } satisfies EventWait,
        });
        break;
      case 'resource':
        this.#awaits.push({ op, key: `resource:${task.resource}` });
        break;
      case 'signal': {
        const to = task.execution as ExecutionId;
        this.#messages.push({ to, input: { kind: 'signal', name: task.name, input: task.input } });
        this.effects.push({ kind: 'checkSignal', op, execution: to });
        break;
      }
      case 'child':
        this.#startChild(op, task);
        break;
      case 'step':
      case 'sleep':
      case 'scope':
        break;
      default:
        task satisfies never;
    }
  }

  #startChild(op: number, task: Extract<Task, { kind: 'child' }>): void {
    const { record, deployment, random } = this.#tools;
    try {
      const target = deployment?.workflow(task.workflow);
      if (target === undefined)
        throw new LambentError(
          'E_NOT_FOUND',
          `deployment ${record.deployment} of app ${record.app} has no workflow ${task.workflow}`,
        );
      this.#starts.push({
        ...target,
        id: task.execution as ExecutionId,
        entries: [{ kind: 'started', atMs: this.#nowMs, input: task.input, seed: mintSeed(random) }],
        priority: record.priority,
        parent: task.waits ? { execution: record.id, op } : undefined,
        origin: originBelow(record),
        expiresMs: undefined,
      });
    } catch (thrown) {
      const error = failureOf(toLambentError(thrown));
      this.effects.push({ kind: 'offer', input: { kind: 'failed', op, error } });
      return;
    }
    if (task.waits) return;
    const output = { json: { execution: task.execution } };
    this.effects.push({ kind: 'offer', input: { kind: 'completed', op, output } });
  }

  #end(entry: Extract<JournalEntry, { kind: 'completed' | 'failed' | 'closed' }>): void {
    const { task } = this.#state.open.get(entry.op)!;
    const { kind } = task;
    if (kind === 'callback' || kind === 'event' || kind === 'resource') this.#awaitsNoMore.push(entry.op);
    if (entry.kind !== 'completed') this.#giveUp(entry.op, task);
    this.add(entry);
  }

  /** What runs elsewhere for an operation hears that nobody waits for it any more. Who has ended passes it over. */
  #giveUp(op: number, task: Task): void {
    if (task.kind === 'call') this.effects.push({ kind: 'withdraw', op });
    const to = this.#waitedFor(op, task);
    if (to === undefined) return;
    const reason = `execution ${this.#tools.record.id} waits for it no longer`;
    this.#messages.push({ to: to as ExecutionId, input: { kind: 'cancel', reason } });
  }

  /** The execution that an operation waits for. */
  #waitedFor(op: number, task: Task): string | undefined {
    if (task.kind === 'child') return task.waits ? task.execution : undefined;
    if (task.kind !== 'resource' || !BEGINS_EXECUTION.test(task.resource)) return undefined;
    return taskExecutionId(this.#tools.record.id, childExecutionId(op, 0, this.#state.seed));
  }

  /** The program's time, which it has acted upon already, unless that cannot be true. */
  #timeOf(atMs: number): number {
    return Math.abs(atMs - this.#nowMs) < CLOCKS_APART_MS ? atMs : this.#nowMs;
  }

  #isOpen(op: number): boolean {
    return this.#state.open.has(op);
  }

  /** Only steps and scopes are the program's own to end. */
  #own(op: number): void {
    const kind = this.#state.open.get(op)?.task.kind;
    if (kind !== 'step' && kind !== 'scope')
      throw new LambentError('E_PROTOCOL', `operation ${op} is not one that the program may end`);
  }

  #checkLimits(): void {
    const bytes = this.#tools.historyBytes() + this.#state.largeBytes;
    if (this.#state.seq <= JOURNAL_ENTRIES_MAX && bytes <= JOURNAL_BYTES_MAX) return;
    const limit =
      this.#state.seq > JOURNAL_ENTRIES_MAX ? `${JOURNAL_ENTRIES_MAX} entries` : `${JOURNAL_BYTES_MAX} bytes`;
    throw new LambentError('E_HISTORY_TOO_LONG', `the history of the execution reached ${limit}, its limit`);
  }
}

/** A new execution's secret. */
export function mintSeed(random: Random): string {
  return Buffer.from(random.bytes(16)).toString('hex');
}

/** An execution that ends for a reason that lies in what it did. */
export function brokenOff(thrown: LambentError): Outcome {
  return { status: 'failed', error: { ...failure(thrown.code, thrown.message) } };
}
