import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FailureMessage } from '../../src/model/frames.ts';
import { answerCall, CALLER_HEADER, readAll, respondJson, TooManyBytes } from '../child/calls-api.ts';
import type { Calls } from '../node/calls.ts';
import { RuntimeFailure } from '../node/failure.ts';
import type { Invocation, Invocations } from '../node/invocations.ts';
import { parseErrorReport } from './error-report.ts';
import { hasPrelude } from './http-prelude.ts';
import { sendBuffered } from './buffered-answer.ts';
import { invalidAnswer, StreamedAnswer } from './streamed-answer.ts';

/** AWS Lambda's own figures: the largest buffered answer, and the largest error report. */
export const ANSWER_BYTES_MAX = 6 * 1024 * 1024 + 100;
const ERROR_BYTES_MAX = 6 * 1024 * 1024;

const PATH = /^\/2018-06-01\/runtime\/(?:invocation\/(next|([^/]+)\/(response|error))|init\/(error))$/;

/** An invocation for the program, ready to be fetched. */
export interface OfferedInvocation {
  readonly invocation: Invocation;
  readonly requestId: string;
  readonly deadlineMs: number;
  /** In the form of AWS X-Ray. */
  readonly traceId: string;
  readonly clientContext: unknown;
  /** The function that called, as `app/function`. */
  readonly caller: string | undefined;
  readonly event: Buffer;
}

export interface RuntimeApiOptions {
  /** How many invocations the program may have fetched and not yet answered. */
  readonly concurrencyMax: number;
  readonly functionArn: string;
  readonly calls: Calls;
  readonly invocations: Invocations;
  /** Resolves when what the program printed so far has been read: it belongs to the invocation that it answers. */
  outputRead(): Promise<void>;
}

/**
 * The AWS Lambda Runtime API, version 2018-06-01, for one program on the loopback of its instance.
 *
 *     init -> ready (waits in `next`) -> busy (has fetched an invocation) -> ready
 *
 * As at AWS, what does not fit the state is refused with 403 `InvalidStateTransition`, the id of another request with
 * 400 `InvalidRequestID`, and an answer that is too large with 413; none of them disturbs the invocation that runs,
 * but the last, which fails it. Deliberately absent: the Extensions and Telemetry APIs.
 */
export class RuntimeApi {
  /** Resolves when the program asks for its first invocation. */
  readonly initialised: Promise<void>;
  readonly #options: RuntimeApiOptions;
  readonly #server = createServer((request, response) => this.#route(request, response));
  readonly #offered: OfferedInvocation[] = [];
  readonly #waiting: ServerResponse[] = [];
  readonly #running = new Map<string, Invocation>();
  #state: 'init' | 'ready' = 'init';
  #settleInit!: { resolve(): void; reject(error: Error): void };

  constructor(options: RuntimeApiOptions) {
    this.#options = options;
    this.initialised = new Promise((resolve, reject) => {
      this.#settleInit = { resolve, reject };
    });
    // A program may keep its connection for as long as it runs, and waits on it for its next invocation.
    this.#server.keepAliveTimeout = 0;
    this.#server.requestTimeout = 0;
    this.#server.headersTimeout = 0;
  }

  /** Resolves with `host:port`. */
  listen(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => {
        const { address, port } = this.#server.address() as AddressInfo;
        resolve(`${address}:${port}`);
      });
    });
  }

  failInit(error: Error): void {
    this.#settleInit.reject(error);
  }

  /** Gives an invocation to the program, at once if it waits for one. */
  offer(offered: OfferedInvocation): void {
    const { invocation } = offered;
    if (invocation.cancelled) {
      invocation.end();
      return;
    }
    invocation.onCancel = () => {
      const at = this.#offered.indexOf(offered);
      // Once it is fetched, it ends when the program answers it.
      if (at < 0) return;
      this.#offered.splice(at, 1);
      invocation.end();
    };
    this.#offered.push(offered);
    this.#deliver();
  }

  #deliver(): void {
    while (this.#offered.length > 0 && this.#waiting.length > 0) {
      const offered = this.#offered.shift()!;
      const { invocation, requestId, deadlineMs, traceId, clientContext, caller, event } = offered;
      this.#running.set(requestId, invocation);
      this.#waiting
        .shift()!
        .writeHead(200, {
          'content-type': 'application/json',
          'content-length': event.length,
          'lambda-runtime-aws-request-id': requestId,
          'lambda-runtime-deadline-ms': String(deadlineMs),
          'lambda-runtime-invoked-function-arn': this.#options.functionArn,
          'lambda-runtime-trace-id': traceId,
          ...(caller === undefined ? {} : { [CALLER_HEADER]: caller }),
          ...(clientContext === undefined
            ? {}
            : { 'lambda-runtime-client-context': asciiJson(clientContext) }),
        })
        .end(event);
    }
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    const { calls, invocations } = this.#options;
    request.on('error', () => {});
    if (answerCall(calls, invocations, request, response)) return;
    const path = PATH.exec((request.url ?? '').split('?', 1)[0]!);
    if (path === null) {
      refuse(response, 404, 'NotFound', `There is no ${request.url} in the Runtime API.`);
      return;
    }
    const [, first, requestId, action, init] = path;
    const method = first === 'next' ? 'GET' : 'POST';
    if (request.method !== method) refuse(response, 405, 'MethodNotAllowed', `This takes ${method}.`);
    else if (first === 'next') this.#next(response);
    else if (init !== undefined) void this.#initError(request, response);
    else void this.#answer(requestId!, action!, request, response);
  }

  #next(response: ServerResponse): void {
    if (this.#running.size + this.#waiting.length >= this.#options.concurrencyMax) {
      refuseTransition(response, this.#running.size > 0 ? 'InvocationResponse' : 'Ready', 'Ready');
      return;
    }
    if (this.#state === 'init') {
      this.#state = 'ready';
      this.#settleInit.resolve();
    }
    this.#waiting.push(response);
    response.once('close', () => {
      const at = this.#waiting.indexOf(response);
      if (at >= 0) this.#waiting.splice(at, 1);
    });
    this.#deliver();
  }

  async #initError(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#state !== 'init') {
      refuseTransition(response, 'Ready', 'InitError');
      return;
    }
    const body = await readAll(request, ERROR_BYTES_MAX).catch(() => Buffer.alloc(0));
    const { errorType, errorMessage, stackTrace } = parseErrorReport(body, request.headers);
    respondJson(response, 202, { status: 'OK' });
    const error = new RuntimeFailure('E_BOOT_FAILED', errorType, errorMessage);
    error.stack = [`${errorType}: ${errorMessage}`, ...stackTrace.map((line) => `    at ${line}`)].join('\n');
    this.#settleInit.reject(error);
  }

  async #answer(
    requestId: string,
    action: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (this.#running.size === 0) {
      const to = action === 'error' ? 'InvocationErrorResponse' : 'InvocationResponse';
      refuseTransition(response, this.#state === 'init' ? 'Init' : 'Ready', to);
      return;
    }
    const invocation = this.#running.get(requestId);
    if (invocation === undefined) {
      refuse(response, 400, 'InvalidRequestID', 'Invalid request ID');
      return;
    }
    // From here on a second answer is one too many.
    this.#running.delete(requestId);
    const mode = request.headers['lambda-runtime-function-response-mode'];
    if (action === 'error') await this.#takeError(invocation, request, response);
    // AWS' client for Go streams without a word of it: an answer with its head in front may be of any length.
    else if (mode === 'streaming' || (mode === undefined && hasPrelude(request.headers['content-type'])))
      await this.#takeStream(invocation, request, response);
    else if (mode === undefined) await this.#takeWhole(invocation, request, response);
    else {
      const message = `the program answered in the mode ${JSON.stringify(mode)}; there is \`streaming\` only`;
      invocation.fail(invalidAnswer(message));
      refuse(response, 400, 'InvalidFunctionResponseMode', 'Invalid function response mode');
    }
    // Nobody waits for it any more: the answer went nowhere, and the place is free again.
    if (invocation.cancelled) invocation.end();
  }

  async #takeError(
    invocation: Invocation,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const body = await readAll(request, ERROR_BYTES_MAX).catch(() => Buffer.alloc(0));
    await this.#options.outputRead();
    if (!invocation.cancelled)
      invocation.fail({ code: 'E_FUNCTION_ERROR', ...parseErrorReport(body, request.headers) });
    respondJson(response, 202, { status: 'OK' });
  }

  async #takeWhole(
    invocation: Invocation,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    let body: Buffer;
    try {
      body = await readAll(request, ANSWER_BYTES_MAX);
    } catch (thrown) {
      await this.#options.outputRead();
      if (thrown instanceof TooManyBytes) {
        const message = `the program answered more than ${ANSWER_BYTES_MAX} bytes at once; larger answers can be streamed`;
        invocation.fail({
          code: 'E_RESPONSE_TOO_LARGE',
          errorType: 'Function.ResponseSizeTooLarge',
          errorMessage: message,
          stackTrace: [],
        });
        const text = `Exceeded maximum allowed payload size (${ANSWER_BYTES_MAX} bytes).`;
        refuse(response, 413, 'RequestEntityTooLarge', text);
      } else invocation.fail(invalidAnswer('the answer of the program broke off'));
      return;
    }
    await this.#options.outputRead();
    const failure = failureInTrailers(request);
    if (failure !== undefined) invocation.fail(failure);
    else if (!invocation.cancelled) sendBuffered(invocation, body);
    respondJson(response, 202, { status: 'OK' });
  }

  async #takeStream(
    invocation: Invocation,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const answer = new StreamedAnswer(invocation, request.headers['content-type']);
    const failure = await answer.pump(request);
    await this.#options.outputRead();
    answer.finish(failure ?? failureInTrailers(request));
    if (!response.destroyed) respondJson(response, 202, { status: 'OK' });
  }
}

/** An error that the program met while it answered. */
function failureInTrailers({ trailers }: IncomingMessage): FailureMessage | undefined {
  const errorType = trailers['lambda-runtime-function-error-type'];
  if (errorType === undefined) return undefined;
  const report = Buffer.from(trailers['lambda-runtime-function-error-body'] ?? '', 'base64');
  const headers = { 'lambda-runtime-function-error-type': errorType };
  return { code: 'E_FUNCTION_ERROR', ...parseErrorReport(report, headers) };
}

/** JSON that a header may hold. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function refuse(response: ServerResponse, status: number, errorType: string, errorMessage: string): void {
  respondJson(response, status, { errorMessage, errorType });
}

function refuseTransition(response: ServerResponse, from: string, to: string): void {
  const message = `State transition from ${from} to ${to} failed for runtime. Error: State transition is not allowed`;
  refuse(response, 403, 'InvalidStateTransition', message);
}
