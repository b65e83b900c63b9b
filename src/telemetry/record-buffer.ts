import type { InstanceId, InvocationId } from '../base/ids.ts';
import {
  INVOCATION_STATUSES,
  type InvocationError,
  type InvocationRecord,
  TRIGGER_KINDS,
} from '../model/invocation.ts';
import type { RecordList } from '../ports/telemetry-store.ts';

/*
 * Finished invocations between their end and the store, as bytes and numbers rather than as objects. A record that
 * waits a fifth of a second as an object outlives several collections of the young generation, is copied by each,
 * and ends in the old one: at tens of thousands of calls a second that cost more than the calls' own JavaScript.
 * Here an object lives for a moment on the way in and for another on the way out.
 */

const FIRST_ROWS = 1_024;
/** Characters of an invocation's id, a UUID. */
const ID_BYTES = 36;
/** Numbers of one row: see `push` and `#rowOf`. */
const WIDTH = 10;

type Site = Pick<InvocationRecord, 'app' | 'function' | 'version' | 'deployment'>;

/** The values of a row that are no numbers. Neighbours share them, so that they are seldom new objects. */
interface Words {
  readonly site: Site;
  readonly instance: InstanceId | undefined;
  readonly summary: string;
  readonly callerRequestId: string | undefined;
  readonly error: InvocationError | undefined;
}

interface Rows {
  readonly numbers: Float64Array;
  readonly ids: Buffer;
  readonly words: Words[];
}

function createRows(count: number): Rows {
  return {
    numbers: new Float64Array(count * WIDTH),
    ids: Buffer.alloc(count * ID_BYTES),
    words: new Array<Words>(count),
  };
}

/** A bounded first-in first-out buffer of records whose newest always fits: when full, the oldest gives way. */
export class RecordBuffer {
  readonly #limit: number;
  #rows: Rows;
  #capacity: number;
  #first = 0;
  #size = 0;
  #lastWords: Words | undefined;

  /** @param limit the most records it may hold, at least 1 */
  constructor(limit: number) {
    if (!(Number.isInteger(limit) && limit >= 1))
      throw new RangeError(`a buffer needs a limit of at least 1, not ${limit}`);
    this.#limit = limit;
    this.#capacity = Math.min(FIRST_ROWS, limit);
    this.#rows = createRows(this.#capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds at the end; true when the oldest had to give way. */
  push(record: InvocationRecord): boolean {
    const gaveWay = this.#size === this.#limit;
    if (gaveWay) {
      this.#first = this.#first + 1 === this.#capacity ? 0 : this.#first + 1;
      this.#size -= 1;
    } else if (this.#size === this.#capacity) this.#grow();
    let row = this.#first + this.#size;
    if (row >= this.#capacity) row -= this.#capacity;
    this.#size += 1;
    const { numbers, ids, words } = this.#rows;
    const at = row * WIDTH;
    numbers[at] = record.arrivedMs;
    numbers[at + 1] = record.queueUs;
    numbers[at + 2] = record.startUs;
    numbers[at + 3] = record.runUs;
    numbers[at + 4] = record.billedMs;
    numbers[at + 5] = record.memoryMb;
    numbers[at + 6] = record.memoryPeakMb;
    numbers[at + 7] = record.httpStatus;
    numbers[at + 8] = record.attempt;
    numbers[at + 9] =
      (TRIGGER_KINDS.indexOf(record.trigger) * INVOCATION_STATUSES.length +
        INVOCATION_STATUSES.indexOf(record.status)) *
        2 +
      (record.cold ? 1 : 0);
    ids.write(record.id, row * ID_BYTES, ID_BYTES, 'latin1');
    words[row] = this.#wordsOf(record);
    return gaveWay;
  }

  /** Takes out up to `max` records, oldest first. What it returns does not change any more. */
  take(max: number): RecordList {
    const count = Math.min(max, this.#size);
    const rows = this.#copy(count, count);
    this.#first += count;
    if (this.#first >= this.#capacity) this.#first -= this.#capacity;
    this.#size -= count;
    // An empty buffer begins anew, so that a quiet platform touches little memory.
    if (this.#size === 0) this.#first = 0;
    return {
      length: count,
      *[Symbol.iterator]() {
        for (let row = 0; row < count; row += 1) yield recordOf(rows, row);
      },
    };
  }

  /** The first `count` rows in order, in new rows of `capacity`. */
  #copy(count: number, capacity: number): Rows {
    const rows = createRows(capacity);
    const head = Math.min(count, this.#capacity - this.#first);
    for (const [from, to, target] of [
      [this.#first, this.#first + head, 0],
      [0, count - head, head],
    ] as const) {
      rows.numbers.set(this.#rows.numbers.subarray(from * WIDTH, to * WIDTH), target * WIDTH);
      this.#rows.ids.copy(rows.ids, target * ID_BYTES, from * ID_BYTES, to * ID_BYTES);
      for (let row = from; row < to; row += 1) rows.words[target + row - from] = this.#rows.words[row]!;
    }
    return rows;
  }

  #grow(): void {
    const capacity = Math.min(this.#limit, this.#capacity * 2);
    this.#rows = this.#copy(this.#size, capacity);
    this.#capacity = capacity;
    this.#first = 0;
  }

  #wordsOf(record: InvocationRecord): Words {
    const last = this.#lastWords;
    const sameSite = last !== undefined && isSite(last.site, record);
    if (
      sameSite &&
      last.instance === record.instance &&
      last.error === record.error &&
      last.summary === record.summary &&
      last.callerRequestId === record.callerRequestId
    )
      return last;
    const { app, function: name, version, deployment, instance, summary, callerRequestId, error } = record;
    const site = sameSite ? last.site : { app, function: name, version, deployment };
    this.#lastWords = { site, instance, summary, callerRequestId, error };
    return this.#lastWords;
  }
}

function isSite(site: Site, record: InvocationRecord): boolean {
  return (
    site.version === record.version &&
    site.function === record.function &&
    site.app === record.app &&
    site.deployment === record.deployment
  );
}

function recordOf({ numbers, ids, words }: Rows, row: number): InvocationRecord {
  const at = row * WIDTH;
  const { site, instance, summary, callerRequestId, error } = words[row]!;
  const kinds = numbers[at + 9]!;
  return {
    id: ids.toString('latin1', row * ID_BYTES, (row + 1) * ID_BYTES) as InvocationId,
    app: site.app,
    function: site.function,
    version: site.version,
    deployment: site.deployment,
    trigger: TRIGGER_KINDS[Math.floor((kinds >> 1) / INVOCATION_STATUSES.length)]!,
    status: INVOCATION_STATUSES[(kinds >> 1) % INVOCATION_STATUSES.length]!,
    cold: (kinds & 1) === 1,
    instance,
    arrivedMs: numbers[at]!,
    queueUs: numbers[at + 1]!,
    startUs: numbers[at + 2]!,
    runUs: numbers[at + 3]!,
    billedMs: numbers[at + 4]!,
    memoryMb: numbers[at + 5]!,
    memoryPeakMb: numbers[at + 6]!,
    httpStatus: numbers[at + 7]!,
    summary,
    callerRequestId,
    attempt: numbers[at + 8]!,
    error,
  };
}
