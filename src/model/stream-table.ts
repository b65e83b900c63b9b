/**
 * The open streams of one connection, by number. Streams come and go tens of thousands of times a second, and a `Map`
 * is the wrong place for that: V8 chains each hash table that a `Map` has outgrown to its successor, and a chain whose
 * head the collector has moved to the old generation keeps every entry since alive until the next major collection.
 * Here a number has one place, `number % capacity`; the capacity doubles when two open streams would share one.
 */

const FIRST_CAPACITY = 64;
/** More places than this would mean thousands of open streams, which nobody allows. */
const CAPACITY_MAX = 1 << 20;

export class StreamTable<Entry extends object> {
  #numbers: number[] = new Array<number>(FIRST_CAPACITY).fill(0);
  #entries: (Entry | undefined)[] = new Array<Entry | undefined>(FIRST_CAPACITY).fill(undefined);
  #size = 0;

  /** How many streams are open. */
  get size(): number {
    return this.#size;
  }

  get(stream: number): Entry | undefined {
    const at = stream & (this.#entries.length - 1);
    return this.#numbers[at] === stream ? this.#entries[at] : undefined;
  }

  has(stream: number): boolean {
    return this.get(stream) !== undefined;
  }

  /**
   * A number from `first` to below `end` for a new stream, the first whose place is free: so one stream that stays open
   * for long does not make the table grow. Goes on at 1 when it comes to `end`.
   */
  freeNumber(first: number, end: number): number {
    const mask = this.#entries.length - 1;
    let stream = first;
    if (this.#size * 2 > mask) return stream;
    while (this.#entries[stream & mask] !== undefined) stream = stream + 1 === end ? 1 : stream + 1;
    return stream;
  }

  /** Opens a stream. `stream` is not 0 and not open. */
  set(stream: number, entry: Entry): void {
    let at = stream & (this.#entries.length - 1);
    while (this.#entries[at] !== undefined) {
      this.#grow();
      at = stream & (this.#entries.length - 1);
    }
    this.#numbers[at] = stream;
    this.#entries[at] = entry;
    this.#size += 1;
  }

  /** Closes a stream; false when it was not open. */
  delete(stream: number): boolean {
    if (this.get(stream) === undefined) return false;
    this.#entries[stream & (this.#entries.length - 1)] = undefined;
    this.#size -= 1;
    return true;
  }

  /** Calls `visit` for each open stream; it may close streams, and open none. */
  forEach(visit: (stream: number, entry: Entry) => void): void {
    if (this.#size === 0) return;
    const numbers = this.#numbers;
    const entries = this.#entries;
    // By place: an iterator makes a pair for each of them, and this is done every few milliseconds.
    for (let at = 0; at < entries.length; at += 1) {
      const entry = entries[at];
      if (entry !== undefined) visit(numbers[at]!, entry);
    }
  }

  /** What is open, in no order. */
  entries(): Entry[] {
    return this.#entries.filter((entry) => entry !== undefined);
  }

  #grow(): void {
    const capacity = this.#entries.length * 2;
    if (capacity > CAPACITY_MAX) throw new RangeError(`more than ${CAPACITY_MAX} places for open streams`);
    const numbers = new Array<number>(capacity).fill(0);
    const entries = new Array<Entry | undefined>(capacity).fill(undefined);
    // Numbers that differ by the old capacity differ by the new one: no two meet.
    this.forEach((stream, entry) => {
      numbers[stream & (capacity - 1)] = stream;
      entries[stream & (capacity - 1)] = entry;
    });
    this.#numbers = numbers;
    this.#entries = entries;
  }
}
