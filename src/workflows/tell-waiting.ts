import type { Clock, Timer } from '../base/clock.ts';
import type { ExecutionId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import { compilePattern } from '../model/event-pattern.ts';
import type { TriggerId } from '../model/trigger.ts';
import type { StoredNow } from '../ports/event-bus.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Awaiting, JournalStore } from '../ports/journal-store.ts';

/** Waiting operations, or events, that are looked at together. */
const PAGE = 200;
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
  readonly events: Pick<EventStore, 'append' | 'findPosition' | 'readEvents' | 'findEvent'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Something lies in the inbox of this execution. */
  poke(id: ExecutionId): void;
}

/**
 * Gives events to the operations that wait for them (`ctx.waitFor`): each takes the first that matches.
 *
 * An event is stored first and told then. The platform may die between the two, so the place in the log up to which
 * all were told is stored as well, and what lies behind it is told again at the next start: to whoever waited when
 * the event came, and not to those who began to wait later.
 */
export class WaitingTeller {
  readonly #options: TellOptions;
  /** Places of events that are being told, or could not be. */
  readonly #untold = new Set<number>();
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
        for (const { seq, event } of page.items) {
          await this.#tellOne({ seq, event: JSON.parse(Buffer.from(event).toString('utf8')) }, true);
          this.#topSeq = Math.max(this.#topSeq, seq);
        }
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

  /** Tells events that were just stored. Never rejects. */
  async tell(placed: readonly StoredNow[]): Promise<void> {
    for (const { seq } of placed) this.#untold.add(seq);
    for (const each of placed)
      try {
        await this.#tellOne(each, false);
        this.#untold.delete(each.seq);
        this.#topSeq = Math.max(this.#topSeq, each.seq);
      } catch (error) {
        // It stays untold, so that the place does not move beyond it.
        this.#options.log.error(
          'executions that wait for an event could not be told; the next start tells them',
          {
            type: each.event.type,
            error: String(error),
          },
        );
      }
    this.#saveSoon();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#save();
  }

  async #tellOne({ seq, event }: StoredNow, again: boolean): Promise<void> {
    const { store, events, clock, poke } = this.#options;
    let receivedMs: number | undefined;
    for (let after = 0; ; ) {
      const waiting = await store.findAwaiting(`event:${event.type}`, PAGE, after);
      for (const each of waiting) {
        if (!matches(each, event)) continue;
        if (again) {
          receivedMs ??= (await events.findEvent(seq))?.receivedMs ?? 0;
          if (waitOf(each).sinceMs > receivedMs) continue;
        }
        const { execution, op } = each;
        const input = { kind: 'completed', op, output: { json: event } } as const;
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
    let seq = this.#topSeq;
    for (const each of this.#untold) seq = Math.min(seq, each - 1);
    return seq;
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

function waitOf({ detail }: Awaiting): EventWait {
  return detail as EventWait;
}

function matches(awaiting: Awaiting, event: CloudEvent): boolean {
  const pattern = waitOf(awaiting).match;
  if (typeof pattern !== 'object' || pattern === null || Object.keys(pattern).length === 0) return true;
  try {
    return compilePattern(pattern).matches(event as never);
  } catch {
    // A pattern that cannot be read matches nothing; its wait runs into its timeout.
    return false;
  }
}
