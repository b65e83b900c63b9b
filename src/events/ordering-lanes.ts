import type { ClaimedDelivery } from '../ports/event-store.ts';

/**
 * Which deliveries of an ordering may go. Each value of the key has a lane, which is in one of three states:
 *
 * - *flowing*: one call of it is on its way, and those behind wait in memory.
 * - *blocked*: one failed and is to be tried again. Nothing else of the lane goes; what comes is parked in the store,
 *   so that a lane that fails for hours takes no memory. -> opening, when the last failed one was delivered or died.
 * - *opening*: what was parked is being let go. It is older than anything that comes now, so nothing of this trigger
 *   is claimed until that is done, and what still comes into memory goes back. -> flowing.
 *
 * Parking takes a moment to become durable. A lane opens only when none is on its way, or one would stay behind.
 */
export class OrderingLanes {
  readonly #lanes = new Map<string, Lane>();
  #opening = 0;
  /** Mostly there is none, and then no delivery is looked up before it comes. */
  #blocked = 0;
  /** Deliveries that wait in memory: mostly none, and then none is looked for. */
  #waits = 0;

  /** Lanes that are in use or blocked. */
  get size(): number {
    return this.#lanes.size;
  }

  /** Lanes that are opening: nothing may be claimed meanwhile. */
  get opening(): number {
    return this.#opening;
  }

  isBlocked(ordering: string | undefined): boolean {
    return this.#blocked > 0 && ordering !== undefined && this.#lanes.get(ordering)?.state === 'blocked';
  }

  /** What to do with a delivery that has come into memory. */
  arrive(delivery: ClaimedDelivery): 'go' | 'wait' | 'park' {
    const { ordering, key } = delivery;
    if (ordering === undefined) return 'go';
    const lane = this.#laneOf(ordering);
    if (lane.state === 'opening' || (lane.state === 'blocked' && lane.failed?.has(key) !== true))
      return 'park';
    if (lane.state === 'flowing' && lane.onTheWay > 0) {
      lane.waiting ??= [];
      lane.waiting.push(delivery);
      this.#waits += 1;
      return 'wait';
    }
    lane.onTheWay += 1;
    return 'go';
  }

  /** The next of the same lane, if one waits in memory. */
  behind(ordering: string | undefined): ClaimedDelivery | undefined {
    return this.#waits === 0 || ordering === undefined ? undefined : this.#lanes.get(ordering)?.waiting?.[0];
  }

  /** Takes that next one, to go in the same call behind its former one. */
  takeAlong(ordering: string | undefined): ClaimedDelivery | undefined {
    const lane = ordering === undefined ? undefined : this.#lanes.get(ordering);
    return lane === undefined ? undefined : this.#nextOf(lane);
  }

  /** Forgets what waits in memory, and that these were about to go; blocked lanes stay so. Returns what waited. */
  clear(ready: readonly ClaimedDelivery[]): ClaimedDelivery[] {
    for (const { ordering } of ready) {
      const lane = ordering === undefined ? undefined : this.#lanes.get(ordering);
      if (lane !== undefined) lane.onTheWay -= 1;
    }
    const waited: ClaimedDelivery[] = [];
    for (const [ordering, lane] of this.#lanes) {
      for (const delivery of lane.waiting ?? []) waited.push(delivery);
      lane.waiting = undefined;
      this.#dropIfEmpty(ordering, lane);
    }
    this.#waits = 0;
    return waited;
  }

  /** Marks a failure that was there before this platform started. */
  block(ordering: string, key: number): void {
    const lane = this.#laneOf(ordering);
    lane.failed ??= new Set();
    lane.failed.add(key);
    if (lane.state !== 'blocked') this.#blocked += 1;
    lane.state = 'blocked';
  }

  /** One failed and is tried again later. Returns what has to be parked. */
  fail({ ordering, key }: ClaimedDelivery): readonly ClaimedDelivery[] {
    if (ordering === undefined) return [];
    const lane = this.#laneOf(ordering);
    lane.onTheWay -= 1;
    this.block(ordering, key);
    const waited = lane.waiting ?? [];
    lane.waiting = undefined;
    this.#waits -= waited.length;
    return waited;
  }

  /** One was delivered or died. Returns what may go now. */
  end({ ordering, key }: ClaimedDelivery): ClaimedDelivery | undefined {
    const lane = ordering === undefined ? undefined : this.#lanes.get(ordering);
    if (lane === undefined) return undefined;
    lane.onTheWay -= 1;
    lane.failed?.delete(key);
    if (lane.state === 'blocked' && lane.failed?.size === 0) {
      lane.state = 'opening';
      this.#blocked -= 1;
      this.#opening += 1;
    }
    const next = lane.state === 'flowing' && lane.onTheWay === 0 ? this.#nextOf(lane) : undefined;
    if (next === undefined) this.#dropIfEmpty(ordering!, lane);
    return next;
  }

  /** One is being parked; `parked` must follow. */
  parking(ordering: string): void {
    this.#laneOf(ordering).parking += 1;
  }

  parked(ordering: string): void {
    const lane = this.#laneOf(ordering);
    lane.parking -= 1;
    this.#dropIfEmpty(ordering, lane);
  }

  /** Whether what is parked can be let go now: nothing is on its way there, and nobody does it already. */
  beginOpening(ordering: string): boolean {
    if (this.#opening === 0) return false;
    const lane = this.#lanes.get(ordering);
    if (lane?.state !== 'opening' || lane.parking > 0 || lane.isLettingGo) return false;
    lane.isLettingGo = true;
    return true;
  }

  /** What was parked is let go. True: the lane flows. False: more was parked meanwhile, and it is to be done again. */
  endOpening(ordering: string): boolean {
    const lane = this.#laneOf(ordering);
    lane.isLettingGo = false;
    if (lane.parking > 0) return false;
    lane.state = 'flowing';
    this.#opening -= 1;
    this.#dropIfEmpty(ordering, lane);
    return true;
  }

  #nextOf(lane: Lane): ClaimedDelivery | undefined {
    const next = lane.waiting?.shift();
    if (next === undefined) return undefined;
    this.#waits -= 1;
    lane.onTheWay += 1;
    return next;
  }

  #laneOf(ordering: string): Lane {
    let lane = this.#lanes.get(ordering);
    if (lane === undefined) {
      lane = {
        state: 'flowing',
        waiting: undefined,
        onTheWay: 0,
        parking: 0,
        failed: undefined,
        isLettingGo: false,
      };
      this.#lanes.set(ordering, lane);
    }
    return lane;
  }

  #dropIfEmpty(ordering: string, lane: Lane): void {
    const { state, onTheWay, parking, waiting } = lane;
    if (state === 'flowing' && onTheWay === 0 && parking === 0 && (waiting?.length ?? 0) === 0)
      this.#lanes.delete(ordering);
  }
}

type LaneState = 'flowing' | 'blocked' | 'opening';

/** Of most there is one delivery, which goes: they must cost little. */
interface Lane {
  state: LaneState;
  waiting: ClaimedDelivery[] | undefined;
  onTheWay: number;
  /** Deliveries on their way to being parked. */
  parking: number;
  /** Keys of deliveries that failed and are to be tried again. */
  failed: Set<number> | undefined;
  isLettingGo: boolean;
}
