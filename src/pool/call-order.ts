import type { StreamTable } from '../model/stream-table.ts';

/**
 * The calls of an instance that holds some ahead of their turn: the first one runs, the others have not begun. It
 * promises to begin them in this order, each only after the end of the one before has left it (`model/frames.ts`).
 * A call whose turn has come may have begun, as far as the platform knows, unless the instance gives it back.
 */
export class CallOrder {
  readonly #streams: number[] = [];

  /** @param open the call that runs, if there is one */
  constructor(open: StreamTable<object>) {
    open.forEach((stream) => {
      this.#streams.push(stream);
    });
  }

  /** 0: none runs. */
  get running(): number {
    return this.#streams[0] ?? 0;
  }

  /** Whether it waits for another one. */
  isHeld(stream: number): boolean {
    return this.#streams.indexOf(stream) > 0;
  }

  opened(stream: number): void {
    this.#streams.push(stream);
  }

  ended(stream: number): void {
    const at = this.#streams.indexOf(stream);
    if (at >= 0) this.#streams.splice(at, 1);
  }
}
