import type { InvocationRecord, LogLine } from '../model/invocation.ts';

/** What telemetry had to give up, by kind and reason, since the start. */
export interface TelemetryDrops {
  /** Oldest records that made room for newer ones while the store was slower than the work. */
  readonly invocationsOverflow: number;
  readonly linesOverflow: number;
  /** Records that the store refused, after retries. */
  readonly invocationsFailed: number;
  readonly linesFailed: number;
}

/**
 * Listens to what is reported to the `ActivitySink`. Each `on…` returns how to stop; there may be
 * `ACTIVITY_LISTENERS_MAX` listeners of a kind, and one more is refused with `E_OVERLOADED`.
 */
export interface ActivityFeed {
  /** Called at once, within the turn that finished the invocation: a listener must be quick. If it throws it is removed. */
  onInvocation(listener: (record: InvocationRecord) => void): () => void;
  /** Called at once, before the line is stored (its sequence is still 0). As quick as above. */
  onLine(listener: (line: LogLine) => void): () => void;
  /** Called after each write to the store, with the highest sequence of a log line so far: a signal to read on. */
  onStored(listener: (lastSequence: number) => void): () => void;
  /** Resolves when everything reported before the call is stored, or given up and counted. Never rejects. */
  flush(): Promise<void>;
  readonly dropped: TelemetryDrops;
}

export const ACTIVITY_LISTENERS_MAX = 256;
