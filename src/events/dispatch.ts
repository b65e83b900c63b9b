/**
 * Events: from whoever has one to every function whose trigger wants it.
 *
 *     publish -> append.ts (match, store, then acknowledge) -> trigger-queue.ts (order, pace, batch)
 *             -> delivery-call.ts -> ports/invoker -> settling.ts (delivered, again, or dead)
 *
 * Guarantees: an event whose `publish` resolved is on the disk together with what is owed of it, and reaches each
 * function at least once or becomes a dead letter with its error; the same source and id is one event. Within one
 * ordering, first deliveries are in order, and a failing one holds back its own ordering only. What was under way
 * when the platform died is delivered again by the next one. An attempt is counted when its failure is stored.
 *
 * Deliberately absent: exactly-once (a function that must not act twice looks at the event's `id`), and any order
 * between different orderings or without one.
 */
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { MintUuid, NodeId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import { EVERYBODY, type EventScope, scopeOfApp } from '../model/event-scope.ts';
import type { AppName } from '../model/function.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { SealedEvent } from '../model/sealed-event.ts';
import { type Destination, type TriggerId, triggerIdOf } from '../model/trigger.ts';
import type { EventBus, Published, PublishOptions, StoredNow } from '../ports/event-bus.ts';
import type { ClaimedDelivery, EventStore, FailedOrdering, Session } from '../ports/event-store.ts';
import type { ExecutionStarter } from '../ports/execution-starter.ts';
import type { StartMeter } from '../ports/traffic.ts';
import type { Invoker } from '../ports/invoker.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import { CALL_DEPTH_MAX } from '../ports/platform-calls.ts';
import type { WebhookSender } from '../ports/webhook-sender.ts';
import type { TriggerSupply } from '../ports/trigger-supply.ts';
import { Appender, type Prepared } from './append.ts';
import { destinationTrigger } from './destination-trigger.ts';
import { deliver } from './deliver.ts';
import type { CallResult } from './delivery-call.ts';
import { HeldBudget } from './held-budget.ts';
import { deadLetterEvent, destinationEvent, disabledEvent } from './outcome-events.ts';
import { AttemptNotes } from './attempt-notes.ts';
import { Settling } from './settling.ts';
import { type QueueParts, TriggerQueue } from './trigger-queue.ts';
import { type LiveTrigger, listShares, listTriggers, TriggerTable } from './trigger-table.ts';

/** Events may cause events this many times over, calls between functions included; the next one is refused. */
export const DEPTH_MAX = CALL_DEPTH_MAX;

export interface DispatchOptions {
  readonly store: EventStore;
  readonly invoker: Invoker;
  readonly liveApps: LiveApps;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly node: NodeId;
  readonly mintUuid: MintUuid;
  readonly starts: StartMeter;
  readonly starter: ExecutionStarter;
  readonly webhooks: WebhookSender;
  /** Triggers beside those of the live deployments. */
  readonly supply: TriggerSupply;
  /** Hears of events once they are stored, beside the triggers. */
  readonly onStored?: (events: readonly StoredNow[]) => void;
}

export interface EventDispatch extends EventBus {
  find(id: TriggerId): LiveTrigger | undefined;
  /** The live triggers that may hear it and whose pattern matches. */
  match(event: SealedEvent, scope: EventScope): readonly LiveTrigger[];
  /** Every live trigger. */
  triggers(): readonly LiveTrigger[];
  /** Something was put into the store for it: a replay, a redriven dead letter. */
  wake(id: TriggerId): void;
  /** Durable when it resolves. False: it is not live. */
  setPaused(id: TriggerId, paused: boolean): Promise<boolean>;
  /** Calls `listener` after the live triggers changed. */
  onChange(listener: () => void): void;
  /** Begins nothing more, and waits for what runs. */
  close(): Promise<void>;
}

class Dispatcher implements EventDispatch {
  readonly #options: DispatchOptions;
  readonly #session: Session;
  readonly #failed: readonly FailedOrdering[];
  readonly #table = new TriggerTable();
  readonly #appender: Appender;
  readonly #settling: Settling;
  readonly #attempts: AttemptNotes;
  readonly #budget = new HeldBudget();
  /** Of every trigger that was live since the start: one that comes back finds its blocked orderings. */
  readonly #queues = new Map<TriggerId, TriggerQueue>();
  #running = 0;
  readonly #listeners: (() => void)[] = [];
  readonly #unsubscribes: readonly (() => void)[];
  #refreshing: Promise<void> | undefined;
  #refreshAgain = false;
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  constructor(options: DispatchOptions, session: Session, failed: readonly FailedOrdering[], owed: number) {
    const { store, clock, log, liveApps, supply, onStored } = options;
    this.#options = options;
    this.#session = session;
    this.#failed = failed;
    this.#appender = new Appender({ store, session, table: this.#table, clock, owed, onStored });
    const ended = (count: number): void => this.#appender.ended(count);
    this.#settling = new Settling({ store, session, clock, log, ended });
    this.#attempts = new AttemptNotes(clock, (...note) => this.#settling.attempted(...note));
    this.#unsubscribes = [liveApps, supply].map((each) => each.subscribe(() => void this.refresh()));
  }

  async publish(
    events: readonly (CloudEvent | SealedEvent)[],
    { depth = 0, origin, scope = EVERYBODY }: PublishOptions = {},
  ): Promise<Published[]> {
    if (this.#isClosed)
      throw new LambentError('E_SHUTTING_DOWN', 'The platform is stopping; it takes no more events.');
    // A deployment that is just becoming live has its triggers from now on.
    if (this.#refreshing !== undefined) await this.#refreshing;
    if (depth > DEPTH_MAX)
      throw new LambentError(
        'E_EVENT_LOOP',
        `The event ${events[0]?.type.slice(0, 200)} is the ${depth}th in a chain of events that cause each other; at most ${DEPTH_MAX} are allowed.`,
      );
    const prepared: Prepared[] = [];
    try {
      for (const event of events) prepared.push(this.#appender.prepare(event, scope, depth, origin?.trigger));
    } catch (thrown) {
      for (const each of prepared) this.#appender.discard(each);
      throw thrown;
    }
    const position =
      origin?.position === undefined ? undefined : { source: origin.trigger, position: origin.position };
    return this.#appender.append(prepared, position);
  }

  find(id: TriggerId): LiveTrigger | undefined {
    return this.#table.get(id);
  }

  match(event: SealedEvent, scope: EventScope): readonly LiveTrigger[] {
    return this.#table.match(event, scope, this.#options.clock.nowMs(), undefined);
  }

  triggers(): readonly LiveTrigger[] {
    return [...this.#table.all()];
  }

  wake(id: TriggerId): void {
    this.#table.get(id)?.queue.wake();
  }

  async setPaused(id: TriggerId, paused: boolean): Promise<boolean> {
    const live = this.#table.get(id);
    if (live === undefined) return false;
    await this.#options.store.setPaused(live.queue.key, paused);
    if (paused) live.queue.pause();
    else live.queue.resume();
    return true;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    for (const queue of this.#queues.values()) queue.close();
    if (this.#running > 0)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    await this.#settling.idle();
  }

  /** Makes the live triggers those of the live deployments. */
  refresh(): Promise<void> {
    this.#refreshAgain = true;
    this.#refreshing ??= (async () => {
      while (this.#refreshAgain && !this.#isClosed) {
        this.#refreshAgain = false;
        await this.#refreshNow().catch((error: unknown) => {
          this.#options.log.error('triggers could not be read', { error: String(error) });
        });
      }
      this.#refreshing = undefined;
    })();
    return this.#refreshing;
  }

  async #refreshNow(): Promise<void> {
    const wanted = listTriggers(this.#options.liveApps, this.#options.supply);
    this.#table.share(listShares(this.#options.liveApps));
    const withOwn = new Map(wanted);
    for (const { app, trigger } of wanted.values())
      for (const destination of [trigger.delivery.onSuccess, trigger.delivery.onFailure]) {
        const own = destinationTrigger(destination, trigger);
        if (own !== undefined) withOwn.set(triggerIdOf(app, own.name), { app, trigger: own });
      }
    const unknown = [...withOwn.keys()].filter((id) => !this.#queues.has(id));
    const totals = unknown.length === 0 ? [] : await this.#options.store.registerTriggers(unknown);
    const totalsById = new Map(totals.map((each) => [each.id, each]));
    for (const [id, { app, trigger }] of withOwn) {
      const present = this.#queues.get(id);
      if (present !== undefined) {
        this.#table.put(id, app, trigger, present);
        present.update(trigger);
        continue;
      }
      const { key, paused } = totalsById.get(id)!;
      const queue = new TriggerQueue(trigger, id, key, paused, this.#queueParts(id));
      for (const failed of this.#failed) if (failed.trigger === key) queue.block(failed.ordering, failed.key);
      this.#queues.set(id, queue);
      this.#table.put(id, app, trigger, queue);
      queue.wake();
    }
    for (const { id, queue } of [...this.#table.all()]) {
      if (withOwn.has(id)) continue;
      queue.suspend();
      this.#table.remove(id);
    }
    for (const listener of this.#listeners) listener();
  }

  #queueParts(id: TriggerId): QueueParts {
    const { store, clock, random, log } = this.#options;
    return {
      store,
      session: this.#session,
      clock,
      random,
      log,
      budget: this.#budget,
      call: (batch, onResult) => this.#call(id, batch, onResult),
      settleDelivered: (deliveries, answer, onDurable) => {
        this.#attempts.settleAll(deliveries);
        const live = this.#table.get(id);
        const destination = answer === undefined ? undefined : live?.trigger.delivery.onSuccess;
        if (destination === undefined) {
          this.#settling.delivered(deliveries, onDurable);
          return;
        }
        for (const delivery of deliveries) {
          const events = this.#toDestination(live!, delivery, destination, { answer });
          this.#settle({ kind: 'delivered', keys: [delivery.key] }, events, () => onDurable([delivery]), 1);
        }
      },
      settleRetry: (delivery, dueMs, onDurable) => {
        this.#attempts.settle(delivery, dueMs);
        this.#settle({ kind: 'retry', key: delivery.key, dueMs }, [], onDurable, 0);
      },
      settleReleased: (delivery, parked, onDurable) => {
        this.#attempts.forget(delivery);
        this.#settle({ kind: 'released', key: delivery.key, parked }, [], onDurable, 0);
      },
      settleDead: (delivery, error, onDurable) => {
        const live = this.#table.get(id);
        const nowMs = clock.nowMs();
        log.warn('an event could not be delivered', {
          trigger: id,
          event: delivery.id,
          error: error.errorMessage,
        });
        const alert = live === undefined ? undefined : deadLetterEvent(live, delivery, error, nowMs);
        const destination = live?.trigger.delivery.onFailure;
        const events = [
          ...(alert === undefined ? [] : this.#prepareOwn(alert, live!.app, delivery.depth, undefined)),
          ...(destination === undefined ? [] : this.#toDestination(live!, delivery, destination, { error })),
        ];
        this.#attempts.settle(delivery, undefined, error);
        this.#settle({ kind: 'dead', key: delivery.key, error, diedMs: nowMs }, events, onDurable, 1);
      },
    };
  }

  #call(id: TriggerId, batch: readonly ClaimedDelivery[], onResult: (result: CallResult) => void): void {
    const live = this.#table.get(id);
    if (live === undefined) {
      // Removed between the claim and now: it waits in the store until the trigger is back.
      queueMicrotask(() => onResult({ kind: 'stopped' }));
      return;
    }
    this.#running += 1;
    const startedMs = this.#options.clock.nowMs();
    deliver(this.#options, live.app, live.trigger, batch, (result) => {
      this.#running -= 1;
      this.#attempts.ended(batch, startedMs, result);
      if (result.kind === 'failed' && result.isGone === true) void this.#disable(live, result.error);
      onResult(result);
      if (this.#isClosed && this.#running === 0) this.#onIdle?.();
    });
  }

  /** Nobody is there any more: what is owed waits until somebody resumes the trigger, and an event says so. */
  async #disable(live: LiveTrigger, error: InvocationError): Promise<void> {
    live.queue.pause();
    try {
      await this.setPaused(live.id, true);
      const { mintUuid, clock } = this.#options;
      const event = disabledEvent(live, error, mintUuid(), clock.nowMs());
      await this.#appender.append(this.#prepareOwn(event, live.app, 0, undefined), undefined);
    } catch (thrown) {
      const facts = { trigger: live.id, error: String(thrown) };
      this.#options.log.error('a trigger whose receiver is gone could not be paused', facts);
    }
  }

  #toDestination(
    live: LiveTrigger,
    delivery: ClaimedDelivery,
    destination: Destination,
    outcome: Parameters<typeof destinationEvent>[3],
  ): readonly Prepared[] {
    const event = destinationEvent(live, delivery, destination, outcome, this.#options.clock.nowMs());
    const own = destinationTrigger(destination, live.trigger);
    const origin = own === undefined ? undefined : triggerIdOf(live.app, own.name);
    return this.#prepareOwn(event, live.app, delivery.depth, origin);
  }

  /** Events about events count as caused by them. One that cannot be stored is told of in the log, no more. */
  #prepareOwn(
    event: CloudEvent,
    app: AppName,
    parentDepth: number,
    origin: TriggerId | undefined,
  ): readonly Prepared[] {
    try {
      if (parentDepth >= DEPTH_MAX)
        throw new LambentError('E_EVENT_LOOP', `The chain of events before it is ${DEPTH_MAX} long.`);
      return [this.#appender.prepare(event, scopeOfApp(app), parentDepth + 1, origin)];
    } catch (thrown) {
      this.#options.log.warn('an event about a delivery was left out', {
        type: event.type,
        error: String(thrown),
      });
      return [];
    }
  }

  #settle(
    settlement: Parameters<Settling['add']>[0]['settlement'],
    prepared: readonly Prepared[],
    onDurable: () => void,
    ended: number,
  ): void {
    this.#settling.add({
      settlement,
      events: prepared,
      onDurable: (appended) => {
        this.#appender.ended(ended);
        if (prepared.length > 0) this.#appender.appended(prepared, appended);
        onDurable();
      },
    });
  }
}

/** Opens a session on the store, takes over what an earlier platform left, and begins to deliver. */
export async function createDispatch(options: DispatchOptions): Promise<EventDispatch> {
  const { session, failed } = await options.store.openSession(options.node);
  const { owed } = await options.store.totals();
  const dispatcher = new Dispatcher(options, session, failed, owed);
  await dispatcher.refresh();
  return dispatcher;
}
