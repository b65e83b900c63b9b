import type { ErrorCode } from '../base/errors.ts';
import type { InstanceId, InvocationId } from '../base/ids.ts';
import type { AppName, FunctionName, VersionId } from './function.ts';

/** What started an invocation. Places in this list are stored: append only. */
export const TRIGGER_KINDS = ['http', 'invoke', 'async', 'websocket', 'event'] as const;
export type TriggerKind = (typeof TRIGGER_KINDS)[number];

/**
 * How an invocation ended. `throttled` and `refused` never reached an instance. Places in this list are stored: append
 * only.
 */
export const INVOCATION_STATUSES = [
  'ok',
  'error',
  'timeout',
  'crashed',
  'throttled',
  'refused',
  'cancelled',
] as const;
export type InvocationStatus = (typeof INVOCATION_STATUSES)[number];

/** Whether sums count an ending among the errors. A caller who went away (a stream has no other end) is none. */
export function isFailure(status: InvocationStatus): boolean {
  return status !== 'ok' && status !== 'cancelled';
}

/** One finished call of a function: the unit of history, metrics and cost. */
export interface InvocationRecord {
  readonly id: InvocationId;
  readonly app: AppName;
  readonly function: FunctionName;
  readonly version: VersionId;
  readonly deployment: number;
  readonly trigger: TriggerKind;
  readonly status: InvocationStatus;
  /** True when a process had to be started for it. */
  readonly cold: boolean;
  readonly instance: InstanceId | undefined;
  /** Arrival, epoch milliseconds. */
  readonly arrivedMs: number;
  /** Waiting for an instance, without its start, in microseconds. */
  readonly queueUs: number;
  /** Waiting for a new process and the loading of the code, in microseconds; 0 when warm. */
  readonly startUs: number;
  /** Hand-over to the instance until the end of the answer, in microseconds. */
  readonly runUs: number;
  /** Run time rounded up to whole milliseconds: what AWS Lambda bills. */
  readonly billedMs: number;
  readonly memoryMb: number;
  /** The highest resident memory of the instance so far, in megabytes; 0: not measured. */
  readonly memoryPeakMb: number;
  /** HTTP status of the answer; 0 where the trigger is not HTTP. */
  readonly httpStatus: number;
  /** `GET /users/42` for HTTP (no query string: it may hold secrets); empty otherwise. At most 256 characters. */
  readonly summary: string;
  /** The x-request-id that an HTTP caller sent with it, at most 128 characters; the answer bore it, instead of `id`. */
  readonly callerRequestId: string | undefined;
  /** Attempt number of an asynchronous invocation, from 1; 0 otherwise. */
  readonly attempt: number;
  readonly error: InvocationError | undefined;
}

/** The error of an invocation: one shape in every language. */
export interface InvocationError {
  readonly code: ErrorCode;
  /** Name of the error's class, as `TypeError`. */
  readonly errorType: string;
  readonly errorMessage: string;
  /** Stack lines, source-mapped, the user's own first. At most 50. */
  readonly stackTrace: readonly string[];
}

export type LogStream = 'stdout' | 'stderr' | 'platform';
export type LogSeverity = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** One line that a function (or the platform about it) wrote. */
export interface LogLine {
  /** Grows by one with each stored line: the position for following. 0 before it is stored. */
  readonly sequence: number;
  /** Epoch milliseconds. */
  readonly timeMs: number;
  readonly app: AppName;
  readonly function: FunctionName;
  readonly version: VersionId;
  readonly instance: InstanceId | undefined;
  /** `undefined` for lines outside any invocation, such as those at load. */
  readonly invocation: InvocationId | undefined;
  readonly stream: LogStream;
  readonly severity: LogSeverity;
  /** At most 64 KiB of text; longer lines are cut and say so. */
  readonly text: string;
}
