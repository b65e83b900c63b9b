import type { MessageSource as Settings } from '../../model/message-source.ts';
import type { BrokerMessage } from './broker-message.ts';
import type { BrokerLink } from './broker-source.ts';

/** Messages in one batch, and bytes of their bodies unless one alone has more. */
const BATCH_MAX = 1_000;
const BATCH_BYTES_MAX = 8 * 1024 * 1024;

export interface IntakeOptions<Raw> {
  readonly link: BrokerLink<Settings>;
  readonly toMessage: (raw: Raw) => BrokerMessage;
  /** They are stored; of each, whether as a whole. Rejects when the connection is lost. */
  readonly acknowledge: (raw: readonly Raw[], isWhole: readonly boolean[]) => Promise<void>;
}

/**
 * Between a broker that sends by itself and the log. One batch is stored at a time, in order, and what arrives meanwhile
 * makes the next: the busier, the larger. Only what is stored is acknowledged, so the broker's own limit of what is
 * not acknowledged (`prefetch`) is the limit of what waits here.
 */
export class Intake<Raw> {
  readonly #options: IntakeOptions<Raw>;
  #waiting: { readonly raw: Raw; readonly message: BrokerMessage }[] = [];
  #bytes = 0;
  #wake: () => void = () => {};
  #onRoom: () => void = () => {};
  #taken: Promise<void> = Promise.resolve();

  constructor(options: IntakeOptions<Raw>) {
    this.#options = options;
  }

  /** Messages that wait to be stored. */
  get size(): number {
    return this.#waiting.length;
  }

  /** … and bytes of their bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when what was last taken is stored and acknowledged; rejects when that failed. */
  get taken(): Promise<void> {
    return this.#taken;
  }

  add(raw: Raw): void {
    const message = this.#options.toMessage(raw);
    this.#bytes += message.body.byteLength;
    this.#waiting.push({ raw, message });
    this.#wake();
  }

  /** Resolves when fewer than so many wait. For one that waits at a time. */
  async room(most: number): Promise<void> {
    while (this.#waiting.length >= most)
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve;
      });
  }

  /** Until the link's signal; rejects when storing or acknowledging fails. */
  async run(): Promise<void> {
    const { signal } = this.#options.link;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    while (!signal.aborted) {
      if (this.#waiting.length === 0)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      else {
        this.#taken = this.#storeSome();
        await this.#taken;
      }
    }
  }

  async #storeSome(): Promise<void> {
    const { link, acknowledge } = this.#options;
    let [count, bytes] = [0, 0];
    for (const { message } of this.#waiting) {
      bytes += message.body.byteLength;
      if (count === BATCH_MAX || (count > 0 && bytes > BATCH_BYTES_MAX)) break;
      count += 1;
    }
    const batch = this.#waiting.splice(0, count);
    for (const { message } of batch) this.#bytes -= message.body.byteLength;
    this.#onRoom();
    const isWhole = await link.store(batch.map(({ message }) => message));
    await acknowledge(
      batch.map(({ raw }) => raw),
      isWhole,
    );
  }
}
