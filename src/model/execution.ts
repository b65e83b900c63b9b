import type { ExecutionId, NodeId } from '../base/ids.ts';
import type { AppName } from './function.ts';
import type { Failure, Outcome, Payload } from './journal.ts';

/** Which front end reads and writes the journal. */
export type WorkflowKind = 'code' | 'asl';

/**
 * By which rules each front end goes from a journal to what comes next. A change after which a journal of before would
 * be gone on from in another way (another number of events of a state, another order of operations) gets the next
 * number, and a recorded journal of before in `test/fixtures/recorded-journals`. An execution keeps the number that it
 * began with: of older rules it goes on where both say the same, and is refused with `E_RULES_CHANGED` where not; of
 * newer ones it is left to the platform that knows them.
 *
 * asl 2: a failed branch or iteration cuts the others off before its state fails, with an event for each.
 * asl 3: states within a Map or Parallel are in the language of the machine, whatever that state says of itself; no
 * heartbeat in time is States.Timeout, which States.TaskFailed does not stand for.
 */
export const RULES: Readonly<Record<WorkflowKind, number>> = { code: 1, asl: 3 };

/**
 * queued -> ready -> running <-> waiting, and from running to one of the final ones.
 * *queued*: held back by its concurrency key. *ready*: can go on as soon as a node takes it. *running*: a node holds
 * it. *waiting*: for a timer or for something from outside; nothing of it is in any memory.
 */
export type ExecutionStatus = 'queued' | 'ready' | 'running' | 'waiting' | Outcome['status'];

export const FINAL_STATUSES: readonly Outcome['status'][] = [
  'succeeded',
  'failed',
  'cancelled',
  'timedOut',
  'continued',
];

export function isFinal(status: ExecutionStatus): status is Outcome['status'] {
  return (FINAL_STATUSES as readonly string[]).includes(status);
}

/** An operation of another execution, to which this one's end is told. */
export interface ParentOperation {
  readonly execution: ExecutionId;
  readonly op: number;
}

/** How an execution came about. */
export interface ExecutionOrigin {
  /** How many calls and events, each caused by the one before, led to it: what it does counts on from there. */
  readonly depth: number;
  /** W3C Trace Context of whoever started it. */
  readonly traceparent: string | undefined;
}

/** What is known of an execution without its journal. */
export interface ExecutionRecord {
  readonly id: ExecutionId;
  readonly app: AppName;
  readonly workflow: string;
  readonly kind: WorkflowKind;
  /** What it runs for its whole life: a function's version, or the digest of a definition. */
  readonly version: string;
  readonly deployment: number;
  /** The number of the rules by which it began: `RULES`. */
  readonly rules: number;
  readonly status: ExecutionStatus;
  /** Higher goes first. -100 to 100. */
  readonly priority: number;
  readonly parent: ParentOperation | undefined;
  /** Absent: nothing led to it. */
  readonly origin?: ExecutionOrigin | undefined;
  /** It takes one of the places of this key until it ends. */
  readonly concurrencyKey?: string | undefined;
  /** Epoch milliseconds. */
  readonly createdMs: number;
  readonly endedMs: number | undefined;
  /** When a waiting one goes on by itself. */
  readonly dueMs: number | undefined;
  /** When it is over, whatever it does. */
  readonly expiresMs: number | undefined;
  /** Who holds it while it is running. */
  readonly node: NodeId | undefined;
  /** Entries in its journal, and their bytes; while it is held, the latter may lag behind by 64 KiB. */
  readonly entries: number;
  readonly bytes: number;
}

/** What comes to an execution from outside. It lies in its inbox until its program takes it in. */
export type ExecutionInput =
  | { readonly kind: 'signal'; readonly name: string; readonly input: Payload; readonly update?: string }
  /** `force`: at once, without a word to the program. */
  | { readonly kind: 'cancel'; readonly reason: string; readonly force?: boolean }
  | { readonly kind: 'completed'; readonly op: number; readonly output: Payload }
  | { readonly kind: 'failed'; readonly op: number; readonly error: Failure }
  /** Somebody works on the operation: its time counts anew. */
  | { readonly kind: 'heartbeat'; readonly op: number };
