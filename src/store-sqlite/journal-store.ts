import type { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import type { ExecutionInput } from '../model/execution.ts';
import type { JournalEntry } from '../model/journal.ts';
import type { InboxItem, JournalStore } from '../ports/journal-store.ts';
import type { HeldExecutions } from './held-executions.ts';
import { createJournalClaims } from './journal-claims.ts';
import type { createJournalReads, StoredEntries, StoredInboxItem } from './journal-reads.ts';
import { createStart, toStoredStart } from './journal-start.ts';
import { createTransitions, toStoredTransition } from './journal-transition.ts';
import type { Caller } from './operation.ts';
import { numberOf, textOf } from './row.ts';

export type JournalWrites = ReturnType<typeof createJournalWrites>;
export type JournalReads = ReturnType<typeof createJournalReads>;

/** Executions and journals. Text crosses the threads, not objects: it is several times faster. */
export function createJournalStore(write: Caller<JournalWrites>, read: Caller<JournalReads>): JournalStore {
  return {
    create(execution, nowMs) {
      const stored = toStoredStart(execution);
      return write('create', [stored, nowMs], { bytes: stored.entries.length });
    },
    async claim(node, nowMs, limit) {
      const claims = await write('claim', [node, nowMs, limit]);
      return claims.map(({ record, fence, entries, inbox }) => ({
        record,
        fence,
        entries: entries.flatMap(parseEntries),
        inbox: inbox.map(parseItem),
      }));
    },
    append(transition) {
      const stored = toStoredTransition(transition);
      return write('append', [stored], { bytes: stored.entries.length });
    },
    release: (id, fence, dueMs, nowMs) => write('release', [id, fence, dueMs, nowMs]),
    deliver: (id, input, nowMs) => write('deliver', [id, input, nowMs], { bytes: 1_024 }),
    inbox: async (id) => (await read('inbox', [id])).map(parseItem),
    async findAwaiting(key, limit, after = 0) {
      const found = await read('findAwaiting', [key, limit, after]);
      return found.map(({ detail, ...rest }) => ({
        ...rest,
        detail: detail === undefined ? undefined : parse(detail),
      }));
    },
    settleAwaiting: (id, op, input, nowMs) => write('settleAwaiting', [id, op, input, nowMs]),
    recover: (node, nowMs, limit) => write('recover', [node, nowMs, limit]),
    nextDueMs: () => read('nextDueMs', []),
    find: (id) => read('find', [id]),
    history: async (id, from, limit) => pageOf(await read('history', [id, from, limit]), from, limit),
    list: (query) => read('list', [query]),
    referencedPayloads: async (blobs) => new Set(await read('referencedPayloads', [blobs])),
    refersTo: (id, blob) => read('refersTo', [id, blob]),
    counts: () => read('counts', []),
    prune: (endedBeforeMs, endedMax, limit) => write('prune', [endedBeforeMs, endedMax, limit]),
  };
}

export function createJournalWrites(db: DatabaseSync, held: HeldExecutions) {
  const create = createStart(db, held);
  const countEnded = db.prepare(`
    SELECT sum(count) AS n FROM execution_counts WHERE status NOT IN ('queued', 'ready', 'running', 'waiting')`);
  const listEnded = db.prepare(`
    SELECT key, ended_ms FROM executions WHERE ended_ms IS NOT NULL ORDER BY ended_ms, key LIMIT ?`);
  const remove = db.prepare('DELETE FROM executions WHERE key = ? RETURNING id');
  const forgetName = db.prepare(`
    DELETE FROM state_machine_objects WHERE kind = 'executionName' AND value ->> 'id' = ?1 AND key =
      (SELECT value ->> 'machine' || ':' || (value ->> 'name') FROM state_machine_objects
        WHERE kind = 'execution' AND key = ?1)`);
  const forget = db.prepare("DELETE FROM state_machine_objects WHERE kind = 'execution' AND key = ?");
  const forgetRates = db.prepare('DELETE FROM execution_rates WHERE next_ms < ?');
  return {
    create,
    ...createTransitions(db, create, held),
    ...createJournalClaims(db, held),
    prune(endedBeforeMs: number, endedMax: number, limit: number): number {
      const beyond = numberOf(countEnded.get()!, 'n') - endedMax;
      const gone = listEnded
        .all(Math.max(0, limit))
        .filter((row, place) => place < beyond || numberOf(row, 'ended_ms') < endedBeforeMs);
      for (const row of gone) {
        const id = textOf(remove.get(numberOf(row, 'key'))!, 'id');
        // What the API of state machines kept of it: its name may be given again then.
        forgetName.run(id);
        forget.run(id);
      }
      if (gone.length > 0) forgetRates.run(endedBeforeMs);
      return gone.length;
    },
  };
}

/** The entries asked for out of whole transitions. */
function pageOf(found: readonly StoredEntries[], from: number, limit: number): JournalEntry[] {
  const first = found[0];
  if (first === undefined) return [];
  const skip = Math.max(0, from - first.seq);
  return found.flatMap((each) => parseEntries(each.entries)).slice(skip, skip + limit);
}

function parseEntries(text: string): JournalEntry[] {
  return parse(text) as JournalEntry[];
}

function parseItem({ position, input }: StoredInboxItem): InboxItem {
  return { position, input: parse(input) as ExecutionInput };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new LambentError('E_STORE_DAMAGED', 'A journal in the store holds no valid JSON.', { cause });
  }
}
