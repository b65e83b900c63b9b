import type { EventHead } from '../../src/model/frames.ts';
import { sendResponse } from './fetch-handler.ts';
import type { Handler, HandlerDeps } from './handler.ts';
import { current, type Invocation } from './invocations.ts';
import { createLambdaContext, type FunctionFacts, type LambdaContext } from './lambda-context.ts';
import { createHttpEvent } from './lambda-event.ts';
import { sendLambdaResponse, sendLambdaResult } from './lambda-response.ts';
import { type AnswerStream, createAnswerStream, isStreaming } from './lambda-stream.ts';
import { xrayTraceId } from './trace-id.ts';
import { isRealResponse } from './web-globals.ts';
import { WebResponse } from './web-response.ts';
import { withWholeBody } from './whole-body.ts';

/**
 * Handlers with AWS Lambda's signature: `async (event, context)`, `(event, context, callback)`, and those that
 * `awslambda.streamifyResponse` wrapped. An HTTP request reaches them as an event of API Gateway's payload format
 * 2.0. A returned `Response` is sent as such.
 */

export type LambdaFunction = (event: unknown, context: LambdaContext, third?: unknown) => unknown;

type StreamingFunction = (event: unknown, stream: AnswerStream, context: LambdaContext) => unknown;

class Call {
  readonly #deps: HandlerDeps;
  readonly #invocation: Invocation;
  #settled = false;
  readonly settle = (error: unknown, result?: unknown): void => {
    if (this.#settled) return;
    this.#settled = true;
    if (error !== undefined && error !== null) this.#deps.fail(this.#invocation, error);
    else this.#send(result);
  };
  readonly reject = (thrown: unknown): void => {
    if (this.#settled) return;
    this.#settled = true;
    this.#deps.fail(this.#invocation, thrown);
  };

  constructor(deps: HandlerDeps, invocation: Invocation) {
    this.#deps = deps;
    this.#invocation = invocation;
  }

  #send(result: unknown): void {
    const invocation = this.#invocation;
    if (invocation.cancelled) {
      invocation.end();
      return;
    }
    try {
      if (!invocation.isHttp) sendLambdaResult(invocation, result);
      else if (WebResponse.is(result) || isRealResponse(result)) {
        sendResponse(invocation, result)?.catch((thrown) => this.#deps.fail(invocation, thrown));
      } else sendLambdaResponse(invocation, result);
    } catch (thrown) {
      this.#deps.fail(invocation, thrown);
    }
  }
}

export function createLambdaHandler(
  kind: 'lambda' | 'plain',
  handler: LambdaFunction,
  facts: FunctionFacts,
  deps: HandlerDeps,
): Handler {
  const takesCallback = handler.length >= 3;
  // The environment is the process's: with several at once it could not say whose trace it holds.
  const tellsTrace = (facts.concurrency ?? 1) === 1;

  const invoke = (event: unknown, context: LambdaContext, call: Call): void => {
    const result = takesCallback ? handler(event, context, call.settle) : handler(event, context);
    if (
      typeof result === 'object' &&
      result !== null &&
      typeof (result as PromiseLike<unknown>).then === 'function'
    )
      (result as PromiseLike<unknown>).then((value) => call.settle(null, value), call.reject);
    // A handler that takes a callback and returned nothing answers through it.
    else if (!takesCallback || result !== undefined) call.settle(null, result);
  };

  const stream = (event: unknown, context: LambdaContext, out: AnswerStream, call: Call): void => {
    const result = (handler as unknown as StreamingFunction)(event, out, context);
    Promise.resolve(result).then(() => out.closeUnlessEnded(), call.reject);
  };

  const run = (
    invocation: Invocation,
    makeEvent: () => unknown,
    requestId: string,
    deadlineMs: number,
    eventHead: EventHead | undefined,
  ): void => {
    const call = new Call(deps, invocation);
    if (tellsTrace)
      process.env._X_AMZN_TRACE_ID = xrayTraceId(requestId, traceparentOf(invocation, eventHead));
    try {
      const event = makeEvent();
      const { settle } = call;
      const context = createLambdaContext(facts, invocation, requestId, deadlineMs, eventHead, settle);
      if (!isStreaming(handler)) current.run(invocation, invoke, event, context, call);
      else current.run(invocation, stream, event, context, createAnswerStream(invocation), call);
    } catch (thrown) {
      call.reject(thrown);
    }
  };

  const onHttp = (invocation: Invocation, body: Buffer): void => {
    const head = invocation.http;
    const event = (): unknown => createHttpEvent(head, body, facts.function, Date.now());
    run(invocation, event, head.requestId, head.deadlineMs, undefined);
  };

  return {
    kind,
    onHttp: (invocation) => withWholeBody(invocation, deps, (body) => onHttp(invocation, body)),
    onEvent: (invocation) =>
      withWholeBody(invocation, deps, (body) => {
        const head = invocation.event;
        run(invocation, () => parseEvent(body), head.requestId, head.deadlineMs, head);
      }),
  };
}

const TRACEPARENT = 'traceparent: ';

function traceparentOf(invocation: Invocation, eventHead: EventHead | undefined): string | undefined {
  if (eventHead !== undefined) return eventHead.traceparent;
  return invocation.http.headers.find((line) => line.startsWith(TRACEPARENT))?.slice(TRACEPARENT.length);
}

function parseEvent(body: Buffer): unknown {
  return body.length === 0 ? {} : JSON.parse(body.toString());
}
