/** Bytes of deliveries that all queues of a node hold in memory together. */
export const HELD_BYTES_MAX = 256 * 1024 * 1024;
/** What a delivery takes beside its text. */
const DELIVERY_BYTES = 1_024;

/** Counts what the queues hold. It may be overdrawn by what was claimed at once, and then refuses until it is not. */
export class HeldBudget {
  readonly #limitBytes: number;
  #bytes = 0;

  constructor(limitBytes = HELD_BYTES_MAX) {
    this.#limitBytes = limitBytes;
  }

  /** For one more delivery, whose text has so many bytes. */
  hasRoom(textBytes: number): boolean {
    return this.#bytes + textBytes + DELIVERY_BYTES <= this.#limitBytes;
  }

  take(textBytes: number): void {
    this.#bytes += textBytes + DELIVERY_BYTES;
  }

  giveBack(textBytes: number): void {
    this.#bytes -= textBytes + DELIVERY_BYTES;
  }
}
