import { atEndOfTurn, type Clock, delay, type Timer } from '../base/clock.ts';
import { LambentError, toLambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { InvocationRecord, LogLine } from '../model/invocation.ts';
import type { ActivitySink } from '../ports/activity.ts';
import { ACTIVITY_LISTENERS_MAX, type ActivityFeed, type TelemetryDrops } from '../ports/activity-feed.ts';
import type { RecordList, TelemetryStore } from '../ports/telemetry-store.ts';
import { DropOldestBuffer } from './drop-oldest-buffer.ts';
import { RecordBuffer } from './record-buffer.ts';

/*
 * Telemetry: what happened, kept without slowing down what happens.
 *
 * The recorder takes each finished invocation and each log line on the hot path and only puts it into a bounded
 * buffer; a little later everything that waits goes to the store in one write. One write is under way at a time,
 * so order is kept and a slow store is met with larger batches, not with more of them. Metrics count as records
 * pass by; retention deletes what is too old or too much; cost says what the same use would cost at AWS Lambda.
 *
 * Guaranteed: reporting never blocks, never throws and never uses unbounded memory; what had to be given up is
 * counted and logged; what was reported before `flush` or `close` is stored when they resolve, or is counted.
 * Deliberately absent: durability of the last moments. A crash loses what was reported in the flush period before
 * it; accepted work lives in the queue and the journals, not here. Sampling is absent too: every call is recorded.
 */

/** Longest time a record waits before it is written, in milliseconds. */
export const FLUSH_PERIOD_MS = 200;
/** A write begins early when this many records wait. */
export const FLUSH_RECORDS = 5_000;
/** Most records of a kind in one write. */
export const BATCH_MAX = 10_000;
/** Most finished invocations that wait for the store; then the oldest give way. */
export const INVOCATIONS_BUFFERED_MAX = 50_000;
/** Most log lines that wait for the store, and most characters of text in them; then the oldest give way. */
export const LINES_BUFFERED_MAX = 20_000;
export const LINE_CHARS_BUFFERED_MAX = 16 * 1024 * 1024;
/** Attempts to write a batch before it is given up; the pauses between them start here and double. */
export const APPEND_ATTEMPTS_MAX = 5;
export const APPEND_RETRY_MS = 500;
/** How long `close` waits for the store, in milliseconds. */
export const CLOSE_WAIT_MS = 5_000;
/** Losses are logged at most this often, in milliseconds. */
const LOSS_LOG_PERIOD_MS = 10_000;

export interface RecorderOptions {
  telemetry: TelemetryStore;
  clock: Clock;
  log: Log;
  /** Smaller buffers, for tests. */
  invocationsBufferedMax?: number;
  linesBufferedMax?: number;
  lineCharsBufferedMax?: number;
}

export interface Recorder extends ActivitySink, ActivityFeed {
  /** Stores what waits, for at most CLOSE_WAIT_MS, and takes nothing more. */
  close(): Promise<void>;
}

export function createRecorder(options: RecorderOptions): Recorder {
  return new BatchingRecorder(options);
}

interface Batch {
  readonly invocations: RecordList;
  readonly lines: readonly LogLine[];
}

class BatchingRecorder implements Recorder {
  readonly #telemetry: TelemetryStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #invocations: RecordBuffer;
  readonly #lines: DropOldestBuffer<LogLine>;
  readonly #lineCharsMax: number;
  #lineChars = 0;

  readonly #invocationListeners: Listeners<InvocationRecord>;
  readonly #lineListeners: Listeners<LogLine>;
  readonly #storedListeners: Listeners<number>;

  readonly #lost = { invocationsOverflow: 0, linesOverflow: 0, invocationsFailed: 0, linesFailed: 0 };
  #lossLoggedMs = Number.NEGATIVE_INFINITY;
  #lossLogged = 0;

  #timer: Timer | undefined;
  #drainIsNear = false;
  #draining: Promise<void> | undefined;
  #closed = false;
  #endBackoff: (() => void) | undefined;
  /** How many of each kind are stored or given up, and how many the write under way holds: `flush` counts by them. */
  readonly #settled = { invocations: 0, lines: 0 };
  readonly #inFlight = { invocations: 0, lines: 0 };

  constructor(options: RecorderOptions) {
    this.#telemetry = options.telemetry;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#invocations = new RecordBuffer(options.invocationsBufferedMax ?? INVOCATIONS_BUFFERED_MAX);
    this.#lines = new DropOldestBuffer(options.linesBufferedMax ?? LINES_BUFFERED_MAX);
    this.#lineCharsMax = options.lineCharsBufferedMax ?? LINE_CHARS_BUFFERED_MAX;
    this.#invocationListeners = new Listeners(options.log);
    this.#lineListeners = new Listeners(options.log);
    this.#storedListeners = new Listeners(options.log);
  }

  invocation(record: InvocationRecord): void {
    if (this.#closed) {
      this.#lost.invocationsOverflow += 1;
      return;
    }
    if (this.#invocations.push(record)) {
      this.#lost.invocationsOverflow += 1;
      this.#settled.invocations += 1;
    }
    this.#invocationListeners.tell(record);
    if (this.#timer === undefined || this.#invocations.size >= FLUSH_RECORDS) this.#schedule();
  }

  log(line: LogLine): void {
    if (this.#closed) {
      this.#lost.linesOverflow += 1;
      return;
    }
    const oldest = this.#lines.push(line);
    this.#lineChars += line.text.length;
    if (oldest !== undefined) this.#forgetLine(oldest);
    while (this.#lineChars > this.#lineCharsMax && this.#lines.size > 1)
      this.#forgetLine(this.#lines.shift()!);
    this.#lineListeners.tell(line);
    if (this.#timer === undefined || this.#lines.size >= FLUSH_RECORDS) this.#schedule();
  }

  onInvocation(listener: (record: InvocationRecord) => void): () => void {
    return this.#invocationListeners.add(listener);
  }

  onLine(listener: (line: LogLine) => void): () => void {
    return this.#lineListeners.add(listener);
  }

  onStored(listener: (lastSequence: number) => void): () => void {
    return this.#storedListeners.add(listener);
  }

  get dropped(): TelemetryDrops {
    return this.#lost;
  }

  async flush(): Promise<void> {
    // The write under way comes first, so that what overflows meanwhile is not taken for it.
    const invocations = this.#settled.invocations + this.#inFlight.invocations + this.#invocations.size;
    const lines = this.#settled.lines + this.#inFlight.lines + this.#lines.size;
    await this.#draining;
    while (this.#settled.invocations < invocations || this.#settled.lines < lines) await this.#drain();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#endBackoff?.();
    await Promise.race([this.flush(), delay(this.#clock, CLOSE_WAIT_MS)]);
    const left = { invocations: this.#invocations.size, lines: this.#lines.size };
    this.#invocations.take(left.invocations);
    this.#lines.take(left.lines);
    this.#lost.invocationsFailed += left.invocations + this.#inFlight.invocations;
    this.#lost.linesFailed += left.lines + this.#inFlight.lines;
    this.#logLosses(true);
  }

  #forgetLine(line: LogLine): void {
    this.#lineChars -= line.text.length;
    this.#lost.linesOverflow += 1;
    this.#settled.lines += 1;
  }

  /** Sees to it that a drain comes: within the period, or at the end of this turn when much waits. */
  #schedule(): void {
    if (this.#closed || this.#draining !== undefined) return;
    this.#timer ??= this.#clock.after(FLUSH_PERIOD_MS, () => void this.#drain());
    if (this.#drainIsNear) return;
    if (this.#invocations.size < FLUSH_RECORDS && this.#lines.size < FLUSH_RECORDS) return;
    this.#drainIsNear = true;
    atEndOfTurn(() => {
      this.#drainIsNear = false;
      void this.#drain();
    });
  }

  #drain(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#draining ??= this.#drainAll().finally(() => {
      this.#draining = undefined;
      this.#logLosses(false);
      if (this.#invocations.size + this.#lines.size > 0) this.#schedule();
    });
    return this.#draining;
  }

  async #drainAll(): Promise<void> {
    do {
      const lines = this.#lines.take(BATCH_MAX);
      for (const line of lines) this.#lineChars -= line.text.length;
      const invocations = this.#invocations.take(BATCH_MAX);
      if (invocations.length + lines.length === 0) return;
      this.#inFlight.invocations = invocations.length;
      this.#inFlight.lines = lines.length;
      await this.#store({ invocations, lines });
      this.#inFlight.invocations = 0;
      this.#inFlight.lines = 0;
      this.#settled.invocations += invocations.length;
      this.#settled.lines += lines.length;
      // A trickle waits for the next period; only a backlog is written on without a pause.
    } while (this.#closed || this.#invocations.size >= FLUSH_RECORDS || this.#lines.size >= FLUSH_RECORDS);
  }

  /** Writes one batch, with retries; never rejects. */
  async #store(batch: Batch): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const lastSequence = await this.#telemetry.append(batch.invocations, batch.lines);
        this.#storedListeners.tell(lastSequence);
        return;
      } catch (thrown) {
        const error = toLambentError(thrown);
        if (!error.facts.retryable || attempt >= APPEND_ATTEMPTS_MAX || this.#closed) {
          this.#lost.invocationsFailed += batch.invocations.length;
          this.#lost.linesFailed += batch.lines.length;
          this.#log.error('telemetry was not stored', { code: error.code, message: error.message, attempt });
          return;
        }
        await this.#backoff(APPEND_RETRY_MS * 2 ** (attempt - 1));
      }
    }
  }

  /** Waits; `close` ends the wait early. */
  #backoff(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(pauseMs, resolve);
      this.#endBackoff = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #logLosses(atOnce: boolean): void {
    const { invocationsOverflow, linesOverflow, invocationsFailed, linesFailed } = this.#lost;
    const total = invocationsOverflow + linesOverflow + invocationsFailed + linesFailed;
    const nowMs = this.#clock.monotonicMs();
    if (total === this.#lossLogged || (!atOnce && nowMs - this.#lossLoggedMs < LOSS_LOG_PERIOD_MS)) return;
    this.#lossLogged = total;
    this.#lossLoggedMs = nowMs;
    this.#log.warn('telemetry was dropped; the store is slower than the work', { ...this.#lost });
  }
}

/** A bounded list of listeners that cannot hurt the one who tells them. */
class Listeners<Item> {
  readonly #log: Log;
  #listeners: readonly ((item: Item) => void)[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  add(listener: (item: Item) => void): () => void {
    if (this.#listeners.length >= ACTIVITY_LISTENERS_MAX) {
      throw new LambentError(
        'E_OVERLOADED',
        `Already ${ACTIVITY_LISTENERS_MAX} listeners follow the activity, which is the limit.`,
        { hint: 'Close another live view and try again.', retryAfterS: 5 },
      );
    }
    // A wrapper of its own, so that the same function added twice is stopped once at a time.
    const entry = (item: Item): void => listener(item);
    this.#listeners = [...this.#listeners, entry];
    return () => this.#remove(entry);
  }

  tell(item: Item): void {
    const listeners = this.#listeners;
    for (let index = 0; index < listeners.length; index += 1) {
      try {
        listeners[index]!(item);
      } catch (thrown) {
        this.#remove(listeners[index]!);
        this.#log.error('a listener to the activity threw and was removed', { error: String(thrown) });
      }
    }
  }

  #remove(entry: (item: Item) => void): void {
    this.#listeners = this.#listeners.filter((other) => other !== entry);
  }
}
