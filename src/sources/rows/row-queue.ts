import { LambentError } from '../../base/errors.ts';
import type { CloudEvent } from '../../model/cloud-event.ts';
import type { SealedEvent } from '../../model/sealed-event.ts';
import type { SourceContext } from '../../ports/source.ts';
import type { RateGuard } from './rate-guard.ts';

/** Events that are stored in one step. */
const BATCH_MAX = 1_000;
/** What waits to be stored; beyond it the connection is not read, until half of it is gone: the next batch is there in time. */
const WAITING_MAX = 2_000;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

/** What a stream of changes is read to. `Place`: where it is in the database's log. */
export type Read<Place, Event = CloudEvent> =
  | { readonly kind: 'event'; readonly event: Event; readonly depth: number; readonly bytes: number }
  /** All of a transaction was read: from here on it need not be sent again. */
  | { readonly kind: 'commit'; readonly end: Place };

export interface RowStream<Place> {
  /** All up to here is stored. */
  confirm(end: Place): void;
  pause(): void;
  resume(): void;
}

export interface RowQueueOptions<Place, Event> {
  readonly context: SourceContext;
  readonly stream: RowStream<Place>;
  /** Stores events, and the end of the last whole transaction among them. */
  readonly store: (events: readonly Event[], end: Place | undefined, depth: number) => Promise<void>;
  readonly guard: RateGuard;
  /** Events could not be stored: the connection is to be made anew, and sends them again. */
  readonly lost: (error: unknown) => void;
}

/**
 * Between the stream and the log. One batch is stored at a time, in order, and what arrives meanwhile makes the next: the busier, the
 * larger. Only what is stored is confirmed.
 */
export class RowQueue<Place, Event extends CloudEvent | SealedEvent = CloudEvent> {
  readonly #options: RowQueueOptions<Place, Event>;
  #waiting: Read<Place, Event>[] = [];
  #bytes = 0;
  /** Ends of transactions among what waits. */
  #commits = 0;
  #storing: Promise<void> | undefined;
  /** Everything before is stored or concerns us not; set while nothing waits. */
  #idle: Place | undefined;
  #isClosed = false;

  constructor(options: RowQueueOptions<Place, Event>) {
    this.#options = options;
  }

  add(read: Read<Place, Event> | undefined, isInside: boolean): void {
    this.#idle = undefined;
    if (read === undefined) return;
    // The end of a transaction in which nothing was for us.
    if (read.kind === 'commit' && !isInside && this.#waiting.length === 0 && this.#storing === undefined) {
      this.#idle = read.end;
      return;
    }
    this.#waiting.push(read);
    if (read.kind === 'event') this.#bytes += read.bytes;
    else this.#commits += 1;
    if (this.#waiting.length > WAITING_MAX || this.#bytes > WAITING_BYTES_MAX) this.#options.stream.pause();
    if (this.#isReady) this.#storing ??= this.#storeAll();
  }

  /** The server has sent all up to here. */
  reached(end: Place, isInside: boolean): void {
    if (!isInside && this.#waiting.length === 0 && this.#storing === undefined) this.#idle = end;
  }

  /** Lets the server forget what did not concern us: otherwise a quiet table would make it keep its log for ever. */
  confirmIdle(): void {
    if (this.#idle === undefined || this.#storing !== undefined) return;
    const end = this.#idle;
    this.#idle = undefined;
    this.#storing = this.#run(async () => {
      await this.#options.store([], end, 0);
      this.#options.stream.confirm(end);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#storing;
  }

  #storeAll(): Promise<void> {
    return this.#run(async () => {
      // What came in the same read of the socket goes together.
      await Promise.resolve();
      while (this.#isReady && !this.#isClosed) await this.#storeSome();
    });
  }

  async #run(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#isClosed = true;
      this.#options.lost(error);
    } finally {
      this.#storing = undefined;
    }
    if (this.#isReady && !this.#isClosed) this.#storing = this.#storeAll();
  }

  /** A transaction is stored whole where it is small: its end comes at once, as servers send what was committed. */
  get #isReady(): boolean {
    return this.#commits > 0 || this.#waiting.length >= BATCH_MAX || this.#bytes > WAITING_BYTES_MAX / 2;
  }

  async #storeSome(): Promise<void> {
    const { events, end, depth } = this.#take();
    const { context, store, stream, guard } = this.#options;
    guard.admit(events.length);
    try {
      await store(events, end, depth);
    } catch (error) {
      if (!(error instanceof LambentError) || error.code !== 'E_EVENT_LOOP') throw error;
      context.log.error('changes that a function caused itself are not told to it again', {
        ...{ trigger: context.id, changes: events.length, first: events[0]!.id, error: error.message },
      });
      if (end !== undefined) await store([], end, 0);
    }
    if (end !== undefined) stream.confirm(end);
    if (this.#waiting.length <= WAITING_MAX / 2 && this.#bytes <= WAITING_BYTES_MAX / 2) stream.resume();
  }

  /** The next events, of one depth in the chain of events. */
  #take(): { events: Event[]; end: Place | undefined; depth: number } {
    const events: Event[] = [];
    let end: Place | undefined;
    let depth: number | undefined;
    let count = 0;
    let whole: { readonly events: number; readonly count: number } | undefined;
    for (const read of this.#waiting) {
      if (read.kind === 'commit') {
        end = read.end;
        whole = { events: events.length, count: count + 1 };
      } else {
        if (events.length === BATCH_MAX || (depth !== undefined && read.depth !== depth)) break;
        depth = read.depth;
        events.push(read.event);
      }
      count += 1;
    }
    // What follows the last end waits for its own, unless there is no end among so many.
    if (whole !== undefined) {
      count = whole.count;
      events.length = whole.events;
    }
    for (const read of this.#waiting.splice(0, count))
      if (read.kind === 'event') this.#bytes -= read.bytes;
      else this.#commits -= 1;
    return { events, end, depth: events.length === 0 ? 0 : depth! };
  }
}
