import type { DatabaseSync } from 'node:sqlite';
import type { InvocationId } from '../base/ids.ts';
import type { AppName } from '../model/function.ts';
import type {
  CallDetail,
  CallDetailLimits,
  CallDetailStore,
  CallPayload,
  TracedCall,
} from '../ports/call-details.ts';
import type { Caller } from './operation.ts';
import { packIds, unpackId } from './packed-ids.ts';
import { bytesOf, numberOf, optionalTextOf, type Row, textOf } from './row.ts';

export type CallDetailWrites = ReturnType<typeof createCallDetailWrites>;
export type CallDetailReads = ReturnType<typeof createCallDetailReads>;

/** Rows that one step of pruning deletes at most, so that other operations get their turn. */
const PRUNE_ROWS_A_STEP = 2_000;

export function createCallDetailStore(
  write: Caller<CallDetailWrites>,
  read: Caller<CallDetailReads>,
): CallDetailStore {
  return {
    append: (details) => write('append', [details.map(toStored)]),
    find: (id) => read('find', [id]),
    listTrace: (trace, limit) => read('listTrace', [trace, limit]),
    prune: (limits) => write('prune', [limits]),
  };
}

/** Payloads as JSON already here: a string crosses to the store's thread for less than an object. */
interface StoredDetail extends Omit<CallDetail, 'input' | 'output'> {
  readonly input: string | null;
  readonly output: string | null;
}

function toStored({ input, output, ...rest }: CallDetail): StoredDetail {
  const textOfPayload = (payload: CallPayload | undefined) => (payload ? JSON.stringify(payload) : null);
  return { ...rest, input: textOfPayload(input), output: textOfPayload(output) };
}

export function createCallDetailWrites(db: DatabaseSync) {
  const insert = db.prepare(`
    INSERT INTO call_details (id, app, ended_ms, trace, parent, input, output) VALUES (?, ?, ?, ?, ?, ?, ?)`);
  const addTotals = db.prepare('UPDATE call_detail_totals SET rows = rows + ?, chars = chars + ?');
  const totals = db.prepare('SELECT rows, chars FROM call_detail_totals');
  const oldest = db.prepare(`
    SELECT key, ended_ms, ifnull(length(input), 0) + ifnull(length(output), 0) AS chars
    FROM call_details ORDER BY key LIMIT ?`);
  const removeUpTo = db.prepare('DELETE FROM call_details WHERE key <= ?');
  return {
    append(details: readonly StoredDetail[]): void {
      let chars = 0;
      for (const { id, app, endedMs, trace, parent, input, output } of details) {
        const [traceBytes, parentBytes] = [trace, parent].map((hex) =>
          hex === undefined ? null : Buffer.from(hex, 'hex'),
        );
        insert.run(packIds(id, 1), app, endedMs, traceBytes!, parentBytes!, input, output);
        chars += (input?.length ?? 0) + (output?.length ?? 0);
      }
      addTotals.run(details.length, chars);
    },
    prune({ beforeMs, rowsMax, bytesMax }: CallDetailLimits): number {
      const present = totals.get()!;
      let [rows, chars] = [numberOf(present, 'rows'), numberOf(present, 'chars')];
      let [last, gone, goneChars] = [0, 0, 0];
      // They were stored in the order in which they ended, near enough.
      for (const row of oldest.iterate(PRUNE_ROWS_A_STEP)) {
        if (numberOf(row, 'ended_ms') >= beforeMs && rows <= rowsMax && chars <= bytesMax) break;
        last = numberOf(row, 'key');
        gone += 1;
        goneChars += numberOf(row, 'chars');
        rows -= 1;
        chars -= numberOf(row, 'chars');
      }
      if (gone === 0) return 0;
      removeUpTo.run(last);
      addTotals.run(-gone, -goneChars);
      return gone;
    },
  };
}

export function createCallDetailReads(db: DatabaseSync) {
  const find = db.prepare(`
    SELECT app, ended_ms, lower(hex(trace)) AS trace, lower(hex(parent)) AS parent, input, output
    FROM call_details WHERE id = ? ORDER BY key DESC LIMIT 1`);
  const listTrace = db.prepare(`
    SELECT id, lower(hex(parent)) AS parent FROM call_details WHERE trace = ? ORDER BY key LIMIT ?`);
  return {
    find(id: InvocationId): CallDetail | undefined {
      const row = find.get(packIds(id, 1));
      return row === undefined ? undefined : toDetail(id, row);
    },
    listTrace: (trace: string, limit: number): TracedCall[] =>
      listTrace.all(Buffer.from(trace, 'hex'), limit).map((row) => ({
        id: unpackId(bytesOf(row, 'id'), 0) as InvocationId,
        parent: textOf(row, 'parent'),
      })),
  };
}

function toDetail(id: InvocationId, row: Row): CallDetail {
  const payloadOf = (name: string): CallPayload | undefined => {
    const text = optionalTextOf(row, name);
    return text === undefined ? undefined : (JSON.parse(text) as CallPayload);
  };
  return {
    id,
    app: textOf(row, 'app') as AppName,
    endedMs: numberOf(row, 'ended_ms'),
    trace: optionalTextOf(row, 'trace') || undefined,
    parent: optionalTextOf(row, 'parent') || undefined,
    input: payloadOf('input'),
    output: payloadOf('output'),
  };
}
