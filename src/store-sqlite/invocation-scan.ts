import type { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import type { InvocationId } from '../base/ids.ts';
import { INVOCATION_STATUSES, type InvocationRecord, TRIGGER_KINDS } from '../model/invocation.ts';
import type { InvocationFilter, Page } from '../ports/telemetry-store.ts';
import { BlockReader } from './block-table.ts';
import { type BlockKeys, decodeTexts, decodeTriggers, matchTexts } from './block-view.ts';
import { AsciiFolded } from './byte-columns.ts';
import { BLOCK_FORMAT, PART } from './invocation-block.ts';
import { checkText } from './log-lines.ts';
import { ID_CHARS, idTimeMs, lastRowOfId, packIds } from './packed-ids.ts';
import { numberOf, type Row } from './row.ts';

/*
 * Searching the blocks. Blocks are visited by the newest arrival they hold; each is passed over when what is noted
 * beside it rules it out. Blocks overlap in time, because records are written as calls end: the search stops when
 * it has a page of records that are newer than anything the next block can hold.
 */

/** Most records of one page. */
export const INVOCATIONS_PAGE_MAX = 1_000;

/** Newest first: by arrival, then by the order in which they were stored. */
interface Position {
  readonly arrivedMs: number;
  readonly sequence: number;
}

interface Hit extends Position {
  readonly block: number;
  readonly row: number;
}

const CURSOR = /^(\d{1,16}(?:\.\d{1,20})?)-(\d{1,16})$/;

function parseCursor(cursor: string): Position {
  const parts = CURSOR.exec(cursor);
  if (parts === null)
    throw new LambentError('E_BAD_REQUEST', 'The cursor is none that a former page gave.', {
      hint: 'Pass the `next` of the page before, or leave the cursor out for the first page.',
    });
  return { arrivedMs: Number(parts[1]), sequence: Number(parts[2]) };
}

function newerFirst(a: Position, b: Position): number {
  return b.arrivedMs - a.arrivedMs || b.sequence - a.sequence;
}

export function createInvocationReads(db: DatabaseSync) {
  const reader = new BlockReader(db);
  const listBlocks = db.prepare(`
    SELECT id, format, last_ms FROM invocation_blocks
    WHERE last_ms >= :from AND first_ms < :to AND first_ms <= :cursor
      AND status_mask & :statuses <> 0 AND run_us_max >= :run
      AND (:triggers IS NULL OR trigger_mask IS NULL OR trigger_mask & :triggers <> 0)
      AND (:app IS NULL OR apps IS NULL OR instr(apps, :app) > 0)
      AND (:function IS NULL OR functions IS NULL OR instr(functions, :function) > 0)
    ORDER BY last_ms DESC, id DESC`);
  const listById = db.prepare(`
    SELECT id FROM invocation_blocks WHERE id_first_ms <= ?1 AND id_last_ms >= ?1 ORDER BY last_ms DESC`);

  function search(filter: InvocationFilter, limit: number, after: Position | undefined): Hit[] {
    const scan = new BlockScan(filter, after, reader);
    const rows = listBlocks.iterate({
      from: filter.fromMs ?? -Number.MAX_VALUE,
      to: filter.toMs ?? Number.MAX_VALUE,
      cursor: after?.arrivedMs ?? Number.MAX_VALUE,
      statuses: scan.statusMask,
      run: filter.runUsMin ?? 0,
      triggers: filter.trigger === undefined ? null : 1 << TRIGGER_KINDS.indexOf(filter.trigger),
      ...nameNeedles(filter),
    });
    let hits: Hit[] = [];
    for (const row of rows) {
      const enough = hits.length >= limit;
      const worst = enough ? hits[limit - 1]!.arrivedMs : -Number.MAX_VALUE;
      if (enough && worst > numberOf(row, 'last_ms')) break;
      if (scan.collect(blockOf(row), worst, hits)) {
        hits.sort(newerFirst);
        hits = hits.slice(0, limit);
      }
    }
    return hits;
  }

  return {
    listInvocations(filter: InvocationFilter, limit: number, cursor?: string): Page<InvocationRecord> {
      if (!Number.isInteger(limit) || limit < 1 || limit > INVOCATIONS_PAGE_MAX)
        throw new LambentError('E_BAD_REQUEST', `A page has 1 to ${INVOCATIONS_PAGE_MAX} invocations.`);
      checkText(filter.text);
      const hits = search(filter, limit + 1, cursor === undefined ? undefined : parseCursor(cursor));
      const more = hits.length > limit;
      if (more) hits.pop();
      const last = hits.at(-1);
      const next = more && last !== undefined ? `${last.arrivedMs}-${last.sequence}` : undefined;
      return { items: toRecords(hits, reader), next };
    },

    findInvocation(id: InvocationId): InvocationRecord | undefined {
      const wanted = tryPackId(id);
      if (wanted === undefined) return undefined;
      let best: { block: number; row: number; sequence: number } | undefined;
      for (const row of listById.all(idTimeMs(wanted, 0))) {
        const block = numberOf(row, 'id');
        const found = lastRowOfId(reader.part(block, PART.ids), wanted);
        if (found === undefined) continue;
        const sequence = reader.keys(block).sequence.at(found);
        if (best === undefined || sequence > best.sequence) best = { block, row: found, sequence };
      }
      return best === undefined ? undefined : reader.view(best.block).record(best.row);
    },
  };
}

/** One search, block by block. */
class BlockScan {
  readonly statusMask: number;
  readonly #filter: InvocationFilter;
  readonly #after: Position;
  readonly #text: AsciiFolded | undefined;
  readonly #reader: BlockReader;

  constructor(filter: InvocationFilter, after: Position | undefined, reader: BlockReader) {
    this.#filter = filter;
    this.#after = after ?? { arrivedMs: Number.MAX_VALUE, sequence: Number.MAX_SAFE_INTEGER };
    this.#text = filter.text === undefined || filter.text === '' ? undefined : new AsciiFolded(filter.text);
    this.#reader = reader;
    this.statusMask = filter.status === undefined ? 0xffff : 1 << INVOCATION_STATUSES.indexOf(filter.status);
  }

  /** Adds the block's matches that arrived at `worst` or later to `hits`; false when there were none. */
  collect(block: number, worst: number, hits: Hit[]): boolean {
    const keys = this.#reader.keys(block);
    // What rules out a whole block comes first.
    const sites = this.#matchSites(keys);
    if (sites !== undefined && !sites.includes(1)) return false;
    let texts: Uint8Array | undefined;
    if (this.#text !== undefined) {
      texts = matchTexts(decodeTexts(this.#reader.part(block, PART.texts), keys.count), this.#text);
      if (texts === undefined) return false;
    }
    const { trigger } = this.#filter;
    const triggers =
      trigger === undefined ? undefined : decodeTriggers(this.#reader.part(block, PART.rest), keys.count);
    const wanted = trigger === undefined ? -1 : TRIGGER_KINDS.indexOf(trigger);
    const before = hits.length;
    this.#matchRows(keys, worst, sites, texts, (row) => {
      if (triggers !== undefined && triggers[row] !== wanted) return;
      hits.push({ arrivedMs: keys.arrivedMs.at(row), sequence: keys.sequence.at(row), block, row });
    });
    return hits.length > before;
  }

  /** 1 for each site of the wanted app and function; `undefined`: all are wanted. */
  #matchSites(keys: BlockKeys): Uint8Array | undefined {
    const { app, function: name } = this.#filter;
    if (app === undefined && name === undefined) return undefined;
    return Uint8Array.from(keys.sites, (site) =>
      (app === undefined || site.app === app) && (name === undefined || site.function === name) ? 1 : 0,
    );
  }

  #matchRows(
    keys: BlockKeys,
    worst: number,
    sites: Uint8Array | undefined,
    texts: Uint8Array | undefined,
    onMatch: (row: number) => void,
  ): void {
    const { status, fromMs, toMs, runUsMin } = this.#filter;
    const least = Math.max(worst, fromMs ?? -Number.MAX_VALUE);
    const beyond = toMs ?? Number.POSITIVE_INFINITY;
    const { arrivedMs: afterMs, sequence: afterSequence } = this.#after;
    // Columns that do not matter are not even unpacked.
    const arrived = keys.arrivedMs.values();
    const places = sites === undefined ? undefined : keys.site.values();
    const statuses = status === undefined ? undefined : keys.status.values();
    const wanted = status === undefined ? -1 : INVOCATION_STATUSES.indexOf(status);
    const runUs = runUsMin === undefined ? undefined : keys.runUs.values();
    for (let row = 0; row < keys.count; row += 1) {
      if (texts !== undefined && texts[row] === 0) continue;
      if (sites !== undefined && sites[places![row]!] === 0) continue;
      if (statuses !== undefined && statuses[row] !== wanted) continue;
      if (runUs !== undefined && runUs[row]! < runUsMin!) continue;
      const at = arrived[row]!;
      if (at < least || at >= beyond || at > afterMs) continue;
      if (at === afterMs && keys.sequence.at(row) >= afterSequence) continue;
      onMatch(row);
    }
  }
}

/** What the lists of names beside a block must hold for the filter: names hold neither `/` nor newlines. */
function nameNeedles(filter: InvocationFilter): { app: string | null; function: string | null } {
  const { app, function: name } = filter;
  return {
    app: app === undefined ? null : `\n${app}\n`,
    function: name === undefined ? null : app === undefined ? `/${name}\n` : `\n${app}/${name}\n`,
  };
}

function blockOf(row: Row): number {
  const format = numberOf(row, 'format');
  if (format > BLOCK_FORMAT)
    throw new LambentError('E_STORE_NEWER', `A block of invocations has format ${format}.`);
  return numberOf(row, 'id');
}

/** The records, in the order of the hits, reading each block once. */
function toRecords(hits: readonly Hit[], reader: BlockReader): InvocationRecord[] {
  const records: InvocationRecord[] = new Array(hits.length);
  for (const [block, places] of Map.groupBy(hits.keys(), (place) => hits[place]!.block)) {
    const view = reader.view(block);
    for (const place of places) records[place] = view.record(hits[place]!.row);
  }
  return records;
}

function tryPackId(id: string): Uint8Array | undefined {
  if (id.length !== ID_CHARS) return undefined;
  try {
    return packIds(id, 1);
  } catch {
    return undefined;
  }
}
