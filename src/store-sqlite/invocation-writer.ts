import type { DatabaseSync } from 'node:sqlite';
import { BlockKeys } from './block-view.ts';
import {
  BLOCK_ERROR_CHARS_MAX,
  BLOCK_FORMAT,
  BLOCK_RECORDS_MAX,
  encodeBlock,
  PART,
} from './invocation-block.ts';
import { COLUMN, columnOf, gatherRows, type InvocationColumns } from './invocation-columns.ts';
import { createPartReader, viewBlock } from './invocation-scan.ts';
import { numberOf } from './row.ts';

/*
 * Writing, merging and pruning of blocks. Small blocks come from quiet times; each level of size is merged as soon
 * as there are enough of it, so a record is rewritten a few times at most and the blocks stay few.
 */

/** From how many records on a block is of which level. Those of the last level are never merged. */
const LEVEL_STARTS = [0, 32, 1_024];
const SETTLED_LEVEL = LEVEL_STARTS.length - 1;
/** How many blocks of one level are merged at once. */
export const MERGE_BLOCKS = 16;
/** Most blocks that one step of pruning touches, so that other operations get their turn. */
export const PRUNE_BLOCKS_A_STEP = 64;

/** The records that are to go: those before `beforeMs`, and of those within its millisecond all before `sequence`. */
interface Cut {
  readonly beforeMs: number;
  readonly sequence: number;
}

export function createInvocationWriter(db: DatabaseSync) {
  const readPart = createPartReader(db);
  const takeSequences = db.prepare(`
    INSERT INTO counters (name, value) VALUES ('invocation_sequence', ?1)
    ON CONFLICT (name) DO UPDATE SET value = value + ?1 RETURNING value`);
  const insertBlock = db.prepare(`
    INSERT INTO invocation_blocks
      (format, count, level, first_ms, last_ms, id_first_ms, id_last_ms, status_mask, run_us_max, apps,
       functions)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`);
  const insertPart = db.prepare('INSERT INTO invocation_parts (id, data) VALUES (?, ?)');
  const removeBlock = db.prepare('DELETE FROM invocation_blocks WHERE id = ?');
  const removeParts = db.prepare('DELETE FROM invocation_parts WHERE id >= ? AND id < ?');
  const listLevel = db.prepare(
    'SELECT id, count FROM invocation_blocks WHERE level = ? AND level < 2 ORDER BY last_ms LIMIT ?',
  );
  const total = db.prepare('SELECT coalesce(sum(count), 0) AS n FROM invocation_blocks');
  const bounds = db.prepare('SELECT min(first_ms) AS first, max(last_ms) AS last FROM invocation_blocks');
  const countWithin = db.prepare(
    'SELECT coalesce(sum(count), 0) AS n FROM invocation_blocks WHERE last_ms < ?',
  );
  const listAcross = db.prepare('SELECT id FROM invocation_blocks WHERE first_ms < ?1 AND last_ms >= ?1');
  const listFrom = db.prepare(
    'SELECT id, count, last_ms FROM invocation_blocks WHERE first_ms < ? ORDER BY last_ms',
  );

  function store(columns: InvocationColumns): void {
    const { zone, parts } = encodeBlock(columns);
    const { count, firstMs, lastMs, idFirstMs, idLastMs, statusMask, runUsMax, apps, functions } = zone;
    const level = levelOf(count);
    const row = insertBlock.get(
      BLOCK_FORMAT,
      count,
      level,
      firstMs,
      lastMs,
      idFirstMs,
      idLastMs,
      statusMask,
      runUsMax,
      apps,
      functions,
    );
    const id = numberOf(row!, 'id');
    parts.forEach((data, part) => {
      insertPart.run(id * 4 + part, data);
    });
  }

  function remove(block: number): void {
    removeBlock.run(block);
    removeParts.run(block * 4, block * 4 + 4);
  }

  /** Keys of blocks, unpacked once for all questions of one step. */
  function createKeysCache(): KeysOf {
    const known = new Map<number, BlockKeys>();
    return (block) => {
      const keys = known.get(block) ?? new BlockKeys(readPart(block, PART.keys));
      known.set(block, keys);
      return keys;
    };
  }

  function countBefore(ms: number, keysOf: KeysOf): number {
    let count = numberOf(countWithin.get(ms)!, 'n');
    for (const row of listAcross.all(ms)) {
      for (const arrived of arrivalsIn(keysOf(numberOf(row, 'id')))) if (arrived < ms) count += 1;
    }
    return count;
  }

  /** Where to cut so that exactly `excess` of the oldest go. */
  function findCut(excess: number, keysOf: KeysOf): Cut {
    const row = bounds.get()!;
    // The latest whole millisecond before which no more than the excess arrived.
    let low = Math.floor(numberOf(row, 'first'));
    let high = Math.ceil(numberOf(row, 'last')) + 1;
    while (high - low > 1) {
      const middle = low + Math.floor((high - low) / 2);
      if (countBefore(middle, keysOf) <= excess) low = middle;
      else high = middle;
    }
    const extra = excess - countBefore(low, keysOf);
    if (extra === 0) return { beforeMs: low, sequence: 0 };
    const sequences: number[] = [];
    for (const each of listFrom.all(low + 1)) {
      if (numberOf(each, 'last_ms') < low) continue;
      const keys = keysOf(numberOf(each, 'id'));
      arrivalsIn(keys).forEach((arrived, place) => {
        if (arrived >= low && arrived < low + 1) sequences.push(sequencesIn(keys)[place]!);
      });
    }
    sequences.sort((a, b) => a - b);
    return { beforeMs: low, sequence: sequences[extra - 1]! + 1 };
  }

  /** Removes what is before the cut from at most PRUNE_BLOCKS_A_STEP blocks. */
  function applyCut(cut: Cut, keysOf: KeysOf): PruneStep {
    let removed = 0;
    let touched = 0;
    for (const row of listFrom.all(cut.sequence === 0 ? cut.beforeMs : cut.beforeMs + 1)) {
      if (touched >= PRUNE_BLOCKS_A_STEP) return { removed, more: true };
      const block = numberOf(row, 'id');
      const count = numberOf(row, 'count');
      const keep = numberOf(row, 'last_ms') < cut.beforeMs ? [] : rowsAfter(cut, keysOf(block));
      if (keep.length === count) continue;
      if (keep.length > 0) {
        const columns = viewBlock(readPart, block).columns();
        store(gatherRows([{ columns, rows: keep }]));
      }
      remove(block);
      removed += count - keep.length;
      touched += 1;
    }
    return { removed, more: false };
  }

  return {
    append(columns: InvocationColumns): void {
      const { count } = columns;
      if (count === 0) return;
      const first = numberOf(takeSequences.get(count)!, 'value') - count;
      const sequences = columnOf(columns, COLUMN.sequence);
      for (let row = 0; row < count; row += 1) sequences[row] = first + row;
      for (const rows of splitRows(columns))
        store(rows.length === count ? columns : gatherRows([{ columns, rows }]));
    },

    /** Merges the oldest small blocks of one level if there are enough of them; false when there was nothing to do. */
    merge(): boolean {
      for (let level = 0; level < SETTLED_LEVEL; level += 1) {
        const blocks = listLevel.all(level, MERGE_BLOCKS);
        if (blocks.length < MERGE_BLOCKS) continue;
        const merged: InvocationColumns[] = [];
        let count = 0;
        for (const row of blocks) {
          const block = numberOf(row, 'id');
          merged.push(viewBlock(readPart, block).columns());
          remove(block);
          count += numberOf(row, 'count');
          if (count >= BLOCK_RECORDS_MAX) break;
        }
        store(gatherRows(merged.map((columns) => ({ columns, rows: rangeOf(0, columns.count) }))));
        return true;
      }
      return false;
    },

    /** One bounded step of pruning. To be called again while there is `more`. */
    prune(beforeMs: number, recordsMax: number): PruneStep {
      const keysOf = createKeysCache();
      const aged = applyCut({ beforeMs, sequence: 0 }, keysOf);
      if (aged.more) return aged;
      const excess = numberOf(total.get()!, 'n') - recordsMax;
      if (excess <= 0) return aged;
      const step = applyCut(findCut(excess, keysOf), keysOf);
      return { removed: aged.removed + step.removed, more: step.more };
    },
  };
}

type KeysOf = (block: number) => BlockKeys;

function arrivalsIn(keys: BlockKeys): Float64Array {
  return keys.arrivedMs.values();
}

function sequencesIn(keys: BlockKeys): Float64Array {
  return keys.sequence.values();
}

/** Places of the rows that stay. */
function rowsAfter(cut: Cut, keys: BlockKeys): number[] {
  const sequences = sequencesIn(keys);
  const keep: number[] = [];
  arrivalsIn(keys).forEach((arrived, place) => {
    const goes = arrived < cut.beforeMs || (arrived < cut.beforeMs + 1 && sequences[place]! < cut.sequence);
    if (!goes) keep.push(place);
  });
  return keep;
}

export interface PruneStep {
  readonly removed: number;
  readonly more: boolean;
}

function levelOf(count: number): number {
  return LEVEL_STARTS.findLastIndex((start) => count >= start);
}

/** Cuts a batch into blocks: by number of records, and earlier where errors are long. */
function splitRows(columns: InvocationColumns): number[][] {
  const errors = columnOf(columns, COLUMN.error);
  const sizes = columns.errors.map(
    (error) => error.errorMessage.length + error.stackTrace.reduce((sum, line) => sum + line.length, 0),
  );
  const cuts: number[][] = [];
  let start = 0;
  let chars = 0;
  for (let row = 0; row < columns.count; row += 1) {
    chars += errors[row] === 0 ? 0 : sizes[errors[row]! - 1]!;
    const full = row + 1 - start >= BLOCK_RECORDS_MAX || chars >= BLOCK_ERROR_CHARS_MAX;
    if (!full && row + 1 < columns.count) continue;
    cuts.push(rangeOf(start, row + 1));
    start = row + 1;
    chars = 0;
  }
  return cuts;
}

function rangeOf(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}
