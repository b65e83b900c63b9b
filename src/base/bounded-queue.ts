/** A first-in first-out queue that refuses to grow past its limit. Each act is O(1). */
export class BoundedQueue<Item> {
  readonly #limit: number;
  #items: (Item | undefined)[] = [];
  #head = 0;

  /** @param limit the most items it may hold, at least 1 */
  constructor(limit: number) {
    if (!(limit >= 1)) throw new RangeError(`a queue needs a limit of at least 1, not ${limit}`);
    this.#limit = limit;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Adds at the end; false (and nothing added) when full. */
  push(item: Item): boolean {
    if (this.size >= this.#limit) return false;
    this.#items.push(item);
    return true;
  }

  *[Symbol.iterator](): Iterator<Item> {
    for (let at = this.#head; at < this.#items.length; at += 1) yield this.#items[at]!;
  }

  peek(): Item | undefined {
    return this.#items[this.#head];
  }

  shift(): Item | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out the first item equal to `item`; false when there is none. O(n): for cancellations. */
  remove(item: Item): boolean {
    const at = this.#items.indexOf(item, this.#head);
    if (at < 0) return false;
    this.#items.splice(at, 1);
    return true;
  }
}
