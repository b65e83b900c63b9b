import type { InstanceId } from '../base/ids.ts';
import type { AppName, FunctionName, VersionId } from '../model/function.ts';
import type { InvocationRecord, LogLine } from '../model/invocation.ts';

/** What happens, as it happens: rooms report here; telemetry, metrics and live views listen. Never blocks, never throws. */
export interface ActivitySink {
  invocation(record: InvocationRecord): void;
  log(line: LogLine): void;
}

/** An instance as lists show it. */
export interface InstanceView {
  readonly id: InstanceId;
  readonly app: AppName;
  readonly function: FunctionName;
  readonly version: VersionId;
  readonly state: 'starting' | 'ready' | 'frozen' | 'retiring';
  readonly pid: number;
  readonly startedMs: number;
  readonly activeInvocations: number;
  readonly servedInvocations: number;
  readonly memoryPeakMb: number;
  /** It stays up without work: one of `minInstances`, or of an open window of `keepWarm`. */
  readonly kept: boolean;
  /** Invocations that it takes at once; 0 until it is ready. */
  readonly concurrency: number;
  /** Why so many, as a part of a sentence. */
  readonly concurrencyReason: string;
}

/** What the pool looks like now. */
export interface PoolView {
  instances(): readonly InstanceView[];
  /** Invocations that wait for an instance, over all functions. */
  readonly waiting: number;
  /** Processes that wait without code for a version that needs one. */
  readonly prewarmed: number;
}
