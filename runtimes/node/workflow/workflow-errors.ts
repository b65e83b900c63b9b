import type { Failure } from '../../../src/model/journal.ts';
import { LargeValue } from './large-value.ts';
import { describeFailure, isFinal, RuntimeFailure } from '../failure.ts';

/** What the platform says went wrong, as the workflow's code catches it. */
export class WorkflowFailure extends Error {
  readonly code: string;
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.errorMessage);
    this.name = failure.errorType;
    this.code = failure.code;
    this.failure = failure;
    if (failure.stackTrace.length > 0)
      this.stack = `${failure.errorType}: ${failure.errorMessage}\n    ${failure.stackTrace.join('\n    ')}`;
  }
}

export function cancelledFailure(reason: string): Failure {
  return { code: 'E_EXECUTION_CANCELLED', errorType: 'CancelledError', errorMessage: reason, stackTrace: [] };
}

/** A failure that the runtime itself found. Doing the same again would find the same. */
export function misuse(code: string, message: string, errorType: string = code): WorkflowFailure {
  const error = new WorkflowFailure({ code, errorType, errorMessage: message, stackTrace: [] });
  return Object.assign(error, { retryable: false });
}

/** Any thrown value as the journal keeps it. One that came through the platform stays what it was. */
export function failureOfThrown(thrown: unknown): Failure {
  if (thrown instanceof WorkflowFailure) return thrown.failure;
  const { code, errorType, errorMessage, stackTrace } = describeFailure(thrown, 'E_FUNCTION_ERROR');
  return {
    code,
    errorType: errorType.slice(0, 256) || 'Error',
    errorMessage,
    stackTrace: stackTrace.slice(0, 20).map((line) => line.slice(0, 2_048)),
  };
}

/** Whether another attempt makes sense: unless the error says that it does not. */
export function isRetryable(thrown: unknown): boolean {
  return !(thrown instanceof RuntimeFailure) && !isFinal(thrown);
}

/** The largest payload within a message and the largest of all, in bytes of JSON (as `src/model/journal.ts` has them). */
const INLINE_PAYLOAD_BYTES_MAX = 6 * 1024 * 1024;
const LARGE_PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A value as it will be read back, at this run as at any replay; what JSON cannot hold is refused.
 *
 * @param bytesMax answers of queries and updates go to whoever asked, not to the journal alone: they have the inline limit
 */
export function toPayload(
  value: unknown,
  what: string,
  bytesMax = LARGE_PAYLOAD_BYTES_MAX,
): { readonly json: unknown } {
  if (value === undefined || value === null) return { json: null };
  if (typeof value === 'boolean' || (typeof value === 'string' && value.length < 1_024))
    return { json: value };
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (thrown) {
    throw new RuntimeFailure(
      'E_NOT_SERIALIZABLE',
      'NotSerializable',
      `${what} cannot be written as JSON: ${thrown instanceof Error ? thrown.message.split('\n')[0] : thrown}`,
    );
  }
  if (text === undefined)
    throw new RuntimeFailure(
      'E_NOT_SERIALIZABLE',
      'NotSerializable',
      `${what} is a ${typeof value}, which JSON cannot hold`,
    );
  if (text.length * 3 <= INLINE_PAYLOAD_BYTES_MAX) return { json: JSON.parse(text) as unknown };
  const size = Buffer.byteLength(text);
  if (size > bytesMax)
    throw new RuntimeFailure(
      'E_PAYLOAD_TOO_LARGE',
      'PayloadTooLarge',
      `${what} has ${size} bytes as JSON; at most ${bytesMax} are allowed`,
    );
  return size > INLINE_PAYLOAD_BYTES_MAX
    ? new LargeValue(Buffer.from(text))
    : { json: JSON.parse(text) as unknown };
}

/** A value that is answered to somebody. */
export function toAnswer(value: unknown, what: string): { readonly json: unknown } {
  return toPayload(value, what, INLINE_PAYLOAD_BYTES_MAX);
}
