import { RuntimeFailure } from '../node/failure.ts';
import type { Invocation } from '../node/invocations.ts';
import { sendLambdaResponse } from '../node/lambda-response.ts';
import { describeFailure } from '../node/failure.ts';

/**
 * Sends an answer that came as a whole. To an event it goes as it is, like at AWS; to HTTP it goes by the rules of
 * API Gateway's payload format 2.0.
 */
export function sendBuffered(invocation: Invocation, body: Buffer): void {
  if (!invocation.isHttp) {
    invocation.result(body, true);
    return;
  }
  try {
    sendLambdaResponse(invocation, parse(body));
  } catch (thrown) {
    invocation.fail(describeFailure(thrown, 'E_FUNCTION_RESPONSE_INVALID'));
  }
}

function parse(body: Buffer): unknown {
  const text = body.toString('utf8');
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const message = `the program answered an HTTP request with what is not JSON: ${(thrown as Error).message}`;
    throw new RuntimeFailure('E_FUNCTION_RESPONSE_INVALID', 'InvalidResponse', message);
  }
}
