import type { ErrorCode, LambentError } from '../base/errors.ts';
import type { Failure } from '../model/journal.ts';

/** An error of the platform as programs see it. */
export function failureOf(error: LambentError): Failure {
  return { code: error.code, errorType: error.code, errorMessage: error.message, stackTrace: [] };
}

export function failure(code: ErrorCode, message: string, errorType: string = code): Failure {
  return { code, errorType, errorMessage: message, stackTrace: [] };
}

/** What an operation fails with when its time is over. */
export function timeoutFailure(what: string): Failure {
  return failure('E_TIMEOUT', `${what} did not end in time`, 'TimeoutError');
}
