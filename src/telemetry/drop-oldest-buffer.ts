/** A bounded first-in first-out buffer whose newest item always fits: when full, the oldest gives way. */
export class DropOldestBuffer<Item> {
  readonly #slots: (Item | undefined)[];
  #first = 0;
  #size = 0;

  /** @param limit the most items it may hold, at least 1 */
  constructor(limit: number) {
    if (!(Number.isInteger(limit) && limit >= 1)) {
      throw new RangeError(`a buffer needs a limit of at least 1, not ${limit}`);
    }
    this.#slots = new Array(limit).fill(undefined);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds at the end; returns the oldest item when it had to give way. */
  push(item: Item): Item | undefined {
    const limit = this.#slots.length;
    if (this.#size === limit) {
      const oldest = this.#slots[this.#first];
      this.#slots[this.#first] = item;
      this.#first = this.#first + 1 === limit ? 0 : this.#first + 1;
      return oldest;
    }
    let at = this.#first + this.#size;
    if (at >= limit) at -= limit;
    this.#slots[at] = item;
    this.#size += 1;
    return undefined;
  }

  shift(): Item | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#first];
    this.#slots[this.#first] = undefined;
    this.#first = this.#first + 1 === this.#slots.length ? 0 : this.#first + 1;
    this.#size -= 1;
    return item;
  }

  /** Takes out up to `max` items, oldest first. */
  take(max: number): Item[] {
    const count = Math.min(max, this.#size);
    const items = new Array<Item>(count);
    for (let index = 0; index < count; index += 1) items[index] = this.shift()!;
    return items;
  }
}
