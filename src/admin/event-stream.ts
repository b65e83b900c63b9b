import type { Clock } from '../base/clock.ts';
import type { LambentError } from '../base/errors.ts';

/** Time without an event after which a comment shows that the stream lives, in milliseconds. */
export const HEARTBEAT_MS = 15_000;
/** How long a browser waits before it connects again, in milliseconds. */
const RECONNECT_MS = 2_000;

export interface EventStreamOptions {
  readonly clock: Clock;
  /** Calls `wake` when there may be more to read. Returns how to stop. */
  listen(wake: () => void): () => void;
  /** The text of what came since the last read; `undefined`: nothing did. */
  read(): Promise<string | undefined>;
  /** What the reader may know of an error. */
  publicError(thrown: unknown): LambentError;
  onEnd(): void;
}

/**
 * Server-sent events at the pace of their reader: only what was read is in memory, so a slow reader costs no more than
 * a quick one.
 */
export class EventStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #options: EventStreamOptions;
  readonly #encoder = new TextEncoder();
  readonly #stopListening: () => void;
  /** Something came since the last read began. */
  #more = true;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.#stopListening = options.listen(() => {
      this.#more = true;
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

  /** Waits for events or the next heartbeat; `undefined` at the end. */
  async #nextText(): Promise<string | undefined> {
    while (!this.#ended) {
      this.#more = false;
      const text = await this.#options.read();
      if (text !== undefined) return text;
      if (this.#more) continue;
      if (!(await this.#waitForMore())) return this.#ended ? undefined : ': heartbeat\n\n';
    }
    return undefined;
  }

  /** True when there may be more, false when it is time for a heartbeat or the stream ended. */
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

export function eventText(id: string | number, data: unknown, event?: string): string {
  return `${event === undefined ? '' : `event: ${event}\n`}id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}
