import type { LambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

/** An error by AWS' name for it, as its SDKs read it: `x-amzn-errortype`, `Type` and `Message`. */
export class AwsError extends Error {
  override readonly name = 'AwsError';
  readonly status: number;
  readonly type: string;
  readonly retryAfterS: number | undefined;

  constructor(status: number, type: string, message: string, retryAfterS?: number) {
    super(message);
    this.status = status;
    this.type = type;
    this.retryAfterS = retryAfterS;
  }

  toResponse(requestId: string): Response {
    const headers = new Headers({
      'content-type': 'application/json',
      'x-amzn-errortype': this.type,
      'x-amzn-requestid': requestId,
    });
    if (this.retryAfterS !== undefined) headers.set('retry-after', String(Math.ceil(this.retryAfterS)));
    const body = { Type: this.status >= 500 ? 'Service' : 'User', Message: this.message };
    return new Response(JSON.stringify(body), { status: this.status, headers });
  }
}

/** A platform's error by the name under which AWS' clients know what to do: retry, give up, or ask a person. */
export function toAwsError(error: LambentError, requestId: string, log: Log): AwsError {
  const message = `${error.message} ${error.hint}`;
  switch (error.code) {
    case 'E_UNAUTHENTICATED':
      return new AwsError(403, 'MissingAuthenticationTokenException', message);
    case 'E_SIGNATURE_REFUSED':
      return new AwsError(403, 'UnrecognizedClientException', message);
    case 'E_FORBIDDEN':
    case 'E_HOST_REFUSED':
      return new AwsError(403, 'AccessDeniedException', message);
    case 'E_CONCURRENCY_LIMIT':
    case 'E_OVERLOADED':
    case 'E_TOO_MANY_ATTEMPTS':
      return new AwsError(429, 'TooManyRequestsException', message, error.retryAfterS);
    case 'E_PAYLOAD_TOO_LARGE':
      return new AwsError(413, 'RequestTooLargeException', message);
    case 'E_CLIENT_CLOSED':
      return new AwsError(400, 'InvalidRequestContentException', message);
    case 'E_SHUTTING_DOWN':
    case 'E_START_FAILED':
    case 'E_STORE_FAILED':
    case 'E_STORE_LOCKED':
    case 'E_DISK_FULL':
      return new AwsError(500, 'ServiceException', message, error.retryAfterS);
    default:
      log.error('a call by the Lambda API met a defect', {
        requestId,
        code: error.code,
        error: error.message,
      });
      return new AwsError(500, 'ServiceException', `Something went wrong inside Lambent (${requestId}).`);
  }
}
