import type { Clock } from '../base/clock.ts';
import type { LambentError } from '../base/errors.ts';
import type { LogLine } from '../model/invocation.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import type { LogFilter, TelemetryStore } from '../ports/telemetry-store.ts';

/** Time without a line after which a comment shows that the stream lives, in milliseconds. */
export const HEARTBEAT_MS = 15_000;
/** Most lines that one read of the store brings: all that a follower keeps in memory. */
export const STREAM_BATCH_LINES = 64;
/** A reader that is this many stored lines behind is told so. */
export const LAGGED_LINES = 5_000;
/** How long a browser waits before it connects again, in milliseconds. */
const RECONNECT_MS = 2_000;

export interface LogStreamOptions {
  telemetry: TelemetryStore;
  feed: ActivityFeed;
  clock: Clock;
  filter: LogFilter;
  /** Sequence to begin after. */
  after: number;
  /** The highest sequence stored so far. */
  newest: number;
  /** What the reader may know of an error. */
  publicError(thrown: unknown): LambentError;
  onEnd(): void;
}

/**
 * Follows the stored lines. Every line comes from the store, at the pace of the reader: the feed only says that there
 * is more to read. So a slow reader costs one batch of memory, never loses a line, and resumes by sequence alone.
 */
export class LogStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #options: LogStreamOptions;
  readonly #encoder = new TextEncoder();
  readonly #stopListening: () => void;
  #position: number;
  #newest: number;
  #caughtUp = false;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(options: LogStreamOptions) {
    this.#options = options;
    this.#position = options.after;
    this.#newest = options.newest;
    this.#stopListening = options.feed.onStored((lastSequence) => {
      this.#newest = Math.max(this.#newest, lastSequence);
      this.#wake?.();
    });
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) =>
        controller.enqueue(this.#encoder.encode(`retry: ${RECONNECT_MS}\n: following\n\n`)),
      pull: (controller) => this.#pull(controller),
      cancel: () => this.end(),
    });
  }

  /** Ends the stream; the reader sees its end. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopListening();
    this.#wake?.();
    this.#options.onEnd();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      const text = await this.#nextText();
      if (text !== undefined) controller.enqueue(this.#encoder.encode(text));
    } catch (thrown) {
      const record = this.#options.publicError(thrown).toRecord();
      controller.enqueue(this.#encoder.encode(`event: error\ndata: ${JSON.stringify(record)}\n\n`));
      this.end();
    }
    if (!this.#ended) return;
    // After a cancel the controller is closed already, and says so by throwing.
    try {
      controller.close();
    } catch {}
  }

  /** Waits for lines or the next heartbeat; `undefined` at the end. */
  async #nextText(): Promise<string | undefined> {
    const { telemetry, filter } = this.#options;
    while (!this.#ended) {
      // What is stored up to here is seen by the read that follows: when nothing matches, all of it is behind us.
      const newest = this.#newest;
      const behind = newest - this.#position;
      if (behind > 0) {
        const lines = await telemetry.logsAfter(filter, this.#position, STREAM_BATCH_LINES);
        const lagged = this.#caughtUp && behind > LAGGED_LINES;
        if (lagged) this.#caughtUp = false;
        this.#position = lines.at(-1)?.sequence ?? newest;
        if (lines.length > 0) return (lagged ? laggedText(behind) : '') + lines.map(lineText).join('');
      }
      if (this.#position < this.#newest) continue;
      this.#caughtUp = true;
      if (!(await this.#waitForMore())) return this.#ended ? undefined : ': heartbeat\n\n';
    }
    return undefined;
  }

  /** True when more was stored, false when it is time for a heartbeat or the stream ended. */
  #waitForMore(): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (more: boolean): void => {
        timer.cancel();
        this.#wake = undefined;
        resolve(more);
      };
      const timer = this.#options.clock.after(HEARTBEAT_MS, () => finish(false));
      this.#wake = () => finish(!this.#ended);
    });
  }
}

function lineText(line: LogLine): string {
  return `id: ${line.sequence}\ndata: ${JSON.stringify(line)}\n\n`;
}

function laggedText(behind: number): string {
  return `event: lagged\ndata: ${JSON.stringify({ behind })}\n\n`;
}
