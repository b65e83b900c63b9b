import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import { BlockKeys, BlockView } from './block-view.ts';
import { BLOCK_FORMAT, encodeBlock, PART, type Part } from './invocation-block.ts';
import type { InvocationColumns } from './invocation-columns.ts';
import { bytesOf, numberOf } from './row.ts';

/** From how many records on a block is of which level. Those of the last level are never merged. */
const LEVEL_STARTS = [0, 32, 1_024];
export const SETTLED_LEVEL = LEVEL_STARTS.length - 1;

/** Reads blocks, part by part. */
export class BlockReader {
  readonly #find: StatementSync;

  constructor(db: DatabaseSync) {
    this.#find = db.prepare('SELECT data FROM invocation_parts WHERE id = ?');
  }

  part(block: number, part: Part): Uint8Array<ArrayBuffer> {
    const row = this.#find.get(block * 4 + part);
    if (row === undefined)
      throw new LambentError('E_STORE_DAMAGED', `Block ${block} of invocations lacks its part ${part}.`);
    return bytesOf(row, 'data');
  }

  keys(block: number): BlockKeys {
    return new BlockKeys(this.part(block, PART.keys));
  }

  view(block: number): BlockView {
    return new BlockView([PART.keys, PART.texts, PART.ids, PART.rest].map((part) => this.part(block, part)));
  }
}

/** Adds and removes blocks, each with all its parts. */
export class BlockWriter {
  readonly #insertBlock: StatementSync;
  readonly #insertPart: StatementSync;
  readonly #removeBlock: StatementSync;
  readonly #removeParts: StatementSync;

  constructor(db: DatabaseSync) {
    this.#insertBlock = db.prepare(`
      INSERT INTO invocation_blocks
        (format, count, level, first_ms, last_ms, id_first_ms, id_last_ms, status_mask, trigger_mask, run_us_max,
         apps, functions)
      VALUES (:format, :count, :level, :firstMs, :lastMs, :idFirstMs, :idLastMs, :statusMask, :triggerMask,
        :runUsMax, :apps, :functions)
      RETURNING id`);
    this.#insertPart = db.prepare('INSERT INTO invocation_parts (id, data) VALUES (?, ?)');
    this.#removeBlock = db.prepare('DELETE FROM invocation_blocks WHERE id = ?');
    this.#removeParts = db.prepare('DELETE FROM invocation_parts WHERE id >= ? AND id < ?');
  }

  add(columns: InvocationColumns): void {
    const { zone, parts } = encodeBlock(columns);
    const level = LEVEL_STARTS.findLastIndex((start) => zone.count >= start);
    const id = numberOf(this.#insertBlock.get({ ...zone, level, format: BLOCK_FORMAT })!, 'id');
    parts.forEach((data, part) => {
      this.#insertPart.run(id * 4 + part, data);
    });
  }

  remove(block: number): void {
    this.#removeBlock.run(block);
    this.#removeParts.run(block * 4, block * 4 + 4);
  }
}
