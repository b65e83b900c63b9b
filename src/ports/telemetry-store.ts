import type { InvocationId } from '../base/ids.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type {
  InvocationRecord,
  InvocationStatus,
  LogLine,
  LogSeverity,
  TriggerKind,
} from '../model/invocation.ts';

export interface InvocationFilter {
  readonly app?: AppName;
  readonly function?: FunctionName;
  readonly status?: InvocationStatus;
  readonly trigger?: TriggerKind;
  /** Inclusive, epoch milliseconds of arrival. */
  readonly fromMs?: number;
  /** Exclusive. */
  readonly toMs?: number;
  /** At least this run time, in microseconds. */
  readonly runUsMin?: number;
  /** Occurs in the summary or in the error's type or message, ignoring ASCII case. At most 1,000 characters. */
  readonly text?: string;
}

/** One page, newest first. `next` continues it; `undefined`: that was all. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | undefined;
}

export interface LogFilter {
  readonly app?: AppName;
  readonly function?: FunctionName;
  readonly invocation?: InvocationId;
  readonly severityMin?: LogSeverity;
  /** Occurs in the text, ignoring ASCII case. At most 1,000 characters. */
  readonly text?: string;
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** Sums per function over a span of time, for cost and overview. */
export interface UsageRow {
  readonly app: AppName;
  readonly function: FunctionName;
  readonly memoryMb: number;
  readonly invocations: number;
  /** Those whose status is a failure (`isFailure`). */
  readonly errors: number;
  readonly coldStarts: number;
  readonly billedMs: number;
  /** Billed milliseconds times megabytes. */
  readonly billedMbMs: number;
}

/** How long the calls of one function that arrived within one minute took, by the buckets of `latency-buckets.ts`. */
export interface LatencyMinute {
  readonly startMs: number;
  readonly app: AppName;
  readonly function: FunctionName;
  readonly counts: Uint32Array;
}

/** Records in order, each made when it is read: an array is one, and so is what keeps them in a more compact form. */
export type RecordList = Iterable<InvocationRecord> & { readonly length: number };

/** History of invocations and their log lines. Written off the hot path, in batches; kept by time and size limits. */
export interface TelemetryStore {
  /**
   * Stores finished invocations and log lines in one transaction, in the order given.
   * Log lines get their sequence numbers here; the call returns the highest so far.
   */
  append(invocations: RecordList, lines: readonly LogLine[]): Promise<number>;
  findInvocation(id: InvocationId): Promise<InvocationRecord | undefined>;
  /** Newest first. `limit` 1 to 1,000; `cursor` is a former page's `next`. A cursor that is none: `E_BAD_REQUEST`. */
  listInvocations(filter: InvocationFilter, limit: number, cursor?: string): Promise<Page<InvocationRecord>>;
  /** The last `limit` (1 to 10,000) lines that match, oldest first. */
  tailLogs(filter: LogFilter, limit: number): Promise<LogLine[]>;
  /** Up to `limit` lines that match with a sequence above `after`, oldest first: for following. */
  logsAfter(filter: LogFilter, after: number, limit: number): Promise<LogLine[]>;
  /**
   * Sums over the arrivals from `fromMs` to before `toMs`, by app, function and memory. The span is widened to whole
   * minutes, and to whole hours where it begins or ends more than two days before the newest. Pruning leaves the sums.
   */
  usage(fromMs: number, toMs: number): Promise<UsageRow[]>;
  /** The same for each of so many steps, one behind the other. */
  usageSteps(fromMs: number, stepMs: number, steps: number): Promise<UsageRow[][]>;
  /**
   * Each minute with calls from `fromMs` on, the newest first, at least of the hour before the newest call; whatever
   * is pruned of the calls.
   */
  latencyMinutes(fromMs: number): Promise<LatencyMinute[]>;
  /**
   * Deletes what is older than `beforeMs`, then the oldest until at most these many remain; returns how many went.
   * The oldest invocations are those that arrived first, the oldest lines those that were stored first.
   */
  prune(
    beforeMs: number,
    invocationsMax: number,
    linesMax: number,
  ): Promise<{ invocations: number; lines: number }>;
}
