import assert from 'node:assert/strict';
import type { Failure, JournalEntry, Outcome, Payload, Task } from '../model/journal.ts';

/** An operation that has begun and not ended. */
export interface OpenOperation {
  readonly op: number;
  readonly task: Task;
  /** The latest attempt, from 1. */
  attempt: number;
  /** Attempts that are known to have failed. */
  failures: number;
  /** It ends by itself at this moment: a sleep completes, anything else fails. */
  dueMs: number | undefined;
  /** How long it may take in all; a heartbeat begins that anew. */
  readonly spanMs: number | undefined;
  /** The next attempt begins at this moment; `undefined`: one is under way. */
  retryAtMs: number | undefined;
  /** Why the last attempt failed for good; the program has not taken that in yet. */
  exhausted: Failure | undefined;
}

/** What an execution is: its journal, folded. It belongs to whoever folds it and is changed in place. */
export interface ExecutionState {
  /** Entries so far. */
  seq: number;
  input: Payload | undefined;
  seed: string;
  readonly open: Map<number, OpenOperation>;
  /** The highest number of an operation. */
  lastOp: number;
  /** Of large payloads, as often as entries name them. */
  largeBytes: number;
  cancelRequested: boolean;
  outcome: Outcome | undefined;
}

export function createExecutionState(): ExecutionState {
  return {
    seq: 0,
    input: undefined,
    seed: '',
    open: new Map(),
    lastOp: 0,
    largeBytes: 0,
    cancelRequested: false,
    outcome: undefined,
  };
}

/**
 * Folds one entry. Nothing else than state and entry decides what comes of it: no clock, no chance, no store.
 * A journal that breaks its own rules is a broken invariant and asserts.
 */
export function applyEntry(state: ExecutionState, entry: JournalEntry): void {
  assert.equal(state.outcome, undefined, 'nothing follows the end of an execution');
  assert.equal(entry.kind === 'started', state.seq === 0, 'a journal begins with `started`, once');
  state.seq += 1;
  switch (entry.kind) {
    case 'started':
      state.input = entry.input;
      state.seed = entry.seed;
      state.largeBytes += largeBytesOf(entry.input);
      break;
    case 'opened':
      assert.ok(entry.op > state.lastOp, `operation ${entry.op} is opened once, in order`);
      state.lastOp = entry.op;
      if ('input' in entry.task) state.largeBytes += largeBytesOf(entry.task.input);
      state.open.set(entry.op, {
        op: entry.op,
        task: entry.task,
        attempt: 1,
        failures: 0,
        dueMs: entry.dueMs,
        spanMs: entry.dueMs === undefined ? undefined : entry.dueMs - entry.atMs,
        retryAtMs: undefined,
        exhausted: undefined,
      });
      break;
    case 'attempted': {
      const operation = openOperation(state, entry.op);
      assert.equal(entry.attempt, operation.attempt + 1, 'attempts count up');
      operation.attempt = entry.attempt;
      operation.retryAtMs = undefined;
      break;
    }
    case 'attemptFailed': {
      const operation = openOperation(state, entry.op);
      operation.failures += 1;
      operation.retryAtMs = entry.retryAtMs;
      operation.exhausted = entry.retryAtMs === undefined ? entry.error : undefined;
      break;
    }
    case 'extended':
      openOperation(state, entry.op).dueMs = entry.dueMs;
      break;
    case 'completed':
      state.largeBytes += largeBytesOf(entry.output);
      openOperation(state, entry.op);
      state.open.delete(entry.op);
      break;
    case 'failed':
    case 'closed':
      openOperation(state, entry.op);
      state.open.delete(entry.op);
      break;
    case 'cancelRequested':
      state.cancelRequested = true;
      break;
    case 'ended':
      state.outcome = entry.outcome;
      state.open.clear();
      break;
    case 'signalled':
      state.largeBytes += largeBytesOf(entry.input);
      break;
    case 'answered':
    case 'noted':
      break;
    default:
      entry satisfies never;
  }
}

export function foldJournal(entries: readonly JournalEntry[]): ExecutionState {
  const state = createExecutionState();
  for (const entry of entries) applyEntry(state, entry);
  return state;
}

/** When an operation needs the engine by itself: a timer, a timeout, a retry. `undefined`: never. */
export function nextDueMs(operation: OpenOperation): number | undefined {
  const { dueMs, retryAtMs } = operation;
  if (dueMs === undefined || retryAtMs === undefined) return dueMs ?? retryAtMs;
  return Math.min(dueMs, retryAtMs);
}

function largeBytesOf(payload: Payload): number {
  return 'blob' in payload ? payload.bytes : 0;
}

function openOperation(state: ExecutionState, op: number): OpenOperation {
  const operation = state.open.get(op);
  assert.ok(operation !== undefined, `operation ${op} is open`);
  return operation;
}
