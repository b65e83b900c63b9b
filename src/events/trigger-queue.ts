import { BoundedQueue } from '../base/bounded-queue.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { Trigger, TriggerId } from '../model/trigger.ts';
import type { ClaimedDelivery, EventStore, Session, TriggerKey } from '../ports/event-store.ts';
import { Debounce } from './debounce.ts';
import { BATCH_BYTES_MAX, type CallResult, errorOf, isAmong } from './delivery-call.ts';
import type { HeldBudget } from './held-budget.ts';
import { OrderingLanes } from './ordering-lanes.ts';
import { retryAtMs } from './retry-time.ts';
import { TokenBucket } from './token-bucket.ts';

/** Deliveries of one trigger in memory, on their way or about to be: enough that a burst does not go by the store and back. */
export const HELD_MAX = 16_384;
/** Orderings of one trigger that are on their way or blocked; with more, nothing further is claimed. */
export const LANES_MAX = 100_000;
/** After the store refused a claim, the next one comes after this. */
const STORE_RETRY_MS = 1_000;
/** When no instance took the call, the next attempt comes after this, doubling up to the other. */
const REFUSED_RETRY_MS = 50;
const REFUSED_RETRY_MS_MAX = 5_000;

/** What the queue asks of those around it. */
export interface QueueParts {
  readonly store: EventStore;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly budget: HeldBudget;
  /** Calls back once, and never before it has returned. */
  call(batch: readonly ClaimedDelivery[], onResult: (result: CallResult) => void): void;
  /** Each calls back once it is durable. */
  settleDelivered(
    deliveries: readonly ClaimedDelivery[],
    answer: Buffer | undefined,
    onDurable: (deliveries: readonly ClaimedDelivery[]) => void,
  ): void;
  settleRetry(delivery: ClaimedDelivery, dueMs: number, onDurable: () => void): void;
  settleDead(delivery: ClaimedDelivery, error: InvocationError, onDurable: () => void): void;
  settleReleased(delivery: ClaimedDelivery, parked: boolean, onDurable: () => void): void;
}

/** How a fresh delivery enters the store. */
export interface Admission {
  readonly claimed: boolean;
  readonly parked: boolean;
}

/**
 * The deliveries of one trigger.
 *
 * A fresh delivery is handed over in memory: it is stored as already claimed, and goes as soon as it is durable. When
 * memory has no place for it, or the trigger is paused, it is stored as waiting instead; the queue is then *behind*,
 * and claims from the store, oldest first, until nothing waits there. While it is behind, fresh ones wait too, so that
 * none overtakes.
 */
export class TriggerQueue {
  readonly id: TriggerId;
  readonly key: TriggerKey;
  #trigger: Trigger;
  readonly #parts: QueueParts;
  readonly #ready = new BoundedQueue<ClaimedDelivery>(Number.MAX_SAFE_INTEGER);
  readonly #lanes = new OrderingLanes();
  readonly #debounce: Debounce;
  #bucket: TokenBucket;
  #held = 0;
  #reserved = 0;
  #running = 0;
  readonly #underWay = new Set<readonly ClaimedDelivery[]>();
  /** Attempts that failed. */
  failed = 0;
  #behind = true;
  #isFilling = false;
  /** Fresh deliveries that were not claimed and are not durable yet. */
  #unclaimedOnTheWay = 0;
  #windowEndsMs: number | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #dueTimer: Timer | undefined;
  #pumpTimer: Timer | undefined;
  #isPumpNear = false;
  #isPaused: boolean;
  #isClosed = false;
  #isSuspended = false;
  /** One for all deliveries: they come by the ten thousand a second. */
  readonly #onLetGo = (deliveries: readonly ClaimedDelivery[]): void => this.#letGo(deliveries);

  constructor(trigger: Trigger, id: TriggerId, key: TriggerKey, isPaused: boolean, parts: QueueParts) {
    this.id = id;
    this.key = key;
    this.#trigger = trigger;
    this.#parts = parts;
    this.#isPaused = isPaused;
    this.#bucket = new TokenBucket(parts.clock, trigger.delivery.ratePerSecond);
    this.#debounce = new Debounce(parts.clock, {
      superseded: (delivery) => parts.settleDelivered([delivery], undefined, this.#onLetGo),
      quiet: (delivery) => {
        this.#enterLane(delivery);
        this.#pump();
      },
    });
  }

  get running(): number {
    return this.#running;
  }

  /** Since when the oldest of those that are under way or about to be is owed. */
  get oldestMs(): number | undefined {
    let oldestMs = this.#ready.peek()?.owedMs;
    for (const [first] of this.#underWay)
      if (first !== undefined && !(oldestMs! < first.owedMs)) oldestMs = first.owedMs;
    return oldestMs;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Takes a new deployment's settings; what is under way ends with the old ones. */
  update(trigger: Trigger): void {
    if (trigger.delivery.ratePerSecond !== this.#trigger.delivery.ratePerSecond)
      this.#bucket = new TokenBucket(this.#parts.clock, trigger.delivery.ratePerSecond);
    this.#trigger = trigger;
    this.#isSuspended = false;
    this.wake();
  }

  /** A failure from before this platform started holds back its ordering. */
  block(ordering: string, key: number): void {
    this.#lanes.block(ordering, key);
  }

  /** Decides how a fresh delivery is stored; `admitted` or `notAdmitted` must follow. */
  admit(ordering: string | undefined, bytes: number): Admission {
    if (this.#lanes.isBlocked(ordering)) {
      this.#lanes.parking(ordering!);
      return { claimed: false, parked: true };
    }
    const isRoom = this.#held + this.#reserved < HELD_MAX && this.#parts.budget.hasRoom(bytes);
    if (!this.#mayGo || this.#behind || this.#lanes.opening > 0 || !isRoom) {
      this.#behind = true;
      this.#unclaimedOnTheWay += 1;
      return { claimed: false, parked: false };
    }
    this.#reserved += 1;
    return { claimed: true, parked: false };
  }

  /** It is durable. `delivery` is what was stored; `undefined`: nothing was, because it is a repetition. */
  admitted(admission: Admission, ordering: string | undefined, delivery: ClaimedDelivery | undefined): void {
    this.notAdmitted(admission, ordering);
    if (delivery === undefined) return;
    if (admission.claimed) {
      this.#arrive(delivery);
      this.#pumpSoon();
    } else if (!admission.parked) {
      this.#behind = true;
      this.#fill();
    }
  }

  /** It was not stored. */
  notAdmitted(admission: Admission, ordering: string | undefined): void {
    if (admission.claimed) {
      this.#reserved -= 1;
      if (this.#reserved === 0) this.#fill();
    } else if (admission.parked) this.#hasParked(ordering!);
    else this.#unclaimedOnTheWay -= 1;
  }

  /** Something may wait in the store. */
  wake(): void {
    this.#behind = true;
    this.#fill();
    this.#pump();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.wake();
  }

  /** The trigger is no longer deployed: what is in memory goes back to the store, where it waits for its return. */
  suspend(): void {
    this.#isSuspended = true;
    const ready: ClaimedDelivery[] = [];
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) ready.push(next);
    for (const delivery of [...ready, ...this.#debounce.clear(), ...this.#lanes.clear(ready)])
      this.#parts.settleReleased(delivery, false, () => this.#letGo([delivery]));
  }

  /** Begins nothing more. What runs ends by itself; the rest stays owed. */
  close(): void {
    this.#isClosed = true;
    this.#dueTimer?.cancel();
    this.#pumpTimer?.cancel();
    this.#debounce.clear();
  }

  get #mayGo(): boolean {
    return !this.#isPaused && !this.#isSuspended && !this.#isClosed;
  }

  #arrive(delivery: ClaimedDelivery): void {
    this.#held += 1;
    this.#parts.budget.take(delivery.event.byteLength);
    const { debounceMs } = this.#trigger.delivery;
    // One that failed is in its lane already, and is tried again whatever came since.
    if (debounceMs > 0 && delivery.attempts === 0) this.#debounce.arrive(delivery, debounceMs);
    else this.#enterLane(delivery);
  }

  #enterLane(delivery: ClaimedDelivery): void {
    switch (this.#lanes.arrive(delivery)) {
      case 'go':
        this.#makeReady(delivery);
        break;
      case 'wait':
        break;
      case 'park':
        this.#park(delivery);
        break;
    }
  }

  #makeReady(delivery: ClaimedDelivery): void {
    const { windowMs } = this.#trigger.delivery;
    if (this.#ready.size === 0) this.#windowEndsMs = this.#parts.clock.nowMs() + windowMs;
    this.#ready.push(delivery);
  }

  #letGo(deliveries: readonly ClaimedDelivery[]): void {
    this.#held -= deliveries.length;
    for (const { event } of deliveries) this.#parts.budget.giveBack(event.byteLength);
    this.#fill();
  }

  /** Claims from the store while it is behind and memory has room. What is on its way in memory is older, and comes first. */
  #fill(): void {
    if (!this.#behind || this.#isFilling || !this.#mayGo || this.#lanes.opening > 0 || this.#reserved > 0)
      return;
    const room = HELD_MAX - this.#held;
    if (room < HELD_MAX / 2 || this.#lanes.size >= LANES_MAX || !this.#parts.budget.hasRoom(0)) return;
    this.#isFilling = true;
    void this.#claim(room);
  }

  async #claim(room: number): Promise<void> {
    const { store, session, clock, log } = this.#parts;
    try {
      const claimed = await store.claim(session, this.key, clock.nowMs(), room);
      for (const delivery of claimed) this.#arrive(delivery);
      if (claimed.length === 0 && this.#unclaimedOnTheWay === 0) {
        this.#behind = false;
        await this.#watchDue();
      }
    } catch (error) {
      log.error('deliveries could not be claimed', { trigger: this.id, error: String(error) });
      this.#wakeAt(clock.nowMs() + STORE_RETRY_MS);
      this.#behind = false;
    } finally {
      this.#isFilling = false;
    }
    this.#pump();
    this.#fill();
  }

  async #watchDue(): Promise<void> {
    const dueMs = await this.#parts.store.nextDueMs(this.key);
    if (dueMs !== undefined) this.#wakeAt(dueMs);
  }

  #wakeAt(dueMs: number): void {
    if (dueMs >= this.#dueMs || this.#isClosed) return;
    const { clock } = this.#parts;
    this.#dueTimer?.cancel();
    this.#dueMs = dueMs;
    this.#dueTimer = clock.after(Math.max(1, dueMs - clock.nowMs()), () => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.wake();
    });
  }

  #pump(): void {
    const { concurrency, batchMax, ratePerSecond } = this.#trigger.delivery;
    while (this.#mayGo && this.#running < concurrency && this.#ready.size > 0) {
      const windowMs = this.#ready.size < batchMax ? this.#windowEndsMs! - this.#parts.clock.nowMs() : 0;
      const pauseMs = windowMs > 0 ? windowMs : ratePerSecond > 0 ? this.#bucket.take() : 0;
      if (pauseMs > 0) {
        this.#pumpIn(pauseMs);
        return;
      }
      this.#run(this.#takeBatch());
    }
  }

  /** Behind all that became durable in the same moment: otherwise the first of them would go alone, and not as a batch. */
  #pumpSoon(): void {
    if (this.#isPumpNear) return;
    this.#isPumpNear = true;
    queueMicrotask(() => {
      this.#isPumpNear = false;
      this.#pump();
    });
  }

  #pumpIn(waitMs: number): void {
    this.#pumpTimer?.cancel();
    this.#pumpTimer = this.#parts.clock.after(waitMs, () => this.#pump());
  }

  #takeBatch(): ClaimedDelivery[] {
    const { batchMax } = this.#trigger.delivery;
    if (batchMax === 1) return [this.#ready.shift()!];
    const batch: ClaimedDelivery[] = [];
    let bytes = 0;
    const fits = (next: ClaimedDelivery | undefined): next is ClaimedDelivery =>
      next !== undefined &&
      batch.length < batchMax &&
      (batch.length === 0 || bytes + next.event.byteLength < BATCH_BYTES_MAX);
    for (let next = this.#ready.peek(); fits(next); next = this.#ready.peek()) {
      this.#ready.shift();
      for (let along: ClaimedDelivery | undefined = next; fits(along); ) {
        batch.push(along);
        bytes += along.event.byteLength + 1;
        along = fits(this.#lanes.behind(along.ordering)) ? this.#lanes.takeAlong(along.ordering) : undefined;
      }
    }
    this.#windowEndsMs = this.#parts.clock.nowMs();
    return batch;
  }

  #run(batch: readonly ClaimedDelivery[]): void {
    this.#running += 1;
    this.#underWay.add(batch);
    this.#deliver(batch, REFUSED_RETRY_MS, () => {
      this.#running -= 1;
      this.#underWay.delete(batch);
      this.#pump();
    });
  }

  /** Callbacks instead of promises: this is the path of every event, and a chain of promises cost it a third. */
  #deliver(batch: readonly ClaimedDelivery[], pauseMs: number, onEnd: () => void): void {
    this.#parts.call(batch, (result) => this.#take(batch, result, pauseMs, onEnd));
  }

  #take(batch: readonly ClaimedDelivery[], result: CallResult, pauseMs: number, onEnd: () => void): void {
    switch (result.kind) {
      case 'answered':
        this.#answered(batch, result.failed, result.payload);
        break;
      case 'failed':
        if (this.#trigger.delivery.bisect && batch.length > 1 && !this.#isClosed) {
          const middle = Math.ceil(batch.length / 2);
          this.#deliver(batch.slice(0, middle), REFUSED_RETRY_MS, () =>
            this.#deliver(batch.slice(middle), REFUSED_RETRY_MS, onEnd),
          );
          return;
        }
        for (const delivery of batch)
          this.#failed(delivery, result.error, result.retryable, result.retryAfterMs);
        break;
      case 'refused':
        this.#parts.clock.after(pauseMs, () => {
          if (this.#isClosed) onEnd();
          else this.#deliver(batch, Math.min(REFUSED_RETRY_MS_MAX, pauseMs * 2), onEnd);
        });
        return;
      case 'stopped':
        // They stay claimed; the next session gives them back.
        break;
    }
    onEnd();
  }

  #failed(delivery: ClaimedDelivery, error: InvocationError, retryable: boolean, afterMs = 0): void {
    this.failed += 1;
    const { clock, random } = this.#parts;
    const nowMs = clock.nowMs();
    const retryMs = retryable ? retryAtMs(this.#trigger.delivery, delivery, nowMs, random) : undefined;
    if (retryMs === undefined) {
      this.#parts.settleDead(delivery, error, () => this.#letGo([delivery]));
      this.#leaveLane(delivery);
      return;
    }
    const dueMs = Math.max(retryMs, nowMs + afterMs);
    for (const behind of this.#lanes.fail(delivery)) this.#park(behind);
    this.#parts.settleRetry(delivery, dueMs, () => {
      this.#letGo([delivery]);
      this.#wakeAt(dueMs);
    });
  }

  #answered(batch: readonly ClaimedDelivery[], failed: ReadonlySet<string>, answer: Buffer): void {
    const made = failed.size === 0 ? batch : batch.filter(({ id }) => !isAmong(failed, id));
    this.#parts.settleDelivered(made, answer, this.#onLetGo);
    for (const delivery of batch) {
      if (isAmong(failed, delivery.id)) this.#failed(delivery, REPORTED, true);
      else this.#leaveLane(delivery);
    }
  }

  #leaveLane(delivery: ClaimedDelivery): void {
    const next = this.#lanes.end(delivery);
    if (next !== undefined) this.#makeReady(next);
    if (delivery.ordering !== undefined) this.#open(delivery.ordering);
  }

  #park(delivery: ClaimedDelivery): void {
    const ordering = delivery.ordering!;
    this.#lanes.parking(ordering);
    this.#parts.settleReleased(delivery, true, () => {
      this.#hasParked(ordering);
      this.#letGo([delivery]);
    });
  }

  #hasParked(ordering: string): void {
    this.#lanes.parked(ordering);
    this.#open(ordering);
  }

  /** Lets go what is parked behind a lane that is opening. */
  #open(ordering: string): void {
    if (!this.#lanes.beginOpening(ordering)) return;
    const { store, clock, log } = this.#parts;
    const letGo = (): void => {
      store.unpark(this.key, ordering).then(
        () => {
          if (this.#lanes.endOpening(ordering)) this.wake();
          else this.#open(ordering);
        },
        (error: unknown) => {
          log.error('an ordering could not be let go; trying again', {
            trigger: this.id,
            error: String(error),
          });
          clock.after(STORE_RETRY_MS, letGo);
        },
      );
    };
    letGo();
  }
}

const REPORTED = errorOf('the function reported the event as failed');
