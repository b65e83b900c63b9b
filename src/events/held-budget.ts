/** Bytes of event texts that all queues of a node hold in memory together. */
export const HELD_BYTES_MAX = 256 * 1024 * 1024;

/** Counts what the queues hold. It may be overdrawn by what was claimed at once, and then refuses until it is not. */
export class HeldBudget {
  readonly #limitBytes: number;
  #bytes = 0;

  constructor(limitBytes = HELD_BYTES_MAX) {
    this.#limitBytes = limitBytes;
  }

  hasRoom(bytes: number): boolean {
    return this.#bytes + bytes <= this.#limitBytes;
  }

  take(bytes: number): void {
    this.#bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}
