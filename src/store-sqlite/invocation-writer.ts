import type { DatabaseSync } from 'node:sqlite';
import { BlockReader, BlockWriter, SETTLED_LEVEL } from './block-table.ts';
import { BLOCK_ERROR_CHARS_MAX, BLOCK_RECORDS_MAX } from './invocation-block.ts';
import { COLUMN, columnOf, gatherRows, type InvocationColumns } from './invocation-columns.ts';
import { numberOf } from './row.ts';

/*
 * Writing and merging of blocks. Small blocks come from quiet times; each level of size is merged as soon as there
 * are enough of it, so a record is rewritten a few times at most and the blocks stay few.
 */

/** How many blocks of one level are merged at once. */
export const MERGE_BLOCKS = 16;

export function createInvocationWriter(db: DatabaseSync) {
  const reader = new BlockReader(db);
  const writer = new BlockWriter(db);
  const takeSequences = db.prepare(`
    INSERT INTO counters (name, value) VALUES ('invocation_sequence', ?1)
    ON CONFLICT (name) DO UPDATE SET value = value + ?1 RETURNING value`);
  const listLevel = db.prepare(
    'SELECT id, count FROM invocation_blocks WHERE level = ? AND level < 2 ORDER BY last_ms LIMIT ?',
  );

  return {
    append(columns: InvocationColumns): void {
      const { count } = columns;
      const first = numberOf(takeSequences.get(count)!, 'value') - count;
      const sequences = columnOf(columns, COLUMN.sequence);
      for (let row = 0; row < count; row += 1) sequences[row] = first + row;
      for (const rows of splitRows(columns))
        writer.add(rows.length === count ? columns : gatherRows([{ columns, rows }]));
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
          merged.push(reader.view(block).columns());
          writer.remove(block);
          count += numberOf(row, 'count');
          if (count >= BLOCK_RECORDS_MAX) break;
        }
        writer.add(gatherRows(merged.map((columns) => ({ columns, rows: rangeOf(0, columns.count) }))));
        return true;
      }
      return false;
    },
  };
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
