import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { type PackedAppend, readerOf, textsOf } from './packed-append.ts';
import { numberOf } from './row.ts';

/*
 * Events into the log. Those that follow on one another with the same scope, source, type and depth, as most do, go in
 * some at a time: a statement costs as much as the row that it writes. Which of them were there already is looked up only
 * where the database says that some were.
 */

/** Events of one statement. */
const TOGETHER = 16;

/** Events that share what a statement says once. */
interface Group {
  readonly scope: string;
  readonly source: string;
  readonly type: string;
  readonly depth: number;
  readonly ids: string[];
  /** Of each, in turn: id, subject, when it was received, text. */
  readonly values: SQLInputValue[];
}

/** Stores the events of an append. Gives their places in the log; negative: it was there already. */
export function createEventInserts(db: DatabaseSync): (append: PackedAppend) => Float64Array<ArrayBuffer> {
  const insert = createInsertGroup(db);
  const last = db.prepare(`SELECT coalesce(max(seq), 0) AS seq FROM sqlite_sequence WHERE name = 'events'`);
  return ({ scopes, sources, ids, types, subjects, receivedMs, depths, texts, ends }) => {
    const seqs = new Float64Array(ends.length);
    if (seqs.length === 0) return seqs;
    const [scopeAt, sourceAt, typeAt] = [readerOf(scopes), readerOf(sources), readerOf(types)];
    const [nextId, nextSubject] = [textsOf(ids), textsOf(subjects)];
    let lastSeq = numberOf(last.get()!, 'seq');
    let group: Group | undefined;
    for (let at = 0; at < seqs.length; at += 1) {
      const [scope, source, type, depth] = [scopeAt(at), sourceAt(at), typeAt(at), depths[at]!];
      const isAlike =
        group?.scope === scope && group.source === source && group.type === type && group.depth === depth;
      if (group !== undefined && (!isAlike || group.ids.length === TOGETHER)) {
        lastSeq = insert(group, lastSeq, seqs, at - group.ids.length);
        group = undefined;
      }
      group ??= { scope, source, type, depth, ids: [], values: [] };
      const id = nextId()!;
      const text = texts.subarray(at === 0 ? 0 : ends[at - 1]!, ends[at]!);
      group.ids.push(id);
      group.values.push(id, nextSubject(), receivedMs[at]!, text);
    }
    insert(group!, lastSeq, seqs, seqs.length - group!.ids.length);
    return seqs;
  };
}

/** Writes the places of a group's events into `seqs`, from `from` on. `lastSeq`: the highest before; gives the highest after. */
function createInsertGroup(
  db: DatabaseSync,
): (group: Group, lastSeq: number, seqs: Float64Array, from: number) => number {
  // Without RETURNING, which would keep a journal of its own for each statement.
  const prepare = (count: number) =>
    db.prepare(`
      INSERT INTO events (scope, source, type, depth, id, subject, received_ms, event)
      VALUES ${Array.from({ length: count }, (_, row) => rowText(4 * row + 5)).join()}
      ON CONFLICT (scope, source, id) DO NOTHING`);
  const [one, many] = [prepare(1), prepare(TOGETHER)];
  const find = db.prepare('SELECT seq FROM events WHERE scope = ? AND source = ? AND id = ?');
  return ({ scope, source, type, depth, ids, values }, lastSeq, seqs, from) => {
    let stored = 0;
    let highest = lastSeq;
    const run = (statement: typeof one, own: readonly SQLInputValue[]): void => {
      const { changes, lastInsertRowid } = statement.run(scope, source, type, depth, ...own);
      stored += Number(changes);
      if (changes !== 0) highest = Number(lastInsertRowid);
    };
    if (ids.length === TOGETHER) run(many, values);
    else for (let at = 0; at < ids.length; at += 1) run(one, values.slice(4 * at, 4 * at + 4));
    if (stored === ids.length && highest === lastSeq + stored) {
      for (let at = 0; at < stored; at += 1) seqs[from + at] = lastSeq + at + 1;
      return highest;
    }
    // Places that were skipped for repetitions stay empty.
    const seen = new Set<number>();
    ids.forEach((id, at) => {
      const seq = numberOf(find.get(scope, source, id)!, 'seq');
      seqs[from + at] = seq > lastSeq && !seen.has(seq) ? seq : -seq;
      seen.add(seq);
    });
    return highest;
  };
}

function rowText(first: number): string {
  return `(?1, ?2, ?3, ?4, ?${first}, ?${first + 1}, ?${first + 2}, ?${first + 3})`;
}
