import { PLATFORM } from '../calls.ts';
import type { HandlerDeps } from '../handler.ts';
import type { Invocation } from '../invocations.ts';
import { sendLambdaResponse } from '../lambda-response.ts';
import { withWholeBody } from '../whole-body.ts';

interface Platform {
  call(operation: string, args: Readonly<Record<string, unknown>>, payload: Uint8Array): Promise<Uint8Array>;
}

/**
 * An HTTP request to a workflow starts an execution with its JSON body. It is answered with the result, or with 202
 * and the execution's id when the request says `prefer: respond-async` (RFC 7240) or the result takes long.
 */
export function answerStart(invocation: Invocation, workflow: string, deps: HandlerDeps): void {
  withWholeBody(invocation, deps, (body) => {
    start(invocation, workflow, body).then(
      (response) => sendLambdaResponse(invocation, response),
      (thrown) => deps.fail(invocation, thrown),
    );
  });
}

async function start(invocation: Invocation, workflow: string, body: Buffer): Promise<unknown> {
  const headers = new Map(
    invocation.http.headers.map((line) => [
      line.slice(0, line.indexOf(':')),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  const key = headers.get('idempotency-key');
  const wait = headers.get('prefer')?.includes('respond-async') !== true;
  const platform = (globalThis as Record<symbol, unknown>)[PLATFORM] as Platform;
  const args = { workflow, wait, ...(key === undefined ? {} : { key }) };
  try {
    const bytes = await platform.call('workflow.start', args, body);
    const { id, status, output, error } = JSON.parse(Buffer.from(bytes).toString()) as StartAnswer;
    const named = { 'content-type': 'application/json', 'lambent-execution': id };
    if (status === 'succeeded')
      return { statusCode: 200, headers: named, body: JSON.stringify(output ?? null) };
    if (error !== undefined)
      return { statusCode: 500, headers: named, body: JSON.stringify({ id, status, error }) };
    return { statusCode: 202, headers: named, body: JSON.stringify({ id, status }) };
  } catch (thrown) {
    const status = STATUS_OF[(thrown as { code?: string }).code ?? ''];
    if (status === undefined) throw thrown;
    const { code, message } = thrown as { code: string; message: string };
    return {
      statusCode: status,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ error: { code, message } }),
    };
  }
}

interface StartAnswer {
  readonly id: string;
  readonly status: string;
  readonly output?: unknown;
  readonly error?: unknown;
}

/** What the one who sent the request can mend. */
const STATUS_OF: Readonly<Record<string, number>> = {
  E_BAD_REQUEST: 400,
  E_IDEMPOTENCY_CONFLICT: 409,
  E_PAYLOAD_TOO_LARGE: 413,
  E_OVERLOADED: 503,
};
