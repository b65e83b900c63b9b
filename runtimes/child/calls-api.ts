import type { IncomingMessage, ServerResponse } from 'node:http';
import { CALL_BYTES_MAX, type EventHead } from '../../src/model/frames.ts';
import { CallError, type Calls } from '../node/calls.ts';
import type { Invocations } from '../node/invocations.ts';

/**
 * Calls of the platform over HTTP, for programs that have no SDK: `POST /lambent/calls/OPERATION?ARG=VALUE` with the
 * payload as the body. The answer is the result with 200, or the failure as JSON (`code`, `errorType`,
 * `errorMessage`, `stackTrace`, `retryable`, `hint`) with 422. It listens inside the instance only.
 */
export const CALLS_PATH = '/lambent/calls/';
/** By this a program that works on several invocations at once says for which one it calls. */
const FOR_HEADER = 'x-lambent-request-id';

/** By this a program learns which function called. */
export const CALLER_HEADER = 'x-lambent-caller';

export function callerText(caller: EventHead['caller']): string | undefined {
  return caller && `${caller.app}/${caller.function}`;
}

/** True when the request was one of these. */
export function answerCall(
  calls: Calls,
  invocations: Invocations,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const url = new URL(request.url ?? '/', 'http://instance');
  if (!url.pathname.startsWith(CALLS_PATH)) return false;
  if (request.method !== 'POST') {
    respondJson(response, 405, { errorMessage: 'Calls are made with POST.', errorType: 'MethodNotAllowed' });
    return true;
  }
  const head = {
    operation: url.pathname.slice(CALLS_PATH.length),
    args: Object.fromEntries(url.searchParams),
  };
  const named = request.headers[FOR_HEADER];
  const invocationStream = typeof named === 'string' ? invocations.streamOf(named) : invocations.onlyStream;
  readAll(request, CALL_BYTES_MAX)
    .then((payload) => calls.call(head, payload, invocationStream))
    .then(
      (result) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': result.byteLength });
        response.end(result);
      },
      (thrown: unknown) => {
        if (!(thrown instanceof CallError)) {
          respondJson(response, 413, { code: 'E_PAYLOAD_TOO_LARGE', errorMessage: String(thrown) });
          return;
        }
        const { code, errorType, message, stackTrace, retryable, hint } = thrown;
        respondJson(response, 422, { code, errorType, errorMessage: message, stackTrace, retryable, hint });
      },
    );
  return true;
}

export function respondJson(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** More than the given number of bytes came; what follows was read and let go. */
export class TooManyBytes extends Error {}

/** The whole body. Rejects with `TooManyBytes`, or when it breaks off. */
export async function readAll(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
  }
  if (bytes > bytesMax) throw new TooManyBytes(`the body has more than ${bytesMax} bytes`);
  return Buffer.concat(chunks, bytes);
}
