import type { Clock, Timer } from '../base/clock.ts';
import type { ExecutionId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import { compilePattern } from '../model/event-pattern.ts';
import { EVERYBODY, scopeOfApp } from '../model/event-scope.ts';
import { readSealedEvent } from '../model/sealed-event.ts';
import type { TriggerId } from '../model/trigger.ts';
import type { StoredNow } from '../ports/event-bus.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Awaiting, JournalStore } from '../ports/journal-store.ts';

/** Waiting operations, or events of the log, that are looked at together. */
const PAGE = 200;
/** Events that wait to be told; beyond them, the next start tells them from the log. */
const PENDING_MAX = 100_000;
/** The place up to which all were told is stored this long after it moved: what comes after it is told again. */
const SAVE_MS = 1_000;
/** Under which that place is stored. No app can have this name. */
const POSITION = '$workflows/waiting' as TriggerId;

/** What an operation that waits for events says of itself; `sinceMs`: when it began to. */
export interface EventWait {
  readonly match: unknown;
  readonly sinceMs: number;
}

export interface TellOptions {
  readonly store: JournalStore;
  readonly events: Pick<EventStore, 'append' | 'findPosition' | 'readEvents'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Something lies in the inbox of this execution. */
  poke(id: ExecutionId): void;
}

/**
 * Gives events to the operations that wait for them (`ctx.waitFor`): each takes the first that matches and was
 * received since it began to wait.
 *
 * All events that come while others are being told are told together, with one look for who waits a type: most events
 * have nobody who waits, and must not cost a read each. An event is stored first and told then. The platform may die
 * between the two, so the place in the log up to which all were told is stored as well, and what lies behind it is
 * told again at the next start.
 */
export class WaitingTeller {
  readonly #options: TellOptions;
  #pending: StoredNow[] = [];
  /** Those that are being told just now. */
  #underWay: readonly StoredNow[] = [];
  #telling: Promise<void> | undefined;
  /** The first event that could not be told: the stored place stays before it. */
  #stuckSeq = Number.POSITIVE_INFINITY;
  #topSeq = 0;
  #savedSeq = 0;
  #caughtUp = false;
  #closed = false;
  #timer: Timer | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: TellOptions) {
    this.#options = options;
  }

  /** Tells what may have been stored and not told. Never rejects. */
  async start(): Promise<void> {
    const { events, log } = this.#options;
    try {
      const position = Number((await events.findPosition(POSITION)) ?? 0);
      this.#savedSeq = position;
      for (let after: number | undefined = position; after !== undefined && !this.#closed; ) {
        const page = await events.readEvents({}, PAGE, after);
        await this.#tellTogether(
          page.items.map(({ seq, receivedMs, scope, event }) => ({
            ...{ seq, receivedMs, scope },
            event: readSealedEvent(event),
          })),
        );
        this.#topSeq = Math.max(this.#topSeq, page.items.at(-1)?.seq ?? 0);
        after = page.next;
      }
      this.#caughtUp = !this.#closed;
      this.#saveSoon();
    } catch (error) {
      log.error('events of before could not be told to executions that wait; the next start tells them', {
        error: String(error),
      });
    }
  }

  /** Tells events that were just stored, in their order. Resolves when they are told; never rejects. */
  tell(placed: readonly StoredNow[]): Promise<void> {
    const room = PENDING_MAX - this.#pending.length;
    for (const each of placed.slice(0, room)) this.#pending.push(each);
    if (placed.length > room) this.#giveUp(placed[room]!, `more than ${PENDING_MAX} wait to be told`);
    this.#telling ??= this.#tellPending();
    return this.#telling;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#save();
  }

  async #tellPending(): Promise<void> {
    while (this.#pending.length > 0) {
      this.#underWay = this.#pending;
      this.#pending = [];
      try {
        await this.#tellTogether(this.#underWay);
      } catch (error) {
        this.#giveUp(this.#underWay[0]!, String(error));
      }
      this.#topSeq = Math.max(this.#topSeq, this.#underWay.at(-1)!.seq);
      this.#underWay = [];
    }
    this.#telling = undefined;
    this.#saveSoon();
  }

  #giveUp({ seq, event }: StoredNow, why: string): void {
    this.#stuckSeq = Math.min(this.#stuckSeq, seq);
    this.#options.log.error(
      'executions that wait for an event could not be told; the next start tells them',
      { type: event.type, seq, error: why },
    );
  }

  async #tellTogether(placed: readonly StoredNow[]): Promise<void> {
    for (const [type, ofType] of Map.groupBy(placed, ({ event }) => event.type))
      await this.#tellType(type, ofType);
  }

  async #tellType(type: string, placed: readonly StoredNow[]): Promise<void> {
    const { store, clock, poke } = this.#options;
    for (let after = 0; ; ) {
      const waiting = await store.findAwaiting(`event:${type}`, PAGE, after);
      for (const each of waiting) {
        const found = firstFor(each, placed);
        if (found === undefined) continue;
        const { execution, op } = each;
        const input = { kind: 'completed', op, output: { json: found.event.parsed } } as const;
        if (await store.settleAwaiting(execution, op, input, clock.nowMs())) poke(execution);
      }
      if (waiting.length < PAGE) return;
      after = waiting.at(-1)!.position;
    }
  }

  #saveSoon(): void {
    if (this.#closed || this.#timer !== undefined || this.#toldSeq() <= this.#savedSeq) return;
    this.#timer = this.#options.clock.after(SAVE_MS, () => {
      this.#timer = undefined;
      void this.#save();
    });
  }

  /** The place up to which all were told. */
  #toldSeq(): number {
    if (!this.#caughtUp) return this.#savedSeq;
    const first = this.#underWay[0] ?? this.#pending[0];
    return Math.min(first === undefined ? this.#topSeq : first.seq - 1, this.#stuckSeq - 1);
  }

  #save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const { events, clock, log } = this.#options;
      const seq = this.#toldSeq();
      if (seq <= this.#savedSeq) return;
      try {
        // Nothing is owed with it, so that it needs no session.
        const positions = [{ source: POSITION, position: String(seq) }];
        await events.append({ session: 0, nowMs: clock.nowMs(), events: [], positions });
        this.#savedSeq = seq;
      } catch (error) {
        log.error('how far executions were told of events was not stored', { error: String(error) });
      }
    });
    return this.#saving;
  }
}

/** The first event that came since it waits, that its app may hear, and that matches. */
function firstFor(awaiting: Awaiting, placed: readonly StoredNow[]): StoredNow | undefined {
  const { match, sinceMs } = awaiting.detail as EventWait;
  const own = scopeOfApp(awaiting.app);
  const isFor = matcherOf(match);
  return placed.find(
    ({ receivedMs, scope, event }) =>
      sinceMs <= receivedMs && (scope === EVERYBODY || scope === own) && isFor(event.parsed),
  );
}

function matcherOf(pattern: unknown): (event: CloudEvent) => boolean {
  if (typeof pattern !== 'object' || pattern === null || Object.keys(pattern).length === 0) return () => true;
  try {
    const compiled = compilePattern(pattern);
    return (event) => compiled.matches(event as never);
  } catch {
    // A pattern that cannot be read matches nothing; its wait runs into its timeout.
    return () => false;
  }
}
