import type { Clock } from '../base/clock.ts';
import { ERROR_TABLE } from '../base/error-table.ts';
import { type ErrorCode, LambentError } from '../base/errors.ts';
import type { InvocationId } from '../base/ids.ts';
import type { FailureMessage } from '../model/frames.ts';
import type { FunctionVersion } from '../model/function.ts';
import type {
  InvocationError,
  InvocationRecord,
  InvocationStatus,
  TriggerKind,
} from '../model/invocation.ts';
import type { ActivitySink, CallTail } from '../ports/activity.ts';
import type { Lease } from '../ports/instance-pool.ts';

/** Codes that an instance may report about itself; anything else it says becomes E_FUNCTION_ERROR. */
const REPORTABLE: ReadonlySet<string> = new Set<ErrorCode>([
  'E_FUNCTION_ERROR',
  'E_HANDLER_MISSING',
  'E_BOOT_FAILED',
  'E_FUNCTION_RESPONSE_INVALID',
  'E_UPGRADE_REFUSED',
  'E_RESPONSE_TOO_LARGE',
]);

const STATUS_OF: Partial<Record<ErrorCode, InvocationStatus>> = {
  E_FUNCTION_TIMEOUT: 'timeout',
  E_FUNCTION_EXITED: 'crashed',
  E_INSTANCE_LOST: 'crashed',
  E_OUT_OF_MEMORY: 'crashed',
  E_PROTOCOL: 'crashed',
  E_CONCURRENCY_LIMIT: 'throttled',
  E_OVERLOADED: 'refused',
  E_START_FAILED: 'refused',
  E_SHUTTING_DOWN: 'refused',
  E_CLIENT_CLOSED: 'cancelled',
  // The request itself could not go on.
  E_BAD_REQUEST: 'cancelled',
  E_PAYLOAD_TOO_LARGE: 'cancelled',
};

/** The error of a failed invocation, from what the instance reported. */
export function errorOfFailure(failure: FailureMessage): InvocationError {
  const code = REPORTABLE.has(failure.code) ? (failure.code as ErrorCode) : 'E_FUNCTION_ERROR';
  const { errorType, errorMessage, stackTrace } = failure;
  return { code, errorType, errorMessage, stackTrace };
}

/** The error of an invocation that the platform ended. */
export function errorOfPlatform(error: LambentError): InvocationError {
  const stack = error.details?.stackTrace;
  return {
    code: error.code,
    errorType: error.code,
    errorMessage: error.message,
    stackTrace: Array.isArray(stack) ? stack : [],
  };
}

/** The names of classes of errors; what is thrown and is no error has a lower-case type, and the message says so. */
const CLASS_NAME = /^[A-Z]/;

/** What the caller of a failed invocation is told: the error's type and message, not its stack. */
export function lambentErrorOf(error: InvocationError): LambentError {
  const { code, errorType, errorMessage } = error;
  const named = code === 'E_FUNCTION_ERROR' && CLASS_NAME.test(errorType);
  return new LambentError(code, named ? `${errorType}: ${errorMessage}` : errorMessage, {
    hint: ERROR_TABLE[code].hint,
  });
}

/**
 * Writes into the author's log why the platform ended a call. Errors that the instance reported are there already,
 * and calls that never reached an instance have nothing to do with the code.
 */
export function explain(
  { activity, clock }: { readonly activity: ActivitySink; readonly clock: Clock },
  { id, version }: { readonly id: InvocationId; readonly version: FunctionVersion },
  lease: Lease,
  error: LambentError,
): void {
  if (error.facts.fault !== 'author') return;
  activity.log({
    sequence: 0,
    timeMs: clock.nowMs(),
    app: version.app,
    function: version.name,
    version: version.id,
    instance: lease.instance,
    invocation: id,
    stream: 'platform',
    severity: 'error',
    text: `${error.code}: ${error.message}. ${error.hint}`,
  });
}

/** What is the same of a call over HTTP and of one with an event. */
export interface CallFacts {
  readonly id: InvocationId;
  readonly version: FunctionVersion;
  readonly deployment: number;
  readonly trigger: TriggerKind;
  readonly callerRequestId?: string | undefined;
}

/** How a call went. */
export interface CallEnd {
  readonly lease: Lease | undefined;
  readonly arrivedMs: number;
  /** When the instance got it; meaningful with a lease. */
  readonly startedMonotonicMs: number;
  /** 0: not over HTTP. */
  readonly httpStatus: number;
  readonly summary: string;
  /** From 1 for asynchronous calls; 0 for others. */
  readonly attempt: number;
  readonly error: InvocationError | undefined;
}

/** Milliseconds that AWS Lambda would bill: rounded up, at least 1 once the code ran. */
export function billedMsOf(runMs: number): number {
  return Math.max(1, Math.ceil(runMs));
}

/** Records a call that ends now; `tail` is the call itself. */
export function settle(
  { activity, clock }: { readonly activity: ActivitySink; readonly clock: Clock },
  { id, version, deployment, trigger, callerRequestId }: CallFacts,
  { lease, arrivedMs, startedMonotonicMs, httpStatus, summary, attempt, error }: CallEnd,
  tail: CallTail,
): void {
  const heldMs = lease?.heldMs() ?? 0;
  const runMs = lease === undefined ? 0 : clock.monotonicMs() - startedMonotonicMs - heldMs;
  const record: InvocationRecord = {
    id,
    app: version.app,
    function: version.name,
    version: version.id,
    deployment,
    trigger,
    status: error === undefined ? 'ok' : (STATUS_OF[error.code] ?? 'error'),
    cold: lease?.cold ?? false,
    instance: lease?.instance,
    arrivedMs,
    queueUs: lease === undefined ? 0 : Math.round((lease.queueMs + heldMs) * 1000),
    startUs: lease === undefined ? 0 : Math.round(lease.startMs * 1000),
    runUs: Math.round(runMs * 1000),
    billedMs: lease === undefined ? 0 : billedMsOf(runMs),
    memoryMb: version.config.memoryMb,
    memoryPeakMb: lease?.memoryPeakMb() ?? 0,
    httpStatus,
    summary,
    callerRequestId,
    attempt,
    error,
  };
  activity.invocation(record, tail);
}
