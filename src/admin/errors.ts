import { HTTPException } from 'hono/http-exception';
import { type ErrorRecord, LambentError, toLambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

/**
 * Any thrown value as an error for the outside. A defect keeps its details to itself: its message may hold paths,
 * statements or data. They go to the log, under the request id that the caller sees.
 */
export function toPublicError(thrown: unknown, requestId: string, log: Log): LambentError {
  if (thrown instanceof HTTPException) return fromHttpException(thrown);
  const error = toLambentError(thrown);
  if (error.code !== 'E_INTERNAL') return error;
  const cause = error.cause instanceof Error ? error.cause : error;
  log.error('a request to the control API met a defect', {
    requestId,
    error: cause.message,
    stack: cause.stack,
  });
  return new LambentError('E_INTERNAL', 'Something went wrong inside Lambent.', {
    hint: `Look for ${requestId} in the log of the platform, and please report what it says.`,
  });
}

/** The error as an HTTP answer: status by the code's row in the table, body `{ error, requestId }`. */
export function errorResponse(error: LambentError, requestId: string): Response {
  const headers = new Headers({ 'content-type': 'application/json' });
  if (error.retryAfterS !== undefined) headers.set('retry-after', String(Math.ceil(error.retryAfterS)));
  if (error.code === 'E_UNAUTHENTICATED') headers.set('www-authenticate', 'Bearer realm="lambent"');
  const body: { error: ErrorRecord; requestId: string } = { error: error.toRecord(), requestId };
  return new Response(JSON.stringify(body), { status: error.facts.status, headers });
}

/** The web framework refuses a few requests by itself: bodies that are not JSON. */
function fromHttpException(exception: HTTPException): LambentError {
  if (exception.status === 415) {
    return new LambentError('E_BAD_REQUEST', 'The body is not of a type that this endpoint takes.', {
      hint: 'Send JSON with `content-type: application/json`.',
    });
  }
  if (exception.status === 413) return new LambentError('E_PAYLOAD_TOO_LARGE', exception.message);
  return new LambentError('E_BAD_REQUEST', exception.message || 'The request is not well formed.');
}
