import type { ExecutionId, NodeId } from '../base/ids.ts';
import type {
  ExecutionInput,
  ExecutionRecord,
  ExecutionOrigin,
  ExecutionStatus,
  ParentOperation,
  WorkflowKind,
} from '../model/execution.ts';
import type { AppName } from '../model/function.ts';
import type { JournalEntry } from '../model/journal.ts';

/**
 * Where executions and their journals are. A node *claims* an execution, appends to its journal under the claim's
 * *fence*, and gives it back. Everything that happens to an execution is one call here, atomic and durable when it
 * resolves. Who lost a claim changes nothing any more.
 */
export interface JournalStore {
  /** Begins an execution, or finds the one that has the same idempotency key. */
  create(execution: NewExecution, nowMs: number): Promise<CreateOutcome>;
  /**
   * Takes up to `limit` executions that can go on: ready ones by priority and age, then those whose time has come.
   * Fewer when their journals are large; none only when there are none.
   */
  claim(node: NodeId, nowMs: number, limit: number): Promise<ClaimedExecution[]>;
  /** One transition under a claim. `false`: the claim was lost, or the journal has gone on; nothing was changed. */
  append(transition: Transition): Promise<boolean>;
  /** Gives a claim back as it is, after trouble: ready from `dueMs` on. False: it was lost already. */
  release(id: ExecutionId, fence: number, dueMs: number, nowMs: number): Promise<boolean>;
  /** Puts an input into an execution's inbox and makes it ready if it waits. */
  deliver(id: ExecutionId, input: ExecutionInput, nowMs: number): Promise<DeliverOutcome>;
  /** What lies in the inbox of an execution that is held, in order of arrival. */
  inbox(id: ExecutionId): Promise<InboxItem[]>;
  /** Operations that wait for something known by this key, oldest first. */
  findAwaiting(key: string, limit: number, after?: number): Promise<Awaiting[]>;
  /** Delivers to an operation that waits, which waits no more: of two at once, one succeeds. */
  settleAwaiting(execution: ExecutionId, op: number, input: ExecutionInput, nowMs: number): Promise<boolean>;
  /** Takes back what other nodes than this one hold (on one machine: a platform that died), so many at most. Returns how many. */
  recover(node: NodeId, nowMs: number, limit: number): Promise<number>;
  /** When the earliest waiting execution is due; `undefined`: none is. Ready ones count as due at 0. */
  nextDueMs(): Promise<number | undefined>;
  find(id: ExecutionId): Promise<ExecutionRecord | undefined>;
  /** Entries from place `from` on (0: the first), at most `limit`; fewer when they are large, none at the end. */
  history(id: ExecutionId, from: number, limit: number): Promise<JournalEntry[]>;
  /** Newest first. */
  list(query: ExecutionQuery): Promise<ExecutionRecord[]>;
  /** Which of these large payloads executions refer to: in their journals, or in what lies in their inboxes. */
  referencedPayloads(blobs: readonly string[]): Promise<ReadonlySet<string>>;
  /** Whether this execution refers to a large payload. */
  refersTo(id: ExecutionId, blob: string): Promise<boolean>;
  counts(): Promise<Readonly<Record<ExecutionStatus, number>>>;
  /**
   * Removes executions that ended before `endedBeforeMs`, and the oldest that ended while there are more than
   * `endedMax` of them; at most `limit`, oldest first. Returns how many.
   */
  prune(endedBeforeMs: number, endedMax: number, limit: number): Promise<number>;
}

export interface NewExecution {
  readonly id: ExecutionId;
  readonly app: AppName;
  readonly workflow: string;
  readonly kind: WorkflowKind;
  readonly version: string;
  readonly deployment: number;
  /** By which rules its first entries were written, where they are those of another. Default: `RULES`. */
  readonly rules?: number;
  /** The journal's first entries: `started`. */
  readonly entries: readonly JournalEntry[];
  readonly priority: number;
  readonly parent: ParentOperation | undefined;
  readonly origin?: ExecutionOrigin | undefined;
  readonly expiresMs: number | undefined;
  /** Not before this moment. */
  readonly notBeforeMs?: number;
  /** Starting twice with the same key and fingerprint of the input is starting once. Per workflow. */
  readonly idempotency?: { readonly key: string; readonly fingerprint: string };
  /** At most `limit` executions of the workflow with this key are under way at once; further ones are queued. */
  readonly concurrency?: { readonly key: string; readonly limit: number };
  /** Starts with this key are spread: at most `limit` in any `perMs`; further ones begin later. */
  readonly rate?: { readonly key: string; readonly limit: number; readonly perMs: number };
  /** Replaces an execution with this key that has not begun yet; begins when `waitMs` passed without another. */
  readonly debounce?: { readonly key: string; readonly waitMs: number };
  /** Claimed by this node from the beginning, unless it has to wait. */
  readonly claimBy?: NodeId;
}

export type CreateOutcome =
  /** `fence` is there when the execution was claimed at once. */
  | { readonly status: 'created'; readonly id: ExecutionId; readonly fence: number | undefined }
  /** The idempotency key was used: by a start with the same input, or by another one. */
  | { readonly status: 'exists'; readonly id: ExecutionId; readonly sameInput: boolean }
  /** An execution that had not begun yet has this input now. */
  | { readonly status: 'replaced'; readonly id: ExecutionId };

export interface ClaimedExecution {
  readonly record: ExecutionRecord;
  readonly fence: number;
  readonly entries: readonly JournalEntry[];
  readonly inbox: readonly InboxItem[];
}

export interface InboxItem {
  readonly position: number;
  readonly input: ExecutionInput;
}

export interface Awaiting {
  readonly position: number;
  readonly execution: ExecutionId;
  readonly app: AppName;
  readonly op: number;
  /** JSON, as the transition said. */
  readonly detail: unknown;
}

/** All that one transition of an execution changes. */
export interface Transition {
  readonly id: ExecutionId;
  readonly fence: number;
  /** How many entries the journal has before this transition. */
  readonly seq: number;
  readonly entries: readonly JournalEntry[];
  readonly next: NextState;
  /** Places of the inbox that were taken in. */
  readonly consumed: readonly number[];
  /** Operations that wait for a key from now on, and those that wait no more. */
  readonly awaits: readonly { readonly op: number; readonly key: string; readonly detail?: unknown }[];
  readonly awaitsNoMore: readonly number[];
  /** The outbox: inputs to other executions. Those that ended or never were are passed over. */
  readonly messages: readonly { readonly to: ExecutionId; readonly input: ExecutionInput }[];
  /** Executions that begin with this transition. An id that exists already is passed over. */
  readonly starts: readonly NewExecution[];
  readonly nowMs: number;
}

export type NextState =
  /** The claim is kept. */
  | { readonly status: 'running' }
  /** The claim is given back. It becomes ready at once if something lies in the inbox. */
  | { readonly status: 'waiting'; readonly dueMs: number | undefined }
  | { readonly status: 'ready' }
  /** The last entry is `ended`. */
  | { readonly status: 'ended' };

export type DeliverOutcome =
  | { readonly status: 'delivered'; readonly held: boolean }
  | { readonly status: 'ended'; readonly as: ExecutionStatus }
  | { readonly status: 'unknown' }
  | { readonly status: 'full' };

export interface ExecutionQuery {
  readonly app?: AppName;
  readonly workflow?: string;
  readonly status?: ExecutionStatus;
  readonly parent?: ExecutionId;
  readonly limit: number;
  /** Only those created before this one. */
  readonly before?: ExecutionId;
}

/** Most inputs that lie in one inbox; `deliver` answers `full` beyond. */
export const INBOX_MAX = 10_000;
