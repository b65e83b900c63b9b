import { LambentError, toLambentError } from '../base/errors.ts';
import { JOURNAL_BYTES_MAX, type LargePayload } from '../model/journal.ts';
import type { PayloadStore, PayloadWriter } from '../ports/payload-store.ts';

/**
 * Takes in the large values that the code of one session sends ahead of its messages. They go piece by piece to the
 * store and are never whole in memory; what was said after them waits until they are durable, so that no journal names
 * what is not there. Code may name the values that it sent, and no others.
 */
export class PayloadIntake {
  readonly #store: PayloadStore;
  readonly #failed: (error: LambentError) => void;
  readonly #known = new Set<string>();
  #writer: PayloadWriter | undefined;
  /** The last of what waits for its turn. */
  #turn: Promise<void> | undefined;
  #bytes = 0;
  #over = false;

  /** `failed`: a value could not be taken in; nothing after it counts. */
  constructor(store: PayloadStore, failed: (error: LambentError) => void) {
    this.#store = store;
    this.#failed = failed;
  }

  get isBusy(): boolean {
    return this.#turn !== undefined;
  }

  /** Whether code may name this value. */
  knows({ blob }: LargePayload): boolean {
    return this.#known.has(blob);
  }

  /** Its bytes are copied. */
  piece(bytes: Buffer): void {
    const piece = Buffer.from(bytes);
    this.#bytes += piece.length;
    this.after(async () => {
      if (this.#bytes > JOURNAL_BYTES_MAX)
        throw new LambentError(
          'E_HISTORY_TOO_LONG',
          `the values of the execution reached ${JOURNAL_BYTES_MAX} bytes, its limit`,
        );
      this.#writer ??= this.#store.begin();
      await this.#writer.write(piece);
    });
  }

  /** All pieces of a value have come. */
  whole({ blob }: LargePayload): void {
    this.after(async () => {
      const stored = await this.#writer?.finish();
      this.#writer = undefined;
      if (stored?.blob !== blob)
        throw new LambentError('E_PROTOCOL', 'a large value of the code is not what its name says');
      this.#known.add(blob);
    });
  }

  /** Does something after all that came before it is stored. */
  after(task: () => void | Promise<void>): void {
    const turn = (this.#turn ?? Promise.resolve()).then(async () => {
      if (this.#over) return;
      try {
        await task();
      } catch (thrown) {
        // What a closed session's value comes to grief over is its being abandoned.
        if (this.#over) return;
        this.close();
        this.#failed(toLambentError(thrown));
      } finally {
        if (this.#turn === turn) this.#turn = undefined;
      }
    });
    this.#turn = turn;
  }

  close(): void {
    this.#over = true;
    void this.#writer?.abandon();
    this.#writer = undefined;
  }
}
