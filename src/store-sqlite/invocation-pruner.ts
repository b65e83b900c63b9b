import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BlockReader, BlockWriter } from './block-table.ts';
import type { BlockKeys } from './block-view.ts';
import { gatherRows } from './invocation-columns.ts';
import { numberOf } from './row.ts';

/*
 * Pruning of blocks: those that are wholly too old go as they are; one at the edge is written again without what
 * goes. Blocks overlap in time, so the edge can run through several.
 */

/** Most blocks that one step touches, so that other operations get their turn. */
export const PRUNE_BLOCKS_A_STEP = 64;

export interface PruneStep {
  readonly removed: number;
  readonly more: boolean;
}

/** The records that are to go: those before `beforeMs`, and of those within its millisecond all before `sequence`. */
interface Cut {
  readonly beforeMs: number;
  readonly sequence: number;
}

export class InvocationPruner {
  readonly #reader: BlockReader;
  readonly #writer: BlockWriter;
  readonly #total: StatementSync;
  readonly #bounds: StatementSync;
  readonly #countWithin: StatementSync;
  readonly #listAcross: StatementSync;
  readonly #listFrom: StatementSync;
  /** Keys of blocks, unpacked once for all questions of one step. */
  readonly #keys = new Map<number, BlockKeys>();

  constructor(db: DatabaseSync) {
    this.#reader = new BlockReader(db);
    this.#writer = new BlockWriter(db);
    this.#total = db.prepare('SELECT coalesce(sum(count), 0) AS n FROM invocation_blocks');
    this.#bounds = db.prepare('SELECT min(first_ms) AS first, max(last_ms) AS last FROM invocation_blocks');
    this.#countWithin = db.prepare(
      'SELECT coalesce(sum(count), 0) AS n FROM invocation_blocks WHERE last_ms < ?',
    );
    this.#listAcross = db.prepare('SELECT id FROM invocation_blocks WHERE first_ms < ?1 AND last_ms >= ?1');
    this.#listFrom = db.prepare(
      'SELECT id, count, last_ms FROM invocation_blocks WHERE first_ms < ? ORDER BY last_ms',
    );
  }

  /** One bounded step. To be called again while there is `more`. */
  prune(beforeMs: number, recordsMax: number): PruneStep {
    try {
      const aged = this.#applyCut({ beforeMs, sequence: 0 });
      if (aged.more) return aged;
      const excess = numberOf(this.#total.get()!, 'n') - recordsMax;
      if (excess <= 0) return aged;
      const step = this.#applyCut(this.#findCut(excess));
      return { removed: aged.removed + step.removed, more: step.more };
    } finally {
      this.#keys.clear();
    }
  }

  /** Where to cut so that exactly `excess` of the oldest go. */
  #findCut(excess: number): Cut {
    const row = this.#bounds.get()!;
    // The latest whole millisecond before which no more than the excess arrived.
    let low = Math.floor(numberOf(row, 'first'));
    let high = Math.ceil(numberOf(row, 'last')) + 1;
    while (high - low > 1) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.#countBefore(middle) <= excess) low = middle;
      else high = middle;
    }
    const extra = excess - this.#countBefore(low);
    if (extra === 0) return { beforeMs: low, sequence: 0 };
    const sequences = this.#sequencesAt(low).sort((a, b) => a - b);
    return { beforeMs: low, sequence: (sequences[extra - 1] ?? -1) + 1 };
  }

  #countBefore(ms: number): number {
    let count = numberOf(this.#countWithin.get(ms)!, 'n');
    for (const row of this.#listAcross.all(ms)) {
      for (const arrived of this.#keysOf(numberOf(row, 'id')).arrivedMs.values())
        if (arrived < ms) count += 1;
    }
    return count;
  }

  /** Sequences of what arrived within this millisecond. */
  #sequencesAt(ms: number): number[] {
    const found: number[] = [];
    for (const row of this.#listFrom.all(ms + 1)) {
      if (numberOf(row, 'last_ms') < ms) continue;
      const keys = this.#keysOf(numberOf(row, 'id'));
      keys.arrivedMs.values().forEach((arrived, place) => {
        if (arrived >= ms && arrived < ms + 1) found.push(keys.sequence.at(place));
      });
    }
    return found;
  }

  /** Removes what is before the cut from at most PRUNE_BLOCKS_A_STEP blocks. */
  #applyCut(cut: Cut): PruneStep {
    let removed = 0;
    let touched = 0;
    for (const row of this.#listFrom.all(cut.sequence === 0 ? cut.beforeMs : cut.beforeMs + 1)) {
      if (touched >= PRUNE_BLOCKS_A_STEP) return { removed, more: true };
      const block = numberOf(row, 'id');
      const count = numberOf(row, 'count');
      const keep = numberOf(row, 'last_ms') < cut.beforeMs ? [] : rowsAfter(cut, this.#keysOf(block));
      if (keep.length === count) continue;
      if (keep.length > 0) {
        const columns = this.#reader.view(block).columns();
        this.#writer.add(gatherRows([{ columns, rows: keep }]));
      }
      this.#writer.remove(block);
      removed += count - keep.length;
      touched += 1;
    }
    return { removed, more: false };
  }

  #keysOf(block: number): BlockKeys {
    const keys = this.#keys.get(block) ?? this.#reader.keys(block);
    this.#keys.set(block, keys);
    return keys;
  }
}

/** Places of the rows that stay. */
function rowsAfter(cut: Cut, keys: BlockKeys): number[] {
  const keep: number[] = [];
  keys.arrivedMs.values().forEach((arrived, place) => {
    const goes =
      arrived < cut.beforeMs || (arrived < cut.beforeMs + 1 && keys.sequence.at(place) < cut.sequence);
    if (!goes) keep.push(place);
  });
  return keep;
}
