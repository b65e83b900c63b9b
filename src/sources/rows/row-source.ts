import { delay } from '../../base/clock.ts';
import type { Source, SourceContext, SourceStatus } from '../../ports/source.ts';

/*
 * What sources of changed rows share: a connection that is made anew for ever, the queue between a stream and the log
 * (row-queue.ts), and the form of an event (row-event.ts). A change is stored as an event first, with the position, and
 * only then does the database hear that it may forget it, where it wants to hear it; ids are made of the place in the
 * database's own log. So a change that comes again is the same event.
 *
 * Deliberately absent: whatever only one kind of database has, which is in that kind's folder.
 */

const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 30_000;
/** A connection that held for so long was a good one: the next begins with the shortest pause again. */
const GOOD_MS = 10_000;
/** A lag beyond this is told as an event, once until it was half of that again. */
export const LAG_ALERT_BYTES = 1_073_741_824;
export const LAG_TYPE = 'lambent.source.lag';

/** What a kind of database does for a trigger. */
export interface RowReader {
  /** From connecting until the connection is lost, which it throws, or until the signal. Must leave nothing open. */
  stream(link: RowLink): Promise<void>;
  /** What is wrong, and what mends it. Never an address. */
  describeFailure(error: unknown): string;
  /** Clears up what the trigger had in its database, as it is gone. Must not throw. */
  clearUp(): Promise<void>;
}

export interface RowLink {
  readonly signal: AbortSignal;
  /** Rejects with what `lose` was first told. */
  readonly lost: Promise<never>;
  readonly lose: (error: unknown) => void;
  /** Resolves when the source is closed. */
  readonly closed: Promise<void>;
  /** Changes come from now on. */
  connected(): void;
  /** What the database holds that is not stored here yet, in bytes. */
  lag(bytes: number): void;
}

export class RowSource implements Source {
  readonly #context: SourceContext;
  readonly #reader: RowReader;
  readonly #closing = new AbortController();
  readonly #closed: Promise<void>;
  readonly #ended: Promise<void>;
  #trouble: string | undefined = 'The first connection to the database is being made.';
  #lagBytes: number | undefined;
  #lagIsTold = false;

  constructor(context: SourceContext, reader: RowReader) {
    this.#context = context;
    this.#reader = reader;
    this.#closed = new Promise((resolve) => {
      this.#closing.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#ended = this.#run();
  }

  status(): SourceStatus {
    return { nextMs: undefined, trouble: this.#trouble, lagBytes: this.#lagBytes };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#ended;
  }

  readonly remove = async (): Promise<void> => {
    await this.close();
    await this.#reader.clearUp();
  };

  async #run(): Promise<void> {
    const { clock, random, log, id } = this.#context;
    const { signal } = this.#closing;
    let pauseMs = BACKOFF_FIRST_MS;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        await this.#reader.stream(this.#link());
      } catch (error) {
        if (signal.aborted) return;
        const trouble = this.#reader.describeFailure(error);
        if (trouble !== this.#trouble)
          log.error('a table cannot be read; trying again', { trigger: id, error: trouble });
        this.#trouble = trouble;
      }
      if (clock.monotonicMs() - startedMs > GOOD_MS) pauseMs = BACKOFF_FIRST_MS;
      await Promise.race([delay(clock, pauseMs * (0.5 + random.fraction() / 2)), this.#closed]);
      pauseMs = Math.min(pauseMs * 2, BACKOFF_MAX_MS);
    }
  }

  async #tellLag(lagBytes: number): Promise<void> {
    if (lagBytes < LAG_ALERT_BYTES / 2) this.#lagIsTold = false;
    if (lagBytes < LAG_ALERT_BYTES || this.#lagIsTold) return;
    this.#lagIsTold = true;
    const { id: trigger, log } = this.#context;
    log.error('a database keeps much that a trigger has still to get', { trigger, lagBytes });
    try {
      await this.#context.alert(LAG_TYPE, { trigger, lagBytes });
    } catch (error) {
      // It is told with the next look.
      this.#lagIsTold = false;
      log.error('an alert could not be stored', { trigger, error: String(error) });
    }
  }

  #link(): RowLink {
    let lose: (error: unknown) => void = () => {};
    const lost = new Promise<never>((_, reject) => {
      lose = reject;
    });
    // It may come before anybody waits for it.
    lost.catch(() => {});
    return {
      ...{ signal: this.#closing.signal, lost, lose, closed: this.#closed },
      connected: () => {
        this.#trouble = undefined;
      },
      lag: (bytes) => {
        this.#lagBytes = bytes;
        void this.#tellLag(bytes);
      },
    };
  }
}
