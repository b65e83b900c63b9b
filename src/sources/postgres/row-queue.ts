import { LambentError } from '../../base/errors.ts';
import type { CloudEvent } from '../../model/cloud-event.ts';
import type { SourceContext } from '../../ports/source.ts';
import type { ReplicationStream } from './replication-stream.ts';
import type { Read } from './transaction-reader.ts';

/** Events that are stored in one step. */
const BATCH_MAX = 1_000;
/** What waits to be stored; beyond it the connection is not read, until half of it is gone. */
const WAITING_MAX = 5_000;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

export interface RowQueueOptions {
  readonly context: SourceContext;
  readonly stream: ReplicationStream;
  /** Stores events, and the end of the last whole transaction among them. */
  readonly store: (events: readonly CloudEvent[], lsn: bigint | undefined, depth: number) => Promise<void>;
  /** Events could not be stored: the connection is to be made anew, and sends them again. */
  readonly lost: (error: unknown) => void;
}

/**
 * Between the stream and the log. One batch is stored at a time, in order, and what arrives meanwhile makes the next: the busier, the
 * larger. Only what is stored is confirmed.
 */
export class RowQueue {
  readonly #options: RowQueueOptions;
  #waiting: Read[] = [];
  #bytes = 0;
  #storing: Promise<void> | undefined;
  /** Everything before is stored or concerns us not; set while nothing waits. */
  #idleLsn: bigint | undefined;
  #isClosed = false;

  constructor(options: RowQueueOptions) {
    this.#options = options;
  }

  add(read: Read | undefined, isInside: boolean): void {
    this.#idleLsn = undefined;
    if (read === undefined) return;
    // The end of a transaction in which nothing was for us.
    if (read.kind === 'commit' && !isInside && this.#waiting.length === 0 && this.#storing === undefined) {
      this.#idleLsn = read.endLsn;
      return;
    }
    this.#waiting.push(read);
    if (read.kind === 'event') this.#bytes += read.bytes;
    if (this.#waiting.length > WAITING_MAX || this.#bytes > WAITING_BYTES_MAX) this.#options.stream.pause();
    this.#storing ??= this.#storeAll();
  }

  /** The server has sent all up to here. */
  reached(lsn: bigint, isInside: boolean): void {
    if (!isInside && this.#waiting.length === 0 && this.#storing === undefined) this.#idleLsn = lsn;
  }

  /** Lets the server forget what did not concern us: otherwise a quiet table would make it keep its log for ever. */
  confirmIdle(): void {
    if (this.#idleLsn === undefined || this.#storing !== undefined) return;
    const lsn = this.#idleLsn;
    this.#idleLsn = undefined;
    this.#storing = this.#run(async () => {
      await this.#options.store([], lsn, 0);
      this.#options.stream.confirm(lsn);
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
      while (this.#waiting.length > 0 && !this.#isClosed) await this.#storeSome();
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
    if (this.#waiting.length > 0 && !this.#isClosed) this.#storing = this.#storeAll();
  }

  async #storeSome(): Promise<void> {
    const { events, endLsn, depth } = this.#take();
    const { context, store, stream } = this.#options;
    try {
      await store(events, endLsn, depth);
    } catch (error) {
      if (!(error instanceof LambentError) || error.code !== 'E_EVENT_LOOP') throw error;
      context.log.error('changes that a function caused itself are not told to it again', {
        ...{ trigger: context.id, changes: events.length, first: events[0]!.id, error: error.message },
      });
      if (endLsn !== undefined) await store([], endLsn, 0);
    }
    if (endLsn !== undefined) stream.confirm(endLsn);
    if (this.#waiting.length <= WAITING_MAX / 2 && this.#bytes <= WAITING_BYTES_MAX / 2) stream.resume();
  }

  /** The next events, of one depth in the chain of events. */
  #take(): { events: CloudEvent[]; endLsn: bigint | undefined; depth: number } {
    const events: CloudEvent[] = [];
    let endLsn: bigint | undefined;
    let depth: number | undefined;
    let count = 0;
    for (const read of this.#waiting) {
      if (read.kind === 'commit') endLsn = read.endLsn;
      else {
        if (events.length === BATCH_MAX || (depth !== undefined && read.depth !== depth)) break;
        depth = read.depth;
        events.push(read.event);
        this.#bytes -= read.bytes;
      }
      count += 1;
    }
    this.#waiting.splice(0, count);
    return { events, endLsn, depth: depth ?? 0 };
  }
}
