import type { InstanceId } from '../base/ids.ts';
import type { AppName, FunctionName, VersionId } from '../model/function.ts';
import type { InvocationRecord, LogLine } from '../model/invocation.ts';

/** What brought a call about: a route, another function, a trigger; else a person or a program, by the API. */
export interface CallVia {
  readonly kind: 'route' | 'function' | 'trigger' | 'api';
  /** `GET /users/:id`, `app/function`, `app/trigger`; empty for the API. */
  readonly name: string;
}

/** One side of a call, as bytes: `head` and `headerLines` (lines of `name: value`) over HTTP alone. */
export interface RawPayload {
  readonly head?: string;
  readonly headerLines?: string;
  /** The beginning, in pieces: as much as was kept. */
  readonly body: readonly Uint8Array[];
  /** Bytes of all of it. */
  readonly bytes: number;
}

/** A call that ended, beyond its record. It is to be read at once, and only what is asked for is made. */
export interface CallTail {
  readonly via: CallVia;
  /** Its caller's trace context. */
  readonly traceparent: string | undefined;
  /** False where the manifest says that what goes in and comes out is not to be kept. */
  readonly mayKeep: boolean;
  input(): RawPayload | undefined;
  output(): RawPayload | undefined;
}

/** What happens, as it happens: rooms report here; telemetry, metrics and live views listen. Never blocks, never throws. */
export interface ActivitySink {
  invocation(record: InvocationRecord, tail?: CallTail): void;
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
