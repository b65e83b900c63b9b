import type { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import type { InvocationId, NodeId } from '../base/ids.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { AsyncInvocation, AsyncQueue, ClaimedInvocation } from '../ports/async-queue.ts';
import type { CalledBy } from '../ports/platform-calls.ts';
import type { Caller } from './operation.ts';
import { bytesOf, jsonOf, numberOf, optionalNumberOf, optionalTextOf, type Row, textOf } from './row.ts';

export type QueueWrites = ReturnType<typeof createQueueWrites>;
export type QueueReads = ReturnType<typeof createQueueReads>;

type NewInvocation = Omit<AsyncInvocation, 'attempts'>;
type DeadInvocation = AsyncInvocation & { readonly error: InvocationError; readonly diedMs: number };

/** Most invocations that wait or are claimed; then `enqueue` is refused with `E_OVERLOADED`. */
export const ASYNC_OWED_MAX = 1_000_000;
/** Most of the dead that are kept; with one more, the oldest go. */
export const ASYNC_DEAD_MAX = 100_000;
/** Most that one `claim` or `listDead` gives. */
export const ASYNC_PAGE_MAX = 1_000;
/** Most payload bytes that one `claim` or `listDead` gives, unless a single one has more. */
export const ASYNC_PAGE_BYTES_MAX = 32 * 1024 * 1024;

const COLUMNS = 'id, app, function, payload, traceparent, caller, accepted_ms, attempts';
const FROM = 'FROM async_invocations JOIN async_payloads USING (key)';

export interface QueueLimits {
  readonly owedMax: number;
  readonly deadMax: number;
}

export const QUEUE_LIMITS: QueueLimits = { owedMax: ASYNC_OWED_MAX, deadMax: ASYNC_DEAD_MAX };

export function createAsyncQueue(
  write: Caller<QueueWrites>,
  read: Caller<QueueReads>,
  nowMs: () => number,
): AsyncQueue {
  return {
    enqueue(invocation) {
      // A payload is often a view of a larger buffer, all of which would be copied: this takes its own bytes only.
      const payload = new Uint8Array(invocation.payload);
      const cost = { bytes: payload.byteLength, transfer: [payload.buffer] };
      return write('enqueue', [{ ...invocation, payload }], cost);
    },
    claim: (node, now, limit) => write('claim', [node, now, limit]),
    complete: (id, fence) => write('complete', [id, fence]),
    fail: (id, fence, error, retryAtMs) => write('fail', [id, fence, error, retryAtMs, nowMs()]),
    recover: (node) => write('recover', [node]),
    nextDueMs: () => read('nextDueMs', []),
    counts: () => read('counts', []),
    listDead: (limit) => read('listDead', [limit]),
  };
}

export function createQueueWrites(db: DatabaseSync, limits: QueueLimits = QUEUE_LIMITS) {
  return { ...createAcceptance(db, limits), ...createClaims(db), ...createEndings(db, limits) };
}

function createAcceptance(db: DatabaseSync, limits: QueueLimits) {
  const insert = db.prepare(`
    INSERT INTO async_invocations (id, state, app, function, traceparent, caller, accepted_ms, due_ms)
    VALUES (?1, 'waiting', ?2, ?3, ?4, ?5, ?6, ?6)
    ON CONFLICT (id) DO NOTHING RETURNING key`);
  const insertPayload = db.prepare('INSERT INTO async_payloads (key, payload) VALUES (?, ?)');
  const counts = db.prepare('SELECT state, count FROM async_counts');
  return {
    enqueue(invocation: NewInvocation): void {
      const { id, app, function: name, payload, traceparent, caller, acceptedMs } = invocation;
      const callerText = caller === undefined ? null : JSON.stringify(toStoredCaller(caller));
      const row = insert.get(id, app, name, traceparent ?? null, callerText, acceptedMs);
      if (row === undefined) return;
      insertPayload.run(numberOf(row, 'key'), payload);
      const { waiting, claimed } = toCounts(counts.all());
      // Thrown after the insert: the savepoint takes it back, and the same id twice stays welcome when full.
      if (waiting + claimed > limits.owedMax)
        throw new LambentError(
          'E_OVERLOADED',
          `The asynchronous queue holds ${limits.owedMax} invocations, its limit.`,
          { retryAfterS: 5 },
        );
    },
  };
}

function createClaims(db: DatabaseSync) {
  const nextFence = db.prepare(`
    INSERT INTO counters (name, value) VALUES ('async_fence', 1)
    ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value`);
  const listDue = db.prepare(`
    SELECT key, length(payload) AS bytes FROM async_invocations JOIN async_payloads USING (key)
    WHERE state = 'waiting' AND due_ms <= ? ORDER BY due_ms, key LIMIT ?`);
  const claim = db.prepare(`
    UPDATE async_invocations SET state = 'claimed', node = ?, fence = ?, attempts = attempts + 1
    WHERE key = ?`);
  const find = db.prepare(`SELECT ${COLUMNS}, fence ${FROM} WHERE key = ?`);
  const recover = db.prepare(
    "UPDATE async_invocations SET state = 'waiting', node = NULL WHERE state = 'claimed' AND node <> ?",
  );
  return {
    claim(node: NodeId, nowMs: number, limit: number): ClaimedInvocation[] {
      const due = withinBytes(listDue.all(nowMs, pageOf(limit)));
      if (due.length === 0) return [];
      // One for all that are claimed together: it only has to be above every former one.
      const fence = numberOf(nextFence.get()!, 'value');
      return due.map((row) => {
        const key = numberOf(row, 'key');
        claim.run(node, fence, key);
        const claimed = find.get(key)!;
        return { ...toInvocation(claimed), fence: numberOf(claimed, 'fence') };
      });
    },
    recover: (node: NodeId): number => Number(recover.run(node).changes),
  };
}

function createEndings(db: DatabaseSync, limits: QueueLimits) {
  const counts = db.prepare('SELECT state, count FROM async_counts');
  const complete = db.prepare(
    "DELETE FROM async_invocations WHERE id = ? AND fence = ? AND state = 'claimed'",
  );
  const retry = db.prepare(`
    UPDATE async_invocations SET state = 'waiting', node = NULL, due_ms = ?, error = ?
    WHERE id = ? AND fence = ? AND state = 'claimed'`);
  const bury = db.prepare(`
    UPDATE async_invocations SET state = 'dead', node = NULL, died_ms = ?, error = ?
    WHERE id = ? AND fence = ? AND state = 'claimed'`);
  const dropDead = db.prepare(`
    DELETE FROM async_invocations WHERE key IN (
      SELECT key FROM async_invocations WHERE state = 'dead' ORDER BY died_ms, key LIMIT ?)`);
  return {
    complete: (id: InvocationId, fence: number): boolean => complete.run(id, fence).changes === 1,
    fail(
      id: InvocationId,
      fence: number,
      error: InvocationError,
      retryAtMs: number | undefined,
      nowMs: number,
    ): boolean {
      const text = JSON.stringify(error);
      if (retryAtMs !== undefined) return retry.run(retryAtMs, text, id, fence).changes === 1;
      if (bury.run(nowMs, text, id, fence).changes === 0) return false;
      const { dead } = toCounts(counts.all());
      if (dead > limits.deadMax) dropDead.run(dead - limits.deadMax);
      return true;
    },
  };
}

export function createQueueReads(db: DatabaseSync) {
  const nextDue = db.prepare("SELECT min(due_ms) AS due_ms FROM async_invocations WHERE state = 'waiting'");
  const counts = db.prepare('SELECT state, count FROM async_counts');
  const sizeDead = db.prepare(`
    SELECT key, length(payload) AS bytes FROM async_invocations JOIN async_payloads USING (key)
    WHERE state = 'dead' ORDER BY died_ms DESC, key DESC LIMIT ?`);
  const findDead = db.prepare(`SELECT ${COLUMNS}, error, died_ms ${FROM} WHERE key = ?`);
  const toDead = (key: number): DeadInvocation => {
    const row = findDead.get(key)!;
    return {
      ...toInvocation(row),
      error: jsonOf(row, 'error') as InvocationError,
      diedMs: numberOf(row, 'died_ms'),
    };
  };
  return {
    nextDueMs: (): number | undefined => optionalNumberOf(nextDue.get()!, 'due_ms'),
    counts: (): QueueCounts => toCounts(counts.all()),
    listDead: (limit: number): DeadInvocation[] =>
      withinBytes(sizeDead.all(pageOf(limit))).map((row) => toDead(numberOf(row, 'key'))),
  };
}

function pageOf(limit: number): number {
  return Math.max(0, Math.min(limit, ASYNC_PAGE_MAX));
}

/** The first of these rows whose payloads stay within ASYNC_PAGE_BYTES_MAX, and at least one. */
function withinBytes(rows: Row[]): Row[] {
  let bytes = 0;
  const beyond = rows.findIndex((row, index) => {
    bytes += numberOf(row, 'bytes');
    return index > 0 && bytes > ASYNC_PAGE_BYTES_MAX;
  });
  return beyond < 0 ? rows : rows.slice(0, beyond);
}

interface QueueCounts {
  waiting: number;
  claimed: number;
  dead: number;
}

function toCounts(rows: Row[]): QueueCounts {
  const counts: QueueCounts = { waiting: 0, claimed: 0, dead: 0 };
  for (const row of rows) counts[textOf(row, 'state') as keyof QueueCounts] = numberOf(row, 'count');
  return counts;
}

/** The caller as stored: nobody waits for an asynchronous call, so that its chain is only as long as it is. */
interface StoredCaller {
  readonly app: AppName;
  readonly function: FunctionName;
  readonly invocation?: InvocationId;
  readonly depth: number;
}

function toStoredCaller({ app, function: name, invocation, chain }: CalledBy): StoredCaller {
  const caller = { app, function: name, depth: chain.depth };
  return invocation === undefined ? caller : { ...caller, invocation };
}

function toCaller({ app, function: name, invocation, depth }: StoredCaller): CalledBy {
  return { app, function: name, invocation, chain: { depth, waiting: [] } };
}

function toInvocation(row: Row): AsyncInvocation {
  return {
    id: textOf(row, 'id') as InvocationId,
    app: textOf(row, 'app') as AppName,
    function: textOf(row, 'function') as FunctionName,
    payload: bytesOf(row, 'payload'),
    traceparent: optionalTextOf(row, 'traceparent'),
    caller: row.caller === null ? undefined : toCaller(jsonOf(row, 'caller') as StoredCaller),
    acceptedMs: numberOf(row, 'accepted_ms'),
    attempts: numberOf(row, 'attempts'),
  };
}
