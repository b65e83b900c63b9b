/**
 * The engine of durable workflows: claim -> replay -> step -> append. It takes executions that can go on, opens their
 * programs (durable code in an instance, or ASL in this process) over their journals, writes down what they do, and
 * carries out what they ask for: calls, timers, children, tokens, events.
 *
 * Guarantees: what a journal says happened is never done again: a step whose result is recorded does not run again,
 * and an attempt is recorded before it runs. Each transition (entries, state, timer, outbox) is one atomic append, and
 * nothing follows from it before it is durable. Two nodes never go on with one execution: each append is checked
 * against the claim's fence. An execution that waits is a row in the store: no process, no memory. After a crash all
 * that was under way is claimed again and goes on from its journal.
 *
 * Deliberately absent: exactly-once effects outside (a step that did not get to record its result runs again), and any
 * knowledge of what a program is (ports/workflow-program.ts).
 */
import type { Clock, Timer } from '../base/clock.ts';
import { LambentError, toLambentError } from '../base/errors.ts';
import type { ExecutionId, MintUuid, NodeId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { type ExecutionInput, RULES, type WorkflowKind } from '../model/execution.ts';
import type { JournalEntry, Outcome, Payload } from '../model/journal.ts';
import type {
  ClaimedExecution,
  CreateOutcome,
  DeliverOutcome,
  JournalStore,
  NewExecution,
  Transition,
} from '../ports/journal-store.ts';
import type { ExecutionMeter } from '../ports/traffic.ts';
import type { WorkflowCatalog } from '../ports/workflow-catalog.ts';
import type { QueryOutcome, UpdateResult, WorkflowProgram } from '../ports/workflow-program.ts';
import type { CallFunction } from './call-function.ts';
import { createEffectRunner, type EffectRunner } from './effects.ts';
import { failureOf } from './failures.ts';
import { HotExecution, type HotHost } from './hot-execution.ts';
import { queryHistory } from './query-history.ts';
import { type Effect, mintSeed, type TransitionTools } from './transition.ts';

export interface EngineLimits {
  /** Executions that are hot at once on this node; the others wait in the store. */
  readonly hotMax: number;
  /** Most that one claim takes. */
  readonly claimMax: number;
}

export const ENGINE_LIMITS: EngineLimits = { hotMax: 1_000, claimMax: 200 };
/** Executions of a platform that died are taken back so many at a time: the first of them need not wait for the last. */
const RECOVER_MAX = 1_000;
/** After the store failed, it is tried again after this time. */
const STORE_RETRY_MS = 1_000;
/** An execution that needs a newer platform is looked at again after this time. */
const NEWER_RETRY_MS = 3_600_000;
/** The store is asked for what is due at least this often, whatever this node knows by itself. */
const LOOK_MS = 60_000;

export interface EngineOptions {
  readonly store: JournalStore;
  readonly programs: Readonly<Partial<Record<WorkflowKind, WorkflowProgram>>>;
  readonly catalog: WorkflowCatalog;
  readonly call: CallFunction;
  readonly clock: Clock;
  readonly random: Random;
  readonly mintUuid: MintUuid;
  readonly log: Log;
  readonly node: NodeId;
  readonly limits?: Partial<EngineLimits>;
  /** Hears of what begins and ends. */
  readonly meter?: ExecutionMeter;
}

export class WorkflowEngine implements HotHost {
  readonly clock: Clock;
  readonly #options: EngineOptions;
  readonly #limits: EngineLimits;
  readonly #effects: EffectRunner;
  readonly #hot = new Map<ExecutionId, HotExecution>();
  /** Got an input while they were being given back. */
  readonly #poked = new Set<ExecutionId>();
  /** Got an input while a claim was on its way from the store: it may be one of those that come. */
  readonly #early = new Set<ExecutionId>();
  /** How often each lost its session since it last got on. */
  readonly #losses = new Map<ExecutionId, number>();
  readonly #endWaiters = new Map<ExecutionId, ((outcome: Outcome) => void)[]>();
  readonly #answerWaiters = new Map<string, (result: UpdateResult) => void>();
  #claiming = false;
  #wanted = false;
  #closed = false;
  #timer: Timer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #onIdle: (() => void) | undefined;
  #recovering: Promise<void> | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.#limits = { ...ENGINE_LIMITS, ...options.limits };
    this.#effects = createEffectRunner(options);
  }

  /** Begins to take back what a former platform on these data held, and to go on with it. */
  async start(): Promise<void> {
    if (await this.#recover()) this.#recovering = this.#recoverRest();
    this.wake();
  }

  /** True when there may be more. */
  async #recover(): Promise<boolean> {
    const { store, node } = this.#options;
    return (await store.recover(node, this.clock.nowMs(), RECOVER_MAX)) === RECOVER_MAX;
  }

  async #recoverRest(): Promise<void> {
    try {
      while (!this.#closed && (await this.#recover())) this.wake();
      this.wake();
    } catch (error) {
      if (this.#closed) return;
      this.#options.log.error('executions of before cannot be taken back', { error: String(error) });
      this.clock.after(STORE_RETRY_MS, () => {
        this.#recovering = this.#recoverRest();
      });
    }
  }

  /** Claims nothing more and drops what is hot: it is taken up again from its journal. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    for (const hot of this.#hot.values()) hot.drop();
    this.#hot.clear();
    await this.#recovering;
    if (this.#claiming)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
  }

  /** Executions that are hot here. */
  get hotCount(): number {
    return this.#hot.size;
  }

  /** It is hot here: it has not ended, and when it does, `whenEnded` says so. */
  holds(id: ExecutionId): boolean {
    return this.#hot.has(id);
  }

  // ---- Starting and steering.

  /** Begins an execution; it is durable when this resolves. `nowMs`: the moment from which its times count. */
  async create(execution: NewExecution, nowMs: number): Promise<CreateOutcome> {
    const { store, node } = this.#options;
    const room = !this.#closed && this.#hot.size < this.#limits.hotMax;
    const wanted = room ? { ...execution, claimBy: node } : execution;
    const outcome = await store.create(wanted, nowMs);
    if (outcome.status !== 'created') return outcome;
    this.#options.meter?.began(execution, undefined);
    if (outcome.fence === undefined) this.wake();
    else void this.#takeUp({ ...createdClaim(wanted, nowMs, node), fence: outcome.fence });
    return outcome;
  }

  async deliver(id: ExecutionId, input: ExecutionInput): Promise<DeliverOutcome> {
    const outcome = await this.#options.store.deliver(id, input, this.clock.nowMs());
    if (outcome.status === 'delivered') this.poke(id);
    return outcome;
  }

  /** Something lies in the inbox of this execution. */
  poke(id: ExecutionId): void {
    const hot = this.#hot.get(id);
    if (hot === undefined) {
      if (this.#claiming) this.#early.add(id);
      this.wake();
    } else if (hot.closed) this.#poked.add(id);
    else void this.#readInbox(hot);
  }

  /** Resolves when the execution ends on this node. Ask the store as well: it may have ended already. */
  whenEnded(id: ExecutionId): { readonly outcome: Promise<Outcome>; forget(): void } {
    let resolve: (outcome: Outcome) => void = () => {};
    const outcome = new Promise<Outcome>((settle) => {
      resolve = settle;
    });
    this.#endWaiters.set(id, [...(this.#endWaiters.get(id) ?? []), resolve]);
    const forget = (): void => {
      const left = (this.#endWaiters.get(id) ?? []).filter((each) => each !== resolve);
      if (left.length === 0) this.#endWaiters.delete(id);
      else this.#endWaiters.set(id, left);
    };
    return { outcome, forget };
  }

  /** Calls `listener` with the answer to an update that is handled on this node. Returns how to stop. */
  onAnswer(update: string, listener: (result: UpdateResult) => void): () => void {
    this.#answerWaiters.set(update, listener);
    return () => this.#answerWaiters.delete(update);
  }

  /** Asks the program of an execution, hot or not, ended or not. `undefined`: there is no such execution. */
  async query(id: ExecutionId, name: string, input: Payload): Promise<QueryOutcome | undefined> {
    const hot = this.#hot.get(id)?.query(name, input);
    if (hot !== undefined) return await hot;
    const { store, programs } = this.#options;
    return await queryHistory(store, programs, id, name, input);
  }

  // ---- Claiming.

  wake(): void {
    this.#wanted = true;
    if (!this.#claiming && !this.#closed) void this.#claim();
  }

  async #claim(): Promise<void> {
    const { store, node, log } = this.#options;
    this.#claiming = true;
    try {
      while (this.#wanted && !this.#closed && this.#makeRoom()) {
        this.#wanted = false;
        const limit = Math.min(this.#limits.claimMax, this.#limits.hotMax - this.#hot.size);
        const claims = await store.claim(node, this.clock.nowMs(), limit);
        await Promise.all(claims.map((claimed) => this.#takeUp(claimed)));
        this.#early.clear();
        if (claims.length > 0) this.#wanted = true;
      }
      if (!this.#closed) this.#armAt((await store.nextDueMs()) ?? Number.POSITIVE_INFINITY, true);
    } catch (error) {
      log.error('executions cannot be claimed', { error: String(error) });
      this.#armAt(this.clock.nowMs() + STORE_RETRY_MS, true);
    } finally {
      this.#claiming = false;
      this.#onIdle?.();
    }
    if (this.#wanted && this.#hot.size < this.#limits.hotMax) this.wake();
  }

  /** True when one more may be hot; executions that only wait give way. */
  #makeRoom(): boolean {
    if (this.#hot.size < this.#limits.hotMax) return true;
    for (const hot of this.#hot.values()) if (hot.rest()) break;
    return false;
  }

  #armAt(dueMs: number, afresh = false): void {
    if (this.#closed || (!afresh && dueMs >= this.#dueMs)) return;
    const nowMs = this.clock.nowMs();
    // A full house looks again when an execution cools.
    const full = this.#hot.size >= this.#limits.hotMax;
    this.#dueMs = Math.min(full ? Number.POSITIVE_INFINITY : Math.max(dueMs, nowMs + 1), nowMs + LOOK_MS);
    this.#timer?.cancel();
    this.#timer = this.clock.after(this.#dueMs - nowMs, () => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.wake();
    });
  }

  async #takeUp(claimed: ClaimedExecution): Promise<void> {
    const { record, fence, entries, inbox } = claimed;
    const { programs, catalog, random } = this.#options;
    // What is still here lost its claim: its appends are refused from now on.
    this.#hot.get(record.id)?.drop();
    const tools: TransitionTools = {
      record,
      random,
      deployment: catalog.known(record.app, record.deployment),
      historyBytes: () => 0,
      successor: (outcome, nowMs) => this.#successor(record, outcome, nowMs),
    };
    const hot = new HotExecution(record, fence, this, tools, this.#losses.get(record.id) ?? 0);
    this.#hot.set(record.id, hot);
    try {
      // Read before the program begins, so that all it opens can be resolved without waiting.
      if (tools.deployment === undefined) hot.knows(await catalog.deployment(record.app, record.deployment));
      if (this.#closed || hot.closed) return;
      if (record.rules > RULES[record.kind]) {
        hot.drop();
        this.#leaveToNewer(hot);
        return;
      }
      const program = programs[record.kind];
      if (program === undefined)
        throw new LambentError(
          'E_NOT_FOUND',
          `no part of this platform runs workflows of kind ${record.kind}`,
        );
      hot.open(program, entries, inbox);
      if (this.#early.has(record.id) && !hot.closed) void this.#readInbox(hot);
    } catch (thrown) {
      hot.drop();
      this.stranded(hot, toLambentError(thrown));
    }
  }

  async #readInbox(hot: HotExecution): Promise<void> {
    try {
      const items = await this.#options.store.inbox(hot.record.id);
      if (hot.closed) {
        if (items.length > 0) this.poke(hot.record.id);
      } else hot.takeInbox(items);
    } catch (error) {
      this.#options.log.error('an inbox cannot be read', { id: hot.record.id, error: String(error) });
      this.clock.after(STORE_RETRY_MS, () => this.poke(hot.record.id));
    }
  }

  #successor(
    record: ClaimedExecution['record'],
    outcome: Extract<Outcome, { status: 'continued' }>,
    nowMs: number,
  ): NewExecution | ReturnType<typeof failureOf> {
    const { catalog, mintUuid } = this.#options;
    const { app, workflow, priority, parent, origin, expiresMs } = record;
    const target = catalog.live(app, workflow);
    if (target === undefined)
      return failureOf(new LambentError('E_NOT_FOUND', `app ${app} has no workflow ${workflow} any more`));
    const entries = [
      { kind: 'started', atMs: nowMs, input: outcome.input, seed: mintSeed(this.#options.random) },
    ] as const;
    return { ...target, id: mintUuid() as ExecutionId, entries, priority, parent, origin, expiresMs };
  }

  // ---- For hot executions.

  append(transition: Transition): Promise<boolean> {
    const appended = this.#options.store.append(transition);
    if (transition.starts.length > 0) this.#count(transition, appended);
    return appended;
  }

  #count({ id, starts }: Transition, appended: Promise<boolean>): void {
    const parent = this.#hot.get(id)?.record;
    const begin = (isAppended: boolean): void => {
      if (!isAppended) return;
      for (const each of starts) this.#options.meter?.began(each, each.parent && parent);
    };
    appended.then(begin, () => {});
  }

  perform(hot: HotExecution, effect: Exclude<Effect, { kind: 'offer' | 'attempt' }>): void {
    if (effect.kind !== 'answered') {
      this.#effects.perform(hot, effect);
      return;
    }
    this.#answerWaiters.get(effect.update)?.(effect.result);
    this.#answerWaiters.delete(effect.update);
  }

  closed(hot: HotExecution): void {
    this.#effects.withdrawAll(hot);
  }

  wrote(to: readonly ExecutionId[], started: boolean): void {
    for (const id of to) this.poke(id);
    if (started) this.wake();
  }

  cooled(hot: HotExecution, dueMs: number | undefined): void {
    const { id } = hot.record;
    if (this.#hot.get(id) !== hot) return;
    this.#hot.delete(id);
    if (hot.losses > 0) this.#losses.set(id, hot.losses);
    else this.#losses.delete(id);
    const wasFull = this.#hot.size === this.#limits.hotMax - 1;
    if (this.#poked.delete(id) || wasFull) this.wake();
    else if (dueMs !== undefined) this.#armAt(dueMs);
  }

  ended(hot: HotExecution, { outcome }: Extract<JournalEntry, { kind: 'ended' }>): void {
    const { id } = hot.record;
    const waiters = this.#endWaiters.get(id) ?? [];
    const failed = outcome.status === 'failed' || outcome.status === 'timedOut';
    this.#options.meter?.ended(hot.record, failed);
    this.#endWaiters.delete(id);
    this.#losses.delete(id);
    // One that was queued behind it can begin.
    if (hot.record.concurrencyKey !== undefined) this.wake();
    // Whoever waits for the result waits for the successor's.
    if (outcome.status === 'continued') {
      if (waiters.length > 0) this.#endWaiters.set(outcome.execution as ExecutionId, waiters);
      return;
    }
    for (const waiter of waiters) waiter(outcome);
  }

  stranded(hot: HotExecution, error: LambentError): void {
    const { id } = hot.record;
    if (this.#hot.get(id) !== hot) return;
    this.#hot.delete(id);
    this.#options.log.error('an execution could not go on and is taken up again', {
      id,
      ...error.toRecord(),
    });
    void this.#release(id, hot.fence);
  }

  /** It began on a newer platform, by rules that this one does not know: it waits for that. */
  #leaveToNewer(hot: HotExecution): void {
    const { id, kind, rules } = hot.record;
    this.#hot.delete(id);
    const known = RULES[kind];
    this.#options.log.error('an execution of a newer version of Lambent waits for that version', {
      ...{ id, rules, known },
    });
    void this.#release(id, hot.fence, NEWER_RETRY_MS);
  }

  async #release(id: ExecutionId, fence: number, afterMs = STORE_RETRY_MS): Promise<void> {
    if (this.#closed) return;
    const nowMs = this.clock.nowMs();
    try {
      await this.#options.store.release(id, fence, nowMs + afterMs, nowMs);
      this.#armAt(nowMs + afterMs);
    } catch {
      this.clock.after(STORE_RETRY_MS, () => void this.#release(id, fence));
    }
  }
}

/** What a claim of a new execution would give, without asking the store. */
function createdClaim(start: NewExecution, nowMs: number, node: NodeId): Omit<ClaimedExecution, 'fence'> {
  const { id, app, workflow, kind, version, deployment, priority, parent, origin, expiresMs, entries } =
    start;
  const record = {
    ...{ id, app, workflow, kind, version, deployment, priority, parent, origin, expiresMs, node },
    status: 'running',
    rules: start.rules ?? RULES[kind],
    createdMs: nowMs,
    endedMs: undefined,
    dueMs: undefined,
    entries: entries.length,
    bytes: 0,
    ...(start.concurrency === undefined ? {} : { concurrencyKey: start.concurrency.key }),
  } as const;
  return { record, entries, inbox: [] };
}
